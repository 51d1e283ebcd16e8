package guard

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// The defaults of NewFailures.
const (
	DefaultFailures  = 20              // failures at once
	DefaultEvery     = 3 * time.Second // one more each
	DefaultAddresses = 100_000         // addresses remembered
)

// Failures throttles client addresses whose authentication keeps failing. It is
// safe for concurrent use. An IPv6 address counts as its /64, because that is
// what one client has; an IPv4-mapped one counts as IPv4, a zone does not count,
// and all addresses that are not valid count as one.
type Failures struct {
	size size
	max  int

	mu    sync.Mutex
	clock clock
	// queue is a heap of those that failed lately, the one that recovers first at
	// its root; place tells where in it each is.
	queue []offender
	place map[origin]int32
}

// origin is what counts as one address.
type origin struct {
	family uint8 // 4, 6, or 0 for none
	net    uint64
}

type offender struct {
	origin origin
	bucket bucket
}

// NewFailures returns a throttle that lets an address fail burst times at once,
// and once more for each time every that passes. It remembers at most so many
// addresses: beyond them it forgets the one that is nearest to recovered. What
// is 0 or less takes its default.
func NewFailures(burst int, every time.Duration, addresses int) *Failures {
	if burst <= 0 {
		burst = DefaultFailures
	}
	if every <= 0 {
		every = DefaultEvery
	}
	if addresses <= 0 {
		addresses = DefaultAddresses
	}
	return &Failures{size: newSize(burst, every), max: addresses, place: map[origin]int32{}}
}

// Fail counts a failed authentication from addr at the moment now.
func (f *Failures) Fail(addr netip.Addr, now time.Time) {
	o := originOf(addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.clock.since(now)
	i, known := f.place[o]
	if !known {
		f.forget(at)
		i = int32(len(f.queue))
		f.queue = append(f.queue, offender{origin: o, bucket: bucket(at)})
		f.place[o] = i
	}
	f.queue[i].bucket = f.queue[i].bucket.take(f.size, at)
	f.fix(int(i))
}

// Throttled tells whether addr has failed so often that it has to wait, and for
// how long, at the moment now. It counts nothing.
func (f *Failures) Throttled(addr netip.Addr, now time.Time) (retryAfter time.Duration, throttled bool) {
	o := originOf(addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	i, known := f.place[o]
	if !known {
		return 0, false
	}
	wait := f.queue[i].bucket.wait(f.size, f.clock.since(now))
	return wait, wait > 0
}

// forget makes room for one more: it drops a few that have recovered, so that
// memory shrinks as it grew, and the one nearest to recovered where all is full.
func (f *Failures) forget(now time.Duration) {
	for range 2 {
		if len(f.queue) > 0 && f.queue[0].bucket.filling(f.size, now) == 0 {
			f.drop()
		}
	}
	if len(f.queue) >= f.max {
		f.drop()
	}
}

// drop takes the root out of the heap.
func (f *Failures) drop() {
	last := len(f.queue) - 1
	delete(f.place, f.queue[0].origin)
	f.queue[0] = f.queue[last]
	f.queue = f.queue[:last]
	if last > 0 {
		f.fix(0)
	}
}

// fix moves the offender at i to where it belongs, and notes its place.
func (f *Failures) fix(i int) {
	x := f.queue[i]
	for i > 0 {
		parent := (i - 1) / 2
		if f.queue[parent].bucket <= x.bucket {
			break
		}
		f.set(i, f.queue[parent])
		i = parent
	}
	for {
		child := 2*i + 1
		if child >= len(f.queue) {
			break
		}
		if right := child + 1; right < len(f.queue) && f.queue[right].bucket < f.queue[child].bucket {
			child = right
		}
		if x.bucket <= f.queue[child].bucket {
			break
		}
		f.set(i, f.queue[child])
		i = child
	}
	f.set(i, x)
}

func (f *Failures) set(i int, x offender) {
	f.queue[i] = x
	f.place[x.origin] = int32(i)
}

func originOf(a netip.Addr) origin {
	a = a.Unmap()
	switch {
	case a.Is4():
		b := a.As4()
		return origin{4, uint64(binary.BigEndian.Uint32(b[:]))}
	case a.Is6():
		b := a.As16()
		return origin{6, binary.BigEndian.Uint64(b[:8])}
	}
	return origin{}
}
