package scimmodule

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// principal is who a token stands for.
type principal struct {
	tenant string
	token  string // the token's id, for logs and the change log
}

// verdict is what the store said of a token, for a short while.
type verdict struct {
	who     principal
	ok      bool
	expires time.Time // of the token; zero for never
	until   time.Time // of the verdict
}

// verdictLife is how long a verdict is trusted: what is revoked elsewhere ends
// here within this time.
const verdictLife = 4 * time.Second

// maxVerdicts bounds the memory for verdicts.
const maxVerdicts = 10_000

// authenticate finds out whose token a request bears (RFC 6750 §2.1), before
// anything else is looked at. The error is a 401 that reveals nothing, or a 503
// where the store cannot say.
func (s *Service) authenticate(r *http.Request) (principal, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return principal{}, unauthorized("The request has no bearer token: send the header \"Authorization: Bearer\" with the secret token after it.")
	}
	h := token.HashOf(secret)
	if p, ok := s.static[h]; ok {
		return p, nil
	}
	bad := unauthorized("The bearer token is not valid: it is mistyped, expired or revoked. Ask the service for a new secret token.")
	if !token.WellFormed(secret) {
		return principal{}, bad
	}
	v, err := s.verdict(r.Context(), h)
	if err != nil {
		return principal{}, scimerr.Unavailable(5, err, "The token cannot be checked now, because the store cannot be reached. Send the request again later.")
	}
	if !v.ok || !v.expires.IsZero() && !time.Now().Before(v.expires) {
		return principal{}, bad
	}
	return v.who, nil
}

func unauthorized(detail string) error {
	return &scimerr.Error{Status: http.StatusUnauthorized, Detail: detail}
}

// challenge is the WWW-Authenticate header of a 401 (RFC 6750 §3): an error code
// only where a token was sent.
func challenge(r *http.Request) string {
	if scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(secret) != "" {
		return `Bearer realm="scim", error="invalid_token"`
	}
	return `Bearer realm="scim"`
}

func (s *Service) verdict(ctx context.Context, h token.Hash) (verdict, error) {
	s.mu.RLock()
	v, ok := s.verdicts[h]
	revoked := s.revoked
	s.mu.RUnlock()
	if ok && time.Now().Before(v.until) {
		return v, nil
	}
	until := time.Now().Add(verdictLife)
	v, err := s.ask(ctx, h)
	if err != nil {
		return verdict{}, err
	}
	v.until = until
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revoked != revoked {
		return v, nil // a token was revoked since the store was asked: ask again next time
	}
	if len(s.verdicts) >= maxVerdicts {
		clear(s.verdicts)
	}
	s.verdicts[h] = v
	return v, nil
}

// ask looks a token up: by its public id, and then by the whole hash.
func (s *Service) ask(ctx context.Context, h token.Hash) (verdict, error) {
	rs, err := s.store.Get(ctx, store.SystemTenant, store.Token, h.ID())
	if err != nil || len(rs) == 0 {
		return verdict{}, err
	}
	b, err := readToken(rs[0])
	if err != nil {
		return verdict{}, err
	}
	if kept, ok := token.ParseHash(b.Hash); !ok || !kept.Equal(h) {
		return verdict{}, nil
	}
	if _, err := s.tenant(ctx, b.Tenant); err != nil {
		if errors.Is(err, ErrUnknownTenant) {
			return verdict{}, nil
		}
		return verdict{}, err
	}
	return verdict{ok: true, who: principal{tenant: b.Tenant, token: rs[0].ID}, expires: b.Expires}, nil
}

func (s *Service) forgetVerdicts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked++
	clear(s.verdicts)
}
