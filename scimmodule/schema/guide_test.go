package schema

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

func TestGuide(t *testing.T) {
	t.Parallel()
	all, some := narrowTo(t, "*"), narrowTo(t)
	for _, c := range []struct {
		name, sent, want string
		v                *View
		drops            string
	}{
		{"names come out in canonical case", `{"USERNAME":"a","Name":{"GIVENNAME":"g"}}`, `{"userName":"a","name":{"givenName":"g"}}`, some.User, ""},
		{"an extension's names too", `{"` + strings.ToUpper(EnterpriseUserURN) + `":{"DEPARTMENT":"d"}}`, `{"` + EnterpriseUserURN + `":{"department":"d"}}`, some.User, ""},
		{"what is not kept", `{"userName":"a","title":"x","name":{"formatted":"y"}}`, `{"userName":"a","name":{}}`, some.User, "title name.formatted"},
		{"counted each time", `{"emails":[{"display":"x"},{"DISPLAY":"y","value":"v"}]}`, `{"emails":[{},{"value":"v"}]}`, some.User, "emails.display*2"},
		{"deep inside what is dropped nothing is counted", `{"title":{"emails":[{"x":1}]}}`, `{}`, some.User, "title"},
		{"unknown", `{"shoeSize":{"eu":44},"name":{"nick":"n"}}`, `{"name":{}}`, some.User, "?shoeSize ?name.nick"},
		{"an unknown URN", `{"urn:nobody:x":{"a":1}}`, `{}`, some.User, "?urn:nobody:x"},
		{"an extension that is not kept", `{"` + extURN + `":{"level":1}}`, `{}`, some.User, extURN},
		{"of an extension of which something is kept", `{"` + EnterpriseUserURN + `":{"costCenter":"c","department":"d","bogus":1}}`, `{"` + EnterpriseUserURN + `":{"department":"d"}}`, some.User, EnterpriseUserURN + ":costCenter ?" + EnterpriseUserURN + ":bogus"},
		{"the server's own, silently", `{"id":"x","META":{"version":"1"},"schemas":["a"],"groups":[{"value":"g"}]}`, `{}`, some.User, ""},
		{"the server's own where it is kept", `{"id":"x","meta":{},"schemas":[],"groups":[{"value":"g"}]}`, `{}`, all.User, ""},
		{"read-only of an extension", `{"` + extURN + `":{"origin":"o","level":1}}`, `{"` + extURN + `":{"level":1}}`, all.User, ""},
		{"a read-only part", `{"` + EnterpriseUserURN + `":{"manager":{"displayName":"x","value":"v"}}}`, `{"` + EnterpriseUserURN + `":{"manager":{"value":"v"}}}`, all.User, ""},
		{"password, with everything allowed", `{"password":"x"}`, `{}`, all.User, "password"},
		{"externalId where it is not kept", `{"externalId":"x"}`, `{}`, narrowTo(t, "userName", "active", GroupURN+":displayName").User, "externalId"},
		{"an object where a plain value belongs", `{"userName":{"a":1}}`, `{"userName":{}}`, some.User, ""},
		{"objects in a list of plain values", `{"` + extURN + `":{"tags":["a",{"x":1}]}}`, `{"` + extURN + `":{"tags":["a",{}]}}`, all.User, ""},
		{"an object below a part", `{"name":{"givenName":{"x":1}}}`, `{"name":{"givenName":{}}}`, some.User, ""},
		{"user information of members", `{"members":[{"value":"1","display":"d","userName":"u","emails":[{"value":"e"}],"displayName":"n","x":1}]}`,
			`{"members":[{"value":"1","display":"d","userName":"u","emails":[{"value":"e"}]}]}`, some.Group, "?members.display ?members.userName ?members.emails ?members.displayName ?members.x"},
		{"user information in another case", `{"members":[{"USERNAME":"u"}]}`, `{"members":[{"userName":"u"}]}`, some.Group, "?members.USERNAME"},
		{"members where they are not kept", `{"members":[{"value":"1","userName":"u"}]}`, `{}`, narrowTo(t, "userName", "active", "displayName").Group, "members"},
		{"no user information of anything else", `{"emails":[{"userName":"u","value":"v"}]}`, `{"emails":[{"value":"v"}]}`, some.User, "?emails.userName"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var d Tally
			o, err := attr.DecodeObject([]byte(c.sent), c.v.Guide(&d), attr.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tree(t, c.want), tree(t, jsonOf(o))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := dropped(&d); got != c.drops {
				t.Errorf("dropped %q, want %q", got, c.drops)
			}
		})
	}
}

func TestGuideRefusesTheSameNameTwice(t *testing.T) {
	t.Parallel()
	v := narrowTo(t).User
	for _, text := range []string{`{"userName":"a","USERNAME":"b"}`, `{"emails":[{"type":"a","TYPE":"b"}]}`} {
		_, err := attr.DecodeObject([]byte(text), v.Guide(nil), attr.Limits{})
		if got := failure(err); got != "400 invalidSyntax" {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestValueGuide(t *testing.T) {
	t.Parallel()
	vs := narrowTo(t)
	for _, c := range []struct {
		name, path, sent, want string
		v                      *View
		drops                  string
	}{
		{"the resource", UserURN, `{"title":"x","active":true}`, `{"active":true}`, vs.User, "title"},
		{"an extension", EnterpriseUserURN, `{"costCenter":"x","DIVISION":"d"}`, `{"division":"d"}`, vs.User, EnterpriseUserURN + ":costCenter"},
		{"a complex attribute", "emails", `[{"display":"x","VALUE":"v"}]`, `[{"value":"v"}]`, vs.User, "emails.display"},
		{"a part", "name.givenName", `{"x":1}`, `{}`, vs.User, ""},
		{"a plain attribute", "userName", `{"x":1}`, `{}`, vs.User, ""},
		{"members", "members", `[{"value":"1","userName":"u","y":2}]`, `[{"value":"1","userName":"u"}]`, vs.Group, "?members.userName ?members.y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, ok := c.v.Resolve(c.path)
			if !ok {
				t.Fatal("not resolved")
			}
			var d Tally
			got, err := attr.Decode([]byte(c.sent), c.v.ValueGuide(r, &d), attr.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if s := string(got.Append(nil)); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
			if got := dropped(&d); got != c.drops {
				t.Errorf("dropped %q, want %q", got, c.drops)
			}
		})
	}
}

func TestDroppedNames(t *testing.T) {
	t.Parallel()
	v := narrowTo(t).User
	t.Run("an unknown name is cut at 64 bytes, on the border of a character", func(t *testing.T) {
		t.Parallel()
		var d Tally
		v.Drop(&d, strings.Repeat("a", 63)+"ü"+"tail")
		v.Drop(&d, strings.Repeat("b", 64))
		v.Drop(&d, strings.Repeat("c", 65))
		var names []string
		for name := range d.All() {
			names = append(names, name)
			if !utf8.ValidString(name) || len(name) > 64 {
				t.Errorf("%q", name)
			}
		}
		want := []string{strings.Repeat("a", 63), strings.Repeat("b", 64), strings.Repeat("c", 64)}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("a known name is not cut", func(t *testing.T) {
		t.Parallel()
		var d Tally
		v.Drop(&d, EnterpriseUserURN+":manager.value")
		if got := dropped(&d); got != EnterpriseUserURN+":manager.value" {
			t.Error(got)
		}
	})
	t.Run("after 500 names the rest is other", func(t *testing.T) {
		t.Parallel()
		var d Tally
		for i := range 500 {
			v.Drop(&d, fmt.Sprint("x", i))
		}
		v.Drop(&d, "x7") // not a new one
		for i := range 10 {
			v.Drop(&d, fmt.Sprint("y", i))
		}
		if d.Len() != 501 {
			t.Errorf("%d names", d.Len())
		}
		counts := map[string]int{}
		for name, n := range d.All() {
			counts[name] = n.Count
		}
		if counts["other"] != 10 || counts["x7"] != 2 || counts["x499"] != 1 || counts["y0"] != 0 {
			t.Errorf("counted other %d, x7 %d, x499 %d, y0 %d", counts["other"], counts["x7"], counts["x499"], counts["y0"])
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		var d *Tally
		v.Drop(d, "x")
		if d.Len() != 0 {
			t.Error("a nil Tally counts")
		}
		for name := range d.All() {
			t.Error(name)
		}
	})
}
