// Package commandtest tests `caddy-scim scim …` as an operator types it: the real
// binary against a real server, on a bbolt file and on a real redis-server.
package commandtest

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

type M = e2e.M

var names atomic.Int64

// fresh returns a tenant's name that no test has had.
func fresh() string { return "cli-" + strconv.FormatInt(names.Add(1), 10) }

// operator types commands at a server.
type operator struct {
	*e2e.Caddy
}

// scim runs a command, and ends the test unless it exits with the code. Words are
// those behind scim.
func (o operator) scim(t *testing.T, code int, words ...string) e2e.Result {
	t.Helper()
	args := append([]string{"scim"}, words...)
	args = append(args, "--address", o.AdminAddress())
	r := o.CLI(t, args...)
	if r.Code != code {
		t.Fatalf("caddy-scim %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.Code, code, r.Stdout, r.Stderr)
	}
	if code != 0 && !strings.HasPrefix(r.Stderr, "Error: ") {
		t.Errorf("caddy-scim %s: the error is %q", strings.Join(args, " "), r.Stderr)
	}
	return r
}

// ok runs a command that has to work, and returns its output, in which each of
// the words in want stands.
func (o operator) ok(t *testing.T, command string, want ...string) string {
	t.Helper()
	r := o.scim(t, 0, strings.Split(command, "|")...)
	contains(t, command, r.Stdout, want...)
	if r.Stderr != "" {
		t.Errorf("%s: standard error has %q", command, r.Stderr)
	}
	return r.Stdout
}

// fails runs a command that has to end with the code and an error that has the
// words in want.
func (o operator) fails(t *testing.T, code int, command string, want ...string) {
	t.Helper()
	r := o.scim(t, code, strings.Split(command, "|")...)
	contains(t, command, r.Stderr, want...)
}

func contains(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is not in\n%s", what, w, text)
		}
	}
}

// decode is ok with --json, decoded.
func decode[T any](t *testing.T, o operator, command string) T {
	t.Helper()
	var v T
	out := o.ok(t, command+"|--json")
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%s prints %q: %v", command, out, err)
	}
	return v
}
