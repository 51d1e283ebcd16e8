package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

const (
	static = "static-0123456789abcdef"
	jsonT  = "application/json"
)

// spy is a store that counts its calls, and fails where a test says so.
type spy struct {
	store.Store
	mu    sync.Mutex
	calls int
	hook  func(call, tenant string, k store.Kind) error
}

func (s *spy) call(call, tenant string, k store.Kind) error {
	s.mu.Lock()
	s.calls++
	f := s.hook
	s.mu.Unlock()
	if f != nil {
		return f(call, tenant, k)
	}
	return nil
}

// on has f asked ahead of each call; nil for nobody.
func (s *spy) on(f func(call, tenant string, k store.Kind) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

func (s *spy) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *spy) Get(ctx context.Context, tenant string, k store.Kind, ids ...string) ([]store.Record, error) {
	if err := s.call("get", tenant, k); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, tenant, k, ids...)
}

func (s *spy) Scan(ctx context.Context, tenant string, q store.Query) (store.Page, error) {
	if err := s.call("scan", tenant, q.Kind); err != nil {
		return store.Page{}, err
	}
	return s.Store.Scan(ctx, tenant, q)
}

func (s *spy) Edges(ctx context.Context, tenant string, q store.EdgeQuery) (store.EdgePage, error) {
	if err := s.call("edges", tenant, ""); err != nil {
		return store.EdgePage{}, err
	}
	return s.Store.Edges(ctx, tenant, q)
}

func (s *spy) Commit(ctx context.Context, tenant string, b *store.Batch) (store.Result, error) {
	if err := s.call("commit", tenant, ""); err != nil {
		return store.Result{}, err
	}
	return s.Store.Commit(ctx, tenant, b)
}

func (s *spy) Ready(ctx context.Context) error {
	if err := s.call("ready", "", ""); err != nil {
		return err
	}
	return s.Store.Ready(ctx)
}

// env is a node whose configuration declares acme.
type env struct {
	t     *testing.T
	store *spy
	svc   *scimmodule.Service
	admin *Handler
	// events are what Observe was told.
	events map[string]int
}

func newEnv(t *testing.T, edit ...func(*scimmodule.Options, *Options)) *env {
	t.Helper()
	return newNode(t, &spy{Store: memstore.New(store.LogLimit{})}, edit...)
}

// newNode makes a node over a store that others may have, too.
func newNode(t *testing.T, s *spy, edit ...func(*scimmodule.Options, *Options)) *env {
	t.Helper()
	e := &env{t: t, store: s, events: map[string]int{}}
	so := scimmodule.Options{
		Store:    e.store,
		Defaults: scimmodule.Settings{Rate: new(registry.Rate)}, // tests hurry
		Tenants:  []scimmodule.Tenant{{Name: "acme", Tokens: []string{static}}},
	}
	o := Options{Store: "memory", TenantURL: "https://scim.example.com/scim/v2", Observe: func(event string, n int) { e.events[event] += n }}
	for _, f := range edit {
		f(&so, &o)
	}
	var err error
	if e.svc, err = scimmodule.New(so); err != nil {
		t.Fatal(err)
	}
	o.Service = e.svc
	e.admin = New(o)
	return e
}

// request is a request to the admin API as its own command sends it; headers
// come as "Name: value", and one without a value is left out.
func request(t *testing.T, method, path, body string, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", jsonT)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	return r
}

func (e *env) ask(r *http.Request) *httptest.ResponseRecorder {
	e.t.Helper()
	w := httptest.NewRecorder()
	e.admin.ServeHTTP(w, r)
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		e.t.Errorf("%s: Cache-Control %q", r.URL.Path, got)
	}
	return w
}

func text(t *testing.T, in any) string {
	t.Helper()
	if s, ok := in.(string); ok {
		return s
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// do asks for what has to succeed. In is a value or its JSON. An answer has no
// member that its type has not.
func do[Out any](e *env, path string, in any) Out {
	e.t.Helper()
	w := e.ask(request(e.t, "POST", path, text(e.t, in)))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != jsonT {
		e.t.Fatalf("%s %s: %d %v %s", path, text(e.t, in), w.Code, w.Header(), w.Body)
	}
	return decode[Out](e.t, w.Body)
}

func decode[Out any](t *testing.T, from io.Reader) Out {
	t.Helper()
	var out Out
	d := json.NewDecoder(from)
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// refused asks for what has to fail, and returns the error's sentence.
func (e *env) refused(status int, path string, in any) string {
	e.t.Helper()
	return e.wantError(status, e.ask(request(e.t, "POST", path, text(e.t, in))))
}

// wantError checks the whole form of an error.
func (e *env) wantError(status int, w *httptest.ResponseRecorder) string {
	e.t.Helper()
	if w.Code != status || w.Header().Get("Content-Type") != jsonT {
		e.t.Fatalf("%d %v %s, want %d", w.Code, w.Header(), w.Body, status)
	}
	out := decode[ErrorAnswer](e.t, w.Body)
	if out.Error == "" {
		e.t.Error("an error without a sentence")
	}
	if retry := w.Header().Get("Retry-After"); (retry == "5") != (status == http.StatusServiceUnavailable) {
		e.t.Errorf("%d with Retry-After %q", status, retry)
	}
	return out.Error
}

// scim sends a SCIM request with a token.
func (e *env) scim(secret, method, path, body string) *httptest.ResponseRecorder {
	e.t.Helper()
	r := httptest.NewRequestWithContext(e.t.Context(), method, "/", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Content-Type", "application/scim+json")
	w := httptest.NewRecorder()
	path, r.URL.RawQuery, _ = strings.Cut(path, "?")
	e.svc.Serve(w, r, scimmodule.Target{Path: path, Base: "https://scim.example.com/scim/v2", Client: netip.MustParseAddr("192.0.2.7")})
	return w
}

// make makes a resource of acme over SCIM and returns its id.
func (e *env) make(endpoint, body string) string {
	e.t.Helper()
	w := e.scim(static, "POST", endpoint, body)
	var out struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusCreated || out.ID == "" {
		e.t.Fatalf("creating %s: %d %s", body, w.Code, w.Body)
	}
	return out.ID
}

// archive deletes a user over SCIM.
func (e *env) archive(id string) {
	e.t.Helper()
	if w := e.scim(static, "DELETE", "/Users/"+id, ""); w.Code != http.StatusNoContent {
		e.t.Fatalf("deleting: %d %s", w.Code, w.Body)
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func has(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s: %q does not say %q", what, text, p)
		}
	}
}
