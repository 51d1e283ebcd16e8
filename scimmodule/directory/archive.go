package directory

import (
	"context"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// maxArchivePage is the longest page of the archive.
const maxArchivePage = 1000

// ArchiveQuery asks for archived users, in the order of their ids. UserName and
// ExternalID exclude each other.
type ArchiveQuery struct {
	// After starts behind this id; "" starts at the first.
	After string
	// Limit is how many users to return at the most, 1 to 1,000.
	Limit int
	// UserName selects those who had this userName, compared without case.
	UserName string
	// ExternalID selects those who had this externalId, compared with case.
	ExternalID string
}

// ArchivePage is a part of the archive.
type ArchivePage struct {
	Records []store.Record
	// Total counts all users whom the query selects.
	Total int
	// Next is the id to give as After for the following page; "" when this was
	// the last.
	Next string
}

// Archive lists archived users as the allow list of today shows them. Errors: 400
// for a Limit out of range, an After that is no id, and two selections at once.
func (d *Directory) Archive(ctx context.Context, q ArchiveQuery) (ArchivePage, error) {
	s := store.Query{Kind: store.Archived, After: q.After, Limit: q.Limit}
	switch {
	case q.Limit < 1 || q.Limit > maxArchivePage:
		return ArchivePage{}, scimerr.BadRequest(scimerr.InvalidCount, "The limit has to be between 1 and %d.", maxArchivePage)
	case q.After != "" && !ValidID(q.After):
		return ArchivePage{}, scimerr.BadRequest(scimerr.InvalidCursor, "The page has to begin after an id.")
	case q.UserName != "" && q.ExternalID != "":
		return ArchivePage{}, scimerr.BadRequest(scimerr.InvalidValue, "Archived users are selected by userName or by externalId, not by both.")
	case q.UserName != "":
		key := folded(byUserName, q.UserName)
		s.Key = &key
	case q.ExternalID != "":
		if !d.set.Views.User.Keeps(byExternalID) {
			return ArchivePage{}, nil // until a sweep, the index still has what an earlier list kept
		}
		key := exact(byExternalID, q.ExternalID)
		s.Key = &key
	}
	p, err := d.store.Scan(ctx, d.tenant, s)
	if err != nil {
		return ArchivePage{}, storeError(err)
	}
	for i := range p.Records {
		if p.Records[i], err = d.refresh(p.Records[i]); err != nil {
			return ArchivePage{}, err
		}
	}
	return ArchivePage{Records: p.Records, Total: p.Total, Next: p.Next}, nil
}

// Archived returns one archived user as the allow list of today shows it. The
// error is a 404 where the archive has none of that id.
func (d *Directory) Archived(ctx context.Context, id string) (store.Record, error) {
	r, err := d.archived(ctx, id)
	if err != nil {
		return r, storeError(err)
	}
	return d.refresh(r)
}

func (d *Directory) archived(ctx context.Context, id string) (store.Record, error) {
	var rs []store.Record
	if ValidID(id) {
		var err error
		if rs, err = d.store.Get(ctx, d.tenant, store.Archived, id); err != nil {
			return store.Record{}, err
		}
	}
	if len(rs) == 0 {
		return store.Record{}, scimerr.New(404, scimerr.None, "The archive has no user with the id %s.", clipID(id))
	}
	return rs[0], nil
}

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

// Purge erases one archived user for good, as PurgeExpired does. The error is a
// 404 where the archive has none of that id.
func (d *Directory) Purge(ctx context.Context, c Call, id string) error {
	return d.retry(ctx, id, func() error {
		r, err := d.archived(ctx, id)
		if err != nil {
			return err
		}
		// Nobody is purged who changes meanwhile: look again.
		n, err := d.purge(ctx, c, []store.Record{r})
		if n == 0 && err == nil {
			err = &store.ConflictError{Kind: store.Archived, ID: id}
		}
		return err
	})
}

// purge first redacts the log: a crash in between leaves an archived user who is
// purged next time, and never a body without an owner. What the log tells of a
// user who comes back meanwhile is left in it.
func (d *Directory) purge(ctx context.Context, c Call, rs []store.Record) (purged int, err error) {
	if len(rs) == 0 {
		return 0, nil
	}
	versions := map[string]uint64{}
	for _, r := range rs {
		versions[r.ID] = r.Version
	}
	_, err = d.store.Redact(ctx, d.tenant, func(e store.Change) bool { return e.Record != nil && e.Seq <= versions[e.ID] })
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
