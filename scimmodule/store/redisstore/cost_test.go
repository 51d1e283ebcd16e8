package redisstore_test

import (
	"fmt"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
)

// BenchmarkMemberCost compares adding and removing a member of a group of 100,000
// with the same for a group of 10, in turn: the processor time of this process
// and of redis-server together, for each pair, and the ratio of the two. Wall
// time on a shared machine tells little.
func BenchmarkMemberCost(b *testing.B) {
	server, s := start(b)
	sizes := map[string]int{"small": 10, "large": 100_000}
	for name, n := range sizes {
		commit(b, s, group(name))
		for from := 0; from < n; from += 10_000 {
			change := store.MemberChange{Group: name, Pending: true}
			for i := from; i < min(from+10_000, n); i++ {
				change.Add = append(change.Add, store.Member{ID: fmt.Sprintf("%s-%06d", name, i), Kind: store.User})
			}
			commit(b, s, &store.Batch{Time: now, Members: []store.MemberChange{change}})
		}
	}
	commit(b, s, create("mover"))
	spent := map[string]time.Duration{}
	pairs := 0
	b.ResetTimer()
	for b.Loop() {
		for name := range sizes {
			before := processorTime(b, server)
			for range 500 {
				move(b, s, name)
			}
			spent[name] += processorTime(b, server) - before
		}
		pairs += 500
	}
	per := func(name string) float64 { return float64(spent[name].Nanoseconds()) / float64(pairs) / 1000 }
	b.ReportMetric(per("small"), "cpu-µs/10")
	b.ReportMetric(per("large"), "cpu-µs/100000")
	b.ReportMetric(per("large")/per("small"), "ratio")
}

// move adds a member to the group and removes it again.
func move(b *testing.B, s *redisstore.Store, name string) {
	commit(b, s, &store.Batch{Time: now, Members: []store.MemberChange{{Group: name, Add: []store.Member{{ID: "mover", Kind: store.User}}}}})
	commit(b, s, &store.Batch{Time: now, Members: []store.MemberChange{{Group: name, Remove: []string{"mover"}}}})
}

var cpuLine = regexp.MustCompile(`used_cpu_(?:sys|user):([0-9.]+)`)

// processorTime is what this process and redis-server have used so far.
func processorTime(b *testing.B, server *redistest.Server) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	sum := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	for _, m := range cpuLine.FindAllStringSubmatch(server.Do(b, "INFO", "cpu"), -1) {
		seconds, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(seconds * float64(time.Second))
	}
	return sum
}
