package directory

import (
	"context"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// ReplaceUser is PUT (RFC 7644 §3.5.1) of a resource decoded under the view's
// guide. A resource without "active" keeps what is stored. It returns the
// record as it is afterwards; one that is unchanged keeps its version.
func (d *Directory) ReplaceUser(ctx context.Context, c Call, id string, o *attr.Members) (r store.Record, err error) {
	end := d.counting(&c)
	defer func() { end(err) }()
	if _, err := d.prepare(d.set.Views.User, c, o); err != nil {
		return store.Record{}, err
	}
	return d.changeUser(ctx, c, id, func(was loaded) (*attr.Members, error) {
		now := o.Clone()
		if _, said := now.Get("active"); !said {
			if active, ok := was.attrs.Get("active"); ok {
				now.Set("active", active)
			}
		}
		return now, d.set.Views.User.CheckRequired(now)
	})
}

// PatchUser is PATCH (RFC 7644 §3.5.2): all operations, or none.
func (d *Directory) PatchUser(ctx context.Context, c Call, id string, ops []patch.Operation, l attr.Limits) (r store.Record, err error) {
	end := d.counting(&c)
	defer func() { end(err) }()
	v := d.set.Views.User
	return d.changeUser(ctx, c, id, func(was loaded) (*attr.Members, error) {
		now := was.attrs.Clone()
		*c.Tally = schema.Tally{} // an attempt after a conflict counts anew
		if _, err := patch.Apply(v, now, ops, c.Tally, l); err != nil {
			return nil, err
		}
		derive(v, c, now)
		if _, said := now.Get("active"); !said && !isActive(was.attrs) {
			now.Set("active", attr.OfBool(false))
		}
		return now, d.stillRight(v, was.attrs, now)
	})
}

// stillRight checks that a PATCH takes no required attribute away. A resource
// that lacked one before, because it is provisional or older than the setting,
// must still be changeable: deactivating it matters more.
func (d *Directory) stillRight(v *schema.View, was, now *attr.Members) error {
	if err := checkNames(now); err != nil {
		return err
	}
	if err := d.checkSize(now); err != nil {
		return err
	}
	if v.CheckRequired(was) == nil {
		return v.CheckRequired(now)
	}
	return v.CheckIdentity(now)
}

// changeUser runs a change of one user by id. The first successful one ends the
// provisional state, even if it changes nothing else.
func (d *Directory) changeUser(ctx context.Context, c Call, id string, change func(was loaded) (*attr.Members, error)) (r store.Record, err error) {
	err = d.retry(ctx, id, func() error {
		was, err := d.read(ctx, store.User, id)
		if err != nil {
			return err
		}
		if err := c.check(was.Record); err != nil {
			return err
		}
		now, err := change(was)
		if err != nil {
			return err
		}
		if err := d.set.Views.User.CheckImmutable(was.attrs, now); err != nil {
			return err
		}
		changed := patch.Changed(was.attrs, now)
		if len(changed) == 0 && !was.Provisional {
			r, err = d.refresh(was.Record)
			return err
		}
		r, err = d.putUser(ctx, c, was, now, changed, userEvent(was.attrs, now))
		return d.clash(err, false)
	})
	return r, err
}

// userEvent names a change of a live user.
func userEvent(was, now *attr.Members) store.EventType {
	switch {
	case isActive(was) && !isActive(now):
		return store.UserDeactivated
	case !isActive(was) && isActive(now):
		return store.UserReactivated
	}
	return store.UserUpdated
}

// putUser writes a live user over an earlier state of its own.
func (d *Directory) putUser(ctx context.Context, c Call, was loaded, now *attr.Members, changed []string, event store.EventType) (store.Record, error) {
	r := d.record(store.User, was.ID, now)
	r.Created = was.Created
	b := &store.Batch{
		Time:   d.timestamp(),
		Actor:  c.Actor,
		Put:    []store.Put{{Record: r, Expect: was.Version}},
		Events: []store.Event{{Type: event, Kind: store.User, ID: r.ID, Changed: changed}},
	}
	if err := d.reindex(ctx, b, store.User, r.ID, was.keys, d.keysOf(store.User, now)); err != nil {
		return r, err
	}
	return d.commitOne(ctx, b, r)
}

// commitOne commits a batch whose one Put is r and returns r as it is stored.
func (d *Directory) commitOne(ctx context.Context, b *store.Batch, r store.Record) (store.Record, error) {
	res, err := d.store.Commit(ctx, d.tenant, b)
	if err != nil {
		return r, err
	}
	r.Version, r.Modified = res.Revision, b.Time
	if r.Created.IsZero() {
		r.Created = b.Time
	}
	return r, nil
}

// DeleteUser archives a user (RFC 7644 §3.6): it is gone from SCIM, its
// memberships are dropped and its names free, and its profile is kept.
func (d *Directory) DeleteUser(ctx context.Context, c Call, id string) error {
	return d.retry(ctx, id, func() error {
		was, err := d.read(ctx, store.User, id)
		if err != nil {
			return err
		}
		if err := c.check(was.Record); err != nil {
			return err
		}
		b := &store.Batch{Time: d.timestamp(), Actor: c.Actor}
		r := d.record(store.Archived, id, was.attrs)
		r.Created, r.ArchivedAt, r.Provisional = was.Created, b.Time, was.Provisional
		b.Put = []store.Put{{Record: r}}
		b.Delete = []store.Delete{{Kind: store.User, ID: id, Expect: was.Version}}
		b.Events = []store.Event{{Type: store.UserArchived, Kind: store.Archived, ID: id}}
		if err := d.reindex(ctx, b, store.User, id, was.keys, keySet{}); err != nil {
			return err
		}
		if err := d.reindex(ctx, b, store.Archived, id, keySet{}, d.keysOf(store.Archived, was.attrs)); err != nil {
			return err
		}
		if b.Members, err = d.leaveAll(ctx, id); err != nil {
			return err
		}
		_, err = d.store.Commit(ctx, d.tenant, b)
		return err
	})
}

// leaveAll takes a member out of all its groups.
func (d *Directory) leaveAll(ctx context.Context, id string) ([]store.MemberChange, error) {
	var changes []store.MemberChange
	err := d.eachEdge(ctx, store.EdgeQuery{Member: id}, func(g store.Member) error {
		changes = append(changes, store.MemberChange{Group: g.ID, Remove: []string{id}})
		return nil
	})
	return changes, err
}
