package memstore_test

import (
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/storetest"
)

var config = storetest.Config{
	Open: func(_ testing.TB, limit store.LogLimit) store.Store { return memstore.New(limit) },
}

func TestStore(t *testing.T) { storetest.Run(t, config) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, config) }
