// Package canarytest puts a marker in every place where an attribute that is not
// kept can arrive, and looks for the markers wherever the product could leave
// them: the store's files, the logs, the metrics, the admin API and the answers.
package canarytest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

type (
	M = e2e.M
	A = e2e.A
)

// published returns what the site of Caddyfile.example says besides `scim`: the
// compression and the access log that operators are told to use.
func published(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	_, site, ok := strings.Cut(string(text), "\nhttp://localhost:8080 {\n")
	if !ok {
		t.Fatal("Caddyfile.example has no site at http://localhost:8080")
	}
	site, _, ok = strings.Cut(site, "\n}\n")
	directive, rest, has := strings.Cut(site, "\tscim\n")
	if !ok || !has || strings.TrimSpace(directive) != "" || !strings.Contains(rest, "format filter") {
		t.Fatalf("the site of Caddyfile.example is not as this test knows it:\n%s", site)
	}
	return rest
}

// canaryRedis starts a redis-server that keeps everything it is told, in files
// that can be searched: neither compressed nor rewritten behind our back.
func canaryRedis(t *testing.T) *e2e.Redis {
	t.Helper()
	return e2e.StartRedis(t, e2e.RedisOptions{AppendOnly: true, Args: []string{
		"--rdbcompression", "no", "--auto-aof-rewrite-percentage", "0", "--loglevel", "debug",
		"--slowlog-log-slower-than", "0", "--slowlog-max-len", "1000000",
	}})
}

// onBothStores runs f with a fresh redis-server, and with nil for bbolt.
func onBothStores(t *testing.T, f func(t *testing.T, r *e2e.Redis)) {
	t.Helper()
	t.Run(e2e.Bolt, func(t *testing.T) {
		t.Parallel()
		f(t, nil)
	})
	t.Run(e2e.RedisName, func(t *testing.T) {
		t.Parallel()
		f(t, canaryRedis(t))
	})
}

// files reads every regular file below a directory, each as a place to search.
func files(t *testing.T, in where, dir string) []place {
	t.Helper()
	var list []place
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kind := in
		if strings.HasSuffix(path, ".log") {
			kind = inLogs
		}
		list = append(list, place{kind, path, b})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// admin collects the answers of Caddy's admin API and of the commands that use
// it.
func admin(t *testing.T, c *e2e.Caddy, tenants ...string) []place {
	t.Helper()
	var list []place
	get := func(in where, method, path, body string) {
		r := c.Admin(t, method, path, body)
		if r.Status != http.StatusOK {
			t.Errorf("admin %s %s: status %d", method, path, r.Status)
		}
		list = append(list, place{in, "admin " + path + " " + body, fmt.Appendf(nil, "%v\n%s", r.Header, r.Body)})
	}
	get(inMetrics, "GET", "/metrics", "")
	for _, path := range []string{"/config/", "/scim/health/live", "/scim/health/ready", "/debug/vars", "/debug/pprof/goroutine?debug=1", "/reverse_proxy/upstreams"} {
		get(inAdmin, "GET", path, "")
	}
	for _, name := range tenants {
		get(inAdmin, "POST", "/scim/tokens/list", fmt.Sprintf(`{"tenant":%q}`, name))
		r := c.CLI(t, "scim", "token", "list", "--tenant", name, "--address", c.AdminAddress())
		list = append(list, place{inAdmin, "scim token list", []byte(r.Stdout + r.Stderr)})
	}
	r := c.CLI(t, "scim", "health", "--address", c.AdminAddress())
	return append(list, place{inAdmin, "scim health", []byte(r.Stdout + r.Stderr)})
}
