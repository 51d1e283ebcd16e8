package caddy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/caddyserver/certmagic"
)

// asBinary makes the test binary be caddy-scim, for tests of commands and of a
// second process.
const asBinary = "CADDY_SCIM_TEST_AS_BINARY"

func TestMain(m *testing.M) {
	if os.Getenv(asBinary) != "" {
		caddycmd.Main()
		return
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "caddyscim")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, v := range []string{"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"} {
		if err := os.Setenv(v, dir); err != nil {
			panic(err)
		}
	}
	// Caddy set these when it was loaded.
	caddy.ConfigAutosavePath = filepath.Join(dir, "autosave.json")
	caddy.DefaultStorage = &certmagic.FileStorage{Path: dir}
	linger = 50 * time.Millisecond
	return m.Run()
}

// instance is the one Caddy of this process, with sockets of its own.
type instance struct {
	t      *testing.T
	dir    string
	client *http.Client // to the site
	admin  *http.Client
}

// secret is the static token of the tenant acme.
const secret = "0123456789abcdef-static"

func newInstance(t *testing.T) *instance {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ACME_SCIM_TOKEN", secret)
	i := &instance{t: t, dir: dir, client: socketClient(filepath.Join(dir, "site")), admin: socketClient(filepath.Join(dir, "admin"))}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		i.client.CloseIdleConnections()
		waitFor(t, "the stores to be closed", func() bool { return len(openStores()) == 0 })
		os.RemoveAll(dir)
	})
	return i
}

func socketClient(path string) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}},
	}
}

// config is a Caddyfile with global options and a site's directives.
func (i *instance) config(global, site string) string {
	return fmt.Sprintf(`{
	admin unix/%[1]s/admin
	persist_config off
	grace_period 10s
	%[2]s
}
http:// {
	bind unix/%[1]s/site
	%[3]s
}
`, i.dir, global, site)
}

// scimBlock is the scim option with the tenant acme.
func scimBlock(options string) string {
	return "scim {\n" + options + "\ntenant acme {\ntoken {env.ACME_SCIM_TOKEN}\n}\n}\n"
}

func adapt(t *testing.T, caddyfile string) []byte {
	t.Helper()
	out, err := tryAdapt(caddyfile)
	if err != nil {
		t.Fatalf("adapting: %v\n%s", err, caddyfile)
	}
	return out
}

func tryAdapt(caddyfile string) ([]byte, error) {
	out, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return out, err
}

func (i *instance) load(global, site string) {
	i.t.Helper()
	if err := i.tryLoad(global, site); err != nil {
		i.t.Fatal(err)
	}
}

func (i *instance) tryLoad(global, site string) error {
	i.t.Helper()
	return caddy.Load(adapt(i.t, i.config(global, site)), true)
}

// do sends a SCIM request as the tenant acme.
func (i *instance) do(method, path, body string) (*http.Response, string) {
	i.t.Helper()
	resp, text, err := i.try(method, path, body)
	if err != nil {
		i.t.Fatal(err)
	}
	return resp, text
}

func (i *instance) try(method, path, body string) (*http.Response, string, error) {
	req, err := http.NewRequest(method, "http://scim.test"+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	return send(i.client, req)
}

// send repeats a request for which the connection ended without an answer: a
// server of net/http that is shutting down, as the old one after a reload, hangs
// up on a request that it has read but not begun.
func send(c *http.Client, req *http.Request) (*http.Response, string, error) {
	again := req.GetBody
	if req.Body == nil || req.Body == http.NoBody {
		again = func() (io.ReadCloser, error) { return http.NoBody, nil }
	}
	resp, err := c.Do(req)
	for n := 0; n < 10 && hungUp(err) && again != nil; n++ {
		if req.Body, err = again(); err == nil {
			resp, err = c.Do(req)
		}
	}
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// createUser makes a user and returns its id.
func (i *instance) createUser(name string) string {
	i.t.Helper()
	resp, text := i.do("POST", "/scim/v2/Users", userJSON(name))
	if resp.StatusCode != http.StatusCreated {
		i.t.Fatalf("creating %s: %d %s", name, resp.StatusCode, text)
	}
	var u struct{ ID string }
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		i.t.Fatal(err)
	}
	return u.ID
}

func userJSON(name string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `","active":true}`
}

// adminDo sends a request to the admin API.
func (i *instance) adminDo(method, path, contentType, body string) (*http.Response, string) {
	i.t.Helper()
	req, err := http.NewRequest(method, "http://127.0.0.1"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		i.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, text, err := send(i.admin, req)
	if err != nil {
		i.t.Fatal(err)
	}
	return resp, text
}

// openStores returns the identities in the pool, with their references.
func openStores() map[string]int {
	stores.mu.Lock()
	defer stores.mu.Unlock()
	out := map[string]int{}
	for id, h := range stores.handles {
		h.mu.Lock()
		out[id] = h.refs
		h.mu.Unlock()
	}
	return out
}

// waitFor polls a condition that other goroutines bring about.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
