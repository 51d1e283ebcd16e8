package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Caddy is a caddy-scim process with a directory of its own, which outlives
// restarts.
type Caddy struct {
	Dir      string // home, data, configuration, logs and sockets
	Port     int    // HTTP, on 127.0.0.1
	Config   Config
	BoltFile string // empty on Redis

	store   string // "bolt PATH" or "redis ADDRESS"
	tenants []tenant
	proc    *process
	met     bool // clients have its port
}

// stopTimeout is how long a server may take to end: the grace period and more.
const stopTimeout = 30 * time.Second

// newCaddy prepares a server; an empty store means a bbolt file in its directory.
func newCaddy(cfg Config, store string, tenants []tenant) (*Caddy, error) {
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	c := &Caddy{Dir: dir, Port: port, Config: cfg, store: store, tenants: tenants}
	if store == "" {
		c.BoltFile = filepath.Join(dir, "scim.db")
		c.store = Bolt + " " + c.BoltFile
	}
	text, err := cfg.caddyfile(dir, c.store, port, tenants)
	if err != nil {
		return nil, err
	}
	return c, os.WriteFile(c.ConfigFile(), []byte(text), 0o600)
}

// ConfigFile is the Caddyfile's path.
func (c *Caddy) ConfigFile() string { return filepath.Join(c.Dir, "Caddyfile") }

// LogFile is where Caddy logs, at debug level, as JSON.
func (c *Caddy) LogFile() string { return filepath.Join(c.Dir, "caddy.log") }

// OutputFile has the process's standard output and error.
func (c *Caddy) OutputFile() string { return filepath.Join(c.Dir, "output.log") }

// AdminAddress is the admin socket as the CLI's --address takes it.
func (c *Caddy) AdminAddress() string { return "unix/" + filepath.Join(c.Dir, "admin.sock") }

// Root is the URL of the site, without a path.
func (c *Caddy) Root() string { return fmt.Sprintf("http://127.0.0.1:%d", c.Port) }

// BasePath is where the site serves SCIM.
func (c *Caddy) BasePath() string {
	if c.Config.BasePath != "" {
		return c.Config.BasePath
	}
	return "/scim/v2"
}

func (c *Caddy) environment() []string {
	env := []string{"HOME=" + c.Dir, "XDG_DATA_HOME=" + filepath.Join(c.Dir, "data"), "XDG_CONFIG_HOME=" + filepath.Join(c.Dir, "config"),
		"GORACE=atexit_sleep_ms=0 exitcode=0 log_path=" + filepath.Join(c.Dir, "race")} // races reads the reports
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "GORACE":
		default:
			env = append(env, e)
		}
	}
	return env
}

// start runs the binary and waits until the site answers, and until SCIM does
// unless its store may be away.
func (c *Caddy) start(awaitStore bool) error {
	cmd := exec.Command(Binary(), "run", "--config", c.ConfigFile(), "--adapter", "caddyfile")
	cmd.Env, cmd.Dir = c.environment(), c.Dir
	p, err := launch(cmd, c.OutputFile())
	if err != nil {
		return err
	}
	c.proc = p
	ready := poll(60*time.Second, func() bool { return !p.alive() || c.answers(awaitStore) })
	if !p.alive() {
		if moved, err := c.move(); moved || err != nil {
			return cmp.Or(err, c.start(awaitStore))
		}
		return fmt.Errorf("caddy-scim ended at its start (%w):\n%s", p.err, c.tailOutput())
	}
	c.met = true
	if !ready {
		return fmt.Errorf("caddy-scim does not get ready:\n%s", c.tailOutput())
	}
	return nil
}

// move takes another port where the first start of the server found that another
// test's server had taken the port meanwhile.
func (c *Caddy) move() (bool, error) {
	out, err := os.ReadFile(c.OutputFile())
	if c.met || err != nil || !bytes.Contains(out, []byte("bind: address already in use")) {
		return false, err
	}
	port, err := freePort()
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(c.ConfigFile())
	if err != nil {
		return false, err
	}
	text = bytes.Replace(text, fmt.Appendf(nil, "http://:%d {", c.Port), fmt.Appendf(nil, "http://:%d {", port), 1)
	c.Port = port
	if err := os.Remove(c.OutputFile()); err != nil { // it tells of the other port
		return false, err
	}
	return true, os.WriteFile(c.ConfigFile(), text, 0o600)
}

func (c *Caddy) answers(store bool) bool {
	res, err := plainHTTP.Get(c.Root() + upPath)
	if err != nil {
		return false
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || !store || len(c.tenants) == 0 {
		return res.StatusCode == http.StatusOK
	}
	r, err := c.client(c.tenants[0]).Send("GET", "/Users?count=0", nil)
	if err != nil || r.Status != http.StatusOK {
		return false
	}
	// Sites serve a moment before Caddy tells its admin API of the configuration.
	if _, err := os.Stat(filepath.Join(c.Dir, "admin.sock")); err != nil {
		return true // the test has it elsewhere
	}
	r, err = c.admin("GET", "/scim/health/live", nil, "")
	return err == nil && r.Status == http.StatusOK
}

// Start starts the server, also again after Stop or Kill, and waits until it
// serves SCIM.
func (c *Caddy) Start(t testing.TB) {
	t.Helper()
	if err := c.start(true); err != nil {
		t.Fatal(err)
	}
}

// TryStart starts the server and waits until its site answers, whether its
// store does or not. The error has the end of the output, as when the
// configuration is refused.
func (c *Caddy) TryStart() error { return c.start(false) }

// Stop ends the server in order. It fails the test where that takes longer than
// half a minute, or where the race detector found something.
func (c *Caddy) Stop(t testing.TB) {
	t.Helper()
	if err := c.stop(); err != nil {
		t.Error(err)
	}
}

func (c *Caddy) stop() error {
	if c.proc == nil {
		return nil
	}
	if !c.proc.alive() {
		return c.races()
	}
	if err := c.proc.end(syscall.SIGTERM, stopTimeout); err != nil {
		return fmt.Errorf("%w\n%s", err, c.tailOutput())
	}
	return c.races()
}

// races returns what the race detector wrote, also of processes killed since.
func (c *Caddy) races() error {
	files, err := filepath.Glob(filepath.Join(c.Dir, "race.*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		for report := range strings.SplitSeq(string(text), "WARNING: DATA RACE") {
			if ourFrame.MatchString(report) {
				return fmt.Errorf("data race in caddy-scim:\n%s", report)
			}
		}
	}
	return nil
}

// ourFrame is a function of this module in a race report. Caddy has races of its
// own: its TLS app writes its fields in Start while handshakes read them.
var ourFrame = regexp.MustCompile(`(?m)^\s+github\.com/caddy-scim/caddy-scim/`)

// Kill ends the server with SIGKILL.
func (c *Caddy) Kill(t testing.TB) {
	t.Helper()
	if err := c.proc.end(syscall.SIGKILL, stopTimeout); err != nil {
		t.Error(err)
	}
}

// Restart stops and starts the server.
func (c *Caddy) Restart(t testing.TB) {
	t.Helper()
	c.Stop(t)
	c.Start(t)
}

// WriteConfig replaces the configuration on disk and returns its text; the
// running server does not see it before Restart or Reload.
func (c *Caddy) WriteConfig(t testing.TB, cfg Config) string {
	t.Helper()
	text, err := cfg.caddyfile(c.Dir, c.store, c.Port, c.tenants)
	if err == nil {
		err = os.WriteFile(c.ConfigFile(), []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Config = cfg
	return text
}

// Reload hands a Caddyfile to the running server through its admin API. The
// error is what Caddy answers where it refuses.
func (c *Caddy) Reload(caddyfile string) error {
	res, err := c.admin("POST", "/load", strings.NewReader(caddyfile), "text/caddyfile")
	if err != nil {
		return err
	}
	if res.Status != http.StatusOK {
		return fmt.Errorf("reload: %d %s", res.Status, res.Body)
	}
	return nil
}

// Log returns Caddy's log and its output so far.
func (c *Caddy) Log(t testing.TB) []byte {
	t.Helper()
	var all []byte
	for _, f := range []string{c.LogFile(), c.OutputFile()} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

func (c *Caddy) tailOutput() []byte {
	out, _ := os.ReadFile(c.OutputFile())
	log, _ := os.ReadFile(c.LogFile())
	return append(append(tail(out), '\n'), tail(log)...)
}

// tail returns the last lines of a log.
func tail(b []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-30):], []byte("\n"))
}
