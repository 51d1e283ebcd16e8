package caddy

import (
	"context"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

func init() { caddy.RegisterModule(MemoryStore{}) }

// MemoryStore keeps the directory in memory, for tests: it outlasts a reload of
// the configuration, but not the process.
type MemoryStore struct{}

// CaddyModule returns the Caddy module information.
func (MemoryStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "scim.stores.memory", New: func() caddy.Module { return new(MemoryStore) }}
}

// Source implements StoreModule.
func (*MemoryStore) Source(log store.LogLimit) (Source, error) {
	return Source{
		Driver:   "memory",
		Identity: "memory",
		Fixed:    describeLog(log),
		Open:     func(context.Context) (store.Store, error) { return memstore.New(log), nil },
	}, nil
}
