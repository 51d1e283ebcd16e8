package e2etest

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// entra speaks as Microsoft Entra ID does, in one of its two dialects.
type entra struct {
	*e2e.Client
	flag bool // the tenant URL ends in ?aadOptscim062020
}

// do sends a request as Entra does: no User-Agent, the tenant URL's query part
// in front of the request's own.
func (c entra) do(t *testing.T, method, path string, body any) *e2e.Response {
	t.Helper()
	if c.flag {
		p, query, _ := strings.Cut(path, "?")
		path = p + "?aadOptscim062020"
		if query != "" {
			path += "&" + query
		}
	}
	return c.Do(t, method, path, body, "User-Agent:", "Content-Type: application/scim+json; charset=utf-8")
}

func (c entra) patch(t *testing.T, path string, ops ...M) *e2e.Response {
	t.Helper()
	return c.do(t, "PATCH", path, e2e.PatchBody(ops...))
}

// setUser is an incremental update of single-valued attributes.
func (c entra) setUser(values M) []M {
	if c.flag {
		return []M{e2e.Op("replace", "", values)}
	}
	var ops []M
	for _, path := range []string{"userName", "displayName", "title", "name.givenName", "name.familyName", e2e.EnterpriseURN + ":department", e2e.EnterpriseURN + ":employeeNumber"} {
		if v, ok := values[path]; ok {
			ops = append(ops, e2e.Op("Replace", path, v))
		}
	}
	return ops
}

func (c entra) setActive(active bool) M {
	switch {
	case c.flag:
		return M{"op": "replace", "path": "active", "value": active}
	case active:
		return e2e.Op("Replace", "active", "True")
	}
	return e2e.Op("Replace", "active", "False")
}

func (c entra) removeMember(id string) M {
	if c.flag {
		return e2e.Op("remove", `members[value eq "`+id+`"]`, nil)
	}
	return e2e.Op("Remove", "members", A{M{"$ref": nil, "value": id}})
}

// forEntra runs f on both stores, under both allow lists and in both dialects.
func forEntra(t *testing.T, f func(t *testing.T, c entra, all bool)) {
	for _, allow := range []struct {
		name string
		cfg  e2e.Config
	}{{"default", defaults}, {"all", everything}} {
		for _, flag := range []bool{false, true} {
			name := "allow " + allow.name + " without flag"
			if flag {
				name = "allow " + allow.name + " with flag"
			}
			t.Run(name, func(t *testing.T) {
				e2e.ForEachStore(t, allow.cfg, func(t *testing.T, s *e2e.Server) {
					f(t, entra{s.Client, flag}, allow.name == "all")
				})
			})
		}
	}
}

const nothingFound = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"startIndex":1,"itemsPerPage":0,"Resources":[]}`

// entraUser is the create body with which idp-clients' Entra section begins.
func entraUser(userName, externalID string) M {
	return M{
		"schemas":    A{e2e.UserURN, e2e.EnterpriseURN},
		"externalId": externalID, "userName": userName, "active": true,
		"displayName": "Ada Lovelace", "title": nil, "addresses": nil, "phoneNumbers": nil, "department": nil, "manager": nil,
		"emails": A{M{"primary": true, "type": "work", "value": userName}},
		"meta":   M{"resourceType": "User"},
		"name":   M{"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
		"roles":  A{},
		e2e.EnterpriseURN: M{
			"department": "Analysis", "employeeNumber": "42",
		},
	}
}

func TestEntraTestConnection(t *testing.T) {
	forEntra(t, func(t *testing.T, c entra, all bool) {
		c.do(t, "GET", "/Users?filter=userName+eq+\"6f1c7f6e-9c2a-4d5a-8f0e-7d3f1a9b2c11\"", nil).Want(t, 200).WantGolden(t, nothingFound)
		c.do(t, "GET", "/Groups?excludedAttributes=members&filter=displayName+eq+%220a44e0c3-53c5-4a1e-b1a0-2f6a0f0f9d6e%22", nil).
			Want(t, 200).WantGolden(t, nothingFound)
		c.do(t, "GET", "", nil).Want(t, 200).WantList(t, 0)
		c.do(t, "GET", "/", nil).Want(t, 200).WantList(t, 0)
		for _, path := range []string{"/ServiceProviderConfig", "/Schemas", "/ResourceTypes"} {
			c.do(t, "GET", path, nil).Want(t, 200)
		}
	})
}

func TestEntraUserLifecycle(t *testing.T) {
	forEntra(t, func(t *testing.T, c entra, all bool) {
		// The initial cycle: look for the user, create it, read it back.
		c.do(t, "GET", `/Users?filter=userName+eq+"ada%40contoso.com"`, nil).Want(t, 200).WantGolden(t, nothingFound)
		created := c.do(t, "POST", "/Users", entraUser("ada@contoso.com", "ada-nick")).Want(t, 201)
		id := created.ID(t)
		want := `{"schemas":["` + e2e.UserURN + `","` + e2e.EnterpriseURN + `"],"id":"{{id}}","externalId":"ada-nick","userName":"ada@contoso.com","active":true,
			"name":{"familyName":"Lovelace","givenName":"Ada"},"emails":[{"primary":true,"type":"work","value":"ada@contoso.com"}],
			"` + e2e.EnterpriseURN + `":{"department":"Analysis"},
			"meta":{"resourceType":"User","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Users/{{self}}"}}`
		if all {
			want = strings.Replace(want, `"name":{`, `"displayName":"Ada Lovelace","name":{"formatted":"Ada Lovelace",`, 1)
			want = strings.Replace(want, `{"department"`, `{"employeeNumber":"42","department"`, 1)
		}
		created.WantGolden(t, want, "base", c.Location, "self", id)
		c.do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantGolden(t, string(created.Body))
		found := c.do(t, "GET", `/Users?filter=userName+eq+%22ADA%40contoso.com%22`, nil).WantList(t, 1)
		same(t, "the user found", any(created.JSON), any(found[0]))

		// Creating it again is a conflict that names the matter.
		c.do(t, "POST", "/Users", entraUser("Ada@Contoso.com", "ada-nick")).WantError(t, 409, "uniqueness")

		// An incremental cycle: rename.
		res := c.patch(t, "/Users/"+id, c.setUser(M{"displayName": "Countess", "name.givenName": "Augusta", "name.familyName": "King", e2e.EnterpriseURN + ":department": "Poetry"})...).Want(t, 200)
		res.WantField(t, "Augusta", "name", "givenName").WantField(t, "King", "name", "familyName").WantField(t, "Poetry", e2e.EnterpriseURN, "department")
		if all {
			res.WantField(t, "Countess", "displayName")
		} else {
			res.WantField(t, nil, "displayName")
		}
		c.patch(t, "/Users/"+id, c.setUser(M{"userName": "ada.king@contoso.com"})...).Want(t, 200).WantField(t, "ada.king@contoso.com", "userName")
		c.do(t, "GET", `/Users?filter=userName+eq+"ada%40contoso.com"`, nil).WantList(t, 0)
		c.patch(t, "/Users/"+id, e2e.Op(c.op("Replace"), `emails[type eq "work"].value`, "ada.king@contoso.com")).Want(t, 200).
			WantField(t, A{M{"primary": true, "type": "work", "value": "ada.king@contoso.com"}}, "emails")
		c.do(t, "GET", "/Users?filter=emails[type+eq+%22work%22].value+eq+%22ada.king%40contoso.com%22", nil).WantIDs(t, id)

		// An attribute that is not kept is no change.
		if !all {
			unchanged(t, c.Client, "/Users/"+id, func() {
				c.patch(t, "/Users/"+id, c.setUser(M{"displayName": "Someone", "title": "Engineer", e2e.EnterpriseURN + ":employeeNumber": "7"})...).Want(t, 200)
			})
		}

		// Disable and restore; the user stays readable.
		for _, active := range []bool{false, false, true} {
			c.patch(t, "/Users/"+id, c.setActive(active)).Want(t, 200).WantField(t, active, "active")
			c.do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, active, "active")
			same(t, "active in the list", any(active), c.do(t, "GET", `/Users?filter=userName+eq+"ada.king%40contoso.com"`, nil).WantList(t, 1)[0]["active"])
		}
		c.patch(t, "/Users/"+id, M{"op": c.op("Add"), "path": "active", "value": false}).Want(t, 200).WantField(t, false, "active")

		// Hard delete, and the second one.
		if r := c.do(t, "DELETE", "/Users/"+id, nil).Want(t, 204); len(r.Body) != 0 {
			t.Errorf("a body after DELETE: %s", r.Body)
		}
		c.do(t, "DELETE", "/Users/"+id, nil).WantError(t, 404, "")
		c.do(t, "GET", "/Users/"+id, nil).WantError(t, 404, "")
		c.do(t, "GET", `/Users?filter=userName+eq+"ada.king%40contoso.com"`, nil).Want(t, 200).WantGolden(t, nothingFound)
	})
}

// op spells an operation as the dialect does.
func (c entra) op(s string) string {
	if c.flag {
		return strings.ToLower(s)
	}
	return s
}

func TestEntraManager(t *testing.T) {
	forEntra(t, func(t *testing.T, c entra, all bool) {
		boss, chief := c.CreateUser(t, "boss@contoso.com"), c.CreateUser(t, "chief@contoso.com")
		id := c.CreateUser(t, "worker@contoso.com")
		const urn = e2e.EnterpriseURN
		set := []struct {
			name string
			op   M
		}{
			{"array with $ref under manager", e2e.Op(c.op("Add"), "manager", A{M{"$ref": "http://h/scim/Users/" + boss, "value": boss}})},
			{"string under the URN", e2e.Op(c.op("Add"), urn+":manager", boss)},
			{"string, replaced", e2e.Op(c.op("Replace"), urn+":manager", boss)},
			{"object", e2e.Op(c.op("Add"), urn+":manager", M{"value": boss})},
			{"sub-attribute", e2e.Op(c.op("Replace"), urn+":manager.value", boss)},
			{"dotted URN", e2e.Op(c.op("Add"), urn+".manager", boss)},
			{"path-less", e2e.Op(c.op("Replace"), "", M{urn + ":manager": boss})},
			{"path-less object", e2e.Op(c.op("Add"), "", M{urn: M{"manager": boss}})},
		}
		clear := []M{
			e2e.Op(c.op("Replace"), urn+":manager", ""), e2e.Op(c.op("Remove"), urn+":manager", nil), e2e.Op(c.op("Remove"), urn+":manager", ""),
			e2e.Op(c.op("Remove"), "manager", nil), e2e.Op(c.op("Replace"), "manager", M{"value": ""}),
		}
		for i, form := range set {
			c.patch(t, "/Users/"+id, form.op).Want(t, 200)
			got := c.do(t, "GET", "/Users/"+id, nil).Want(t, 200).Field(urn, "manager")
			want := any(M{"value": boss, "$ref": "../Users/" + boss}) // relative, as in RFC 7643 §8.3
			if !all {
				want = nil
			}
			same(t, "manager as "+form.name, want, got)
			if all { // another manager takes the whole place of this one
				c.patch(t, "/Users/"+id, e2e.Op(c.op("Replace"), urn+":manager", chief)).Want(t, 200).WantField(t, M{"value": chief, "$ref": "../Users/" + chief}, urn, "manager")
				c.patch(t, "/Users/"+id, e2e.Op(c.op("Replace"), urn+":manager.value", boss)).Want(t, 200).WantField(t, M{"value": boss, "$ref": "../Users/" + boss}, urn, "manager")
			}
			hits := 0
			if all {
				hits = 1
			}
			// The probe, its clauses in either order.
			for _, filter := range []string{eq("id", id) + " and " + eq("manager", boss), eq("manager", boss) + " and " + eq("id", id)} {
				list := c.do(t, "GET", e2e.Filter("/Users", filter)+"&attributes=id", nil).WantList(t, hits)
				if all {
					same(t, "the probe's resource", M{"schemas": A{e2e.UserURN, urn}, "id": id}, withBothSchemas(list[0]))
				}
			}
			c.do(t, "GET", e2e.Filter("/Users", eq("id", id)+" and "+eq("manager", "nobody"))+"&attributes=id", nil).WantList(t, 0)
			c.patch(t, "/Users/"+id, clear[i%len(clear)]).Want(t, 200).WantField(t, nil, urn, "manager")
		}
	})
}

// withBothSchemas fills in the extension's URN: whether schemas lists it under
// attributes=id is the server's choice.
func withBothSchemas(m M) M {
	if list, ok := m["schemas"].([]any); ok && len(list) == 1 && list[0] == e2e.UserURN {
		m["schemas"] = A{e2e.UserURN, e2e.EnterpriseURN}
	}
	return m
}

func TestEntraGroups(t *testing.T) {
	forEntra(t, func(t *testing.T, c entra, _ bool) {
		a, b, d, e := c.CreateUser(t, "a@contoso.com"), c.CreateUser(t, "b@contoso.com"), c.CreateUser(t, "d@contoso.com"), c.CreateUser(t, "e@contoso.com")
		probe := func(name string) string {
			return `/Groups?excludedAttributes=members&filter=displayName+eq+"` + strings.ReplaceAll(name, " ", "+") + `"`
		}
		c.do(t, "GET", probe("Sales Team"), nil).Want(t, 200).WantGolden(t, nothingFound)
		created := c.do(t, "POST", "/Groups", M{
			"schemas":    A{e2e.GroupURN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"},
			"externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "displayName": "Sales Team", "members": A{}, "meta": M{"resourceType": "Group"},
		}).Want(t, 201)
		id := created.ID(t)
		created.WantGolden(t, `{"schemas":["`+e2e.GroupURN+`"],"id":"{{id}}","externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","displayName":"Sales Team","members":[],
			"meta":{"resourceType":"Group","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Groups/{{self}}"}}`, "base", c.Location, "self", id)
		c.do(t, "POST", "/Groups", e2e.GroupBody("sales team")).WantError(t, 409, "uniqueness")

		add := func(ids ...string) M {
			list := A{}
			for _, id := range ids {
				list = append(list, M{"$ref": nil, "value": id})
			}
			return e2e.Op(c.op("Add"), "members", list)
		}
		quiet := func(ops ...M) {
			t.Helper()
			if r := c.patch(t, "/Groups/"+id, ops...).Want(t, 204); len(r.Body) != 0 {
				t.Errorf("a body with the 204: %s", r.Body)
			}
		}
		quiet(add(a, b))
		c.WantMembers(t, id, a, b)
		quiet(add(d), add(a, e))
		c.WantMembers(t, id, a, b, d, e)

		// Reading without members, as the incremental cycle does.
		c.do(t, "GET", "/Groups/"+id+"?excludedAttributes=members", nil).Want(t, 200).WantGolden(t,
			`{"schemas":["`+e2e.GroupURN+`"],"id":"{{id}}","externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","displayName":"Sales Team",
			"meta":{"resourceType":"Group","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Groups/{{self}}"}}`, "base", c.Location, "self", id)
		if g := c.do(t, "GET", probe("SALES team"), nil).WantList(t, 1)[0]; g["id"] != id || g["members"] != nil {
			t.Errorf("the group found is %v", g)
		}

		// Membership probes.
		for _, member := range []string{`members eq "%"`, `members.value eq "%"`, `members[value eq "%"]`} {
			for _, u := range []struct {
				id   string
				hits int
			}{{a, 1}, {"nobody-at-all", 0}} {
				clause := strings.ReplaceAll(member, "%", u.id)
				for _, filter := range []string{eq("id", id) + " and " + clause, clause + " and " + eq("id", id)} {
					list := c.do(t, "GET", e2e.Filter("/Groups", filter)+"&attributes=id", nil).WantList(t, u.hits)
					if u.hits == 1 {
						same(t, "the probe's resource", M{"schemas": A{e2e.GroupURN}, "id": id}, list[0])
					}
				}
			}
		}

		quiet(c.removeMember(a))
		c.WantMembers(t, id, b, d, e)
		quiet(c.removeMember(a)) // removing an absent member is a success
		c.WantMembers(t, id, b, d, e)
		quiet(c.removeMember(b), add(a))
		c.WantMembers(t, id, a, d, e)
		// Both dialects over one connection: on-demand provisioning ignores the flag.
		other := entra{c.Client, !c.flag}
		quiet(other.removeMember(d), other.removeMember(e))
		c.WantMembers(t, id, a)

		// Microsoft's own tests add a bare string and a displayName.
		quiet(e2e.Op(c.op("Add"), "members", b))
		quiet(e2e.Op(c.op("Add"), "members", A{M{"displayName": "new User", "value": d}}))
		c.WantMembers(t, id, a, b, d)

		// A rename keeps the members.
		if c.flag {
			quiet(e2e.Op("replace", "", M{"displayName": "Sales Crew"}))
		} else {
			quiet(e2e.Op("Replace", "displayName", "Sales Crew"))
		}
		c.WantMembers(t, id, a, b, d)
		c.do(t, "GET", probe("Sales Crew"), nil).WantIDs(t, id)
		c.do(t, "GET", probe("Sales Team"), nil).WantIDs(t)

		c.do(t, "DELETE", "/Groups/"+id, nil).Want(t, 204)
		c.do(t, "DELETE", "/Groups/"+id, nil).WantError(t, 404, "")
		c.do(t, "GET", "/Users/"+a, nil).Want(t, 200)
	})
}

// A disabled user keeps its memberships, because Entra does not send them again
// when it restores the user.
func TestEntraRestoreKeepsMemberships(t *testing.T) {
	forEntra(t, func(t *testing.T, c entra, _ bool) {
		id := c.CreateUser(t, "u@contoso.com")
		g := c.CreateGroup(t, "Staff", id)
		c.patch(t, "/Users/"+id, c.setActive(false)).Want(t, 200)
		c.WantMembers(t, g, id)
		c.patch(t, "/Users/"+id, c.setActive(true)).Want(t, 200)
		c.WantMembers(t, g, id)
	})
}

// One connection produces both dialects (on-demand provisioning ignores the
// flag), so every form works with and without it.
func TestEntraDialectsMix(t *testing.T) {
	forEntra(t, func(t *testing.T, c entra, _ bool) {
		id := c.CreateUser(t, "mix@contoso.com")
		other := entra{c.Client, !c.flag}
		c.patch(t, "/Users/"+id, other.setActive(false)).Want(t, 200).WantField(t, false, "active")
		c.patch(t, "/Users/"+id, c.setActive(true), other.setActive(false)).Want(t, 200).WantField(t, false, "active")
		ops := append(other.setUser(M{"name.givenName": "Grace"}), c.setUser(M{"name.familyName": "Hopper"})...)
		c.patch(t, "/Users/"+id, ops...).Want(t, 200).WantField(t, map[string]any{"givenName": "Grace", "familyName": "Hopper"}, "name")
	})
}

// How filters arrive: spaces as +, a literal plus as %2B, quotes raw or encoded,
// and literals without any.
func TestEntraFilterEncodings(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		plus := s.CreateUser(t, "dale.mohr+hr@x.uk", M{"externalId": "jyoung"})
		quote := s.CreateUser(t, `o"brien\x@x.uk`, M{"externalId": "1234"})
		boolean := s.CreateUser(t, "true@x.uk", M{"externalId": "true"})
		for path, id := range map[string]string{
			`/Users?filter=userName+eq+"dale.mohr%2Bhr%40x.uk"`:                     plus,
			`/Users?filter=userName+eq+%22dale.mohr%2Bhr@x.uk%22`:                   plus,
			`/Users?filter=userName%20eq%20%22DALE.mohr%2Bhr%40x.uk%22`:             plus,
			`/Users?filter=externalId eq jyoung`:                                    plus,
			`/Users?filter=externalId+eq+jyoung&aadOptscim062020`:                   plus,
			`/Users?filter=userName+eq+%22o%5C%22brien%5C%5Cx%40x.uk%22`:            quote,
			`/Users?filter=externalId+eq+1234`:                                      quote,
			`/Users?filter=externalId+eq+"true"`:                                    boolean,
			`/Users?filter=USERNAME+EQ+"true%40x.uk"&&`:                             boolean,
			`/Users?filter=` + e2e.UserURN + `%3AuserName+eq+"true%40x.uk"&foo=bar`: boolean,
		} {
			s.Do(t, "GET", path, nil).WantIDs(t, id)
		}
		s.Do(t, "GET", `/Users?filter=userName+eq+"dale.mohr+hr%40x.uk"`, nil).WantList(t, 0) // a raw + is a space
		s.Do(t, "GET", `/Users?filter=externalId+eq+"JYOUNG"`, nil).WantList(t, 0)            // externalId is caseExact
		s.Do(t, "GET", `/Users?filter=active+eq+"True"`, nil).WantList(t, 3)
		s.Do(t, "GET", `/Users?filter=active+eq+false`, nil).WantList(t, 0)
		for _, broken := range []string{"userName+eq", "userName", `userName+zz+"x"`, `userName+eq+"x"+and`, `(userName+eq+"x"`, "%00", `userName+eq+"x"+or+or`, `[]`} {
			s.Do(t, "GET", "/Users?filter="+broken, nil).WantError(t, 400, "invalidFilter")
		}
	})
}
