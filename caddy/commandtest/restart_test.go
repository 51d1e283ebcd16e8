package commandtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// TestImportSurvives interrupts an import, and then kills the server under it.
func TestImportSurvives(t *testing.T) {
	t.Parallel()
	const users = 20_000
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, e2e.Config{})
			o := operator{s.Caddy}
			file := filepath.Join(t.TempDir(), "x.ndjson")
			header := writeExport(t, file, users)

			first := startImport(t, s.Caddy, file)
			passed(t, s.Caddy, header, 1)
			if err := first.cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if code := first.wait(t); code != 1 || !strings.Contains(first.stderr.String(), "the same command again goes on there") {
				t.Fatalf("interrupted: exit code %d\n%s%s", code, &first.stdout, &first.stderr)
			}

			second := startImport(t, s.Caddy, file, "--progress")
			passed(t, s.Caddy, header, users/2)
			s.Caddy.Kill(t)
			s.Caddy.Start(t)
			if code := second.wait(t); code != 0 || !strings.Contains(second.stdout.String(), "The import is complete: 20,004 lines.") {
				t.Fatalf("over a restart: exit code %d\n%s%s", code, &second.stdout, &second.stderr)
			}
			if !strings.Contains(second.stderr.String(), "The import goes on at line ") || !strings.Contains(second.stderr.String(), "The server is away") {
				t.Errorf("it did not go on, but\n%s", &second.stderr)
			}
			if d := decode[admin.TenantDetail](t, o, "tenant|show|moved"); d.Users != users {
				t.Errorf("%d users have come, want %d", d.Users, users)
			}
		})
	}
}

// writeExport writes an export of the tenant moved and returns its first line.
func writeExport(t *testing.T, file string, users int) string {
	t.Helper()
	const at = `"2026-01-02T03:04:05.000Z"`
	header := `{"export":{"format":1,"id":"ABCDEFGHIJKLMNOPQRSTUVWXYZ","time":` + at + `}}`
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n"+`{"tenant":{"name":"moved","record":{"kind":"tenant","id":"moved","created":%s,"modified":%[2]s,"body":{}}}}`+"\n", header, at)
	for i := range users {
		fmt.Fprintf(&b, `{"kind":"user","id":"u%06d","created":%s,"modified":%[2]s,"version":1,"body":{"schemas":["%s"],"id":"u%06[1]d","userName":"user%[1]d@example.com","active":true}}`+"\n", i, at, e2e.UserURN)
	}
	fmt.Fprintf(&b, `{"tenant_end":{"name":"moved","counts":{"users":%d,"groups":0,"members":0,"archived":0,"tombstones":0,"reports":0,"tokens":0}}}`+"\n", users)
	fmt.Fprintf(&b, `{"end":{"lines":%d}}`+"\n", users+4)
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return header
}

// passed waits until the server has more than n lines of the import.
func passed(t *testing.T, c *e2e.Caddy, header string, n int) {
	t.Helper()
	body := `{"header":` + quote(header) + `}`
	e2e.Eventually(t, time.Minute, fmt.Sprintf("more than %d lines to be in", n), func() bool {
		next, _ := c.Admin(t, "POST", admin.PathImportBegin, body).Want(t, 200).Field(t, "next").(float64)
		return int(next) > n
	})
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// running is a command that runs beside the test.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func startImport(t *testing.T, c *e2e.Caddy, file string, args ...string) *running {
	t.Helper()
	return startCommand(t, c, append([]string{"import", file}, args...)...)
}

func startCommand(t *testing.T, c *e2e.Caddy, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(e2e.Binary(), append(append([]string{"scim"}, args...), "--address", c.AdminAddress())...)}
	r.cmd.Env = append(os.Environ(), "HOME="+c.Dir)
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
	})
	return r
}

// wait returns the exit code.
func (r *running) wait(t *testing.T) int {
	t.Helper()
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode()
}

// TestImportFromStandardInput reads what another program writes.
func TestImportFromStandardInput(t *testing.T) {
	t.Parallel()
	s := e2e.StartServer(t, e2e.Bolt, e2e.Config{})
	file := filepath.Join(t.TempDir(), "x.ndjson")
	writeExport(t, file, 10)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(e2e.Binary(), "scim", "import", "-", "--address", s.Caddy.AdminAddress())
	cmd.Stdin = f
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "The import is complete: 14 lines.") {
		t.Errorf("%v\n%s", err, out)
	}
	operator{s.Caddy}.ok(t, "user|show|user7@example.com|--tenant|moved", "u000007")
}
