package e2etest

import (
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

var (
	requiredValues = M{"name": M{"familyName": "F"}, "emails": A{M{"type": "work", "value": "r@x"}}, e2e.EnterpriseURN: M{"department": "D"}}
	requiring      = e2e.Config{Allow: []string{"*"}, Required: []string{"emails", "name.familyName", e2e.EnterpriseURN + ":department"}}
	duplicateNames = e2e.Config{DuplicateGroupNames: true}
)

// Only SCIM's own active=true makes an inactive user active again.
func TestDeactivationSticks(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "u@x", M{"title": "T"})
		path := "/Users/" + id
		g := s.CreateGroup(t, "G", id)
		s.Patch(t, path, e2e.Op("replace", "active", false)).Want(t, 200)
		inactive := func(after string) {
			t.Helper()
			r := s.Do(t, "GET", path, nil).Want(t, 200)
			if r.JSON["active"] != false {
				t.Fatalf("active is %v after %s", r.JSON["active"], after)
			}
		}
		s.Do(t, "PUT", path, e2e.UserBody("u@x", M{"title": "U"})).Want(t, 200).WantField(t, false, "active").WantField(t, "U", "title")
		inactive("PUT without active")
		s.Patch(t, "/Groups/"+g, e2e.Op("replace", "members", e2e.MemberList(id))).Want(t, 204)
		s.Patch(t, "/Groups/"+g, e2e.Op("remove", "members", e2e.MemberList(id))).Want(t, 204)
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", A{M{"value": id, "display": "u@x", "active": true}})).Want(t, 204)
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", e2e.MemberList("u@x"))).Want(t, 204)
		s.Do(t, "PUT", "/Groups/"+g, M{"schemas": A{}, "displayName": "G", "members": e2e.MemberList(id)}).Want(t, 200)
		inactive("group syncs")
		s.WantMembers(t, g, id)
		unchanged(t, s.Client, path, func() {
			s.Patch(t, path, e2e.Op("remove", "active", nil)).Want(t, 200)
			s.Patch(t, path, M{"op": "replace", "path": "active", "value": nil}).Want(t, 200)
			s.Patch(t, path, e2e.Op("replace", "", M{"active": nil})).Want(t, 200)
		})
		s.Do(t, "PUT", path, e2e.UserBody("u@x", M{"active": nil})).Want(t, 200).WantField(t, false, "active")
		s.Patch(t, path, e2e.Op("replace", "title", "V")).Want(t, 200).WantField(t, false, "active")
		inactive("PATCH of something else")
		s.Do(t, "GET", e2e.Filter("/Users", "active eq false"), nil).WantIDs(t, id)

		s.Patch(t, path, e2e.Op("replace", "active", true)).Want(t, 200).WantField(t, true, "active")
		// On an active user, removing it makes it absent, which means true.
		s.Patch(t, path, e2e.Op("remove", "active", nil)).Want(t, 200).WantField(t, nil, "active")
		s.Do(t, "POST", "/Users", e2e.UserBody("u@x")).WantError(t, 409, "uniqueness")
		s.Do(t, "PUT", path, e2e.UserBody("u@x", M{"active": true})).Want(t, 200).WantField(t, true, "active")
		s.Do(t, "PUT", path, e2e.UserBody("u@x", M{"active": "False"})).Want(t, 200).WantField(t, false, "active")
	})
}

func TestCreatedInactive(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		for i, active := range []any{false, "False", "false"} {
			name := string(rune('a'+i)) + "@x"
			id := s.Do(t, "POST", "/Users", e2e.UserBody(name, M{"active": active})).Want(t, 201).WantField(t, false, "active").ID(t)
			s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, false, "active")
		}
		s.Do(t, "POST", "/Users", e2e.UserBody("true@x", M{"active": "True"})).Want(t, 201).WantField(t, true, "active")
		wantActive(t, s.Do(t, "POST", "/Users", e2e.UserBody("none@x")).Want(t, 201))
		s.Do(t, "POST", "/Users", e2e.UserBody("odd@x", M{"active": "perhaps"})).WantError(t, 400, "invalidValue", "active")
	})
}

func TestUserNameIsUnique(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		taken := s.CreateUser(t, "Taken@X")
		id := s.CreateUser(t, "mine@x")
		for _, name := range []string{"Taken@X", "taken@x"} {
			s.Do(t, "POST", "/Users", e2e.UserBody(name)).WantError(t, 409, "uniqueness")
			unchanged(t, s.Client, "/Users/"+id, func() {
				s.Do(t, "PUT", "/Users/"+id, e2e.UserBody(name)).WantError(t, 409, "uniqueness")
				s.Patch(t, "/Users/"+id, e2e.Op("replace", "title", "x"), e2e.Op("replace", "userName", name)).WantError(t, 409, "uniqueness")
				s.Patch(t, "/Users/"+id, e2e.Op("replace", "", M{"userName": name})).WantError(t, 409, "uniqueness")
			})
		}
		// Inactive users hold their names too.
		s.Patch(t, "/Users/"+taken, e2e.Op("replace", "active", false)).Want(t, 200)
		s.Patch(t, "/Users/"+id, e2e.Op("replace", "userName", "taken@x")).WantError(t, 409, "uniqueness")
		// The case of one's own name may change, and a name that was left is free.
		s.Patch(t, "/Users/"+id, e2e.Op("replace", "userName", "MINE@x")).Want(t, 200).WantField(t, "MINE@x", "userName")
		s.Patch(t, "/Users/"+id, e2e.Op("replace", "userName", "new@x")).Want(t, 200)
		s.CreateUser(t, "mine@x")
		// Unicode is folded simply.
		s.CreateUser(t, "ÅSA@x")
		s.Do(t, "POST", "/Users", e2e.UserBody("åsa@x")).WantError(t, 409, "uniqueness")
	})
}

// Control characters would be cut or shown otherwise somewhere down the line.
func TestUserNameWithControlCharacters(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "fine@x")
		for _, name := range []string{"a\x00b", "a\nb", "a\x1bb", "\x7f"} {
			s.Do(t, "POST", "/Users", e2e.UserBody(name)).WantError(t, 400, "invalidValue", "userName")
			unchanged(t, s.Client, "/Users/"+id, func() {
				s.Patch(t, "/Users/"+id, e2e.Op("replace", "userName", name)).WantError(t, 400, "invalidValue", "userName")
			})
		}
		s.Do(t, "GET", "/Users", nil).WantIDs(t, id)
	})
}

func TestExternalIDIsNotUnique(t *testing.T) {
	for _, cfg := range []e2e.Config{everything, matchBoth} {
		e2e.ForEachStore(t, cfg, func(t *testing.T, s *e2e.Server) {
			a, b := s.CreateUser(t, "a", M{"externalId": "nick"}), s.CreateUser(t, "b", M{"externalId": "nick"})
			c := s.CreateUser(t, "c", M{"externalId": "Nick"})
			s.Do(t, "GET", find("externalId", "nick"), nil).WantIDs(t, a, b)
			s.Do(t, "GET", find("externalId", "Nick"), nil).WantIDs(t, c)
			s.Patch(t, "/Users/"+c, e2e.Op("replace", "externalId", "nick")).Want(t, 200)
			s.Do(t, "GET", find("externalId", "nick"), nil).WantIDs(t, a, b, c)
		})
	}
}

func TestGroupNames(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		a, b := s.CreateGroup(t, "Staff"), s.CreateGroup(t, "Others")
		s.Do(t, "POST", "/Groups", e2e.GroupBody("STAFF")).WantError(t, 409, "uniqueness")
		s.Patch(t, "/Groups/"+b, e2e.Op("replace", "displayName", "staff")).WantError(t, 409, "uniqueness")
		s.Do(t, "PUT", "/Groups/"+b, e2e.GroupBody("staff")).WantError(t, 409, "uniqueness")
		s.Do(t, "GET", "/Groups/"+b, nil).Want(t, 200).WantField(t, "Others", "displayName")
		s.Do(t, "DELETE", "/Groups/"+a, nil).Want(t, 204)
		s.Patch(t, "/Groups/"+b, e2e.Op("replace", "displayName", "staff")).Want(t, 204)
	})
	e2e.ForEachStore(t, duplicateNames, func(t *testing.T, s *e2e.Server) {
		a, b := s.CreateGroup(t, "Staff"), s.CreateGroup(t, "staff")
		s.Do(t, "GET", e2e.Filter("/Groups", eq("displayName", "STAFF")), nil).WantIDs(t, a, b)
		s.Patch(t, "/Groups/"+a, e2e.Op("replace", "displayName", "Crew")).Want(t, 204)
		s.Do(t, "GET", e2e.Filter("/Groups", eq("displayName", "STAFF")), nil).WantIDs(t, b)
		s.CreateUser(t, "u")
		s.Do(t, "POST", "/Users", e2e.UserBody("U")).WantError(t, 409, "uniqueness") // users are unique all the same
	})
}

// id and meta are ours.
func TestClientsCannotSetIDOrMeta(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		forged := M{"resourceType": "Group", "created": "2001-01-01T00:00:00Z", "lastModified": "2001-01-01T00:00:00Z", "version": "W/\"9999999999999999\"", "location": "https://evil.example/Users/1"}
		want := `{"schemas":["` + e2e.UserURN + `"],"id":"{{user}}","userName":"u","active":true,
			"meta":{"resourceType":"User","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Users/{{user}}"}}`
		r := s.Do(t, "POST", "/Users", e2e.UserBody("u", M{"id": "mine", "meta": forged, "active": true})).Want(t, 201)
		id := r.ID(t)
		if id == "mine" {
			t.Error("the client's id was taken")
		}
		r.WantGolden(t, want, "user", id, "base", s.Location)
		created := r.Field("meta", "created")
		s.Do(t, "PUT", "/Users/"+id, e2e.UserBody("u", M{"id": "mine", "meta": forged, "active": true})).Want(t, 200).
			WantGolden(t, want, "user", id, "base", s.Location).WantField(t, created, "meta", "created")
		s.Patch(t, "/Users/"+id, e2e.Op("replace", "", M{"id": "mine", "meta": forged, "title": "T"})).Want(t, 200).
			WantField(t, id, "id").WantField(t, created, "meta", "created").WantField(t, "T", "title").WantField(t, "User", "meta", "resourceType")
		s.Do(t, "GET", "/Users/mine", nil).WantError(t, 404, "")
	})
}

func TestRequired(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		for _, body := range []M{{}, {"userName": ""}, {"userName": nil}, {"emails": A{M{"type": "work", "value": "x@y"}}}} {
			s.Do(t, "POST", "/Users", body).WantError(t, 400, "invalidValue", "userName")
		}
		for _, body := range []M{{}, {"displayName": ""}, {"displayName": nil}} {
			s.Do(t, "POST", "/Groups", body).WantError(t, 400, "invalidValue", "displayName")
		}
		id := s.CreateUser(t, "u")
		s.Do(t, "PUT", "/Users/"+id, M{"schemas": A{}, "active": true}).WantError(t, 400, "invalidValue", "userName")
	})
	e2e.ForEachStore(t, requiring, func(t *testing.T, s *e2e.Server) {
		whole := func() M {
			return e2e.UserBody("u", requiredValues)
		}
		for missing, body := range map[string]M{
			"emails":          e2e.UserBody("u", requiredValues, M{"emails": A{}}),
			"name.familyName": e2e.UserBody("u", requiredValues, M{"name": M{"givenName": "G"}}),
			"department":      e2e.UserBody("u", requiredValues, M{e2e.EnterpriseURN: M{"division": "V"}}),
		} {
			s.Do(t, "POST", "/Users", body).WantError(t, 400, "invalidValue", missing)
		}
		id := s.Do(t, "POST", "/Users", whole()).Want(t, 201).ID(t)
		unchanged(t, s.Client, "/Users/"+id, func() {
			body := whole()
			delete(body, "emails")
			s.Do(t, "PUT", "/Users/"+id, body).WantError(t, 400, "invalidValue", "emails")
			if r := s.Patch(t, "/Users/"+id, e2e.Op("remove", "emails", nil)); r.Status != 400 {
				t.Errorf("remove of a required attribute: status %d, want 400", r.Status)
			}
			if r := s.Patch(t, "/Users/"+id, M{"op": "replace", "path": "name.familyName", "value": nil}); r.Status != 400 {
				t.Errorf("null for a required attribute: status %d, want 400", r.Status)
			}
		})
		s.CreateGroup(t, "groups are not asked for a user's attributes")
	})
}

// A token names one tenant; nothing of another is in reach.
func TestTenantsAreApart(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		other := s.NewTenant(t)
		id := s.CreateUser(t, "shared@x")
		g := s.CreateGroup(t, "Shared", id)
		gone(t, other, "/Users/"+id)
		gone(t, other, "/Groups/"+g)
		other.Do(t, "GET", "/Users", nil).WantList(t, 0)
		other.Do(t, "GET", "/", nil).WantList(t, 0)
		theirs := other.CreateUser(t, "shared@x")
		if theirs == id {
			t.Error("one id in two tenants")
		}
		other.CreateGroup(t, "Shared")
		s.Do(t, "GET", "/Users", nil).WantIDs(t, id)
	})
}

// Tokens of the CLI work at once, name their tenant, and do not make one by a
// slip of the pen.
func TestMintedTokens(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		tok := s.Caddy.Mint(t, s.Tenant)
		same(t, "tenant", s.Tenant, tok.Tenant)
		same(t, "tenant_url", e2e.PublicURL+"/scim/v2", tok.TenantURL)
		id := s.CreateUser(t, "u@x")
		s.Named(s.Tenant, tok.Token).Do(t, "GET", "/Users/"+id, nil).Want(t, 200)
		s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200) // the static token works beside it

		fresh := s.Tenant + "-made"
		refused := s.Caddy.CLI(t, "scim", "token", "create", "--tenant", fresh, "--json", "--address", s.Caddy.AdminAddress())
		if refused.Code == 0 {
			t.Errorf("a token for an unknown tenant was made: %s", refused.Stdout)
		}
		made := s.Caddy.Mint(t, fresh, "--create")
		c := s.Named(fresh, made.Token)
		c.Do(t, "GET", "/Users", nil).WantList(t, 0)
		c.CreateUser(t, "u@x")
		s.Do(t, "GET", "/Users", nil).WantIDs(t, id)
	})
}
