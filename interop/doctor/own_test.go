package doctor_test

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

// The whole corpus passes against this project's service, nothing is left, and
// nothing is skipped but for the other allow list.
func TestOwnService(t *testing.T) {
	t.Parallel()
	c, err := corpus.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, allow := range []string{"default", "*"} {
		t.Run(allow, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, allow)
			o := options(s, c)
			r := play(t, o)
			if r.Allow != allow || !r.Own {
				t.Errorf("taken for own: %v, allow %s", r.Own, r.Allow)
			}
			if !r.Good() || r.Counts.Degraded > 0 || r.Counts.NotReached > 0 {
				var b strings.Builder
				if err := r.Text(&b); err != nil {
					t.Fatal(err)
				}
				t.Error(b.String())
			}
			s.wantLeft(t, 0, 0)
			t.Logf("%d requests in %.1f s; %s", r.Requests, r.Seconds, r.Counts)
		})
	}
}
