package report

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

// noon is the time of most tests.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// flaky is a store whose commits fail as a test wants it.
type flaky struct {
	store.Store
	mu sync.Mutex
	// before, where it is not nil, returns an error in the place of the n-th
	// commit, or nil; after returns one in the place of its answer.
	before, after func(n int) error
	commits       int
	down          bool
}

func newFlaky() *flaky { return &flaky{Store: memstore.New(store.LogLimit{})} }

func (f *flaky) Get(ctx context.Context, tenant string, k store.Kind, ids ...string) ([]store.Record, error) {
	f.mu.Lock()
	down := f.down
	f.mu.Unlock()
	if down {
		return nil, store.ErrUnavailable
	}
	return f.Store.Get(ctx, tenant, k, ids...)
}

func (f *flaky) Commit(ctx context.Context, tenant string, b *store.Batch) (store.Result, error) {
	f.mu.Lock()
	n, before, after := f.commits, f.before, f.after
	f.commits++
	f.mu.Unlock()
	if before != nil {
		if err := before(n); err != nil {
			return store.Result{}, err
		}
	}
	res, err := f.Store.Commit(ctx, tenant, b)
	if err == nil && after != nil {
		err = after(n)
	}
	return res, err
}

func (f *flaky) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// body returns the stored body of a tenant's report.
func (f *flaky) body(t *testing.T, tenant string) string {
	t.Helper()
	rs, err := f.Store.Get(t.Context(), store.SystemTenant, store.Report, tenant)
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) == 0 {
		return ""
	}
	return string(rs[0].Body)
}

// setBody stores a body.
func (f *flaky) setBody(t *testing.T, tenant, body string) {
	t.Helper()
	_, err := f.Store.Commit(t.Context(), store.SystemTenant, &store.Batch{Time: noon, Put: []store.Put{{Record: store.Record{Kind: store.Report, ID: tenant, Body: []byte(body)}}}})
	if err != nil {
		t.Fatal(err)
	}
}

func newBook(s store.Store) *Book {
	b := New(s, nil)
	b.now = func() time.Time { return noon }
	return b
}

var views = sync.OnceValue(func() *schema.Views {
	c, err := schema.NewCatalog(nil, nil)
	if err != nil {
		panic(err)
	}
	vs, err := c.Narrow(schema.Narrowing{})
	if err != nil {
		panic(err)
	}
	return vs
})

// tally counts the attributes of a user that a client sent.
func tally(t testing.TB, user string) *schema.Tally {
	t.Helper()
	var out schema.Tally
	v := views().User
	o, err := attr.DecodeObject([]byte(user), v.Guide(&out), attr.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	v.Prune(o, &out)
	v.KeepAll(&out, o)
	return &out
}

func patched(at int) Entry { return Entry{Operation: "patch", ResourceType: "User", Status: at} }

func read(t *testing.T, b *Book, tenant string) Report {
	t.Helper()
	r, err := b.Read(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
