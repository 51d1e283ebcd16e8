package guard

import (
	"sync"
	"time"
)

// Rates bounds the requests per second of each tenant. It is safe for concurrent
// use. The limits are the caller's: it names them with each request.
type Rates struct {
	mu      sync.Mutex
	clock   clock
	tenants map[string]*rate
	sweepAt int // number of tenants at which those with full buckets are forgotten
}

// rate is a tenant's bucket, and the size that it has it in.
type rate struct {
	bucket bucket
	size   size
}

// fewest is how many tenants are remembered without a look at who was idle.
const fewest = 64

// maxPerSecond is the largest rate that makes a difference: time is counted in
// nanoseconds.
const maxPerSecond = int(time.Second)

// NewRates returns rates under which nobody has sent a request yet.
func NewRates() *Rates {
	return &Rates{tenants: map[string]*rate{}, sweepAt: fewest}
}

// Take counts a request of the tenant at the moment now. ok tells whether it is
// within perSecond requests a second, of which burst may come at once; where it
// is not, it is not counted, and retryAfter is how long until one would pass. A
// perSecond of 0 (or less) is no limit; a burst of 0 (or less) is twice
// perSecond. Where the limit is another than at the last call, it is in force at
// once, and what was taken under the old one stays taken.
func (r *Rates) Take(tenant string, perSecond, burst int, now time.Time) (retryAfter time.Duration, ok bool) {
	if perSecond <= 0 {
		return 0, true
	}
	s := sizeOf(perSecond, burst)
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.clock.since(now)
	t := r.tenants[tenant]
	if t == nil {
		r.sweep(at)
		t = &rate{bucket: bucket(at), size: s}
		r.tenants[tenant] = t
	}
	if t.size != s {
		t.resize(s, at)
	}
	if wait := t.bucket.wait(s, at); wait > 0 {
		return wait, false
	}
	t.bucket = t.bucket.take(s, at)
	return 0, true
}

func sizeOf(perSecond, burst int) size {
	perSecond = min(perSecond, maxPerSecond)
	if burst <= 0 {
		burst = 2 * perSecond
	}
	return newSize(burst, time.Second/time.Duration(perSecond))
}

// resize keeps the number of tokens that are missing.
func (t *rate) resize(s size, now time.Duration) {
	missing := float64(t.bucket.filling(t.size, now)) / float64(t.size.every)
	t.bucket = bucket(now + time.Duration(min(missing, float64(s.burst))*float64(s.every)))
	t.size = s
}

// sweep makes room for a tenant: it forgets those whose bucket is full, as that
// is what an unknown one has. It looks at all of them only when their number has
// doubled.
func (r *Rates) sweep(now time.Duration) {
	if len(r.tenants) < r.sweepAt {
		return
	}
	for name, t := range r.tenants {
		if t.bucket.filling(t.size, now) == 0 {
			delete(r.tenants, name)
		}
	}
	r.sweepAt = max(fewest, 2*len(r.tenants))
}
