package boltstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// errNothing makes bbolt roll back, and so not sync, a transaction in which no
// batch changed anything.
var errNothing = errors.New("nothing to write")

// request is a batch that waits for, or takes part in, a transaction.
type request struct {
	ctx    context.Context
	tenant string
	batch  *store.Batch
	leads  bool      // told to lead; guarded by queue.mu
	wake   chan bool // one message: whether to lead, or else that it is answered

	res store.Result
	err error
}

// queue holds the requests for the next transaction. One goroutine at a time
// leads: it runs everything that is queued in one transaction, on behalf of the
// others, and then hands over to the first of those that came meanwhile. So a
// lone commit starts at once, and under load a sync is shared by all that
// arrived during the one before.
type queue struct {
	mu      sync.Mutex
	waiting []*request // the first one leads, or is about to, unless empty
	led     bool       // whether there is a leader
	closed  bool
	active  sync.WaitGroup // commits under way
}

// join queues a request, and tells whether it leads. What it returns without an
// error must be followed by active.Done.
func (q *queue) join(r *request) (leads bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, fmt.Errorf("boltstore: closed: %w", store.ErrUnavailable)
	}
	q.active.Add(1)
	q.waiting = append(q.waiting, r)
	leads = !q.led
	r.leads = leads
	q.led = true
	return leads, nil
}

// leave takes a request out of the queue, unless it was taken into a
// transaction or told to lead.
func (q *queue) leave(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 || r.leads {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// take empties the queue for the leader.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	group := q.waiting
	q.waiting = nil
	return group
}

// pass hands the lead over.
func (q *queue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.led = false
		return
	}
	q.waiting[0].leads = true
	q.waiting[0].wake <- true
}

// close refuses further requests and waits for those under way.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.active.Wait()
}

// Commit implements store.Store. A batch whose context ends before a
// transaction takes it is not applied; after that Commit waits for the outcome.
// Every error but ErrUncertain means that nothing was applied.
func (s *Store) Commit(ctx context.Context, tenantName string, b *store.Batch) (store.Result, error) {
	if err := ctx.Err(); err != nil {
		return store.Result{}, err
	}
	if err := validate(tenantName, b); err != nil {
		return store.Result{}, err
	}
	return s.submit(&request{ctx: ctx, tenant: tenantName, batch: b, wake: make(chan bool, 1)})
}

// submit queues a request and returns its result.
func (s *Store) submit(r *request) (store.Result, error) {
	leads, err := s.queue.join(r)
	if err != nil {
		return store.Result{}, err
	}
	defer s.queue.active.Done()
	if !leads {
		select {
		case leads = <-r.wake:
		case <-r.ctx.Done():
			if s.queue.leave(r) {
				return store.Result{}, r.ctx.Err()
			}
			leads = <-r.wake
		}
	}
	if leads {
		s.lead(r)
	}
	return r.res, r.err
}

// lead runs the queued requests, own among them, and wakes the others. If it
// panics, they are told that their outcome is not known.
func (s *Store) lead(own *request) {
	group := s.queue.take()
	finished := false
	defer func() {
		s.queue.pass()
		for _, r := range group {
			if !finished {
				r.res, r.err = store.Result{}, fmt.Errorf("boltstore: commit broke off: %w", store.ErrUncertain)
			}
			if r != own {
				r.wake <- false
			}
		}
	}()
	s.transact(group)
	finished = true
}

// transact runs requests in one transaction and sets their results. Each is
// checked against what those before it left, and writes nothing if it fails.
func (s *Store) transact(group []*request) {
	var id int
	err := s.update(func(tx *bolt.Tx) error {
		id = tx.ID()
		w := writer{tx: tx, limit: s.limit, tenants: map[string]*tenant{}}
		for _, r := range group {
			if r.err = r.ctx.Err(); r.err != nil {
				continue
			}
			var fatal error
			r.res, r.err, fatal = w.commit(r.tenant, r.batch)
			if fatal != nil {
				return fatal
			}
		}
		return w.finish()
	})
	if err == nil || errors.Is(err, errNothing) {
		return
	}
	err = s.outcome(id, err)
	for _, r := range group {
		r.res, r.err = store.Result{}, err
	}
}

// outcome tells what a failed transaction left. bbolt rolls back, but when the
// very last sync fails, the transaction may be in the file already, and then
// readers see it.
func (s *Store) outcome(id int, cause error) error {
	visible := false
	err := s.read(func(tx *bolt.Tx) error {
		visible = id != 0 && tx.ID() >= id
		return nil
	})
	if err == nil && visible {
		return fmt.Errorf("boltstore: %w: %w", store.ErrUncertain, cause)
	}
	return unavailable(cause)
}

// writer applies batches within one transaction.
type writer struct {
	tx      *bolt.Tx
	limit   store.LogLimit
	tenants map[string]*tenant
}

// commit checks a batch and applies it. After a fatal error the transaction
// must be rolled back; err concerns the batch alone, which wrote nothing.
func (w *writer) commit(name string, b *store.Batch) (res store.Result, err, fatal error) {
	t := w.tenants[name]
	if t == nil {
		if t, err = openTenant(w.tx, name); err != nil {
			return store.Result{}, err, nil
		}
		w.tenants[name] = t
	}
	effects, err := t.check(b)
	if err != nil {
		return store.Result{}, err, nil
	}
	res, fatal = t.apply(b, effects, w.limit)
	return res, nil, fatal
}

// finish writes the state of the tenants that changed: every change raises the
// revision.
func (w *writer) finish() error {
	err := errNothing
	for _, t := range w.tenants {
		if t.state == t.saved {
			continue
		}
		if err := t.saveState(); err != nil {
			return err
		}
		err = nil
	}
	return err
}
