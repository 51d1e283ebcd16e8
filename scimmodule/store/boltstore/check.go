package boltstore

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// maxBatch bounds the bytes of a batch's bodies, keys and ids.
const maxBatch = 64 << 20

var errInvalid = errors.New("boltstore: invalid batch")

// validate refuses what cannot be stored, whatever is stored already.
func validate(tenantName string, b *store.Batch) error {
	if tenantName == "" || len(tenantName) > maxName {
		return fmt.Errorf("%w: tenant name of %d bytes", errInvalid, len(tenantName))
	}
	if b.Time.IsZero() {
		return fmt.Errorf("%w: it has no time", errInvalid)
	}
	v := validator{}
	for _, p := range b.Put {
		v.record(p.Record.Kind, p.Record.ID)
		v.size += len(p.Record.Body) + len(p.Record.Allow)
	}
	for _, d := range b.Delete {
		v.record(d.Kind, d.ID)
		if d.Expect == 0 {
			v.fail("deletes a record that must not exist")
		}
	}
	for _, c := range b.Claim {
		v.key(c.Kind, c.Key, c.ID)
	}
	for _, c := range b.Release {
		v.key(c.Kind, c.Key, c.ID)
	}
	for _, e := range b.Index {
		v.key(e.Kind, e.Key, e.ID)
	}
	for _, e := range b.Unindex {
		v.key(e.Kind, e.Key, e.ID)
	}
	for _, c := range b.Members {
		v.record(store.Group, c.Group)
		for _, m := range c.Add {
			v.record(m.Kind, m.ID)
			if m.Kind != store.User && m.Kind != store.Group {
				v.fail("adds a member that is no user and no group")
			}
		}
		for _, id := range c.Remove {
			v.record(store.User, id)
		}
	}
	if v.err == nil && v.size > maxBatch {
		return fmt.Errorf("boltstore: batch of %d bytes: %w", v.size, store.ErrTooLarge)
	}
	return v.err
}

type validator struct {
	size int
	err  error // the first
}

func (v *validator) fail(reason string) {
	if v.err == nil {
		v.err = fmt.Errorf("%w: %s", errInvalid, reason)
	}
}

func (v *validator) record(kind store.Kind, id string) {
	v.size += len(id)
	if kindCode(kind) == 0 {
		v.fail("unknown kind of record")
	}
	if id == "" || len(id) > maxName {
		v.fail("id is empty or too long")
	}
}

func (v *validator) key(kind store.Kind, k store.Key, id string) {
	v.record(kind, id)
	v.size += len(k.Value)
	if k.Index == "" || !fits(k) {
		v.fail("key is empty or too long")
	}
}

// effect is what is left of a MemberChange without its no-ops.
type effect struct {
	group          string
	added, removed []store.Member
}

type recordID struct {
	kind store.Kind
	id   string
}

// check returns the first precondition of a batch that does not hold, or else
// what its member changes come to. It writes nothing.
func (t *tenant) check(b *store.Batch) ([]effect, error) {
	for _, r := range b.Require {
		if err := t.expect(r.Kind, r.ID, r.Version); err != nil {
			return nil, err
		}
	}
	for _, p := range b.Put {
		if err := t.expect(p.Record.Kind, p.Record.ID, p.Expect); err != nil {
			return nil, err
		}
	}
	for _, d := range b.Delete {
		if err := t.expect(d.Kind, d.ID, d.Expect); err != nil {
			return nil, err
		}
	}
	if err := t.checkKeys(b); err != nil {
		return nil, err
	}
	if err := t.checkMembers(b); err != nil {
		return nil, err
	}
	effects := t.effects(b.Members)
	if len(b.Delete) > 0 {
		if err := t.checkEdges(b, effects); err != nil {
			return nil, err
		}
	}
	return effects, nil
}

func (t *tenant) expect(kind store.Kind, id string, version uint64) error {
	stored := headVersion(t.head(kind, id))
	if version == store.Any && stored != 0 || version == stored {
		return nil
	}
	return &store.ConflictError{Kind: kind, ID: id}
}

func (t *tenant) checkKeys(b *store.Batch) error {
	unique := t.bucket(uniqueBucket)
	released := map[string]bool{}
	for _, c := range b.Release {
		key := uniqueKey(kindCode(c.Kind), c.Key)
		if string(get(unique, key)) != c.ID {
			return &store.ConflictError{Kind: c.Kind, ID: c.ID}
		}
		released[string(key)] = true
	}
	for _, c := range b.Claim {
		key := uniqueKey(kindCode(c.Kind), c.Key)
		holder := get(unique, key)
		if holder != nil && string(holder) != c.ID && !released[string(key)] {
			return &store.UniqueError{Kind: c.Kind, Index: c.Key.Index, Holder: string(holder)}
		}
	}
	return nil
}

func (t *tenant) checkMembers(b *store.Batch) error {
	if len(b.Members) == 0 {
		return nil
	}
	put := make(map[recordID]bool, len(b.Put))
	for _, p := range b.Put {
		put[recordID{p.Record.Kind, p.Record.ID}] = true
	}
	exists := func(kind store.Kind, id string) bool {
		return put[recordID{kind, id}] || t.head(kind, id) != nil
	}
	var missing []string
	seen := map[string]bool{}
	for _, c := range b.Members {
		if !exists(store.Group, c.Group) {
			return &store.MissingError{Kind: store.Group, IDs: []string{c.Group}}
		}
		if c.Pending {
			continue
		}
		for _, m := range c.Add {
			if !exists(m.Kind, m.ID) && !seen[m.ID] {
				seen[m.ID] = true
				missing = append(missing, m.ID)
			}
		}
	}
	if len(missing) > 0 {
		return &store.MissingError{IDs: missing}
	}
	return nil
}

// effects leaves out changes of which nothing is left.
func (t *tenant) effects(changes []store.MemberChange) []effect {
	var out []effect
	for _, c := range changes {
		e := effect{group: c.Group}
		for _, m := range c.Add {
			if t.edge(c.Group, m.ID) == "" {
				e.added = append(e.added, m)
			}
		}
		for _, id := range c.Remove {
			if kind := t.edge(c.Group, id); kind != "" {
				e.removed = append(e.removed, store.Member{ID: id, Kind: kind})
			}
		}
		if len(e.added)+len(e.removed) > 0 {
			out = append(out, e)
		}
	}
	return out
}

// checkEdges returns a conflict if, after the member changes, edges are left at
// a record that is to be deleted.
func (t *tenant) checkEdges(b *store.Batch, effects []effect) error {
	deleted := map[recordID]bool{}
	for _, d := range b.Delete {
		if d.Kind == store.User || d.Kind == store.Group {
			deleted[recordID{d.Kind, d.ID}] = true
		}
	}
	if len(deleted) == 0 {
		return nil
	}
	grown := map[string]int{}       // by how many members each group grows
	dropped := map[[2]string]bool{} // removed edges at deleted records: group and member
	conflict := func(r recordID) error { return &store.ConflictError{Kind: r.kind, ID: r.id} }
	for _, e := range effects {
		grown[e.group] = len(e.added) - len(e.removed)
		for _, m := range e.added {
			if r := (recordID{m.Kind, m.ID}); deleted[r] {
				return conflict(r)
			}
		}
		for _, m := range e.removed {
			if deleted[recordID{m.Kind, m.ID}] {
				dropped[[2]string{e.group, m.ID}] = true
			}
		}
	}
	for r := range deleted {
		if r.kind == store.Group && count(t.bucket(membersBucket), edgePrefix(r.id))+grown[r.id] > 0 {
			return conflict(r)
		}
		if t.isMember(r, dropped) {
			return conflict(r)
		}
	}
	return nil
}

// isMember tells whether a record is a member by an edge that is not dropped.
func (t *tenant) isMember(r recordID, dropped map[[2]string]bool) bool {
	b := t.bucket(groupsBucket)
	if b == nil {
		return false
	}
	prefix := edgePrefix(r.id)
	c := b.Cursor()
	c.Seek(prefix) // the count; the edges follow
	for k, v := c.Next(); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		group := string(k[len(prefix):])
		if len(v) == 1 && kindOf(v[0]) == r.kind && !dropped[[2]string{group, r.id}] {
			return true
		}
	}
	return false
}
