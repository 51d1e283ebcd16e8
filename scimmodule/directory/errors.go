package directory

import (
	"context"
	"errors"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// retryAfter is what a client is asked to wait, in seconds, when the store is
// away: short, because identity providers wait long on their own.
const retryAfter = 5

// storeError turns a store's error into one for the client. Errors for the
// client pass, and so do conflicts, which the caller retries.
func storeError(err error) error {
	var e *scimerr.Error
	switch {
	case err == nil, errors.As(err, &e), isConflict(err):
		return err
	case errors.Is(err, store.ErrUncertain):
		return scimerr.Unavailable(retryAfter, err, "The store did not confirm the change in time; it may have been applied. Read the resource, or send the request again.")
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return scimerr.Unavailable(retryAfter, err, "The store cannot be reached; nothing was changed. Send the request again later.")
	case errors.Is(err, store.ErrTooLarge):
		return &scimerr.Error{Status: 413, Detail: "The request changes too much at once; send it in several parts.", Limit: "commit", Cause: err}
	}
	return err
}

// isConflict tells whether the state changed between reading and committing, so
// that the use case has to decide again.
func isConflict(err error) bool {
	var c *store.ConflictError
	var u *store.UniqueError
	var m *store.MissingError
	return errors.As(err, &c) || errors.As(err, &u) || errors.As(err, &m)
}
