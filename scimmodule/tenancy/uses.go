package tenancy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
)

// useEvery is how often at most the last use of a token is written.
const useEvery = time.Minute

// uses notes when tokens were last used, and writes it in the background.
type uses struct {
	registry *registry.Registry
	log      *slog.Logger

	mu    sync.Mutex
	by    map[string]*use // by token id
	dirty chan struct{}   // something is due
}

type use struct {
	last    time.Time // the last use
	written time.Time // the last use that was written
	tried   time.Time
}

func newUses(r *registry.Registry, log *slog.Logger) *uses {
	return &uses{registry: r, log: log, by: map[string]*use{}, dirty: make(chan struct{}, 1)}
}

// touch notes a use. It does not block.
func (u *uses) touch(id string, at time.Time) {
	u.mu.Lock()
	n := u.by[id]
	if n == nil {
		n = new(use)
		u.by[id] = n
	}
	n.last = at
	due := at.Sub(n.tried) >= useEvery
	u.mu.Unlock()
	if due {
		select {
		case u.dirty <- struct{}{}:
		default:
		}
	}
}

// last returns when this process last saw the token; zero for never.
func (u *uses) last(id string) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := u.by[id]; n != nil {
		return n.last
	}
	return time.Time{}
}

// run writes until ctx ends, and then once more.
func (u *uses) run(ctx context.Context) {
	tick := time.NewTicker(useEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			u.write(last, time.Time{})
			return
		case <-tick.C:
		case <-u.dirty:
		}
		u.write(ctx, time.Now().Add(-useEvery))
	}
}

// write writes the uses that were not tried since; a zero time stands for all.
func (u *uses) write(ctx context.Context, since time.Time) {
	due := map[string]time.Time{}
	u.mu.Lock()
	for id, n := range u.by {
		switch {
		case n.last.Equal(n.written):
			if time.Since(n.last) > time.Hour {
				delete(u.by, id) // idle, or revoked
			}
		case since.IsZero() || !n.tried.After(since):
			due[id] = n.last
			n.tried = time.Now()
		}
	}
	u.mu.Unlock()
	for id, at := range due {
		if err := u.registry.Touch(ctx, id, at); err != nil {
			if ctx.Err() == nil {
				u.log.LogAttrs(ctx, slog.LevelWarn, "the last use of a token could not be noted", slog.String("token", id), slog.Any("error", err))
			}
			return // the others would fail as well; all are tried again in a minute
		}
		u.mu.Lock()
		if n := u.by[id]; n != nil {
			n.written = at
		}
		u.mu.Unlock()
	}
}
