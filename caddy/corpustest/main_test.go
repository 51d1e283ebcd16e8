// Package corpustest plays the corpus of real clients against the real binary, on
// a bbolt file and on a real redis-server, and runs the doctor's command.
package corpustest

import (
	"flag"
	"os"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/interop/corpus"
	"github.com/caddy-scim/caddy-scim/interop/doctor"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

var update = flag.Bool("update", false, "write docs/compatibility.md anew")

// lists are the allow lists that the corpus has expectations for.
var lists = []string{"default", "*"}

func config(allow string) e2e.Config { return e2e.Config{Allow: []string{allow}} }

// options are those of a run against a tenant; tests hurry.
func options(t *testing.T, c *e2e.Client) doctor.Options {
	t.Helper()
	all, err := corpus.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return doctor.Options{BaseURL: c.Base, Token: c.Token, Corpus: all, Rate: 10000}
}

// wantNothing sees that no user and no group is visible over SCIM.
func wantNothing(t *testing.T, c *e2e.Client) {
	t.Helper()
	c.Do(t, "GET", "/Users", nil).WantList(t, 0)
	c.Do(t, "GET", "/Groups", nil).WantList(t, 0)
}
