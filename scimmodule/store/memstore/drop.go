package memstore

import (
	"context"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Drop implements store.Store, in one step. It counts records, claims, index
// entries, edges and log entries.
func (s *Store) Drop(ctx context.Context, tenantName string, progress func(erased int)) error {
	if tenantName == store.SystemTenant {
		return store.ErrSystem
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if n := s.drop(tenantName); n > 0 && progress != nil {
		progress(n)
	}
	return nil
}

// drop returns how many things there were.
func (s *Store) drop(tenantName string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[tenantName]
	if t == nil {
		return 0
	}
	delete(s.tenants, tenantName)
	n := len(t.claims) + len(t.log)
	for _, tb := range t.records {
		n += len(tb.ids)
	}
	for _, ids := range t.index {
		n += len(ids)
	}
	for _, set := range t.members {
		n += len(set.order)
	}
	return n
}
