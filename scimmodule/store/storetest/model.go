package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

// testModel applies random batches to the store and to memstore, and compares
// errors, results and everything that can be read after each. The flags of
// rapid (-rapid.checks, -rapid.seed) make it run longer, or again. Each
// sequence has a tenant of its own.
func testModel(t *testing.T, c Config) {
	s := c.Open(t, store.LogLimit{})
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		m := &modelTest{
			rt: rt, tb: t, s: s, tenant: fmt.Sprint("model", n), model: memstore.New(store.LogLimit{}),
			toStore: map[uint64]uint64{}, labels: map[uint64]uint64{},
		}
		m.now = takeDump(t.Context(), t, m.model, m.tenant, pool)
		m.apply(firstBatch())
		for range rapid.IntRange(1, 8).Draw(rt, "length") {
			switch rapid.IntRange(0, 19).Draw(rt, "redact or drop") {
			case 0:
				m.redact()
			case 1:
				m.drop()
			}
			m.apply(m.drawBatch())
		}
		if err := CheckInvariants(t.Context(), s, m.tenant, Options{Pending: true}); err != nil {
			rt.Fatalf("invariants: %v", err)
		}
	})
}

// modelTest is one sequence. Revisions of the two stores may differ, as there
// may be gaps: a version is compared by the commit that it belongs to.
type modelTest struct {
	rt     *rapid.T
	tb     *testing.T
	s      store.Store
	model  *memstore.Store
	tenant string
	now    dump // of the model

	commits  uint64
	toStore  map[uint64]uint64 // model's revision → store's
	labels   map[uint64]uint64 // store's revision → number of the commit
	versions []uint64          // model's versions that records had
}

// apply commits a batch to both stores.
func (m *modelTest) apply(b *store.Batch) {
	ctx := m.tb.Context()
	possible := m.model.Check(m.tenant, b)
	mine, mineErr := m.model.Commit(ctx, m.tenant, b)
	theirs, err := m.s.Commit(ctx, m.tenant, m.translate(b))
	if (err == nil) != (mineErr == nil) {
		m.rt.Fatalf("error = %v, want one of %v\nbatch: %+v", err, possible, b)
	}
	if err != nil {
		if !slices.ContainsFunc(possible, func(p error) bool { return sameError(err, p) }) {
			m.rt.Fatalf("error = %#v, want one of %v\nbatch: %+v", err, possible, b)
		}
	} else {
		m.commits++
		if _, known := m.toStore[mine.Revision]; !known {
			m.toStore[mine.Revision] = theirs.Revision
		}
		if _, known := m.labels[theirs.Revision]; !known {
			m.labels[theirs.Revision] = m.commits
		}
		if d := diff(changed(theirs.Added), changed(mine.Added)); d != "" {
			m.rt.Fatalf("added (-got +want):\n%s\nbatch: %+v", d, b)
		}
		if d := diff(changed(theirs.Removed), changed(mine.Removed)); d != "" {
			m.rt.Fatalf("removed (-got +want):\n%s\nbatch: %+v", d, b)
		}
	}
	m.compare(b)
}

// compare compares the two stores.
func (m *modelTest) compare(b *store.Batch) {
	ctx := m.tb.Context()
	m.now = takeDump(ctx, m.tb, m.model, m.tenant, pool)
	for _, records := range m.now.Records {
		for _, r := range records {
			if !slices.Contains(m.versions, r.Version) {
				m.versions = append(m.versions, r.Version)
			}
		}
	}
	slices.Sort(m.versions) // the order of a map must not steer what is drawn
	want := m.now.relabel(func(v uint64) uint64 { return m.labels[m.toStore[v]] })
	got := takeDump(ctx, m.tb, m.s, m.tenant, pool).relabel(func(v uint64) uint64 { return m.labels[v] })
	if d := diff(got, want); d != "" {
		m.rt.Fatalf("the store differs from the model (-got +want):\n%s\nafter: %+v", d, b)
	}
}

func (m *modelTest) redact() {
	id := rapid.SampledFrom(pool.ids).Draw(m.rt, "redacted")
	drop := func(c store.Change) bool { return c.ID == id }
	want, _ := m.model.Redact(m.tb.Context(), m.tenant, drop)
	got, err := m.s.Redact(m.tb.Context(), m.tenant, drop)
	if err != nil || got != want {
		m.rt.Fatalf("Redact(%q) = %d, %v; want %d", id, got, err, want)
	}
}

// drop begins anew: revisions come again, and mean something else.
func (m *modelTest) drop() {
	for _, s := range []store.Store{m.model, m.s} {
		if err := s.Drop(m.tb.Context(), m.tenant, nil); err != nil {
			m.rt.Fatalf("Drop: %v", err)
		}
	}
	clear(m.toStore)
	clear(m.labels)
	m.versions = nil
	m.compare(nil)
}

// translate returns the batch with the store's versions for the model's.
func (m *modelTest) translate(b *store.Batch) *store.Batch {
	version := func(v uint64) uint64 {
		if v == 0 || v == store.Any {
			return v
		}
		return m.toStore[v]
	}
	out := *b
	out.Require, out.Put, out.Delete = slices.Clone(b.Require), slices.Clone(b.Put), slices.Clone(b.Delete)
	for i := range out.Require {
		out.Require[i].Version = version(out.Require[i].Version)
	}
	for i := range out.Put {
		out.Put[i].Expect = version(out.Put[i].Expect)
	}
	for i := range out.Delete {
		out.Delete[i].Expect = version(out.Delete[i].Expect)
	}
	return &out
}

// relabel returns the dump with other versions, and without what the stores
// are free to choose: Seq, the order of member changes within a commit, whether
// they carry the record, and the version in entries about what did not change.
func (d dump) relabel(label func(uint64) uint64) dump {
	records := map[store.Kind][]store.Record{}
	for kind, rs := range d.Records {
		rs = slices.Clone(rs)
		for i := range rs {
			rs[i].Version = label(rs[i].Version)
		}
		records[kind] = rs
	}
	log := slices.Clone(d.Log)
	for i := range log {
		c := &log[i]
		c.Seq, c.Version = 0, label(c.Version)
		switch {
		case c.Type == store.GroupMembersChanged:
			c.Record = nil
		case c.Record == nil:
			c.Version = 0 // not said for a record that did not change
		default:
			r := *c.Record
			r.Version = label(r.Version)
			c.Record = &r
		}
		c.Added, c.Removed = slices.Clone(c.Added), slices.Clone(c.Removed)
		slices.SortFunc(c.Added, compareMembers)
		slices.SortFunc(c.Removed, compareMembers)
	}
	sortMemberChanges(log)
	d.Records, d.Log = records, log
	return d
}

// sortMemberChanges sorts the entries that end each commit's part of a log.
func sortMemberChanges(log []store.Change) {
	for i := 0; i < len(log); {
		n := 1
		for i+n < len(log) && log[i].Type == store.GroupMembersChanged && log[i+n].Type == log[i].Type && log[i+n].Version == log[i].Version {
			n++
		}
		slices.SortFunc(log[i:i+n], func(a, b store.Change) int { return strings.Compare(a.ID, b.ID) })
		i += n
	}
}

// changed leaves out the zeros.
func changed(counts map[string]int) map[string]int {
	out := maps.Clone(counts)
	maps.DeleteFunc(out, func(_ string, n int) bool { return n == 0 })
	return out
}

func as[E error](err error) (e E, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}

// sameError compares errors by type and contents; of missing members it takes
// any part of the list.
func sameError(got, want error) bool {
	if w, ok := as[*store.ConflictError](want); ok {
		g, ok := as[*store.ConflictError](got)
		return ok && *g == *w
	}
	if w, ok := as[*store.UniqueError](want); ok {
		g, ok := as[*store.UniqueError](got)
		return ok && *g == *w
	}
	w, ok := as[*store.MissingError](want)
	if !ok {
		return false
	}
	g, ok := as[*store.MissingError](got)
	return ok && g.Kind == w.Kind && len(g.IDs) > 0 &&
		!slices.ContainsFunc(g.IDs, func(id string) bool { return !slices.Contains(w.IDs, id) })
}

// tick is the time of the n-th batch of a sequence.
func tick(n uint64) time.Time { return time.UnixMilli(1_750_000_000_000 + int64(n)*1777).UTC() }
