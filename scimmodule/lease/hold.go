package lease

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// hold is a job's record as one node knows it.
type hold struct {
	job     Job
	state   state
	version uint64 // of the record; 0 for none
	// renewed is when the write began that the state is of.
	renewed time.Time
	// attempt is a state that may have been written: the store did not say.
	attempt *attempt
}

type attempt struct {
	state state
	began time.Time
}

// read reads the record. One that cannot be understood is as good as none: what
// it holds only saves work.
func (h *hold) read(ctx context.Context) error {
	rs, err := h.job.Store.Get(ctx, store.SystemTenant, store.Lease, h.job.Name)
	if err != nil {
		return err
	}
	h.state, h.version = state{}, 0
	if len(rs) == 0 {
		return nil
	}
	h.version = rs[0].Version
	if json.Unmarshal(rs[0].Body, &h.state) != nil {
		h.state = state{}
	}
	return nil
}

// write replaces the record if nobody else has since it was last seen; ErrLost
// where somebody has.
func (h *hold) write(ctx context.Context, s state) error {
	if _, err := h.settle(ctx); err != nil {
		return err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	began := time.Now()
	res, err := h.job.Store.Commit(ctx, store.SystemTenant, &store.Batch{
		Time:  h.job.now(),
		Actor: actor,
		Put:   []store.Put{{Record: store.Record{Kind: store.Lease, ID: h.job.Name, Body: body}, Expect: h.version}},
	})
	var conflict *store.ConflictError
	switch {
	case err == nil:
		h.state, h.version, h.renewed = s, res.Revision, began
		return nil
	case errors.As(err, &conflict):
		return fmt.Errorf("%w: another node has job %s", ErrLost, h.job.Name)
	case errors.Is(err, store.ErrUnavailable):
		return err
	}
	h.attempt = &attempt{s, began}
	if applied, serr := h.settle(ctx); applied || errors.Is(serr, ErrLost) {
		return serr
	}
	return err
}

// settle finds out whether a write was applied of which the store did not say.
// Where this fails, the next write tries again.
func (h *hold) settle(ctx context.Context) (applied bool, err error) {
	if h.attempt == nil {
		return false, nil
	}
	seen := hold{job: h.job}
	if err := seen.read(ctx); err != nil {
		return false, err
	}
	switch {
	case seen.version == h.version:
	case seen.state.equal(h.attempt.state):
		h.state, h.version, h.renewed = seen.state, seen.version, h.attempt.began
		applied = true
	default:
		return false, fmt.Errorf("%w: another node has job %s", ErrLost, h.job.Name)
	}
	h.attempt = nil
	return applied, nil
}

func (s state) equal(o state) bool {
	return s.Holder == o.Holder && s.Until.Equal(o.Until) && s.Done.Equal(o.Done)
}

// keep renews the lease each third of its time until stop is called or ctx ends.
// When it is lost, or two thirds have passed without a renewal, it cancels: what
// is left is for the job to come to an end. Until stop has returned, the hold is
// keep's alone.
func (h *hold) keep(ctx context.Context, cancel context.CancelCauseFunc) (stop func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if err := h.renew(ctx); err != nil {
				cancel(err)
				return
			}
		}
	}()
	return func() {
		cancel(nil)
		<-ended
	}
}

// renew waits until the lease has to be renewed, and then tries for as long as
// there is time. The error is ErrLost, or that of ctx.
func (h *hold) renew(ctx context.Context) error {
	third := h.job.TTL / 3
	limited, done := context.WithDeadline(ctx, h.renewed.Add(2*third))
	defer done()
	var err error
	for wait := time.Until(h.renewed.Add(third)); ; wait = third / 4 {
		select {
		case <-time.After(wait):
		case <-limited.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: job %s could not be renewed: %w", ErrLost, h.job.Name, cmp.Or(err, limited.Err()))
		}
		err = h.write(limited, state{Holder: h.job.Node, Until: h.job.now().Add(h.job.TTL), Done: h.state.Done})
		if err == nil || errors.Is(err, ErrLost) {
			return err
		}
	}
}

// end gives the lease up, also where ctx has ended, so that another node need not
// wait for it to run out.
func (h *hold) end(ctx context.Context, finished bool) error {
	s := state{Done: h.state.Done}
	if finished {
		s.Done = h.job.now()
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), h.job.TTL/3)
	defer done()
	if err := h.write(ctx, s); err != nil {
		return fmt.Errorf("lease: ending job %s: %w", h.job.Name, err)
	}
	return nil
}
