// Package edgetest tests caddy-scim as a part of somebody's edge: beside an
// application, behind another proxy, over all versions of HTTP, started and
// built as the documentation says.
package edgetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

type (
	M = e2e.M
	A = e2e.A
)

// token is the static token of the tenant in this package's configurations.
const token = "a-static-token-of-the-tenant-acme"

// edge is a server whose Caddyfile is the test's own.
type edge struct {
	*e2e.Caddy
	Port int // of the site under test, on 127.0.0.1, TCP and UDP
}

// newEdge prepares a server; start it with run.
func newEdge(t *testing.T) *edge {
	t.Helper()
	return &edge{Caddy: e2e.NewServer(t, nil, e2e.Config{}).Caddy, Port: freePort(t)}
}

// freePort returns a port of 127.0.0.1 that is free for TCP and UDP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no port is free for TCP and UDP")
	return 0
}

// caddyfile completes the global options and the sites with what every test
// needs: an admin socket, the log, and the route by which the harness knows that
// the server is up. Certificates come from Caddy's own authority, which is not
// installed anywhere.
func (e *edge) caddyfile(global, sites string) string {
	return fmt.Sprintf(`{
	admin %s
	persist_config off
	skip_install_trust
	auto_https disable_redirects
	grace_period 10s
	log {
		output file %s {
			roll_disabled
		}
		format json
		level DEBUG
	}
%s
}
http://:%d {
	bind 127.0.0.1
	respond /e2e-up up
}
%s`, "unix/"+filepath.Join(e.Dir, "admin.sock"), e.LogFile(), global, e.Caddy.Port, sites)
}

// run starts the server with a Caddyfile.
func (e *edge) run(t *testing.T, caddyfile string) {
	t.Helper()
	if err := os.WriteFile(e.ConfigFile(), []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.TryStart(); err != nil {
		t.Fatal(err)
	}
}

// trust returns the TLS settings of a client that trusts Caddy's own authority.
func (e *edge) trust(t *testing.T) *tls.Config {
	t.Helper()
	file := filepath.Join(e.Dir, "data", "caddy", "pki", "authorities", "local", "root.crt")
	var root []byte
	e2e.Eventually(t, 30*time.Second, "the root certificate", func() bool {
		var err error
		root, err = os.ReadFile(file)
		return err == nil && len(root) > 0
	})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		t.Fatalf("no certificate in %s", file)
	}
	return &tls.Config{RootCAs: pool}
}

// protocols are the versions of HTTP as responses name them.
var protocols = []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}

// client returns a client that speaks one version of HTTP, takes every host to
// be at 127.0.0.1, and comes from the given address of the loopback network.
func client(t *testing.T, protocol, from string, trust *tls.Config) *http.Client {
	t.Helper()
	c := &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if protocol == "HTTP/3.0" {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)})
		if err != nil {
			t.Fatal(err)
		}
		q := &quic.Transport{Conn: conn}
		h := &http3.Transport{TLSClientConfig: trust.Clone(), DisableCompression: true,
			Dial: func(ctx context.Context, addr string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
				_, port, err := net.SplitHostPort(addr)
				if err != nil {
					return nil, err
				}
				to, err := net.ResolveUDPAddr("udp", "127.0.0.1:"+port)
				if err != nil {
					return nil, err
				}
				return q.Dial(ctx, to, tlsConfig, config)
			}}
		t.Cleanup(func() {
			_ = h.Close()
			_ = q.Close()
			_ = conn.Close()
		})
		c.Transport = h
		return c
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	h := &http.Transport{TLSClientConfig: trust.Clone(), DisableCompression: true, ForceAttemptHTTP2: protocol == "HTTP/2.0",
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, "127.0.0.1:"+port)
		}}
	t.Cleanup(h.CloseIdleConnections)
	c.Transport = h
	return c
}

// scim returns a SCIM client at a public address.
func scim(h *http.Client, root string) *e2e.Client {
	return &e2e.Client{Tenant: "acme", Token: token, Base: root + "/scim/v2", Location: root + "/scim/v2", HTTP: h}
}

// awaitTLS waits until a host has its certificate.
func awaitTLS(t *testing.T, h *http.Client, url string) {
	t.Helper()
	var last error
	e2e.Eventually(t, 30*time.Second, "a certificate for "+url, func() bool {
		res, err := h.Get(url)
		if last = err; err != nil {
			return false
		}
		res.Body.Close()
		return true
	})
	if last != nil {
		t.Fatal(last)
	}
}

// exchange sends a request and returns the answer as text, whole, but for the
// date. The version of HTTP has to be the client's.
func exchange(t *testing.T, h *http.Client, protocol, method, url, body string, headers ...string) string {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	res, err := h.Do(req)
	if err != nil {
		t.Fatalf("%s %s over %s: %v", method, url, protocol, err)
	}
	defer res.Body.Close()
	if res.Proto != protocol {
		t.Errorf("%s %s came over %s, want %s", method, url, res.Proto, protocol)
	}
	res.Header.Del("Date")
	dump, err := httputil.DumpResponse(res, true)
	if err != nil {
		t.Fatalf("%s %s over %s: %v", method, url, protocol, err)
	}
	return string(dump) + fmt.Sprint(res.Trailer)
}

// rawExchange writes a request over TLS with HTTP/1.1 and returns the bytes that
// come back until the end, without the Date line and the framing of chunks.
func rawExchange(t *testing.T, port int, trust *tls.Config, host, request string) string {
	t.Helper()
	config := trust.Clone()
	config.ServerName, config.NextProtos = host, []string{"http/1.1"}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", fmt.Sprintf("127.0.0.1:%d", port), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	head, body, ok := strings.Cut(string(answer), "\r\n\r\n")
	if !ok {
		t.Fatalf("%q was answered %q", request, answer)
	}
	lines := slices.DeleteFunc(strings.Split(head, "\r\n"), func(l string) bool { return strings.HasPrefix(l, "Date: ") })
	if slices.Contains(lines, "Transfer-Encoding: chunked") {
		b, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(body)))
		if err != nil {
			t.Fatalf("%q: %v", request, err)
		}
		body = string(b)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// published returns the access log of Caddyfile.example, written to a file.
func published(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	_, format, ok := strings.Cut(string(text), "\tlog {\n\t\tformat filter {\n")
	format, _, end := strings.Cut(format, "\n\t\t}\n\t}\n")
	if !ok || !end {
		t.Fatal("Caddyfile.example has no log with a filter format")
	}
	return fmt.Sprintf("\tlog {\n\t\toutput file %s {\n\t\t\troll_disabled\n\t\t}\n\t\tformat filter {\n%s\n\t\t}\n\t}\n", file, format)
}
