package caddy

import (
	"context"
	"errors"
	"strconv"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// outcome is the status, or its class where nobody would set an alarm on it.
func outcome(status int) string {
	switch status {
	case 401, 404, 409, 412, 429, 503:
		return strconv.Itoa(status)
	}
	return strconv.Itoa(status/100) + "xx"
}

// storeOutcome classifies the error of a store's call.
func storeOutcome(err error) string {
	switch {
	case err == nil || errors.Is(err, store.ErrNotFound):
		return "ok"
	case errors.Is(err, store.ErrUncertain):
		return "uncertain"
	case errors.Is(err, store.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return "canceled"
	case errors.Is(err, store.ErrTooLarge) || isRefusal(err):
		return "refused"
	}
	return "error"
}

// isRefusal tells whether a precondition of a commit did not hold, or a reader
// of the change log fell behind.
func isRefusal(err error) bool {
	var (
		conflict  *store.ConflictError
		unique    *store.UniqueError
		missing   *store.MissingError
		truncated *store.TruncatedError
	)
	return errors.As(err, &conflict) || errors.As(err, &unique) || errors.As(err, &missing) || errors.As(err, &truncated)
}
