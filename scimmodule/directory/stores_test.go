package directory

import (
	"path/filepath"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/boltstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/storetest"
)

// onStores runs a test over the stores that need no server.
func onStores(t *testing.T, w with, f func(t *testing.T, e *env)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		f(t, newEnv(t, w))
	})
	t.Run("bolt", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, w)
		s, err := boltstore.Open(t.Context(), boltstore.Options{Path: filepath.Join(t.TempDir(), "scim.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		e.store.Store = s
		f(t, e)
	})
}

// invariants checks what the store holds against itself, and the indexes against
// the records.
func (e *env) invariants() {
	e.t.Helper()
	o := storetest.Options{Keys: func(r store.Record) (unique, index []store.Key) {
		if r.Kind != store.User && r.Kind != store.Group && r.Kind != store.Archived {
			return nil, nil
		}
		l, err := e.d.load(r)
		if err != nil {
			e.t.Error(err)
			return nil, nil
		}
		for k := range l.keys.unique {
			unique = append(unique, k)
		}
		for k := range l.keys.other {
			index = append(index, k)
		}
		return unique, index
	}}
	if err := storetest.CheckInvariants(e.t.Context(), e.store.Store, tenant, o); err != nil {
		e.t.Errorf("invariants: %v", err)
	}
}
