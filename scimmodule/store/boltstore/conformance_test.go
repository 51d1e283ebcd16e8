package boltstore_test

import (
	"path/filepath"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/boltstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/storetest"
)

// reopenable remembers where a store came from, for Reopen.
type reopenable struct {
	*boltstore.Store
	options boltstore.Options
}

func open(tb testing.TB, o boltstore.Options) store.Store {
	tb.Helper()
	s, err := boltstore.Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return reopenable{s, o}
}

var config = storetest.Config{
	Open: func(tb testing.TB, limit store.LogLimit) store.Store {
		return open(tb, boltstore.Options{Path: filepath.Join(tb.TempDir(), "scim.db"), Log: limit})
	},
	Reopen: func(tb testing.TB, s store.Store) store.Store {
		if err := s.Close(); err != nil {
			tb.Fatal(err)
		}
		return open(tb, s.(reopenable).options)
	},
}

func TestConformance(t *testing.T) {
	storetest.Run(t, config)
}

func BenchmarkStore(b *testing.B) {
	storetest.RunBenchmarks(b, config)
}
