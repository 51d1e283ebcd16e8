package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// Each limit's error carries its name, for the counters; in a path as well.
func TestLimitsAreNamed(t *testing.T) {
	t.Parallel()
	l := Limits{Length: 40, Depth: 2, Terms: 2}
	for _, c := range []struct{ name, text, path, want string }{
		{"length", `title eq "` + strings.Repeat("x", 40) + `"`, `emails[value eq "` + strings.Repeat("x", 40) + `"]`, "filter_bytes"},
		{"depth", `(((title pr)))`, `emails[((value pr))]`, "filter_depth"},
		{"depth of not", `not not not title pr`, `emails[not not value pr]`, "filter_depth"},
		{"terms", `a pr and b pr and c pr`, `emails[a pr or b pr or c pr]`, "filter_terms"},
		{"no limit", `title eq`, `emails[value eq`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, ferr := l.Parse(c.text)
			_, perr := l.ParsePath(c.path)
			for typ, err := range map[scimerr.Type]error{scimerr.InvalidFilter: ferr, scimerr.InvalidPath: perr} {
				var e *scimerr.Error
				if !errors.As(err, &e) || e.Status != 400 || e.Type != typ || e.Limit != c.want {
					t.Errorf("%s: got %#v, want the limit %q", typ, err, c.want)
				}
			}
		})
	}
}
