package command

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/interop/doctor"
	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

const scimToken = "static-0123456789abcdef"

// newSCIM starts the service on a store in memory. Where fault is not nil, it
// answers the requests that it wants to.
func newSCIM(t *testing.T, fault func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	svc, err := scimmodule.New(scimmodule.Options{
		Store:   memstore.New(store.LogLimit{}),
		Tenants: []scimmodule.Tenant{{Name: "acme", Tokens: []string{scimToken}, Settings: scimmodule.Settings{Rate: new(registry.Rate)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault == nil || !fault(w, r) {
			svc.Serve(w, r, scimmodule.Target{Path: strings.TrimPrefix(r.URL.Path, "/scim/v2"), Base: "http://" + r.Host + "/scim/v2"})
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/scim/v2"
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var changing = regexp.MustCompile(`http://127\.0\.0\.1:\d+|\b127\.0\.0\.1:\d+|(Run |doctor-)[a-z0-9]{8}\b|\d+ requests in [0-9.]+ s`)

// steady replaces what is new in each run.
func steady(text string) string {
	return changing.ReplaceAllStringFunc(text, func(s string) string {
		switch {
		case strings.HasPrefix(s, "Run "):
			return "Run ID"
		case strings.HasPrefix(s, "doctor-"):
			return "doctor-ID"
		case strings.HasSuffix(s, " s"):
			return "N requests in T"
		}
		return "SERVER"
	})
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	url := newSCIM(t, nil)
	args := []string{"scim", "doctor", url, "--token-file", tokenFile(t, scimToken), "--client", "jumpcloud", "--rate", "10000"}
	o := run(t, invocation{args: args})
	if o.code != 0 || !strings.Contains(o.out, "JumpCloud") || !strings.Contains(o.out, "stay in the tenant's archive") {
		t.Errorf("exit code %d\n%s%s", o.code, o.out, o.errOut)
	}
	noControl(t, o.out+o.errOut)
	within80(t, o.out+o.errOut)
	id := regexp.MustCompile(`Run ([a-z0-9]{8})`).FindStringSubmatch(o.errOut)
	if id == nil || !strings.Contains(o.errOut, "--cleanup "+id[1]) {
		t.Fatalf("the run's id is not told: %s", o.errOut)
	}

	junit := filepath.Join(t.TempDir(), "junit.xml")
	o = run(t, invocation{args: append(args, "--json", "--junit", junit)})
	var r doctor.Report
	if err := json.Unmarshal([]byte(o.out), &r); err != nil || o.code != 0 || r.Counts.Passed == 0 || r.Counts.Failed > 0 || !r.Own {
		t.Errorf("exit code %d, %v, %+v", o.code, err, r.Counts)
	}
	text, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Tests  int `xml:"tests,attr"`
		Suites []struct {
			Cases []struct{} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil || suites.Tests != r.Counts.Passed+r.Counts.NotSupported || len(suites.Suites) != 1 {
		t.Errorf("%v: %s", err, text)
	}

	o = run(t, invocation{args: []string{"scim", "doctor", url, "--token-file", "-", "--cleanup", id[1], "--rate", "10000"}, stdin: scimToken + "\n"})
	if o.code != 0 || o.out != "Run "+id[1]+": 0 users and 0 groups deleted.\n" {
		t.Errorf("exit code %d\n%s%s", o.code, o.out, o.errOut)
	}

	ctx, cancel := context.WithCancel(t.Context())
	url = newSCIM(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			cancel()
		}
		return false
	})
	args[2] = url
	o = run(t, invocation{args: args, ctx: ctx})
	if o.code != 1 || !strings.Contains(o.out, "not reached") || !strings.HasSuffix(o.errOut, "Error: interrupted\n") {
		t.Errorf("exit code %d\n%s%s", o.code, o.out, o.errOut)
	}
}

func TestDoctorFails(t *testing.T) {
	t.Parallel()
	url := newSCIM(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("{\"detail\": \"\x1b[2Jno\"}"))
		return true
	})
	o := run(t, invocation{args: []string{"scim", "doctor", url, "--token-file", tokenFile(t, scimToken), "--client", "jumpcloud", "--rate", "10000"}})
	if o.code != 1 || !strings.Contains(o.out, "FAILED") || !strings.Contains(o.out, `\x1b[2Jno`) || !strings.Contains(o.errOut, " failed\n") {
		t.Errorf("exit code %d\n%s%s", o.code, o.out, o.errOut)
	}
	noControl(t, o.out+o.errOut)
}

func TestDoctorRefuses(t *testing.T) {
	t.Parallel()
	url := newSCIM(t, nil)
	good := tokenFile(t, scimToken)
	rows := []struct {
		name     string
		args     []string
		stdin    string
		terminal bool
		code     int
	}{
		{"doctor-no-url", []string{"--token-file", good}, "", false, 2},
		{"doctor-two-urls", []string{"a", "b"}, "", false, 2},
		{"doctor-no-scheme", []string{"scim.example.com", "--token-file", good}, "", false, 2},
		{"doctor-no-token", []string{url}, "", false, 2},
		{"doctor-empty-token", []string{url, "--token-file", "-"}, "\n", false, 2},
		{"doctor-typed-token", []string{url}, "wrong-0123456789abcdef\n", true, 3},
		{"doctor-nothing-typed", []string{url}, "\n", true, 2},
		{"doctor-wrong-token", []string{url, "--token-file", tokenFile(t, "wrong-0123456789abcdef")}, "", false, 3},
		{"doctor-wrong-path", []string{strings.TrimSuffix(url, "/scim/v2") + "/other", "--token-file", good}, "", false, 3},
		{"doctor-unknown-client", []string{url, "--token-file", good, "--client", "netscape"}, "", false, 2},
		{"doctor-unknown-run", []string{url, "--token-file", good, "--cleanup", "x"}, "", false, 2},
		{"doctor-no-run", []string{url, "--token-file", good, "--cleanup", ""}, "", false, 2},
		{"doctor-no-rate", []string{url, "--token-file", good, "--rate", "0"}, "", false, 2},
		{"doctor-list-unknown", []string{"--list", "--client", "netscape"}, "", false, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := run(t, invocation{args: append([]string{"scim", "doctor"}, row.args...), stdin: row.stdin, terminal: row.terminal})
			if o.code != row.code || o.out != "" {
				t.Errorf("exit code %d, want %d\n%s", o.code, row.code, o.out)
			}
			golden(t, row.name, steady(o.errOut))
		})
	}
}

// A token of the environment is taken where no file is given.
func TestDoctorTokenOfEnvironment(t *testing.T) {
	t.Setenv(tokenVariable, scimToken)
	o := run(t, invocation{args: []string{"scim", "doctor", newSCIM(t, nil), "--client", "jumpcloud", "--rate", "10000"}})
	if o.code != 0 {
		t.Errorf("exit code %d\n%s%s", o.code, o.out, o.errOut)
	}
}

func TestDoctorSendsNothing(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--list", "--dry-run"} {
		o := run(t, invocation{args: []string{"scim", "doctor", flag, "--client", "jumpcloud"}})
		if o.code != 0 || o.errOut != "" || len(strings.Split(o.out, "\n")) < 3 || strings.Contains(o.out, "entra") {
			t.Errorf("%s: exit code %d\n%s%s", flag, o.code, o.out, o.errOut)
		}
		noControl(t, o.out)
		all := run(t, invocation{args: []string{"scim", "doctor", flag, "--json"}})
		reading := run(t, invocation{args: []string{"scim", "doctor", flag, "--json", "--read-only"}})
		var many, few []struct{ Writes bool }
		if json.Unmarshal([]byte(all.out), &many) != nil || json.Unmarshal([]byte(reading.out), &few) != nil || len(few) == 0 || len(few) >= len(many) {
			t.Errorf("%s: %d, and %d that read", flag, len(many), len(few))
		}
	}
}
