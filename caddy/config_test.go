package caddy

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
)

func TestSettingsForTheService(t *testing.T) {
	t.Parallel()
	on := true
	day, kept := caddy.Duration(24*time.Hour), registry.Duration(24*time.Hour)
	rate := registry.Rate{Requests: 5, Burst: 7}
	for _, tc := range []struct {
		name string
		own  Settings
		want scimmodule.Settings
	}{
		{"nothing said", Settings{}, scimmodule.Settings{}},
		{"all said", Settings{
			Allow: []string{"*"}, Required: []string{"emails"}, Members: "reject", Match: []string{"userName", "externalId"},
			DuplicateGroupNames: &on, ArchiveRetention: &day, Rate: &rate,
		}, scimmodule.Settings{
			Allow: []string{"*"}, Required: []string{"emails"}, Members: "reject", Match: []string{"userName", "externalId"},
			DuplicateGroupNames: &on, ArchiveRetention: &kept, Rate: &rate,
		}},
		{"nothing demanded is not nothing said", Settings{Required: []string{}}, scimmodule.Settings{Required: []string{}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.own.core()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if _, err := (Settings{Match: []string{"externalId"}}).core(); err == nil {
		t.Error("match externalId alone is taken")
	}
}

func TestExtensionFile(t *testing.T) {
	i := newInstance(t)
	const urn = "urn:example:params:scim:schemas:extension:badge:2.0:User"
	file := filepath.Join(i.dir, "badge.json")
	text := `{"id":"` + urn + `","name":"Badge","attributes":[{"name":"color","type":"string"}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BADGE_FILE", file)
	i.load(scimBlock("store memory\nextension users {env.BADGE_FILE}\nallow default "+urn+":color"), "scim")
	resp, got := i.do("POST", "/scim/v2/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","`+urn+`"],"userName":"ada","`+urn+`":{"color":"red"}}`)
	if resp.StatusCode != http.StatusCreated || !strings.Contains(got, `"color":"red"`) {
		t.Errorf("%d %s", resp.StatusCode, got)
	}
}
