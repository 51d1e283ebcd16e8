package tenancy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/lease"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// background is the actor of what the service does by itself.
const background = "retention"

const (
	// roundEvery is how often all tenants are looked after, by one node.
	roundEvery = time.Hour
	// checkEvery is how often a node looks whether a round is due.
	checkEvery = time.Minute
	// countEvery is how often a node counts tenants and tokens, for the metrics.
	countEvery = 5 * time.Minute
	// againAfter is how long after a failure it looks again.
	againAfter = 30 * time.Second
)

// Run does the work that no request asks for, until ctx ends: it purges archived
// users whose retention is over, brings what is stored in line with an allow list
// that was narrowed, erases deleted tenants, warns of tokens that expire, and
// writes the report and the last use of tokens. The rounds over all tenants run
// on one node at a time, and go on where they were after a restart.
func (t *Tenancy) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { t.book.Run(ctx) })
	wg.Go(func() { t.uses.run(ctx) })
	wg.Go(func() { t.lookAfter(ctx) })
	// The first round is run whoever had the last: this configuration may keep
	// less than that one.
	first, counted := true, time.Time{}
	for {
		start := time.Now()
		ran, err := lease.Job{Store: t.store, Name: "housekeeping", Node: t.node, Every: roundEvery}.Run(ctx, first, t.round)
		if ctx.Err() != nil {
			return
		}
		wait := checkEvery
		if err != nil {
			wait = againAfter
			t.log.LogAttrs(ctx, slog.LevelWarn, "housekeeping failed and is tried again", slog.Any("error", err), slog.Duration("in", wait))
		}
		if ran || err != nil {
			t.observer.Housekeeping(err == nil, time.Since(start))
		}
		first = first && (!ran || err != nil)
		if ran || time.Since(counted) >= countEvery {
			counted = time.Now()
			if err := t.count(ctx, ran); err != nil && ctx.Err() == nil {
				t.log.LogAttrs(ctx, slog.LevelWarn, "tenants and tokens could not be counted", slog.Any("error", err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// lookAfter looks after the tenants that something was changed of here, some at
// a time: to erase one takes a while.
func (t *Tenancy) lookAfter(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, 4)
	for {
		var name string
		select {
		case <-ctx.Done():
			return
		case name = <-t.wake:
		}
		select {
		case <-ctx.Done():
			return
		case free <- struct{}{}:
		}
		wg.Go(func() {
			defer func() { <-free }()
			rec, err := t.registry.Tenant(ctx, name)
			if err == nil {
				err = t.tend(ctx, rec)
			}
			if err == nil || ctx.Err() != nil {
				return
			}
			t.log.LogAttrs(ctx, slog.LevelWarn, "a tenant could not be looked after, and is so again", slog.String("tenant", name), slog.Any("error", err), slog.Duration("in", againAfter))
			time.AfterFunc(againAfter, func() { t.look(name) })
		})
	}
}

// round looks after all tenants.
func (t *Tenancy) round(ctx context.Context) error {
	var failed error
	tend := func(rec registry.Tenant) error {
		err := t.tend(ctx, rec)
		if err == nil {
			return nil
		}
		failed = errors.Join(failed, fmt.Errorf("tenant %s: %w", rec.Name, err))
		if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUncertain) {
			return failed // the others would wait for the store too
		}
		return nil
	}
	met := map[string]bool{}
	for after := ""; ; {
		list, next, err := t.registry.Tenants(ctx, after, 1000)
		if err != nil {
			return err
		}
		for _, rec := range list {
			met[rec.Name] = true
			if err := tend(rec); err != nil {
				return err
			}
		}
		if after = next; after == "" {
			break
		}
	}
	for name := range t.declared {
		if !met[name] {
			if err := tend(registry.Tenant{Name: name}); err != nil {
				return err
			}
		}
	}
	return failed
}

// tend looks after one tenant.
func (t *Tenancy) tend(ctx context.Context, rec registry.Tenant) error {
	if rec.Damaged != nil {
		return rec.Damaged
	}
	if !rec.Deleted.IsZero() {
		err := t.erase(ctx, rec)
		if errors.Is(err, errElsewhere) {
			time.AfterFunc(elsewhereAfter, func() { t.look(rec.Name) })
			return nil
		}
		if err != nil {
			return err
		}
	}
	s, err := t.Of(ctx, rec.Name)
	if errors.Is(err, registry.ErrUnknownTenant) || errors.Is(err, registry.ErrDeleting) || errors.Is(err, ErrImporting) {
		return nil // nothing to look after, or not yet
	}
	if errors.Is(err, ErrUnfit) {
		t.log.LogAttrs(ctx, slog.LevelError, "a tenant is not served: change its settings, or the configuration", slog.String("tenant", rec.Name), slog.Any("error", err))
		return nil
	}
	if err != nil {
		return err
	}
	c := directory.Call{Actor: background}
	purged, perr := s.Directory.PurgeExpired(ctx, c)
	rewritten, serr := s.Directory.Sweep(ctx, c)
	if purged > 0 {
		t.observer.Users("purged", purged)
	}
	if purged+rewritten > 0 {
		t.log.LogAttrs(ctx, slog.LevelInfo, "housekeeping", slog.String("tenant", rec.Name), slog.Int("purged", purged), slog.Int("narrowed", rewritten))
	}
	return errors.Join(perr, serr)
}

// count tells the observer how many tenants and tokens there are.
func (t *Tenancy) count(ctx context.Context, logged bool) error {
	all, paused := 0, 0
	for after := ""; ; {
		list, next, err := t.Entries(ctx, after, 1000)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Deleting {
				continue
			}
			all++
			if e.Paused {
				paused++
			}
		}
		if after = next; after == "" {
			break
		}
	}
	t.observer.Tenants(all, paused)
	return t.countTokens(ctx, logged)
}
