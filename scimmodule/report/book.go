package report

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

const (
	// maxTenants is how many tenants may wait to be written down.
	maxTenants = 10_000

	soon     = time.Second      // from the first entry to the first flush
	interval = 30 * time.Second // between flushes
	farewell = 5 * time.Second  // for the last flush
)

// Entry is a finished request of an authenticated client.
type Entry struct {
	Operation    string // as in the request log
	ResourceType string // User, Group or empty
	Status       int
	ScimType     string // of the error, if any
	// Changed tells that a change was made.
	Changed bool
	// Tally is read before Add returns; nil is an empty one.
	Tally *schema.Tally
}

// Book counts what this process serves, and writes it down: one record of the
// system tenant for each tenant, shared by all processes over one store. It is
// safe for concurrent use.
//
// What was not yet written is lost when the process is killed. What was written
// is counted once, also where the store could not tell whether a commit was
// applied: the record remembers the last flush of the 16 processes that wrote
// last. Only where more processes write between an uncertain commit and the
// next look at the record, that flush may be counted twice.
type Book struct {
	store   store.Store
	log     *slog.Logger
	process string // tells processes apart
	now     func() time.Time

	wake, full chan struct{}

	mu      sync.Mutex
	pages   map[string]*page // of the tenants with something to write
	flushes uint64
	lost    int  // entries for which there was no room
	ended   bool // Run has
	late    bool // what came after that is about to be written
}

// page is what is not written down yet of one tenant.
type page struct {
	turn chan struct{} // held by whoever writes
	// sent, guarded by turn, is being written; it stays as it is, under its mark,
	// until it is known to be applied.
	sent *sheet
	mark mark

	// Guarded by the book's mu.
	pending *sheet // what came since; nil where nothing has
	waiting int    // how many hold the turn or wait for it
	forgot  bool
}

// New returns a book over a store. It does no I/O. Without a log it is silent.
func New(s store.Store, log *slog.Logger) *Book {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Book{
		store: s, log: log, process: rand.Text()[:10], now: time.Now,
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1),
		pages: map[string]*page{},
	}
}

// Add counts a request of a tenant that finished at a time. It does no I/O. While
// 10,000 tenants wait to be written down, those of others are not counted.
func (b *Book) Add(tenant string, at time.Time, e Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[tenant]
	if p == nil {
		if len(b.pages) >= maxTenants {
			b.lost++
			signal(b.full)
			return
		}
		p = &page{turn: make(chan struct{}, 1)}
		b.pages[tenant] = p
	}
	if p.pending == nil {
		p.pending = newSheet()
	}
	p.pending.add(at, e)
	if b.ended && !b.late {
		b.late = true
		time.AfterFunc(soon, b.writeLate)
	}
	signal(b.wake)
}

// writeLate writes down what was counted after Run has ended: requests outlive the
// configuration that they began under.
func (b *Book) writeLate() {
	b.mu.Lock()
	b.late = false
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	b.flush(ctx)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Forget drops what is not written down of a tenant: it was deleted. The record
// is left to whoever deletes the tenant; a flush under way here, or one of a
// process that does not know of the deletion yet, may still make it anew.
func (b *Book) Forget(tenant string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.pages[tenant]; p != nil {
		p.forgot = true
		delete(b.pages, tenant)
	}
}

// Run writes down until ctx ends: a second after an entry that follows a quiet
// time, else every 30 seconds, and a last time at the end, for at most 5
// seconds. While the store is away what is counted waits.
func (b *Book) Run(ctx context.Context) {
	var last time.Time
	failing := false
	for b.await(ctx, last, failing) {
		failing = b.flush(ctx)
		last = b.now()
		if failing {
			signal(b.wake)
		}
	}
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	b.flush(end)
}

// await waits for the next flush; it returns false when ctx ends.
func (b *Book) await(ctx context.Context, last time.Time, failing bool) bool {
	select {
	case <-ctx.Done():
		return false
	case <-b.wake:
	}
	full := b.full
	if failing {
		full = nil // there is no hurry that could help
	}
	t := time.NewTimer(max(soon, interval-b.now().Sub(last)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-full:
	case <-t.C:
	}
	return true
}

// flush is Flush with its failure logged.
func (b *Book) flush(ctx context.Context) (failed bool) {
	b.mu.Lock()
	lost := b.lost
	b.lost = 0
	b.mu.Unlock()
	if lost > 0 {
		b.log.LogAttrs(ctx, slog.LevelWarn, "requests are missing from reports: too many tenants wait to be written", slog.Int("requests", lost))
	}
	err := b.Flush(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		b.log.LogAttrs(ctx, slog.LevelWarn, "reports could not be written", slog.Any("error", err))
	}
	return err != nil
}

// Flush writes down what was counted. After an error it is kept, to be written
// with the next flush.
func (b *Book) Flush(ctx context.Context) error {
	b.mu.Lock()
	tenants := slices.Sorted(maps.Keys(b.pages))
	b.mu.Unlock()
	var errs []error
	for _, tenant := range tenants {
		err := b.write(ctx, tenant)
		if err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) {
			break // it would be the same for the others
		}
	}
	return errors.Join(errs...)
}

// Read returns the report of a tenant, after it has written down what this
// process has counted of it. A tenant of whom nothing is known has an empty one.
// Errors: the store's, and one where the stored report is damaged.
func (b *Book) Read(ctx context.Context, tenant string) (Report, error) {
	if err := b.write(ctx, tenant); err != nil {
		return Report{}, err
	}
	s, _, err := b.load(ctx, tenant)
	if err != nil {
		return Report{}, err
	}
	return s.sheet().report(tenant, b.now()), nil
}

// write writes down what waits of one tenant.
func (b *Book) write(ctx context.Context, tenant string) error {
	b.mu.Lock()
	p := b.pages[tenant]
	if p == nil {
		b.mu.Unlock()
		return nil
	}
	p.waiting++
	b.mu.Unlock()
	var err error
	select {
	case p.turn <- struct{}{}:
		// What an earlier flush left, and what came since: what comes now has time.
		for range 2 {
			if b.take(p); p.sent == nil {
				break
			}
			if err = b.commit(ctx, tenant, p); err != nil {
				err = fmt.Errorf("report of tenant %s: %w", tenant, err)
				break
			}
			p.sent = nil
		}
		b.leave(tenant, p, true)
	case <-ctx.Done():
		err = ctx.Err()
		b.leave(tenant, p, false)
	}
	return err
}

// take moves what came since into sent, unless that still waits.
func (b *Book) take(p *page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.forgot {
		p.sent, p.pending = nil, nil
	}
	if p.sent != nil || p.pending == nil {
		return
	}
	b.flushes++
	p.sent, p.pending = p.pending, nil
	p.mark = mark{b.process, b.flushes}
}

// leave gives the turn back, and forgets a page that has nothing to write.
func (b *Book) leave(tenant string, p *page, turn bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.waiting--
	if turn {
		if p.waiting == 0 && p.sent == nil && p.pending == nil && !p.forgot {
			delete(b.pages, tenant)
		}
		<-p.turn
	}
}

func (b *Book) forgotten(p *page) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return p.forgot
}

// load reads a tenant's record, and the version that it has; 0 where there is
// none.
func (b *Book) load(ctx context.Context, tenant string) (*stored, uint64, error) {
	rs, err := b.store.Get(ctx, store.SystemTenant, store.Report, tenant)
	if err != nil {
		return nil, 0, err
	}
	if len(rs) == 0 {
		return &stored{V: 1}, 0, nil
	}
	s, err := decode(rs[0].Body)
	if err != nil {
		return nil, 0, fmt.Errorf("the stored report of tenant %s is damaged (%w): it is left as it is, and counts nothing until it is removed", tenant, err)
	}
	return s, rs[0].Version, nil
}

// commit adds what is sent to the tenant's record, unless it is there already.
func (b *Book) commit(ctx context.Context, tenant string, p *page) error {
	uncertain := 0
	for n := 1; ; n++ {
		s, version, err := b.load(ctx, tenant)
		if err != nil || s.has(p.mark) || b.forgotten(p) {
			return err
		}
		s.merge(p.sent)
		s.set(p.mark)
		body, err := s.encode()
		if err != nil {
			return err
		}
		_, err = b.store.Commit(ctx, store.SystemTenant, &store.Batch{
			Time: b.now().UTC().Truncate(time.Millisecond),
			Put:  []store.Put{{Record: store.Record{Kind: store.Report, ID: tenant, Body: body}, Expect: version}},
		})
		var conflict *store.ConflictError
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrUncertain) && uncertain == 0:
			uncertain++ // the record tells
		case errors.As(err, &conflict) && n < 20:
			// Another process was faster.
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(n) * time.Millisecond):
		}
	}
}
