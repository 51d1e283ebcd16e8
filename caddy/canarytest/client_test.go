package canarytest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// canary sends the corpus of one tenant and searches each answer as it comes.
type canary struct {
	*markers
	t      *testing.T
	server *e2e.Server
	client *e2e.Client
	counts counts   // what the report has to say of the requests so far
	sent   []byte   // the last request
	dumps  [][]byte // the answers so far, whole
}

// newCanary takes the tenant's client.
func newCanary(t *testing.T, m *markers, s *e2e.Server, client *e2e.Client) *canary {
	t.Helper()
	c := &canary{markers: m, t: t, server: s, client: client, counts: counts{}}
	h := *client.HTTP
	h.Transport = recorder{h.Transport, c}
	client.HTTP = &h
	return c
}

// recorder keeps each answer as it was on the wire.
type recorder struct {
	http.RoundTripper
	c *canary
}

func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		if sent, err = io.ReadAll(body); err != nil {
			return nil, err
		}
	}
	r.c.sent = append([]byte(req.URL.RequestURI()), sent...)
	res, err := r.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	dump, err := httputil.DumpResponse(res, true)
	if err != nil {
		return nil, err
	}
	r.c.dumps = append(r.c.dumps, dump)
	_, answer, _ := bytes.Cut(dump, []byte("\r\n\r\n"))
	r.c.counts.request(req, sent, res.StatusCode, answer)
	return res, nil
}

// The markers of a request are made while its body is written down.
func (c *canary) drop(label string) string  { return c.new(dropped, label) }
func (c *canary) name(label string) string  { return c.new(name, "the name of "+label) }
func (c *canary) keep(label string) string  { return c.new(kept, label) }
func (c *canary) last(label string) string  { return c.new(final, label) }
func (c *canary) store(label string) string { return c.new(unseen, label) }
func (c *canary) echo(label string) string  { return c.new(echo, label) }
func (c *canary) route(label string) string { return c.new(route, label) }
func (c *canary) ask(label string) string   { return c.new(asked, label) }

// members says what became of members that requests name: it depends on who
// exists.
func (c *canary) members(kept, dropped int64) {
	c.counts.add("Group", "members", true, kept, dropped)
}

// send sends a request and checks its answer. A status of 0 takes every answer
// that is no failure of the server, and /Me's.
func (c *canary) send(status int, method, path string, body any, headers ...string) *e2e.Response {
	c.t.Helper()
	r := c.client.Do(c.t, method, path, body, headers...)
	if status == 0 && r.Status >= 500 && r.Status != 501 || status != 0 && r.Status != status {
		c.t.Errorf("status %d, want %d\n%s", r.Status, status, r)
	}
	c.checkAnswer(c.t, method+" "+path, c.sent, r.Status, c.dumps[len(c.dumps)-1])
	return r
}

// patch sends operations to a resource.
func (c *canary) patch(status int, path string, ops ...M) *e2e.Response {
	c.t.Helper()
	return c.send(status, "PATCH", path, e2e.PatchBody(ops...))
}

// raw writes text to the server's port, as no well-behaved client would, stops
// writing, and checks what comes back.
func (c *canary) raw(label, text string) {
	c.t.Helper()
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", c.server.Caddy.Port), 10*time.Second)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		c.t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
	answer, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		c.t.Fatalf("%s: %v", label, err)
	}
	status := 0
	if _, err := fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status); len(answer) > 0 && (err != nil || status < 400 || status > 499) {
		c.t.Errorf("%s: answered %.200q", label, answer)
	}
	c.dumps = append(c.dumps, answer)
	c.checkAnswer(c.t, label, []byte(text), 400, answer)
}

// head is the beginning of a raw request.
func (c *canary) head(method, path string, headers ...string) string {
	return fmt.Sprintf("%s /scim/v2%s HTTP/1.1\r\nHost: raw\r\nAuthorization: Bearer %s\r\nContent-Type: application/scim+json\r\nConnection: close\r\n%s\r\n",
		method, path, c.client.Token, strings.Join(append(headers, ""), "\r\n"))
}
