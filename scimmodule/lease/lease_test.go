package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

const (
	name = "sweep"
	ttl  = time.Minute
)

// node is a store as one node reaches it, which fails where a test says so.
type node struct {
	store.Store
	mu     sync.Mutex
	get    func() error
	commit func(ctx context.Context, commit func() error) error
}

func (n *node) Get(ctx context.Context, tenant string, k store.Kind, ids ...string) ([]store.Record, error) {
	n.mu.Lock()
	get := n.get
	n.mu.Unlock()
	if get != nil {
		if err := get(); err != nil {
			return nil, err
		}
	}
	return n.Store.Get(ctx, tenant, k, ids...)
}

func (n *node) Commit(ctx context.Context, tenant string, b *store.Batch) (res store.Result, err error) {
	n.mu.Lock()
	hook := n.commit
	n.mu.Unlock()
	commit := func() error {
		res, err = n.Store.Commit(ctx, tenant, b)
		return err
	}
	if hook != nil {
		if err := hook(ctx, commit); err != nil {
			return store.Result{}, err
		}
		return res, nil
	}
	return res, commit()
}

func (n *node) set(get func() error, commit func(ctx context.Context, commit func() error) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.get, n.commit = get, commit
}

func away() error { return fmt.Errorf("test: %w", store.ErrUnavailable) }

func (n *node) goAway() {
	n.set(away, func(context.Context, func() error) error { return away() })
}

func newJob(s store.Store, who string) Job {
	return Job{Store: s, Name: name, Node: who, Every: time.Hour, TTL: ttl}
}

// stored returns what the record says.
func stored(t *testing.T, s store.Store) state {
	t.Helper()
	rs, err := s.Get(t.Context(), store.SystemTenant, store.Lease, name)
	if err != nil || len(rs) != 1 {
		t.Fatalf("%d records, %v", len(rs), err)
	}
	var out state
	if err := json.Unmarshal(rs[0].Body, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// put writes the record, whatever is there.
func put(t *testing.T, s store.Store, body string) {
	t.Helper()
	rs, err := s.Get(t.Context(), store.SystemTenant, store.Lease, name)
	if err != nil {
		t.Fatal(err)
	}
	p := store.Put{Record: store.Record{Kind: store.Lease, ID: name, Body: []byte(body)}}
	if len(rs) > 0 {
		p.Expect = rs[0].Version
	}
	if _, err := s.Commit(t.Context(), store.SystemTenant, &store.Batch{Time: time.Now(), Put: []store.Put{p}}); err != nil {
		t.Fatal(err)
	}
}

func body(s state) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func nothing(context.Context) error { return nil }

func TestWhoRuns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		holder string
		until  time.Duration // from now
		done   time.Duration // from now; 0 for never
		body   string        // instead of these three
		force  bool
		ran    bool
	}{
		{name: "never done", ran: true},
		{name: "done a moment ago", done: -time.Millisecond},
		{name: "not due", done: -time.Hour + time.Second},
		{name: "not due, forced", done: -time.Hour + time.Second, force: true, ran: true},
		{name: "due", done: -time.Hour, ran: true},
		{name: "held", holder: "b", until: time.Second},
		{name: "held, due and forced", holder: "b", until: time.Second, done: -time.Hour, force: true},
		{name: "held by this process", holder: "a", until: time.Second, force: true},
		{name: "run out", holder: "b", until: 0, ran: true},
		{name: "run out, and not due", holder: "b", until: -time.Second, done: -time.Minute},
		{name: "held by one whose clock is ahead", holder: "b", until: ttl + ttl/2},
		{name: "held into a future that nobody can mean", holder: "b", until: 24 * time.Hour, ran: true},
		{name: "done by one whose clock is ahead", done: ttl},
		{name: "done in a future that nobody can mean", done: 48 * time.Hour, ran: true},
		{name: "a record that cannot be understood", body: `{"holder":7,"until":"tomorrow"}`, ran: true},
		{name: "no JSON", body: `{`, ran: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := memstore.New(store.LogLimit{})
				before := state{Holder: c.holder, Until: time.Now().Add(c.until)}
				if c.done != 0 {
					before.Done = time.Now().Add(c.done)
				}
				if c.body == "" {
					c.body = body(before)
				}
				put(t, s, c.body)
				called := false
				ran, err := newJob(s, "a").Run(t.Context(), c.force, func(context.Context) error {
					called = true
					want := state{Holder: "a", Until: time.Now().Add(ttl), Done: before.Done}
					if diff := cmp.Diff(want, stored(t, s)); diff != "" {
						t.Errorf("while it runs (-want +got):\n%s", diff)
					}
					time.Sleep(time.Second)
					return nil
				})
				if err != nil || ran != c.ran || called != c.ran {
					t.Fatalf("ran %t, called %t, %v; want %t", ran, called, err, c.ran)
				}
				if c.ran {
					if diff := cmp.Diff(state{Done: time.Now().UTC()}, stored(t, s)); diff != "" {
						t.Errorf("afterwards (-want +got):\n%s", diff)
					}
				}
			})
		})
	}
}

// Eight nodes at once: the race detector finds two that run f at the same time,
// as what is counted is not guarded by anything else.
func TestExclusive(t *testing.T) {
	t.Parallel()
	s := memstore.New(store.LogLimit{})
	runs, total := 0, 100
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			j := newJob(s, fmt.Sprint("node", i))
			for finished := false; !finished; {
				if _, err := j.Run(t.Context(), true, func(context.Context) error {
					runs++
					finished = runs >= total
					return nil
				}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if runs < total || runs > total+8 {
		t.Errorf("%d runs, want %d and at most one more of each node", runs, total)
	}
}

// However many want to, one does it in each hour.
func TestOncePerInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(store.LogLimit{})
		var mu sync.Mutex
		var ends []time.Time
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
		defer cancel()
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				j := newJob(s, fmt.Sprint("node", i))
				// Their clocks differ by a few seconds.
				j.Now = func() time.Time { return time.Now().Add(time.Duration(i) * time.Second) }
				for ctx.Err() == nil {
					_, err := j.Run(ctx, false, func(ctx context.Context) error {
						time.Sleep(3 * ttl)
						mu.Lock()
						defer mu.Unlock()
						ends = append(ends, time.Now())
						return ctx.Err()
					})
					if err != nil && ctx.Err() == nil {
						t.Error(err)
					}
					time.Sleep(20 * time.Second)
				}
			})
		}
		group.Wait()
		for i := range ends {
			if i > 0 && ends[i].Sub(ends[i-1]) < time.Hour-10*time.Second {
				t.Errorf("done after %v", ends[i].Sub(ends[i-1]))
			}
		}
		if len(ends) != 10 {
			t.Errorf("done %d times in ten hours, want 10", len(ends))
		}
	})
}

// A job that takes long keeps its lease.
func TestRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(store.LogLimit{})
		var group sync.WaitGroup
		group.Go(func() {
			ran, err := newJob(s, "a").Run(t.Context(), false, func(ctx context.Context) error {
				time.Sleep(20 * ttl)
				return ctx.Err()
			})
			if !ran || err != nil {
				t.Errorf("ran %t, %v", ran, err)
			}
		})
		for range 19 * 60 {
			time.Sleep(time.Second)
			if ran, err := newJob(s, "b").Run(t.Context(), true, nothing); ran || err != nil {
				t.Fatalf("the second node ran it (%t) or failed: %v", ran, err)
			}
			if left := time.Until(stored(t, s).Until); left < ttl/2 || left > ttl {
				t.Fatalf("the lease lasts %v more", left)
			}
		}
		group.Wait()
	})
}

// A node that no longer reaches the store, and one that is gone, give way after
// the TTL; the job has ended by then.
func TestTakeover(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cut  func(n *node)
	}{
		{"the store is away", (*node).goAway},
		{"the store hangs", func(n *node) {
			n.set(nil, func(ctx context.Context, _ func() error) error {
				<-ctx.Done()
				return ctx.Err()
			})
		}},
		{"the store does not say what it did", func(n *node) {
			n.set(away, func(context.Context, func() error) error { return fmt.Errorf("test: %w", store.ErrUncertain) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := memstore.New(store.LogLimit{})
				n := &node{Store: s}
				begun := time.Now()
				var ended, taken time.Time
				var group sync.WaitGroup
				group.Go(func() {
					ran, err := newJob(n, "a").Run(t.Context(), false, func(ctx context.Context) error {
						c.cut(n)
						<-ctx.Done()
						ended = time.Now()
						if !errors.Is(context.Cause(ctx), ErrLost) {
							t.Errorf("cancelled for %v", context.Cause(ctx))
						}
						return ctx.Err()
					})
					if !ran || !errors.Is(err, ErrLost) || !errors.Is(err, context.Canceled) {
						t.Errorf("ran %t, %v", ran, err)
					}
				})
				synctest.Wait()
				for taken.IsZero() {
					time.Sleep(time.Second)
					if _, err := newJob(s, "b").Run(t.Context(), false, func(context.Context) error {
						taken = time.Now()
						return nil
					}); err != nil {
						t.Fatal(err)
					}
				}
				group.Wait()
				if d := ended.Sub(begun); d != 2*ttl/3 {
					t.Errorf("broken off after %v", d)
				}
				if d := taken.Sub(begun); d != ttl {
					t.Errorf("taken after %v", d)
				}
			})
		})
	}
}

// A job whose lease another has taken is told so at the next renewal, and leaves
// the other's lease alone.
func TestLost(t *testing.T) {
	t.Parallel()
	for _, heeds := range []bool{true, false} {
		t.Run(fmt.Sprintf("heeds %t", heeds), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := memstore.New(store.LogLimit{})
				thief := state{Holder: "b", Until: time.Now().Add(ttl).UTC()}
				ran, err := newJob(s, "a").Run(t.Context(), false, func(ctx context.Context) error {
					put(t, s, body(thief))
					begun := time.Now()
					<-ctx.Done()
					if d := time.Since(begun); d != ttl/3 || !errors.Is(context.Cause(ctx), ErrLost) {
						t.Errorf("cancelled after %v for %v", d, context.Cause(ctx))
					}
					if heeds {
						return ctx.Err()
					}
					return nil
				})
				if !ran || !errors.Is(err, ErrLost) || errors.Is(err, context.Canceled) != heeds {
					t.Errorf("ran %t, %v", ran, err)
				}
				if diff := cmp.Diff(thief, stored(t, s)); diff != "" {
					t.Errorf("the other's lease (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A store that is away for a moment, or does not say what it did, does not break
// a job off.
func TestBriefTrouble(t *testing.T) {
	t.Parallel()
	uncertain := fmt.Errorf("test: %w", store.ErrUncertain)
	for _, c := range []struct {
		name string
		fail func(n int, commit func() error) error // n counts the commits while f runs
	}{
		{"away", func(n int, commit func() error) error {
			if n%3 == 0 {
				return commit()
			}
			return away()
		}},
		{"uncertain, not applied", func(n int, commit func() error) error {
			if n%2 == 0 {
				return commit()
			}
			return uncertain
		}},
		{"uncertain, applied", func(_ int, commit func() error) error {
			_ = commit()
			return uncertain
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := memstore.New(store.LogLimit{})
				n := &node{Store: s}
				ran, err := newJob(n, "a").Run(t.Context(), false, func(ctx context.Context) error {
					count := 0
					n.set(nil, func(_ context.Context, commit func() error) error {
						count++
						return c.fail(count, commit)
					})
					time.Sleep(10*ttl + 500*time.Millisecond)
					n.set(nil, nil)
					return ctx.Err()
				})
				if !ran || err != nil {
					t.Fatalf("ran %t, %v", ran, err)
				}
				if diff := cmp.Diff(state{Done: time.Now().UTC()}, stored(t, s)); diff != "" {
					t.Errorf("afterwards (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A renewal that is under way when the job ends does not disturb its end.
func TestEndDuringRenewal(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := memstore.New(store.LogLimit{})
			n := &node{Store: s}
			ran, err := newJob(n, "a").Run(t.Context(), false, func(context.Context) error {
				n.set(nil, func(ctx context.Context, commit func() error) error {
					if applied {
						_ = commit()
					}
					<-ctx.Done()
					n.set(nil, nil)
					return ctx.Err()
				})
				time.Sleep(ttl/3 + time.Second)
				return nil
			})
			if !ran || err != nil {
				t.Fatalf("applied %t: ran %t, %v", applied, ran, err)
			}
			if diff := cmp.Diff(state{Done: time.Now().UTC()}, stored(t, s)); diff != "" {
				t.Errorf("applied %t: afterwards (-want +got):\n%s", applied, diff)
			}
		})
	}
}

func TestStoreErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(n *node)
		want error
	}{
		{"away at the look", func(n *node) { n.set(away, nil) }, store.ErrUnavailable},
		{"away at the commit", func(n *node) { n.set(nil, func(context.Context, func() error) error { return away() }) }, store.ErrUnavailable},
		{"uncertain, not applied", func(n *node) {
			n.set(nil, func(context.Context, func() error) error { return store.ErrUncertain })
		}, store.ErrUncertain},
		{"uncertain, and then away", func(n *node) {
			n.set(nil, func(_ context.Context, commit func() error) error {
				_ = commit()
				n.goAway()
				return store.ErrUncertain
			})
		}, store.ErrUncertain},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := &node{Store: memstore.New(store.LogLimit{})}
			c.set(n)
			ran, err := newJob(n, "a").Run(t.Context(), true, func(context.Context) error {
				t.Error("it was run")
				return nil
			})
			if ran || !errors.Is(err, c.want) {
				t.Errorf("ran %t, %v", ran, err)
			}
		})
	}
	t.Run("uncertain, applied", func(t *testing.T) {
		t.Parallel()
		n := &node{Store: memstore.New(store.LogLimit{})}
		n.set(nil, func(_ context.Context, commit func() error) error {
			_ = commit()
			return store.ErrUncertain
		})
		if ran, err := newJob(n, "a").Run(t.Context(), true, nothing); !ran || err != nil {
			t.Errorf("ran %t, %v", ran, err)
		}
	})
	t.Run("uncertain, and another is quicker", func(t *testing.T) {
		t.Parallel()
		s := memstore.New(store.LogLimit{})
		n := &node{Store: s}
		n.set(nil, func(context.Context, func() error) error {
			put(t, s, body(state{Holder: "b", Until: time.Now().Add(ttl)}))
			return store.ErrUncertain
		})
		if ran, err := newJob(n, "a").Run(t.Context(), true, nothing); ran || err != nil {
			t.Errorf("ran %t, %v", ran, err)
		}
	})
	t.Run("another is quicker", func(t *testing.T) {
		t.Parallel()
		s := memstore.New(store.LogLimit{})
		n := &node{Store: s}
		n.set(nil, func(_ context.Context, commit func() error) error {
			put(t, s, body(state{Holder: "b", Until: time.Now().Add(ttl)}))
			return commit()
		})
		if ran, err := newJob(n, "a").Run(t.Context(), true, nothing); ran || err != nil {
			t.Errorf("ran %t, %v", ran, err)
		}
	})
}

// What was done but could not be noted is done again once the lease has run out.
func TestEndNotNoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(store.LogLimit{})
		n := &node{Store: s}
		ran, err := newJob(n, "a").Run(t.Context(), false, func(context.Context) error {
			n.goAway()
			return nil
		})
		if !ran || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("ran %t, %v", ran, err)
		}
		time.Sleep(ttl - time.Millisecond)
		if ran, err := newJob(s, "b").Run(t.Context(), true, nothing); ran || err != nil {
			t.Errorf("before the lease has run out: ran %t, %v", ran, err)
		}
		time.Sleep(time.Millisecond)
		if ran, err := newJob(s, "b").Run(t.Context(), false, nothing); !ran || err != nil {
			t.Errorf("afterwards: ran %t, %v", ran, err)
		}
	})
}

// A job that fails is due at once, on any node.
func TestFailure(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		f    func(ctx context.Context, cancel func()) error
		want error
	}{
		{"an error", func(context.Context, func()) error { return boom }, boom},
		{"the context ends", func(ctx context.Context, cancel func()) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := memstore.New(store.LogLimit{})
				if _, err := newJob(s, "a").Run(t.Context(), false, nothing); err != nil {
					t.Fatal(err)
				}
				before := stored(t, s)
				time.Sleep(time.Hour)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ran, err := newJob(s, "a").Run(ctx, false, func(ctx context.Context) error { return c.f(ctx, cancel) })
				if !ran || !errors.Is(err, c.want) || errors.Is(err, ErrLost) {
					t.Errorf("ran %t, %v", ran, err)
				}
				if diff := cmp.Diff(before, stored(t, s)); diff != "" {
					t.Errorf("afterwards (-want +got):\n%s", diff)
				}
				if ran, err := newJob(s, "b").Run(t.Context(), false, nothing); !ran || err != nil {
					t.Errorf("the next: ran %t, %v", ran, err)
				}
			})
		})
	}
}

// A panic ends the renewals: the test would not end otherwise.
func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(store.LogLimit{})
		func() {
			defer func() {
				if p := recover(); p != "boom" {
					t.Errorf("recovered %v", p)
				}
			}()
			_, _ = newJob(s, "a").Run(t.Context(), false, func(context.Context) error { panic("boom") })
		}()
		time.Sleep(ttl)
		if ran, err := newJob(s, "b").Run(t.Context(), false, nothing); !ran || err != nil {
			t.Errorf("ran %t, %v", ran, err)
		}
	})
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(store.LogLimit{})
		_, err := Job{Store: s, Name: name, Node: "a"}.Run(t.Context(), false, func(context.Context) error {
			if left := time.Until(stored(t, s).Until); left != DefaultTTL {
				t.Errorf("the lease lasts %v", left)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// The time that the store takes counts: the lease is as old as the write of it.
func TestSlowStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &node{Store: memstore.New(store.LogLimit{})}
		n.set(nil, func(_ context.Context, commit func() error) error {
			time.Sleep(ttl / 4)
			return commit()
		})
		begun := time.Now()
		ran, err := newJob(n, "a").Run(t.Context(), false, func(ctx context.Context) error {
			if got := stored(t, n).Until; !got.Equal(begun.Add(ttl)) {
				t.Errorf("the lease lasts until %v", got)
			}
			n.goAway()
			<-ctx.Done()
			return ctx.Err()
		})
		if !ran || !errors.Is(err, ErrLost) {
			t.Errorf("ran %t, %v", ran, err)
		}
		if d := time.Since(begun); d != 2*ttl/3 {
			t.Errorf("broken off after %v", d)
		}
	})
}
