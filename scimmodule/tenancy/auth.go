package tenancy

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// Principal is who a token stands for.
type Principal struct {
	Tenant string
	Token  string // the token's id, for logs and the change log
	// ReadOnly is for a token of scope read.
	ReadOnly bool
}

// Errors of Authenticate, besides those of the store. Which of the reasons it was
// that a token is not valid is for the metrics alone.
var (
	ErrNoToken      = errors.New("no bearer token")
	ErrInvalidToken = errors.New("the token is not valid")
)

// ThrottledError is the error of an address that has sent too many tokens which
// are not valid.
type ThrottledError struct{ RetryAfter time.Duration }

// Error implements error.
func (*ThrottledError) Error() string {
	return "too many tokens that are not valid came from this address"
}

// Authenticate finds out whose token a request bears, and what is in force for
// that tenant. A token that is malformed costs no look-up, and neither does one
// that there is not, from an address that is throttled. A valid one is never
// refused for its address, which customers of one identity provider share.
func (t *Tenancy) Authenticate(ctx context.Context, secret string, client netip.Addr) (Principal, *Standing, error) {
	if secret == "" {
		t.observer.Authenticated("missing")
		return Principal{}, nil, ErrNoToken
	}
	p, standing, outcome, err := t.judge(ctx, secret, client)
	switch {
	case err != nil && outcome == "":
		t.observer.Authenticated("unavailable")
		return Principal{}, nil, err
	case outcome == "ok":
		t.observer.Authenticated(outcome)
		return p, standing, nil
	case outcome != "throttled":
		wait, throttled := t.failures.Throttled(client, time.Now())
		if !throttled {
			t.failures.Fail(client, time.Now())
			t.observer.Authenticated(outcome)
			return Principal{}, nil, ErrInvalidToken
		}
		err = &ThrottledError{wait}
	}
	t.observer.Authenticated("throttled")
	return Principal{}, nil, err
}

// judge returns "ok", what is wrong with the token, or an error of the store.
func (t *Tenancy) judge(ctx context.Context, secret string, client netip.Addr) (p Principal, s *Standing, outcome string, err error) {
	h := token.HashOf(secret)
	if p, ok := t.static[h]; ok {
		s, err := t.Of(ctx, p.Tenant)
		return p, s, okOr(err), err
	}
	if !token.WellFormed(secret) {
		return p, nil, "malformed", nil
	}
	tok, known, fresh := t.verdict(h)
	switch {
	case fresh && !known:
		return p, nil, "unknown", nil
	case !known:
		if wait, throttled := t.failures.Throttled(client, time.Now()); throttled && !t.onRoll(ctx, h) {
			return p, nil, "throttled", &ThrottledError{wait}
		}
	}
	if !fresh {
		if tok, known, err = t.ask(ctx, h); err != nil {
			return p, nil, "", err
		}
		if !known {
			return p, nil, "unknown", nil
		}
	}
	switch {
	case !tok.Expires.IsZero() && !time.Now().Before(tok.Expires):
		return p, nil, "expired", nil
	case !mayComeFrom(tok.Addresses, client):
		return p, nil, "address", nil
	}
	s, err = t.Of(ctx, tok.Tenant)
	if errors.Is(err, registry.ErrUnknownTenant) || errors.Is(err, registry.ErrDeleting) {
		return p, nil, "unknown", nil
	}
	if err != nil {
		return p, nil, "", err
	}
	t.uses.touch(tok.ID, time.Now())
	return Principal{Tenant: tok.Tenant, Token: tok.ID, ReadOnly: tok.Scope == registry.Read}, s, "ok", nil
}

func okOr(err error) string {
	if err != nil {
		return ""
	}
	return "ok"
}

// mayComeFrom tells whether a list of ranges has the address; an empty list has all.
func mayComeFrom(ranges []netip.Prefix, client netip.Addr) bool {
	client = client.Unmap()
	return len(ranges) == 0 || slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(client) })
}

// Take lets one more request of a tenant pass, or tells how long to wait.
func (t *Tenancy) Take(name string, s *Standing) (wait time.Duration, ok bool) {
	return t.rates.Take(name, s.Settings.Rate.Requests, s.Settings.Rate.Burst, time.Now())
}
