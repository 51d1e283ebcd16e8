package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// The operator's extensions of these tests: one of users with an attribute of
// every type, one whose URN goes on where another ends, and one of groups.
const (
	extURN   = "urn:example:ext:2.0:User"
	dotURN   = "urn:example:ext.more:User"
	groupURN = "urn:example:ext:2.0:Group"

	extJSON = `{"id":"urn:example:ext:2.0:User","name":"Ext","description":"d","attributes":[
		{"name":"badge","type":"string","uniqueness":"server"},
		{"name":"level","type":"integer"},
		{"name":"ratio","type":"decimal"},
		{"name":"vip","type":"boolean"},
		{"name":"hired","type":"dateTime"},
		{"name":"photo","type":"binary"},
		{"name":"link","type":"reference","referenceTypes":["external"]},
		{"name":"tags","type":"string","multiValued":true},
		{"name":"origin","type":"string","mutability":"readOnly"},
		{"name":"hireId","type":"string","mutability":"immutable"},
		{"name":"pin","type":"string","mutability":"writeOnly","returned":"never"},
		{"name":"whisper","type":"string","returned":"never"},
		{"name":"title","type":"string"},
		{"name":"desk","type":"complex","subAttributes":[
			{"name":"floor","type":"integer","required":true},
			{"name":"code","type":"string","mutability":"immutable"},
			{"name":"secret","type":"string","returned":"never"}]},
		{"name":"assets","type":"complex","multiValued":true,"subAttributes":[
			{"name":"value","type":"string","required":true},
			{"name":"type","type":"string"},
			{"name":"on","type":"boolean"},
			{"name":"labels","type":"string","multiValued":true}]}]}`
	dotJSON   = `{"id":"urn:example:ext.more:User","attributes":[{"name":"nick","type":"string"},{"name":"badge","type":"string"}]}`
	groupJSON = `{"id":"urn:example:ext:2.0:Group","attributes":[{"name":"code","type":"string","required":true},{"name":"note"}]}`
)

func mustParse(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testCatalog(t testing.TB) *Catalog {
	t.Helper()
	c, err := NewCatalog([]Extension{{Schema: mustParse(t, extJSON)}, {Schema: mustParse(t, dotJSON)}}, []Extension{{Schema: mustParse(t, groupJSON)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// narrow makes the views of an allow list over the test's catalog.
func narrowTo(t testing.TB, allow ...string) *Views {
	t.Helper()
	return narrowing(t, Narrowing{Allow: allow})
}

func narrowing(t testing.TB, n Narrowing) *Views {
	t.Helper()
	vs, err := testCatalog(t).Narrow(n)
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

func value(t testing.TB, text string) attr.Value {
	t.Helper()
	v, err := attr.Decode([]byte(text), nil, attr.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// jsonOf prints an object with the members in the order that they have.
func jsonOf(o *attr.Members) string { return string(o.Append(nil)) }

// tree is JSON as plain Go values, to compare without regard to order.
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

// dropped lists what was counted, as "name" or "name*2", unknown names with "?".
func dropped(d *Tally) string {
	var names []string
	for name, n := range d.All() {
		if !n.Known {
			name = "?" + name
		}
		if n.Count > 1 {
			name = fmt.Sprintf("%s*%d", name, n.Count)
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}
