package memstore

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Store is a store.Store whose data end with the process.
type Store struct {
	limit store.LogLimit

	mu      sync.RWMutex
	tenants map[string]*tenant
}

var _ store.Store = (*Store)(nil)

// New returns an empty store, whose tenants' change logs are trimmed to limit
// at every commit.
func New(limit store.LogLimit) *Store {
	if limit.Entries == 0 {
		limit.Entries = store.DefaultLogEntries
	}
	return &Store{limit: limit, tenants: map[string]*tenant{}}
}

// tenant is everything of one tenant. Stored records and log entries are never
// changed in place, only replaced, and never share memory with a caller's.
type tenant struct {
	revision uint64
	records  map[store.Kind]*table
	claims   map[indexKey]string   // the id that holds the key
	index    map[indexKey][]string // ids in byte order
	members  map[string]*memberSet // by the group's id
	groups   map[string][]string   // by the member's id; ids in byte order
	log      []store.Change        // by Seq
	trimmed  uint64                // Seq of the last entry that was trimmed
}

// table holds the records of a kind.
type table struct {
	byID map[string]store.Record
	ids  []string // in byte order
}

// memberSet holds the members of a group. An id is in it once, whatever its kind.
type memberSet struct {
	kinds map[string]store.Kind
	order []store.Member // by compareMembers
}

type indexKey struct {
	kind store.Kind
	key  store.Key
}

func newTenant() *tenant {
	return &tenant{
		records: map[store.Kind]*table{},
		claims:  map[indexKey]string{},
		index:   map[indexKey][]string{},
		members: map[string]*memberSet{},
		groups:  map[string][]string{},
	}
}

// read runs f on a tenant, an empty one where nothing was written yet.
func (s *Store) read(ctx context.Context, name string, f func(t *tenant) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tenants[name]
	if t == nil {
		t = newTenant()
	}
	return f(t)
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, tenantName string, kind store.Kind, ids ...string) ([]store.Record, error) {
	var out []store.Record
	err := s.read(ctx, tenantName, func(t *tenant) error {
		for _, id := range ids {
			if r, ok := t.record(kind, id); ok {
				out = append(out, cloneRecord(r))
			}
		}
		return nil
	})
	return out, err
}

// Lookup implements store.Store.
func (s *Store) Lookup(ctx context.Context, tenantName string, kind store.Kind, key store.Key) (string, error) {
	var id string
	err := s.read(ctx, tenantName, func(t *tenant) error {
		holder, ok := t.claims[indexKey{kind, key}]
		if !ok {
			return store.ErrNotFound
		}
		id = holder
		return nil
	})
	return id, err
}

// Scan implements store.Store.
func (s *Store) Scan(ctx context.Context, tenantName string, q store.Query) (store.Page, error) {
	var page store.Page
	err := s.read(ctx, tenantName, func(t *tenant) error {
		var ids []string
		if q.Key != nil {
			ids = t.index[indexKey{q.Kind, *q.Key}]
		} else if tb := t.records[q.Kind]; tb != nil {
			ids = tb.ids
		}
		page.Total = len(ids)
		if q.Limit == 0 {
			return nil
		}
		ids = ids[min(q.Offset, len(ids)):]
		if q.After != "" {
			at, found := slices.BinarySearch(ids, q.After)
			if found {
				at++
			}
			ids = ids[at:]
		}
		if len(ids) > q.Limit {
			ids = ids[:q.Limit]
			page.Next = ids[len(ids)-1]
		}
		for _, id := range ids {
			if q.IDsOnly {
				page.Records = append(page.Records, store.Record{Kind: q.Kind, ID: id})
			} else if r, ok := t.record(q.Kind, id); ok {
				page.Records = append(page.Records, cloneRecord(r))
			}
		}
		return nil
	})
	return page, err
}

// Edges implements store.Store.
func (s *Store) Edges(ctx context.Context, tenantName string, q store.EdgeQuery) (store.EdgePage, error) {
	var page store.EdgePage
	err := s.read(ctx, tenantName, func(t *tenant) error {
		all := t.side(q)
		if len(q.Only) > 0 {
			only := make(map[string]bool, len(q.Only))
			for _, id := range q.Only {
				only[id] = true
			}
			for _, m := range all {
				if only[m.ID] {
					page.Members = append(page.Members, m)
				}
			}
			page.Total = len(page.Members)
			return nil
		}
		page.Total = len(all)
		if q.Limit == 0 {
			return nil
		}
		if q.After != (store.Member{}) {
			at, found := slices.BinarySearchFunc(all, q.After, compareMembers)
			if found {
				at++
			}
			all = all[at:]
		}
		if len(all) > q.Limit {
			all = all[:q.Limit]
			page.Next = all[len(all)-1]
		}
		page.Members = slices.Clone(all)
		return nil
	})
	return page, err
}

// side returns one side of the relation in order. The caller must not change it.
func (t *tenant) side(q store.EdgeQuery) []store.Member {
	if q.Group != "" {
		if set := t.members[q.Group]; set != nil {
			return set.order
		}
		return nil
	}
	groups := t.groups[q.Member]
	out := make([]store.Member, len(groups))
	for i, id := range groups {
		out[i] = store.Member{ID: id, Kind: store.Group}
	}
	return out
}

// Ready implements store.Store.
func (s *Store) Ready(ctx context.Context) error { return ctx.Err() }

// Close implements store.Store. There is nothing to release.
func (s *Store) Close() error { return nil }

func (t *tenant) record(kind store.Kind, id string) (store.Record, bool) {
	tb := t.records[kind]
	if tb == nil {
		return store.Record{}, false
	}
	r, ok := tb.byID[id]
	return r, ok
}

func cloneRecord(r store.Record) store.Record {
	r.Body = slices.Clone(r.Body)
	return r
}

// compareMembers orders users before groups, and then by id in byte order.
func compareMembers(a, b store.Member) int {
	if a.Kind != b.Kind {
		if a.Kind == store.User {
			return -1
		}
		return 1
	}
	return strings.Compare(a.ID, b.ID)
}

// insert adds v to a sorted slice, unless it is there.
func insert[T any](s []T, v T, compare func(a, b T) int) []T {
	at, found := slices.BinarySearchFunc(s, v, compare)
	if found {
		return s
	}
	return slices.Insert(s, at, v)
}

// remove takes v out of a sorted slice, if it is there.
func remove[T any](s []T, v T, compare func(a, b T) int) []T {
	at, found := slices.BinarySearchFunc(s, v, compare)
	if !found {
		return s
	}
	return slices.Delete(s, at, at+1)
}
