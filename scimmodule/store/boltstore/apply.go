package boltstore

import (
	"bytes"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// apply writes a batch whose preconditions hold. After an error the
// transaction must be rolled back.
func (t *tenant) apply(b *store.Batch, effects []effect, limit store.LogLimit) (store.Result, error) {
	indexed, err := t.applyIndex(b)
	if err != nil {
		return store.Result{}, err
	}
	entries := newEntries(b, effects)
	res := store.Result{Revision: t.state.revision, Added: map[string]int{}, Removed: map[string]int{}}
	if len(b.Put)+len(b.Delete)+len(b.Claim)+len(b.Release)+len(entries) == 0 && !indexed {
		return res, nil
	}
	first := t.state.revision + 1
	t.state.revision += uint64(max(1, len(entries)))
	res.Revision = t.state.revision
	now := time.UnixMilli(b.Time.UnixMilli()).UTC()

	put, err := t.applyPuts(b.Put, now)
	if err != nil {
		return store.Result{}, err
	}
	for _, e := range effects {
		if err := t.applyMembers(e, now); err != nil {
			return store.Result{}, err
		}
		res.Added[e.group], res.Removed[e.group] = len(e.added), len(e.removed)
	}
	for _, d := range b.Delete {
		if err := t.applyDelete(d); err != nil {
			return store.Result{}, err
		}
	}
	if err := t.applyKeys(b); err != nil {
		return store.Result{}, err
	}
	for i := range entries {
		e := &entries[i]
		e.Seq, e.Version, e.Time, e.Actor = first+uint64(i), t.state.revision, now, b.Actor
		if i < len(b.Events) {
			e.Record = put[recordID{b.Events[i].Kind, b.Events[i].ID}]
		}
	}
	if err := t.appendLog(entries); err != nil {
		return store.Result{}, err
	}
	return res, t.trim(limit, now)
}

// applyPuts writes records in the order of their keys: bbolt moves what lies
// behind an insertion, so that many in one page are cheap at its end only.
func (t *tenant) applyPuts(puts []store.Put, now time.Time) (map[recordID]*store.Record, error) {
	records := make(map[recordID]*store.Record, len(puts))
	sorted := make([]*store.Record, len(puts))
	for i := range puts {
		r := puts[i].Record // a copy: the batch is the caller's
		r.Version, r.Modified = t.state.revision, now
		if r.Created.IsZero() {
			r.Created = now
		}
		records[recordID{r.Kind, r.ID}] = &r
		sorted[i] = &r
	}
	slices.SortFunc(sorted, func(a, b *store.Record) int { return strings.Compare(a.ID, b.ID) })
	for _, r := range sorted {
		if err := t.putRecord(r); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (t *tenant) putRecord(r *store.Record) error {
	code, key := kindCode(r.Kind), []byte(r.ID)
	heads, err := t.make(headsOf(code))
	if err != nil {
		return err
	}
	if heads.Get(key) == nil {
		t.state.records[code-1]++
	}
	if err := heads.Put(key, appendHead(nil, r)); err != nil {
		return err
	}
	if len(r.Body) == 0 {
		if bodies := t.bucket(bodiesOf(code)); bodies != nil {
			return bodies.Delete(key)
		}
		return nil
	}
	bodies, err := t.make(bodiesOf(code))
	if err != nil {
		return err
	}
	return bodies.Put(key, r.Body)
}

func (t *tenant) applyDelete(d store.Delete) error {
	code, key := kindCode(d.Kind), []byte(d.ID)
	heads := t.bucket(headsOf(code))
	if get(heads, key) == nil {
		return nil // named twice
	}
	if err := heads.Delete(key); err != nil {
		return err
	}
	t.state.records[code-1]--
	if bodies := t.bucket(bodiesOf(code)); bodies != nil {
		return bodies.Delete(key)
	}
	return nil
}

func (t *tenant) applyKeys(b *store.Batch) error {
	if len(b.Release)+len(b.Claim) == 0 {
		return nil
	}
	unique, err := t.make(uniqueBucket)
	if err != nil {
		return err
	}
	for _, c := range b.Release {
		if err := unique.Delete(uniqueKey(kindCode(c.Kind), c.Key)); err != nil {
			return err
		}
	}
	type entry struct{ key, id []byte }
	entries := make([]entry, len(b.Claim))
	for i, c := range b.Claim {
		entries[i] = entry{uniqueKey(kindCode(c.Kind), c.Key), []byte(c.ID)}
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for _, e := range entries {
		if err := unique.Put(e.key, e.id); err != nil {
			return err
		}
	}
	return nil
}

// applyIndex tells whether it changed anything.
func (t *tenant) applyIndex(b *store.Batch) (bool, error) {
	if len(b.Index)+len(b.Unindex) == 0 {
		return false, nil
	}
	changed := false
	change := func(index *bolt.Bucket, e store.Entry, adding bool) error {
		prefix := indexPrefix(kindCode(e.Kind), e.Key)
		key := append(prefix[:len(prefix):len(prefix)], e.ID...)
		var n int
		var err error
		if adding {
			n, err = add(index, key, nothing)
		} else {
			n, err = remove(index, key)
			n = -n
		}
		changed = changed || n != 0
		if err != nil {
			return err
		}
		return grow(index, prefix, n)
	}
	if index := t.bucket(indexBucket); index != nil {
		for _, e := range b.Unindex {
			if err := change(index, e, false); err != nil {
				return changed, err
			}
		}
	}
	if len(b.Index) == 0 {
		return changed, nil
	}
	index, err := t.make(indexBucket)
	if err != nil {
		return changed, err
	}
	for _, e := range b.Index {
		if err := change(index, e, true); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// applyMembers writes the edges and the group's new version. The cost does not
// depend on how many members the group has.
func (t *tenant) applyMembers(e effect, now time.Time) error {
	members, err := t.make(membersBucket)
	if err != nil {
		return err
	}
	groups, err := t.make(groupsBucket)
	if err != nil {
		return err
	}
	added := slices.Clone(e.added) // sorted for bbolt, as in applyPuts; the log keeps the order
	slices.SortFunc(added, compareMembers)
	prefix := edgePrefix(e.group)
	delta := 0
	for _, m := range e.removed {
		n, err := remove(members, append(prefix[:len(prefix):len(prefix)], memberSuffix(m)...))
		if err != nil {
			return err
		}
		delta -= n
		reverse := edgePrefix(m.ID)
		n, err = remove(groups, append(reverse[:len(reverse):len(reverse)], e.group...))
		if err != nil {
			return err
		}
		if err := grow(groups, reverse, -n); err != nil {
			return err
		}
	}
	for _, m := range added {
		n, err := add(members, append(prefix[:len(prefix):len(prefix)], memberSuffix(m)...), nothing)
		if err != nil {
			return err
		}
		delta += n
		reverse := edgePrefix(m.ID)
		n, err = add(groups, append(reverse[:len(reverse):len(reverse)], e.group...), []byte{kindCode(m.Kind)})
		if err != nil {
			return err
		}
		if err := grow(groups, reverse, n); err != nil {
			return err
		}
	}
	if err := grow(members, prefix, delta); err != nil {
		return err
	}
	head := t.head(store.Group, e.group)
	if headVersion(head) == t.state.revision {
		return nil // put by the same batch
	}
	if len(head) < headSize {
		return errDamaged
	}
	return t.bucket(headsOf(kindCode(store.Group))).Put([]byte(e.group), bumpHead(head, t.state.revision, now))
}

// newEntries makes the log entries of a batch: its events, then the changes of
// members, in pieces.
func newEntries(b *store.Batch, effects []effect) []store.Change {
	var out []store.Change
	for _, e := range b.Events {
		out = append(out, store.Change{Type: e.Type, ID: e.ID, Changed: e.Changed})
	}
	for _, e := range effects {
		added, removed := e.added, e.removed
		for len(added)+len(removed) > 0 {
			a := min(len(added), store.MaxLoggedMembers)
			r := min(len(removed), store.MaxLoggedMembers-a)
			out = append(out, store.Change{
				Type: store.GroupMembersChanged, ID: e.group, Added: added[:a], Removed: removed[:r],
			})
			added, removed = added[a:], removed[r:]
		}
	}
	return out
}

func (t *tenant) appendLog(entries []store.Change) error {
	if len(entries) == 0 {
		return nil
	}
	log, err := t.make(logBucket)
	if err != nil {
		return err
	}
	log.FillPercent = 1 // it grows at the end only
	for i := range entries {
		if err := log.Put(seqKey(entries[i].Seq), appendChange(nil, &entries[i])); err != nil {
			return err
		}
	}
	t.state.entries += uint64(len(entries))
	return nil
}
