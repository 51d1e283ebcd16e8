package patch

import (
	"strings"
	"testing"
)

func TestChanged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before, after, want string }{
		{"nothing", `{"a":1,"b":{"x":1,"y":2}}`, `{"B":{"y":2,"x":1},"a":1}`, ""},
		{"empty", `{}`, `{}`, ""},
		{"a value", `{"a":1,"b":2}`, `{"a":1,"b":3}`, "b"},
		{"a sub-attribute", `{"name":{"givenName":"x"}}`, `{"name":{"givenName":"y"}}`, "name"},
		{"added and removed", `{"c":1,"a":1}`, `{"d":1,"b":1}`, "c a d b"},
		{"an element", `{"emails":[{"value":"x"}]}`, `{"emails":[{"value":"x","primary":false}]}`, "emails"},
		{"an extension's attribute", `{"urn:x:User":{"a":1,"b":1}}`, `{"urn:x:User":{"a":1,"b":2}}`, "urn:x:User:b"},
		{"an extension", `{"a":1}`, `{"a":1,"urn:x:User":{"a":1,"b":2}}`, "urn:x:User:a urn:x:User:b"},
		{"an extension gone", `{"urn:x:User":{"a":1,"b":2},"a":1}`, `{"a":2}`, "urn:x:User:a urn:x:User:b a"},
		{"an extension in part", `{"urn:x:User":{"a":1,"b":{"c":1}}}`, `{"urn:x:User":{"b":{"c":2},"d":1}}`, "urn:x:User:a urn:x:User:b urn:x:User:d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(Changed(object(t, c.before), object(t, c.after)), " "); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}
