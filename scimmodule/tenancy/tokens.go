package tenancy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
)

// warnBefore is how long before its expiry a token is warned of.
const warnBefore = 30 * 24 * time.Hour

// Mint makes a token and returns its secret, of which this is the only copy.
// Where create is set, the tenant is made if there is none. Errors:
// registry.ErrUnknownTenant, registry.ErrInvalid, registry.ErrDeleting and the
// store's.
func (t *Tenancy) Mint(ctx context.Context, tok registry.Token, create bool) (secret string, _ registry.Token, _ error) {
	if tok.Scope == "" {
		tok.Scope = registry.Provision
	}
	if err := tok.Check(); err != nil {
		return "", tok, err
	}
	if create {
		err := t.Create(ctx, tok.Tenant, registry.Settings{}, false)
		if errors.Is(err, registry.ErrExists) {
			if _, known := t.Entry(ctx, tok.Tenant); known == nil {
				err = nil
			}
		}
		if err != nil {
			return "", tok, err
		}
	}
	t.forget(tok.Tenant)
	if _, err := t.Of(ctx, tok.Tenant); err != nil {
		return "", tok, err
	}
	secret, tok, err := t.registry.Mint(ctx, tok)
	if err != nil {
		return "", tok, err
	}
	t.learn(secret, tok)
	t.log.LogAttrs(ctx, slog.LevelInfo, "token minted", slog.String("tenant", tok.Tenant), slog.String("token", tok.ID))
	return secret, tok, nil
}

// Tokens lists the minted tokens of a tenant, oldest first, and the ids of its
// static ones. Errors: registry.ErrUnknownTenant and the store's.
func (t *Tenancy) Tokens(ctx context.Context, name string) (minted []registry.Token, static []string, err error) {
	if _, err := t.Entry(ctx, name); err != nil {
		return nil, nil, err
	}
	err = t.registry.Tokens(ctx, name, func(tok registry.Token) {
		if last := t.uses.last(tok.ID); last.After(tok.Used) {
			tok.Used = last.UTC().Truncate(time.Second)
		}
		minted = append(minted, tok)
	})
	slices.SortFunc(minted, func(a, b registry.Token) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return minted, t.declared[name].tokens, err
}

// CountTokens returns how many tokens a tenant has, static ones included.
func (t *Tenancy) CountTokens(ctx context.Context, name string) (int, error) {
	n, err := t.registry.CountTokens(ctx, name)
	return n + len(t.declared[name].tokens), err
}

// Revoke ends a minted token: at once on this node, within five seconds on
// others. Errors: registry.ErrUnknownToken, registry.ErrInvalid for a static
// one, and the store's.
func (t *Tenancy) Revoke(ctx context.Context, name, id string) error {
	if slices.Contains(t.declared[name].tokens, id) {
		return fmt.Errorf("%w: the token is in the configuration: remove it there and reload", registry.ErrInvalid)
	}
	err := t.registry.Revoke(ctx, name, id)
	t.forgetVerdicts() // also where the store's answer was lost
	if err == nil {
		t.log.LogAttrs(ctx, slog.LevelInfo, "token revoked", slog.String("tenant", name), slog.String("token", id))
	}
	return err
}

// Warning tells of a token that expires within 30 days or has expired; it is
// empty for others.
func Warning(tok registry.Token, now time.Time) string {
	if tok.Damaged != nil {
		return "its record is damaged, and it is not valid: revoke it"
	}
	switch left := tok.Expires.Sub(now); {
	case tok.Expires.IsZero() || left > warnBefore:
		return ""
	case left <= 0:
		return "it has expired: mint another, and revoke this one"
	case left < 24*time.Hour:
		return "it expires within a day: mint another, and have it entered at the identity provider"
	default:
		return fmt.Sprintf("it expires in %d days: mint another, and have it entered at the identity provider", int(left.Hours()/24))
	}
}

// expiries are the sentences of Warnings, for a while: probes ask often, and to
// answer takes a look at all tokens.
type expiries struct {
	list  []string
	until time.Time
}

// expiriesFor is how long they hold, unless this process mints or revokes.
const expiriesFor = 30 * time.Second

// Warnings are sentences about tokens of all tenants that expire within 30 days.
func (t *Tenancy) Warnings(ctx context.Context) ([]string, error) {
	now := time.Now()
	t.mu.RLock()
	known, revoked := t.expiries, t.verdicts.revoked
	t.mu.RUnlock()
	if now.Before(known.until) {
		return known.list, nil
	}
	var list []string
	err := t.registry.Tokens(ctx, "", func(tok registry.Token) {
		if w := Warning(tok, now); w != "" && now.Before(tok.Expires) {
			list = append(list, fmt.Sprintf("token %s of tenant %s: %s", tok.ID, tok.Tenant, w))
		}
	})
	if err != nil {
		return nil, err
	}
	list = slices.Clip(list) // whoever asks adds to it
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.verdicts.revoked == revoked {
		t.expiries = expiries{list, now.Add(expiriesFor)}
	}
	return list, nil
}

// countTokens tells the observer of expiries, and where logged is set the log,
// once a day for each token.
func (t *Tenancy) countTokens(ctx context.Context, logged bool) error {
	now := time.Now()
	var next time.Time
	expiring, expired := 0, 0
	err := t.registry.Tokens(ctx, "", func(tok registry.Token) {
		switch {
		case tok.Expires.IsZero():
			return
		case !now.Before(tok.Expires):
			expired++
			return
		case next.IsZero() || tok.Expires.Before(next):
			next = tok.Expires
		}
		w := Warning(tok, now)
		if w == "" {
			return
		}
		expiring++
		if logged && t.warnOnce(tok.ID, now) {
			t.log.LogAttrs(ctx, slog.LevelWarn, "a token is about to expire: mint another, and have it entered at the identity provider",
				slog.String("tenant", tok.Tenant), slog.String("token", tok.ID), slog.Time("expires", tok.Expires))
		}
	})
	if err == nil {
		t.observer.Tokens(expiring, expired, next)
	}
	return err
}

// warnOnce is true once a day for each token.
func (t *Tenancy) warnOnce(id string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.warned[id]) < 24*time.Hour {
		return false
	}
	t.warned[id] = now
	return true
}
