package tenancy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

const static = "static-0123456789abcdef"

var home = netip.MustParseAddr("192.0.2.7")

// spy is a store as one node reaches it: it counts the calls, and fails where a
// test says so.
type spy struct {
	store.Store
	mu    sync.Mutex
	calls []string // such as "get token"
	hook  func(call, tenant string) error
}

func (s *spy) call(tenant, call string, k store.Kind) error {
	if k != "" {
		call += " " + string(k)
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	f := s.hook
	s.mu.Unlock()
	if f != nil {
		return f(call, tenant)
	}
	return nil
}

// on has f asked ahead of each call; nil for nobody.
func (s *spy) on(f func(call, tenant string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// since returns the calls since it was called last.
func (s *spy) since() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.calls
	s.calls = nil
	return list
}

func (s *spy) Get(ctx context.Context, tenant string, k store.Kind, ids ...string) ([]store.Record, error) {
	if err := s.call(tenant, "get", k); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, tenant, k, ids...)
}

func (s *spy) Scan(ctx context.Context, tenant string, q store.Query) (store.Page, error) {
	if err := s.call(tenant, "scan", q.Kind); err != nil {
		return store.Page{}, err
	}
	return s.Store.Scan(ctx, tenant, q)
}

func (s *spy) Commit(ctx context.Context, tenant string, b *store.Batch) (store.Result, error) {
	var k store.Kind
	if len(b.Put) > 0 {
		k = b.Put[0].Record.Kind
	} else if len(b.Delete) > 0 {
		k = b.Delete[0].Kind
	}
	if err := s.call(tenant, "commit", k); err != nil {
		return store.Result{}, err
	}
	return s.Store.Commit(ctx, tenant, b)
}

func (s *spy) Drop(ctx context.Context, tenant string, progress func(int)) error {
	if err := s.call(tenant, "drop", ""); err != nil {
		return err
	}
	return s.Store.Drop(ctx, tenant, progress)
}

// observer notes what it is told.
type observer struct {
	mu     sync.Mutex
	judged []string
	users  map[string]int
	rounds []bool // whether each went well
	counts counts
}

// counts are what the observer was told last.
type counts struct {
	Tenants, Paused, Expiring, Expired int
	Next                               time.Time
}

func (o *observer) Authenticated(outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.judged = append(o.judged, outcome)
}

func (o *observer) Users(event string, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.users[event] += n
}

func (o *observer) Housekeeping(ok bool, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rounds = append(o.rounds, ok)
}

func (o *observer) Tenants(all, paused int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts.Tenants, o.counts.Paused = all, paused
}

func (o *observer) Tokens(expiring, expired int, next time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts.Expiring, o.counts.Expired, o.counts.Next = expiring, expired, next
}

// told returns what the observer was told last, how many rounds there were, and
// how many users were purged.
func (o *observer) told() (c counts, rounds, purged int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts, len(o.rounds), o.users["purged"]
}

// failed tells whether a round has failed.
func (o *observer) failed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.rounds, false)
}

// last returns how the last token was judged.
func (o *observer) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.judged) == 0 {
		return ""
	}
	return o.judged[len(o.judged)-1]
}

// buffer is a log that several goroutines write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// count tells how often the text is in the log.
func (b *buffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), text)
}

// node is a process over a store, which several may share.
type node struct {
	*Tenancy
	t     *testing.T
	store *spy
	seen  *observer
	log   *buffer
}

// newNode makes a node whose configuration declares acme, if no edit says
// otherwise.
func newNode(t *testing.T, s store.Store, edit ...func(o *Options)) *node {
	t.Helper()
	n := &node{t: t, store: &spy{Store: s}, seen: &observer{users: map[string]int{}}, log: &buffer{}}
	o := Options{Store: n.store, Tenants: []Tenant{{Name: "acme", Tokens: []string{static}}}, Logger: slog.New(slog.NewTextHandler(n.log, nil))}
	for _, f := range edit {
		f(&o)
	}
	var err error
	if n.Tenancy, err = New(o, Bounds{}, n.seen); err != nil {
		t.Fatal(err)
	}
	return n
}

func newStore() store.Store { return memstore.New(store.LogLimit{}) }

// declares has a node declare these tenants, and no other.
func declares(list ...Tenant) func(*Options) { return func(o *Options) { o.Tenants = list } }

// start runs a node until stop is called, or the test ends.
func (n *node) start() (stop func()) {
	ctx, cancel := context.WithCancel(n.t.Context())
	var group sync.WaitGroup
	group.Go(func() { n.Run(ctx) })
	stop = func() {
		cancel()
		group.Wait()
	}
	n.t.Cleanup(stop)
	return stop
}

func (n *node) create(name string, s registry.Settings) {
	n.t.Helper()
	if err := n.Create(n.t.Context(), name, s, false); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) mint(tok registry.Token) (secret string, _ registry.Token) {
	n.t.Helper()
	secret, tok, err := n.Mint(n.t.Context(), tok, false)
	if err != nil {
		n.t.Fatal(err)
	}
	return secret, tok
}

// judgedAs authenticates and checks how the token was judged.
func (n *node) judgedAs(secret string, client netip.Addr, want string) Principal {
	n.t.Helper()
	p, s, err := n.Authenticate(n.t.Context(), secret, client)
	if got := n.seen.last(); got != want || (s != nil) != (want == "ok") || (err == nil) != (want == "ok") {
		n.t.Fatalf("judged %q (%v), want %q", got, err, want)
	}
	return p
}

func (n *node) standing(name string) *Standing {
	n.t.Helper()
	s, err := n.Of(n.t.Context(), name)
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

// user makes a user and returns the id.
func (n *node) user(tenant, text string) string {
	n.t.Helper()
	d := n.standing(tenant).Directory
	o, err := attr.DecodeObject([]byte(text), d.View(store.User).Guide(nil), attr.Limits{})
	if err != nil {
		n.t.Fatal(err)
	}
	r, err := d.CreateUser(n.t.Context(), directory.Call{Actor: "test"}, o)
	if err != nil {
		n.t.Fatal(err)
	}
	return r.ID
}

// archive makes users and archives them.
func (n *node) archive(tenant string, number int) {
	n.t.Helper()
	for i := range number {
		id := n.user(tenant, fmt.Sprintf(`{"userName":"gone-%d-%d"}`, time.Now().UnixNano(), i))
		if err := n.standing(tenant).Directory.DeleteUser(n.t.Context(), directory.Call{Actor: "test"}, id); err != nil {
			n.t.Fatal(err)
		}
	}
}

// total counts a tenant's records of a kind.
func total(t *testing.T, s store.Store, tenant string, k store.Kind) int {
	t.Helper()
	p, err := s.Scan(t.Context(), tenant, store.Query{Kind: k})
	if err != nil {
		t.Fatal(err)
	}
	return p.Total
}

// put writes a record of the system tenant as it is.
func put(t *testing.T, s store.Store, k store.Kind, id, body string) {
	t.Helper()
	b := &store.Batch{Time: time.Now(), Put: []store.Put{{Record: store.Record{Kind: k, ID: id, Body: []byte(body)}}}}
	if _, err := s.Commit(t.Context(), store.SystemTenant, b); err != nil {
		t.Fatal(err)
	}
}

// importing notes that an import into the tenant is under way.
func importing(t *testing.T, s store.Store, tenant string) {
	t.Helper()
	put(t, s, store.Import, tenant, `{"export":"AAAAAAAAAAAAAAAAAAAAAAAAAA"}`)
}

// want fails the test unless err is one of those.
func want(t *testing.T, what string, err error, is ...error) {
	t.Helper()
	if !slices.ContainsFunc(is, func(e error) bool { return errors.Is(err, e) }) {
		t.Errorf("%s: %v, want %v", what, err, is)
	}
}

func ref[T any](v T) *T { return &v }

// timed runs f where time passes only while all wait.
func timed(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}
