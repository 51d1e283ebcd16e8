package corpustest

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/interop/doctor"
)

const compatibility = "../../docs/compatibility.md"

const preface = `# Compatibility

What each client sends, in the situations that we know of, and how caddy-scim answers: with the default allow list, and
with everything allowed. This table was printed by the doctor, ` + "`caddy-scim scim doctor`" + `, which you can run against your
own server; the tests of this project see that it is still so. What was sent and must come back is in
[interop/corpus](../interop/corpus), a file for each situation, with the source of each fact.

`

// The whole corpus passes on both stores with both allow lists, nothing is left,
// and docs/compatibility.md is what the doctor prints of it.
func TestCorpus(t *testing.T) {
	t.Parallel()
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			var reports []*doctor.Report
			for _, allow := range lists {
				s := e2e.StartServer(t, store, config(allow))
				r, err := doctor.Run(t.Context(), options(t, s.Client))
				if err != nil {
					t.Fatal(err)
				}
				if !r.Good() || r.Counts.Degraded > 0 || r.Counts.NotReached > 0 || !r.Own || r.Allow != allow || !r.Archived {
					var b strings.Builder
					if err := r.Text(&b); err != nil {
						t.Fatal(err)
					}
					t.Errorf("allow %s:\n%s", allow, b.String())
				}
				wantNothing(t, s.Client)
				reports = append(reports, r)
			}
			var b bytes.Buffer
			b.WriteString(preface)
			if err := doctor.Markdown(&b, reports...); err != nil {
				t.Fatal(err)
			}
			if *update && store == e2e.Bolt {
				if err := os.WriteFile(compatibility, b.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(compatibility)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" && !*update {
				t.Errorf("docs/compatibility.md is not what the doctor prints; see it with -update (-want +got):\n%s", diff)
			}
		})
	}
}
