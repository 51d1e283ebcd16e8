package tenancy

import (
	"context"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// verdicts are what the store said of tokens.
type verdicts struct {
	// valid outlive their freshness: they are asked for again, also for an
	// address that is throttled.
	valid map[token.Hash]validToken
	// unknown are remembered so that a client which keeps trying costs little.
	unknown map[token.Hash]time.Time // until when
	revoked uint64                   // counts revocations, which end all verdicts
}

type validToken struct {
	registry.Token
	until time.Time
}

// The memory for verdicts is bounded.
const (
	maxValid   = 100_000
	maxUnknown = 10_000
)

func newVerdicts() verdicts {
	return verdicts{valid: map[token.Hash]validToken{}, unknown: map[token.Hash]time.Time{}}
}

// verdict returns what is remembered of a token: known tells that it was valid,
// fresh that the store need not be asked.
func (t *Tenancy) verdict(h token.Hash) (tok registry.Token, known, fresh bool) {
	now := time.Now()
	t.mu.RLock()
	defer t.mu.RUnlock()
	if v, ok := t.verdicts.valid[h]; ok {
		return v.Token, true, now.Before(v.until)
	}
	return registry.Token{}, false, now.Before(t.verdicts.unknown[h])
}

// ask looks a token up and remembers what the store says.
func (t *Tenancy) ask(ctx context.Context, h token.Hash) (registry.Token, bool, error) {
	t.mu.RLock()
	revoked := t.verdicts.revoked
	t.mu.RUnlock()
	until := time.Now().Add(freshFor)
	tok, found, err := t.registry.Token(ctx, h)
	if err != nil {
		return tok, false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	v := &t.verdicts
	if !found {
		delete(v.valid, h)
	}
	if v.revoked != revoked {
		return tok, found, nil // a token was revoked since the store was asked: ask again next time
	}
	if found {
		delete(v.unknown, h)
		v.keep(h, tok, until)
		return tok, true, nil
	}
	if len(v.unknown) >= maxUnknown {
		clear(v.unknown)
	}
	v.unknown[h] = until
	return tok, false, nil
}

func (v *verdicts) keep(h token.Hash, tok registry.Token, until time.Time) {
	if _, ok := v.valid[h]; !ok && len(v.valid) >= maxValid {
		for other := range v.valid { // any one: which is not worth a list
			delete(v.valid, other)
			break
		}
	}
	v.valid[h] = validToken{tok, until}
}

// learn remembers a token that was just minted, so that it passes from an
// address that is throttled.
func (t *Tenancy) learn(secret string, tok registry.Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.verdicts.keep(token.HashOf(secret), tok, time.Now().Add(freshFor))
	t.expiries = expiries{}
}

// forgetVerdicts ends all verdicts: a token was revoked, or the store has others.
func (t *Tenancy) forgetVerdicts() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.verdicts.revoked++
	t.expiries = expiries{}
	for h, v := range t.verdicts.valid {
		v.until = time.Time{}
		t.verdicts.valid[h] = v
	}
	clear(t.verdicts.unknown)
}
