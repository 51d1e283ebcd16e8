package e2etest

import (
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// The checks of Microsoft's SCIM validator that were observed in the field, on
// the attributes it tests.
func TestMicrosoftValidatorUsers(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		body := M{
			"schemas": A{e2e.UserURN, e2e.EnterpriseURN}, "userName": "Hal.Finch@validator.example", "externalId": "v-1", "active": true, "displayName": "Hal",
			"emails":       A{M{"type": "work", "value": "hal@validator.example", "primary": true}},
			"phoneNumbers": A{M{"type": "work", "value": "1-555-0100"}}, "timezone": "Not/AZone", "locale": "qps-ploc", "preferredLanguage": "kok", "profileUrl": "random text",
			"name": M{"givenName": "Hal", "familyName": "Finch", "honorificPrefix": "Dr"}, e2e.EnterpriseURN: M{"costCenter": "CC", "employeeNumber": "9"},
		}
		created := s.Do(t, "POST", "/Users", body).Want(t, 201)
		id := created.ID(t)
		delete(created.JSON, "meta")
		delete(created.JSON, "id")
		same(t, "every attribute that was sent comes back", any(body), any(created.JSON))
		s.Do(t, "POST", "/Users", body).WantError(t, 409, "uniqueness")
		for _, name := range []string{"Hal.Finch@validator.example", "HAL.FINCH@VALIDATOR.EXAMPLE"} {
			found := s.Do(t, "GET", find("userName", name), nil).WantList(t, 1)[0]
			same(t, "the case of userName is the one that was sent", any("Hal.Finch@validator.example"), found["userName"])
		}
		s.Do(t, "GET", find("userName", "nobody"), nil).WantList(t, 0)

		// Attributes that were absent at creation, by type.
		user := "/Users/" + id
		r := s.Patch(t, user,
			e2e.Op("Add", `emails[type eq "home"].value`, "hal@home.example"), e2e.Op("Add", `emails[type eq "home"].display`, "Home"), e2e.Op("Add", `emails[type eq "home"].primary`, false),
			e2e.Op("Add", `emails[type eq "other"].value`, "hal@other.example"),
			e2e.Op("Add", `phoneNumbers[type eq "mobile"].value`, "1-555-0101"), e2e.Op("Replace", `addresses[type eq "work"].country`, "NL"),
			e2e.Op("Add", `addresses[type eq "work"].locality`, "Delft")).Want(t, 200)
		r.WantField(t, A{M{"type": "work", "value": "hal@validator.example", "primary": true}, M{"type": "home", "value": "hal@home.example", "display": "Home", "primary": false},
			M{"type": "other", "value": "hal@other.example"}}, "emails")
		r.WantField(t, A{M{"type": "work", "value": "1-555-0100"}, M{"type": "mobile", "value": "1-555-0101"}}, "phoneNumbers")
		r.WantField(t, A{M{"type": "work", "country": "NL", "locality": "Delft"}}, "addresses")
		s.Patch(t, user, e2e.Op("Replace", "userName", "hal2@validator.example")).Want(t, 200).WantField(t, "hal2@validator.example", "userName")

		// Disable, then GET and filter.
		s.Patch(t, user, e2e.Op("Replace", "active", false)).Want(t, 200)
		s.Do(t, "GET", user, nil).Want(t, 200).WantField(t, false, "active")
		same(t, "active by filter", any(false), s.Do(t, "GET", find("userName", "hal2@validator.example"), nil).WantList(t, 1)[0]["active"])

		// The manager: added, replaced and removed as a string.
		boss, chief := s.CreateUser(t, "boss"), s.CreateUser(t, "chief")
		manager := e2e.EnterpriseURN + ":manager"
		for _, step := range []struct{ op, value string }{{"Add", boss}, {"Replace", chief}} {
			s.Patch(t, user, e2e.Op(step.op, manager, step.value)).Want(t, 200).
				WantField(t, M{"value": step.value, "$ref": "../Users/" + step.value}, e2e.EnterpriseURN, "manager")
		}
		s.Patch(t, user, e2e.Op("Replace", manager, "")).Want(t, 200).WantField(t, nil, e2e.EnterpriseURN, "manager")

		unchanged(t, s.Client, user, func() { s.Patch(t, user).Want(t, 200) }) // "Operations": []

		// Several operations in one request apply in order, on one attribute too.
		s.Patch(t, user, e2e.Op("Remove", "displayName", nil), e2e.Op("Add", "displayName", "First"), e2e.Op("Replace", "displayName", "Second"),
			e2e.Op("Remove", `emails[type eq "home"]`, nil), e2e.Op("Add", "title", "T")).Want(t, 200).
			WantField(t, "Second", "displayName").WantField(t, "T", "title").
			WantField(t, A{M{"type": "work", "value": "hal@validator.example", "primary": true}, M{"type": "other", "value": "hal@other.example"}}, "emails")

		s.Do(t, "DELETE", user, nil).Want(t, 204)
		s.Do(t, "DELETE", user, nil).WantError(t, 404, "")
		s.Do(t, "DELETE", "/Users/00000000-0000-0000-0000-000000000000", nil).WantError(t, 404, "")
		s.Do(t, "GET", user, nil).WantError(t, 404, "")
	})
}

func TestMicrosoftValidatorGroups(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		u := s.CreateUser(t, "member")
		id := s.CreateGroup(t, "Validators")
		s.Do(t, "POST", "/Groups", e2e.GroupBody("VALIDATORS")).WantError(t, 409, "uniqueness")
		s.Do(t, "GET", e2e.Filter("/Groups", eq("displayName", "validators")), nil).WantIDs(t, id)
		s.Patch(t, "/Groups/"+id, e2e.Op("Replace", "displayName", "Renamed")).Want(t, 204)
		s.Patch(t, "/Groups/"+id, e2e.Op("Add", "members", A{M{"$ref": nil, "value": u}})).Want(t, 204)
		s.Do(t, "GET", "/Groups/"+id, nil).Want(t, 200).WantField(t, A{M{"value": u, "$ref": s.Location + "/Users/" + u, "type": "User"}}, "members")
		s.Do(t, "GET", "/Groups/"+id+"?excludedAttributes=members", nil).Want(t, 200).WantField(t, nil, "members")
		s.Do(t, "GET", "/Groups?excludedAttributes=members", nil).Want(t, 200).WantField(t, nil, "Resources", 0, "members")
		s.Patch(t, "/Groups/"+id, e2e.Op("Remove", "members", A{M{"value": u}})).Want(t, 204)
		s.WantMembers(t, id)
		s.Do(t, "DELETE", "/Groups/"+id, nil).Want(t, 204)
	})
}

// What the quirk table of the clients' catalogue asks of users: each row is a
// body that some client sends, and what has to come of it.
func TestClientQuirksOnUsers(t *testing.T) {
	const urn = e2e.EnterpriseURN
	work := M{"type": "work", "value": "q@x", "primary": true}
	rows := []struct {
		name string
		ops  []M
		path []any
		want any
	}{
		{"op in any case", []M{e2e.Op("REPLACE", "displayName", "n")}, A{"displayName"}, "n"},
		{"attribute names in any case", []M{e2e.Op("replace", "DISPLAYNAME", "n")}, A{"displayName"}, "n"},
		{"string boolean", []M{e2e.Op("Replace", "active", "False")}, A{"active"}, false},
		{"string boolean in lower case", []M{e2e.Op("replace", "active", "false")}, A{"active"}, false},
		{"string boolean without path", []M{e2e.Op("replace", "", M{"active": "FALSE"})}, A{"active"}, false},
		{"boolean without path", []M{e2e.Op("replace", "", M{"active": false})}, A{"active"}, false},
		{"add on active", []M{e2e.Op("Add", "active", "False")}, A{"active"}, false},
		{"add on a single value sets it", []M{e2e.Op("Add", "externalId", "e1"), e2e.Op("Add", "externalId", "e2")}, A{"externalId"}, "e2"},
		{"string boolean in an element", []M{e2e.Op("add", "roles", A{M{"value": "r", "primary": "True"}})}, A{"roles"}, A{M{"value": "r", "primary": true}}},
		{"string boolean in a value filter", []M{e2e.Op("add", "roles", A{M{"value": "r", "primary": "True"}}), e2e.Op("replace", `roles[primary eq "True"].value`, "s")}, A{"roles"}, A{M{"value": "s", "primary": true}}},
		{"replace of an absent element creates it", []M{e2e.Op("Replace", `emails[type eq "home"].value`, "h@x")}, A{"emails"}, A{work, M{"type": "home", "value": "h@x"}}},
		{"add of a sub-attribute creates it", []M{e2e.Op("Add", `emails[type eq "home"].primary`, false), e2e.Op("Add", `emails[type eq "home"].value`, "h@x")}, A{"emails"}, A{work, M{"type": "home", "primary": false, "value": "h@x"}}},
		{"capital Value", []M{e2e.Op("Replace", `emails[type eq "other"].Value`, "o@x")}, A{"emails"}, A{work, M{"type": "other", "value": "o@x"}}},
		{"dotted and URN keys without path", []M{e2e.Op("replace", "", M{"name.givenName": "G", "name.familyName": "F", urn + ":department": "D"})}, A{"name"}, M{"givenName": "G", "familyName": "F"}},
		{"URN key without path", []M{e2e.Op("replace", "", M{urn + ":employeeNumber": "7"})}, A{urn}, M{"employeeNumber": "7"}},
		{"value path as key", []M{e2e.Op("replace", "", M{`emails[type eq "work"].value`: "k@x"})}, A{"emails"}, A{M{"type": "work", "value": "k@x", "primary": true}}},
		{"extension as an object", []M{e2e.Op("add", "", M{urn: M{"department": "D", "costCenter": "C"}}), e2e.Op("replace", "", M{urn: M{"department": "E"}})}, A{urn}, M{"department": "E", "costCenter": "C"}},
		{"bare extension URN as path", []M{e2e.Op("add", urn, M{"department": "D"})}, A{urn}, M{"department": "D"}},
		{"null inside an extension", []M{e2e.Op("add", urn, M{"department": "D", "costCenter": "C"}), e2e.Op("replace", "", M{urn: M{"department": nil}})}, A{urn}, M{"costCenter": "C"}},
		{"null inside a complex attribute", []M{e2e.Op("add", "name", M{"familyName": "F", "givenName": "G"}), e2e.Op("replace", "", M{"name": M{"familyName": nil}})}, A{"name"}, M{"givenName": "G"}},
		{"null unassigns", []M{e2e.Op("add", "title", "T"), {"op": "replace", "path": "title", "value": nil}}, A{"title"}, nil},
		{"remove with a value that differs", []M{e2e.Op("Remove", `emails[type eq "work"].value`, "other@x")}, A{"emails", 0, "value"}, nil},
		{"core URN in the path", []M{e2e.Op("replace", e2e.UserURN+":title", "T")}, A{"title"}, "T"},
		{"roles as JSON in a string", []M{e2e.Op("Add", "roles", A{M{"value": `{"id":"1","value":"Admin"}`}})}, A{"roles"}, A{M{"value": `{"id":"1","value":"Admin"}`}}},
		{"emails as one object", []M{e2e.Op("replace", "emails", M{"value": "one@x", "type": "home"})}, A{"emails"}, A{M{"value": "one@x", "type": "home"}}},
		{"path-less replace of a multi-valued attribute replaces it", []M{e2e.Op("replace", "", M{"emails": A{M{"value": "two@x", "type": "home"}}})}, A{"emails"}, A{M{"value": "two@x", "type": "home"}}},
		{"add of a present value", []M{e2e.Op("add", "emails", A{M{"type": "work", "value": "q@x", "primary": true}})}, A{"emails"}, A{work}},
		{"unknown keys of an operation", []M{{"op": "replace", "path": "title", "value": "T", "name": "addTitle"}}, A{"title"}, "T"},
		{"id, meta, groups and password are ignored", []M{e2e.Op("replace", "", M{"id": "mine", "meta": M{"version": "x"}, "groups": A{}, "password": "p", "title": "T", "nothing": 1})}, A{"title"}, "T"},
	}
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		for _, row := range rows {
			c := s.NewTenant(t)
			id := c.CreateUser(t, "q@x", M{"emails": A{M{"type": "work", "value": "q@x", "primary": true}}})
			r := c.Patch(t, "/Users/"+id, row.ops...)
			if r.Status != 200 {
				t.Errorf("%s: status %d\n%s", row.name, r.Status, r)
				continue
			}
			if got := r.ID(t); got != id {
				t.Errorf("%s: the id became %s", row.name, got)
			}
			r.WantField(t, row.want, row.path...)
			if t.Failed() {
				t.Fatalf("row %q", row.name)
			}
		}
	})
}

// A PATCH that no leniency covers is refused, and changes nothing: not even the
// operations before the one at fault.
func TestPatchRefused(t *testing.T) {
	rows := []struct {
		name, scimType string
		op             M
	}{
		{"unknown op", "invalidSyntax", e2e.Op("move", "title", "x")},
		{"no op", "invalidSyntax", M{"path": "title", "value": "x"}},
		{"remove without path", "noTarget", e2e.Op("remove", "", nil)},
		{"a path that does not parse", "invalidPath", e2e.Op("replace", "emails[type eq", "x")},
		{"an empty value filter", "invalidPath", e2e.Op("replace", "emails[].value", "x")},
		{"a filter that is no element", "noTarget", e2e.Op("replace", `emails[type eq "home" or type eq "other"].value`, "x")},
		{"a boolean that is none", "invalidValue", e2e.Op("replace", "active", "maybe")},
		{"an object for a string", "invalidValue", e2e.Op("replace", "title", M{"a": 1})},
		{"null for userName", "", M{"op": "replace", "path": "userName", "value": nil}},
		{"remove of userName", "", e2e.Op("remove", "userName", nil)},
		{"empty userName", "", e2e.Op("replace", "userName", "")},
	}
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "u", M{"title": "before", "emails": A{M{"type": "work", "value": "u@x"}}})
		for _, row := range rows {
			unchanged(t, s.Client, "/Users/"+id, func() {
				r := s.Patch(t, "/Users/"+id, e2e.Op("replace", "title", "after"), row.op)
				if r.Status != 400 {
					t.Fatalf("%s: status %d\n%s", row.name, r.Status, r)
				}
				if row.scimType != "" && r.JSON["scimType"] != row.scimType {
					t.Errorf("%s: scimType %v, want %s\n%s", row.name, r.JSON["scimType"], row.scimType, r)
				}
			})
		}
		for _, body := range []any{"", "null", "[]", `{"Operations":{}}`, `{"Operations":[1]}`, `{"schemas":["` + e2e.PatchURN + `"]}`, M{"schemas": A{e2e.PatchURN}, "Operations": nil}} {
			if r := s.Do(t, "PATCH", "/Users/"+id, body); r.Status != 400 {
				t.Errorf("a PATCH of %v: status %d, want 400", body, r.Status)
			}
		}
	})
}

// Membership operations of the quirk table, one group each.
func TestClientQuirksOnGroups(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		a, b, c := s.CreateUser(t, "a"), s.CreateUser(t, "b"), s.CreateUser(t, "c")
		rows := []struct {
			name string
			ops  []M
			want []string
		}{
			{"remove with a value list", []M{e2e.Op("Remove", "members", e2e.MemberList(a))}, []string{b}},
			{"remove with one object", []M{e2e.Op("remove", "members", M{"value": a})}, []string{b}},
			{"remove with a bare string", []M{e2e.Op("remove", "members", a)}, []string{b}},
			{"remove with $ref and display", []M{e2e.Op("remove", "members", A{M{"value": a, "$ref": "http://other/x", "display": "z"}})}, []string{b}},
			{"remove of all", []M{e2e.Op("remove", "members", nil)}, nil},
			{"remove by filter", []M{e2e.Op("remove", `members[value eq "`+a+`"]`, nil)}, []string{b}},
			{"remove by filter with an empty value", []M{e2e.Op("remove", `members[value eq "`+a+`"]`, "")}, []string{b}},
			{"remove by filter in upper case", []M{e2e.Op("Remove", `MEMBERS[VALUE EQ "`+a+`"]`, nil)}, []string{b}},
			{"remove of a stranger", []M{e2e.Op("remove", `members[value eq "stranger"]`, nil)}, []string{a, b}},
			{"add of a present member", []M{e2e.Op("add", "members", e2e.MemberList(a, a))}, []string{a, b}},
			{"path-less add", []M{e2e.Op("add", "", M{"members": A{M{"display": "c", "$ref": "https://wso2/Users/" + c, "value": c}}})}, []string{a, b, c}},
			{"path-less replace of other keys", []M{e2e.Op("replace", "", M{"id": "mine", "displayName": "renamed"})}, []string{a, b}},
			{"path-less replace with empty members", []M{e2e.Op("replace", "", M{"members": A{}, "id": "g", "displayName": "emptied"})}, nil},
			{"replace of members", []M{e2e.Op("replace", "members", e2e.MemberList(b, c))}, []string{b, c}},
			{"replace with an empty list", []M{e2e.Op("replace", "members", A{})}, nil},
			{"display null", []M{e2e.Op("add", "members", A{M{"value": c, "display": nil}})}, []string{a, b, c}},
			{"remove then add, in order", []M{e2e.Op("remove", "members", nil), e2e.Op("add", "members", e2e.MemberList(c))}, []string{c}},
			{"add then remove, in order", []M{e2e.Op("add", "members", e2e.MemberList(c)), e2e.Op("remove", `members[value eq "`+c+`"]`, nil)}, []string{a, b}},
		}
		for i, row := range rows {
			g := s.CreateGroup(t, "group "+string(rune('a'+i)), a, b)
			s.Patch(t, "/Groups/"+g, row.ops...).Want(t, 204)
			s.WantMembers(t, g, row.want...)
			if t.Failed() {
				t.Fatalf("row %q", row.name)
			}
		}

		// A value that is there but names nobody never means everybody.
		g := s.CreateGroup(t, "careful", a, b)
		for _, value := range []any{A{}, A{M{}}, A{M{"value": ""}}, A{M{"display": "a"}}, "", M{}} {
			r := s.Patch(t, "/Groups/"+g, M{"op": "remove", "path": "members", "value": value})
			if r.Status != 204 && r.Status != 400 {
				t.Errorf("remove of members %v: status %d", value, r.Status)
			}
			s.WantMembers(t, g, a, b)
		}
	})
}

// PUT of a group: without members it keeps them, with [] it empties the group.
func TestPutGroup(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		a, b := s.CreateUser(t, "a"), s.CreateUser(t, "b")
		g := s.CreateGroup(t, "G", a)
		put := func(body M) *e2e.Response { return s.Do(t, "PUT", "/Groups/"+g, body).Want(t, 200) }
		put(M{"schemas": A{e2e.GroupURN}, "displayName": "Renamed"}).WantField(t, "Renamed", "displayName")
		s.WantMembers(t, g, a)
		put(M{"schemas": A{e2e.GroupURN}, "id": "other", "displayName": "Renamed", "members": A{M{"value": b, "display": nil}}}).WantField(t, g, "id")
		s.WantMembers(t, g, b)
		put(M{"schemas": A{e2e.GroupURN}, "displayName": "Renamed", "members": A{}}).WantField(t, A{}, "members")
		s.WantMembers(t, g)
	})
}
