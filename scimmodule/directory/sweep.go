package directory

import (
	"context"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// sweepEvery is how often a directory is looked through although its allow list
// is the same: another node may have written under an older one.
const sweepEvery = 24 * time.Hour

// Sweep brings what is stored in line with an allow list that was narrowed:
// users, groups, the archive, the indexes and the bodies in the change log. What
// a list that was widened would add is not there and does not come. It returns
// how many records were rewritten; it may be run again after an error, and by
// several processes at once.
func (d *Directory) Sweep(ctx context.Context, c Call) (int, error) {
	done, err := d.swept(ctx)
	if done || err != nil {
		return 0, err
	}
	rewritten := 0
	for _, k := range []store.Kind{store.User, store.Group, store.Archived} {
		q := store.Query{Kind: k, Limit: scanPage}
		for {
			p, err := d.store.Scan(ctx, d.tenant, q)
			if err != nil {
				return rewritten, err
			}
			for _, r := range p.Records {
				if len(d.excess(r)) == 0 {
					continue
				}
				changed, err := d.narrowRecord(ctx, c, r)
				if err != nil {
					return rewritten, err
				}
				if changed {
					rewritten++
				}
			}
			if q.After = p.Next; q.After == "" {
				break
			}
		}
	}
	// The log last: its entries are dropped only where a later one tells the
	// same resource's state without what is no longer kept.
	_, err = d.store.Redact(ctx, d.tenant, func(e store.Change) bool {
		return e.Record != nil && len(d.excess(*e.Record)) > 0
	})
	if err != nil {
		return rewritten, err
	}
	return rewritten, d.markSwept(ctx)
}

// excess names what a record holds and the allow list of today does not keep.
func (d *Directory) excess(r store.Record) []string {
	if r.Allow == d.set.Views.Fingerprint || len(r.Body) == 0 {
		return nil
	}
	raw, err := attr.DecodeObject(r.Body, nil, storedLimits)
	if err != nil {
		return nil
	}
	raw.Delete("schemas")
	raw.Delete("id")
	kept := raw.Clone()
	d.View(viewKind(r.Kind)).Prune(kept, nil)
	return patch.Changed(raw, kept)
}

// narrowRecord rewrites a record that holds more than is kept. One that changes
// meanwhile is looked at again: a change of members leaves the rest as it was.
func (d *Directory) narrowRecord(ctx context.Context, c Call, r store.Record) (rewritten bool, err error) {
	err = d.retry(ctx, r.ID, func() error {
		rs, err := d.store.Get(ctx, d.tenant, r.Kind, r.ID)
		if err != nil || len(rs) == 0 {
			return err
		}
		rewritten, err = d.narrowOnce(ctx, c, rs[0])
		return err
	})
	return rewritten, err
}

func (d *Directory) narrowOnce(ctx context.Context, c Call, r store.Record) (bool, error) {
	changed := d.excess(r)
	if len(changed) == 0 {
		return false, nil
	}
	l, err := d.load(r)
	if err != nil {
		return false, err
	}
	n := d.record(r.Kind, r.ID, l.attrs)
	n.Created, n.Provisional, n.ArchivedAt = r.Created, r.Provisional, r.ArchivedAt
	event := map[store.Kind]store.EventType{store.User: store.UserUpdated, store.Group: store.GroupUpdated, store.Archived: store.UserArchived}[r.Kind]
	b := &store.Batch{
		Time:   d.timestamp(),
		Actor:  c.Actor,
		Put:    []store.Put{{Record: n, Expect: r.Version}},
		Events: []store.Event{{Type: event, Kind: r.Kind, ID: r.ID, Changed: changed}},
	}
	if err := d.reindex(ctx, b, r.Kind, r.ID, l.keys, d.keysOf(r.Kind, l.attrs)); err != nil {
		return false, err
	}
	_, err = d.store.Commit(ctx, d.tenant, b)
	return err == nil, err
}

// The mark of a finished sweep is a record in the system tenant: its Allow is
// the fingerprint that was swept for.

func (d *Directory) swept(ctx context.Context) (bool, error) {
	m, err := d.mark(ctx)
	if err != nil {
		return false, err
	}
	return m.Allow == d.set.Views.Fingerprint && d.now().Sub(m.Modified) < sweepEvery, nil
}

func (d *Directory) mark(ctx context.Context) (store.Record, error) {
	rs, err := d.store.Get(ctx, store.SystemTenant, store.Sweep, d.tenant)
	if err != nil || len(rs) == 0 {
		return store.Record{}, err
	}
	return rs[0], nil
}

func (d *Directory) markSwept(ctx context.Context) error {
	m, err := d.mark(ctx)
	if err != nil {
		return err
	}
	r := store.Record{Kind: store.Sweep, ID: d.tenant, Allow: d.set.Views.Fingerprint}
	_, err = d.store.Commit(ctx, store.SystemTenant, &store.Batch{Time: d.timestamp(), Put: []store.Put{{Record: r, Expect: m.Version}}})
	if isConflict(err) {
		return nil // another process has just finished the same
	}
	return err
}
