package attr

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// Each limit's error carries its name, for the counters.
func TestLimitsAreNamed(t *testing.T) {
	t.Parallel()
	var names strings.Builder
	for i := range maxNames + 1 {
		fmt.Fprintf(&names, `,"n%d":1`, i)
	}
	small := Limits{Depth: 2, String: 3, Elements: 2}
	named := small
	named.ElementsName = "bulk_operations"
	for _, c := range []struct {
		name, in string
		limits   Limits
		want     string // 400 or 413 and the limit
	}{
		{"depth", `{"a":{"b":[]}}`, small, "400 depth"},
		{"depth of a dropped member", `{"drop":{"b":[]}}`, small, "400 depth"},
		{"depth of a deferred member", `{"defer":{"b":[]}}`, small, "400 depth"},
		{"a long string", `{"a":"abcd"}`, small, "400 string_bytes"},
		{"a long array", `{"a":[1,2,3]}`, small, "413 members_per_request"},
		{"a long array of another name", `{"a":[1,2,3]}`, named, "413 bulk_operations"},
		{"many names", "{" + names.String()[1:] + "}", Limits{}, "413 names"},
		{"no limit", `{"a":1,"a":2}`, small, "400 "},
		{"not even JSON", `{"a`, small, "400 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := DecodeObject([]byte(c.in), testGuide{}, c.limits)
			var e *scimerr.Error
			if !errors.As(err, &e) || fmt.Sprint(e.Status, " ", e.Limit) != c.want {
				t.Errorf("got %#v, want %s", err, c.want)
			}
		})
	}
}
