// Package e2etest tests the protocol and the product's rules on the real binary,
// over HTTP, on a bbolt file and on a real redis-server.
package e2etest

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

type (
	M = e2e.M
	A = e2e.A
)

// The configurations that most tests share.
var (
	defaults   = e2e.Config{}
	everything = e2e.Config{Allow: []string{"*"}}
	matchBoth  = e2e.Config{Allow: []string{"*"}, Match: "userName externalId"}
)

func members(mode string) e2e.Config { return e2e.Config{Allow: []string{"*"}, Members: mode} }

// eq is a filter for equality with a string.
func eq(attribute, value string) string { return fmt.Sprintf("%s eq %q", attribute, value) }

// find returns the path of a filtered list of users.
func find(attribute, value string) string { return e2e.Filter("/Users", eq(attribute, value)) }

// same compares two JSON values.
func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// gone checks that a user or group is a 404 for every verb.
func gone(t *testing.T, c *e2e.Client, path string) {
	t.Helper()
	c.Do(t, "GET", path, nil).WantError(t, 404, "")
	c.Do(t, "DELETE", path, nil).WantError(t, 404, "")
	c.Patch(t, path, e2e.Op("replace", "displayName", "x")).WantError(t, 404, "")
	c.Do(t, "PUT", path, M{"schemas": A{}, "userName": "someone@else", "displayName": "someone else"}).WantError(t, 404, "")
}

// wantActive checks that a user is active; an absent attribute means true.
func wantActive(t *testing.T, r *e2e.Response) {
	t.Helper()
	if v := r.JSON["active"]; v != nil && v != true {
		t.Errorf("active is %v\n%s", v, r)
	}
}

// unchanged checks that a request left a resource as it was.
func unchanged(t *testing.T, c *e2e.Client, path string, request func()) {
	t.Helper()
	before := c.Do(t, "GET", path, nil).Want(t, 200)
	request()
	after := c.Do(t, "GET", path, nil).Want(t, 200)
	same(t, "the resource was to stay as it is", before.JSON, after.JSON)
	same(t, "the ETag was to stay as it is", before.ETag(), after.ETag())
}

func unmarshal(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// sortedLines puts blocks of four lines in order, so that a configuration made
// from a map is the same each time.
func sortedLines(s string) string {
	lines := strings.SplitAfter(s, "\n")
	var blocks []string
	for i := 0; i+4 <= len(lines); i += 4 {
		blocks = append(blocks, strings.Join(lines[i:i+4], ""))
	}
	slices.Sort(blocks)
	return strings.Join(blocks, "")
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
