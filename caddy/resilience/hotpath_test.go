package resilience

import (
	"bytes"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

// What is no JSON cannot be decoded: a body with this in it only reaches a
// client where it is copied.
const (
	sound  = `"userName":"ada"`
	broken = `"userName":no JSON at all}{`
)

// A read by id copies the stored resource and decodes none of it.
func TestReadDecodesNothing(t *testing.T) {
	t.Parallel()
	db := memstore.New(store.LogLimit{})
	const secret = "a-token-that-nobody-guesses-4711"
	service, err := scimmodule.New(scimmodule.Options{Store: db, Tenants: []scimmodule.Tenant{{Name: "acme", Tokens: []string{secret}}}})
	if err != nil {
		t.Fatal(err)
	}
	send := func(method, path, query, body string) (int, string) {
		r := httptest.NewRequest(method, "/scim/v2"+path+query, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+secret)
		r.Header.Set("Content-Type", "application/scim+json")
		w := httptest.NewRecorder()
		service.Serve(w, r, scimmodule.Target{Path: path, Base: "https://scim.example.test/scim/v2"})
		text, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Result().StatusCode, string(text)
	}
	if status, text := send("POST", "/Users", "", `{"userName":"ada","externalId":"e1"}`); status != 201 {
		t.Fatalf("create: %d %s", status, text)
	}
	page, err := db.Scan(t.Context(), "acme", store.Query{Kind: store.User, Limit: 1})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("%d users, %v", len(page.Records), err)
	}
	r := page.Records[0]
	was := r.Version
	r.Body = bytes.Replace(r.Body, []byte(sound), []byte(broken), 1)
	if _, err := db.Commit(t.Context(), "acme", &store.Batch{Time: time.Now(), Put: []store.Put{{Record: r, Expect: was}}}); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"", "?excludedAttributes=meta", "?excludedAttributes=groups"} {
		if status, text := send("GET", "/Users/"+r.ID, query, ""); status != 200 || !strings.Contains(text, broken) {
			t.Errorf("GET by id %s: %d %s", query, status, text)
		}
	}
	// The same in a list, as the index has it.
	if status, text := send("GET", "/Users", "?filter=externalId%20eq%20%22e1%22", ""); status != 200 || !strings.Contains(text, broken) {
		t.Errorf("a look-up by externalId: %d %s", status, text)
	}
	// Whoever has to decode it fails, so the above shows something.
	for _, test := range []struct{ method, query, body string }{
		{"GET", "?attributes=userName", ""},
		{"PATCH", "", `{"Operations":[{"op":"replace","path":"externalId","value":"e2"}]}`},
	} {
		if status, text := send(test.method, "/Users/"+r.ID, test.query, test.body); status != 500 || strings.Contains(text, "no JSON") {
			t.Errorf("%s %s: %d %s, want 500", test.method, test.query, status, text)
		}
	}
}

// The same through the real binary, for a user and for a group, with the record
// in Redis.
func TestReadDecodesNothingFromRedis(t *testing.T) {
	t.Parallel()
	s := e2e.StartServer(t, e2e.RedisName, e2e.Config{})
	damage := func(key, from, to string) {
		t.Helper()
		text, _ := s.Redis.Do(t, "GET", key).(string)
		if !strings.Contains(text, from) {
			t.Fatalf("%s has no %s: %q", key, from, text)
		}
		s.Redis.Do(t, "SET", key, strings.Replace(text, from, to, 1))
	}
	get := func(path string) *e2e.Response {
		t.Helper()
		r, err := s.Send("GET", path, nil) // not Do, which wants JSON
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	user, group := s.CreateUser(t, "ada"), ""
	group = s.CreateGroup(t, "staff", user)
	prefix := "scim:{" + s.Tenant + "}:"
	damage(prefix+"user:"+user, sound, broken)
	damage(prefix+"group:"+group, `"displayName":"staff"`, `"displayName":no JSON either]`)
	for path, want := range map[string]string{
		"/Users/" + user: broken, "/Groups/" + group: "no JSON either", "/Groups/" + group + "?excludedAttributes=members": "no JSON either",
	} {
		if r := get(path); r.Status != 200 || !strings.Contains(string(r.Body), want) {
			t.Errorf("%s", r)
		}
	}
	get("/Users/"+user+"?attributes=userName").Want(t, 500)
	get("/Groups/"+group+"?attributes=displayName").Want(t, 500)
}
