package caddy

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

func newPool() *pool { return &pool{handles: map[string]*handle{}} }

// counted is a source that counts what is open at the same time.
func counted(id string, open, most *atomic.Int64) Source {
	return Source{Driver: "memory", Identity: id, Open: func(context.Context) (store.Store, error) {
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return countedStore{memstore.New(store.LogLimit{}), open}, nil
	}}
}

type countedStore struct {
	store.Store
	open *atomic.Int64
}

func (s countedStore) Close() error {
	s.open.Add(-1)
	return s.Store.Close()
}

func mustTake(t *testing.T, id string) *handle {
	t.Helper()
	h, err := newPool().take(counted(id, new(atomic.Int64), new(atomic.Int64)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestPoolOpensOnce(t *testing.T) {
	t.Parallel()
	p := newPool()
	var open, most atomic.Int64
	src := counted("x", &open, &most)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				h, err := p.take(src)
				if err != nil {
					t.Error(err)
					return
				}
				if !h.use() {
					t.Error("a store that was taken is closed")
				}
				if _, err := h.store(t.Context()); err != nil {
					t.Error(err)
				}
				h.release()
				h.put()
				h.expire() // without the wait
			}
		})
	}
	wg.Wait()
	waitFor(t, "all to be closed", func() bool { return open.Load() == 0 })
	if most.Load() != 1 {
		t.Errorf("%d stores of one identity were open at once", most.Load())
	}
}

func TestRequestKeepsStoreOpen(t *testing.T) {
	t.Parallel()
	p := newPool()
	var open, most atomic.Int64
	h, err := p.take(counted("x", &open, &most))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.use()
	h.put()
	h.expire()
	if _, err := h.store(t.Context()); err != nil || open.Load() != 1 {
		t.Errorf("the store was closed under a request (%v)", err)
	}
	h.release()
	waitFor(t, "the store to be closed", func() bool { return open.Load() == 0 })
	if _, err := h.store(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a closed store gives %v, want ErrUnavailable", err)
	}
	if h.use() {
		t.Error("a closed store can be used")
	}
}

func TestFailedOpenIsTriedAgain(t *testing.T) {
	t.Parallel()
	away := true
	h, err := newPool().take(Source{Driver: "memory", Identity: "x", Open: func(context.Context) (store.Store, error) {
		if away {
			return nil, errors.New("away")
		}
		return memstore.New(store.LogLimit{}), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	m := newMeasured(h)
	if err := m.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error = %v, want ErrUnavailable", err)
	}
	away = false
	if err := m.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenHonoursContext(t *testing.T) {
	t.Parallel()
	opening := make(chan struct{})
	h, err := newPool().take(Source{Driver: "memory", Identity: "x", Open: func(ctx context.Context) (store.Store, error) {
		close(opening)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	first, cancelFirst := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := h.store(first); done <- err }()
	<-opening
	second, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := h.store(second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for another opening: %v", err)
	}
	cancelFirst()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("opening: %v", err)
	}
}

func TestDifferentOptionsOfOpenStore(t *testing.T) {
	t.Parallel()
	p := newPool()
	var open, most atomic.Int64
	src := counted("x", &open, &most)
	src.Fixed = "A"
	h, err := p.take(src)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := src
	other.Fixed = "B"
	if _, err := p.take(other); err == nil {
		t.Error("other options of an open store were accepted")
	}
	h.put()
	again, err := p.take(other) // nobody uses it: it is closed at once
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.open(t.Context()); err != nil || most.Load() != 1 || again.src.Fixed != "B" {
		t.Errorf("opening anew: %v, %d at once", err, most.Load())
	}
	again.put()
}
