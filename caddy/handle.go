package caddy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

var errClosed = fmt.Errorf("%w: no configuration uses this store any more", store.ErrUnavailable)

// handle is a store that several configurations and requests share. It is
// opened at the first call, and closed a while after the last configuration and
// the last request have let it go.
type handle struct {
	pool *pool
	src  Source

	current atomic.Pointer[store.Store] // nil while it is not open
	opening chan struct{}               // holds an element while one opens

	mu      sync.Mutex
	refs    int         // configurations
	users   int         // requests under way
	timer   *time.Timer // runs while it lingers
	expired bool        // it has lingered, and waits for the last request
	closing bool
	closed  chan struct{} // closed when the database is
}

// store returns the open store.
func (h *handle) store(ctx context.Context) (store.Store, error) {
	if s := h.current.Load(); s != nil {
		return *s, nil
	}
	s, err := h.open(ctx)
	if err != nil && !errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return s, err
}

// open opens the store if it is not open. It returns the database's own error.
func (h *handle) open(ctx context.Context) (store.Store, error) {
	select {
	case h.opening <- struct{}{}:
		defer func() { <-h.opening }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s := h.current.Load(); s != nil {
		return *s, nil
	}
	// A user, so that nobody closes what is being opened.
	if !h.use() {
		return nil, errClosed
	}
	defer h.release()
	if h.abandoned() {
		return nil, errClosed
	}
	s, err := h.src.Open(ctx)
	if err != nil {
		return nil, err
	}
	h.current.Store(&s)
	return s, nil
}

// abandoned tells whether no configuration has the handle any more. A late request
// must not open a database that a refused configuration named.
func (h *handle) abandoned() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refs == 0
}

// use keeps the store open until release is called. It is false, and nothing is
// to be released, if the store was closed for good.
func (h *handle) use() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	h.users++
	return true
}

func (h *handle) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users--
	if h.refs == 0 && h.users == 0 && h.expired && !h.closing {
		h.close()
	}
}

// put gives back what take has taken.
func (h *handle) put() {
	h.mu.Lock()
	h.refs--
	if h.refs > 0 {
		h.mu.Unlock()
		return
	}
	if !caddy.Exiting() {
		h.timer = time.AfterFunc(linger, h.expire)
		h.mu.Unlock()
		return
	}
	h.expired = true
	if h.users == 0 {
		h.close()
	}
	h.mu.Unlock()
	select {
	case <-h.closed:
	case <-time.After(drain):
		h.mu.Lock()
		if !h.closing {
			h.close()
		}
		h.mu.Unlock()
		<-h.closed
	}
}

// expire closes the store, or leaves that to the last request.
func (h *handle) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refs > 0 || h.closing {
		return // taken again meanwhile
	}
	h.expired = true
	if h.users == 0 {
		h.close()
	}
}

// close closes the store in the background. The caller holds h.mu.
func (h *handle) close() {
	h.closing = true
	s := h.current.Swap(nil)
	go func() {
		defer close(h.closed)
		defer h.pool.forget(h)
		if s == nil {
			return
		}
		if err := (*s).Close(); err != nil {
			caddy.Log().Named("scim").Error("closing the store failed", zap.String("driver", h.src.Driver), zap.Error(err))
		}
	}()
}
