package e2etest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// bjensen is the body of RFC 7644 §3.3.
const bjensen = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bjensen","externalId":"bjensen",
	"name":{"formatted":"Ms. Barbara J Jensen III","familyName":"Jensen","givenName":"Barbara"}}`

const bjensenCreated = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"{{self}}","externalId":"bjensen","userName":"bjensen",
	"meta":{"resourceType":"User","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Users/{{self}}"},
	"name":{"formatted":"Ms. Barbara J Jensen III","familyName":"Jensen","givenName":"Barbara"}}`

// RFC 7644 §3.3 and §3.4.1: create and retrieve.
func TestRFC7644CreateAndRetrieve(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		r := s.Do(t, "POST", "/Users", bjensen).Want(t, 201)
		id := r.ID(t)
		r.WantGolden(t, bjensenCreated, "self", id, "base", s.Location)
		same(t, "Location", s.Location+"/Users/"+id, r.Header.Get("Location"))
		same(t, "created and lastModified of a new resource", r.Field("meta", "created"), r.Field("meta", "lastModified"))
		got := s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantGolden(t, bjensenCreated, "self", id, "base", s.Location)
		same(t, "the ETag", r.ETag(), got.ETag())
		if got.ETag() == "" {
			t.Error("no ETag")
		}
		// meta.resourceType is the endpoint's (§3.3.1).
		s.Do(t, "POST", "/Groups", `{"displayName":"Tour Guides","meta":{"resourceType":"User"}}`).Want(t, 201).WantField(t, "Group", "meta", "resourceType")
		s.Do(t, "POST", "/Users", bjensen).WantError(t, 409, "uniqueness")
	})
}

// RFC 7644 §3.4.2: query with attributes, and §3.9 on a known resource.
func TestRFC7644Attributes(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		a := s.Do(t, "POST", "/Users", bjensen).Want(t, 201).ID(t)
		b := s.CreateUser(t, "jsmith", M{"displayName": "Smith, James", "emails": A{M{"value": "j@x", "type": "work", "primary": true}}, e2e.EnterpriseURN: M{"department": "D", "costCenter": "C"}})
		s.Do(t, "GET", "/Users?attributes=userName", nil).Want(t, 200).WantGolden(t, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
			"totalResults":2,"startIndex":1,"itemsPerPage":2,"Resources":[{"schemas":["`+e2e.UserURN+`"],"id":"{{a}}","userName":"bjensen"},
			{"schemas":["`+e2e.UserURN+`","`+e2e.EnterpriseURN+`"],"id":"{{b}}","userName":"jsmith"}]}`, "a", a, "b", b)
		r := s.Do(t, "GET", "/Users/"+a+"?attributes=userName", nil).Want(t, 200).WantGolden(t, `{"schemas":["`+e2e.UserURN+`"],"id":"{{a}}","userName":"bjensen"}`, "a", a)
		same(t, "the ETag is the whole resource's", s.Do(t, "GET", "/Users/"+a, nil).ETag(), r.ETag())

		for query, want := range map[string]string{
			"attributes=USERNAME":                             `"userName":"jsmith"`,
			"attributes=" + e2e.UserURN + ":userName":         `"userName":"jsmith"`,
			"attributes=userName,displayName":                 `"userName":"jsmith","displayName":"Smith, James"`,
			"attributes=userName,%20displayName":              `"userName":"jsmith","displayName":"Smith, James"`,
			"attributes=emails.value":                         `"emails":[{"value":"j@x"}]`,
			"attributes=emails":                               `"emails":[{"value":"j@x","type":"work","primary":true}]`,
			"attributes=name":                                 ``,
			"attributes=nothing.of.the.kind":                  ``,
			"attributes=id":                                   ``,
			"attributes=meta.resourceType":                    `"meta":{"resourceType":"User"}`,
			"attributes=" + e2e.EnterpriseURN + ":department": `"` + e2e.EnterpriseURN + `":{"department":"D"}`,
			"attributes=" + e2e.EnterpriseURN:                 `"` + e2e.EnterpriseURN + `":{"department":"D","costCenter":"C"}`,
			"excludedAttributes=meta,emails,name,displayName,active," + e2e.EnterpriseURN:                                           `"userName":"jsmith"`,
			"excludedAttributes=meta,emails.type,emails.primary,displayName,active," + e2e.EnterpriseURN + ":costCenter,id,schemas": `"userName":"jsmith","emails":[{"value":"j@x"}],"` + e2e.EnterpriseURN + `":{"department":"D"}`,
		} {
			if want != "" {
				want = "," + want
			}
			want = `{"schemas":["` + e2e.UserURN + `","` + e2e.EnterpriseURN + `"],"id":"` + b + `"` + want + `}`
			s.Do(t, "GET", "/Users/"+b+"?"+query, nil).Want(t, 200).WantGolden(t, want)
			list := s.Do(t, "GET", "/Users?filter=userName+eq+%22jsmith%22&"+query, nil).WantList(t, 1)
			var tree any
			unmarshal(t, want, &tree)
			same(t, query+" in a list", tree, any(list[0]))
		}
		// On every verb that returns a resource.
		s.Do(t, "POST", "/Users?attributes=title", e2e.UserBody("third", M{"title": "T", "nickName": "N"})).Want(t, 201).WantField(t, "T", "title").WantField(t, nil, "nickName").WantField(t, nil, "userName")
		s.Do(t, "PUT", "/Users/"+b+"?excludedAttributes=meta,active", e2e.UserBody("jsmith", M{"title": "T"})).Want(t, 200).
			WantGolden(t, `{"schemas":["`+e2e.UserURN+`"],"id":"{{b}}","userName":"jsmith","title":"T"}`, "b", b)
		s.Do(t, "PATCH", "/Users/"+b+"?attributes=title", e2e.PatchBody(e2e.Op("replace", "title", "U"))).Want(t, 200).
			WantGolden(t, `{"schemas":["`+e2e.UserURN+`"],"id":"{{b}}","title":"U"}`, "b", b)
		// A PATCH of a group has a body only where attributes asks for one (§3.5.2).
		g := s.CreateGroup(t, "G", a)
		s.Patch(t, "/Groups/"+g, e2e.Op("replace", "displayName", "H")).Want(t, 204)
		s.Do(t, "PATCH", "/Groups/"+g+"?attributes=displayName", e2e.PatchBody(e2e.Op("replace", "displayName", "I"))).Want(t, 200).
			WantGolden(t, `{"schemas":["`+e2e.GroupURN+`"],"id":"{{g}}","displayName":"I"}`, "g", g)
	})
}

// RFC 7644 §3.4.2.1 and §3.4.3: query at the root, and by POST.
func TestRFC7644Search(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		james := s.CreateUser(t, "jsmith", M{"displayName": "Smith, James"})
		babs := s.CreateUser(t, "bjensen", M{"displayName": "Babs"})
		family := s.CreateGroup(t, "Smith Family", james)
		search := M{"schemas": A{e2e.SearchURN}, "attributes": A{"displayName", "userName"}, "filter": `displayName sw "smith"`, "startIndex": 1, "count": 10}
		james1 := `{"schemas":["` + e2e.UserURN + `"],"id":"` + james + `","userName":"jsmith","displayName":"Smith, James"}`
		family1 := `{"schemas":["` + e2e.GroupURN + `"],"id":"` + family + `","displayName":"Smith Family"}`
		list := func(resources ...string) string {
			n := string(rune('0' + len(resources)))
			return `{"schemas":["` + e2e.ListURN + `"],"totalResults":` + n + `,"startIndex":1,"itemsPerPage":` + n + `,"Resources":[` + strings.Join(resources, ",") + `]}`
		}
		s.Do(t, "POST", "/.search", search).Want(t, 200).WantGolden(t, list(james1, family1))
		s.Do(t, "POST", "/Users/.search", search).Want(t, 200).WantGolden(t, list(james1))
		s.Do(t, "POST", "/Groups/.search", search).Want(t, 200).WantGolden(t, list(family1))
		s.Do(t, "POST", "/Users/.search", M{"schemas": A{e2e.SearchURN}, "excludedAttributes": A{"meta", "active", "groups", "displayName"}, "sortBy": "userName", "sortOrder": "descending"}).Want(t, 200).
			WantOrder(t, james, babs).WantField(t, nil, "Resources", 0, "meta").WantField(t, "jsmith", "Resources", 0, "userName")
		s.Do(t, "POST", "/Users/.search", M{"schemas": A{e2e.SearchURN}, "count": 1, "startIndex": 2}).Want(t, 200).WantIDs(t, babs).WantField(t, 2, "totalResults")

		for _, base := range []string{"", "/"} {
			s.Do(t, "GET", e2e.Filter(base, "(meta.resourceType eq User) or (meta.resourceType eq Group)"), nil).WantIDs(t, james, babs, family)
			s.Do(t, "GET", e2e.Filter(base, `meta.resourceType eq "Group"`), nil).WantIDs(t, family)
			s.Do(t, "GET", e2e.Filter(base, `userName pr`), nil).WantIDs(t, james, babs)
			s.Do(t, "GET", base+"?count=2", nil).WantIDs(t, james, babs)
			s.Do(t, "GET", base+"?startIndex=3", nil).WantIDs(t, family)
		}
		// A query of a single resource (§3.4.2.1).
		s.Do(t, "GET", "/Users/.search", nil).Want(t, 405)
		s.Do(t, "POST", "/.search", M{"schemas": A{e2e.SearchURN}, "filter": "nonsense"}).WantError(t, 400, "invalidFilter")
		s.Do(t, "POST", "/.search", "{").WantError(t, 400, "invalidSyntax")
	})
}

// RFC 7644 §3.5.1: replace, with If-Match.
func TestRFC7644Replace(t *testing.T) {
	const body = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"{{self}}","userName":"bjensen","externalId":"bjensen",
		"name":{"formatted":"Ms. Barbara J Jensen III","familyName":"Jensen","givenName":"Barbara","middleName":"Jane"},
		"roles":[],"emails":[{"value":"bjensen@example.com"},{"value":"babs@jensen.org"}]}`
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		created := s.Do(t, "POST", "/Users", strings.Replace(bjensen, `"externalId"`, `"title":"goes","nickName":"goes","externalId"`, 1)).Want(t, 201)
		id := created.ID(t)
		put := strings.ReplaceAll(body, "{{self}}", id)
		s.Do(t, "PUT", "/Users/"+id, put, `If-Match: W/"0000000000000000"`).WantError(t, 412, "")
		s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, "goes", "title")
		r := s.Do(t, "PUT", "/Users/"+id, put, "If-Match: "+created.ETag()).Want(t, 200)
		r.WantGolden(t, strings.Replace(strings.Replace(body, `"roles":[],`, ``, 1), `"schemas"`, `"meta":`+metaOfUser+`,"schemas"`, 1), "self", id, "base", s.Location)
		same(t, "created stays", created.Field("meta", "created"), r.Field("meta", "created"))
		if r.ETag() == created.ETag() {
			t.Error("the version did not change")
		}
		s.Do(t, "PUT", "/Users/"+id, put, "If-Match: "+created.ETag()).WantError(t, 412, "")
		s.Do(t, "PUT", "/Users/"+id, put, "If-Match: *").Want(t, 200)
		s.Do(t, "PUT", "/Users/no-such-user", put).WantError(t, 404, "") // PUT must not create
		s.Do(t, "GET", "/Users", nil).WantIDs(t, id)
	})
}

// RFC 7644 §3.6: delete, with If-Match.
func TestRFC7644Delete(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		created := s.Do(t, "POST", "/Users", bjensen).Want(t, 201)
		id := created.ID(t)
		s.Do(t, "DELETE", "/Users/"+id, nil, `If-Match: W/"0000000000000000"`).WantError(t, 412, "")
		if r := s.Do(t, "DELETE", "/Users/"+id, nil, "If-Match: "+created.ETag()).Want(t, 204); len(r.Body) > 0 {
			t.Errorf("a 204 with a body: %s", r.Body)
		}
		s.Do(t, "GET", "/Users/"+id, nil).WantError(t, 404, "", id)
		gone(t, s.Client, "/Users/"+id)
		s.Do(t, "POST", "/Users", bjensen).Want(t, 201)
	})
}

// RFC 7644 §3.14: conditional requests.
func TestRFC7644Versions(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		created := s.Do(t, "POST", "/Users", bjensen).Want(t, 201)
		path := "/Users/" + created.ID(t)
		for _, tag := range []string{created.ETag(), "*", `W/"1", ` + created.ETag()} {
			if r := s.Do(t, "GET", path+"?attributes=displayName", nil, "If-None-Match: "+tag).Want(t, 304); len(r.Body) > 0 {
				t.Errorf("a 304 with a body: %s", r.Body)
			}
		}
		s.Do(t, "GET", path, nil, `If-None-Match: W/"0000000000000000"`).Want(t, 200)
		patched := s.Do(t, "PATCH", path, e2e.PatchBody(e2e.Op("add", "title", "T")), "If-Match: "+created.ETag()).Want(t, 200)
		same(t, "the ETag of the response", patched.Field("meta", "version"), any(patched.ETag()))
		s.Do(t, "GET", path, nil, "If-None-Match: "+created.ETag()).Want(t, 200)
		unchanged(t, s.Client, path, func() {
			s.Do(t, "PATCH", path, e2e.PatchBody(e2e.Op("add", "title", "U")), "If-Match: "+created.ETag()).WantError(t, 412, "")
			// What changes nothing keeps the version and lastModified.
			s.Patch(t, path, e2e.Op("add", "title", "T"), e2e.Op("replace", "name.givenName", "Barbara"), e2e.Op("remove", "nickName", nil)).Want(t, 200)
		})
		g := s.Do(t, "POST", "/Groups", e2e.GroupBody("G")).Want(t, 201)
		s.Do(t, "PATCH", "/Groups/"+g.ID(t), e2e.PatchBody(e2e.Op("add", "members", e2e.MemberList(created.ID(t)))), `If-Match: W/"0000000000000000"`).WantError(t, 412, "")
		s.WantMembers(t, g.ID(t))
		changed := s.Do(t, "PATCH", "/Groups/"+g.ID(t), e2e.PatchBody(e2e.Op("add", "members", e2e.MemberList(created.ID(t)))), "If-Match: "+g.ETag()).Want(t, 204)
		now := s.Do(t, "GET", "/Groups/"+g.ID(t), nil).Want(t, 200)
		same(t, "the ETag of a 204", now.ETag(), changed.ETag())
		if now.ETag() == g.ETag() {
			t.Error("a new member left the group's version as it was")
		}
	})
}

// RFC 7644 §3.11 and §3.12: /Me, wrong methods, unknown routes, broken bodies.
func TestErrors(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "u")
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			s.Do(t, method, "/Me", nil).WantError(t, 501, "")
		}
		for _, x := range []struct {
			path  string
			bad   []string
			allow []string
		}{
			{"/Users", []string{"PUT", "PATCH", "DELETE"}, []string{"GET", "POST"}},
			{"/Groups", []string{"PUT", "PATCH", "DELETE"}, []string{"GET", "POST"}},
			{"/Users/" + id, []string{"POST"}, []string{"GET", "PUT", "PATCH", "DELETE"}},
			{"/Bulk", []string{"GET", "PUT", "PATCH", "DELETE"}, []string{"POST"}},
			{"/.search", []string{"GET", "PUT", "DELETE"}, []string{"POST"}},
			{"/Users/.search", []string{"GET", "PUT", "DELETE"}, []string{"POST"}},
			{"/ServiceProviderConfig", []string{"POST", "PUT", "PATCH", "DELETE"}, []string{"GET"}},
			{"/ResourceTypes/User", []string{"POST", "DELETE"}, []string{"GET"}},
			{"/Schemas", []string{"POST", "DELETE"}, []string{"GET"}},
		} {
			for _, method := range x.bad {
				r := s.Do(t, method, x.path, "{}").WantError(t, 405, "")
				for _, m := range x.allow {
					if !strings.Contains(r.Header.Get("Allow"), m) {
						t.Errorf("%s %s: Allow %q lacks %s", method, x.path, r.Header.Get("Allow"), m)
					}
				}
				if strings.Contains(r.Header.Get("Allow"), method) {
					t.Errorf("%s %s: Allow %q has it", method, x.path, r.Header.Get("Allow"))
				}
			}
		}
		for _, path := range []string{"/Devices", "/Users/" + id + "/emails", "/Foo/bar/baz", "/%2e%2e/x", "/Users/a%2Fb", "/Schemas/User"} {
			s.Do(t, "GET", path, nil).WantError(t, 404, "")
		}
		s.Do(t, "GET", "/Users/"+strings.Repeat("x", 3000), nil).WantError(t, 404, "")
		s.Do(t, "GET", "/Users/%F0%9F%92%A5%00", nil).WantError(t, 404, "")

		broken := map[string]string{
			"empty": "", "no JSON": "userName=x", "unfinished": `{"userName":"x"`, "array": `[]`, "null": "null", "string": `"x"`, "trailing data": `{"userName":"x"} {}`,
			"trailing comma": `{"userName":"x",}`, "duplicate names": `{"userName":"x","userName":"y"}`, "invalid UTF-8": "{\"userName\":\"\xff\"}", "a NUL": "{\"userName\":\"a\x00\"}",
			"deep": `{"userName":"x","title":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`, "lone surrogate": `{"userName":"\ud800"}`,
		}
		for name, body := range broken {
			for _, target := range [][2]string{{"POST", "/Users"}, {"PUT", "/Users/" + id}, {"POST", "/Groups"}, {"PATCH", "/Users/" + id}, {"POST", "/Bulk"}, {"POST", "/Users/.search"}} {
				r := s.Do(t, target[0], target[1], body)
				if r.Status != 400 || r.JSON["scimType"] != "invalidSyntax" {
					t.Errorf("%s to %s %s: %d %v, want 400 invalidSyntax", name, target[0], target[1], r.Status, r.JSON["scimType"])
				}
			}
		}
		s.Do(t, "POST", "/Users", `{"userName":"big","title":"`+strings.Repeat("x", 5<<20)+`"}`).WantError(t, 413, "")
		s.Do(t, "POST", "/Users", `{"userName":"long","title":"`+strings.Repeat("x", 65<<10)+`"}`).Want(t, 400)
		s.Do(t, "GET", "/Users?filter=userName+eq+%22"+strings.Repeat("x", 4200)+"%22", nil).WantError(t, 400, "invalidFilter")
		s.Do(t, "GET", "/Users?filter="+strings.Repeat("(", 30)+"userName+pr"+strings.Repeat(")", 30), nil).WantError(t, 400, "invalidFilter")
		s.Do(t, "GET", "/Users?filter=userName+pr"+strings.Repeat("+or+userName+pr", 60), nil).WantError(t, 400, "invalidFilter")
		ops := make([]M, 1001)
		for i := range ops {
			ops[i] = e2e.Op("replace", "title", "x")
		}
		if r := s.Patch(t, "/Users/"+id, ops...); r.Status != 413 && r.Status != 400 {
			t.Errorf("1,001 operations: status %d", r.Status)
		}
		s.Do(t, "GET", "/Users", nil).WantIDs(t, id)
	})
}

// Media types: what clients send and ask for, we take and answer.
func TestMediaTypes(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		for i, ct := range []string{"application/scim+json", "application/json", "application/json; charset=utf-8", "application/scim+json;charset=UTF-8", "Application/SCIM+JSON", ""} {
			s.Do(t, "POST", "/Users", e2e.UserBody("u"+string(rune('0'+i))), "Content-Type: "+ct).Want(t, 201)
		}
		for _, accept := range []string{"application/scim+json", "application/json", "*/*", "text/html", "application/xml;q=0.9", ""} {
			s.Do(t, "GET", "/Users?count=1", nil, "Accept: "+accept).Want(t, 200)
		}
	})
}

// RFC 7644 §2: without a valid token nothing is revealed, whatever the route.
func TestUnauthenticated(t *testing.T) {
	// Each request from an address of its own, or the address would be throttled.
	proxied := everything
	proxied.GlobalOptions = "\tservers {\n\t\ttrusted_proxies static 127.0.0.0/8\n\t}"
	var n atomic.Int32
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "u")
		for name, header := range map[string]string{
			"none": "", "no scheme": "non-token", "the token without a scheme": s.Token, "unknown": "Bearer scim_0123456789abcdefghijklmnopqrstuvwxyz",
			"Basic": "Basic dXNlcjpwYXNz", "empty": "Bearer", "two tokens": "Bearer " + s.Token + " x", "a prefix of the token": "Bearer " + s.Token[:len(s.Token)-1],
		} {
			for _, x := range [][2]string{{"GET", "/Users/" + id}, {"GET", "/Users/nobody"}, {"GET", "/ServiceProviderConfig"}, {"GET", "/Nothing"}, {"PUT", "/Users"}, {"GET", "/Me"}, {"GET", ""}} {
				from := fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", n.Add(1))
				r := s.Do(t, x[0], x[1], nil, "Authorization: "+header, from).WantError(t, 401, "")
				challenge := r.Header.Get("WWW-Authenticate")
				if !strings.HasPrefix(challenge, `Bearer realm="`) {
					t.Errorf("%s: WWW-Authenticate %q", name, challenge)
				}
				if name == "unknown" && !strings.Contains(challenge, `error="invalid_token"`) {
					t.Errorf("%s: WWW-Authenticate %q lacks the error", name, challenge)
				}
			}
		}
		// Before the body is read.
		s.Do(t, "POST", "/Users", "{broken", "Authorization:").WantError(t, 401, "")
		s.Do(t, "GET", "/Users/"+id, nil, "Authorization: bearer "+s.Token).Want(t, 200) // the scheme is compared without case
	})
}
