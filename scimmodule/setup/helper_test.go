package setup

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

const (
	badgeURN = "urn:example:params:scim:schemas:badge:1.0:User"
	badge    = `{"id":"` + badgeURN + `","attributes":[
		{"name":"badgeNumber"},
		{"name":"pin","mutability":"writeOnly","returned":"never"},
		{"name":"issuer","mutability":"readOnly"},
		{"name":"tags","multiValued":true},
		{"name":"desk","type":"complex","subAttributes":[{"name":"floor","type":"integer"},{"name":"room"},{"name":"secret","returned":"never"}]},
		{"name":"doors","type":"complex","multiValued":true,"subAttributes":[
			{"name":"value"},{"name":"type","canonicalValues":["in","out"]},{"name":"open","type":"boolean"},{"name":"until","type":"dateTime"}]}]}`
	unitURN = "urn:example:params:scim:schemas:unit:1.0:Group"
	unit    = `{"id":"` + unitURN + `","attributes":[{"name":"code","required":true},{"name":"note"}]}`

	// hostileURN has all that a URN may have here and that is markup elsewhere.
	hostileURN = "urn:x:<script>alert(1)</script>|**b**`c`_d_&amp;\x1bc\u202e://e"
)

func mustParse(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// catalog has the extensions badge and unit.
func catalog(t testing.TB) *schema.Catalog {
	t.Helper()
	c, err := schema.NewCatalog([]schema.Extension{{Schema: mustParse(t, badge)}}, []schema.Extension{{Schema: mustParse(t, unit)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func views(t testing.TB, n schema.Narrowing) *schema.Views {
	t.Helper()
	vs, err := catalog(t).Narrow(n)
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// words splits at blanks that are not in a value filter.
func words(s string) []string {
	var list []string
	open := false
	for _, f := range strings.Fields(s) {
		if open {
			list[len(list)-1] += " " + f
		} else {
			list = append(list, f)
		}
		last := list[len(list)-1]
		open = strings.Count(last, "[") > strings.Count(last, "]")
	}
	return list
}

// keptNames lists what is kept, with "!" behind what is required and the note
// in parentheses.
func keptNames(c Card, resourceType string) []string {
	var list []string
	for _, a := range c.Kept {
		if a.ResourceType != resourceType {
			continue
		}
		name := a.Name
		if a.Required {
			name += "!"
		}
		if a.Note != "" {
			name += " (" + a.Note + ")"
		}
		list = append(list, name)
	}
	return list
}
