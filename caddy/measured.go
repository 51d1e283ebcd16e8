package caddy

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// measured is a handle as a store.Store that measures its calls.
type measured struct {
	h  *handle
	ok map[string]prometheus.Observer // by call: the outcome of nearly all
}

var (
	_ store.Store  = (*measured)(nil)
	_ store.Warner = (*measured)(nil)
)

// storeOps are the calls of a store.
var storeOps = []string{"get", "lookup", "scan", "edges", "changes", "commit", "redact", "drop", "ready"}

func newMeasured(h *handle) *measured {
	m := &measured{h: h, ok: map[string]prometheus.Observer{}}
	for _, op := range storeOps {
		m.ok[op] = storeDuration.WithLabelValues(h.src.Driver, op, "ok")
	}
	storeDuration.WithLabelValues(h.src.Driver, "commit", "uncertain") // an alarm waits for the first
	return m
}

// call runs f on the open store.
func call[T any](ctx context.Context, m *measured, op string, f func(store.Store) (T, error)) (T, error) {
	start, span := time.Now(), beginCall(ctx, m.h.src.Driver, op)
	s, err := m.h.store(ctx)
	var out T
	if err == nil {
		out, err = f(s)
	}
	result := storeOutcome(err)
	o, ok := m.ok[op]
	if !ok || result != "ok" {
		o = storeDuration.WithLabelValues(m.h.src.Driver, op, result)
	}
	o.Observe(time.Since(start).Seconds())
	if span != nil {
		endCall(span, result)
	}
	return out, err
}

// Get implements store.Store.
func (m *measured) Get(ctx context.Context, tenant string, kind store.Kind, ids ...string) ([]store.Record, error) {
	return call(ctx, m, "get", func(s store.Store) ([]store.Record, error) { return s.Get(ctx, tenant, kind, ids...) })
}

// Lookup implements store.Store.
func (m *measured) Lookup(ctx context.Context, tenant string, kind store.Kind, key store.Key) (string, error) {
	return call(ctx, m, "lookup", func(s store.Store) (string, error) { return s.Lookup(ctx, tenant, kind, key) })
}

// Scan implements store.Store.
func (m *measured) Scan(ctx context.Context, tenant string, q store.Query) (store.Page, error) {
	return call(ctx, m, "scan", func(s store.Store) (store.Page, error) { return s.Scan(ctx, tenant, q) })
}

// Edges implements store.Store.
func (m *measured) Edges(ctx context.Context, tenant string, q store.EdgeQuery) (store.EdgePage, error) {
	return call(ctx, m, "edges", func(s store.Store) (store.EdgePage, error) { return s.Edges(ctx, tenant, q) })
}

// Changes implements store.Store.
func (m *measured) Changes(ctx context.Context, tenant string, after uint64, limit int) ([]store.Change, error) {
	return call(ctx, m, "changes", func(s store.Store) ([]store.Change, error) { return s.Changes(ctx, tenant, after, limit) })
}

// Commit implements store.Store.
func (m *measured) Commit(ctx context.Context, tenant string, b *store.Batch) (store.Result, error) {
	return call(ctx, m, "commit", func(s store.Store) (store.Result, error) { return s.Commit(ctx, tenant, b) })
}

// Redact implements store.Store.
func (m *measured) Redact(ctx context.Context, tenant string, drop func(store.Change) bool) (int, error) {
	return call(ctx, m, "redact", func(s store.Store) (int, error) { return s.Redact(ctx, tenant, drop) })
}

// Drop implements store.Store.
func (m *measured) Drop(ctx context.Context, tenant string, progress func(erased int)) error {
	_, err := call(ctx, m, "drop", func(s store.Store) (struct{}, error) { return struct{}{}, s.Drop(ctx, tenant, progress) })
	return err
}

// Ready implements store.Store.
func (m *measured) Ready(ctx context.Context) error {
	_, err := call(ctx, m, "ready", func(s store.Store) (struct{}, error) { return struct{}{}, s.Ready(ctx) })
	return err
}

// Warnings implements store.Warner; nil where the store has none to give.
func (m *measured) Warnings(ctx context.Context) ([]string, error) {
	s, err := m.h.store(ctx)
	if err != nil {
		return nil, err
	}
	if w, ok := s.(store.Warner); ok {
		return w.Warnings(ctx)
	}
	return nil, nil
}

// Close implements store.Store. It does nothing: the pool closes stores.
func (m *measured) Close() error { return nil }
