package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrune(t *testing.T) {
	t.Parallel()
	def := []string{"default"}
	for _, c := range []struct {
		name, before, after string
		allow               []string
		drops               string
	}{
		{"nothing to do", `{"userName":"a","active":true}`, ``, def, ""},
		{"an attribute that is not kept", `{"userName":"a","title":"t"}`, `{"userName":"a"}`, def, "title"},
		{"an unknown attribute", `{"userName":"a","x":1}`, `{"userName":"a"}`, def, "?x"},
		{"a part", `{"name":{"givenName":"g","formatted":"f"}}`, `{"name":{"givenName":"g"}}`, def, "name.formatted"},
		{"all parts", `{"userName":"a","name":{"formatted":"f"}}`, `{"userName":"a"}`, def, "name.formatted"},
		{"an element of another type", `{"emails":[{"type":"home","value":"h"},{"type":"WORK","value":"w"}]}`, `{"emails":[{"type":"WORK","value":"w"}]}`, def, "emails"},
		{"an element without a type", `{"userName":"a","emails":[{"value":"h"}]}`, `{"userName":"a"}`, def, "emails"},
		{"a part of a kept element", `{"emails":[{"type":"work","value":"w","display":"d","primary":true}]}`, `{"emails":[{"type":"work","value":"w","primary":true}]}`, def, "emails.display"},
		{"only labels left", `{"userName":"a","emails":[{"type":"work","primary":true,"display":"d"}]}`, `{"userName":"a"}`, def, "emails.display"},
		{"country of the work address", `{"addresses":[{"type":"work","country":"DE","locality":"x"},{"type":"home","country":"FR"}]}`, `{"addresses":[{"type":"work","country":"DE"}]}`, def, "addresses.locality addresses"},
		{"an extension that is not kept", `{"userName":"a","` + extURN + `":{"level":1}}`, `{"userName":"a"}`, def, extURN},
		{"a part of an extension", `{"` + EnterpriseUserURN + `":{"department":"d","costCenter":"c"}}`, `{"` + EnterpriseUserURN + `":{"department":"d"}}`, def, EnterpriseUserURN + ":costCenter"},
		{"all of an extension", `{"userName":"a","` + EnterpriseUserURN + `":{"costCenter":"c"}}`, `{"userName":"a"}`, def, EnterpriseUserURN + ":costCenter"},
		{"rules of several types", `{"emails":[{"type":"work","value":"w","display":"W"},{"type":"home","value":"h","display":"H"},{"type":"x","value":"x"}]}`,
			`{"emails":[{"type":"work","value":"w"},{"type":"home","display":"H"}]}`, []string{"default", `emails[type eq "home"].display`}, "emails.display emails.value emails"},
		{"one part of all and more of some", `{"emails":[{"type":"work","value":"w","display":"W"},{"type":"x","value":"x","display":"X"}]}`,
			`{"emails":[{"type":"work","value":"w","display":"W"},{"value":"x"}]}`, []string{"userName", "active", GroupURN + ":displayName", "emails.value", `emails[type eq "work"].display`}, "emails.type emails.display"},
		{"a rule by a boolean", `{"emails":[{"primary":true,"value":"a"},{"primary":false,"value":"b"},{"value":"c"}]}`,
			`{"emails":[{"primary":true,"value":"a"}]}`, []string{"userName", "active", GroupURN + ":displayName", `emails[primary eq "True"].value`}, "emails*2"},
		{"one primary at most: the first", `{"emails":[{"type":"a","value":"1","primary":false},{"type":"a","value":"2","primary":true},{"type":"a","value":"3","primary":true}]}`,
			`{"emails":[{"type":"a","value":"1","primary":false},{"type":"a","value":"2","primary":true},{"type":"a","value":"3","primary":false}]}`, []string{"*"}, ""},
		{"a dropped element is not the primary", `{"emails":[{"type":"home","value":"h","primary":true},{"type":"work","value":"w","primary":true}]}`, `{"emails":[{"type":"work","value":"w","primary":true}]}`, def, "emails"},
		{"empty values", `{"userName":"a","emails":[],"name":{},"` + EnterpriseUserURN + `":{}}`, `{"userName":"a"}`, def, ""},
		{"an empty element", `{"userName":"a","emails":[{}]}`, `{"userName":"a"}`, []string{"*"}, ""},
		{"an empty list in an element", `{"` + extURN + `":{"assets":[{"value":"v","labels":[]}]}}`, `{"` + extURN + `":{"assets":[{"value":"v"}]}}`, []string{"*"}, ""},
		{"a kept label alone is a value where nothing else could be kept", `{"emails":[{"type":"work","value":"x"}]}`, `{"emails":[{"type":"work"}]}`, []string{"userName", "active", GroupURN + ":displayName", "emails.type"}, "emails.value"},
		{"an element that is no object", `{"userName":"a","emails":["x"]}`, `{"userName":"a"}`, []string{"*"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := narrowTo(t, c.allow...).User
			o := object(t, c.before)
			var d Tally
			v.Prune(o, &d)
			if c.after == "" {
				c.after = c.before
			}
			if diff := cmp.Diff(tree(t, c.after), tree(t, jsonOf(o))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := dropped(&d); got != c.drops {
				t.Errorf("dropped %q, want %q", got, c.drops)
			}
			again := o.Clone()
			v.Prune(again, nil)
			if diff := cmp.Diff(jsonOf(o), jsonOf(again)); diff != "" {
				t.Errorf("pruned twice (-once +twice):\n%s", diff)
			}
		})
	}
}
