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
)

func TestTenantOverridesDefaults(t *testing.T) {
	t.Parallel()
	on, off := true, false
	day, ever := caddy.Duration(24*time.Hour), caddy.Duration(0)
	base := Settings{
		Allow: []string{"*"}, Required: []string{"emails"}, Members: "reject", Match: []string{"userName", "externalId"},
		DuplicateGroupNames: &on, ArchiveRetention: &day,
	}
	all := scimmodule.Settings{
		Allow: []string{"*"}, Required: []string{"emails"}, Members: "reject", MatchExternalID: true,
		DuplicateGroupNames: true, ArchiveRetention: 24 * time.Hour,
	}
	for _, tc := range []struct {
		name      string
		own, base Settings
		want      scimmodule.Settings
	}{
		{"nothing said", Settings{}, Settings{}, scimmodule.Settings{}},
		{"all from the defaults", Settings{}, base, all},
		{"all of its own", base, Settings{}, all},
		{"back to what the defaults turn on", Settings{
			Allow: []string{"default"}, Required: []string{}, Members: "create", Match: []string{"userName"},
			DuplicateGroupNames: &off, ArchiveRetention: &ever,
		}, base, scimmodule.Settings{Allow: []string{"default"}, Required: []string{}, Members: "create"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.own.core(tc.base)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
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
