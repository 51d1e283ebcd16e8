package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

const (
	tenant  = "acme"
	address = "https://scim.example.com/scim/v2"
	extURN  = "urn:example:ext:1.0:User"

	extJSON = `{"id":"urn:example:ext:1.0:User","attributes":[
		{"name":"badge","type":"string","uniqueness":"server"},
		{"name":"Serial","type":"string","uniqueness":"server","caseExact":true},
		{"name":"hireId","type":"string","mutability":"immutable"},
		{"name":"level","type":"integer"},
		{"name":"since","type":"dateTime"},
		{"name":"tags","type":"string","multiValued":true}]}`
)

// spy is a memory store that checks what a batch promises (see store.Batch),
// counts the calls, and fails where a test says so.
type spy struct {
	store.Store
	t *testing.T

	mu      sync.Mutex
	commits int
	calls   map[string]int
	// before, if set, is asked ahead of each commit of the tenant: with an
	// error, nothing is applied.
	before func(n int, b *store.Batch) error
	// after, if set, is asked once a commit was applied.
	after func(n int, b *store.Batch) error
	// reading, if set, is asked ahead of each read.
	reading func(call string) error
	// members, if set, are those of every group.
	members []store.Member
}

func newSpy(t *testing.T) *spy {
	return &spy{Store: memstore.New(store.LogLimit{}), t: t, calls: map[string]int{}}
}

func (s *spy) read(call string) error {
	s.mu.Lock()
	s.calls[call]++
	f := s.reading
	s.mu.Unlock()
	if f != nil {
		return f(call)
	}
	return nil
}

func (s *spy) Get(ctx context.Context, tenant string, k store.Kind, ids ...string) ([]store.Record, error) {
	if err := s.read("get"); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, tenant, k, ids...)
}

func (s *spy) Lookup(ctx context.Context, tenant string, k store.Kind, key store.Key) (string, error) {
	if err := s.read("lookup"); err != nil {
		return "", err
	}
	if len(key.Value) > store.MaxKeyValue {
		s.t.Errorf("a key of index %s has %d bytes", key.Index, len(key.Value))
	}
	return s.Store.Lookup(ctx, tenant, k, key)
}

func (s *spy) Scan(ctx context.Context, tenant string, q store.Query) (store.Page, error) {
	if err := s.read("scan"); err != nil {
		return store.Page{}, err
	}
	if q.Offset > 0 && q.After != "" || q.Offset < 0 || q.Limit < 0 || q.Limit > 10_000 {
		s.t.Errorf("a scan with offset %d, after %q and limit %d", q.Offset, q.After, q.Limit)
	}
	return s.Store.Scan(ctx, tenant, q)
}

func (s *spy) Edges(ctx context.Context, tenant string, q store.EdgeQuery) (store.EdgePage, error) {
	if err := s.read("edges"); err != nil {
		return store.EdgePage{}, err
	}
	if (q.Group == "") == (q.Member == "") {
		s.t.Errorf("edges of group %q and member %q", q.Group, q.Member)
	}
	if s.members != nil && q.Group != "" {
		return store.EdgePage{Members: s.members, Total: len(s.members)}, nil
	}
	return s.Store.Edges(ctx, tenant, q)
}

func (s *spy) Commit(ctx context.Context, name string, b *store.Batch) (store.Result, error) {
	s.wellFormed(b)
	if name == store.SystemTenant {
		return s.Store.Commit(ctx, name, b)
	}
	s.mu.Lock()
	s.commits++
	n, before, after := s.commits, s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(n, b); err != nil {
			return store.Result{}, err
		}
	}
	res, err := s.Store.Commit(ctx, name, b)
	if err == nil && after != nil {
		err = after(n, b)
	}
	return res, err
}

// wellFormed checks what store.Batch demands of its caller.
func (s *spy) wellFormed(b *store.Batch) {
	s.t.Helper()
	seen := map[string]bool{}
	once := func(format string, args ...any) {
		what := fmt.Sprintf(format, args...)
		if seen[what] {
			s.t.Errorf("in one batch twice: %s", what)
		}
		seen[what] = true
	}
	if b.Time.IsZero() || !b.Time.Equal(b.Time.Truncate(time.Millisecond)) {
		s.t.Errorf("the batch's time is %v", b.Time)
	}
	for _, p := range b.Put {
		once("record %s %s", p.Record.Kind, p.Record.ID)
		if !ValidID(p.Record.ID) && p.Record.Kind != store.Sweep {
			s.t.Errorf("a record with the id %q", p.Record.ID)
		}
	}
	for _, d := range b.Delete {
		once("record %s %s", d.Kind, d.ID)
		if d.Expect == 0 {
			s.t.Error("a delete that expects nothing there")
		}
	}
	for _, c := range b.Claim {
		once("claim %s %s %s", c.Kind, c.Key.Index, c.Key.Value)
		s.key(c.Key)
	}
	for _, c := range b.Release {
		once("release %s %s %s", c.Kind, c.Key.Index, c.Key.Value)
		s.key(c.Key)
	}
	for _, e := range slices.Concat(b.Index, b.Unindex) {
		once("entry %s %s %s %s", e.Kind, e.Key.Index, e.Key.Value, e.ID)
		s.key(e.Key)
	}
	for _, m := range b.Members {
		once("members of %s", m.Group)
		for _, a := range m.Add {
			once("member %s of %s", a.ID, m.Group)
		}
		for _, id := range m.Remove {
			once("member %s of %s", id, m.Group)
		}
	}
}

func (s *spy) key(k store.Key) {
	s.t.Helper()
	if len(k.Value) > store.MaxKeyValue || k.Value == "" || strings.ContainsFunc(k.Index, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.')
	}) {
		s.t.Errorf("key of index %q with %d bytes", k.Index, len(k.Value))
	}
}

// env is a directory over a spy, with a clock of its own.
type env struct {
	t     *testing.T
	store *spy
	d     *Directory
	clock time.Time
	// dropped is what the last call counted.
	dropped *schema.Tally
}

var extensions = sync.OnceValue(func() *schema.Catalog {
	x, err := schema.Parse([]byte(extJSON))
	if err != nil {
		panic(err)
	}
	c, err := schema.NewCatalog([]schema.Extension{{Schema: x}}, nil)
	if err != nil {
		panic(err)
	}
	return c
})

// with is what the settings of a test differ in.
type with struct {
	allow    []string
	required []string
	set      Settings
}

func newEnv(t *testing.T, w with) *env {
	t.Helper()
	e := &env{t: t, store: newSpy(t), clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	e.reconfigure(w)
	return e
}

// reconfigure puts a directory with other settings over the same store.
func (e *env) reconfigure(w with) {
	e.t.Helper()
	e.d = e.other(tenant, w)
}

func (e *env) other(name string, w with) *Directory {
	e.t.Helper()
	vs, err := extensions().Narrow(schema.Narrowing{Allow: w.allow, Required: w.required, DuplicateGroupNames: w.set.DuplicateGroupNames})
	if err != nil {
		e.t.Fatal(err)
	}
	w.set.Views = vs
	d := New(e.store, name, w.set)
	d.now = func() time.Time {
		e.clock = e.clock.Add(time.Millisecond)
		return e.clock
	}
	return d
}

func (e *env) call() Call {
	e.dropped = &schema.Tally{}
	return Call{Actor: "tok", Base: address, Tally: e.dropped}
}

func (e *env) decode(k store.Kind, text string) *attr.Members {
	e.t.Helper()
	o, err := attr.DecodeObject([]byte(text), e.d.View(k).Guide(e.dropped), attr.Limits{})
	if err != nil {
		e.t.Fatalf("%s: %v", text, err)
	}
	return o
}

func (e *env) tryUser(text string) (store.Record, error) {
	e.t.Helper()
	c := e.call()
	return e.d.CreateUser(e.t.Context(), c, e.decode(store.User, text))
}

func (e *env) tryGroup(text string) (store.Record, error) {
	e.t.Helper()
	c := e.call()
	return e.d.CreateGroup(e.t.Context(), c, e.decode(store.Group, text))
}

func (e *env) tryPut(k store.Kind, id, text string) (store.Record, error) {
	e.t.Helper()
	c := e.call()
	if k == store.Group {
		return e.d.ReplaceGroup(e.t.Context(), c, id, e.decode(k, text))
	}
	return e.d.ReplaceUser(e.t.Context(), c, id, e.decode(k, text))
}

// tryPatch takes the list of operations.
func (e *env) tryPatch(k store.Kind, id, ops string) (store.Record, error) {
	e.t.Helper()
	list, err := patch.Parse([]byte(`{"Operations":`+ops+`}`), attr.Limits{}, 1000)
	if err != nil {
		return store.Record{}, err
	}
	if k == store.Group {
		return e.d.PatchGroup(e.t.Context(), e.call(), id, list, attr.Limits{})
	}
	return e.d.PatchUser(e.t.Context(), e.call(), id, list, attr.Limits{})
}

func (e *env) must(r store.Record, err error) store.Record {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
	return r
}

func (e *env) user(text string) store.Record  { e.t.Helper(); return e.must(e.tryUser(text)) }
func (e *env) group(text string) store.Record { e.t.Helper(); return e.must(e.tryGroup(text)) }
func (e *env) put(k store.Kind, id, text string) store.Record {
	e.t.Helper()
	return e.must(e.tryPut(k, id, text))
}
func (e *env) patch(k store.Kind, id, ops string) store.Record {
	e.t.Helper()
	return e.must(e.tryPatch(k, id, ops))
}

func (e *env) delete(k store.Kind, id string) {
	e.t.Helper()
	var err error
	if k == store.Group {
		err = e.d.DeleteGroup(e.t.Context(), e.call(), id)
	} else {
		err = e.d.DeleteUser(e.t.Context(), e.call(), id)
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

// stored reads a record from the store; ok is false where there is none.
func (e *env) stored(k store.Kind, id string) (store.Record, bool) {
	e.t.Helper()
	rs, err := e.store.Store.Get(e.t.Context(), tenant, k, id)
	if err != nil {
		e.t.Fatal(err)
	}
	if len(rs) == 0 {
		return store.Record{}, false
	}
	return rs[0], true
}

// members lists a group's members: ids, those of groups with "#".
func (e *env) members(group string) string {
	e.t.Helper()
	var out []string
	for m, err := range e.d.Members(e.t.Context(), group) {
		if err != nil {
			e.t.Fatal(err)
		}
		if m.Kind == store.Group {
			m.ID = "#" + m.ID
		}
		out = append(out, m.ID)
	}
	return strings.Join(out, " ")
}

// log lists the change log from an entry on: "type id: changed names".
func (e *env) log(after uint64) []string {
	e.t.Helper()
	cs, err := e.store.Changes(e.t.Context(), tenant, after, 10_000)
	if err != nil {
		e.t.Fatal(err)
	}
	var out []string
	for _, c := range cs {
		line := string(c.Type) + " " + c.ID
		if len(c.Changed) > 0 {
			line += ": " + strings.Join(c.Changed, " ")
		}
		for _, m := range c.Added {
			line += " +" + m.ID
		}
		for _, m := range c.Removed {
			line += " -" + m.ID
		}
		out = append(out, line)
	}
	return out
}

// revision is where the log ends now.
func (e *env) revision() uint64 {
	e.t.Helper()
	cs, err := e.store.Changes(e.t.Context(), tenant, 0, 10_000)
	if err != nil {
		e.t.Fatal(err)
	}
	if len(cs) == 0 {
		return 0
	}
	return cs[len(cs)-1].Seq
}

func (e *env) wantLog(after uint64, want ...string) {
	e.t.Helper()
	if diff := cmp.Diff(want, e.log(after)); diff != "" && len(want)+len(e.log(after)) > 0 {
		e.t.Errorf("log (-want +got):\n%s", diff)
	}
}

// wantBody compares a record's body, without id and schemas, as JSON.
func (e *env) wantBody(r store.Record, want string) {
	e.t.Helper()
	o, err := attr.DecodeObject(r.Body, nil, attr.Limits{})
	if err != nil {
		e.t.Fatalf("%s: %v", r.Body, err)
	}
	if got := o.Text("id"); got != r.ID {
		e.t.Errorf("body of %s has the id %s", r.ID, got)
	}
	o.Delete("id")
	o.Delete("schemas")
	if diff := cmp.Diff(tree(e.t, want), tree(e.t, string(o.Append(nil)))); diff != "" {
		e.t.Errorf("body (-want +got):\n%s", diff)
	}
}

func tree(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// ids answers a query with the ids of its result, in order.
func (e *env) ids(q Query) ([]string, Answer) {
	e.t.Helper()
	a, err := e.d.Query(e.t.Context(), q)
	if err != nil {
		e.t.Fatal(err)
	}
	ids := []string{}
	for _, r := range a.Records {
		ids = append(ids, r.ID)
	}
	return ids, a
}

func parse(t *testing.T, text string) filter.Expr {
	t.Helper()
	f, err := filter.Limits{}.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// find answers a filter over one kind.
func (e *env) find(k store.Kind, text string) []string {
	e.t.Helper()
	ids, _ := e.ids(Query{Kinds: []store.Kind{k}, Filter: parse(e.t, text), Base: address})
	return ids
}

// failure is the status and keyword of an error.
func failure(err error) string {
	var e *scimerr.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e):
		return "untyped: " + err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.Type))
}

func wantFailure(t *testing.T, err error, want string) {
	t.Helper()
	if got := failure(err); got != want {
		t.Errorf("error %q (%v), want %q", got, err, want)
	}
}

func droppedNames(d *schema.Tally) string {
	var names []string
	for name, n := range d.All() {
		if n.Count > 1 {
			name = fmt.Sprintf("%s*%d", name, n.Count)
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

var limits = attr.Limits{}

func (e *env) operations(ops string) []patch.Operation {
	e.t.Helper()
	list, err := patch.Parse([]byte(`{"Operations":`+ops+`}`), limits, 1000)
	if err != nil {
		e.t.Fatal(err)
	}
	return list
}
