package directory

import (
	"context"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// purgeAtOnce is how many archived users are purged over one pass of the log.
const purgeAtOnce = 500

// PurgeExpired purges the archived users whose retention is over, for good: the
// profile, and the bodies in the change log. What stays is the bare id, so that
// it is never used again. It returns how many were purged. Several processes may
// run it at once.
func (d *Directory) PurgeExpired(ctx context.Context, c Call) (int, error) {
	if d.set.ArchiveRetention <= 0 {
		return 0, nil
	}
	before := d.now().Add(-d.set.ArchiveRetention)
	purged := 0
	for after := ""; ; {
		p, err := d.store.Scan(ctx, d.tenant, store.Query{Kind: store.Archived, After: after, Limit: purgeAtOnce})
		if err != nil {
			return purged, err
		}
		var expired []store.Record
		for _, r := range p.Records {
			if r.ArchivedAt.Before(before) {
				expired = append(expired, r)
			}
		}
		n, err := d.purge(ctx, c, expired)
		if purged += n; err != nil {
			return purged, err
		}
		if after = p.Next; after == "" {
			return purged, nil
		}
	}
}

// Purge erases one archived user for good. The error is a 404 where the archive
// has none of that id.
func (d *Directory) Purge(ctx context.Context, c Call, id string) error {
	for {
		rs, err := d.store.Get(ctx, d.tenant, store.Archived, id)
		if err != nil {
			return err
		}
		if len(rs) == 0 {
			return scimerr.New(404, scimerr.None, "The archive has no user with the id %s.", clipID(id))
		}
		// Nobody is purged who changes meanwhile: look again.
		if n, err := d.purge(ctx, c, rs); n > 0 || err != nil {
			return err
		}
	}
}

// purge first redacts the log: a crash in between leaves an archived user who is
// purged next time, and never a body without an owner.
func (d *Directory) purge(ctx context.Context, c Call, rs []store.Record) (purged int, err error) {
	if len(rs) == 0 {
		return 0, nil
	}
	ids := map[string]bool{}
	for _, r := range rs {
		ids[r.ID] = true
	}
	_, err = d.store.Redact(ctx, d.tenant, func(e store.Change) bool { return e.Record != nil && ids[e.ID] })
	if err != nil {
		return 0, err
	}
	for _, r := range rs {
		// What is damaged goes too; nothing is known of its keys then.
		l, _ := d.load(r)
		b := &store.Batch{
			Time:   d.timestamp(),
			Actor:  c.Actor,
			Put:    []store.Put{{Record: store.Record{Kind: store.Tombstone, ID: r.ID}}},
			Delete: []store.Delete{{Kind: store.Archived, ID: r.ID, Expect: r.Version}},
			Events: []store.Event{{Type: store.UserPurged, Kind: store.Archived, ID: r.ID}},
		}
		if err := d.reindex(ctx, b, store.Archived, r.ID, l.keys, keySet{}); err != nil {
			return purged, err
		}
		_, err = d.store.Commit(ctx, d.tenant, b)
		switch {
		case err == nil:
			purged++
		case !isConflict(err): // a conflict: restored or purged meanwhile
			return purged, err
		}
	}
	return purged, nil
}
