package caddy

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A scrape asks the stores themselves, so that the answer does not wait for a
// request. It neither waits long for one that is silent, nor asks again for
// each of several scrapers.
const (
	askTimeout = 2 * time.Second
	askEvery   = 2 * time.Second
)

// storesUp tells for each driver in use whether its store answers.
var storesUp = newUpCollector(stores)

// upCollector is a prometheus.Collector over the stores of a pool.
type upCollector struct {
	pool *pool
	desc *prometheus.Desc

	mu    sync.Mutex
	asked time.Time
	up    map[string]bool // by driver, as it was then
}

func newUpCollector(p *pool) *upCollector {
	return &upCollector{pool: p, desc: prometheus.NewDesc("caddy_scim_store_up",
		"Whether the store answered when this was scraped: 1, or 0 while SCIM requests are answered with 503.", []string{"driver"}, nil)}
}

// Describe implements prometheus.Collector.
func (u *upCollector) Describe(ch chan<- *prometheus.Desc) { ch <- u.desc }

// Collect implements prometheus.Collector.
func (u *upCollector) Collect(ch chan<- prometheus.Metric) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Since(u.asked) > askEvery {
		u.up = u.pool.up()
		u.asked = time.Now()
	}
	for driver, up := range u.up {
		v := 0.0
		if up {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(u.desc, prometheus.GaugeValue, v, driver)
	}
}

// up asks the open stores that a configuration uses whether they are ready. Where
// two have the same driver, both must be.
func (p *pool) up() map[string]bool {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	var (
		mu  sync.Mutex
		all sync.WaitGroup
		out = map[string]bool{}
	)
	for _, h := range p.inUse() {
		all.Go(func() {
			defer h.release()
			s := h.current.Load()
			if s == nil {
				return
			}
			err := (*s).Ready(ctx)
			mu.Lock()
			defer mu.Unlock()
			earlier, seen := out[h.src.Driver]
			out[h.src.Driver] = err == nil && (earlier || !seen)
		})
	}
	all.Wait()
	return out
}

// inUse returns the handles that a configuration holds. Each must be released.
func (p *pool) inUse() []*handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*handle
	for _, h := range p.handles {
		if !h.abandoned() && h.use() {
			list = append(list, h)
		}
	}
	return list
}
