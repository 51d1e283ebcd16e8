// Package resilience tests what holds when many change the same things at once,
// when processes die, when the configuration is reloaded and when Redis is away:
// on the real binary, over HTTP, on a bbolt file and on a real redis-server.
package resilience

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

type (
	M = e2e.M
	A = e2e.A
)

var everything = e2e.Config{Allow: []string{"*"}}

// soak tells whether the long forms of the tests are wanted (SOAK=1).
func soak() bool { return os.Getenv("SOAK") != "" }

// cluster is what clients can send to: one Caddy over bbolt, or two over one
// Redis, with a client each of the same tenant.
type cluster struct {
	*e2e.Server
	clients []*e2e.Client
	caddies []*e2e.Caddy
}

// forEachCluster runs f for bbolt with one Caddy and for Redis with two, and
// then checks that the tenant's records, keys, edges and log agree.
func forEachCluster(t *testing.T, cfg e2e.Config, f func(t *testing.T, c *cluster)) {
	t.Helper()
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, cfg)
			c := &cluster{Server: s, clients: []*e2e.Client{s.Client}, caddies: []*e2e.Caddy{s.Caddy}}
			if store == e2e.RedisName {
				p := s.Peer(t)
				c.clients, c.caddies = append(c.clients, p.Client), append(c.caddies, p.Caddy)
			}
			f(t, c)
			for _, caddy := range c.caddies {
				caddy.Stop(t)
			}
			checkStore(t, s.Caddy.BoltFile, s.Redis, s.Tenant)
		})
	}
}

// client returns one of the cluster's clients, by turns.
func (c *cluster) client(n int) *e2e.Client { return c.clients[n%len(c.clients)] }

// answer is what a request in a goroutine got.
type answer struct {
	*e2e.Response
	err  error
	took time.Duration
}

// atOnce sends n requests at once, each as send does, and returns the answers in
// the same order.
func atOnce(n int, send func(i int) (*e2e.Response, error)) []answer {
	out := make([]answer, n)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-gate
			out[i] = timed(func() (*e2e.Response, error) { return send(i) })
		})
	}
	close(gate)
	wg.Wait()
	return out
}

// inBackground repeats f in n goroutines until halt is called, which waits for
// them and may be called again.
func inBackground(n int, f func(worker int)) (halt func()) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for worker := range n {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f(worker)
				}
			}
		})
	}
	return sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
}

func timed(send func() (*e2e.Response, error)) answer {
	start := time.Now()
	r, err := send()
	return answer{r, err, time.Since(start)}
}

// wantEach reports the answers that have another status, or that no SCIM
// response may look like.
func wantEach(t *testing.T, answers []answer, status int) {
	t.Helper()
	for i, a := range answers {
		switch {
		case a.err != nil:
			t.Errorf("request %d: %v", i, a.err)
		case a.Status != status:
			t.Errorf("request %d: status %d, want %d\n%s", i, a.Status, status, a)
		default:
			for _, p := range a.Problems() {
				t.Errorf("request %d: %s\n%s", i, p, a)
			}
		}
	}
}

// count returns how many of the answers have each status; 0 stands for none.
func count(answers []answer) map[int]int {
	out := map[int]int{}
	for _, a := range answers {
		if a.err != nil {
			out[0]++
		} else {
			out[a.Status]++
		}
	}
	return out
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return out
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// find returns the path of the filtered list of users of that userName.
func find(userName string) string {
	return e2e.Filter("/Users", fmt.Sprintf("userName eq %q", userName))
}

// removal is the path of one member, as Entra removes it.
func removal(id string) string { return fmt.Sprintf("members[value eq %q]", id) }

func upper(s string, odd int) string {
	if odd%2 == 1 {
		return strings.ToUpper(s)
	}
	return s
}
