package memstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Commit implements store.Store. No batch is too large.
func (s *Store) Commit(ctx context.Context, tenantName string, b *store.Batch) (store.Result, error) {
	if err := ctx.Err(); err != nil {
		return store.Result{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[tenantName]
	if t == nil {
		t = newTenant()
		s.tenants[tenantName] = t
	}
	if errs := t.check(b); len(errs) > 0 {
		return store.Result{}, errs[0]
	}
	return t.apply(b, s.limit), nil
}

// apply writes a batch whose preconditions hold.
func (t *tenant) apply(b *store.Batch, limit store.LogLimit) store.Result {
	now := b.Time.Truncate(time.Millisecond).UTC()
	changes := t.effective(b.Members)
	entries := newEntries(b, changes)
	indexed := t.applyIndex(b)
	res := store.Result{Added: map[string]int{}, Removed: map[string]int{}}
	if len(b.Put)+len(b.Delete)+len(b.Claim)+len(b.Release)+len(entries) == 0 && !indexed {
		res.Revision = t.revision
		return res
	}
	first := t.revision + 1
	t.revision += uint64(max(1, len(entries)))
	res.Revision = t.revision

	put := map[recordID]store.Record{}
	for _, p := range b.Put {
		r := cloneRecord(p.Record)
		r.Version, r.Modified = t.revision, now
		if r.Created.IsZero() {
			r.Created = now
		}
		r.Created = r.Created.Truncate(time.Millisecond).UTC()
		r.ArchivedAt = r.ArchivedAt.Truncate(time.Millisecond).UTC()
		t.put(r)
		put[recordID{r.Kind, r.ID}] = r
	}
	for _, c := range changes {
		t.applyMembers(c)
		res.Added[c.group], res.Removed[c.group] = len(c.added), len(c.removed)
		if r, ok := t.record(store.Group, c.group); ok {
			r.Version, r.Modified = t.revision, now
			t.put(r)
		}
	}
	for _, d := range b.Delete {
		t.delete(d.Kind, d.ID)
	}
	for _, c := range b.Release {
		delete(t.claims, indexKey{c.Kind, c.Key})
	}
	for _, c := range b.Claim {
		t.claims[indexKey{c.Kind, c.Key}] = c.ID
	}

	for i, e := range entries {
		e.Seq, e.Version, e.Time, e.Actor = first+uint64(i), t.revision, now, b.Actor
		if i < len(b.Events) {
			if r, ok := put[recordID{b.Events[i].Kind, b.Events[i].ID}]; ok {
				e.Record = &r
			}
		}
		t.log = append(t.log, e)
	}
	t.trim(limit, now)
	return res
}

func (t *tenant) put(r store.Record) {
	tb := t.records[r.Kind]
	if tb == nil {
		tb = &table{byID: map[string]store.Record{}}
		t.records[r.Kind] = tb
	}
	tb.byID[r.ID] = r
	tb.ids = insert(tb.ids, r.ID, strings.Compare)
}

func (t *tenant) delete(kind store.Kind, id string) {
	tb := t.records[kind]
	delete(tb.byID, id)
	tb.ids = remove(tb.ids, id, strings.Compare)
}

// applyIndex tells whether it changed anything.
func (t *tenant) applyIndex(b *store.Batch) bool {
	changed := false
	set := func(k indexKey, ids []string) {
		changed = changed || len(ids) != len(t.index[k])
		t.index[k] = ids
		if len(ids) == 0 {
			delete(t.index, k)
		}
	}
	for _, e := range b.Unindex {
		k := indexKey{e.Kind, e.Key}
		set(k, remove(t.index[k], e.ID, strings.Compare))
	}
	for _, e := range b.Index {
		k := indexKey{e.Kind, e.Key}
		set(k, insert(t.index[k], e.ID, strings.Compare))
	}
	return changed
}

// effect is what is left of a MemberChange without its no-ops.
type effect struct {
	group          string
	added, removed []store.Member
}

// effective leaves out changes of which nothing is left.
func (t *tenant) effective(changes []store.MemberChange) []effect {
	var out []effect
	for _, c := range changes {
		var kinds map[string]store.Kind
		if set := t.members[c.Group]; set != nil {
			kinds = set.kinds
		}
		e := effect{group: c.Group}
		for _, m := range c.Add {
			if kinds[m.ID] == "" {
				e.added = append(e.added, m)
			}
		}
		for _, id := range c.Remove {
			if kind := kinds[id]; kind != "" {
				e.removed = append(e.removed, store.Member{ID: id, Kind: kind})
			}
		}
		if len(e.added)+len(e.removed) > 0 {
			out = append(out, e)
		}
	}
	return out
}

func (t *tenant) applyMembers(e effect) {
	set := t.members[e.group]
	if set == nil {
		set = &memberSet{kinds: map[string]store.Kind{}}
		t.members[e.group] = set
	}
	for _, m := range e.removed {
		delete(set.kinds, m.ID)
		set.order = remove(set.order, m, compareMembers)
		t.groups[m.ID] = remove(t.groups[m.ID], e.group, strings.Compare)
		if len(t.groups[m.ID]) == 0 {
			delete(t.groups, m.ID)
		}
	}
	for _, m := range e.added {
		set.kinds[m.ID] = m.Kind
		set.order = insert(set.order, m, compareMembers)
		t.groups[m.ID] = insert(t.groups[m.ID], e.group, strings.Compare)
	}
	if len(set.order) == 0 {
		delete(t.members, e.group)
	}
}

// newEntries makes the log entries of a batch: its events, then the changes of
// members, in pieces.
func newEntries(b *store.Batch, changes []effect) []store.Change {
	var out []store.Change
	for _, e := range b.Events {
		out = append(out, store.Change{Type: e.Type, ID: e.ID, Changed: slices.Clone(e.Changed)})
	}
	for _, c := range changes {
		added, removed := c.added, c.removed
		for len(added)+len(removed) > 0 {
			a := min(len(added), store.MaxLoggedMembers)
			r := min(len(removed), store.MaxLoggedMembers-a)
			out = append(out, store.Change{
				Type: store.GroupMembersChanged, ID: c.group, Added: added[:a:a], Removed: removed[:r:r],
			})
			added, removed = added[a:], removed[r:]
		}
	}
	return out
}
