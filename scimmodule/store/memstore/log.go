package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Changes implements store.Store.
func (s *Store) Changes(ctx context.Context, tenantName string, after uint64, limit int) ([]store.Change, error) {
	var out []store.Change
	err := s.read(ctx, tenantName, func(t *tenant) error {
		if after < t.trimmed {
			return &store.TruncatedError{Oldest: t.trimmed}
		}
		at, found := slices.BinarySearchFunc(t.log, after, func(c store.Change, seq uint64) int {
			return cmp.Compare(c.Seq, seq)
		})
		if found {
			at++
		}
		for _, c := range t.log[at:min(at+limit, len(t.log))] {
			out = append(out, cloneChange(c))
		}
		return nil
	})
	return out, err
}

// Redact implements store.Store. As drop runs under the lock, it must not call
// the store.
func (s *Store) Redact(ctx context.Context, tenantName string, drop func(store.Change) bool) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[tenantName]
	if t == nil {
		return 0, nil
	}
	before := len(t.log)
	t.log = slices.DeleteFunc(t.log, func(c store.Change) bool { return drop(cloneChange(c)) })
	return before - len(t.log), nil
}

// trim drops the oldest entries beyond the limit.
func (t *tenant) trim(limit store.LogLimit, now time.Time) {
	n := max(0, len(t.log)-limit.Entries)
	if limit.MaxAge > 0 {
		oldest := now.Add(-time.Duration(limit.MaxAge) * time.Second)
		for n < len(t.log) && t.log[n].Time.Before(oldest) {
			n++
		}
	}
	if n == 0 {
		return
	}
	t.trimmed = t.log[n-1].Seq
	clear(t.log[:n]) // so that the bodies can be freed
	t.log = t.log[n:]
}

func cloneChange(c store.Change) store.Change {
	c.Changed = slices.Clone(c.Changed)
	c.Added = slices.Clone(c.Added)
	c.Removed = slices.Clone(c.Removed)
	if c.Record != nil {
		r := cloneRecord(*c.Record)
		c.Record = &r
	}
	return c
}
