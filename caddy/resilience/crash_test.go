package resilience

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// Caddy is killed in the middle of a write load, again and again, and Redis
// with it: everything that was acknowledged is there afterwards, what was not
// is there whole or not at all, and the store contradicts itself nowhere.
func TestKill(t *testing.T) {
	kills := 3
	if soak() {
		kills = 20
	}
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			var r *e2e.Redis
			if store == e2e.RedisName {
				r = e2e.StartRedis(t, e2e.RedisOptions{AppendOnly: true})
			}
			s := e2e.StartServerOn(t, r, everything)
			shared := s.CreateGroup(t, "shared")
			writers := make([]*writer, 8)
			for i := range writers {
				writers[i] = newWriter(i, shared)
			}
			for round := range kills {
				before := acknowledged(writers)
				writeUntilKilled(t, s, writers, round)
				if r != nil {
					r.Start(t)
				}
				checkStore(t, s.Caddy.BoltFile, r, s.Tenant)
				s.Caddy.Start(t)
				d := readAll(t, s.Client, shared)
				unanswered := 0
				for _, w := range writers {
					if w.pending != nil {
						unanswered++
					}
					w.compare(t, d)
				}
				t.Logf("kill %d: %d changes were acknowledged, %d not answered; %d users, %d groups", round+1,
					acknowledged(writers)-before, unanswered, len(d.users), len(d.members))
				if t.Failed() {
					return
				}
			}
		})
	}
}

// writeUntilKilled lets the writers go, and kills the processes when a number of
// changes was acknowledged.
func writeUntilKilled(t *testing.T, s *e2e.Server, writers []*writer, round int) {
	t.Helper()
	var acked atomic.Int64
	var wg sync.WaitGroup
	for _, w := range writers {
		wg.Go(func() {
			for w.once(s.Client) {
				acked.Add(1)
			}
		})
	}
	enough := int64(150 + rand.IntN(150))
	e2e.Eventually(t, time.Minute, "changes are acknowledged", func() bool { return acked.Load() >= enough })
	// Either may die first. Redis dies with requests on their way to it.
	if s.Redis != nil && round%2 == 0 {
		s.Redis.Kill(t)
	}
	s.Caddy.Kill(t)
	if s.Redis != nil {
		s.Redis.Kill(t)
	}
	wg.Wait()
	for _, w := range writers {
		if w.problem != "" {
			t.Fatalf("writer %s: %s", w.prefix, w.problem)
		}
	}
}

func acknowledged(writers []*writer) int {
	n := 0
	for _, w := range writers {
		n += w.acked
	}
	return n
}
