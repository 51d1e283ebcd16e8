package corpustest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/interop/simulate"
)

// After five cycles the server is as the company that was simulated: 200 users in
// 10 groups, or 2,000 in 50 with SOAK=1.
func TestSimulate(t *testing.T) {
	t.Parallel()
	size, groups := "200", "10"
	if os.Getenv("SOAK") != "" {
		size, groups = "2000", "50"
	}
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, config("default"))
			token := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(token, []byte(s.Token), 0o600); err != nil {
				t.Fatal(err)
			}
			for i, flags := range []string{"--seed=1", "--seed=2 --flag"} {
				args := append(strings.Fields("scim simulate entra --cycles=5 --rate=0 --json "+flags), "--size="+size, "--groups="+groups, "--url="+s.Base, "--token-file="+token)
				cmd := exec.Command(e2e.Binary(), args...)
				var stderr strings.Builder
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				var r simulate.Report
				if jerr := json.Unmarshal(out, &r); err != nil || jerr != nil {
					t.Fatalf("%v, %v\n%s%s", err, jerr, out, &stderr)
				}
				if len(r.Cycles) != 5 || len(r.Differences) > 0 {
					t.Errorf("%d cycles, differences %q", len(r.Cycles), r.Differences)
				}
				if !strings.Contains(stderr.String(), "cycle 5: groups") {
					t.Errorf("the progress was\n%s", &stderr)
				}
				// The server has no more than the companies so far.
				total, _ := s.Do(t, "GET", "/Groups?count=0", nil).Want(t, 200).JSON["totalResults"].(float64)
				if want := (i + 1) * r.Groups; int(total) != want {
					t.Errorf("%v groups, want %d", total, want)
				}
			}
		})
	}
}
