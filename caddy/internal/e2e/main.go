package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var binary struct {
	path string
	work string
}

// Main runs a package's tests against the binary and returns the exit code: it
// builds it, checks that redis-server is there, and stops the shared servers.
// It fails the run when one of them had a data race or did not stop cleanly.
func Main(m *testing.M) int {
	if _, err := exec.LookPath("redis-server"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: redis-server is not installed; these tests need a real one (make test installs it, or: apt-get install redis-server)")
		return 1
	}
	work, err := os.MkdirTemp("", "scim")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	binary.work = work
	defer os.RemoveAll(work)
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	return code
}

// build makes the binary with the race detector, unless CADDY_SCIM_BINARY names
// one that is there already.
func build() error {
	if path := os.Getenv("CADDY_SCIM_BINARY"); path != "" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		binary.path = abs
		_, err = os.Stat(abs)
		return err
	}
	binary.path = filepath.Join(binary.work, "caddy-scim")
	cmd := exec.Command("go", "build", "-race", "-o", binary.path, "github.com/caddy-scim/caddy-scim/caddy/caddy-scim")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the binary: %w\n%s", err, out)
	}
	return nil
}

// Binary returns the path of the binary under test.
func Binary() string { return binary.path }

// tempDir makes a short directory name: unix sockets in it may have 107 bytes.
func tempDir() (string, error) { return os.MkdirTemp(binary.work, "s") }

var shared struct {
	sync.Mutex
	servers map[string]*sharedServer
}

type sharedServer struct {
	once  sync.Once
	err   error
	caddy *Caddy
	redis *Redis

	mu   sync.Mutex
	next int
}

func stopShared() error {
	shared.Lock()
	defer shared.Unlock()
	var problems []string
	for _, s := range shared.servers {
		if s.caddy != nil {
			if err := s.caddy.stop(); err != nil {
				problems = append(problems, err.Error())
			}
		}
		if s.redis != nil {
			s.redis.kill()
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("shared servers: %s", strings.Join(problems, "\n"))
	}
	return nil
}
