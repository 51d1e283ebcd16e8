// Package admintest tests tenants and tokens as the people who run them see
// them: on the real binary, by the admin API and over HTTP, on a bbolt file and
// on a real redis-server with two nodes.
package admintest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

type (
	M = e2e.M
	A = e2e.A
)

// proxied trusts what comes from 127.0.0.1 to name the client's address: the last
// in the list that is no proxy's, as a client may have sent the others. Most tests
// share its servers.
var proxied = e2e.Config{Allow: []string{"*"}, GlobalOptions: "\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t\ttrusted_proxies_strict\n\t}"}

// inForce is how long after the admin API's answer a change may take to be in
// force on another node.
const inForce = 5 * time.Second

// nodes returns the server, and on Redis a second one beside it.
func nodes(t *testing.T, s *e2e.Server) []*e2e.Server {
	t.Helper()
	if s.Redis == nil {
		return []*e2e.Server{s}
	}
	return []*e2e.Server{s, s.Peer(t)}
}

var names atomic.Int64

// fresh returns a tenant's name that no test has had.
func fresh(t *testing.T) string {
	t.Helper()
	return "fresh-" + strconv.FormatInt(names.Add(1), 10)
}

var addresses atomic.Int64

// address returns a client's address that no test has had.
func address() string {
	n := addresses.Add(1)
	return fmt.Sprintf("10.%d.%d.%d", n>>16&0xff, n>>8&0xff, n&0xff)
}

// via is the header by which a trusted proxy names the client's address.
func via(address string) string { return "X-Forwarded-For: " + address }

// do asks the admin API, and ends the test unless the answer is a 200 with
// nothing but the members of T.
func do[T any](t *testing.T, s *e2e.Server, path string, in any) T {
	t.Helper()
	r := s.Caddy.Admin(t, "POST", path, encode(t, in)).Want(t, 200)
	var out T
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	return out
}

// refused asks the admin API for what it has to refuse, for a reason that has the
// word in it.
func refused(t *testing.T, s *e2e.Server, path string, in any, status int, word string) {
	t.Helper()
	r := s.Caddy.Admin(t, "POST", path, encode(t, in)).Want(t, status)
	if text, _ := r.JSON["error"].(string); text == "" || !strings.Contains(text, word) || len(r.JSON) != 1 {
		t.Errorf("the error does not mention %q\n%s", word, r)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// create makes a tenant at run time, with settings in JSON, or none.
func create(t *testing.T, s *e2e.Server, settings string) string {
	t.Helper()
	name := fresh(t)
	in := M{"tenant": name}
	if settings != "" {
		in["settings"] = json.RawMessage(settings)
	}
	d := do[admin.TenantDetail](t, s, admin.PathTenantCreate, in)
	if d.Name != name || d.State != admin.StateActive || d.Configured {
		t.Fatalf("the tenant that was created: %+v", d)
	}
	return name
}

// mint makes a token and returns its client.
func mint(t *testing.T, s *e2e.Server, in admin.TokenCreate) (admin.TokenCreated, *e2e.Client) {
	t.Helper()
	tok := do[admin.TokenCreated](t, s, admin.PathTokenCreate, in)
	if tok.Token == "" || tok.ID == "" || tok.Tenant != in.Tenant {
		t.Fatalf("the token that was minted: %+v", tok)
	}
	return tok, s.Named(in.Tenant, tok.Token)
}

// tenant makes a tenant at run time and returns its client.
func tenant(t *testing.T, s *e2e.Server, settings string) *e2e.Client {
	t.Helper()
	_, c := mint(t, s, admin.TokenCreate{Tenant: create(t, s, settings)})
	return c
}

// at returns the client at another node.
func at(s *e2e.Server, c *e2e.Client) *e2e.Client { return s.Named(c.Tenant, c.Token) }

// whole is all of an answer but the date.
func whole(r *e2e.Response) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Status)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if name != "Date" {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(r.Header[name], ", "))
		}
	}
	b.Write(r.Body)
	return b.String()
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// metric adds up the samples of a metric whose labels have all of the words.
func metric(t *testing.T, s *e2e.Server, name string, labels ...string) float64 {
	t.Helper()
	sum := 0.0
	for line := range strings.Lines(string(s.Caddy.Admin(t, "GET", "/metrics", "").Want(t, 200).Body)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(rest, l) }) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(strings.TrimSpace(rest), ' ')+1:]), 64)
		if err != nil {
			t.Fatalf("metric %s: %v", line, err)
		}
		sum += v
	}
	return sum
}

// counter is what the server has counted by one label's value.
func counter(t *testing.T, s *e2e.Server, name, label, value string) int {
	t.Helper()
	return int(metric(t, s, name, fmt.Sprintf("%s=%q", label, value)))
}

// reporter collects what goroutines have to complain about.
type reporter struct{ problems chan string }

func newReporter() *reporter { return &reporter{make(chan string, 20)} }

func (r *reporter) add(format string, args ...any) {
	select {
	case r.problems <- fmt.Sprintf(format, args...):
	default: // enough to see
	}
}

func (r *reporter) report(t *testing.T) {
	t.Helper()
	for {
		select {
		case p := <-r.problems:
			t.Error(p)
		default:
			return
		}
	}
}

// httpFrom returns a client whose connections come from a loopback address.
func httpFrom(t *testing.T, address string) *http.Client {
	t.Helper()
	tr := &http.Transport{DisableCompression: true, DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// raw sends a request to the admin API with headers of its own; network is tcp or
// unix.
func raw(t *testing.T, network, where, method, path, body string, headers ...string) (status int, answer string, h http.Header) {
	t.Helper()
	status, answer, h, err := tryRaw(network, where, method, path, body, headers...)
	if err != nil {
		t.Fatalf("admin %s %s: %v", method, path, err)
	}
	return status, answer, h
}

func tryRaw(network, where, method, path, body string, headers ...string) (int, string, http.Header, error) {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, where)
	}}
	defer tr.CloseIdleConnections()
	host := "127.0.0.1"
	if network == "tcp" {
		host = where
	}
	req, err := http.NewRequest(method, "http://"+host+path, strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	res, err := (&http.Client{Transport: tr, Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), res.Header, err
}

// socket is where the admin API listens.
func socket(s *e2e.Server) string { return filepath.Join(s.Caddy.Dir, "admin.sock") }
