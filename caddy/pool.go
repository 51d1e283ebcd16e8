package caddy

import (
	"fmt"
	"sync"
	"time"
)

// linger is how long a store that no configuration uses any more stays open:
// old keep-alive connections may still bring a request for it. A variable for
// the tests.
var linger = 5 * time.Second

// drain is how long an exiting process waits for requests that use a store.
const drain = 5 * time.Second

// pool shares open stores between configurations. It is not a caddy.UsagePool,
// because that forgets a value before it destructs it: a file taken again while
// it lingers would be opened a second time, and its lock is ours already.
type pool struct {
	mu      sync.Mutex
	handles map[string]*handle // by identity
}

// stores are those of this process.
var stores = &pool{handles: map[string]*handle{}}

// take returns the handle of a source, which must be put back once. It opens
// nothing.
func (p *pool) take(src Source) (*handle, error) {
	for {
		h, busy, err := p.tryTake(src)
		if !busy {
			return h, err
		}
		<-h.closed
	}
}

// tryTake tells as busy that the handle is being closed, which is quick because
// nobody uses it.
func (p *pool) tryTake(src Source) (h *handle, busy bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h = p.handles[src.Identity]
	if h == nil {
		h = &handle{pool: p, src: src, refs: 1, opening: make(chan struct{}, 1), closed: make(chan struct{})}
		p.handles[src.Identity] = h
		return h, false, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return h, true, nil
	}
	if h.src.Fixed != src.Fixed {
		if h.refs+h.users == 0 {
			h.close()
			return h, true, nil
		}
		return nil, false, fmt.Errorf("the %s store is open with %s, and the new configuration says %s: that cannot change while it is open, restart Caddy", src.Driver, h.src.Fixed, src.Fixed)
	}
	if h.timer != nil {
		h.timer.Stop()
	}
	h.refs++
	h.expired = false
	return h, false, nil
}

func (p *pool) forget(h *handle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.handles, h.src.Identity)
}
