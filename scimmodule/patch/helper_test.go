package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

const enterprise = schema.EnterpriseUserURN

// extensionJSON is an operator's extension with what the RFC's schemas lack:
// plain multi-valued attributes, references, numbers, immutable ones.
const extensionJSON = `{"id":"urn:example:ext:1.0:User","name":"Example","attributes":[
	{"name":"tags","type":"string","multiValued":true},
	{"name":"codes","type":"string","multiValued":true,"caseExact":true},
	{"name":"level","type":"integer"},
	{"name":"owner","type":"complex","multiValued":true,"subAttributes":[
		{"name":"value","type":"string"},{"name":"$ref","type":"reference"},{"name":"kinds","type":"string","multiValued":true}]},
	{"name":"badge","type":"complex","subAttributes":[
		{"name":"color","type":"string"},{"name":"valid","type":"boolean"}]},
	{"name":"origin","type":"string","mutability":"readOnly"}]}`

// views returns the views of an allow list; "default" where it is empty.
func views(t testing.TB, allow ...string) *schema.Views {
	t.Helper()
	x, err := schema.Parse([]byte(extensionJSON))
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.NewCatalog([]schema.Extension{{Schema: x}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	vs, err := c.Narrow(schema.Narrowing{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func object(t testing.TB, text string) *attr.Members {
	t.Helper()
	o, err := attr.DecodeObject([]byte(text), nil, attr.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

// run applies operations, given as the JSON list, and returns what comes out.
func run(t testing.TB, v *schema.View, before, operations string, d *schema.Tally) (*attr.Members, Result, error) {
	t.Helper()
	o := object(t, before)
	ops, err := Parse([]byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":`+operations+`}`), attr.Limits{}, 1000)
	if err != nil {
		return nil, Result{}, err
	}
	r, err := Apply(v, o, ops, d, attr.Limits{})
	return o, r, err
}

// tree is JSON as plain Go values, for a comparison without regard to order of
// members.
func tree(t testing.TB, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// failure is the status and keyword of an error.
func failure(err error) string {
	var e *scimerr.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e):
		return "untyped: " + err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.Type))
}

// dropped lists what was counted, as "name" or "name*2".
func dropped(d *schema.Tally) string {
	var names []string
	for name, n := range d.All() {
		if n.Count > 1 {
			name = fmt.Sprintf("%s*%d", name, n.Count)
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// edits prints member edits, one a line.
func edits(list []MemberEdit) string {
	var lines []string
	for _, e := range list {
		line := [...]string{"add", "remove", "replace", "remove all", "remove matching"}[e.Kind]
		for _, v := range e.Values {
			line += " " + string(v.Append(nil))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// change is one PATCH: what was there, what is sent, what is there afterwards.
type change struct {
	name   string
	before string // default {"userName":"a"}
	ops    string
	after  string // default: as before
	drops  string // see dropped
	fails  string // see failure
}

func check(t *testing.T, v *schema.View, cases []change) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.before == "" {
				c.before = `{"userName":"a"}`
			}
			if c.after == "" {
				c.after = c.before
			}
			var d schema.Tally
			o, _, err := run(t, v, c.before, c.ops, &d)
			if got := failure(err); got != c.fails {
				t.Fatalf("error %q (%v), want %q", got, err, c.fails)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tree(t, c.after), tree(t, string(o.Append(nil)))); diff != "" {
				t.Errorf("after (-want +got):\n%s", diff)
			}
			if got := dropped(&d); got != c.drops {
				t.Errorf("dropped %q, want %q", got, c.drops)
			}
			if unchanged := len(Changed(object(t, c.before), o)) == 0; unchanged != cmp.Equal(tree(t, c.before), tree(t, c.after)) {
				t.Errorf("Changed tells unchanged %t", unchanged)
			}
		})
	}
}
