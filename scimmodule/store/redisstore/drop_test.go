package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
)

// contents returns the bytes of all keys of a server's database 0 but those that
// begin with one of the prefixes.
func contents(tb testing.TB, server *redistest.Server, but ...string) map[string]string {
	tb.Helper()
	out := map[string]string{}
next:
	for line := range strings.Lines(server.Do(tb, "KEYS", "*")) {
		key := strings.TrimSuffix(line, "\n")
		for _, prefix := range but {
			if strings.HasPrefix(key, prefix) {
				continue next
			}
		}
		out[key] = server.Do(tb, "DUMP", key)
	}
	return out
}

// TestDropSparesOthers drops tenants whose names and prefixes are alike, or
// patterns that match others, among keys of other applications.
func TestDropSparesOthers(t *testing.T) {
	t.Parallel()
	server, _ := start(t)
	prefixes := []string{"scim", "scim2", "a-b.c_d", "other:scim"}
	tenants := []string{"acme", "acme2", "acm", "Acme", "a*", "ac?e", "[a]cme", `\acme`, "a[b-c]me", "^acme"}
	stores := map[string]*redisstore.Store{}
	for _, prefix := range prefixes {
		s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Prefix: prefix, ReadTimeout: patience})
		stores[prefix] = s
		for _, tenant := range append(tenants, store.SystemTenant) {
			if _, err := s.Commit(t.Context(), tenant, create("u1")); err != nil {
				t.Fatalf("%s of %s: %v", tenant, prefix, err)
			}
		}
	}
	for _, key := range []string{
		"scim:acme", "scim:{acme}", "scim:{acme", "xscim:{acme}:user:u1", "Scim:{acme}:user:u1", "scim:acme:user:u1", "scim:{acme}x:rev", "acme", "*",
	} {
		server.Do(t, "SET", key, "x")
	}
	for _, tenant := range append(tenants[4:], tenants[:4]...) { // the patterns first
		for _, prefix := range prefixes {
			start := prefix + ":{" + tenant + "}:"
			all, others := contents(t, server), contents(t, server, start)
			erased := 0
			if err := stores[prefix].Drop(t.Context(), tenant, func(n int) { erased = n }); err != nil {
				t.Fatalf("Drop of %s: %v", start, err)
			}
			if n := len(all) - len(others); n < 6 || erased != n {
				t.Errorf("Drop of %s erased %d keys of %d", start, erased, n)
			}
			if d := cmp.Diff(contents(t, server), others); d != "" {
				t.Fatalf("after the drop of %s (-got +want):\n%s", start, d)
			}
		}
	}
	for _, tenant := range []string{"", "a}b", "{"} {
		if err := stores["scim"].Drop(t.Context(), tenant, nil); err == nil {
			t.Errorf("tenant %q was dropped", tenant)
		}
	}
}

// TestDropInParts counts the keys of each step. What is given up in the middle
// is found by the next call.
func TestDropInParts(t *testing.T) {
	t.Parallel()
	server, s := start(t)
	if _, err := s.Commit(t.Context(), "acme2", create("u1")); err != nil {
		t.Fatal(err)
	}
	others := contents(t, server)
	b := group("g")
	c := store.MemberChange{Group: "g"}
	for i := range 3000 {
		u := create(fmt.Sprintf("u%04d", i))
		b.Put, b.Claim = append(b.Put, u.Put...), append(b.Claim, u.Claim...)
		b.Index, b.Events = append(b.Index, u.Index...), append(b.Events, u.Events...)
		c.Add = append(c.Add, store.Member{ID: u.Put[0].Record.ID, Kind: store.User})
	}
	b.Members = []store.MemberChange{c}
	commit(t, s, b)
	server.Do(t, "XGROUP", "CREATE", "scim:{acme}:changes", "mailer", "0")
	total := len(contents(t, server)) - len(others)

	sum := 0
	for _, parts := range []int{1, 3} {
		ctx, cancel := context.WithCancel(t.Context())
		last, steps := 0, 0
		err := s.Drop(ctx, acme, func(n int) {
			if d := n - last; d < 1 || d > 1000 {
				t.Errorf("a step erases %d keys, want 1 to 1000", d)
			}
			last = n
			if steps++; steps == parts {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) || steps != parts {
			t.Fatalf("Drop = %v after %d steps, want the context's error after %d", err, steps, parts)
		}
		sum += last
		if left := len(contents(t, server)) - len(others); left != total-sum {
			t.Errorf("%d keys are left, want %d", left, total-sum)
		}
	}
	if err := s.Drop(t.Context(), acme, nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contents(t, server), others); d != "" {
		t.Errorf("in the end (-got +want):\n%s", d)
	}
	if commit(t, s, create("u0001")).Revision != 1 {
		t.Error("the revision does not start anew")
	}
}

// TestDropBroken loses connections, and has a user who may not.
func TestDropBroken(t *testing.T) {
	t.Parallel()
	server := withUsers(t, redistest.Start(t))
	p := newProxy(t, server.Addr)
	s := open(t, redisstore.Options{
		Addresses: []string{p.Addr}, Username: "caddy-scim", Password: "secret1", ReadTimeout: patience, WriteTimeout: patience,
	})
	commit(t, s, create("u1"))
	before := contents(t, server)

	p.cut("unlink", false)
	is(t, "cut before UNLINK", s.Drop(t.Context(), acme, nil), store.ErrUnavailable)
	if n := p.count(); n != 2 {
		t.Errorf("%d walks, want two", n)
	}
	if d := cmp.Diff(contents(t, server), before); d != "" {
		t.Errorf("before anything was sent (-got +want):\n%s", d)
	}
	p.cut("nothing", false)
	for _, command := range []string{"scan", "unlink"} {
		server.Do(t, "ACL", "SETUSER", "caddy-scim", "-"+command)
		is(t, "without "+command, s.Drop(t.Context(), acme, nil), store.ErrUnavailable)
		server.Do(t, "ACL", "SETUSER", "caddy-scim", "+"+command)
	}
	if d := cmp.Diff(contents(t, server), before); d != "" {
		t.Errorf("after what was denied (-got +want):\n%s", d)
	}

	// The answer to UNLINK is lost: the walk after it finds nothing.
	p.cut("unlink", true)
	if err := s.Drop(t.Context(), acme, nil); err != nil {
		t.Errorf("after a lost answer: %v", err)
	}
	for key := range contents(t, server, "scim:{_system}:") {
		t.Errorf("%s is left", key)
	}
}
