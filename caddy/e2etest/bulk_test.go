package e2etest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func bulk(t *testing.T, c *e2e.Client, failOnErrors int, ops ...M) *e2e.Response {
	t.Helper()
	body := M{"schemas": A{e2e.BulkURN}, "Operations": ops}
	if failOnErrors > 0 {
		body["failOnErrors"] = failOnErrors
	}
	r := c.Do(t, "POST", "/Bulk", body).Want(t, 200)
	return r.WantField(t, A{"urn:ietf:params:scim:api:messages:2.0:BulkResponse"}, "schemas")
}

func post(path, bulkID string, data M) M {
	return M{"method": "POST", "path": path, "bulkId": bulkID, "data": data}
}

// idOf returns the id in the location of the n-th operation's response.
func idOf(t *testing.T, r *e2e.Response, n int) string {
	t.Helper()
	location, _ := r.Field("Operations", n, "location").(string)
	if location == "" {
		t.Fatalf("operation %d has no location\n%s", n, r)
	}
	return location[strings.LastIndexByte(location, '/')+1:]
}

// RFC 7644 §3.7.2: Alice and the Tour Guides, and the enterprise manager.
func TestBulkIDs(t *testing.T) {
	alice := post("/Users", "qwerty", M{"schemas": A{e2e.UserURN}, "userName": "Alice"})
	guides := post("/Groups", "ytrewq", M{"schemas": A{e2e.GroupURN}, "displayName": "Tour Guides", "members": A{M{"type": "User", "value": "bulkId:qwerty"}}})
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		for name, ops := range map[string][]M{"in order": {alice, guides}, "the other way round": {guides, alice}} {
			c := s.NewTenant(t)
			r := bulk(t, c, 0, ops...)
			u, g := 0, 1
			if name != "in order" {
				u, g = 1, 0
			}
			user, group := idOf(t, r, u), idOf(t, r, g)
			want := []string{
				`{"location":"` + c.Location + `/Users/` + user + `","method":"POST","bulkId":"qwerty","version":"{{version}}","status":"201"}`,
				`{"location":"` + c.Location + `/Groups/` + group + `","method":"POST","bulkId":"ytrewq","version":"{{version}}","status":"201"}`,
			}
			if u == 1 {
				want[0], want[1] = want[1], want[0]
			}
			for i := range want { // the server may leave out the response of a success, or not
				op, _ := r.Field("Operations", i).(map[string]any)
				delete(op, "response")
			}
			r.Body = []byte(marshal(t, r.JSON))
			r.WantGolden(t, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],"Operations":[`+strings.Join(want, ",")+`]}`)
			got := c.Do(t, "GET", "/Groups/"+group, nil).Want(t, 200).WantField(t, A{M{"value": user, "$ref": c.Location + "/Users/" + user, "type": "User"}}, "members")
			same(t, "the version in the response", r.Field("Operations", g, "version"), any(got.ETag()))
		}

		c := s.NewTenant(t)
		r := bulk(t, c, 0, alice, post("/Users", "ytrewq", M{"schemas": A{e2e.UserURN, e2e.EnterpriseURN}, "userName": "Bob",
			e2e.EnterpriseURN: M{"employeeNumber": "11250", "manager": M{"value": "bulkId:qwerty"}}}))
		c.Do(t, "GET", "/Users/"+idOf(t, r, 1), nil).Want(t, 200).WantField(t, M{"employeeNumber": "11250", "manager": M{"value": idOf(t, r, 0), "$ref": "../Users/" + idOf(t, r, 0)}}, e2e.EnterpriseURN)

		// In paths, and in the operations of a PATCH.
		r = bulk(t, c, 0, post("/Groups", "g", e2e.GroupBody("G")), post("/Users", "u", e2e.UserBody("carol")),
			M{"method": "PATCH", "path": "/Groups/bulkId:g", "data": e2e.PatchBody(e2e.Op("add", "members", e2e.MemberList("bulkId:u")))},
			M{"method": "PUT", "path": "/Users/bulkId:u", "data": e2e.UserBody("carol", M{"title": "T"})})
		for i, status := range []string{"201", "201", "204", "200"} {
			if got := r.Field("Operations", i, "status"); got != status && !(status == "204" && got == "200") {
				t.Errorf("operation %d: status %v, want %s\n%s", i, got, status, r)
			}
		}
		c.WantMembers(t, idOf(t, r, 0), idOf(t, r, 1))
		c.Do(t, "GET", "/Users/"+idOf(t, r, 1), nil).Want(t, 200).WantField(t, "T", "title")
	})
}

// RFC 7644 §3.7.1: groups that refer to each other are refused.
func TestBulkCircular(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		body := M{"schemas": A{e2e.BulkURN}, "Operations": A{
			post("/Groups", "qwerty", M{"displayName": "Group A", "members": A{M{"type": "Group", "value": "bulkId:ytrewq"}}}),
			post("/Groups", "ytrewq", M{"displayName": "Group B", "members": A{M{"type": "Group", "value": "bulkId:qwerty"}}}),
		}}
		r := s.Do(t, "POST", "/Bulk", body)
		if r.Status != 409 {
			r.Want(t, 200).WantField(t, "409", "Operations", 0, "status").WantField(t, "409", "Operations", 1, "status")
		}
		s.Do(t, "GET", "/Groups", nil).WantList(t, 0)
		// A reference to nothing fails that operation alone.
		r = bulk(t, s.Client, 0, post("/Groups", "a", e2e.GroupBody("A", "bulkId:nothing")), post("/Users", "b", e2e.UserBody("b")))
		if status, _ := r.Field("Operations", 0, "status").(string); !strings.HasPrefix(status, "4") {
			t.Errorf("a reference to nothing: status %s", status)
		}
		r.WantField(t, "201", "Operations", 1, "status")
		s.Do(t, "GET", "/Users", nil).WantList(t, 1) // no user bulkId:nothing
	})
}

// RFC 7644 §3.7.3: add, update and remove, with versions; and all that fails.
func TestBulkOperations(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		create := func(name string) *e2e.Response {
			return s.Do(t, "POST", "/Users", e2e.UserBody(name, M{"nickName": "N"})).Want(t, 201)
		}
		b, c, d := create("b"), create("c"), create("d")
		ops := func(bob, carol, dave string) []M {
			return []M{
				post("/Users", "qwerty", M{"schemas": A{"urn:ietf:params:scim:api:messages:2.0:User"}, "userName": "Alice"}),
				{"method": "PUT", "path": "/Users/" + b.ID(t), "version": bob, "data": M{"schemas": A{e2e.UserURN}, "id": b.ID(t), "userName": "Bob"}},
				{"method": "patch", "path": "/Users/" + c.ID(t), "version": carol, "data": e2e.PatchBody(e2e.Op("remove", "nickName", nil), e2e.Op("add", "userName", "Dave"))},
				{"method": "DELETE", "path": "/Users/" + d.ID(t), "version": dave},
			}
		}
		r := bulk(t, s.Client, 1, ops(b.ETag(), c.ETag(), d.ETag())...)
		for i, status := range []string{"201", "200", "200", "204"} {
			r.WantField(t, status, "Operations", i, "status")
		}
		for i, u := range []*e2e.Response{b, c, d} {
			r.WantField(t, s.Location+"/Users/"+u.ID(t), "Operations", i+1, "location")
		}
		r.WantField(t, "PUT", "Operations", 1, "method").WantField(t, nil, "Operations", 1, "bulkId")
		got := s.Do(t, "GET", "/Users/"+b.ID(t), nil).Want(t, 200).WantField(t, "Bob", "userName").WantField(t, nil, "nickName")
		r.WantField(t, got.ETag(), "Operations", 1, "version")
		s.Do(t, "GET", "/Users/"+c.ID(t), nil).Want(t, 200).WantField(t, "Dave", "userName").WantField(t, nil, "nickName")
		s.Do(t, "GET", "/Users/"+d.ID(t), nil).WantError(t, 404, "")

		// The same again: the name is taken, the versions are old, the user is gone.
		r = bulk(t, s.Client, 0, ops(b.ETag(), c.ETag(), d.ETag())...)
		for i, status := range []string{"409", "412", "412", "404"} {
			r.WantField(t, status, "Operations", i, "status").WantField(t, status, "Operations", i, "response", "status").WantField(t, A{e2e.ErrorURN}, "Operations", i, "response", "schemas")
			if detail, _ := r.Field("Operations", i, "response", "detail").(string); detail == "" {
				t.Errorf("operation %d has no detail", i)
			}
		}
		r.WantField(t, "uniqueness", "Operations", 0, "response", "scimType").WantField(t, nil, "Operations", 0, "location").WantField(t, "qwerty", "Operations", 0, "bulkId").
			WantField(t, s.Location+"/Users/"+b.ID(t), "Operations", 1, "location")

		// failOnErrors: the rest is not processed, and not reported.
		for limit, processed := range map[int]int{1: 1, 2: 2, 3: 3} {
			r = bulk(t, s.Client, limit, append(ops(b.ETag(), c.ETag(), d.ETag())[:3], post("/Users", "never", e2e.UserBody("never")))...)
			if list, _ := r.JSON["Operations"].([]any); len(list) != processed {
				t.Errorf("failOnErrors %d: %d operations in the response, want %d\n%s", limit, len(list), processed, r)
			}
		}
		if s.FindUser(t, "never") != nil {
			t.Error("an operation after the limit of errors was processed")
		}

		// Operations that cannot be.
		r = bulk(t, s.Client, 0, M{"method": "GET", "path": "/Users/" + b.ID(t)}, M{"method": "POST", "path": "/Nothing", "bulkId": "x", "data": M{}}, M{"method": "POST", "path": "/Users", "bulkId": "y", "data": M{"userName": ""}},
			M{"method": "DELETE", "path": "/Users"}, M{"method": "PATCH", "path": "/Users/" + b.ID(t), "data": e2e.PatchBody(e2e.Op("zap", "title", "x"))}, post("/Users", "last", e2e.UserBody("last")))
		for i := range 5 {
			if status, _ := r.Field("Operations", i, "status").(string); !strings.HasPrefix(status, "4") && status != "501" {
				t.Errorf("operation %d: status %s, want an error\n%s", i, status, r)
			}
		}
		r.WantField(t, "201", "Operations", 5, "status")
		same(t, "the number of bulk operations in the response", 6, len(r.JSON["Operations"].([]any)))
	})
}

// RFC 7644 §3.7.4: the limits, named in the error.
func TestBulkLimits(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		var ops A
		for i := range 1001 {
			ops = append(ops, post("/Users", fmt.Sprint(i), e2e.UserBody(fmt.Sprint("u", i))))
		}
		s.Do(t, "POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": ops}).WantError(t, 413, "", "1000")
		s.Do(t, "POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": A{post("/Users", "big", e2e.UserBody("big", M{"title": strings.Repeat("x", 4<<20)}))}}).WantError(t, 413, "", "4194304")
		s.Do(t, "GET", "/Users?count=0", nil).WantList(t, 0)
		s.Do(t, "POST", "/Bulk", M{"schemas": A{e2e.BulkURN}}).Want(t, 400)
		twice := post("/Users", "same", e2e.UserBody("twice"))
		s.Do(t, "POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": A{twice, twice}}).Want(t, 400)
	})
}
