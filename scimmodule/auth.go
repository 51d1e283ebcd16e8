package scimmodule

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/tenancy"
)

// pauseRetry is after how many seconds a client of a paused tenant is to come
// back.
const pauseRetry = 60

// authenticate finds out whose token the request bears (RFC 6750 §2.1), before
// anything else is looked at, and whether the tenant takes a request now. The
// error is a 401 that reveals nothing, a 429, or a 503 where the store cannot
// say or the tenant is paused.
func (x *exchange) authenticate(target Target) error {
	who, standing, err := x.tenancy.Authenticate(x.r.Context(), bearer(x.r), target.Client)
	var throttled *tenancy.ThrottledError
	switch {
	case err == nil:
	case errors.Is(err, tenancy.ErrNoToken):
		return unauthorized("The request has no bearer token: send the header \"Authorization: Bearer\" with the secret token after it.")
	case errors.Is(err, tenancy.ErrInvalidToken):
		return unauthorized("The bearer token is not valid: it is mistyped, expired or revoked. Ask the service for a new secret token.")
	case errors.As(err, &throttled):
		return tooMany("authentication", throttled.RetryAfter, "Too many requests with a token that is not valid came from your address. Check the secret token, and send the request again later.")
	case errors.Is(err, tenancy.ErrImporting), errors.Is(err, registry.ErrDeleting):
		return scimerr.Unavailable(pauseRetry, nil, "The tenant's data are being moved by the service. Send the request again later.")
	case errors.Is(err, tenancy.ErrUnfit):
		return scimerr.Unavailable(pauseRetry, err, "The tenant's settings need the attention of the people who run the service. Send the request again later.")
	default:
		return scimerr.Unavailable(5, err, "The token and its tenant cannot be looked up now, because the store cannot be reached. Send the request again later.")
	}
	x.who, x.dir = who, standing.Directory
	if standing.Paused {
		return scimerr.Unavailable(pauseRetry, nil, "Provisioning for this tenant is paused by the service. Nothing is lost: send the request again later.")
	}
	if wait, ok := x.tenancy.Take(who.Tenant, standing); !ok {
		return tooMany("rate", wait, "The tenant sends more requests than the %d a second that it may. Send the request again later.", standing.Settings.Rate.Requests)
	}
	return nil
}

// bearer returns the request's bearer token; empty where it has none.
func bearer(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

func unauthorized(detail string) error {
	return &scimerr.Error{Status: http.StatusUnauthorized, Detail: detail}
}

// tooMany is a 429 (RFC 6585 §4) that names the time to wait in whole seconds.
func tooMany(limit string, wait time.Duration, format string, args ...any) error {
	e := scimerr.New(http.StatusTooManyRequests, scimerr.None, format, args...).At(limit)
	e.RetryAfter = max(1, int(math.Ceil(wait.Seconds())))
	return e
}

// mayWrite refuses a token of scope read (RFC 6750 §3.1).
func (x *exchange) mayWrite() error {
	if !x.who.ReadOnly {
		return nil
	}
	return errReadOnly
}

var errReadOnly = scimerr.New(http.StatusForbidden, scimerr.None, "The bearer token may only read. Use a token of scope provision to change users and groups.")

// challenge is the WWW-Authenticate header of a 401 (RFC 6750 §3): an error code
// only where a token was sent.
func challenge(r *http.Request) string {
	if bearer(r) != "" {
		return `Bearer realm="scim", error="invalid_token"`
	}
	return `Bearer realm="scim"`
}
