package tenancy

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// roll is the ids of all tokens. It is called only while somebody is throttled:
// a token that is on it is looked up even then, so that a valid one is never
// refused for its address, and what is not on it costs nothing.
type roll struct {
	ids  atomic.Pointer[map[string]struct{}] // nil before it was read
	turn chan struct{}                       // holds an element while somebody reads it
	read time.Time                           // when that was last tried
}

// onRoll tells whether there is a token of the hash's id. The roll is read again
// where it is too old, by one request at a time; the others take it as it is, or
// wait where there is none yet.
func (t *Tenancy) onRoll(ctx context.Context, h token.Hash) bool {
	if t.roll.ids.Load() != nil {
		select {
		case t.roll.turn <- struct{}{}:
		default:
			return t.isOnRoll(h)
		}
	} else {
		select {
		case t.roll.turn <- struct{}{}:
		case <-ctx.Done():
			return false
		}
	}
	defer func() { <-t.roll.turn }()
	if time.Since(t.roll.read) >= freshFor {
		t.readRoll(ctx)
	}
	return t.isOnRoll(h)
}

func (t *Tenancy) isOnRoll(h token.Hash) bool {
	ids := t.roll.ids.Load()
	if ids == nil {
		return false
	}
	_, ok := (*ids)[h.ID()]
	return ok
}

// readRoll goes on when the request has ended that it is read for: who is
// throttled could keep it from being read otherwise.
func (t *Tenancy) readRoll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), freshFor)
	defer cancel()
	ids := map[string]struct{}{}
	err := t.registry.TokenIDs(ctx, func(id string) { ids[id] = struct{}{} })
	t.roll.read = time.Now()
	if err != nil {
		t.log.LogAttrs(ctx, slog.LevelWarn, "the list of tokens could not be read", slog.Any("error", err))
		return
	}
	t.roll.ids.Store(&ids)
}
