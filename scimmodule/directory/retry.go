package directory

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// attempts bounds how often a use case is decided anew after a conflict.
const attempts = 24

// retry runs a use case until it no longer conflicts with others. The key names
// what it changes: within this process, use cases of one key take turns, which
// leaves conflicts to other processes.
func (d *Directory) retry(ctx context.Context, key string, f func() error) error {
	unlock := d.locks.lock(ctx, key)
	defer unlock()
	var err error
	for n := range attempts {
		if n > 0 {
			//nolint:gosec // G404: the jitter of a wait needs no secrecy.
			wait := time.Duration(rand.Int64N(int64(time.Millisecond) << min(n, 6)))
			select {
			case <-ctx.Done():
				return storeError(ctx.Err())
			case <-time.After(wait):
			}
		}
		if err = f(); !isConflict(err) {
			return storeError(err)
		}
	}
	return scimerr.Unavailable(1, err, "Too many requests change the same resource at once; nothing was changed. Send the request again.")
}

// locks are striped: two keys may share one, which costs a little waiting and
// nothing else.
type locks struct {
	seed    maphash.Seed
	stripes [256]chan struct{}
}

func newLocks() *locks {
	l := &locks{seed: maphash.MakeSeed()}
	for i := range l.stripes {
		l.stripes[i] = make(chan struct{}, 1)
	}
	return l
}

// lock waits for its turn, but not for long: the store is what guards against
// conflicts, and a request that hangs must not hold up others.
func (l *locks) lock(ctx context.Context, key string) (unlock func()) {
	if key == "" {
		return func() {}
	}
	c := l.stripes[maphash.String(l.seed, key)%uint64(len(l.stripes))]
	select {
	case c <- struct{}{}:
		return func() { <-c }
	default:
	}
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case c <- struct{}{}:
		return func() { <-c }
	case <-t.C:
	case <-ctx.Done():
	}
	return func() {}
}
