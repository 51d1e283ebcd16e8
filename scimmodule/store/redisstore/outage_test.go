package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
)

// calls are all ways to talk to Redis.
var calls = map[string]func(ctx context.Context, s *redisstore.Store) error{
	"Get": func(ctx context.Context, s *redisstore.Store) error {
		_, err := s.Get(ctx, acme, store.User, "u1")
		return err
	},
	"Lookup": func(ctx context.Context, s *redisstore.Store) error {
		_, err := s.Lookup(ctx, acme, store.User, store.Key{Index: "userName", Value: "u1"})
		return err
	},
	"Scan": func(ctx context.Context, s *redisstore.Store) error {
		_, err := s.Scan(ctx, acme, store.Query{Kind: store.User, Limit: 10})
		return err
	},
	"Edges": func(ctx context.Context, s *redisstore.Store) error {
		_, err := s.Edges(ctx, acme, store.EdgeQuery{Member: "u1", Limit: 10})
		return err
	},
	"Changes": func(ctx context.Context, s *redisstore.Store) error {
		_, err := s.Changes(ctx, acme, 0, 10)
		return err
	},
	"Redact": func(ctx context.Context, s *redisstore.Store) error {
		_, err := s.Redact(ctx, acme, func(store.Change) bool { return true })
		return err
	},
	"Drop": func(ctx context.Context, s *redisstore.Store) error { return s.Drop(ctx, acme, nil) },
	"Commit": func(ctx context.Context, s *redisstore.Store) error {
		_, err := s.Commit(ctx, acme, create("new"))
		return err
	},
	"Warnings": func(ctx context.Context, s *redisstore.Store) error {
		_, err := s.Warnings(ctx)
		return err
	},
	"Ready": func(ctx context.Context, s *redisstore.Store) error { return s.Ready(ctx) },
}

func TestRefusedConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for name, opt := range map[string]redisstore.Options{
		"single":   {Addresses: []string{addr}},
		"socket":   {Addresses: []string{t.TempDir() + "/none.sock"}},
		"sentinel": {Addresses: []string{addr}, MasterName: "main"},
		"cluster":  {Addresses: []string{addr}, Cluster: true},
	} {
		s := open(t, opt)
		for call, f := range calls {
			within(t, time.Second, name+" "+call, func() { is(t, name+" "+call, f(t.Context(), s), store.ErrUnavailable) })
		}
	}
}

// TestSilentServer stops the server's process: connections stand, answers do not come.
func TestSilentServer(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, redisstore.Options{
		Addresses: []string{server.Addr}, ReadTimeout: 300 * time.Millisecond, WriteTimeout: 600 * time.Millisecond,
	})
	commit(t, s, create("u1"))
	server.Pause(t)
	resumed := false
	defer func() {
		if !resumed {
			server.Resume(t)
		}
	}()
	for call, f := range calls {
		want := store.ErrUnavailable
		if call == "Commit" {
			want = store.ErrUncertain // on the connection that stands
		}
		within(t, 900*time.Millisecond, call, func() { is(t, call, f(t.Context(), s), want) })
		if call == "Commit" {
			// On a new connection nothing was sent.
			within(t, 900*time.Millisecond, call, func() { is(t, call, f(t.Context(), s), store.ErrUnavailable) })
		}
		// A fresh connection for the next call, so that each finds one that stands.
		server.Resume(t)
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Pause(t)
	}
	server.Resume(t)
	resumed = true
	redistest.Await(t, "the commit that was sent is there", func() bool { return exists(t, s, "new") })
}

func TestContexts(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}})
	commit(t, s, create("u1"))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for call, f := range calls {
		is(t, call+" with an ended context", f(ended, s), context.Canceled)
	}
	if exists(t, s, "new") {
		t.Error("a commit with an ended context was applied")
	}
	server.Pause(t)
	defer server.Resume(t)
	for call, f := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		within(t, 500*time.Millisecond, call, func() {
			err := f(ctx, s)
			if call == "Commit" && errors.Is(err, store.ErrUncertain) { // where a connection was left
				return
			}
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: error = %v, want the context's", call, err)
			}
		})
		cancel()
	}
}

func TestLostReply(t *testing.T) {
	server := redistest.Start(t)
	p := newProxy(t, server.Addr)
	direct := open(t, redisstore.Options{Addresses: []string{server.Addr}})
	s := open(t, redisstore.Options{Addresses: []string{p.Addr}})
	commit(t, s, create("u0"))

	p.cut("evalsha", true)
	_, err := s.Commit(t.Context(), acme, create("u1"))
	is(t, "cut after sending", err, store.ErrUncertain)
	redistest.Await(t, "the commit arrived", func() bool { return exists(t, direct, "u1") })
	p.cut("evalsha", false)
	_, err = s.Commit(t.Context(), acme, create("u2"))
	is(t, "cut while sending", err, store.ErrUncertain)
	if n := p.count(); n != 1 {
		t.Errorf("the commit was sent %d times, want once", n)
	}
	if exists(t, direct, "u2") {
		t.Error("a commit that did not arrive was applied")
	}

	// A connection that breaks before is sure to have changed nothing.
	fresh := open(t, redisstore.Options{Addresses: []string{p.Addr}})
	if err := fresh.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Do(t, "CLIENT", "KILL", "TYPE", "normal")
	redistest.Await(t, "the connections are closed", func() bool { return p.open.Load() == 0 })
	p.cut("hello", false)
	_, err = fresh.Commit(t.Context(), acme, create("u3"))
	is(t, "cut in the handshake", err, store.ErrUnavailable)

	// Reads are tried twice.
	p.cut("nothing", false)
	if !exists(t, s, "u1") {
		t.Error("the user is not there")
	}
	p.cut("scim:{acme}:user:u1\r\n", false)
	_, err = s.Get(t.Context(), acme, store.User, "u1")
	is(t, "read", err, store.ErrUnavailable)
	if n := p.count(); n != 2 {
		t.Errorf("the read was sent %d times, want twice", n)
	}
	p.cut("nothing", false)
	if !exists(t, s, "u1") {
		t.Error("the user is not there")
	}
}

// TestKillUnderLoad kills a server that syncs every write; what was
// acknowledged is there afterwards, and the store resumes by itself.
func TestKillUnderLoad(t *testing.T) {
	server, s := start(t, "--appendonly", "yes", "--appendfsync", "always")
	for round := range 3 {
		var mu sync.Mutex
		acked := map[string]bool{}
		maybe := map[string]bool{}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					id := fmt.Sprintf("u%d-%d-%d", round, w, i)
					_, err := s.Commit(t.Context(), acme, create(id))
					mu.Lock()
					switch {
					case err == nil:
						acked[id] = true
					case errors.Is(err, store.ErrUncertain):
						maybe[id] = true
					case !errors.Is(err, store.ErrUnavailable):
						t.Errorf("Commit: %v", err)
					}
					mu.Unlock()
				}
			})
		}
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(acked)
		}
		redistest.Await(t, "200 users are created", func() bool { return count() >= 200 })
		server.Kill()
		before := count()
		server.Restart(t)
		redistest.Await(t, "commits go on", func() bool { return count() >= before+50 })
		close(stop)
		wg.Wait()

		known := 0
		for id := range acked {
			if !exists(t, s, id) {
				t.Fatalf("user %s was acknowledged and is lost", id)
			}
		}
		for id := range maybe {
			holder, err := s.Lookup(t.Context(), acme, store.User, store.Key{Index: "userName", Value: id})
			if (err == nil && holder == id) != exists(t, s, id) {
				t.Fatalf("user %s is there without its key, or its key without it", id)
			}
			known++
		}
		t.Logf("round %d: %d acknowledged, %d uncertain", round, len(acked), known)
	}
}

// TestRefusals takes real refusals of servers: nothing was applied, and no
// value is in the error.
func TestRefusals(t *testing.T) {
	ask := func(s store.Store, id string) error {
		_, err := s.Commit(t.Context(), acme, create(id))
		return err
	}
	t.Run("out of memory", func(t *testing.T) {
		server, s := start(t)
		commit(t, s, create("u1"))
		server.Do(t, "CONFIG", "SET", "maxmemory", "1")
		is(t, "Commit", ask(s, "u2"), store.ErrUnavailable)
		server.Do(t, "CONFIG", "SET", "maxmemory", "0")
		if exists(t, s, "u2") {
			t.Error("a refused commit was applied")
		}
	})
	t.Run("replica", func(t *testing.T) {
		master, _ := start(t)
		replica, s := start(t)
		commit(t, s, create("u1"))
		host, port, _ := net.SplitHostPort(master.Addr)
		replica.Do(t, "REPLICAOF", host, port)
		is(t, "Commit", ask(s, "u2"), store.ErrUnavailable)
	})
	t.Run("too few replicas", func(t *testing.T) {
		_, s := start(t, "--min-replicas-to-write", "1")
		is(t, "Commit", ask(s, "u1"), store.ErrUnavailable)
	})
	t.Run("cluster down", func(t *testing.T) {
		server := redistest.StartCluster(t, 1)[0]
		s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Cluster: true})
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Do(t, "CLUSTER", "DELSLOTSRANGE", "0", "16383")
		is(t, "Commit", ask(s, "u1"), store.ErrUnavailable)
	})
	t.Run("wrong password", func(t *testing.T) {
		server := redistest.Start(t, "--requirepass", "right-one")
		for _, password := range []string{"", "wrong-one"} {
			s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Password: password})
			err := ask(s, "u1")
			if is(t, "Commit", err, store.ErrUnavailable); strings.Contains(err.Error(), "-one") {
				t.Errorf("the error tells a password: %v", err)
			}
		}
		commit(t, open(t, redisstore.Options{Addresses: []string{server.Addr}, Password: "right-one"}), create("u1"))
	})
	t.Run("a foreign value in a key", func(t *testing.T) {
		server, s := start(t)
		server.Do(t, "SADD", "scim:{acme}:user:u1", "x")
		b := create("u1")
		b.Put[0].Expect = store.Any
		if _, err := s.Commit(t.Context(), acme, b); err == nil || strings.Contains(err.Error(), "u1") {
			t.Errorf("error = %v, want one without the key", err)
		}
		if n := server.Do(t, "DBSIZE"); n != "2" { // the set and the layout
			t.Errorf("%s keys after a script that failed, want 2", n)
		}
		server.Do(t, "SET", "scim:{acme}:user:u2", "x")
		if _, err := s.Get(t.Context(), acme, store.User, "u2"); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("reading a foreign value: %v", err)
		}
	})
}
