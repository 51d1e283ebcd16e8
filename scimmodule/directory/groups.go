package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// CreateGroup is POST of a group decoded under the view's guide. A live group of
// the same displayName is a 409 uniqueness, unless the tenant allows duplicates.
func (d *Directory) CreateGroup(ctx context.Context, c Call, o *attr.Members) (r store.Record, err error) {
	end := d.counting(&c)
	defer func() { end(err) }()
	v := d.set.Views.Group
	members, err := d.prepare(v, c, o)
	if err != nil {
		return r, err
	}
	if err := v.CheckRequired(o); err != nil {
		return r, err
	}
	edits := []patch.MemberEdit{{Kind: patch.AddMembers, Values: members}}
	err = d.retry(ctx, "displayName "+attr.Fold(o.Text("displayName")), func() error {
		e, _, err := d.plan(ctx, c, "", edits)
		if err != nil {
			return err
		}
		now := d.timestamp()
		id := newID(now)
		res, _, err := d.withMembers(ctx, c, func(unknown map[string]bool) (*store.Batch, error) {
			b := &store.Batch{Time: now, Actor: c.Actor}
			if err := d.freeName(ctx, id, o); err != nil {
				return nil, err
			}
			// Members first: what is put before them are only their creations.
			if err := d.apply(ctx, c, b, id, e, unknown); err != nil {
				return nil, err
			}
			r = d.record(store.Group, id, o)
			b.Put = append(b.Put, store.Put{Record: r})
			b.Events = append(b.Events, store.Event{Type: store.GroupCreated, Kind: store.Group, ID: id, Changed: patch.Changed(&attr.Members{}, o)})
			return b, d.reindex(ctx, b, store.Group, id, keySet{}, d.keysOf(store.Group, o))
		})
		r.Version, r.Created, r.Modified = res.Revision, now, now
		return d.clash(err, true)
	})
	return r, err
}

// freeName looks for a group of the same name that was made while duplicates
// were allowed, and so claims nothing.
func (d *Directory) freeName(ctx context.Context, id string, o *attr.Members) error {
	if d.set.DuplicateGroupNames {
		return nil
	}
	key := folded(byDisplayName, o.Text("displayName"))
	p, err := d.store.Scan(ctx, d.tenant, store.Query{Kind: store.Group, Key: &key, Limit: 2, IDsOnly: true})
	if err != nil {
		return err
	}
	for _, r := range p.Records {
		if r.ID != id {
			return taken(d.set.Views.Group, byDisplayName)
		}
	}
	return nil
}

// ReplaceGroup is PUT. A group without "members" keeps its members; one with an
// empty array loses them.
func (d *Directory) ReplaceGroup(ctx context.Context, c Call, id string, o *attr.Members) (r store.Record, err error) {
	end := d.counting(&c)
	defer func() { end(err) }()
	v := d.set.Views.Group
	members, err := d.prepare(v, c, o)
	if err != nil {
		return store.Record{}, err
	}
	var edits []patch.MemberEdit
	if members != nil {
		edits = []patch.MemberEdit{{Kind: patch.ReplaceMembers, Values: members}}
	}
	return d.changeGroup(ctx, c, id, func(loaded) (*attr.Members, []patch.MemberEdit, error) {
		return o, edits, v.CheckRequired(o)
	})
}

// PatchGroup is PATCH: all operations, or none. Its record is only complete
// where the operations are about more than members, or the call has a
// precondition: else nothing but the members is read or written.
func (d *Directory) PatchGroup(ctx context.Context, c Call, id string, ops []patch.Operation, l attr.Limits) (r store.Record, err error) {
	end := d.counting(&c)
	defer func() { end(err) }()
	v := d.set.Views.Group
	if c.Match == nil && len(ops) > 0 && membersOnly(ops) {
		res, err := patch.Apply(v, &attr.Members{}, ops, c.Tally, l)
		if err != nil {
			return store.Record{}, err
		}
		if commutes(res.Members) {
			return d.changeMembers(ctx, c, id, res.Members)
		}
	}
	return d.changeGroup(ctx, c, id, func(was loaded) (*attr.Members, []patch.MemberEdit, error) {
		now := was.attrs.Clone()
		*c.Tally = schema.Tally{} // an attempt after a conflict counts anew
		res, err := patch.Apply(v, now, ops, c.Tally, l)
		if err != nil {
			return nil, nil, err
		}
		return now, res.Members, d.stillRight(v, was.attrs, now)
	})
}

func membersOnly(ops []patch.Operation) bool {
	return !slices.ContainsFunc(ops, func(op patch.Operation) bool { return !op.Names("members") })
}

func commutes(edits []patch.MemberEdit) bool {
	return !slices.ContainsFunc(edits, func(m patch.MemberEdit) bool {
		return m.Kind != patch.AddMembers && m.Kind != patch.RemoveMembers
	})
}

// changeMembers adds and removes members without reading the group.
func (d *Directory) changeMembers(ctx context.Context, c Call, id string, edits []patch.MemberEdit) (store.Record, error) {
	if !ValidID(id) {
		return store.Record{}, notFound(store.Group, id)
	}
	err := d.retry(ctx, "", func() error {
		e, _, err := d.plan(ctx, c, id, edits)
		if err != nil {
			return err
		}
		if len(e.add)+len(e.remove) == 0 {
			_, err := d.get(ctx, store.Group, id)
			return err
		}
		_, _, err = d.withMembers(ctx, c, func(unknown map[string]bool) (*store.Batch, error) {
			b := &store.Batch{Time: d.timestamp(), Actor: c.Actor}
			err := d.apply(ctx, c, b, id, e, unknown)
			if err == nil && len(b.Members) == 0 {
				b.Require = append(b.Require, store.Require{Kind: store.Group, ID: id, Version: store.Any})
			}
			return b, err
		})
		return d.groupGone(ctx, id, d.clash(err, true))
	})
	return store.Record{Kind: store.Group, ID: id}, err
}

// groupGone tells a group that is not there from other conflicts.
func (d *Directory) groupGone(ctx context.Context, id string, err error) error {
	if !isConflict(err) {
		return err
	}
	if _, gone := d.get(ctx, store.Group, id); gone != nil {
		return gone
	}
	return err
}

// changeGroup runs a change of one group by id.
func (d *Directory) changeGroup(ctx context.Context, c Call, id string, change func(was loaded) (*attr.Members, []patch.MemberEdit, error)) (r store.Record, err error) {
	err = d.retry(ctx, id, func() error {
		was, err := d.read(ctx, store.Group, id)
		if err != nil {
			return err
		}
		if err := c.check(was.Record); err != nil {
			return err
		}
		now, edits, err := change(was)
		if err != nil {
			return err
		}
		if err := d.set.Views.Group.CheckImmutable(was.attrs, now); err != nil {
			return err
		}
		e, exact, err := d.plan(ctx, c, id, edits)
		if err != nil {
			return err
		}
		changed := patch.Changed(was.attrs, now)
		if len(changed)+len(e.add)+len(e.remove) == 0 {
			r, err = d.refresh(was.Record)
			return err
		}
		res, b, err := d.withMembers(ctx, c, func(unknown map[string]bool) (*store.Batch, error) {
			b := &store.Batch{Time: d.timestamp(), Actor: c.Actor}
			if err := d.apply(ctx, c, b, id, e, unknown); err != nil {
				return nil, err
			}
			if len(changed) == 0 {
				expect := store.Any
				if exact || c.Match != nil {
					expect = was.Version
				}
				b.Require = append(b.Require, store.Require{Kind: store.Group, ID: id, Version: expect})
				return b, nil
			}
			if slices.Contains(changed, byDisplayName) {
				if err := d.freeName(ctx, id, now); err != nil {
					return nil, err
				}
			}
			g := d.record(store.Group, id, now)
			g.Created = was.Created
			b.Put = append(b.Put, store.Put{Record: g, Expect: was.Version})
			b.Events = append(b.Events, store.Event{Type: store.GroupUpdated, Kind: store.Group, ID: id, Changed: changed})
			return b, d.reindex(ctx, b, store.Group, id, was.keys, d.keysOf(store.Group, now))
		})
		if err != nil {
			return d.clash(err, true)
		}
		r = d.record(store.Group, id, now)
		r.Created, r.Version, r.Modified = was.Created, was.Version, was.Modified
		if len(changed) > 0 || res.Added[id]+res.Removed[id] > 0 {
			r.Version, r.Modified = res.Revision, b.Time
		}
		return nil
	})
	return r, err
}

// deleteAtOnce is the largest group that is deleted in one commit. The members
// of a larger one are removed in parts first.
const deleteAtOnce = 50_000

// DeleteGroup deletes a group for good; its id is never used again.
func (d *Directory) DeleteGroup(ctx context.Context, c Call, id string) error {
	begun := false // whether a part of a large group is gone already
	return d.retry(ctx, id, func() (err error) {
		defer func() {
			if begun && errors.Is(err, store.ErrUnavailable) {
				err = fmt.Errorf("%w: %w", store.ErrUncertain, err)
			}
		}()
		was, err := d.read(ctx, store.Group, id)
		if err != nil {
			return err
		}
		if err := c.check(was.Record); err != nil && !begun {
			return err
		}
		b := &store.Batch{Time: d.timestamp(), Actor: c.Actor}
		var members []string
		err = d.eachEdge(ctx, store.EdgeQuery{Group: id}, func(m store.Member) error {
			members = append(members, m.ID)
			return nil
		})
		if err != nil {
			return err
		}
		expect := was.Version
		for len(members) > deleteAtOnce {
			part := members[:deleteAtOnce]
			members = members[deleteAtOnce:]
			res, err := d.store.Commit(ctx, d.tenant, &store.Batch{Time: d.timestamp(), Actor: c.Actor,
				Require: []store.Require{{Kind: store.Group, ID: id, Version: expect}},
				Members: []store.MemberChange{{Group: id, Remove: part}}})
			if err != nil {
				return err
			}
			expect, begun = res.Revision, true
		}
		if b.Members, err = d.leaveAll(ctx, id); err != nil {
			return err
		}
		// A group that is its own member is emptied once.
		b.Members = slices.DeleteFunc(b.Members, func(m store.MemberChange) bool { return m.Group == id })
		if len(members) > 0 {
			b.Members = append(b.Members, store.MemberChange{Group: id, Remove: members})
		}
		b.Put = []store.Put{{Record: store.Record{Kind: store.Tombstone, ID: id}}}
		b.Delete = []store.Delete{{Kind: store.Group, ID: id, Expect: expect}}
		b.Events = []store.Event{{Type: store.GroupDeleted, Kind: store.Group, ID: id}}
		if err := d.reindex(ctx, b, store.Group, id, was.keys, keySet{}); err != nil {
			return err
		}
		_, err = d.store.Commit(ctx, d.tenant, b)
		return err
	})
}
