package redisstore_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
)

// blocks returns the lines of the fenced blocks of a language in the page that
// describes the layout.
func blocks(tb testing.TB, language string) []string {
	tb.Helper()
	page, err := os.ReadFile("../../../docs/redis-layout.md")
	if err != nil {
		tb.Fatal(err)
	}
	var out []string
	inside := false
	for line := range strings.Lines(string(page)) {
		switch line = strings.TrimSpace(line); {
		case line == "```"+language:
			inside = true
		case line == "```":
			inside = false
		case inside:
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		tb.Fatalf("no block of %s in the page", language)
	}
	return out
}

// withUsers returns a server with the users that the page describes.
func withUsers(tb testing.TB, server *redistest.Server) *redistest.Server {
	tb.Helper()
	for _, line := range blocks(tb, "acl") {
		if answer := server.Do(tb, strings.Fields(line)...); answer != "OK" {
			tb.Fatalf("%.40s: %s", line, answer)
		}
	}
	return server
}

func as(tb testing.TB, server *redistest.Server, name, password string) *redis.Client {
	tb.Helper()
	c := redis.NewClient(&redis.Options{Addr: server.Addr, Username: name, Password: password, Protocol: 2, DisableIdentity: true})
	tb.Cleanup(func() { c.Close() })
	return c
}

// TestDocumentedExamples runs the examples of the page, as the users that it describes.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	server := withUsers(t, redistest.Start(t))
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Username: "caddy-scim", Password: "secret1"})
	user := record(store.User, "2819c223")
	user.Body = []byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2819c223","userName":"Alice@example.com"}`)
	key := func(index, value string) store.Key { return store.Key{Index: index, Value: value} }
	commit(t, s, &store.Batch{
		Time:  now,
		Put:   []store.Put{{Record: user}},
		Claim: []store.Claim{{Kind: store.User, Key: key("userName", "alice@example.com"), ID: user.ID}},
		Index: []store.Entry{
			{Kind: store.User, Key: key("externalId", "A-4711"), ID: user.ID},
			{Kind: store.User, Key: key("emails", "alice@work.example"), ID: user.ID},
		},
		Events: []store.Event{{Type: store.UserCreated, Kind: store.User, ID: user.ID, Changed: []string{"userName", "emails", "externalId"}}},
	})
	commit(t, s, &store.Batch{Time: now, Put: []store.Put{{Record: record(store.User, "301cf3f5")}, {Record: record(store.Group, "f1f2f3f4")}}})
	b := group("e9e30dba", "2819c223")
	b.Claim = []store.Claim{{Kind: store.Group, Key: key("displayName", "engineering"), ID: "e9e30dba"}}
	b.Members[0].Add = append(b.Members[0].Add, store.Member{ID: "f1f2f3f4", Kind: store.Group})
	b.Events = []store.Event{{Type: store.GroupCreated, Kind: store.Group, ID: "e9e30dba"}}
	commit(t, s, b)

	run := func(c *redis.Client, lines []string) {
		for _, line := range lines {
			command, want, ok := strings.Cut(line, "# ")
			if !ok {
				t.Errorf("%s: the example has no expected answer", line)
			}
			var args []any
			for _, a := range strings.Fields(command) {
				args = append(args, a)
			}
			answer, err := c.Do(t.Context(), args...).Result()
			if err != nil || !strings.Contains(flat(answer), strings.TrimSpace(want)) {
				t.Errorf("%s: %v, %v", line, answer, err)
			}
		}
	}
	run(as(t, server, "application", "secret2"), blocks(t, "redis"))
	run(as(t, server, "consumer", "secret3"), blocks(t, "redis-consumer"))
}

// flat writes an answer as text, with the parts of arrays separated by blanks.
func flat(v any) string {
	switch v := v.(type) {
	case []any:
		var b strings.Builder
		for _, e := range v {
			b.WriteString(flat(e) + " ")
		}
		return b.String()
	case int64:
		return string(rune('0' + v%10))
	case string:
		return v
	}
	return ""
}

// TestDocumentedReaders: neither reader can write, or see what is internal.
func TestDocumentedReaders(t *testing.T) {
	t.Parallel()
	server := withUsers(t, redistest.Start(t))
	s := open(t, redisstore.Options{Addresses: []string{server.Addr}, Username: "caddy-scim", Password: "secret1"})
	commit(t, s, create("u1"))
	if _, err := s.Commit(t.Context(), store.SystemTenant, &store.Batch{Time: now, Put: []store.Put{{Record: record(store.Token, "t1")}}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*redis.Client{
		"application": as(t, server, "application", "secret2"),
		"consumer":    as(t, server, "consumer", "secret3"),
	} {
		if err := c.Get(t.Context(), "scim:{acme}:user:u1").Err(); err != nil {
			t.Errorf("%s cannot read a user: %v", name, err)
		}
		for _, command := range []string{
			"GET scim:{_system}:token:t1", "ZRANGE scim:{_system}:tokens 0 -1", "SET scim:{acme}:user:u1 x", "DEL scim:{acme}:user:u1",
			"XADD scim:{acme}:changes * a b", "XDEL scim:{acme}:changes 1-0", "XTRIM scim:{acme}:changes MAXLEN 0", "FLUSHALL", "KEYS *",
			"EVAL return 0", "GET other", "CONFIG GET *", "ZADD scim:{acme}:users 0 x", "XGROUP DESTROY scim:{acme}:users g",
		} {
			var args []any
			for _, a := range strings.Fields(command) {
				args = append(args, a)
			}
			if err := c.Do(t.Context(), args...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
				t.Errorf("%s: %s: error = %v, want NOPERM", name, command, err)
			}
		}
	}
}

// TestDocumentedWriter does everything as the user that the page describes;
// TestDeclaredKeys does so on a cluster.
func TestDocumentedWriter(t *testing.T) {
	t.Parallel()
	server := withUsers(t, redistest.Start(t))
	opt := redisstore.Options{Addresses: []string{server.Addr}, Username: "caddy-scim", Password: "secret1", DB: 1}
	s := open(t, opt)
	for name, call := range calls {
		if err := call(t.Context(), s); err != nil && name != "Lookup" {
			t.Errorf("%s: %v", name, err)
		}
	}
	opt.WaitReplicas, opt.WaitTimeout = 1, 10*time.Millisecond
	_, err := open(t, opt).Commit(t.Context(), acme, create("u2"))
	is(t, "without a replica", err, store.ErrUncertain)
	if w, err := s.Warnings(t.Context()); err != nil || len(w) != 1 {
		t.Errorf("Warnings: %q, %v; want the one on persistence", w, err)
	}
	if err := s.Drop(t.Context(), acme, nil); err != nil || exists(t, s, "new") {
		t.Errorf("Drop: %v", err)
	}
	denied(t, server)
}

// denied fails the test where Redis denied a command.
func denied(t *testing.T, server *redistest.Server) {
	t.Helper()
	if log := server.Do(t, "ACL", "LOG"); log != "" {
		t.Errorf("Redis denied commands:\n%s", log)
	}
}
