// Package canarytest puts a marker in every place where an attribute that is not
// kept can arrive, and looks for the markers wherever the product could leave
// them: the store's files, the logs, the metrics, the traces, the answers, the
// admin API and the commands with the report, the setup card and the export.
package canarytest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func TestMain(m *testing.M) {
	if err := spans.listen(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(e2e.Main(m))
}

// spans is where all servers of these tests export their traces to.
var spans collector

// collector keeps the traces that it is sent by OTLP over HTTP, as they come: in
// protocol buffers text is readable as it is.
type collector struct {
	sync.Mutex
	data []byte
}

// listen starts the collector, and points the servers at it.
func (c *collector) listen() error {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.Lock()
		defer c.Unlock()
		c.data = append(append(c.data, body...), '\n')
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": s.URL,
		"OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_BSP_SCHEDULE_DELAY": "50",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// place is what has arrived so far.
func (c *collector) place() place {
	c.Lock()
	defer c.Unlock()
	return place{inSpans, "the exported spans", slices.Clone(c.data)}
}

type (
	M = e2e.M
	A = e2e.A
)

// published returns what operators are told that a site says besides `scim`: the
// compression and the access log of Caddyfile.example, and the tracing of
// docs/observability.md.
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
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	tracing := regexp.MustCompile("(?s)\n(\t@scim.*?\n\ttracing .*?)\n\tscim\n").FindSubmatch(page)
	if tracing == nil {
		t.Fatal("docs/observability.md shows no tracing")
	}
	return string(tracing[1]) + "\n" + rest
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
