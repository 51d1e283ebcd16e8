package e2etest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// okta speaks as Okta does. PUT deactivates and renames in apps made by the App
// Integration Wizard, PATCH in those of the catalogue.
type okta struct {
	*e2e.Client
	put bool
}

func (o okta) do(t *testing.T, method, path string, body any) *e2e.Response {
	t.Helper()
	return o.Do(t, method, path, body, "User-Agent: Okta SCIM Client 1.0.0", "Accept: application/scim+json", "Accept-Charset: utf-8",
		"Accept-Encoding: gzip", "Content-Type: application/scim+json; charset=utf-8")
}

func (o okta) find(t *testing.T, path, filter string) *e2e.Response {
	t.Helper()
	return o.do(t, "GET", path+"?filter="+url.PathEscape(filter)+"&startIndex=1&count=100", nil)
}

// setActive does as the app does on unassignment and reassignment; PUT sends
// back what GET gave, changed.
func (o okta) setActive(t *testing.T, id string, active bool) {
	t.Helper()
	if !o.put {
		o.do(t, "PATCH", "/Users/"+id, e2e.PatchBody(e2e.Op("replace", "", M{"active": active}))).Want(t, 200).WantField(t, active, "active")
		return
	}
	o.replace(t, id, M{"active": active}).WantField(t, active, "active")
}

func (o okta) replace(t *testing.T, id string, values M) *e2e.Response {
	t.Helper()
	body := o.do(t, "GET", "/Users/"+id, nil).Want(t, 200).JSON
	body["groups"] = A{}
	maps.Copy(body, values)
	return o.do(t, "PUT", "/Users/"+id, body).Want(t, 200)
}

func oktaUser(userName, externalID string) M {
	return M{"schemas": A{e2e.UserURN}, "userName": userName, "name": M{"givenName": "Test", "familyName": "User"},
		"emails": A{M{"primary": true, "value": userName, "type": "work"}}, "displayName": "Test User", "locale": "en-US",
		"externalId": externalID, "groups": A{}, "password": "1mz050nq", "active": true}
}

func forOkta(t *testing.T, f func(t *testing.T, o okta)) {
	for _, put := range []bool{false, true} {
		name := "catalogue app, PATCH"
		if put {
			name = "wizard app, PUT"
		}
		t.Run(name, func(t *testing.T) {
			e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) { f(t, okta{s.Client, put}) })
		})
	}
}

func TestOktaUsers(t *testing.T) {
	forOkta(t, func(t *testing.T, o okta) {
		o.find(t, "/Users", eq("userName", "test.user@okta.local")).Want(t, 200).WantGolden(t, nothingFound)
		created := o.do(t, "POST", "/Users", oktaUser("test.user@okta.local", "00ujl29u0le5T6Aj10h7")).Want(t, 201)
		id := created.ID(t)
		created.WantGolden(t, `{"schemas":["`+e2e.UserURN+`"],"id":"{{id}}","externalId":"00ujl29u0le5T6Aj10h7","userName":"test.user@okta.local",
			"name":{"givenName":"Test","familyName":"User"},"displayName":"Test User","locale":"en-US","active":true,
			"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],
			"meta":{"resourceType":"User","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Users/{{self}}"}}`, "base", o.Location, "self", id)

		// A profile update sends back the whole resource, changed.
		o.replace(t, id, M{"name": M{"givenName": "Another", "familyName": "User", "middleName": ""}, "emails": A{M{"primary": true, "value": "test.user@okta.local", "type": "work", "display": "x"}}}).
			WantField(t, "Another", "name", "givenName").WantField(t, true, "active").WantField(t, id, "id").WantField(t, "00ujl29u0le5T6Aj10h7", "externalId")

		o.setActive(t, id, false)
		o.do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, false, "active")
		o.setActive(t, id, true)
		o.setActive(t, id, false)
		// Assigned again, as a new POST: the same person, the same id.
		again := o.do(t, "POST", "/Users", oktaUser("test.user@okta.local", "00ujl29u0le5T6Aj10h7")).Want(t, 201)
		again.WantField(t, id, "id").WantField(t, true, "active").WantField(t, "Test", "name", "givenName")
		o.do(t, "POST", "/Users", oktaUser("test.user@okta.local", "00ujl29u0le5T6Aj10h7")).WantError(t, 409, "uniqueness")
	})
}

func TestOktaImport(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		o := okta{s.Client, false}
		var ids []string
		for i := range 7 {
			ids = append(ids, o.CreateUser(t, fmt.Sprintf("u%d@okta.local", 7-i)))
		}
		slices.Sort(ids) // the order of lists
		for start := 1; start <= 7; start += 3 {
			end := min(start+2, 7)
			r := o.do(t, "GET", fmt.Sprintf("/Users?startIndex=%d&count=3", start), nil).Want(t, 200).WantOrder(t, ids[start-1:end]...)
			r.WantField(t, 7, "totalResults").WantField(t, start, "startIndex").WantField(t, end-start+1, "itemsPerPage")
		}
	})
}

func TestOktaGroups(t *testing.T) {
	forOkta(t, func(t *testing.T, o okta) {
		a, b, c := o.CreateUser(t, "a@okta.local"), o.CreateUser(t, "b@okta.local"), o.CreateUser(t, "c@okta.local")
		created := o.do(t, "POST", "/Groups", M{"schemas": A{e2e.GroupURN}, "displayName": "Test SCIMv2", "members": A{}}).Want(t, 201).WantField(t, A{}, "members")
		g := created.ID(t)
		o.find(t, "/Groups", eq("displayName", "Test SCIMv2")).WantIDs(t, g)
		if o.put {
			put := func(name string, members A) {
				t.Helper()
				o.do(t, "PUT", "/Groups/"+g, M{"schemas": A{e2e.GroupURN}, "id": g, "displayName": name, "members": members}).Want(t, 200).WantField(t, name, "displayName")
			}
			put("Test SCIMv2", A{M{"value": a, "display": nil}, M{"value": b, "display": "b@okta.local"}})
			o.WantMembers(t, g, a, b)
			put("Test SCIMv2.1", A{M{"value": b, "display": nil}, M{"value": c}})
			o.WantMembers(t, g, b, c)
			put("Test SCIMv2.1", A{})
			o.WantMembers(t, g)
		} else {
			patch := func(ops ...M) {
				t.Helper()
				o.do(t, "PATCH", "/Groups/"+g, e2e.PatchBody(ops...)).Want(t, 204)
			}
			rename := e2e.Op("replace", "", M{"id": g, "displayName": "Test SCIMv2.1"})
			patch(rename, e2e.Op("add", "members", A{M{"value": a, "display": "a@okta.local"}, M{"value": b, "display": nil}}))
			o.WantMembers(t, g, a, b)
			patch(e2e.Op("remove", `members[value eq "`+a+`"]`, nil), e2e.Op("add", "members", A{M{"value": c, "display": "c@okta.local"}}))
			o.WantMembers(t, g, b, c)
			patch(rename)
			o.WantMembers(t, g, b, c)
			patch(e2e.Op("replace", "members", A{M{"value": a}, M{"value": c}}))
			o.WantMembers(t, g, a, c)
			patch(e2e.Op("replace", "", M{"members": A{}, "id": g, "displayName": "Test SCIMv2.1"}))
			o.WantMembers(t, g)
		}
		o.find(t, "/Groups", eq("displayName", "Test SCIMv2.1")).WantIDs(t, g)
		o.do(t, "DELETE", "/Groups/"+g, nil).Want(t, 204)
	})
}

// One membership push has up to 256 members.
func TestOktaGroupPush(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		ids := createMany(t, s.Client, 256)
		g := s.CreateGroup(t, "Everyone")
		var list A
		for i, id := range ids {
			list = append(list, M{"value": id, "display": fmt.Sprintf("u%d", i)})
		}
		s.Patch(t, "/Groups/"+g, e2e.Op("replace", "members", list)).Want(t, 204)
		s.WantMembers(t, g, ids...)
		s.Patch(t, "/Groups/"+g, e2e.Op("replace", "members", list[1:])).Want(t, 204)
		s.WantMembers(t, g, ids[1:]...)
	})
}

// createMany creates n users in one bulk request and returns their ids in order.
func createMany(t *testing.T, c *e2e.Client, n int) []string {
	t.Helper()
	ops := A{}
	for i := range n {
		ops = append(ops, M{"method": "POST", "path": "/Users", "bulkId": fmt.Sprint("b", i), "data": e2e.UserBody(fmt.Sprintf("user%04d@many.example", i))})
	}
	r := c.Do(t, "POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": ops}).Want(t, 200)
	ids := make([]string, n)
	for i := range ids {
		location, _ := r.Field("Operations", i, "location").(string)
		if len(location) <= len(c.Location)+len("/Users/") || r.Field("Operations", i, "status") != "201" {
			t.Fatalf("bulk operation %d: %v", i, r.Field("Operations", i))
		}
		ids[i] = location[len(c.Location)+len("/Users/"):]
	}
	return ids
}

// Okta's SPEC test, step by step.
func TestOktaSpec(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		o := okta{s.Client, false}
		first := o.CreateUser(t, "seed@okta.local", M{"name": M{"givenName": "Seed", "familyName": "User"}, "emails": A{M{"value": "seed@okta.local", "primary": true}}})

		// 1, 2: a user, by list and by id.
		list := o.do(t, "GET", "/Users?count=1&startIndex=1", nil).Want(t, 200).WantField(t, A{e2e.ListURN}, "schemas").
			WantField(t, 1, "itemsPerPage").WantField(t, 1, "startIndex").WantField(t, 1, "totalResults")
		single := o.do(t, "GET", "/Users/"+first, nil).Want(t, 200)
		for _, u := range []any{list.Field("Resources", 0), any(single.JSON)} {
			same(t, "id", any(first), e2e.Field(u, "id"))
			same(t, "familyName", any("User"), e2e.Field(u, "name", "familyName"))
			same(t, "givenName", any("Seed"), e2e.Field(u, "name", "givenName"))
			same(t, "userName", any("seed@okta.local"), e2e.Field(u, "userName"))
			same(t, "active", any(true), e2e.Field(u, "active"))
			same(t, "emails", any("seed@okta.local"), e2e.Field(u, "emails", 0, "value"))
		}
		// 3, 4, 5: nobody.
		o.do(t, "GET", find("userName", "invalid@okta.local"), nil).Want(t, 200).WantList(t, 0)
		o.do(t, "GET", "/Users/010101001010101011001010101011", nil).WantError(t, 404, "", "010101001010101011001010101011")
		o.do(t, "GET", find("userName", "Runscope.300@atko.com"), nil).WantList(t, 0)
		// 6, 7, 8, 9: create, read, again, in upper case. The suite sends application/json.
		body := M{"schemas": A{e2e.UserURN}, "userName": "Runscope.300@atko.com", "name": M{"givenName": "Run", "familyName": "Scope"},
			"emails": A{M{"primary": true, "value": "Runscope.300@atko.com", "type": "work"}}, "displayName": "Run Scope", "active": true}
		created := o.Do(t, "POST", "/Users", body, "Content-Type: application/json").Want(t, 201)
		for _, r := range []*e2e.Response{created, o.do(t, "GET", "/Users/"+created.ID(t), nil).Want(t, 200)} {
			r.WantField(t, true, "active").WantField(t, created.ID(t), "id").WantField(t, "Run", "name", "givenName").
				WantField(t, "Scope", "name", "familyName").WantField(t, "Runscope.300@atko.com", "userName").WantField(t, A{e2e.UserURN}, "schemas")
		}
		o.Do(t, "POST", "/Users", body, "Content-Type: application/json").WantError(t, 409, "uniqueness")
		o.do(t, "GET", find("userName", "RUNSCOPE.300@ATKO.COM"), nil).WantIDs(t, created.ID(t))
		// 10: groups, in time.
		began := time.Now()
		groups := o.do(t, "GET", "/Groups", nil).Want(t, 200)
		if d := time.Since(began); d > 600*time.Millisecond {
			t.Errorf("GET /Groups took %s, Okta allows 600ms", d)
		}
		groups.WantField(t, A{}, "Resources")
		// 11, 12: no scheme, and an unknown id.
		o.Do(t, "GET", "/Users?startIndex=1&count=100", nil, "Authorization: non-token").WantError(t, 401, "")
		o.do(t, "GET", "/Users/00919288221112222", nil).WantError(t, 404, "")
	})
}

// Okta's CRUD suite: the user is readable by id throughout.
func TestOktaCRUD(t *testing.T) {
	forOkta(t, func(t *testing.T, o okta) {
		id := o.do(t, "POST", "/Users", oktaUser("crud@okta.local", "00u1")).Want(t, 201).ID(t)
		state := func(active bool, given string) {
			t.Helper()
			o.do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, active, "active").WantField(t, given, "name", "givenName")
		}
		state(true, "Test")
		o.replace(t, id, M{"name": M{"givenName": "Renamed", "familyName": "User"}})
		state(true, "Renamed")
		for range 2 { // deactivate and reactivate; unassign and assign again
			o.setActive(t, id, false)
			state(false, "Renamed")
			o.setActive(t, id, true)
			state(true, "Renamed")
		}
	})
}
