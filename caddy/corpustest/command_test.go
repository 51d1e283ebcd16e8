package corpustest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/interop/doctor"
)

// buffer may be read while a process writes to it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// process is a running `scim doctor`.
type process struct {
	cmd         *exec.Cmd
	out, errOut buffer
}

// start runs the doctor's command. The token is in the environment.
func start(t *testing.T, token string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), e2e.Binary(), append([]string{"scim", "doctor"}, args...)...)}
	p.cmd.Env = append(os.Environ(), "SCIM_TOKEN="+token, "HOME="+t.TempDir())
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errOut
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// wait returns the exit code, -1 for a signal.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

var runID = regexp.MustCompile(`Run ([a-z0-9]{8})`)

// Ended by a signal while it plays, the command leaves nothing; killed, its
// clean-up leaves nothing.
func TestDoctorEnded(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, config("*"), func(t *testing.T, s *e2e.Server) {
		for i, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
			c := s.NewTenant(t)
			p := start(t, c.Token, c.Base, "--client", "entra", "--rate", "200")
			// Each signal comes at another point of the run, with probes on the server.
			e2e.Eventually(t, time.Minute, "probes on the server", func() bool {
				r, err := c.Send("GET", "/Users?count=0", nil)
				return err == nil && r.JSON["totalResults"] != float64(0) && strings.Count(p.errOut.String(), "\n") > 2+3*i
			})
			if err := p.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			code := p.wait(t)
			if signal != syscall.SIGKILL {
				if code != 1 || !strings.Contains(p.errOut.String(), "Error: interrupted") {
					t.Errorf("%s: exit code %d\n%s", signal, code, p.errOut.String())
				}
				wantNothing(t, c)
				continue
			}
			id := runID.FindStringSubmatch(p.errOut.String())
			if id == nil {
				t.Fatalf("the run's id is not told:\n%s", p.errOut.String())
			}
			p = start(t, c.Token, c.Base, "--cleanup", id[1], "--rate", "1000")
			if code := p.wait(t); code != 0 || !strings.Contains(p.out.String(), "archive purge") {
				t.Errorf("the clean-up: exit code %d\n%s%s", code, p.out.String(), p.errOut.String())
			}
			wantNothing(t, c)
		}
	})
}

// The command's JSON is the report, and its errors are a sentence each.
func TestDoctorCommand(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, config("default"), func(t *testing.T, s *e2e.Server) {
		p := start(t, s.Token, s.Base, "--client", "okta", "--client", "jumpcloud", "--rate", "1000", "--json")
		code := p.wait(t)
		var r doctor.Report
		if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil || code != 0 || len(r.Clients) != 2 || r.Counts.Failed > 0 || r.Counts.Passed == 0 || r.Allow != "default" {
			t.Errorf("exit code %d, %v, %+v\n%s", code, err, r.Counts, p.errOut.String())
		}
		wantNothing(t, s.Client)
		for _, row := range []struct {
			token, url, want string
		}{
			{"wrong-0123456789", s.Base, "refuses the token (401)"},
			{s.Token, s.Caddy.Root() + "/other", "check the path of the URL"},
			{s.Token, strings.Replace(s.Base, "http:", "https:", 1), "does not speak TLS"},
		} {
			p := start(t, row.token, row.url)
			if code := p.wait(t); code != 3 || !strings.Contains(p.errOut.String(), row.want) || strings.Count(p.errOut.String(), "\n") != 1 {
				t.Errorf("exit code %d\n%s", code, p.errOut.String())
			}
		}
	})
}
