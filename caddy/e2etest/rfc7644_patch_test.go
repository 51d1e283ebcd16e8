package e2etest

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// The figures of RFC 7644 §3.5.2 on groups, with its wording of the paths.
func TestRFC7644PatchGroup(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		babs, james := s.CreateUser(t, "bjensen"), s.CreateUser(t, "jsmith")
		g := s.CreateGroup(t, "Tour Guides")
		member := func(id, display string) string {
			return `{"display":"` + display + `","$ref":"https://example.com/v2/Users/` + id + `","value":"` + id + `"}`
		}
		patch := func(operations string) *e2e.Response {
			t.Helper()
			etag := s.Do(t, "GET", "/Groups/"+g, nil).Want(t, 200).ETag()
			r := s.Do(t, "PATCH", "/Groups/"+g, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operations+`]}`, "If-Match: "+etag).Want(t, 204)
			if r.ETag() == "" || len(r.Body) != 0 {
				t.Errorf("a 204 with ETag %q and body %q", r.ETag(), r.Body)
			}
			return r
		}
		add := `{"op":"add","path":"members","value":[` + member(babs, "Babs Jensen") + `]}`
		patch(add)
		s.WantMembers(t, g, babs)
		unchanged(t, s.Client, "/Groups/"+g, func() { patch(add) }) // "no changes should be made to the resource"
		patch(`{"op":"remove","path":"members[value eq \"` + babs + `\"]"}`)
		s.WantMembers(t, g)
		patch(add + `,{"op":"remove","path":"members"}`)
		s.WantMembers(t, g)
		patch(add)
		// The RFC prints this path without a space behind eq.
		patch(`{"op":"remove","path":"members[value eq\"` + babs + `\"]"},{"op":"add","path":"members","value":[` + member(james, "James Smith") + `]}`)
		s.WantMembers(t, g, james)
		patch(`{"op":"remove","path":"members"},{"op":"add","path":"members","value":[` + member(babs, "Babs Jensen") + `,` + member(james, "James Smith") + `]}`)
		s.WantMembers(t, g, babs, james)
		patch(`{"op":"remove","path":"members"}`)
		patch(`{"op":"replace","path":"members","value":[` + member(babs, "Babs Jensen") + `,` + member(james, "James Smith") + `]}`)
		s.WantMembers(t, g, babs, james)
	})
}

// The figures of RFC 7644 §3.5.2 on users.
func TestRFC7644PatchUser(t *testing.T) {
	const work = `{"type":"work","streetAddress":"100 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"USA"}`
	const home = `{"type":"home","streetAddress":"456 Hollywood Blvd","primary":true}`
	const newWork = `{"type":"work","streetAddress":"911 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"US",
		"formatted":"911 Universal City Plaza\nHollywood, CA 91608 US","primary":true}`
	rows := []struct {
		name, operations string
		attribute        string
		want             string
	}{
		{"add without path", `{"op":"add","value":{"emails":[{"value":"babs@jensen.org","type":"home"}],"nickname":"Babs"}}`, "emails",
			`[{"value":"bjensen@example.com","type":"work"},{"value":"babs@jensen.org","type":"home"}]`},
		{"add without path, the second attribute", `{"op":"add","value":{"emails":[{"value":"babs@jensen.org","type":"home"}],"nickname":"Babs"}}`, "nickName", `"Babs"`},
		{"remove by a complex filter", `{"op":"remove","path":"emails[type eq \"work\" and value ew \"example.com\"]"}`, "emails", ``},
		{"replace a whole element", `{"op":"replace","path":"addresses[type eq \"work\"]","value":` + newWork + `}`, "addresses", `[` + newWork + `,` + strings.Replace(home, "true", "false", 1) + `]`},
		{"replace a sub-attribute of an element", `{"op":"replace","path":"addresses[type eq \"work\"].streetAddress","value":"1010 Broadway Ave"}`, "addresses",
			`[` + strings.Replace(work, "100 Universal City Plaza", "1010 Broadway Ave", 1) + `,` + home + `]`},
		{"replace without path", `{"op":"replace","value":{"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],"nickname":"Babs"}}`, "emails",
			`[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}]`},
		{"replace of a complex attribute keeps what is not named", `{"op":"replace","path":"name","value":{"familyName":"Smith"}}`, "name", `{"formatted":"Ms. Barbara J Jensen III","familyName":"Smith","givenName":"Barbara"}`},
		{"replace of an absent attribute adds", `{"op":"replace","path":"title","value":"Guide"}`, "title", `"Guide"`},
		{"remove of a sub-attribute", `{"op":"remove","path":"name.formatted"}`, "name", `{"familyName":"Jensen","givenName":"Barbara"}`},
		{"remove of a sub-attribute in elements", `{"op":"remove","path":"addresses[type eq \"work\"].country"}`, "addresses", `[` + strings.Replace(work, `,"country":"USA"`, "", 1) + `,` + home + `]`},
		{"remove of an attribute", `{"op":"remove","path":"addresses"}`, "addresses", ``},
		{"the URN in the path adds the schema", `{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber","value":"701984"}`, "schemas",
			`["` + e2e.UserURN + `","` + e2e.EnterpriseURN + `"]`},
		{"a new primary", `{"op":"add","path":"addresses","value":[{"type":"other","country":"NL","primary":true}]}`, "addresses", `[` + work + `,` + strings.Replace(home, "true", "false", 1) + `,{"type":"other","country":"NL","primary":true}]`},
		{"operations build on each other", `{"op":"add","path":"nickName","value":"a"},{"op":"replace","path":"nickName","value":"b"},{"op":"remove","path":"nickName"},{"op":"add","path":"nickName","value":"c"}`, "nickName", `"c"`},
		{"replace all matching elements", `{"op":"replace","path":"addresses[region pr or type pr].country","value":"NL"}`, "addresses",
			`[` + strings.Replace(work, "USA", "NL", 1) + `,` + strings.Replace(home, `,"primary"`, `,"country":"NL","primary"`, 1) + `]`},
	}
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		for _, row := range rows {
			c := s.NewTenant(t)
			created := c.Do(t, "POST", "/Users", strings.Replace(bjensen, `"externalId"`, `"emails":[{"value":"bjensen@example.com","type":"work"}],"addresses":[`+work+`,`+home+`],"externalId"`, 1)).Want(t, 201)
			r := c.Do(t, "PATCH", "/Users/"+created.ID(t), `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+row.operations+`]}`, "If-Match: "+created.ETag())
			if r.Status != 200 {
				t.Errorf("%s: status %d\n%s", row.name, r.Status, r)
				continue
			}
			var want any
			if row.want != "" {
				unmarshal(t, row.want, &want)
			}
			same(t, row.name, want, r.JSON[row.attribute])
			same(t, row.name+", read back", any(r.JSON), any(c.Do(t, "GET", "/Users/"+created.ID(t), nil).Want(t, 200).JSON))
		}
	})
}

// What the RFC refuses (§3.5.2).
func TestRFC7644PatchErrors(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		created := s.Do(t, "POST", "/Users", strings.Replace(bjensen, `"externalId"`, `"emails":[{"value":"bjensen@example.com","type":"work"}],"externalId"`, 1)).Want(t, 201)
		path := "/Users/" + created.ID(t)
		unchanged(t, s.Client, path, func() {
			for _, op := range []M{e2e.Op("replace", "id", "mine"), e2e.Op("replace", "meta.version", "1"), e2e.Op("remove", "id", nil), e2e.Op("add", "groups", A{M{"value": "g"}})} {
				if r := s.Patch(t, path, op); r.Status != 200 && (r.Status != 400 || r.JSON["scimType"] != "mutability") {
					t.Errorf("%v on a readOnly attribute: %d\n%s", op, r.Status, r)
				}
			}
			s.Patch(t, path, e2e.Op("replace", `emails[type ne "work"].value`, "x")).WantError(t, 400, "noTarget")
			s.Patch(t, path, e2e.Op("replace", `emails[value sw "nobody"]`, M{"value": "x"})).WantError(t, 400, "noTarget")
			s.Patch(t, path, M{"op": "add", "path": "title"}).Want(t, 400)
			// Atomic: the first operation is undone.
			s.Patch(t, path, e2e.Op("replace", "title", "x"), e2e.Op("remove", "", nil)).WantError(t, 400, "noTarget")
		})
		s.Patch(t, "/Users/no-such-user", e2e.Op("replace", "title", "x")).WantError(t, 404, "")
	})
}
