package schema

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// The default list as /Schemas shows it, in full.
func TestPublishedDefault(t *testing.T) {
	t.Parallel()
	vs := narrowTo(t)
	var list []any
	for _, s := range append(vs.User.Published(), vs.Group.Published()...) {
		list = append(list, tree(t, jsonOf(s.Object())))
	}
	got, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", "published_default.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func published(t *testing.T, v *View, urn string) map[string]any {
	t.Helper()
	for _, s := range v.Published() {
		if s.ID == urn {
			return tree(t, jsonOf(s.Object())).(map[string]any)
		}
	}
	return nil
}

// member walks into a published schema: attribute, then sub-attribute.
func member(t *testing.T, s map[string]any, names ...string) map[string]any {
	t.Helper()
	key := "attributes"
	for _, name := range names {
		list, _ := s[key].([]any)
		s = nil
		for _, a := range list {
			if a.(map[string]any)["name"] == name {
				s = a.(map[string]any)
			}
		}
		if s == nil {
			return nil
		}
		key = "subAttributes"
	}
	return s
}

func TestPublished(t *testing.T) {
	t.Parallel()
	vs := narrowTo(t, "default", `emails[type eq "work"].display`, `ims[type eq "aim"].value`, "ims.display", "level", `phoneNumbers[type eq "home"]`, "roles")
	user := published(t, vs.User, UserURN)
	for _, c := range []struct {
		name  string
		path  []string
		key   string
		want  any
		inExt bool
	}{
		{"an attribute that is kept", []string{"userName"}, "uniqueness", "server", false},
		{"one type", []string{"emails", "type"}, "canonicalValues", []any{"work"}, false},
		{"two types", []string{"phoneNumbers", "type"}, "canonicalValues", []any{"home", "mobile"}, false},
		{"a part for a second rule of the same type", []string{"emails", "display"}, "type", "string", false},
		{"some of all elements leaves every type", []string{"ims", "type"}, "canonicalValues", canonical(t, "ims"), false},
		{"an attribute of an extension", []string{"level"}, "type", "integer", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := user
			if c.inExt {
				s = published(t, vs.User, extURN)
			}
			m := member(t, s, c.path...)
			if m == nil {
				t.Fatalf("%v is not published", c.path)
			}
			if list, ok := m[c.key].([]any); ok {
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
			if diff := cmp.Diff(c.want, m[c.key]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, name := range []string{"externalId", "id", "meta", "schemas", "password", "title", "groups"} {
		if member(t, user, name) != nil {
			t.Errorf("%s is published", name)
		}
	}
	if member(t, user, "name", "formatted") != nil {
		t.Error("a part that is not kept is published")
	}
	if published(t, vs.User, dotURN) != nil || published(t, vs.Group, groupURN) != nil {
		t.Error("an extension of which nothing is kept is published")
	}
	if s := published(t, vs.User, extURN); len(s["attributes"].([]any)) != 1 {
		t.Error("more of an extension is published than is kept")
	}
}

func canonical(t *testing.T, attribute string) any {
	t.Helper()
	var out []any
	for _, v := range testCatalog(t).User.Schema.Find(attribute).Find("type").CanonicalValues {
		out = append(out, v)
	}
	if out == nil {
		return nil
	}
	slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

// Publishing does not change what the catalog says to other tenants.
func TestPublishedLeavesTheCatalogAlone(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	before := jsonOf(c.User.Schema.Object())
	vs, err := c.Narrow(Narrowing{Allow: []string{"default"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range vs.User.Published() {
		s.Object()
	}
	if diff := cmp.Diff(before, jsonOf(c.User.Schema.Object())); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// What the operator requires is required of clients: the published schema says
// so ("/Schemas: true for this tenant").
func TestPublishedRequired(t *testing.T) {
	t.Parallel()
	vs := narrowing(t, Narrowing{Required: []string{"emails", "name.familyName", "department"}})
	user := published(t, vs.User, UserURN)
	for _, c := range []struct {
		urn  string
		path []string
		want bool
	}{
		{UserURN, []string{"userName"}, true},
		{UserURN, []string{"emails"}, true},
		{UserURN, []string{"name", "familyName"}, true},
		{EnterpriseUserURN, []string{"department"}, true},
		{UserURN, []string{"locale"}, false},
		{UserURN, []string{"name", "givenName"}, false},
		{EnterpriseUserURN, []string{"division"}, false},
	} {
		s := user
		if c.urn != UserURN {
			s = published(t, vs.User, c.urn)
		}
		if got := member(t, s, c.path...)["required"]; got != c.want {
			t.Errorf("%v is published with required %v, want %t", c.path, got, c.want)
		}
	}
	if member(t, published(t, narrowTo(t).User, UserURN), "emails")["required"] != false {
		t.Error("another tenant's requirement is published")
	}
}
