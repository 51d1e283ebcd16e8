package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
)

const acme = "acme"

// patience is the timeout of tests that are not about time: the machine may be
// slow.
const patience = 20 * time.Second

var now = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

func open(tb testing.TB, opt redisstore.Options) *redisstore.Store {
	tb.Helper()
	s, err := redisstore.New(opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

// start returns a server and a store on it.
func start(tb testing.TB, args ...string) (*redistest.Server, *redisstore.Store) {
	tb.Helper()
	server := redistest.Start(tb, args...)
	return server, open(tb, redisstore.Options{Addresses: []string{server.Socket}, ReadTimeout: patience, WriteTimeout: patience})
}

func record(kind store.Kind, id string) store.Record {
	return store.Record{Kind: kind, ID: id, Body: fmt.Appendf(nil, `{"id":%q}`, id)}
}

// create is a batch that makes a user with a userName.
func create(id string) *store.Batch {
	return &store.Batch{
		Time: now, Actor: "tok1",
		Put:    []store.Put{{Record: record(store.User, id)}},
		Claim:  []store.Claim{{Kind: store.User, Key: store.Key{Index: "userName", Value: id}, ID: id}},
		Index:  []store.Entry{{Kind: store.User, Key: store.Key{Index: "emails", Value: id + "@example.com"}, ID: id}},
		Events: []store.Event{{Type: store.UserCreated, Kind: store.User, ID: id, Changed: []string{"userName", "emails"}}},
	}
}

func group(id string, members ...string) *store.Batch {
	b := &store.Batch{Time: now, Put: []store.Put{{Record: record(store.Group, id)}}}
	if len(members) > 0 {
		b.Members = []store.MemberChange{change(id, members...)}
	}
	return b
}

func change(group string, members ...string) store.MemberChange {
	c := store.MemberChange{Group: group, Pending: true}
	for _, m := range members {
		c.Add = append(c.Add, store.Member{ID: m, Kind: store.User})
	}
	return c
}

func commit(tb testing.TB, s store.Store, b *store.Batch) store.Result {
	tb.Helper()
	res, err := s.Commit(tb.Context(), acme, b)
	if err != nil {
		tb.Fatalf("Commit: %v", err)
	}
	return res
}

// exists reads whether a user is there.
func exists(tb testing.TB, s store.Store, id string) bool {
	tb.Helper()
	records, err := s.Get(tb.Context(), acme, store.User, id)
	if err != nil {
		tb.Fatalf("Get: %v", err)
	}
	return len(records) == 1
}

// is demands that err is want and none of the other outcomes of a commit.
func is(tb testing.TB, what string, err, want error) {
	tb.Helper()
	for _, e := range []error{store.ErrUnavailable, store.ErrUncertain, store.ErrTooLarge, store.ErrNotFound, context.Canceled} {
		if errors.Is(err, e) != errors.Is(want, e) {
			tb.Fatalf("%s: error = %v, want %v", what, err, want)
		}
	}
}

// within demands that f takes no longer than limit.
func within(tb testing.TB, limit time.Duration, what string, f func()) {
	tb.Helper()
	start := time.Now()
	f()
	if d := time.Since(start); d > limit {
		tb.Errorf("%s took %v, want at most %v", what, d, limit)
	}
}

// proxy stands between the store and a server.
type proxy struct {
	Addr string
	open atomic.Int32 // connections

	mu    sync.Mutex
	match []byte // cut the connection in whose requests this occurs
	reach bool   // let the request through before
	cuts  int
}

func newProxy(tb testing.TB, server string) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{Addr: l.Addr().String()}
	var wg sync.WaitGroup
	tb.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(client, server) })
		}
	})
	return p
}

// cut makes the proxy cut connections whose requests contain match: after the
// request has reached the server and was answered there, or instead of passing it on.
func (p *proxy) cut(match string, reach bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.match, p.reach, p.cuts = []byte(match), reach, 0
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *proxy) serve(client net.Conn, addr string) {
	p.open.Add(1)
	defer p.open.Add(-1)
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	var mute sync.Mutex // held while answers must not pass
	var wg sync.WaitGroup
	wg.Go(func() {
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			mute.Lock()
			if err == nil {
				_, err = client.Write(buf[:n])
			}
			mute.Unlock()
			if err != nil {
				return
			}
		}
	})
	defer wg.Wait()
	defer server.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		cut := len(p.match) > 0 && bytes.Contains(buf[:n], p.match)
		reach := p.reach
		if cut {
			p.cuts++
		}
		p.mu.Unlock()
		if !cut {
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
			continue
		}
		mute.Lock()
		client.Close()
		mute.Unlock()
		if reach {
			_, _ = server.Write(buf[:n])
			_ = server.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, server)
		}
		return
	}
}
