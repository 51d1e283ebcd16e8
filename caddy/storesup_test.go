package caddy

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// moody is a store that is ready when it likes to be.
type moody struct {
	store.Store
	ready func(context.Context) error
}

func (m moody) Ready(ctx context.Context) error { return m.ready(ctx) }
func (moody) Close() error                      { return nil }

func mood(driver, id string, ready func(context.Context) error) Source {
	return Source{Driver: driver, Identity: id, Open: func(context.Context) (store.Store, error) { return moody{ready: ready}, nil }}
}

func up(context.Context) error   { return nil }
func down(context.Context) error { return store.ErrUnavailable }

// silent does not answer.
func silent(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
}

// mustOpen takes and opens a source.
func mustOpen(t *testing.T, p *pool, src Source) *handle {
	t.Helper()
	h, err := p.take(src)
	if err == nil {
		_, err = h.open(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// scrapeUp returns what the collector tells, by driver.
func scrapeUp(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out[f.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	return out
}

func TestStoreUp(t *testing.T) {
	t.Parallel()
	const bolt, redis = "caddy_scim_store_up bolt", "caddy_scim_store_up redis"
	for _, tt := range []struct {
		name string
		open []Source
		want map[string]float64
	}{
		{"none", nil, map[string]float64{}},
		{"up", []Source{mood("bolt", "a", up)}, map[string]float64{bolt: 1}},
		{"down", []Source{mood("redis", "a", down)}, map[string]float64{redis: 0}},
		{"silent", []Source{mood("redis", "a", silent)}, map[string]float64{redis: 0}},
		{"two drivers", []Source{mood("redis", "a", down), mood("bolt", "b", up)}, map[string]float64{bolt: 1, redis: 0}},
		{"one of two", []Source{mood("redis", "a", down), mood("redis", "b", up), mood("redis", "c", up)}, map[string]float64{redis: 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPool()
				for _, src := range tt.open {
					mustOpen(t, p, src)
				}
				if d := cmp.Diff(tt.want, scrapeUp(t, newUpCollector(p))); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
			})
		})
	}
}

// A store that is not open yet, or that no configuration uses, is not asked.
func TestStoreUpOfUnusedStores(t *testing.T) {
	t.Parallel()
	p := newPool()
	if _, err := p.take(mood("redis", "closed", down)); err != nil {
		t.Fatal(err)
	}
	h := mustOpen(t, p, mood("bolt", "lingering", down))
	h.put()
	if got := scrapeUp(t, newUpCollector(p)); len(got) > 0 {
		t.Errorf("told of %v", got)
	}
	h.expire()
	<-h.closed // nobody holds it
}

func TestStoreUpIsAskedSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		p := newPool()
		mustOpen(t, p, mood("redis", "a", func(context.Context) error {
			if asked.Add(1) > 1 {
				return store.ErrUnavailable
			}
			return nil
		}))
		c := newUpCollector(p)
		for range 5 {
			if got := scrapeUp(t, c)["caddy_scim_store_up redis"]; got != 1 {
				t.Errorf("up is %v", got)
			}
		}
		time.Sleep(askEvery + 1)
		if got := scrapeUp(t, c)["caddy_scim_store_up redis"]; got != 0 || asked.Load() != 2 {
			t.Errorf("up is %v after %d questions", got, asked.Load())
		}
	})
}
