package registry

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

// spy is a memory store that fails where a test says so.
type spy struct {
	store.Store
	mu     sync.Mutex
	commit func(b *store.Batch) error // asked ahead of each commit
	broken error                      // of reads
}

func newSpy() *spy { return &spy{Store: memstore.New(store.LogLimit{})} }

func (s *spy) onCommit(f func(b *store.Batch) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commit = f
}

func (s *spy) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func (s *spy) reading() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *spy) Get(ctx context.Context, tenant string, k store.Kind, ids ...string) ([]store.Record, error) {
	if err := s.reading(); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, tenant, k, ids...)
}

func (s *spy) Scan(ctx context.Context, tenant string, q store.Query) (store.Page, error) {
	if err := s.reading(); err != nil {
		return store.Page{}, err
	}
	return s.Store.Scan(ctx, tenant, q)
}

func (s *spy) Commit(ctx context.Context, tenant string, b *store.Batch) (store.Result, error) {
	s.mu.Lock()
	f := s.commit
	s.mu.Unlock()
	if f != nil {
		if err := f(b); err != nil {
			return store.Result{}, err
		}
	}
	return s.Store.Commit(ctx, tenant, b)
}

// once returns a hook that does f ahead of the first commit, and only then.
func once(f func() error) func(*store.Batch) error {
	var first sync.Once
	return func(*store.Batch) (err error) {
		first.Do(func() { err = f() })
		return err
	}
}

// put writes a record of the system tenant as it is.
func put(t *testing.T, s store.Store, k store.Kind, id, body string) {
	t.Helper()
	expect := uint64(0)
	if rs, err := s.Get(t.Context(), store.SystemTenant, k, id); err != nil {
		t.Fatal(err)
	} else if len(rs) > 0 {
		expect = rs[0].Version
	}
	b := &store.Batch{Time: time.Now(), Put: []store.Put{{Record: store.Record{Kind: k, ID: id, Body: []byte(body)}, Expect: expect}}}
	if _, err := s.Commit(t.Context(), store.SystemTenant, b); err != nil {
		t.Fatal(err)
	}
}

func mustMint(t *testing.T, r *Registry, tok Token) (secret string, _ Token) {
	t.Helper()
	secret, tok, err := r.Mint(t.Context(), tok)
	if err != nil {
		t.Fatal(err)
	}
	return secret, tok
}

func idsOf(t *testing.T, r *Registry, tenant string) []string {
	t.Helper()
	var ids []string
	if err := r.Tokens(t.Context(), tenant, func(tok Token) { ids = append(ids, tok.ID) }); err != nil {
		t.Fatal(err)
	}
	return ids
}

// exact compares tenants and tokens with what they hide.
var exact = cmp.AllowUnexported(Tenant{}, Token{})

func name(n int) string { return fmt.Sprintf("tenant-%04d", n) }
