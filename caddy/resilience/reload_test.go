package resilience

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/boltstore"
)

// replaying sends a request again whose connection was closed before a byte of
// an answer came. Go's HTTP/1.1 server, and so Caddy, does that while it shuts
// down to connections that lie idle, to requests that it has read and not yet
// begun, and the kernel does it to connections that nobody has accepted: clients
// and proxies send such a request again (RFC 9112 §9.3.1). That is lossless only
// if the server has not carried the request out, which the tests see: a create
// would answer 409, a delete 404. Refused connections and late resets are not
// forgiven.
type replaying struct {
	http.RoundTripper
	again *atomic.Int64 // counts the requests that were sent again
}

func (r replaying) RoundTrip(req *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		try := req.Clone(req.Context())
		if req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			try.Body = body
		}
		res, err := r.RoundTripper.RoundTrip(try)
		if err == nil || attempt == 3 || !closedUnanswered(err) {
			return res, err
		}
		r.again.Add(1)
	}
}

func closedUnanswered(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "server closed idle connection")
}

// transports are the ways in which clients hold their connections.
var transports = []struct {
	name   string
	client func(again *atomic.Int64) *http.Client
}{
	{"kept", func(again *atomic.Int64) *http.Client {
		return &http.Client{Timeout: 30 * time.Second, Transport: replaying{&http.Transport{DisableCompression: true}, again}}
	}},
	{"fresh", func(again *atomic.Int64) *http.Client {
		return &http.Client{Timeout: 30 * time.Second, Transport: replaying{&http.Transport{DisableKeepAlives: true, DisableCompression: true}, again}}
	}},
	// HTTP/2 tells its clients which requests it has not begun: nothing is
	// forgiven.
	{"HTTP/2", func(*atomic.Int64) *http.Client {
		p := new(http.Protocols)
		p.SetUnencryptedHTTP2(true)
		return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{Protocols: p, DisableCompression: true}}
	}},
}

// withHTTP2 is the global option that lets a site speak HTTP/2 without TLS.
const withHTTP2 = "\tservers {\n\t\tprotocols h1 h2c\n\t}"

// through returns a copy of a client with connections of its own.
func through(c *e2e.Client, h *http.Client) *e2e.Client {
	own := *c
	own.HTTP = h
	return &own
}

// plainSite is a site beside SCIM on a port of its own that answers with text.
func plainSite(port int, text string) string {
	return fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\trespond %q\n}", port, text)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// reload loads a configuration, through the admin API or the command line.
func reload(t *testing.T, s *e2e.Server, cfg e2e.Config, cli bool) {
	t.Helper()
	text := s.Caddy.WriteConfig(t, cfg)
	if !cli {
		if err := s.Caddy.Reload(text); err != nil {
			t.Fatal(err)
		}
		return
	}
	r := s.Caddy.CLI(t, "reload", "--config", s.Caddy.ConfigFile(), "--adapter", "caddyfile", "--address", s.Caddy.AdminAddress())
	if r.Code != 0 {
		t.Fatalf("reload: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// Reloads under load, some of which fail, lose no request: every answer is a
// success, and all that was written is there.
func TestReloadUnderLoad(t *testing.T) {
	reloads := 6
	if soak() {
		reloads = 40
	}
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			cfg := everything
			cfg.Sites, cfg.GlobalOptions = plainSite(port, "configuration 0"), withHTTP2
			s := e2e.StartServer(t, store, cfg)
			shared := s.CreateGroup(t, "shared")
			writers := make([]*writer, 6)
			clients := make([]*e2e.Client, len(writers))
			var answered, failures, again atomic.Int64
			for i := range writers {
				writers[i], clients[i] = newWriter(i, shared), through(s.Client, transports[i%3].client(&again))
			}
			plain := transports[1].client(&again)
			halt := inBackground(len(writers), func(i int) {
				if failures.Load() > 0 {
					return
				}
				if !writers[i].once(clients[i]) {
					failures.Add(1)
					t.Errorf("%s: writer %d lost a request: %v %s", transports[i%3].name, i, writers[i].lost, writers[i].problem)
				}
				answered.Add(1)
			})
			defer halt()
			others := inBackground(len(transports), func(i int) {
				if failures.Load() > 0 {
					return
				}
				a := timed(func() (*e2e.Response, error) { return clients[i].Send("GET", "/Groups?count=3", nil) })
				if a.err != nil || a.Status != 200 {
					failures.Add(1)
					t.Errorf("%s: a query failed: %v %v", transports[i].name, a.err, a.Response)
				}
				if err := wantText(plain, port, "configuration "); err != nil {
					failures.Add(1)
					t.Errorf("the plain site: %v", err)
				}
			})
			defer others()

			for i := range reloads {
				n := answered.Load()
				e2e.Eventually(t, time.Minute, "requests are answered", func() bool { return answered.Load() > n+40 || failures.Load() > 0 })
				refuseReloads(t, s, port, i, func() error { return wantText(plain, port, fmt.Sprint("configuration ", i)) })
				next := cfg
				next.Sites = plainSite(port, fmt.Sprint("configuration ", i+1))
				if i%2 == 0 { // narrowed, and widened again: what is stored is rewritten meanwhile
					next.Allow = []string{"default", "title"}
				}
				reload(t, s, next, i%3 == 2)
				e2e.Eventually(t, 10*time.Second, "the plain site answers anew", func() bool { return wantText(plain, port, fmt.Sprint("configuration ", i+1)) == nil })
			}
			n := answered.Load()
			e2e.Eventually(t, time.Minute, "requests are answered", func() bool { return answered.Load() > n+40 || failures.Load() > 0 })
			halt()
			others()
			if t.Failed() {
				return
			}
			d := readAll(t, s.Client, shared)
			for _, w := range writers {
				w.compare(t, d)
			}
			t.Logf("%d requests of writers over %d reloads, %d sent again", answered.Load(), reloads, again.Load())
			s.Caddy.Stop(t)
			checkStore(t, s.Caddy.BoltFile, s.Redis, s.Tenant)
		})
	}
}

// wantText compares the beginning of what a plain site answers.
func wantText(c *http.Client, port int, start string) error {
	res, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != 200 || !strings.HasPrefix(string(text), start) {
		return fmt.Errorf("the plain site answers %d %q, want %q", res.StatusCode, text, start)
	}
	return nil
}

// refuseReloads tries to load configurations that cannot be, and checks that
// the running one, the admin API and the tokens are as before.
func refuseReloads(t *testing.T, s *e2e.Server, port, round int, unchanged func() error) {
	t.Helper()
	cfg := s.Caddy.Config
	cfg.Sites = plainSite(port, "configuration refused")
	good := s.Caddy.WriteConfig(t, cfg)
	before := s.Caddy.Admin(t, "GET", "/config/", "").Want(t, 200)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	locked := filepath.Join(s.Caddy.Dir, fmt.Sprintf("locked%d.db", round))
	db, err := boltstore.Open(t.Context(), boltstore.Options{Path: locked})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	option := func(line string) string { return strings.Replace(good, "\tscim {\n", "\tscim {\n\t\t"+line+"\n", 1) }
	inStore := func(kind, where string) string {
		start := strings.Index(good, "\t\tstore ")
		end := start + strings.Index(good[start:], "\n\t\ttenant ")
		return good[:start] + "\t\tstore " + kind + " " + where + good[end:]
	}
	all := []struct {
		name, text string
		words      []string
	}{
		{"an unknown option", option("nonsense on"), []string{"nonsense", "Caddyfile:"}},
		{"an unknown attribute to keep", strings.Replace(good, "\t\tallow ", "\t\tallow nickname.nonsense ", 1), []string{"nonsense"}},
		{"a token that is guessed", option("tenant guessed {\n token secret\n}"), []string{"guessed", "token"}},
		{"a variable that is missing", option("tenant envless {\n token {env.RESILIENCE_IS_NOT_SET}\n}"), []string{"envless", "RESILIENCE_IS_NOT_SET"}},
		{"a path that cannot be", inStore("bolt", "/dev/null/scim.db"), []string{"/dev/null"}},
		{"a file that is locked", inStore("bolt", locked), []string{locked, "another process"}},
		{"a port that is taken", good + plainSite(taken.Addr().(*net.TCPAddr).Port, "taken"), []string{"address already in use"}},
	}
	// Under the load of soak all of them each time, else some of them.
	for i, bad := range all {
		if !soak() && i%3 != round%3 {
			continue
		}
		err := s.Caddy.Reload(bad.text)
		if err == nil {
			t.Errorf("%s: the configuration was loaded:\n%s", bad.name, bad.text)
			continue
		}
		for _, w := range bad.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the error does not say %q: %v", bad.name, w, err)
			}
		}
		same(t, bad.name+": the configuration", string(before.Body), string(s.Caddy.Admin(t, "GET", "/config/", "").Want(t, 200).Body))
		if got := s.Caddy.Admin(t, "GET", "/scim/health/ready", ""); got.Status != 200 {
			t.Errorf("%s: health is %d afterwards\n%s", bad.name, got.Status, got)
		}
		minted := s.Caddy.Admin(t, "POST", "/scim/tokens/create", fmt.Sprintf(`{"tenant":%q}`, s.Tenant)).Want(t, 200)
		token, _ := minted.JSON["token"].(string)
		s.Named(s.Tenant, token).Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
		// Caddy may have begun to serve the site before it met the error.
		e2e.Eventually(t, 10*time.Second, bad.name+": the plain site answers as before", func() bool { return unchanged() == nil })
	}
}
