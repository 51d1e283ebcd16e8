package memstore

import (
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

type recordID struct {
	kind store.Kind
	id   string
}

// Check returns an error for every precondition of the batch that does not
// hold, of which Commit returns the first. Another store may return any one of
// them, so the model-based test asks for all.
func (s *Store) Check(tenantName string, b *store.Batch) []error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tenants[tenantName]
	if t == nil {
		t = newTenant()
	}
	return t.check(b)
}

func (t *tenant) check(b *store.Batch) []error {
	var errs []error
	for _, r := range b.Require {
		if !t.expected(r.Kind, r.ID, r.Version) {
			errs = append(errs, &store.ConflictError{Kind: r.Kind, ID: r.ID})
		}
	}
	for _, p := range b.Put {
		if !t.expected(p.Record.Kind, p.Record.ID, p.Expect) {
			errs = append(errs, &store.ConflictError{Kind: p.Record.Kind, ID: p.Record.ID})
		}
	}
	for _, d := range b.Delete {
		if !t.expected(d.Kind, d.ID, d.Expect) || t.edgesLeft(d, b.Members) {
			errs = append(errs, &store.ConflictError{Kind: d.Kind, ID: d.ID})
		}
	}
	errs = append(errs, t.checkKeys(b)...)
	return append(errs, t.checkMembers(b)...)
}

// expected tells whether a record is in the version, where 0 is none and Any
// is every one.
func (t *tenant) expected(kind store.Kind, id string, version uint64) bool {
	r, exists := t.record(kind, id)
	if version == store.Any {
		return exists
	}
	return r.Version == version // the zero Record has version 0
}

func (t *tenant) checkKeys(b *store.Batch) []error {
	var errs []error
	released := map[indexKey]bool{}
	for _, c := range b.Release {
		k := indexKey{c.Kind, c.Key}
		if holder, held := t.claims[k]; !held || holder != c.ID {
			errs = append(errs, &store.ConflictError{Kind: c.Kind, ID: c.ID})
			continue
		}
		released[k] = true
	}
	for _, c := range b.Claim {
		k := indexKey{c.Kind, c.Key}
		if holder, held := t.claims[k]; held && holder != c.ID && !released[k] {
			errs = append(errs, &store.UniqueError{Kind: c.Kind, Index: c.Key.Index, Holder: holder})
		}
	}
	return errs
}

func (t *tenant) checkMembers(b *store.Batch) []error {
	put := map[recordID]bool{}
	for _, p := range b.Put {
		put[recordID{p.Record.Kind, p.Record.ID}] = true
	}
	exists := func(kind store.Kind, id string) bool {
		_, ok := t.record(kind, id)
		return ok || put[recordID{kind, id}]
	}
	var errs []error
	var missing []string
	seen := map[string]bool{}
	for _, c := range b.Members {
		if !exists(store.Group, c.Group) {
			errs = append(errs, &store.MissingError{Kind: store.Group, IDs: []string{c.Group}})
		}
		if c.Pending {
			continue
		}
		for _, m := range c.Add {
			if !seen[m.ID] && !exists(m.Kind, m.ID) {
				seen[m.ID] = true
				missing = append(missing, m.ID)
			}
		}
	}
	if len(missing) > 0 {
		errs = append(errs, &store.MissingError{IDs: missing})
	}
	return errs
}

// edgesLeft tells whether edges are left at a record that is to be deleted,
// once the member changes are applied.
func (t *tenant) edgesLeft(d store.Delete, changes []store.MemberChange) bool {
	if d.Kind != store.User && d.Kind != store.Group {
		return false // edges join users and groups, whose ids others may share
	}
	removed := map[[2]string]bool{} // group and member
	for _, c := range changes {
		for _, m := range c.Add {
			if m == (store.Member{ID: d.ID, Kind: d.Kind}) || d.Kind == store.Group && c.Group == d.ID {
				return true
			}
		}
		for _, id := range c.Remove {
			removed[[2]string{c.Group, id}] = true
		}
	}
	for _, g := range t.groups[d.ID] {
		if t.members[g].kinds[d.ID] == d.Kind && !removed[[2]string{g, d.ID}] {
			return true
		}
	}
	if set := t.members[d.ID]; d.Kind == store.Group && set != nil {
		for _, m := range set.order {
			if !removed[[2]string{d.ID, m.ID}] {
				return true
			}
		}
	}
	return false
}
