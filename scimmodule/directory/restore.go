package directory

import (
	"context"
	"errors"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Restore brings an archived user back to life by hand: under its id, with the
// attributes that the allow list of today keeps, and active or provisional only
// if it was so when it was archived: to reactivate a user is the business of
// SCIM. Its memberships were dropped when it was archived and do not come back.
// Errors: 404 where the archive has none of that id, 409 uniqueness where a live
// user has its userName or another of its unique values by now.
func (d *Directory) Restore(ctx context.Context, c Call, id string) (r store.Record, err error) {
	err = d.retry(ctx, id, func() error {
		a, err := d.archived(ctx, id)
		if err != nil {
			return err
		}
		was, err := d.load(a)
		if err != nil {
			return err
		}
		now := d.record(store.User, id, was.attrs)
		now.Provisional = was.Provisional
		r, err = d.restoreUser(ctx, c, was, now, was.attrs)
		var u *store.UniqueError
		if errors.As(err, &u) {
			return scimerr.New(409, scimerr.Uniqueness,
				"A live user has the %s of this archived user by now. Change or delete the live user first, or leave this one in the archive.", d.attributeOf(u))
		}
		return err
	})
	return r, err
}
