package patch

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// TestCanary: a value that is sent to a place which the allow list drops, or in
// a request that is refused, is in no result, no error text and no dropped name.
func TestCanary(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	vs := views(t)
	for _, c := range []struct {
		name  string
		v     *schema.View
		ops   string
		fails bool
	}{
		{"path", vs.User, `[{"op":"add","path":"title","value":"CANARY"}]`, false},
		{"object at a path", vs.User, `[{"op":"add","path":"title","value":{"x":"CANARY"}}]`, false},
		{"unknown path", vs.User, `[{"op":"add","path":"foo.bar","value":["CANARY"]}]`, false},
		{"password", vs.User, `[{"op":"add","path":"password","value":"CANARY"},{"op":"add","value":{"password":"CANARY"}}]`, false},
		{"sub-attribute", vs.User, `[{"op":"add","path":"name.formatted","value":"CANARY"},{"op":"add","path":"name","value":{"formatted":"CANARY"}}]`, false},
		{"key", vs.User, `[{"op":"replace","value":{"title":"CANARY","name":{"middleName":"CANARY"},"name.formatted":"CANARY","x":{"y":["CANARY"]}}}]`, false},
		{"extension", vs.User, `[{"op":"replace","value":{"` + enterprise + `":{"costCenter":"CANARY"},"` + enterprise + `:manager":"CANARY","urn:other:1.0:User":{"x":"CANARY"}}}]`, false},
		{"extension as a path", vs.User, `[{"op":"add","path":"` + enterprise + `","value":{"costCenter":"CANARY","manager":{"value":"CANARY"}}}]`, false},
		{"operator's extension", vs.User, `[{"op":"add","path":"urn:example:ext:1.0:User","value":{"tags":["CANARY"]}},{"op":"add","path":"urn:example:ext:1.0:User:tags","value":["CANARY"]}]`, false},
		{"element of another type", vs.User, `[{"op":"add","path":"emails","value":[{"type":"home","value":"CANARY"},{"value":"CANARY"},"CANARY"]}]`, false},
		{"created element of another type", vs.User, `[{"op":"add","path":"emails[type eq \"home\"].value","value":"CANARY"},{"op":"add","path":"addresses[type eq \"work\"].locality","value":"CANARY"}]`, false},
		{"sub-attribute of an element", vs.User, `[{"op":"add","path":"emails[type eq \"work\"]","value":{"value":"w","display":"CANARY"}},{"op":"add","path":"emails[type eq \"work\"].display","value":"CANARY"}]`, false},
		{"filter on what is dropped", vs.User, `[{"op":"add","path":"emails[display eq \"CANARY\"].value","value":"CANARY"},{"op":"remove","path":"photos[value eq \"CANARY\"]"}]`, false},
		{"filter in a key", vs.User, `[{"op":"add","value":{"photos[value eq \"CANARY\"].type":"CANARY","emails[display eq \"CANARY\"].value":"CANARY","emails[type eq \"CANARY\"].value":"CANARY"}}]`, false},
		{"filter and sub-attribute", vs.User, `[{"op":"add","path":"emails[type eq \"CANARY\"].display","value":"CANARY"}]`, false},
		{"read-only key", vs.User, `[{"op":"add","value":{"id":"CANARY","meta":{"location":"CANARY"},"groups":[{"value":"CANARY"}]}}]`, false},
		{"remove", vs.User, `[{"op":"remove","path":"title","value":"CANARY"},{"op":"remove","path":"emails","value":[{"value":"CANARY"}]},{"op":"remove","path":"userName","value":"CANARY"}]`, false},
		{"extra keys of an operation", vs.User, `[{"op":"add","path":"locale","value":"en","x":"CANARY","name":"CANARY"}]`, false},
		{"member's unknown key", vs.Group, `[{"op":"add","path":"members","value":[{"value":"1","foo":"CANARY"}]},{"op":"add","path":"members[value eq \"1\"].display","value":"CANARY"}]`, false},
		{"removed member's information", vs.Group, `[{"op":"remove","path":"members","value":[{"value":"1","display":"CANARY","userName":"CANARY"}]}]`, false},
		{"group's other keys", vs.Group, `[{"op":"replace","value":{"displayName":"n","description":"CANARY"}}]`, false},

		{"wrong type", vs.User, `[{"op":"add","path":"active","value":"CANARY"}]`, true},
		{"wrong type in an element", vs.User, `[{"op":"add","path":"emails","value":[{"type":"work","primary":"CANARY"}]}]`, true},
		{"wrong type of an element", vs.User, `[{"op":"replace","path":"name","value":"CANARY"}]`, true},
		{"several values", vs.User, `[{"op":"add","path":"userName","value":["CANARY","CANARY"]}]`, true},
		{"no target", vs.User, `[{"op":"add","path":"emails[value co \"CANARY\"].value","value":"CANARY"}]`, true},
		{"broken filter", vs.User, `[{"op":"add","path":"emails[type eq \"CANARY].value","value":"CANARY"}]`, true},
		{"broken filter in a key", vs.User, `[{"op":"add","value":{"emails[type eq \"CANARY].value":"CANARY"}}]`, true},
		{"unfit filter", vs.User, `[{"op":"add","path":"emails[primary gt \"CANARY\"].value","value":"CANARY"}]`, true},
		{"filter on a single value", vs.User, `[{"op":"add","path":"userName[value eq \"CANARY\"]","value":"CANARY"}]`, true},
		{"read-only path", vs.User, `[{"op":"add","path":"meta","value":"CANARY"}]`, true},
		{"no object", vs.User, `[{"op":"add","value":"CANARY"}]`, true},
		{"op", vs.User, `[{"op":"CANARY","path":"title","value":"CANARY"}]`, true},
		{"broken value", vs.User, `[{"op":"add","path":"userName","value":"CANARY\ud800"}]`, true},
		{"malformed members", vs.Group, `[{"op":"replace","path":"members","value":[{"display":"CANARY"}]}]`, true},
		{"changed member", vs.Group, `[{"op":"replace","path":"members[value eq \"CANARY\"].value","value":"CANARY2"}]`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var d schema.Tally
			o, r, err := run(t, c.v, `{}`, c.ops, &d)
			if (err != nil) != c.fails {
				t.Fatalf("error %v", err)
			}
			out := dropped(&d)
			if err != nil {
				out += err.Error()
			} else {
				out += string(o.Append(nil)) + edits(r.Members)
			}
			if strings.Contains(out, canary) {
				t.Fatalf("the value came through: %s", out)
			}
		})
	}
}

// TestErrorsAreNamed: what a client is told names the attribute.
func TestErrorsAreNamed(t *testing.T) {
	t.Parallel()
	for ops, want := range map[string]string{
		`[{"op":"add","path":"active","value":"x"}]`:                       "active",
		`[{"op":"replace","path":"meta.created","value":"x"}]`:             "meta.created",
		`[{"op":"add","path":"emails[value co \"x\"].value","value":"y"}]`: "emails",
		`[{"op":"add","path":"` + enterprise + `","value":"y"}]`:           enterprise,
		`[{"op":"add","path":"name[givenName eq \"x\"]","value":"y"}]`:     "name",
	} {
		_, _, err := run(t, views(t).User, `{}`, ops, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", ops, err)
		}
	}
	if _, err := Parse([]byte(`{"Operations":[{"op":"remove","path":"title"},{"op":"add","path":"title"}]}`), attr.Limits{}, 10); err == nil || !strings.Contains(err.Error(), "peration 2") {
		t.Errorf("the operation is not named: %v", err)
	}
}
