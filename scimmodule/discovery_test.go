package scimmodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// The discovery bodies, in full, as a tenant of the default list sees them.
func TestDiscoveryGolden(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for file, target := range map[string]string{
		"serviceproviderconfig": "/ServiceProviderConfig",
		"resourcetypes":         "/ResourceTypes",
		"resourcetype_user":     "/ResourceTypes/User",
		"resourcetype_group":    "/ResourceTypes/Group",
		"schema_user":           "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
		"schema_group":          "/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group",
		"schema_enterprise":     "/Schemas/" + ent,
	} {
		a := e.send("GET", target, "")
		a.want(200)
		var got bytes.Buffer
		if err := json.Indent(&got, a.Body.Bytes(), "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
		path := filepath.Join("testdata", file+".json")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", target, diff)
		}
	}
}

// What discovery says is true: of the list, of the limits, of each URN.
func TestDiscoveryIsTrue(t *testing.T) {
	t.Parallel()
	e := newEnv(t, allow("default", "urn:example:ext:1.0:User:plain"), func(o *Options) {
		o.Limits.Page = 7
		o.Limits.DefaultPage = 20
		o.Limits.BulkOperations = 3
		o.Limits.Body = 5000
	})
	c := e.send("GET", "/ServiceProviderConfig", "").want(200)
	pagination, _ := c["pagination"].(map[string]any)
	bulk, _ := c["bulk"].(map[string]any)
	filter, _ := c["filter"].(map[string]any)
	if pagination["maxPageSize"] != 7.0 || pagination["defaultPageSize"] != 7.0 || filter["maxResults"] != 7.0 || bulk["maxOperations"] != 3.0 || bulk["maxPayloadSize"] != 5000.0 {
		t.Errorf("limits %v %v %v", pagination, bulk, filter)
	}
	list := e.send("GET", "/Schemas", "").want(200)
	resources, _ := list["Resources"].([]any)
	if list["totalResults"] != float64(len(resources)) || len(resources) != 7 {
		t.Errorf("%d schemas, total %v", len(resources), list["totalResults"])
	}
	for _, r := range resources {
		s, _ := r.(map[string]any)
		id, _ := s["id"].(string)
		location, _ := s["meta"].(map[string]any)["location"].(string)
		if diff := cmp.Diff(r, any(e.send("GET", strings.TrimPrefix(location, base), "").want(200))); diff != "" {
			t.Errorf("%s (-list +alone):\n%s", id, diff)
		}
		if id == extURN && len(s["attributes"].([]any)) != 1 {
			t.Errorf("extension %v", s)
		}
	}
	list = e.send("GET", "/ResourceTypes", "").want(200)
	for _, r := range list["Resources"].([]any) {
		location, _ := r.(map[string]any)["meta"].(map[string]any)["location"].(string)
		if diff := cmp.Diff(r, any(e.send("GET", strings.TrimPrefix(location, base), "").want(200))); diff != "" {
			t.Errorf("(-list +alone):\n%s", diff)
		}
	}
	user := e.send("GET", "/ResourceTypes/User", "").want(200)
	if n := len(user["schemaExtensions"].([]any)); n != 2 {
		t.Errorf("%d extensions", n)
	}
	if e.send("GET", "/ResourceTypes/Group", "").want(200)["schemaExtensions"] != nil {
		t.Error("extensions of groups")
	}
}
