package tenancy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/lease"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

// settleFor is how long after its deletion began a tenant is left alone: by then
// every node has learned of it, and nearly every request that began before is over.
const settleFor = 5 * time.Second

// stragglersUntil is how long after it was erased a tenant is erased once more:
// by then the last request that began before its deletion has ended.
const stragglersUntil = time.Hour

// erasure is a deletion under way on this node.
type erasure struct {
	erased  atomic.Int64
	running bool          // somebody carries it out
	done    chan struct{} // closed when it has ended, well or not
}

// Deletion tells how far a deletion is.
type Deletion struct {
	Erased int // keys of the store, so far, as far as this node knows
	Done   bool
}

// Delete deletes a tenant with everything of theirs: tokens at once, users,
// groups, archive and log in the background, which goes on after a restart and on
// another node. It waits for the end for a while; call it again to wait longer.
// A tenant that the configuration no longer declares is deleted as well. Errors:
// registry.ErrUnknownTenant, registry.ErrInvalid for one that the configuration
// declares, and the store's.
func (t *Tenancy) Delete(ctx context.Context, name string, wait time.Duration) (Deletion, error) {
	if err := registry.CheckName(name); err != nil {
		return Deletion{}, err
	}
	if _, ok := t.declared[name]; ok {
		return Deletion{}, fmt.Errorf("%w: the configuration declares %s: remove it there, reload, and delete it then", registry.ErrInvalid, name)
	}
	left, err := t.leavings(ctx, name)
	if err != nil {
		return Deletion{}, err
	}
	begun := false
	rec, err := t.registry.Update(ctx, name, func(rec *registry.Tenant) error {
		switch begun = false; {
		case rec.Erased && !left:
			return errDone
		case !rec.Deleted.IsZero() && !rec.Erased:
			return errUnderWay
		case !rec.Live() && !left && !rec.Erased:
			return fmt.Errorf("%w %s", registry.ErrUnknownTenant, name)
		}
		begun = true
		rec.Settings, rec.Paused, rec.Deleted, rec.Erased = registry.Settings{}, false, time.Now().UTC().Truncate(time.Millisecond), false
		return nil
	})
	switch {
	case errors.Is(err, errDone):
		return Deletion{Done: true}, nil
	case errors.Is(err, errUnderWay):
	case err != nil:
		return Deletion{}, err
	}
	if begun {
		t.changed(ctx, "deleting a tenant with everything of theirs", name)
		if err := t.revokeAll(ctx, name); err != nil {
			return Deletion{}, err
		}
	}
	return t.await(ctx, rec, wait)
}

var (
	errDone     = errors.New("erased already")
	errUnderWay = errors.New("being erased already")
)

// leavings tells whether anything is stored of a tenant.
func (t *Tenancy) leavings(ctx context.Context, name string) (bool, error) {
	n, err := t.registry.CountTokens(ctx, name)
	if err != nil || n > 0 {
		return n > 0, err
	}
	if importing, err := transfer.Importing(ctx, t.store, name); err != nil || importing {
		return importing, err
	}
	for _, k := range []store.Kind{store.User, store.Group, store.Archived, store.Tombstone} {
		p, err := t.store.Scan(ctx, name, store.Query{Kind: k})
		if err != nil || p.Total > 0 {
			return p.Total > 0, err
		}
	}
	return false, nil
}

func (t *Tenancy) revokeAll(ctx context.Context, name string) error {
	var ids []string
	if err := t.registry.Tokens(ctx, name, func(tok registry.Token) { ids = append(ids, tok.ID) }); err != nil {
		return err
	}
	defer t.forgetVerdicts()
	for _, id := range ids {
		if err := t.registry.Revoke(ctx, name, id); err != nil && !errors.Is(err, registry.ErrUnknownToken) {
			return err
		}
	}
	return nil
}

// await waits for an erasure, which Run carries out.
func (t *Tenancy) await(ctx context.Context, rec registry.Tenant, wait time.Duration) (Deletion, error) {
	e, _ := t.erasureOf(rec.Name, false)
	t.look(rec.Name)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-e.done:
	case <-timer.C:
	case <-ctx.Done():
		return Deletion{}, ctx.Err()
	}
	now, err := t.registry.Tenant(ctx, rec.Name)
	return Deletion{Erased: int(e.erased.Load()), Done: now.Erased}, err
}

// erasureOf returns the erasure under way of a tenant, or one that is to come.
// With carry, the caller is to carry it out unless somebody does.
func (t *Tenancy) erasureOf(name string, carry bool) (e *erasure, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e = t.erasures[name]; e == nil {
		e = &erasure{done: make(chan struct{})}
		t.erasures[name] = e
	}
	mine = carry && !e.running
	e.running = e.running || carry
	return e, mine
}

func (t *Tenancy) endErasure(name string, e *erasure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.erasures, name)
	close(e.done)
}

// erase carries out a deletion, or what is left of one.
func (t *Tenancy) erase(ctx context.Context, rec registry.Tenant) error {
	if _, declared := t.declared[rec.Name]; declared && rec.Erased {
		return nil // it is a new tenant by now
	}
	if rec.Erased {
		if time.Since(rec.Deleted) < stragglersUntil {
			return nil
		}
		return t.eraseAgain(ctx, rec)
	}
	e, mine := t.erasureOf(rec.Name, true)
	if !mine {
		return nil
	}
	defer t.endErasure(rec.Name, e)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(rec.Deleted.Add(settleFor))):
	}
	done := false
	ran, err := t.alone(ctx, rec.Name, func(ctx context.Context) (err error) {
		// Another node may have finished it, and the name may be a new tenant's by now.
		if now, err := t.registry.Tenant(ctx, rec.Name); err != nil || !now.Same(rec) {
			return err
		}
		if err := t.drop(ctx, rec.Name, func(n int) { e.erased.Store(int64(n)) }); err != nil {
			return err
		}
		_, err = t.registry.Update(ctx, rec.Name, func(now *registry.Tenant) error {
			if !now.Same(rec) {
				return errDone
			}
			now.Erased = true
			return nil
		})
		if done = err == nil; errors.Is(err, errDone) {
			err = nil
		}
		return err
	})
	t.forget(rec.Name)
	switch {
	case err != nil:
		return err
	case !ran:
		return errElsewhere
	case done:
		if err := t.forgetLease(ctx, rec.Name); err != nil {
			return err
		}
		t.log.LogAttrs(ctx, slog.LevelInfo, "tenant erased", slog.String("tenant", rec.Name), slog.Int64("keys", e.erased.Load()))
	}
	return nil
}

// errElsewhere says that another node is erasing the tenant.
var errElsewhere = fmt.Errorf("%w, by another node", registry.ErrDeleting)

const (
	// eraseJob is what the names of erasing jobs begin with.
	eraseJob = "erase:"
	// eraseTTL is how long after a node has crashed another goes on: somebody waits.
	eraseTTL = 10 * time.Second
	// elsewhereAfter is when to look again whether another node has erased a tenant.
	elsewhereAfter = 5 * time.Second
)

// alone runs f while no other node erases the tenant: what one erases must not be
// what another has made anew under the name.
func (t *Tenancy) alone(ctx context.Context, name string, f func(context.Context) error) (ran bool, err error) {
	return lease.Job{Store: t.store, Name: eraseJob + name, Node: t.node, TTL: eraseTTL}.Run(ctx, true, f)
}

// eraseAgain erases what stragglers wrote, and removes the record of the deleted
// tenant.
func (t *Tenancy) eraseAgain(ctx context.Context, rec registry.Tenant) error {
	ran, err := t.alone(ctx, rec.Name, func(ctx context.Context) error {
		now, err := t.dropErased(ctx, rec)
		if errors.Is(err, errDone) {
			return nil // somebody else has done it, or has made a tenant of the name
		}
		if err != nil {
			return err
		}
		return t.registry.Remove(ctx, now)
	})
	if !ran || err != nil {
		return err
	}
	return t.forgetLease(ctx, rec.Name)
}

// forgetLease removes what the job has left about the tenant.
func (t *Tenancy) forgetLease(ctx context.Context, name string) error {
	_, err := t.store.Commit(ctx, store.SystemTenant, &store.Batch{
		Time:   time.Now().UTC().Truncate(time.Millisecond),
		Delete: []store.Delete{{Kind: store.Lease, ID: eraseJob + name, Expect: store.Any}},
	})
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		return nil // gone already
	}
	return err
}

// dropErased erases what stragglers wrote of a tenant that was erased, under its
// record as being deleted: until that is done nobody can make another of the
// name. It returns the record; the error is errDone where it has changed since rec.
func (t *Tenancy) dropErased(ctx context.Context, rec registry.Tenant) (registry.Tenant, error) {
	now, err := t.registry.Update(ctx, rec.Name, func(now *registry.Tenant) error {
		if !now.Same(rec) {
			return errDone
		}
		now.Erased = false
		return nil
	})
	if err != nil {
		return now, err
	}
	if err := t.drop(ctx, rec.Name, nil); err != nil {
		// It is as erased as it was. Where that cannot be written, a round goes on.
		_, _ = t.registry.Update(context.WithoutCancel(ctx), rec.Name, func(again *registry.Tenant) error {
			if !again.Same(now) {
				return errDone
			}
			again.Erased = true
			return nil
		})
		return now, err
	}
	return now, nil
}

// drop erases what a tenant has, and what is kept about it.
func (t *Tenancy) drop(ctx context.Context, name string, progress func(int)) error {
	if err := t.revokeAll(ctx, name); err != nil {
		return err
	}
	t.book.Forget(name)
	if err := t.registry.Forget(ctx, name); err != nil {
		return err
	}
	if err := t.store.Drop(ctx, name, progress); err != nil {
		return err
	}
	return t.importer.Forget(ctx, name)
}
