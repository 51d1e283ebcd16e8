package patch

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// Each limit's error carries its name, for the counters.
func TestLimitsAreNamed(t *testing.T) {
	t.Parallel()
	vs := views(t, "*")
	limits := attr.Limits{Elements: 3, String: 5000}
	var keys strings.Builder
	for i := range maxKeys + 1 {
		keys.WriteString(`,"emails[value eq \"` + strings.Repeat("x", i+1) + `\"].type":"t"`)
	}
	member := `{"op":"add","path":"members","value":[{"value":"a"},{"value":"b"}]},`
	long := `emails[value eq \"` + strings.Repeat("x", 4096) + `\"]`
	for _, c := range []struct {
		name, ops, want string // 400 or 413 and the limit
	}{
		{"operations", strings.Repeat(`{"op":"remove","path":"title"},`, 11), "413 patch_operations"},
		{"values of one operation", `{"op":"add","path":"members","value":["a","b","c","d"]},`, "413 members_per_request"},
		{"values of all operations", member + member, "413 members_per_request"},
		{"attributes without a path", `{"op":"add","value":{` + keys.String()[1:] + `}},`, "413 names"},
		{"a long path", `{"op":"add","path":"` + long + `","value":"x"},`, "400 filter_bytes"},
		{"a long key", `{"op":"add","value":{"` + long + `":"x"}},`, "400 filter_bytes"},
		{"a deep path", `{"op":"remove","path":"emails[` + strings.Repeat("(", 30) + `value pr` + strings.Repeat(")", 30) + `]"},`, "400 filter_depth"},
		{"a path with many comparisons", `{"op":"remove","path":"emails[value pr` + strings.Repeat(" or value pr", 50) + `]"},`, "400 filter_terms"},
		{"a long string", `{"op":"add","path":"displayName","value":"` + strings.Repeat("x", 5001) + `"},`, "400 string_bytes"},
		{"a deep value", `{"op":"add","path":"displayName","value":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `},`, "400 depth"},
		{"no limit", `{"op":"add","path":"emails[","value":"x"},`, "400 "},
		{"no limit, in a key", `{"op":"add","value":{"emails[":"x"}},`, "400 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ops, err := Parse([]byte(`{"Operations":[`+strings.TrimSuffix(c.ops, ",")+`]}`), limits, 10)
			if err == nil {
				v := vs.User
				if strings.Contains(c.ops, "members") {
					v = vs.Group
				}
				_, err = Apply(v, &attr.Members{}, ops, nil, limits)
			}
			var e *scimerr.Error
			if !errors.As(err, &e) || fmt.Sprint(e.Status, " ", e.Limit) != c.want {
				t.Errorf("got %#v, want %s", err, c.want)
			}
		})
	}
}
