package caddy

import (
	"context"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// StoreModule is a guest module in the namespace scim.stores.
type StoreModule interface {
	// Source says what to open. It does no I/O but to resolve a path, so that
	// a configuration can be validated next to a running server.
	Source(log store.LogLimit) (Source, error)
}

// Source is a database that can be opened.
type Source struct {
	// Driver names the kind of store in metrics and on the health page.
	Driver string
	// Identity tells databases apart: configurations with an equal one share
	// an open store. It holds no secret in clear.
	Identity string
	// Fixed is what cannot differ between two configurations that share an
	// open store, in a form for comparison.
	Fixed string
	// Open opens the database. Its error refuses the configuration, so a
	// database that may be away for a while must not be reached for here.
	Open func(ctx context.Context) (store.Store, error)
}
