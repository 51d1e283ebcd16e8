package e2etest

import (
	"slices"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// OneLogin: SCIM 1 schema URNs out of an admin's template, stray ? and &, no
// User-Agent, PUT for updates.
func TestOneLogin(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		do := func(method, path string, body any) *e2e.Response {
			t.Helper()
			return s.Do(t, method, path, body, "User-Agent:", "Content-Type: application/json")
		}
		do("GET", "/Users?filter=userName+eq+%22one%40login.example%22&", nil).Want(t, 200).WantGolden(t, nothingFound)
		body := M{"schemas": A{"urn:scim:schemas:core:1.0", "urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"}, "userName": "one@login.example",
			"name": M{"givenName": "One", "familyName": "Login", "formatted": "One Login"}, "emails": A{M{"value": "one@login.example", "type": "work", "primary": true}},
			"phoneNumbers": A{M{"value": "", "type": "work"}}, "active": true, e2e.EnterpriseURN: M{"department": "Ops"}}
		created := do("POST", "/Users?", body).Want(t, 201).WantField(t, A{e2e.UserURN, e2e.EnterpriseURN}, "schemas")
		id := created.ID(t)
		body["name"] = M{"givenName": "Uno", "familyName": "Login"}
		do("PUT", "/Users/"+id+"?", body).Want(t, 200).WantField(t, M{"givenName": "Uno", "familyName": "Login"}, "name")
		g := do("POST", "/Groups?", M{"schemas": A{"urn:scim:schemas:core:2.0"}, "displayName": "Ops"}).Want(t, 201).ID(t)
		do("PATCH", "/Groups/"+g+"?", e2e.PatchBody(e2e.Op("add", "members", e2e.MemberList(id)))).Want(t, 204)
		s.WantMembers(t, g, id)
		do("PATCH", "/Groups/"+g+"?", e2e.PatchBody(e2e.Op("remove", `members[value eq "`+id+`"]`, nil))).Want(t, 204)
		s.WantMembers(t, g)
		do("DELETE", "/Users/"+id+"?", nil).Want(t, 204)
	})
}

// JumpCloud tests the connection with a user and a group that it deletes again,
// and repeats adds that were applied.
func TestJumpCloud(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		for range 2 {
			u := s.CreateUser(t, "jumpcloud.test@example.com")
			g := s.CreateGroup(t, "JumpCloud test")
			add := e2e.Op("add", "members", e2e.MemberList(u))
			s.Patch(t, "/Groups/"+g, add).Want(t, 204)
			unchanged(t, s.Client, "/Groups/"+g, func() { s.Patch(t, "/Groups/"+g, add).Want(t, 204) })
			s.WantMembers(t, g, u)
			s.Patch(t, "/Groups/"+g, e2e.Op("remove", "members", e2e.MemberList(u))).Want(t, 204)
			s.WantMembers(t, g)
			s.Do(t, "DELETE", "/Users/"+u, nil).Want(t, 204)
			s.Do(t, "DELETE", "/Groups/"+g, nil).Want(t, 204)
		}
	})
}

// PingFederate may create users that are disabled already.
func TestPingFederate(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		r := s.Do(t, "POST", "/Users", e2e.UserBody("ping@example.com", M{"active": false})).Want(t, 201).WantField(t, false, "active")
		s.Do(t, "GET", "/Users/"+r.ID(t), nil).Want(t, 200).WantField(t, false, "active")
		s.Do(t, "GET", find("userName", "ping@example.com"), nil).WantIDs(t, r.ID(t))
	})
}

// authentik reads the configuration, replaces groups without a path, compares
// with GET, and sends one operation a member with a value list for both verbs.
func TestAuthentik(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		spc := s.Do(t, "GET", "/ServiceProviderConfig", nil).Want(t, 200)
		spc.WantField(t, true, "patch", "supported").WantField(t, true, "filter", "supported").WantField(t, 1000, "bulk", "maxOperations")
		u := s.Do(t, "POST", "/Users", M{"schemas": A{e2e.UserURN}, "userName": "akadmin", "externalId": "uid-1", "active": true, "name": M{"formatted": "a k", "givenName": "a", "familyName": "k"},
			"displayName": "a k", "photos": A{}, "locale": "", "emails": A{M{"value": "a@k", "type": "other", "primary": true}}}).Want(t, 201).ID(t)
		s.Do(t, "PUT", "/Users/"+u, M{"schemas": A{e2e.UserURN}, "id": u, "userName": "akadmin", "externalId": "uid-1", "active": true, "displayName": "b k"}).
			Want(t, 200).WantField(t, "b k", "displayName")
		v := s.CreateUser(t, "other")
		group := M{"schemas": A{e2e.GroupURN}, "externalId": "gid-1", "displayName": "authentik Admins"}
		g := s.Do(t, "POST", "/Groups", group).Want(t, 201).ID(t)
		s.Do(t, "POST", "/Groups", group).WantError(t, 409, "uniqueness")
		s.Do(t, "GET", e2e.Filter("/Groups", eq("displayName", "authentik Admins")), nil).WantIDs(t, g)
		s.Patch(t, "/Groups/"+g, e2e.Op("replace", "", M{"schemas": A{e2e.GroupURN}, "id": g, "externalId": "gid-1", "displayName": "authentik Admins"})).Want(t, 204)
		s.Do(t, "GET", "/Groups/"+g, nil).Want(t, 200).WantField(t, A{}, "members")
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", e2e.MemberList(u)), e2e.Op("add", "members", e2e.MemberList(v))).Want(t, 204)
		s.WantMembers(t, g, u, v)
		s.Patch(t, "/Groups/"+g, e2e.Op("remove", "members", e2e.MemberList(u))).Want(t, 204)
		s.WantMembers(t, g, v)
		// Discovery lists without count and goes on at startIndex = seen + 1.
		s.Do(t, "GET", "/Users?startIndex=1", nil).WantIDs(t, u, v)
		s.Do(t, "GET", "/Users?startIndex=3", nil).Want(t, 200).WantField(t, A{}, "Resources").WantField(t, 2, "totalResults")
	})
}

// SailPoint cannot aggregate without all five discovery documents.
func TestSailPointDiscovery(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		s.Do(t, "GET", "/ServiceProviderConfig", nil).Want(t, 200)
		s.Do(t, "GET", "/ResourceTypes", nil).Want(t, 200).WantList(t, 2)
		s.Do(t, "GET", "/ResourceTypes/User", nil).Want(t, 200).WantField(t, "/Users", "endpoint").WantField(t, e2e.UserURN, "schema")
		schemas := s.Do(t, "GET", "/Schemas", nil).Want(t, 200).WantList(t, 6)
		single := s.Do(t, "GET", "/Schemas/"+e2e.UserURN, nil).Want(t, 200)
		same(t, "the User schema", any(schemas[0]), any(single.JSON))
		ids := slices.Sorted(slices.Values(createMany(t, s.Client, 5))) // the order of lists
		for i := range ids {
			s.Do(t, "GET", "/Users?count=1&startIndex="+string(rune('1'+i)), nil).WantIDs(t, ids[i])
		}
	})
}

// WSO2 creates groups with members and adds without a path.
func TestWSO2(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		a, b := s.CreateUser(t, "a"), s.CreateUser(t, "b")
		member := func(id string) M {
			return M{"display": "PRIMARY/x", "$ref": "https://wso2.example/scim2/Users/" + id, "value": id}
		}
		g := s.Do(t, "POST", "/Groups", M{"displayName": "PRIMARY/admins", "members": A{member(a)}}).Want(t, 201).
			WantField(t, A{M{"value": a, "$ref": s.Location + "/Users/" + a, "type": "User"}}, "members").ID(t)
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "", M{"members": A{member(b)}})).Want(t, 204)
		s.WantMembers(t, g, a, b)
	})
}

// scim-for-keycloak sends an id of its own, doubles the slash, and pushes the
// whole membership for each change.
func TestKeycloak(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		u := s.Do(t, "POST", "//Users", M{"schemas": A{e2e.UserURN}, "id": "keycloak-1", "userName": "kc", "active": true}).Want(t, 201).ID(t)
		if u == "keycloak-1" {
			t.Error("the client's id was taken")
		}
		s.Do(t, "GET", "//Users//"+u, nil).Want(t, 200).WantField(t, s.Location+"/Users/"+u, "meta", "location")
		s.Do(t, "GET", "/Users/"+u+"/", nil).Want(t, 200)
		s.Do(t, "GET", "/Users/", nil).WantIDs(t, u)
		g := s.Do(t, "POST", "//Groups/", M{"id": "keycloak-2", "displayName": "kc", "members": A{M{"value": u, "type": "User"}}}).Want(t, 201).ID(t)
		ids := append(createMany(t, s.Client, 50), u)
		var list A
		for _, id := range ids {
			list = append(list, M{"value": id, "type": "User", "$ref": "http://kc/Users/" + id})
		}
		s.Patch(t, "//Groups/"+g, e2e.Op("replace", "members", list)).Want(t, 204)
		s.WantMembers(t, g, ids...)
	})
}
