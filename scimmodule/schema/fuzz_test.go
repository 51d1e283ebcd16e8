package schema

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

// FuzzNarrow takes any JSON through decoding, conforming and pruning under any
// allow list: what comes out is within the view, and going through it again
// changes nothing.
func FuzzNarrow(f *testing.F) {
	for _, allow := range []string{
		"default", "*", `default|emails[type eq "home"].display|ims.value`, `default|roles[primary eq "true"].value|name`, extURN + "|default", "default|assets.type|desk.code",
	} {
		for _, body := range []string{
			`{"userName":"a","active":"False","emails":[{"type":"work","value":"w","primary":"True"},{"type":"home","value":"h","primary":true}]}`,
			`{"USERNAME":["a"],"name":{"givenName":"g","formatted":null},"emails":"x","addresses":[{"type":"work","country":"DE"}],"x":{"y":[1]}}`,
			`{"` + EnterpriseUserURN + `":{"manager":[{"value":"1"}],"department":"d"},"` + extURN + `":{"level":"07","ratio":"1e3","hired":"2026-01-31T09:30:00","photo":"TWFu","tags":"a","desk":{"floor":1},"assets":[{"value":"v","type":"t","labels":["l",null]}]}}`,
			`{"displayName":"g","members":[{"value":"1","userName":"u","emails":[{"value":"e"}]},"2",{"type":"Group","value":"3","display":null}]}`,
			`{"roles":[{"primary":true,"value":"a"},{"primary":true,"value":"b"},{"primary":false}],"ims":[{"type":"aim"}]}`,
		} {
			f.Add(allow, body)
		}
	}
	c := testCatalog(f)
	f.Fuzz(func(t *testing.T, allow, body string) {
		vs, err := c.Narrow(Narrowing{Allow: strings.Split(allow, "|")})
		if err != nil {
			return
		}
		for _, v := range []*View{vs.User, vs.Group} {
			var d Tally
			o, err := attr.DecodeObject([]byte(body), v.Guide(&d), attr.Limits{})
			if err != nil {
				return
			}
			if v.ConformResource(o) != nil {
				continue
			}
			if v == vs.Group {
				o.Delete("members") // as the directory does: they are edges
			}
			v.Prune(o, &d)
			within(t, v, o)
			once := jsonOf(o)

			v.Prune(o, nil)
			if got := jsonOf(o); got != once {
				t.Fatalf("pruned twice\nonce  %s\ntwice %s", once, got)
			}
			// What is stored reads back the same, and may be sent back.
			again, err := attr.DecodeObject([]byte(once), v.Guide(nil), attr.Limits{})
			if err != nil {
				t.Fatalf("%s: %v", once, err)
			}
			if err := v.ConformResource(again); err != nil {
				t.Fatalf("%s does not conform: %v", once, err)
			}
			v.Prune(again, nil)
			if got := jsonOf(again); got != once {
				t.Fatalf("sent back\nonce  %s\nagain %s", once, got)
			}
		}
	})
}

// within fails unless all of a resource is kept by the view.
func within(t *testing.T, v *View, o *attr.Members) {
	t.Helper()
	for name, val := range o.All() {
		r, ok := v.Resolve(name)
		if !ok || val.IsEmpty() {
			t.Fatalf("%s is empty or not kept", name)
		}
		if r.Attr != nil {
			checkWithin(t, r.Attr, name, val)
			continue
		}
		for sub, w := range val.Object().All() {
			a := v.extension(r.Extension).Find(sub)
			if a == nil || w.IsEmpty() {
				t.Fatalf("%s of %s is empty or not kept", sub, name)
			}
			checkWithin(t, a, sub, w)
		}
	}
}

func checkWithin(t *testing.T, a *Attribute, name string, val attr.Value) {
	t.Helper()
	if a.Name != name || a.hidden() || a.Mutability == ReadOnly {
		t.Fatalf("%s is not in canonical case, or must not be here", name)
	}
	if a.MultiValued != (val.Kind() == attr.Array) {
		t.Fatalf("%s: multi-valued %t, but %s", name, a.MultiValued, val.Kind())
	}
	elements := []attr.Value{val}
	if a.MultiValued {
		elements = val.List()
	}
	primaries := 0
	for _, e := range elements {
		if (a.Type == Complex) != (e.Kind() == attr.Object) {
			t.Fatalf("%s of type %s is %s", name, a.Type, e.Kind())
		}
		if a.Type != Complex {
			continue
		}
		rules, ok := a.matching(e.Object())
		if !ok {
			t.Fatalf("an element of %s is there that the list does not keep", name)
		}
		for sub, w := range e.Object().All() {
			b := a.Find(sub)
			if b == nil || b.Name != sub || w.IsEmpty() {
				t.Fatalf("%s.%s is empty or not kept", name, sub)
			}
			kept := rules == nil
			for i := range rules {
				kept = kept || rules[i].keeps(sub)
			}
			if !kept {
				t.Fatalf("%s.%s is not kept of this element", name, sub)
			}
			if sub == "primary" && w.Bool() {
				primaries++
			}
		}
	}
	if primaries > 1 {
		t.Fatalf("%s has %d primary elements", name, primaries)
	}
}

// FuzzParseAllow reads any word: it is refused by its name, or what it keeps can
// be kept.
func FuzzParseAllow(f *testing.F) {
	for _, w := range append([]string{"*", "default", extURN, `emails[type eq "work"]`, "emails[type eq work].value", "name.", "[", "]", "a[b eq \"", `emails[type eq "wo]rk"].value`, "urn:", "groups.$ref", "password", EnterpriseUserURN + ".manager"}, DefaultAllow...) {
		f.Add(w)
	}
	c := testCatalog(f)
	f.Fuzz(func(t *testing.T, word string) {
		vs, err := c.Narrow(Narrowing{Allow: []string{"default", word}})
		if err != nil {
			if !strings.Contains(err.Error(), word) {
				t.Fatalf("error %q does not name the word %q", err, word)
			}
			return
		}
		if len(vs.Fingerprint) != 16 {
			t.Fatalf("fingerprint %q", vs.Fingerprint)
		}
		for _, v := range []*View{vs.User, vs.Group} {
			for _, a := range v.all() {
				if a.hidden() || (a.Type == Complex) != (len(a.Sub) > 0) {
					t.Fatalf("%q keeps %s", word, a.Name)
				}
				for _, b := range a.Sub {
					if b.hidden() {
						t.Fatalf("%q keeps %s.%s", word, a.Name, b.Name)
					}
				}
			}
			for _, s := range v.Published() {
				if o, err := attr.DecodeObject(s.Object().Append(nil), nil, attr.Limits{}); err != nil || o.Text("id") != s.ID {
					t.Fatalf("published %s: %v", s.ID, err)
				}
			}
		}
	})
}
