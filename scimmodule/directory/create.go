package directory

import (
	"context"
	"errors"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// CreateUser is POST of a resource decoded under the view's guide. Before it
// creates, it looks for the person who comes back: an inactive or provisional
// user who is revived or adopted, or an archived one who is restored; all keep
// their id. A live and active user of the same userName is a 409 uniqueness.
func (d *Directory) CreateUser(ctx context.Context, c Call, o *attr.Members) (r store.Record, err error) {
	end := d.counting(&c)
	defer func() { end(err) }()
	v := d.set.Views.User
	if _, err := d.prepare(v, c, o); err != nil {
		return r, err
	}
	if err := v.CheckRequired(o); err != nil {
		return r, err
	}
	// Taking turns by name leaves one create at a time to decide who comes back.
	err = d.retry(ctx, "userName "+attr.Fold(o.Text("userName")), func() error {
		was, err := d.whoReturns(ctx, o)
		switch {
		case err != nil:
			return err
		case was == nil:
			r, err = d.createUser(ctx, c, o)
		case was.Kind == store.Archived:
			r, err = d.restoreUser(ctx, c, *was, d.record(store.User, was.ID, o), o)
		default:
			event := userEvent(was.attrs, o)
			r, err = d.putUser(ctx, c, *was, o, patch.Changed(was.attrs, o), event)
		}
		return d.clash(err, true)
	})
	return r, err
}

func (d *Directory) createUser(ctx context.Context, c Call, o *attr.Members) (store.Record, error) {
	b := &store.Batch{Time: d.timestamp(), Actor: c.Actor}
	r := d.record(store.User, newID(b.Time), o)
	b.Put = []store.Put{{Record: r}}
	b.Events = []store.Event{{Type: store.UserCreated, Kind: store.User, ID: r.ID, Changed: patch.Changed(&attr.Members{}, o)}}
	if err := d.reindex(ctx, b, store.User, r.ID, keySet{}, d.keysOf(store.User, o)); err != nil {
		return r, err
	}
	return d.commitOne(ctx, b, r)
}

// restoreUser brings an archived user back under its id as r, which holds the
// attributes o. Its groups do not come back: the client sends memberships anew.
func (d *Directory) restoreUser(ctx context.Context, c Call, was loaded, r store.Record, o *attr.Members) (store.Record, error) {
	r.Created = was.Created
	b := &store.Batch{
		Time:   d.timestamp(),
		Actor:  c.Actor,
		Put:    []store.Put{{Record: r}},
		Delete: []store.Delete{{Kind: store.Archived, ID: was.ID, Expect: was.Version}},
		Events: []store.Event{{Type: store.UserRestored, Kind: store.User, ID: r.ID, Changed: patch.Changed(was.attrs, o)}},
	}
	if err := d.reindex(ctx, b, store.Archived, r.ID, was.keys, keySet{}); err != nil {
		return r, err
	}
	if err := d.reindex(ctx, b, store.User, r.ID, keySet{}, d.keysOf(store.User, o)); err != nil {
		return r, err
	}
	return d.commitOne(ctx, b, r)
}

// whoReturns finds the stored user whom a create means, in the order that the
// product promises; nil where it is a new one.
func (d *Directory) whoReturns(ctx context.Context, o *attr.Members) (*loaded, error) {
	ext := o.Text("externalId")
	l, err := d.byName(ctx, o.Text("userName"))
	if err != nil {
		return nil, err
	}
	if l != nil {
		if isActive(l.attrs) && !l.Provisional {
			return nil, taken(d.set.Views.User, "userName")
		}
		if !l.Provisional && differ(ext, l.attrs.Text("externalId")) {
			return nil, scimerr.New(409, scimerr.Uniqueness,
				"An inactive user with another externalId has this userName: it is taken for another person. Change the userName of one of them, or delete the inactive user.")
		}
		return l, nil
	}
	if l, err = d.byExternalID(ctx, ext); err != nil || l != nil {
		return l, err
	}
	return d.fromArchive(ctx, o.Text("userName"), ext)
}

// differ tells whether both are given and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// byName finds the live user of a userName; nil where there is none.
func (d *Directory) byName(ctx context.Context, userName string) (*loaded, error) {
	id, err := d.store.Lookup(ctx, d.tenant, store.User, folded(byUserName, userName))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := d.read(ctx, store.User, id)
	if err != nil {
		var gone *scimerr.Error
		if errors.As(err, &gone) && gone.Status == 404 {
			// Deleted since the look-up: decide again.
			return nil, &store.ConflictError{Kind: store.User, ID: id}
		}
		return nil, err
	}
	return &l, nil
}

// byExternalID finds the user whom an externalId means: the provisional user
// whom it named as a member, and, where the tenant matches by it, the one user,
// live or archived, who holds it, unless that one is live and active.
func (d *Directory) byExternalID(ctx context.Context, ext string) (*loaded, error) {
	if ext == "" {
		return nil, nil
	}
	if ValidID(ext) {
		rs, err := d.store.Get(ctx, d.tenant, store.User, ext)
		if err != nil {
			return nil, err
		}
		if len(rs) == 1 && rs[0].Provisional {
			l, err := d.load(rs[0])
			return &l, err
		}
	}
	if !d.set.MatchExternalID {
		return nil, nil
	}
	key := exact(byExternalID, ext)
	var held []store.Record
	for _, k := range []store.Kind{store.User, store.Archived} {
		p, err := d.store.Scan(ctx, d.tenant, store.Query{Kind: k, Key: &key, Limit: 2})
		if err != nil {
			return nil, err
		}
		held = append(held, p.Records...)
	}
	if len(held) != 1 {
		return nil, nil
	}
	l, err := d.load(held[0])
	if err != nil || l.Kind == store.User && isActive(l.attrs) && !l.Provisional {
		return nil, err
	}
	return &l, nil
}

// fromArchive finds the user who had the userName when archived, of several the
// latest, unless that one had another externalId.
func (d *Directory) fromArchive(ctx context.Context, userName, ext string) (*loaded, error) {
	key := folded(byUserName, userName)
	var latest *loaded
	for after := ""; ; {
		p, err := d.store.Scan(ctx, d.tenant, store.Query{Kind: store.Archived, Key: &key, After: after, Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, r := range p.Records {
			l, err := d.load(r)
			if err != nil {
				return nil, err
			}
			if differ(ext, l.attrs.Text("externalId")) {
				continue
			}
			if latest == nil || l.ArchivedAt.After(latest.ArchivedAt) || l.ArchivedAt.Equal(latest.ArchivedAt) && l.Version > latest.Version {
				latest = &l
			}
		}
		if after = p.Next; after == "" {
			return latest, nil
		}
	}
}

// clash turns a claimed key into the client's 409. Where a create clashes over
// the userName, deciding again tells more: the holder may be one who returns.
func (d *Directory) clash(err error, again bool) error {
	var u *store.UniqueError
	if !errors.As(err, &u) || again && u.Index == byUserName {
		return err
	}
	return taken(d.View(u.Kind), d.attributeOf(u))
}

// attributeOf names the attribute whose value is taken.
func (d *Directory) attributeOf(u *store.UniqueError) string {
	for _, r := range d.View(u.Kind).Unique() {
		if uniqueKey(r, "").Index == u.Index {
			return r.Name()
		}
	}
	return u.Index
}
