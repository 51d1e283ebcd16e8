package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// counts lists what was counted, as "User name +kept -dropped", unknown names
// with "?".
func counts(t *Tally) string {
	var lines []string
	for n, c := range t.Counts() {
		line := n.ResourceType + " "
		if !c.Known {
			line += "?"
		}
		line += n.Path
		if c.Kept > 0 {
			line += fmt.Sprintf(" +%d", c.Kept)
		}
		if c.Dropped > 0 {
			line += fmt.Sprintf(" -%d", c.Dropped)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestKeepAll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, resource string
		allow          []string
		want           []string
	}{
		{"nothing", `{}`, nil, nil},
		{"simple attributes", `{"userName":"a","active":false,"locale":""}`, nil, []string{"User userName +1", "User active +1", "User locale +1"}},
		{"a complex one", `{"name":{"givenName":"g","familyName":"f"}}`, nil, []string{"User name.givenName +1", "User name.familyName +1"}},
		{"each element of several", `{"emails":[{"type":"work","value":"a"},{"type":"work","value":"b","primary":true}]}`, nil, []string{"User emails.type +2", "User emails.value +2", "User emails.primary +1"}},
		{"what is pruned is not kept", `{"emails":[{"type":"home","value":"h"},{"type":"work","value":"w","display":"d"}],"title":"t"}`, nil,
			[]string{"User emails -1", "User emails.display -1", "User title -1", "User emails.type +1", "User emails.value +1"}},
		{"an extension", `{"` + EnterpriseUserURN + `":{"department":"d"},"` + extURN + `":{"tags":["a","b"],"desk":{"floor":1},"assets":[{"value":"v","labels":["x","y"]}]}}`, []string{"*"},
			[]string{"User " + EnterpriseUserURN + ":department +1", "User " + extURN + ":tags +1", "User " + extURN + ":desk.floor +1", "User " + extURN + ":assets.value +1", "User " + extURN + ":assets.labels +1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, o := narrowTo(t, c.allow...).User, object(t, c.resource)
			var got Tally
			v.Prune(o, &got)
			v.KeepAll(&got, o)
			if diff := cmp.Diff(strings.Join(c.want, "\n"), counts(&got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			v.KeepAll(nil, o)
		})
	}
}

// The same name is another attribute for users than for groups.
func TestTallyByResourceType(t *testing.T) {
	t.Parallel()
	vs := narrowTo(t)
	var got Tally
	vs.User.Drop(&got, "displayName")
	vs.Group.KeepAll(&got, object(t, `{"displayName":"g"}`))
	vs.User.Drop(&got, "DisplayName")
	vs.Group.Drop(&got, "nickName")
	vs.User.Drop(&got, "nickName")
	want := "User displayName -2\nGroup displayName +1\nGroup ?nickName -1\nUser nickName -1"
	if diff := cmp.Diff(want, counts(&got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The log and the metrics name what was dropped, once.
	if names := dropped(&got); names != "displayName*2 nickName*2" {
		t.Errorf("dropped %q", names)
	}
}

func TestTallyAdd(t *testing.T) {
	t.Parallel()
	v := narrowTo(t).User
	var part, whole Tally
	v.Drop(&part, "title")
	v.Drop(&part, "shoeSize")
	v.KeepAll(&part, object(t, `{"userName":"a"}`))
	whole.Add(&part)
	part.Refused()
	if got := counts(&part); got != "User title -1\nUser ?shoeSize -1" {
		t.Errorf("refused: %s", got)
	}
	whole.Add(&part)
	whole.Add(nil)
	if got := counts(&whole); got != "User title -2\nUser ?shoeSize -2\nUser userName +1" {
		t.Errorf("added: %s", got)
	}
	var nobody *Tally
	nobody.Add(&whole)
	nobody.Refused()
	if nobody.Len() != 0 {
		t.Error("a nil Tally counts")
	}
}

// However many names a client makes up, those that a schema knows are counted.
func TestTallyIsBounded(t *testing.T) {
	t.Parallel()
	vs := narrowTo(t)
	fill := func() *Tally {
		var got Tally
		for i := range 600 {
			vs.User.Drop(&got, fmt.Sprint("x", i))
			vs.Group.Drop(&got, fmt.Sprint("x", i))
		}
		vs.User.Drop(&got, "title")
		vs.User.KeepAll(&got, object(t, `{"userName":"a"}`))
		return &got
	}
	check := func(what string, got *Tally, times int) {
		t.Helper()
		// 250 of each type, then other; and the two that are known.
		if got.Len() != 504 {
			t.Errorf("%s: %d names", what, got.Len())
		}
		all := "\n" + counts(got) + "\n"
		for _, line := range []string{fmt.Sprintf("User ?other -%d", 350*times), fmt.Sprintf("Group ?other -%d", 350*times), fmt.Sprintf("User title -%d", times), fmt.Sprintf("User ?x249 -%d", times)} {
			if !strings.Contains(all, "\n"+line+"\n") {
				t.Errorf("%s: no line %q", what, line)
			}
		}
	}
	got := fill()
	check("at once", got, 1)
	got.Add(fill())
	check("added", got, 2)
	got.Refused()
	if got.Len() != 503 {
		t.Errorf("refused: %d names", got.Len())
	}
	vs.User.Drop(got, "one more")
	if got.Len() != 503 {
		t.Error("refusing made room for names")
	}
}
