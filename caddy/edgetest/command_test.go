package edgetest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func TestListModules(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	r := e.CLI(t, "list-modules", "--skip-standard")
	if r.Code != 0 {
		t.Fatalf("exit %d\n%s", r.Code, r.Stderr)
	}
	lines := strings.Split(r.Stdout, "\n")
	for _, module := range []string{"scim", "http.handlers.scim", "admin.api.scim", "scim.stores.bolt", "scim.stores.redis", "scim.stores.memory"} {
		if !slices.Contains(lines, module) {
			t.Errorf("list-modules does not show %s:\n%s", module, r.Stdout)
		}
	}
}

// TestValidateBesideServer validates a configuration whose bbolt file a running
// server has locked: that is no error, but to run it is.
func TestValidateBesideServer(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	sites := func(port int) string {
		return fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tscim\n}\n", port)
	}
	global := "\tscim {\n\t\tstore bolt " + e.BoltFile + "\n\t\ttenant acme {\n\t\t\ttoken " + token + "\n\t\t}\n\t}\n"
	e.run(t, e.caddyfile(global, sites(e.Port)))
	c := scim(http.DefaultClient, fmt.Sprintf("http://127.0.0.1:%d", e.Port))
	id := c.CreateUser(t, "ada")

	start := time.Now()
	r := e.CLI(t, "validate", "--config", e.ConfigFile(), "--adapter", "caddyfile")
	if r.Code != 0 || !strings.Contains(r.Stdout+r.Stderr, "Valid configuration") {
		t.Errorf("validate: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("validate took %s", d)
	}
	for what, broken := range map[string]string{
		"unrecognized scim option": strings.Replace(global, "store bolt", "stoer bolt", 1),
		"shoeSize":                 strings.Replace(global, "\t\ttenant", "\t\tallow shoeSize\n\t\ttenant", 1),
		"wrong argument count":     strings.Replace(global, "token "+token, "token", 1),
	} {
		file := filepath.Join(e.Dir, "broken")
		if err := os.WriteFile(file, []byte(e.caddyfile(broken, sites(e.Port))), 0o600); err != nil {
			t.Fatal(err)
		}
		// What goes wrong after the log is set up is told there.
		r := e.CLI(t, "validate", "--config", file, "--adapter", "caddyfile")
		if told := r.Stdout + r.Stderr + string(e.Log(t)); r.Code == 0 || !strings.Contains(told, what) {
			t.Errorf("validate of a broken configuration: exit %d, want an error about %s\n%s", r.Code, what, told)
		}
	}
	c.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)

	other := newEdge(t)
	if err := os.WriteFile(other.ConfigFile(), []byte(other.caddyfile(global, sites(other.Port))), 0o600); err != nil {
		t.Fatal(err)
	}
	r = other.CLI(t, "run", "--config", other.ConfigFile(), "--adapter", "caddyfile")
	log, err := os.ReadFile(other.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if told := r.Stdout + r.Stderr + string(log); r.Code != 1 || !strings.Contains(told, "opening the bolt store") || !strings.Contains(told, e.BoltFile) {
		t.Errorf("a second server on the same file: exit %d\n%s", r.Code, told)
	}
	e2e.Eventually(t, 5*time.Second, "an answer of the first server", func() bool {
		r, err := c.Send("GET", "/Users/"+id, nil)
		return err == nil && r.Status == 200
	})
}
