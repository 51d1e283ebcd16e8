package guard

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// ip returns the n-th of many addresses.
func ip(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24+uint32(n))
	return netip.AddrFrom4(b)
}

func fail(f *Failures, a netip.Addr, n int, now time.Time) {
	for range n {
		f.Fail(a, now)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	type look struct {
		at   int // ms
		wait time.Duration
	}
	for _, c := range []struct {
		name  string
		fails map[int]int // how many at which ms; in order of time
		order []int
		looks []look
	}{
		{"none", nil, nil, []look{{0, 0}}},
		{"fewer than the burst", map[int]int{0: 2}, []int{0}, []look{{0, 0}, {5000, 0}}},
		{"the burst", map[int]int{0: 3}, []int{0}, []look{{0, time.Second}, {999, time.Millisecond}, {1000, 0}}},
		{"many more wait no longer", map[int]int{0: 1000}, []int{0}, []look{{0, time.Second}, {1000, 0}}},
		{"and again", map[int]int{0: 3, 1000: 1}, []int{0, 1000}, []look{{1000, time.Second}, {2000, 0}}},
		{"one every while", map[int]int{0: 2, 1000: 1, 2000: 1, 3000: 1}, []int{0, 1000, 2000, 3000}, []look{{3000, 0}}},
		{"recovered in full", map[int]int{0: 3, 3000: 2}, []int{0, 3000}, []look{{3000, 0}}},
		{"a clock that is set back", map[int]int{3_600_000: 3}, []int{3_600_000}, []look{{0, time.Second}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := NewFailures(3, time.Second, 10)
			for _, at := range c.order {
				fail(f, addr("192.0.2.1"), c.fails[at], ms(at))
			}
			for _, l := range c.looks {
				wait, throttled := f.Throttled(addr("192.0.2.1"), ms(l.at))
				if wait != l.wait || throttled != (l.wait > 0) {
					t.Errorf("after %d ms: %v %t, want %v", l.at, wait, throttled, l.wait)
				}
				if _, throttled := f.Throttled(addr("192.0.2.2"), ms(l.at)); throttled {
					t.Errorf("after %d ms: the neighbour is throttled", l.at)
				}
			}
		})
	}
}

func TestWhatCountsAsOneAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		a, b netip.Addr
		same bool
	}{
		{"two of IPv4", addr("192.0.2.1"), addr("192.0.2.2"), false},
		{"IPv4, mapped", addr("192.0.2.1"), addr("::ffff:192.0.2.1"), true},
		{"two that are mapped", addr("::ffff:192.0.2.1"), addr("::ffff:192.0.2.2"), false},
		{"one /64", addr("2001:db8:1:2::1"), addr("2001:db8:1:2:ffff::"), true},
		{"two /64", addr("2001:db8:1:2::1"), addr("2001:db8:1:3::1"), false},
		{"zones", addr("fe80::1%eth0"), addr("fe80::2%eth1"), true},
		{"an IPv6 network of an IPv4 number", addr("0.0.0.1"), addr("0:0:0:1::"), false},
		{"the first of both families", addr("0.0.0.0"), addr("::"), false},
		{"no address", netip.Addr{}, netip.Addr{}, true},
		{"no address and 0.0.0.0", netip.Addr{}, addr("0.0.0.0"), false},
		{"no address and ::", netip.Addr{}, addr("::"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := NewFailures(1, time.Second, 10)
			f.Fail(c.a, start)
			if _, throttled := f.Throttled(c.b, start); throttled != c.same {
				t.Errorf("throttled %t", throttled)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	f := NewFailures(0, 0, 0)
	fail(f, ip(0), DefaultFailures-1, start)
	if _, throttled := f.Throttled(ip(0), start); throttled {
		t.Error("throttled before the burst is spent")
	}
	f.Fail(ip(0), start)
	if wait, _ := f.Throttled(ip(0), start); wait != DefaultEvery {
		t.Errorf("to wait for %v, want %v", wait, DefaultEvery)
	}
	if f.max != DefaultAddresses {
		t.Errorf("%d addresses", f.max)
	}
	huge := NewFailures(1<<62, 1<<62, 1)
	fail(huge, ip(0), 2, start)
	if wait, throttled := huge.Throttled(ip(0), start); !throttled || wait <= 0 {
		t.Errorf("a size beyond all bounds: %v %t", wait, throttled)
	}
}

// checkHeap checks that the heap is one, and that the map agrees with it.
func checkHeap(t interface{ Fatalf(string, ...any) }, f *Failures) {
	if len(f.queue) != len(f.place) || len(f.queue) > f.max {
		t.Fatalf("%d in the queue, %d places, at most %d", len(f.queue), len(f.place), f.max)
	}
	for i, x := range f.queue {
		if int(f.place[x.origin]) != i {
			t.Fatalf("the offender at %d is thought to be at %d", i, f.place[x.origin])
		}
		if i > 0 && f.queue[(i-1)/2].bucket > x.bucket {
			t.Fatalf("the offender at %d recovers before the one above it", i)
		}
	}
}

func TestFlood(t *testing.T) {
	t.Parallel()
	const most, flood = 1000, 100_000
	f := NewFailures(5, 3*time.Second, most)
	now := start
	offender, slow := addr("192.0.2.1"), addr("2001:db8::1")
	fail(f, offender, 5, now)
	for i := range flood {
		now = now.Add(20 * time.Microsecond) // 50,000 a second
		f.Fail(ip(i), now)
		if i%10_000 == 0 { // five times a second
			if _, throttled := f.Throttled(offender, now); !throttled {
				t.Fatalf("the flood of %d addresses made the offender be forgotten", i)
			}
			f.Fail(offender, now)
		}
		// One who begins in the midst of the flood is caught as well.
		if i > flood/2 && i%(most/2) == 0 {
			f.Fail(slow, now)
		}
	}
	if _, throttled := f.Throttled(slow, now); !throttled {
		t.Error("one who failed throughout the flood is not throttled")
	}
	checkHeap(t, f)
	if cap(f.queue) > 2*most {
		t.Errorf("memory for %d addresses", cap(f.queue))
	}
	// What has recovered goes as others come.
	now = now.Add(time.Minute)
	for i := range most {
		f.Fail(addr("198.51.100.1"), now)
		f.Fail(ip(flood+i%10), now)
	}
	for i := range most {
		f.Fail(ip(2*flood+i), now.Add(time.Minute+time.Duration(i)*4*time.Second))
	}
	if n := len(f.queue); n > 5 {
		t.Errorf("%d addresses are remembered after a time of quiet", n)
	}
	checkHeap(t, f)
}

// The throttle agrees with a simple one that forgets nobody, as long as there is
// room; and never lets more through than the burst and what flows back.
func TestFailuresProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.Int64Range(1, int64(5*time.Second)).Draw(t, "every"))
		burst := rapid.IntRange(1, 10).Draw(t, "burst")
		addresses := rapid.IntRange(1, 12).Draw(t, "addresses")
		room := rapid.IntRange(1, 12).Draw(t, "room")
		f := NewFailures(burst, every, room)
		model := map[int]time.Time{} // when the bucket is full again
		tried := map[int][]time.Time{}
		now := start
		for range rapid.IntRange(1, 150).Draw(t, "n") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*every)).Draw(t, "pause")))
			who := rapid.IntRange(0, addresses-1).Draw(t, "who")
			full := model[who]
			if full.Before(now) {
				full = now
			}
			want := max(full.Sub(now)-time.Duration(burst-1)*every, 0)
			wait, throttled := f.Throttled(ip(who), now)
			if throttled != (wait > 0) || wait > want || wait != want && addresses <= room {
				t.Fatalf("a wait of %v (%t), want %v", wait, throttled, want)
			}
			if want > 0 {
				continue
			}
			tried[who] = append(tried[who], now)
			f.Fail(ip(who), now)
			model[who] = full.Add(every)
			checkHeap(t, f)
		}
		for _, times := range tried {
			for i := range times {
				for j := i; j < len(times); j++ {
					if n, elapsed := j-i+1, times[j].Sub(times[i]); n > burst+int(elapsed/every) {
						t.Fatalf("%d attempts in %v", n, elapsed)
					}
				}
			}
		}
	})
}

func TestFailuresAtOnce(t *testing.T) {
	t.Parallel()
	f := NewFailures(5, time.Second, 100)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 2000 {
				f.Fail(ip(i*1000+n%300), ms(n))
				f.Fail(addr("192.0.2.1"), ms(n))
				f.Throttled(addr("192.0.2.1"), ms(n))
			}
		})
	}
	group.Wait()
	checkHeap(t, f)
	if _, throttled := f.Throttled(addr("192.0.2.1"), ms(2000)); !throttled {
		t.Error("who failed all the time is not throttled")
	}
}

func BenchmarkThrottled(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
	}{{"empty", 0}, {"full", DefaultAddresses}} {
		b.Run(c.name, func(b *testing.B) {
			f := NewFailures(0, 0, 0)
			for i := range c.n {
				f.Fail(ip(i), start)
			}
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for i := 0; p.Next(); i++ {
					f.Throttled(ip(i%DefaultAddresses), start)
				}
			})
		})
	}
}

// BenchmarkFail is a flood: each failure is of an address that is not known, and
// there is no room.
func BenchmarkFail(b *testing.B) {
	f := NewFailures(0, 0, 0)
	now := start
	for i := range DefaultAddresses {
		f.Fail(ip(i), now)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(10 * time.Microsecond)
		f.Fail(ip(DefaultAddresses+i%(1<<22)), now)
	}
}
