//go:build unix

package edgetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// example is a server that runs Caddyfile.example.
type example struct {
	command []string // that stands for caddy-scim
	dir     string   // the home of its data
	env     []string
	config  string
	port    int
}

// The addresses of the published configuration, and of Caddy's admin API.
const (
	examplePort = 8080
	adminPort   = 2019
)

// newExample prepares a server on the published file, or on a copy with another
// port and another admin address.
func newExample(t *testing.T, published bool, command ...string) *example {
	t.Helper()
	x := &example{command: command, dir: t.TempDir(), config: "Caddyfile.example", port: examplePort}
	x.env = append(os.Environ(), "XDG_DATA_HOME="+filepath.Join(x.dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(x.dir, "config"), "GORACE=exitcode=0 log_path="+filepath.Join(x.dir, "race"))
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOENV"} { // whose places depend on the variables above
		x.env = append(x.env, name+"="+goEnv(t, name))
	}
	if published {
		return x
	}
	text, err := os.ReadFile(filepath.Join(root, "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	x.port = freePort(t)
	from := fmt.Sprintf("localhost:%d", examplePort)
	if strings.Count(string(text), from) != 3 {
		t.Fatalf("Caddyfile.example names %s %d times", from, strings.Count(string(text), from))
	}
	x.config = filepath.Join(x.dir, "Caddyfile.example")
	if err := os.WriteFile(x.config, []byte(strings.ReplaceAll(string(text), from, fmt.Sprintf("localhost:%d", x.port))), 0o600); err != nil {
		t.Fatal(err)
	}
	x.env = append(x.env, fmt.Sprintf("CADDY_ADMIN=localhost:%d", freePort(t)))
	return x
}

// root is the repository, from where the documentation's commands are given.
const root = "../.."

var goEnvLock sync.Mutex

func goEnv(t *testing.T, name string) string {
	t.Helper()
	goEnvLock.Lock()
	defer goEnvLock.Unlock()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// start runs the server until the test ends, and waits for it.
func (x *example) start(t *testing.T) {
	t.Helper()
	output := filepath.Join(x.dir, "output.log")
	f, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	args := append(slices.Clone(x.command[1:]), "run", "--config", x.config)
	cmd := exec.Command(x.command[0], args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = root, x.env, f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // "go run" has a child
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	group := -cmd.Process.Pid
	t.Cleanup(func() {
		_ = syscall.Kill(group, syscall.SIGTERM)
		<-ended
		e2e.Eventually(t, 30*time.Second, "the end of "+strings.Join(x.command, " "), func() bool { return errors.Is(syscall.Kill(group, 0), syscall.ESRCH) })
		if t.Failed() {
			text, _ := os.ReadFile(output)
			t.Logf("%s:\n%s", strings.Join(x.command, " "), text)
		}
	})
	e2e.Eventually(t, 5*time.Minute, "the start of "+strings.Join(x.command, " "), func() bool {
		select {
		case <-ended:
			text, _ := os.ReadFile(output)
			t.Fatalf("%s ended:\n%s", strings.Join(x.command, " "), text)
		default:
		}
		res, err := http.Get(fmt.Sprintf("http://localhost:%d/scim/v2/Users", x.port))
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusUnauthorized
	})
}

// run gives another command of the program, as in a second terminal.
func (x *example) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(x.command[0], append(slices.Clone(x.command[1:]), args...)...)
	cmd.Dir, cmd.Env = root, x.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", strings.Join(x.command, " "), strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// mint creates a token as the README says, and with --json.
func (x *example) mint(t *testing.T) e2e.Token {
	t.Helper()
	url := fmt.Sprintf("http://localhost:%d/scim/v2", x.port)
	shown := x.run(t, "scim", "token", "create", "--tenant", "acme")
	if !strings.Contains(shown, "Tenant URL    "+url+"\n") || !strings.Contains(shown, "Secret Token  scim_") {
		t.Errorf("the command prints\n%s", shown)
	}
	var tok e2e.Token
	if err := json.Unmarshal([]byte(x.run(t, "scim", "token", "create", "--tenant", "acme", "--json")), &tok); err != nil {
		t.Fatal(err)
	}
	if tok.Tenant != "acme" || tok.TenantURL != url || tok.Token == "" || tok.ID == "" {
		t.Errorf("--json prints %+v", tok)
	}
	return tok
}

// TestFirstRun gives the README's commands as they are written there, and
// compares the first answers with those of the binary that xcaddy builds from
// xcaddy.json, and of the binary of the other tests.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"go run ./caddy/caddy-scim run --config Caddyfile.example", "go run ./caddy/caddy-scim scim token create --tenant acme"} {
		if !strings.Contains(string(readme), "\n```sh\n"+command+"\n```\n") {
			t.Errorf("the README does not say: %s", command)
		}
	}
	tested := newExample(t, false, e2e.Binary())
	tested.start(t)
	want := firstRequests(t, tested.mint(t))
	for name, x := range map[string]*example{
		"as the README has it": newExample(t, defaultPorts(t), "go", "run", "./caddy/caddy-scim"),
		"built by xcaddy":      newExample(t, false, buildWithXcaddy(t)),
	} {
		t.Run(name, func(t *testing.T) {
			x.start(t)
			if d := cmp.Diff(want, firstRequests(t, x.mint(t))); d != "" {
				t.Errorf("other answers than the tested binary's (-tested +this):\n%s", d)
			}
			if d := cmp.Diff(tested.run(t, "list-modules"), x.run(t, "list-modules")); d != "" {
				t.Errorf("other modules than the tested binary's (-tested +this):\n%s", d)
			}
			if _, err := os.Stat(filepath.Join(x.dir, "data", "caddy", "scim", "scim.db")); err != nil {
				t.Errorf("the store is not where Caddyfile.example says: %v", err)
			}
		})
	}
}

// defaultPorts waits until nobody uses the published addresses, keeps other runs
// of this test off them, and tells whether they are to be had. In CI they have
// to be.
func defaultPorts(t *testing.T) bool {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "caddy-scim-default-ports.lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && free(examplePort) && free(adminPort) {
			return true
		}
		time.Sleep(100 * time.Millisecond)
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("the ports %d and %d are in use", examplePort, adminPort)
	}
	t.Logf("the ports %d and %d are in use: Caddyfile.example is tried on others", examplePort, adminPort)
	return false
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("localhost:%d", port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// buildWithXcaddy builds the binary of xcaddy.json from the local tree, from the
// module cache alone, and returns its path.
func buildWithXcaddy(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "caddy-scim")
	cmd := exec.Command("go", "run", "./caddy/internal/xcaddybuild", "-config", "xcaddy.json", "-output", binary)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOSUMDB=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
