package patch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// kept lists what was counted as kept, sorted, as "name" or "name*2".
func kept(t *schema.Tally) string {
	var names []string
	for n, c := range t.Counts() {
		switch {
		case c.Kept == 1:
			names = append(names, n.Path)
		case c.Kept > 1:
			names = append(names, fmt.Sprintf("%s*%d", n.Path, c.Kept))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestApplyCountsWhatIsKept(t *testing.T) {
	t.Parallel()
	const (
		work = `{"userName":"a","emails":[{"type":"work","value":"w"}]}`
		ext  = "urn:example:ext:1.0:User"
	)
	for _, c := range []struct {
		name, before, ops, keeps, drops string
		allow                           []string
	}{
		{"a path", ``, `[{"op":"replace","path":"locale","value":"de"}]`, "locale", "", nil},
		{"a part", ``, `[{"op":"add","path":"name.givenName","value":"g"}]`, "name.givenName", "", nil},
		{"only what is sent, not what is there", `{"userName":"a","name":{"familyName":"f"},"locale":"x"}`, `[{"op":"replace","path":"name","value":{"givenName":"g"}}]`, "name.givenName", "", nil},
		{"what is the same already", `{"userName":"a","locale":"de"}`, `[{"op":"replace","path":"locale","value":"de"}]`, "locale", "", nil},
		{"no path", ``, `[{"op":"replace","value":{"locale":"de","title":"t","name":{"givenName":"g","formatted":"f"},"name.familyName":"n","id":"x","meta":{},"schemas":[]}}]`, "locale name.familyName name.givenName", "title name.formatted", nil},
		{"an extension by its path", ``, `[{"op":"add","path":"` + enterprise + `:department","value":"d"}]`, enterprise + ":department", "", nil},
		{"an extension's object", ``, `[{"op":"add","value":{"` + enterprise + `":{"department":"d","division":"e","costCenter":"c"}}}]`, enterprise + ":department " + enterprise + ":division", enterprise + ":costCenter", nil},
		{"a value path to an element that is there", work, `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"n"}]`, "emails.value", "", nil},
		{"a value path that makes the element", ``, `[{"op":"add","path":"emails[type eq \"work\"].value","value":"n"}]`, "emails.value", "", nil},
		{"a value path with an object that makes the element", ``, `[{"op":"add","path":"emails[type eq \"work\"]","value":{"value":"n","display":"d"}}]`, "emails.value", "emails.display", nil},
		{"a value path with its filter's attribute", ``, `[{"op":"add","path":"emails[type eq \"work\"]","value":{"type":"work","value":"n"}}]`, "emails.type emails.value", "", nil},
		{"a value path to an element of another type", ``, `[{"op":"add","path":"emails[type eq \"home\"].value","value":"n"}]`, "", "emails", nil},
		{"elements", ``, `[{"op":"add","path":"emails","value":[{"type":"work","value":"n","primary":true},{"type":"home","value":"h"},{"type":"work","value":"m"}]}]`, "emails.primary emails.type*2 emails.value*2", "emails", nil},
		{"an element that is there already", work, `[{"op":"add","path":"emails","value":[{"type":"work","value":"w","primary":true}]}]`, "emails.primary emails.type emails.value", "", nil},
		{"a part of each element", `{"userName":"a","emails":[{"type":"work","value":"v"},{"type":"work","value":"w"}]}`, `[{"op":"replace","path":"emails.value","value":"n"}]`, "emails.value*2", "", nil},
		{"the same twice in one request", ``, `[{"op":"replace","path":"locale","value":"de"},{"op":"replace","path":"locale","value":"en"}]`, "locale", "", nil},
		{"set and taken away again", work, `[{"op":"replace","path":"locale","value":"de"},{"op":"remove","path":"locale"},{"op":"replace","path":"emails","value":[{"type":"work","value":"n"}]},{"op":"remove","path":"emails"}]`, "", "", nil},
		{"removed", `{"userName":"a","locale":"de"}`, `[{"op":"remove","path":"locale"}]`, "", "", nil},
		{"null", `{"userName":"a","locale":"de"}`, `[{"op":"replace","path":"locale","value":null}]`, "", "", nil},
		{"values that a removal lists", work, `[{"op":"remove","path":"emails","value":[{"type":"work","value":"w"}]}]`, "", "", nil},
		{"plain values", ``, `[{"op":"add","path":"` + ext + `:tags","value":["x","y"]},{"op":"replace","path":"` + ext + `:codes[value eq \"p\"]","value":"q"}]`, ext + ":codes " + ext + ":tags", "", []string{"*"}},
		{"plain values in the place of others", `{"` + ext + `":{"codes":["p"]}}`, `[{"op":"replace","path":"` + ext + `:codes[value eq \"p\"]","value":"q"}]`, ext + ":codes", "", []string{"*"}},
		{"a complex attribute by its value alone", ``, `[{"op":"add","path":"` + enterprise + `:manager","value":"m"}]`, enterprise + ":manager.value", "", []string{"*"}},
		{"a complex attribute in a list of one", ``, `[{"op":"add","path":"` + enterprise + `:manager","value":[{"value":"m"}]}]`, enterprise + ":manager.value", "", []string{"*"}},
		{"a complex attribute that is unassigned", `{"` + enterprise + `":{"manager":{"value":"m"}}}`, `[{"op":"replace","path":"` + enterprise + `:manager","value":""}]`, "", "", []string{"*"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.before == "" {
				c.before = `{"userName":"a"}`
			}
			var got schema.Tally
			if _, _, err := run(t, views(t, c.allow...).User, c.before, c.ops, &got); err != nil {
				t.Fatal(err)
			}
			if s := kept(&got); s != c.keeps {
				t.Errorf("kept %q, want %q", s, c.keeps)
			}
			if s := dropped(&got); s != c.drops {
				t.Errorf("dropped %q, want %q", s, c.drops)
			}
		})
	}
}

// A request that is refused has nothing kept, whatever came before the error.
func TestApplyKeepsNothingOnErrors(t *testing.T) {
	t.Parallel()
	var got schema.Tally
	_, _, err := run(t, views(t).User, `{"userName":"a"}`, `[{"op":"replace","path":"locale","value":"de"},{"op":"replace","path":"active","value":"maybe"}]`, &got)
	if failure(err) != "400 invalidValue" || kept(&got) != "" {
		t.Errorf("%v, kept %q", err, kept(&got))
	}
}
