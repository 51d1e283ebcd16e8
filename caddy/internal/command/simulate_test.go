package command

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/interop/simulate"
)

func TestSimulate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token, users := filepath.Join(dir, "token"), filepath.Join(dir, "users.csv")
	for file, text := range map[string]string{token: scimToken + "\n", users: "userName,groups\nada@example.com,Crew\nbob@example.com,Crew;Board\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lossy := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		return false
	}
	for _, c := range []struct {
		name  string
		args  string
		fault func(w http.ResponseWriter, r *http.Request) bool
		code  int
		want  []string // of standard output
		fails string   // of the error
	}{
		{"a company", "--size|20|--groups|2|--cycles|3|--rate|0", nil, 0, []string{"CYCLE  JOINERS", "2 groups", "requests in"}, ""},
		{"with the flag", "--size|20|--groups|2|--cycles|2|--rate|0|--flag", nil, 0, []string{"2 groups"}, ""},
		{"a file", "--users|" + users + "|--cycles|1|--rate|0", nil, 0, []string{"2 users and 2 groups"}, ""},
		{"changes are lost", "--size|20|--groups|2|--cycles|3|--rate|0", lossy, 1, []string{"Differences, at most 20", "is missing"}, "the server is not as the company"},
		{"no such file", "--users|" + users + "x", nil, 1, nil, "no such file"},
		{"both", "--users|" + users + "|--size|5", nil, 2, nil, "instead of"},
		{"no cycle", "--cycles|0", nil, 2, nil, "at least 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := run(t, invocation{args: append([]string{"scim", "simulate", "entra", "--url", newSCIM(t, c.fault), "--token-file", token}, strings.Split(c.args, "|")...)})
			if o.code != c.code {
				t.Fatalf("exit code %d, want %d\n%s%s", o.code, c.code, o.out, o.errOut)
			}
			for _, w := range c.want {
				if !strings.Contains(o.out, w) {
					t.Errorf("%q is not in\n%s", w, o.out)
				}
			}
			if !strings.Contains(o.errOut, c.fails) || strings.Contains(o.out+o.errOut, scimToken) {
				t.Errorf("standard error, want %q:\n%s", c.fails, o.errOut)
			}
			within80(t, o.out)
		})
	}
	o := run(t, invocation{args: strings.Split("scim|simulate|entra|--size|5|--groups|1|--cycles|1|--rate|0|--json|--token-file|"+token+"|--url|"+newSCIM(t, nil), "|")})
	var r simulate.Report
	if err := json.Unmarshal([]byte(o.out), &r); o.code != 0 || err != nil || r.Users != 5 || r.Differences == nil {
		t.Errorf("exit code %d, %v\n%s%s", o.code, err, o.out, o.errOut)
	}
}
