package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Result is what a command left.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// CLI runs a command of the binary in the server's environment: CLI(t, "scim",
// "token", "list", "--address", c.AdminAddress()).
func (c *Caddy) CLI(t testing.TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(), args...)
	cmd.Env, cmd.Dir = c.environment(), c.Dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("caddy-scim %v: %v", args, err)
	}
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// Token is what `scim token create --json` prints.
type Token struct {
	Tenant    string    `json:"tenant"`
	TenantURL string    `json:"tenant_url"`
	Token     string    `json:"token"`
	ID        string    `json:"id"`
	Label     string    `json:"label"`
	Scope     string    `json:"scope"`
	Addresses []string  `json:"addresses"`
	Expires   time.Time `json:"expires"` // zero for never
}

// Mint creates a token through the CLI; further arguments, such as --create, go
// along. It refuses an answer with other members than Token's.
func (c *Caddy) Mint(t testing.TB, tenant string, args ...string) Token {
	t.Helper()
	args = append([]string{"scim", "token", "create", "--tenant", tenant, "--json", "--address", c.AdminAddress()}, args...)
	r := c.CLI(t, args...)
	if r.Code != 0 {
		t.Fatalf("caddy-scim %v: exit %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
	}
	var tok Token
	d := json.NewDecoder(bytes.NewReader([]byte(r.Stdout)))
	d.DisallowUnknownFields()
	if err := d.Decode(&tok); err != nil {
		t.Fatalf("caddy-scim %v prints %q: %v", args, r.Stdout, err)
	}
	return tok
}

// Admin sends a request to the admin socket and returns the answer, whatever
// its status.
func (c *Caddy) Admin(t testing.TB, method, path, body string) *Response {
	t.Helper()
	r, err := c.admin(method, path, bytes.NewReader([]byte(body)), "application/json")
	if err != nil {
		t.Fatalf("admin %s %s: %v", method, path, err)
	}
	return r
}

func (c *Caddy) admin(method, path string, body io.Reader, contentType string) (*Response, error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(c.Dir, "admin.sock"))
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequest(method, "http://127.0.0.1"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(req)
	if err != nil {
		return nil, err
	}
	return newResponse(req, "", res)
}
