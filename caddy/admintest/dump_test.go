package admintest

import (
	"encoding/json"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// stored is everything of a tenant that can be seen, by id.
type stored struct {
	Users, Groups, Archived map[string]any
	Tokens                  []string
}

// dump reads everything of the client's tenant.
func dump(t *testing.T, s *e2e.Server, c *e2e.Client) stored {
	t.Helper()
	d := stored{Users: map[string]any{}, Groups: map[string]any{}, Archived: map[string]any{}}
	for path, into := range map[string]map[string]any{"/Users": d.Users, "/Groups": d.Groups} {
		cursor := ""
		for {
			r := c.Do(t, "GET", path+"?count=200&cursor="+cursor, nil)
			for _, res := range r.List(t) {
				into[res["id"].(string)] = res
			}
			if cursor, _ = r.JSON["nextCursor"].(string); cursor == "" {
				break
			}
		}
	}
	in := admin.ArchiveRequest{Tenant: c.Tenant}
	for {
		page := do[admin.ArchivePage](t, s, admin.PathArchiveList, in)
		for _, u := range page.Users {
			var v any
			if err := json.Unmarshal([]byte(encode(t, u)), &v); err != nil {
				t.Fatal(err)
			}
			d.Archived[u.ID] = v
		}
		if in.After = page.Next; in.After == "" {
			break
		}
	}
	for _, tok := range do[admin.TokenList](t, s, admin.PathTokenList, M{"tenant": c.Tenant}).Tokens {
		d.Tokens = append(d.Tokens, tok.ID)
	}
	return d
}
