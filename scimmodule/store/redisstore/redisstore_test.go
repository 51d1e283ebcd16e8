package redisstore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/storetest"
)

func TestConformance(t *testing.T) {
	servers := map[store.Store]*redistest.Server{}
	storetest.Run(t, storetest.Config{
		Open: func(tb testing.TB, limit store.LogLimit) store.Store {
			server := redistest.Start(tb, "--appendonly", "yes", "--appendfsync", "always")
			s := open(tb, redisstore.Options{Addresses: []string{server.Socket}, Log: limit, ReadTimeout: patience, WriteTimeout: patience})
			servers[s] = server
			return s
		},
		Reopen: func(tb testing.TB, old store.Store) store.Store {
			server := servers[old]
			if err := old.Close(); err != nil {
				tb.Fatal(err)
			}
			server.Kill()
			server.Restart(tb)
			s := open(tb, redisstore.Options{Addresses: []string{server.Socket}, ReadTimeout: patience, WriteTimeout: patience})
			servers[s] = server
			return s
		},
	})
}

func BenchmarkStore(b *testing.B) {
	storetest.RunBenchmarks(b, storetest.Config{
		Open: func(tb testing.TB, limit store.LogLimit) store.Store {
			server := redistest.Start(tb)
			return open(tb, redisstore.Options{Addresses: []string{server.Socket}, Log: limit, ReadTimeout: patience, WriteTimeout: patience})
		},
	})
}

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	server, s := start(t)
	for i := range 3 {
		commit(t, s, create(fmt.Sprint("u", i)))
		server.Do(t, "SCRIPT", "FLUSH")
		changes, err := s.Changes(t.Context(), acme, 0, 10)
		if err != nil || len(changes) != i+1 {
			t.Fatalf("Changes after a flush: %d, %v; want %d", len(changes), err, i+1)
		}
		server.Do(t, "SCRIPT", "FLUSH")
	}
}

// TestMemberAddCost compares the Redis commands of adding one member to groups
// of 10 and of 100,000.
func TestMemberAddCost(t *testing.T) {
	t.Parallel()
	server, s := start(t)
	for _, g := range []struct {
		id   string
		size int
	}{{"small", 10}, {"large", 100_000}} {
		commit(t, s, group(g.id))
		for from := 0; from < g.size; from += 20_000 {
			var members []string
			for i := from; i < min(from+20_000, g.size); i++ {
				members = append(members, fmt.Sprintf("m%06d", i))
			}
			commit(t, s, &store.Batch{Time: now, Members: []store.MemberChange{change(g.id, members...)}})
		}
	}
	commit(t, s, create("u1"))
	count := func(group string) string {
		server.Do(t, "CONFIG", "RESETSTAT")
		res := commit(t, s, &store.Batch{Time: now, Members: []store.MemberChange{{Group: group, Add: []store.Member{{ID: "u1", Kind: store.User}}}}})
		if res.Added[group] != 1 {
			t.Fatalf("added %d members, want 1", res.Added[group])
		}
		var calls []string
		for line := range strings.Lines(server.Do(t, "INFO", "commandstats")) {
			name, rest, ok := strings.Cut(strings.TrimSpace(line), ":calls=")
			n, _, _ := strings.Cut(rest, ",")
			if ok && !strings.HasPrefix(name, "cmdstat_config") && !strings.HasPrefix(name, "cmdstat_info") {
				calls = append(calls, name+"="+n)
			}
		}
		return strings.Join(calls, " ")
	}
	small, large := count("small"), count("large")
	if diff := cmp.Diff(small, large); diff != "" {
		t.Errorf("commands for a group of 10 (-) and of 100,000 (+):\n%s", diff)
	}
	if n := strings.Count(small, "cmdstat_"); n < 5 || n > 15 || strings.Contains(small, "=3") {
		t.Errorf("commands: %s", small)
	}
}

// TestLargeBatch makes 20,000 users with keys and links them, in one commit.
func TestLargeBatch(t *testing.T) {
	t.Parallel()
	server, s := start(t)
	b := group("g")
	c := store.MemberChange{Group: "g"}
	for i := range 20_000 {
		id := fmt.Sprintf("u%05d", i)
		u := create(id)
		b.Put, b.Claim = append(b.Put, u.Put...), append(b.Claim, u.Claim...)
		b.Index, b.Events = append(b.Index, u.Index...), append(b.Events, u.Events...)
		c.Add = append(c.Add, store.Member{ID: id, Kind: store.User})
	}
	b.Members = []store.MemberChange{c}
	res := commit(t, s, b)
	if res.Added["g"] != 20_000 {
		t.Fatalf("added %d, want 20000", res.Added["g"])
	}
	for key, want := range map[string]string{
		"ZCARD scim:{acme}:users":                                "20000",
		"ZCARD scim:{acme}:group:g:members":                      "20000",
		"GET scim:{acme}:user:by:userName:u12345":                "u12345",
		"ZRANGE scim:{acme}:user:idx:emails:u0@example.com 0 -1": "",
		"ZRANGE scim:{acme}:user:u19999:groups 0 -1":             "g",
	} {
		if got := server.Do(t, strings.Fields(key)...); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}

	for i := range 60_000 {
		b.Members[0].Remove = append(b.Members[0].Remove, fmt.Sprint("r", i))
	}
	b.Require = make([]store.Require, 0, 60_000)
	for i := range 60_000 {
		b.Require = append(b.Require, store.Require{Kind: store.Archived, ID: fmt.Sprint("r", i)})
	}
	_, err := s.Commit(t.Context(), acme, b)
	is(t, "300,000 keys", err, store.ErrTooLarge)
	u := record(store.User, "big")
	u.Body = []byte(`{"a":"` + strings.Repeat("x", 64<<20) + `"}`)
	_, err = s.Commit(t.Context(), acme, &store.Batch{Time: now, Put: []store.Put{{Record: u}}})
	is(t, "64 MiB", err, store.ErrTooLarge)
}

// TestRedactErases looks for a dropped record in the bytes of a snapshot.
func TestRedactErases(t *testing.T) {
	t.Parallel()
	server, s := start(t, "--rdbcompression", "no")
	const canary = "canary-4711"
	b := create("u1")
	b.Put[0].Record.Body = []byte(`{"displayName":"` + canary + `"}`)
	res := commit(t, s, b)
	for i := range 5 {
		commit(t, s, create(fmt.Sprint("other", i)))
	}
	snapshot := func() string {
		server.Do(t, "SAVE")
		text, err := os.ReadFile(filepath.Join(server.Dir, "dump.rdb"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if n := strings.Count(snapshot(), canary); n != 2 {
		t.Fatalf("the canary is %d times in the snapshot, want twice: record and log", n)
	}
	commit(t, s, &store.Batch{Time: now, Delete: []store.Delete{{Kind: store.User, ID: "u1", Expect: res.Revision}}})
	n, err := s.Redact(t.Context(), acme, func(c store.Change) bool { return c.ID == "u1" })
	if n != 1 || err != nil {
		t.Fatalf("Redact = %d, %v; want 1", n, err)
	}
	if strings.Contains(snapshot(), canary) {
		t.Error("the record is in a snapshot after it was deleted and redacted")
	}
}

// TestTrimsRecords: the records of entries that are trimmed go with them.
func TestTrimsRecords(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Options{Addresses: []string{server.Socket}, Log: store.LogLimit{Entries: 50}})
	for i := range 200 {
		commit(t, s, create(fmt.Sprint("u", i)))
	}
	entries := server.Do(t, "XLEN", "scim:{acme}:changes")
	if records := server.Do(t, "HLEN", "scim:{acme}:changes:records"); records != entries {
		t.Errorf("%s records of %s entries", records, entries)
	}
	if n := len(entries); n != 2 || entries < "50" || entries > "55" {
		t.Errorf("%s entries, want 50 to 55", entries)
	}
	// A limit that was lowered holds after the next commit.
	s = open(t, redisstore.Options{Addresses: []string{server.Socket}, Log: store.LogLimit{Entries: 5}})
	commit(t, s, create("last"))
	if entries := server.Do(t, "XLEN", "scim:{acme}:changes"); entries != "5" {
		t.Errorf("%s entries, want 5", entries)
	}
	_, err := s.Changes(t.Context(), acme, 0, 10)
	var truncated *store.TruncatedError
	if !errors.As(err, &truncated) || truncated.Oldest != 196 {
		t.Errorf("error = %v, want truncated before 196", err)
	}
}

func TestLayoutVersion(t *testing.T) {
	t.Parallel()
	server, s := start(t)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := server.Do(t, "GET", "scim:{_system}:layout"); v != "1" {
		t.Fatalf("layout %q, want 1", v)
	}
	server.Do(t, "SET", "scim:{_system}:layout", "2")
	if err := s.Ready(t.Context()); !errors.Is(err, redisstore.ErrLayout) || !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("Ready on a newer layout = %v", err)
	}
	for _, s := range []store.Store{s, open(t, redisstore.Options{Addresses: []string{server.Addr}})} {
		if _, err := s.Commit(t.Context(), acme, create("u1")); !errors.Is(err, redisstore.ErrLayout) {
			t.Errorf("Commit on a newer layout = %v", err)
		}
		if _, err := s.Get(t.Context(), acme, store.User, "u1"); !errors.Is(err, redisstore.ErrLayout) {
			t.Errorf("Get on a newer layout = %v", err)
		}
	}
	server.Do(t, "SET", "scim:{_system}:layout", "1")
	if commit(t, s, create("u1")); !exists(t, s, "u1") {
		t.Error("the user is not there")
	}
}

func TestPrefixAndDB(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, redisstore.Options{Addresses: []string{server.Addr}, Prefix: "other:app", DB: 3})
	b := open(t, redisstore.Options{Addresses: []string{server.Addr}, DB: 3})
	commit(t, a, create("u1"))
	if exists(t, b, "u1") {
		t.Error("a store with another prefix sees the user")
	}
	if got := server.Do(t, "KEYS", "*"); got != "" {
		t.Errorf("keys in database 0: %s", got)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	_, s := start(t)
	for name, spoil := range map[string]func(b *store.Batch){
		"no time":           func(b *store.Batch) { b.Time = time.Time{} },
		"year 10000":        func(b *store.Batch) { b.Time = now.AddDate(8000, 0, 0) },
		"created too early": func(b *store.Batch) { b.Put[0].Record.Created = now.AddDate(-3000, 0, 0) },
		"id with a brace":   func(b *store.Batch) { b.Put[0].Record.ID = "u}1" },
		"id with a colon":   func(b *store.Batch) { b.Put[0].Record.ID = ":u1" },
		"no id":             func(b *store.Batch) { b.Put[0].Record.ID = "" },
		"unknown kind":      func(b *store.Batch) { b.Put[0].Record.Kind = "role" },
		"bad fingerprint":   func(b *store.Batch) { b.Put[0].Record.Allow = `x","provisional":true` },
		"body no object":    func(b *store.Batch) { b.Put[0].Record.Body = []byte(`[]`) },
		"index with colon":  func(b *store.Batch) { b.Claim[0].Key.Index = "a:b" },
		"long value":        func(b *store.Batch) { b.Claim[0].Key.Value = strings.Repeat("x", store.MaxKeyValue+1) },
		"delete of none":    func(b *store.Batch) { b.Delete = []store.Delete{{Kind: store.User, ID: "u2"}} },
		"member of a kind": func(b *store.Batch) {
			b.Members = []store.MemberChange{{Group: "g", Add: []store.Member{{ID: "x", Kind: store.Token}}}}
		},
	} {
		b := create("u1")
		spoil(b)
		if _, err := s.Commit(t.Context(), acme, b); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: error = %v, want a plain one", name, err)
		}
	}
	for _, tenant := range []string{"", "a}b", "{"} {
		if _, err := s.Commit(t.Context(), tenant, create("u1")); err == nil {
			t.Errorf("tenant %q was taken", tenant)
		}
	}
	if exists(t, s, "u1") {
		t.Error("the user is there")
	}
}
