package admintest

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

const flood = 2000

// TestFloods counts what wrong tokens cost the store.
func TestFloods(t *testing.T) {
	t.Parallel()
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, proxied)
			s.Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
			quiet(t, s)

			const slack = 6 // the server's own work, once a minute, and what this test asks for

			before := reads(t, s)
			got := send(t, s, func(n int) (secret, from string) {
				wrong := []string{"wrong-" + strconv.Itoa(n), "", mistyped(token.Mint()), "scim_" + strconv.Itoa(n), token.Mint() + "x"}
				return wrong[n%len(wrong)], via(fmt.Sprintf("172.16.%d.%d", n>>8, n&0xff))
			})
			same(t, "answers to malformed tokens, each from another address", map[int]int{401: flood}, got)
			if n := reads(t, s).less(before); n.calls > slack || n.commands > slack {
				t.Errorf("%d malformed tokens cost %+v", flood, n)
			}

			before = reads(t, s)
			from := via(address())
			start := time.Now()
			got = send(t, s, func(int) (string, string) { return token.Mint(), from })
			// Twenty at once, one more every three seconds, and those under way at once.
			most := 20 + int(time.Since(start)/(3*time.Second)) + 1 + floodClients
			if got[401]+got[429] != flood || got[401] > most || got[401] < 20 {
				t.Errorf("answers to unknown tokens from one address: %v, want at most %d times 401", got, most)
			}
			if n := reads(t, s).less(before); n.calls > most+slack || n.commands > most+slack || n.calls < 20 {
				t.Errorf("%d unknown tokens from one address, of which %d were not throttled, cost %+v", flood, got[401], n)
			}
			s.Do(t, "GET", "/Users?count=0", nil, from).Want(t, 200)
		})
	}
}

const floodClients = 8

// send sends a flood of requests with wrong tokens and counts the answers by
// status.
func send(t *testing.T, s *e2e.Server, of func(n int) (secret, from string)) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts, report := map[int]int{}, newReporter()
	for i := range floodClients {
		wg.Go(func() {
			for n := i; n < flood; n += floodClients {
				secret, from := of(n)
				r, err := s.Send("GET", "/Users?count=0", nil, from, "Authorization: Bearer "+secret)
				if err != nil {
					report.add("%v", err)
					return
				}
				mu.Lock()
				counts[r.Status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	report.report(t)
	return counts
}

// cost is what was asked of the store.
type cost struct {
	calls    int // by the server's own metric
	commands int // by Redis' statistics; 0 on bbolt
}

func (c cost) less(o cost) cost { return cost{c.calls - o.calls, c.commands - o.commands} }

var commandCalls = regexp.MustCompile(`cmdstat_([a-z|_-]+):calls=([0-9]+)`)

// reads counts look-ups so far.
func reads(t *testing.T, s *e2e.Server) cost {
	t.Helper()
	var c cost
	for _, op := range []string{"get", "lookup", "scan"} {
		c.calls += int(metric(t, s, "caddy_scim_store_duration_seconds_count", fmt.Sprintf("op=%q", op)))
	}
	if s.Redis == nil {
		return c
	}
	for _, m := range commandCalls.FindAllStringSubmatch(s.Redis.Do(t, "INFO", "commandstats").(string), -1) {
		switch m[1] {
		case "get", "mget", "hget", "hmget", "hgetall", "exists", "zscore", "zrange", "eval", "evalsha", "eval_ro", "evalsha_ro":
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			c.commands += n
		}
	}
	return c
}

// quiet waits until the server does nothing of its own: its first round is over.
func quiet(t *testing.T, s *e2e.Server) {
	t.Helper()
	e2e.Eventually(t, 20*time.Second, "the first round of background work", func() bool {
		return counter(t, s, "caddy_scim_housekeeping_runs_total", "outcome", "ok") > 0
	})
	last := reads(t, s)
	since := time.Now()
	e2e.Eventually(t, 20*time.Second, "two seconds without a look-up", func() bool {
		if now := reads(t, s); now.calls != last.calls { // to ask for the metric is a command, too
			last, since = now, time.Now()
		}
		return time.Since(since) > 2*time.Second
	})
}

// TestRate has a tenant send more than it may.
func TestRate(t *testing.T) {
	t.Parallel()
	limited := proxied
	limited.Rate = "5 5"
	e2e.ForEachStore(t, limited, func(t *testing.T, s *e2e.Server) {
		other := s.NewTenant(t)
		passed := counter(t, s, "caddy_scim_authentications_total", "outcome", "ok")
		before := counter(t, s, "caddy_scim_limited_total", "limit", "rate")
		refusals := 0
		for n := range 40 {
			r := s.Do(t, "GET", "/Users?count=0", nil)
			switch {
			case r.Status == 429:
				refusals++
				r.WantError(t, 429, "", "5 a second")
				if after, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || after < 1 || after > 2 {
					t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
				}
			case r.Status != 200 || n < 5 && r.Status != 200:
				t.Fatalf("request %d\n%s", n, r)
			}
		}
		if refusals == 0 {
			t.Error("40 requests of a tenant that may send five a second all passed")
		}
		for range 5 {
			other.Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
		}
		if n := counter(t, s, "caddy_scim_limited_total", "limit", "rate") - before; n != refusals {
			t.Errorf("%d requests were counted as limited, there were %d", n, refusals)
		}
		if n := counter(t, s, "caddy_scim_authentications_total", "outcome", "ok") - passed; n != 45 {
			t.Errorf("%d valid tokens were counted, there were 45", n)
		}
		e2e.Eventually(t, 5*time.Second, "the tenant may send again", func() bool { return s.Do(t, "GET", "/Users?count=0", nil).Status == 200 })
		// One tenant has another limit, set at run time.
		free := tenant(t, s, `{"rate":"off"}`)
		for range 20 {
			free.Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
		}
	})
}
