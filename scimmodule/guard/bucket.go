package guard

import "time"

// bucket is a token bucket in one number: when it is full again, as the time
// since the epoch of its owner. Tokens flow back evenly.
type bucket time.Duration

// size is how large a bucket is, and how fast it fills.
type size struct {
	burst int           // tokens in a full bucket, from 1
	every time.Duration // one more token each, from 1 ns
}

// maxSpan keeps sums of times within their type.
const maxSpan = 10 * 365 * 24 * time.Hour

// newSize returns a size whose span is at most maxSpan.
func newSize(burst int, every time.Duration) size {
	every = min(every, maxSpan)
	return size{burst: int(min(int64(burst), int64(maxSpan/every))), every: every}
}

// span is how long an empty bucket takes to fill.
func (s size) span() time.Duration { return time.Duration(s.burst) * s.every }

// wait returns how long until the bucket has a token; 0 where it has one.
func (b bucket) wait(s size, now time.Duration) time.Duration {
	return max(b.filling(s, now)-s.span()+s.every, 0)
}

// filling returns how long until the bucket is full. It is never longer than an
// empty one takes, also where a clock was set back.
func (b bucket) filling(s size, now time.Duration) time.Duration {
	return min(max(time.Duration(b)-now, 0), s.span())
}

// take takes a token, or what is left of one.
func (b bucket) take(s size, now time.Duration) bucket {
	return bucket(now + min(b.filling(s, now)+s.every, s.span()))
}

// clock turns moments into times since the first one that it was shown, so that
// the monotonic reading of a time.Time counts where it has one.
type clock struct{ epoch time.Time }

func (c *clock) since(now time.Time) time.Duration {
	if c.epoch.IsZero() {
		c.epoch = now
	}
	return now.Sub(c.epoch)
}
