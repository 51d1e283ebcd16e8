package admintest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// TestTenantList pages through tenants of the configuration and of run time.
func TestTenantList(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		var made []string
		for range 7 {
			made = append(made, create(t, s, ""))
		}
		c := tenant(t, s, "")
		c.CreateGroup(t, "crew", c.CreateUser(t, "ada@example.com"))
		c.Do(t, "DELETE", "/Users/"+c.CreateUser(t, "old@example.com"), nil).Want(t, 204)
		do[admin.TenantDetail](t, s, admin.PathTenantPause, M{"tenant": made[0]})

		met := map[string]admin.Tenant{}
		in := admin.PageRequest{Limit: 5}
		last := ""
		for {
			p := do[admin.TenantPage](t, s, admin.PathTenantList, in)
			for _, x := range p.Tenants {
				if x.Name <= last {
					t.Errorf("%s comes after %s", x.Name, last)
				}
				last = x.Name
				met[x.Name] = x
			}
			if in.After = p.Next; in.After == "" {
				break
			}
		}
		for i := range 250 { // those that the harness declares
			if x, ok := met[fmt.Sprint("t", i+1)]; !ok || !x.Configured {
				t.Fatalf("t%d: %+v", i+1, x)
			}
		}
		for _, name := range made {
			if x, ok := met[name]; !ok || x.Configured || x.Created == nil || (x.State == admin.StatePaused) != (name == made[0]) {
				t.Errorf("%s: %+v", name, x)
			}
		}
		if x := met[c.Tenant]; x.Users != 1 || x.Groups != 1 || x.Archived != 1 || x.Tokens != 1 {
			t.Errorf("at a glance: %+v", x)
		}
		refused(t, s, admin.PathTenantList, M{"limit": 1001}, 400, "limit")
		refused(t, s, admin.PathTenantCreate, M{"tenant": made[0]}, 409, made[0])
		refused(t, s, admin.PathTenantShow, M{"tenant": "nobody"}, 404, "no such tenant")
	})
}

// TestLookups finds users and groups as support does, by whatever a customer reads
// out.
func TestLookups(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		c := tenant(t, s, "")
		ada := c.CreateUser(t, "Ada@example.com", M{"externalId": "A-4711"})
		bob := c.CreateUser(t, "bob@example.com")
		inner := c.CreateGroup(t, "Inner", ada)
		outer := c.CreateGroup(t, "Outer", ada, bob)
		c.Patch(t, "/Groups/"+outer, e2e.Op("add", "members", A{M{"value": inner, "type": "Group"}})).Want(t, 204)

		for _, x := range []struct{ path, key, by, id string }{
			{admin.PathUserShow, ada, "id", ada}, {admin.PathUserShow, "aDA@EXAMPLE.com", "userName", ada}, {admin.PathUserShow, "A-4711", "externalId", ada},
			{admin.PathGroupShow, inner, "id", inner}, {admin.PathGroupShow, "inner", "displayName", inner},
		} {
			r := do[admin.LookupResult](t, s, x.path, admin.Lookup{Tenant: c.Tenant, Key: x.key})
			if len(r.Resources) != 1 || r.Resources[0].ID != x.id || r.Resources[0].MatchedBy != x.by || r.Resources[0].State != "live" {
				t.Errorf("%s %s: %+v", x.path, x.key, r)
			}
		}
		for _, key := range []string{"a-4711", "nobody", inner} {
			if r := do[admin.LookupResult](t, s, admin.PathUserShow, admin.Lookup{Tenant: c.Tenant, Key: key}); len(r.Resources) != 0 {
				t.Errorf("a user %s: %+v", key, r)
			}
		}
		r := do[admin.LookupResult](t, s, admin.PathUserShow, admin.Lookup{Tenant: c.Tenant, Key: ada}).Resources[0]
		want := []admin.GroupRef{{ID: inner, DisplayName: "Inner"}, {ID: outer, DisplayName: "Outer"}}
		same(t, "groups", want, r.Groups)
		same(t, "number of groups", 2, r.TotalGroups)
		same(t, "version", c.Do(t, "GET", "/Users/"+ada, nil).ETag(), r.Version)
		g := do[admin.LookupResult](t, s, admin.PathGroupShow, admin.Lookup{Tenant: c.Tenant, Key: outer}).Resources[0]
		if g.Members == nil || *g.Members != 3 {
			t.Errorf("a group of three: %+v", g)
		}
		var members []admin.Member
		in := admin.MembersRequest{Tenant: c.Tenant, Group: outer, PageRequest: admin.PageRequest{Limit: 1}}
		for {
			p := do[admin.MemberPage](t, s, admin.PathGroupMembers, in)
			if p.Total != 3 || len(p.Members) > 1 {
				t.Fatalf("a page of members: %+v", p)
			}
			members = append(members, p.Members...)
			if in.After = p.Next; in.After == "" {
				break
			}
		}
		people := []string{ada, bob}
		slices.Sort(people)
		same(t, "members", []admin.Member{{ID: people[0], Type: "User"}, {ID: people[1], Type: "User"}, {ID: inner, Type: "Group"}}, members)
		refused(t, s, admin.PathGroupMembers, M{"tenant": c.Tenant, "group": ada}, 404, "")
		refused(t, s, admin.PathUserShow, M{"tenant": c.Tenant}, 400, "key")
		refused(t, s, admin.PathUserShow, M{"tenant": "nobody", "key": ada}, 404, "no such tenant")
		// A paused tenant can be looked at.
		do[admin.TenantDetail](t, s, admin.PathTenantPause, M{"tenant": c.Tenant})
		same(t, "users of a paused tenant", 1, len(do[admin.LookupResult](t, s, admin.PathUserShow, admin.Lookup{Tenant: c.Tenant, Key: ada}).Resources))
	})
}

// TestUndeclared takes a tenant out of the configuration: nobody gets in, its data
// stay until it is declared again, or deleted.
func TestUndeclared(t *testing.T) {
	t.Parallel()
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			with := e2e.Config{Scim: "\t\ttenant declared {\n\t\t\ttoken a-static-token-of-the-declared-one\n\t\t}"}
			s := e2e.StartServer(t, store, with)
			static := s.Named("declared", "a-static-token-of-the-declared-one")
			_, minted := mint(t, s, admin.TokenCreate{Tenant: "declared"})
			id := static.CreateUser(t, "ada@example.com")
			minted.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)
			reload := func(cfg e2e.Config) {
				t.Helper()
				if err := s.Caddy.Reload(s.Caddy.WriteConfig(t, cfg)); err != nil {
					t.Fatal(err)
				}
			}
			closed := func() {
				t.Helper()
				for _, c := range []*e2e.Client{static, minted} {
					c.Do(t, "GET", "/Users/"+id, nil).WantError(t, 401, "")
				}
			}
			reload(e2e.Config{})
			closed()
			refused(t, s, admin.PathTenantShow, M{"tenant": "declared"}, 404, "no such tenant")
			refused(t, s, admin.PathUserShow, M{"tenant": "declared", "key": id}, 404, "no such tenant")
			refused(t, s, admin.PathTokenCreate, M{"tenant": "declared"}, 404, "no such tenant")
			// Its name is not taken by accident for another customer.
			refused(t, s, admin.PathTenantCreate, M{"tenant": "declared"}, 409, "--adopt")
			refused(t, s, admin.PathTokenCreate, M{"tenant": "declared", "create": true}, 409, "--adopt")
			closed()
			reload(with)
			for _, c := range []*e2e.Client{static, minted} {
				c.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)
			}
			reload(e2e.Config{})
			do[admin.TenantDetail](t, s, admin.PathTenantCreate, M{"tenant": "declared", "adopt": true})
			minted.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)
			if d := do[admin.TenantDeleted](t, s, admin.PathTenantDelete, M{"tenant": "declared", "confirm": "declared"}); !d.Done || d.Erased == 0 {
				t.Errorf("deleted: %+v", d)
			}
			closed()
			reload(with)
			minted.Do(t, "GET", "/Users/"+id, nil).WantError(t, 401, "")
			static.Do(t, "GET", "/Users/"+id, nil).WantError(t, 404, "")
			static.Do(t, "GET", "/Users", nil).WantList(t, 0)
		})
	}
}
