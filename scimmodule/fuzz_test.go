package scimmodule

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

// FuzzServe sends any request to a service that has a user and a group: whatever
// comes, the answer is well-formed JSON (or empty) and never a 500, and what the
// client cannot see afterwards is not there.
func FuzzServe(f *testing.F) {
	for _, c := range [][3]string{
		{"POST", "/Users", `{"userName":"a","emails":[{"type":"work","value":"x"}]}`},
		{"POST", "/Groups", `{"displayName":"g","members":[{"value":"u1"},{"value":"new","display":"n@x"}]}`},
		{"PATCH", "/Users/u1", `{"Operations":[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"y"},{"op":"remove","path":"name"}]}`},
		{"PATCH", "/Groups/g1", `{"Operations":[{"op":"remove","path":"members","value":[{"value":"u1"}]},{"op":"add","path":"members","value":"u1"}]}`},
		{"PATCH", "/Users/u1", `{"Operations":[{"op":"add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager":"u1","name.givenName":"G"}}]}`},
		{"PUT", "/Users/u1", `{"userName":"u1@x","active":"False","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":[{"value":"x"}]}}`},
		{"PUT", "/Groups/g1", `{"displayName":"g2","members":[]}`},
		{"DELETE", "/Users/u1", ``},
		{"GET", `/Users?filter=userName+eq+"u1"+and+not+(emails[type+eq+"work"]+pr)&sortBy=userName&attributes=emails.value`, ``},
		{"GET", `/?filter=meta.lastModified+gt+"2020-01-01"&cursor&count=1`, ``},
		{"POST", "/.search", `{"filter":"members eq \"u1\"","attributes":["members.value"],"count":1}`},
		{"POST", "/Bulk", `{"failOnErrors":1,"Operations":[{"method":"POST","path":"/Users","bulkId":"q","data":{"userName":"b"}},{"method":"PATCH","path":"/Groups/g1","data":{"Operations":[{"op":"add","path":"members[value eq \"bulkId:q\"]","value":{}}]}}]}`},
		{"GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", ``},
	} {
		f.Add(c[0], c[1], []byte(c[2]))
	}
	const secret = "fuzz-0123456789abcdefghij"
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		s := memstore.New(store.LogLimit{})
		svc, err := New(Options{Store: s, Tenants: []Tenant{{Name: "acme", Settings: Settings{Allow: []string{"*"}}, Tokens: []string{secret}}}})
		if err != nil {
			t.Fatal(err)
		}
		send := func(method, target string, body string) *httptest.ResponseRecorder {
			path, query, _ := strings.Cut(target, "?")
			r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
			r.Method, r.URL.RawQuery = method, query
			r.Header.Set("Authorization", "Bearer "+secret)
			w := httptest.NewRecorder()
			svc.Serve(w, r, Target{Path: path, Base: "http://localhost/scim/v2"})
			return w
		}
		made := send("POST", "/Groups", `{"displayName":"g0","members":[{"value":"u1"}]}`)
		var group struct{ ID string }
		if err := json.Unmarshal(made.Body.Bytes(), &group); err != nil || made.Code != http.StatusCreated {
			t.Fatalf("setting up: %d %v", made.Code, err)
		}
		real := strings.NewReplacer("g1", group.ID) // the id that the seeds mean
		w := send(method, real.Replace(target), real.Replace(string(body)))
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%s %s: %s", method, target, w.Body)
		}
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s: not JSON: %s", method, target, w.Body)
		}
		if w := send("GET", "/", ""); w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("after %s %s, nothing can be read: %d %s", method, target, w.Code, w.Body)
		}
	})
}
