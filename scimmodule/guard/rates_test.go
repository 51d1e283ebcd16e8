package guard

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// ms returns a moment so many milliseconds after the start.
func ms(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }

func TestRates(t *testing.T) {
	t.Parallel()
	type step struct {
		at               int // ms
		tenant           string
		perSecond, burst int
		n                int // how often
		passed           int // how many of them pass
		wait             time.Duration
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"no limit", []step{{0, "a", 0, 0, 1000, 1000, 0}, {0, "a", -1, 5, 1000, 1000, 0}}},
		{"a burst, then evenly", []step{
			{0, "a", 10, 5, 7, 5, 100 * time.Millisecond},
			{99, "a", 10, 5, 1, 0, time.Millisecond},
			{100, "a", 10, 5, 2, 1, 100 * time.Millisecond},
			{350, "a", 10, 5, 3, 2, 50 * time.Millisecond},
			{5000, "a", 10, 5, 7, 5, 100 * time.Millisecond},
		}},
		{"the burst is twice the rate if none is given", []step{{0, "a", 100, 0, 300, 200, 10 * time.Millisecond}, {0, "b", 1, -3, 5, 2, time.Second}}},
		{"a burst of one", []step{{0, "a", 2, 1, 2, 1, 500 * time.Millisecond}, {500, "a", 2, 1, 2, 1, 500 * time.Millisecond}}},
		{"tenants do not share", []step{{0, "a", 1, 1, 2, 1, time.Second}, {0, "b", 1, 1, 2, 1, time.Second}, {0, "", 1, 1, 2, 1, time.Second}}},
		{"a raised limit holds at once", []step{
			{0, "a", 1, 2, 3, 2, time.Second},
			{0, "a", 10, 4, 3, 2, 100 * time.Millisecond},
			{100, "a", 10, 4, 2, 1, 100 * time.Millisecond},
		}},
		{"a lowered limit holds at once", []step{
			{0, "a", 100, 200, 150, 150, 0},
			{0, "a", 1, 10, 1, 0, time.Second},
			{1000, "a", 1, 10, 2, 1, time.Second},
		}},
		{"a limit that is lifted and set again", []step{{0, "a", 1, 1, 2, 1, time.Second}, {0, "a", 0, 0, 9, 9, 0}, {500, "a", 1, 1, 1, 0, 500 * time.Millisecond}}},
		{"a clock that is set back", []step{
			{3_600_000, "a", 1, 2, 3, 2, time.Second},
			{0, "a", 1, 2, 1, 0, time.Second},
			{3_600_999, "a", 1, 2, 1, 0, time.Millisecond},
			{3_601_000, "a", 1, 2, 2, 1, time.Second},
		}},
		{"the largest numbers", []step{{0, "a", 1 << 30, 1 << 30, 1000, 1000, 0}, {1, "a", 1, 1 << 30, 1000, 1000, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := NewRates()
			for i, s := range c.steps {
				passed, wait := 0, time.Duration(0)
				for range s.n {
					d, ok := r.Take(s.tenant, s.perSecond, s.burst, ms(s.at))
					if ok != (d == 0) {
						t.Fatalf("step %d: ok %t with a wait of %v", i, ok, d)
					}
					if ok {
						passed++
					}
					wait = d
				}
				if passed != s.passed || wait != s.wait {
					t.Errorf("step %d: %d passed and the next in %v, want %d and %v", i, passed, wait, s.passed, s.wait)
				}
			}
		})
	}
}

// What Take says of the wait is true: no sooner, and then.
func TestRatesWaitIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := NewRates()
		perSecond, burst := rapid.IntRange(1, 1000).Draw(t, "rate"), rapid.IntRange(0, 50).Draw(t, "burst")
		now := start
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)/int64(perSecond)).Draw(t, "pause")))
			wait, ok := r.Take("a", perSecond, burst, now)
			if ok {
				continue
			}
			if d, ok := r.Take("a", perSecond, burst, now.Add(wait-1)); ok || d != 1 {
				t.Fatalf("a nanosecond before the end of the wait: %v %t", d, ok)
			}
			now = now.Add(wait)
			if d, ok := r.Take("a", perSecond, burst, now); !ok {
				t.Fatalf("after the wait: another %v", d)
			}
		}
	})
}

// In no stretch of time do more pass than the burst and what flows back.
func TestRatesNeverPassMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := NewRates()
		perSecond, burst := rapid.IntRange(1, 2000).Draw(t, "rate"), rapid.IntRange(1, 20).Draw(t, "burst")
		every := time.Second / time.Duration(perSecond)
		var passed []time.Time
		now := start
		for _, pause := range rapid.SliceOfN(rapid.Int64Range(0, 3*int64(every)), 1, 300).Draw(t, "pauses") {
			if pause%3 > 0 { // a third of the requests come at the same moment as others
				now = now.Add(time.Duration(pause))
			}
			if _, ok := r.Take("a", perSecond, burst, now); ok {
				passed = append(passed, now)
			}
		}
		for i := range passed {
			for j := i; j < len(passed); j++ {
				if n, elapsed := j-i+1, passed[j].Sub(passed[i]); n > burst+int(elapsed/every) {
					t.Fatalf("%d passed in %v", n, elapsed)
				}
			}
		}
	})
}

func TestRatesForgetTheIdle(t *testing.T) {
	t.Parallel()
	r := NewRates()
	if _, ok := r.Take("busy", 1, 1, start); !ok {
		t.Fatal("the first request")
	}
	for i := range 100_000 {
		now := ms(i)
		r.Take(fmt.Sprint("t", i), 100, 1, now) // full again 10 ms later
		if i%500 == 0 {
			r.Take("busy", 1, 1, now)
		}
	}
	if n := len(r.tenants); n > fewest+20 {
		t.Errorf("%d tenants are remembered", n)
	}
	if _, ok := r.Take("busy", 1, 1, ms(99_999)); ok {
		t.Error("a busy tenant was forgotten")
	}
}

func TestRatesAtOnce(t *testing.T) {
	t.Parallel()
	r := NewRates()
	var passed atomic.Int64
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 2000 {
				if _, ok := r.Take("shared", 100, 50, ms(n/2)); ok { // over one second
					passed.Add(1)
				}
				r.Take(fmt.Sprint("own", i, n), 100, 1, ms(n/2))
			}
		})
	}
	group.Wait()
	if n := passed.Load(); n < 50 || n > 150 {
		t.Errorf("%d passed in a second, want at most 50 and 100", n)
	}
}

func BenchmarkTake(b *testing.B) {
	r := NewRates()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			r.Take("acme", 100, 0, time.Now())
		}
	})
}
