package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// DefaultTTL is how long a lease lasts if nothing else is said.
const DefaultTTL = time.Minute

// ErrLost says that a job was broken off, or its end not noted, because its lease
// was lost: it could not be renewed in time, or another node has taken it.
var ErrLost = errors.New("lease: lost")

// actor is whom the store is told of.
const actor = "lease"

// Job is something that has to be done now and then, by any node.
//
// Nodes compare each other's times, so their clocks should agree to within half
// of TTL. Where a clock is further ahead than that, its node may take a job that
// another still runs; a time that is so far in the future that no clock which is
// right can have written it is not believed, so that a wrong clock never keeps a
// job from being run at all.
type Job struct {
	Store store.Store
	// Name is the job's, the same on all nodes: an id in the sense of
	// store.Record.
	Name string
	// Node is who we are, unique for each process.
	Node string
	// Every is how long after it was last finished, on any node, the job is due
	// again.
	Every time.Duration
	// TTL is how long the lease lasts that is not renewed, as it is that of a node
	// that has crashed. It should be the same on all nodes, and longer than the
	// store takes to answer. Default: DefaultTTL.
	TTL time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// state is the body of a job's record.
type state struct {
	Holder string    `json:"holder"` // the node that runs the job; empty for none
	Until  time.Time `json:"until"`  // when its lease ends
	Done   time.Time `json:"done"`   // when the job was last finished; zero for never
}

// Run runs f if the job is due, or force is set, and no other node is at it; ran
// tells whether it did. While f runs the lease is renewed; the context of f ends,
// with ErrLost as its cause, when that has failed for so long that the lease is
// about to run out, or another node has the lease.
//
// Errors: that of f, with which the job stays due, and ErrLost where its context
// ended for that; one of the store, such as store.ErrUnavailable, with ran false
// where f was not called, and true where its end could not be noted (ErrLost where
// another node has taken the lease by then).
func (j Job) Run(ctx context.Context, force bool, f func(ctx context.Context) error) (ran bool, err error) {
	j.TTL = cmp.Or(j.TTL, DefaultTTL)
	if j.Now == nil {
		j.Now = time.Now
	}
	h, err := j.acquire(ctx, force)
	if h == nil || err != nil {
		return false, err
	}
	work, cancel := context.WithCancelCause(ctx)
	stop := h.keep(work, cancel)
	defer stop() // where f panics
	err = f(work)
	stop()
	if cause := context.Cause(work); err != nil && errors.Is(cause, ErrLost) {
		err = errors.Join(cause, err)
	}
	return true, errors.Join(err, h.end(ctx, err == nil))
}

// now is the time in the store's resolution.
func (j Job) now() time.Time { return j.Now().UTC().Truncate(time.Millisecond) }

// acquire takes the lease; the hold is nil where the job is not due or another
// has the lease.
func (j Job) acquire(ctx context.Context, force bool) (*hold, error) {
	h := &hold{job: j}
	if err := h.read(ctx); err != nil {
		return nil, fmt.Errorf("lease: job %s: %w", j.Name, err)
	}
	now := j.now()
	if j.held(h.state, now) || !force && !j.due(h.state, now) {
		return nil, nil
	}
	err := h.write(ctx, state{Holder: j.Node, Until: now.Add(j.TTL), Done: h.state.Done})
	if errors.Is(err, ErrLost) {
		return nil, nil // another was quicker
	}
	if err != nil {
		return nil, fmt.Errorf("lease: job %s: %w", j.Name, err)
	}
	return h, nil
}

// held tells whether somebody has the lease: also this process, in another
// goroutine or under an earlier configuration.
func (j Job) held(s state, now time.Time) bool {
	left := s.Until.Sub(now)
	return s.Holder != "" && left > 0 && left <= 2*j.TTL
}

func (j Job) due(s state, now time.Time) bool {
	passed := now.Sub(s.Done)
	return passed >= j.Every || passed < -max(j.Every, j.TTL)
}
