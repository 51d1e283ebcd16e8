package scimmodule

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

const (
	secret   = "static-0123456789abcdef"
	base     = "https://scim.example.com/scim/v2"
	errorKey = "urn:ietf:params:scim:api:messages:2.0:Error"
	extURN   = "urn:example:ext:1.0:User"

	// quiet and always are returned on request and always.
	extJSON = `{"id":"urn:example:ext:1.0:User","attributes":[
		{"name":"quiet","returned":"request"},
		{"name":"loud","returned":"always"},
		{"name":"plain"},
		{"name":"never","returned":"never"},
		{"name":"desk","type":"complex","subAttributes":[{"name":"floor"},{"name":"code","returned":"request"},{"name":"tag","returned":"always"}]}]}`
)

// hooked is a memory store with hooks ahead of its calls.
type hooked struct {
	store.Store
	mu  sync.Mutex
	get func(k store.Kind, ids []string) error
	// edge is asked ahead of each page of edges, counted from 1.
	edge  func(n int) error
	pages int
	// commit is asked ahead of each commit.
	commit func(b *store.Batch) error
}

func (h *hooked) Get(ctx context.Context, tenant string, k store.Kind, ids ...string) ([]store.Record, error) {
	h.mu.Lock()
	f := h.get
	h.mu.Unlock()
	if f != nil {
		if err := f(k, ids); err != nil {
			return nil, err
		}
	}
	return h.Store.Get(ctx, tenant, k, ids...)
}

func (h *hooked) Edges(ctx context.Context, tenant string, q store.EdgeQuery) (store.EdgePage, error) {
	h.mu.Lock()
	h.pages++
	f, n := h.edge, h.pages
	h.mu.Unlock()
	if f != nil {
		if err := f(n); err != nil {
			return store.EdgePage{}, err
		}
	}
	return h.Store.Edges(ctx, tenant, q)
}

func (h *hooked) Commit(ctx context.Context, tenant string, b *store.Batch) (store.Result, error) {
	h.mu.Lock()
	f := h.commit
	h.mu.Unlock()
	if f != nil {
		if err := f(b); err != nil {
			return store.Result{}, err
		}
	}
	return h.Store.Commit(ctx, tenant, b)
}

func (h *hooked) onGet(f func(k store.Kind, ids []string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.get = f
}

// env is a service with the tenants acme and umbrella.
type env struct {
	t       *testing.T
	store   *hooked
	options Options
	svc     *Service
	log     *bytes.Buffer
	client  netip.Addr // where requests come from; zero for a new address each time
	clients *atomic.Uint32
	seen    *observer
}

// observer records what it is told.
type observer struct {
	deaf
	mu       sync.Mutex
	requests []string
	dropped  map[string]int
}

func (o *observer) Request(_ context.Context, x Exchange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, strings.TrimSpace(x.Operation+" "+x.ResourceType)+" "+itoa(x.Status))
}

func (o *observer) Dropped(attribute string, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropped[attribute] += n
}

func newEnv(t *testing.T, edit ...func(o *Options)) *env {
	t.Helper()
	x, err := schema.Parse([]byte(extJSON))
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.NewCatalog([]schema.Extension{{Schema: x}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &env{t: t, store: &hooked{Store: memstore.New(store.LogLimit{})}, log: &bytes.Buffer{}, clients: new(atomic.Uint32), seen: &observer{dropped: map[string]int{}}}
	e.options = Options{
		Store:    e.store,
		Catalog:  c,
		Defaults: Settings{Rate: new(registry.Rate)}, // tests hurry
		Tenants:  []Tenant{{Name: "acme", Tokens: []string{secret}}, {Name: "umbrella", Tokens: []string{"umbrella-0123456789abcdef"}}},
		Logger:   slog.New(slog.NewJSONHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observer: e.seen,
	}
	for _, f := range edit {
		f(&e.options)
	}
	e.restart()
	return e
}

// restart makes a service of the options, over the same store.
func (e *env) restart() {
	e.t.Helper()
	svc, err := New(e.options)
	if err != nil {
		e.t.Fatal(err)
	}
	e.svc = svc
}

func allow(words ...string) func(o *Options) {
	return func(o *Options) { o.Tenants[0].Settings.Allow = words }
}

// answer is what came back.
type answer struct {
	t *testing.T
	*httptest.ResponseRecorder
}

// header changes a request before it is sent.
type header [2]string

// send asks without a network. Target is the path behind the base path, with a
// query.
func (e *env) send(method, target, body string, hs ...header) answer {
	e.t.Helper()
	var from io.Reader = http.NoBody
	if body != "" {
		from = strings.NewReader(body)
	}
	return e.sendFrom(method, target, from, hs...)
}

func (e *env) sendFrom(method, target string, body io.Reader, hs ...header) answer {
	e.t.Helper()
	path, query, _ := strings.Cut(target, "?")
	r := httptest.NewRequestWithContext(e.t.Context(), method, "/", body)
	r.URL.RawQuery = query
	r.Header.Set("Authorization", "Bearer "+secret)
	if body != http.NoBody {
		r.Header.Set("Content-Type", contentType)
	}
	for _, h := range hs {
		if h[1] == "" {
			r.Header.Del(h[0])
			continue
		}
		r.Header.Set(h[0], h[1])
	}
	w := httptest.NewRecorder()
	e.svc.Serve(w, r, Target{Path: path, Base: base, Client: e.from()})
	return answer{e.t, w}
}

// want checks the status, and returns the body as an object.
func (a answer) want(status int) map[string]any {
	a.t.Helper()
	if a.Code != status {
		a.t.Fatalf("status %d with %s, want %d", a.Code, a.Body, status)
	}
	if a.Body.Len() == 0 {
		return nil
	}
	var o map[string]any
	if err := json.Unmarshal(a.Body.Bytes(), &o); err != nil {
		a.t.Fatalf("%s: %v", a.Body, err)
	}
	return o
}

// wantError checks the whole form of an Error message (RFC 7644 §3.12).
func (a answer) wantError(status int, scimType string) string {
	a.t.Helper()
	o := a.want(status)
	detail, _ := o["detail"].(string)
	want := map[string]any{"schemas": []any{errorKey}, "status": itoa(status), "detail": detail}
	if scimType != "" {
		want["scimType"] = scimType
	}
	if diff := cmp.Diff(want, o); diff != "" || detail == "" {
		a.t.Errorf("error (-want +got):\n%s", diff)
	}
	if got := a.Header().Get("Content-Type"); got != contentType {
		a.t.Errorf("an error of type %q", got)
	}
	if got := a.Header().Get("Content-Length"); got != itoa(a.Body.Len()) {
		a.t.Errorf("content length %s of %d bytes", got, a.Body.Len())
	}
	return detail
}

// create makes a resource and returns its id.
func (e *env) create(endpoint, body string) string {
	e.t.Helper()
	id, _ := e.send("POST", endpoint, body).want(http.StatusCreated)["id"].(string)
	if id == "" {
		e.t.Fatal("created without an id")
	}
	return id
}

// serve starts a server for what needs a network; it ends with the test.
func (e *env) serve() *httptest.Server {
	e.t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.svc.Serve(w, r, Target{Path: strings.TrimPrefix(r.URL.Path, "/scim/v2"), Base: base})
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	e.t.Cleanup(s.Close)
	return s
}

func keys(o map[string]any) map[string]bool {
	m := map[string]bool{}
	for k := range o {
		m[k] = true
	}
	return m
}

// slowToken holds a read of tokens, once it has its answer, until it is told to
// go on.
type slowToken struct {
	store.Store
	read, goOn chan struct{}
}

func (s slowToken) Get(ctx context.Context, tenant string, k store.Kind, ids ...string) ([]store.Record, error) {
	rs, err := s.Store.Get(ctx, tenant, k, ids...)
	if k == store.Token {
		close(s.read)
		<-s.goOn
	}
	return rs, err
}

// from returns the address of the next request. That of each is another, so that
// failed authentication of one does not throttle the next.
func (e *env) from() netip.Addr {
	if e.client.IsValid() {
		return e.client
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|e.clients.Add(1))
	return netip.AddrFrom4(b)
}

// mint makes a token and returns its header.
func (e *env) mint(tok registry.Token) (header, registry.Token) {
	e.t.Helper()
	secret, tok, err := e.svc.Tenancy().Mint(e.t.Context(), tok, true)
	if err != nil {
		e.t.Fatal(err)
	}
	return header{"Authorization", "Bearer " + secret}, tok
}
