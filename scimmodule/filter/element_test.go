package filter

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

func element(t *testing.T, v *schema.View, path, in string) (*Element, error) {
	t.Helper()
	r, ok := v.Resolve(path)
	if !ok {
		t.Fatalf("%s is not kept", path)
	}
	return CompileElement(parse(t, in), v, r)
}

func TestElementMatch(t *testing.T) {
	t.Parallel()
	v := views(t, "*").User
	for _, c := range []struct {
		path, in, element string
		want              bool
	}{
		{"emails", `type eq "work"`, `{"type":"Work","value":"a@x"}`, true},
		{"emails", `type eq "work"`, `{"value":"a@x"}`, false},
		{"emails", `type ne "work"`, `{"value":"a@x"}`, true},
		{"emails", `not (type pr)`, `{"value":"a@x"}`, true},
		{"emails", `primary eq "True" and VALUE co "A@"`, `{"value":"a@x","primary":true}`, true},
		{"emails", `primary eq true or type eq "x"`, `{"value":"a@x"}`, false},
		{"emails", `value eq "a@x"`, `"A@x"`, true},
		{"emails", `type eq "work"`, `"a@x"`, false},
		{"colours", `value eq "red"`, `"Red"`, true},
		{"colours", `value ne "red"`, `"Red"`, false},
		{"levels", `value gt 2`, `3`, true},
		{"levels", `value gt 2`, `2`, false},
		{"manager", `value eq "u2"`, `{"value":"u2"}`, true},
		{"manager", `value eq "u2"`, `{"value":"U2"}`, false},
	} {
		f, err := element(t, v, c.path, c.in)
		if err != nil {
			t.Errorf("%s[%s]: %v", c.path, c.in, err)
			continue
		}
		e, err := attr.Decode([]byte(c.element), nil, attr.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Match(e); got != c.want {
			t.Errorf("%s[%s] on %s: got %t, want %t", c.path, c.in, c.element, got, c.want)
		}
	}
}

func TestElementRefuses(t *testing.T) {
	t.Parallel()
	v := views(t).User
	for _, c := range []struct {
		path, in string
		notKept  bool
	}{
		{"emails", `display eq "x"`, true},
		{"emails", `nonsense pr`, true},
		{"emails", `value eq "x" and display pr`, true},
		{"emails", `emails.value eq "x"`, true},
		{"userName", `type eq "x"`, true},
		{"emails", `primary gt true`, false},
		{"emails", `primary eq "x"`, false},
		{"emails.value", `value eq "x"`, false},
		{enterprise, `value eq "x"`, false},
	} {
		_, err := element(t, v, c.path, c.in)
		var e *scimerr.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Type != scimerr.InvalidFilter || errors.Is(err, ErrNotKept) != c.notKept {
			t.Errorf("%s[%s]: got %v", c.path, c.in, err)
		}
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	vs := views(t, "*")
	for _, c := range []struct {
		path, in string
		want     string // JSON; empty for none
	}{
		{"emails", `type eq "work"`, `{"type":"work"}`},
		{"emails", `Type eq work and Primary eq "True"`, `{"type":"work","primary":true}`},
		{"emails", `type eq "work" and (primary eq false and value eq 7)`, `{"type":"work","primary":false,"value":"7"}`},
		{"emails", `type eq "work" and type eq "work"`, `{"type":"work"}`},
		{"emails", `type eq "work" and type eq "home"`, ``},
		{"emails", `type eq "work" or type eq "home"`, ``},
		{"emails", `type ne "work"`, ``},
		{"emails", `type sw "work"`, ``},
		{"emails", `type pr`, ``},
		{"emails", `type eq null`, ``},
		{"emails", `not (type eq "work")`, ``},
		{"emails", `type eq "work" and not (primary eq true)`, ``},
		{badge + ":doors", `value eq "2" and open eq TRUE`, `{"value":2,"open":true}`},
		{badge + ":doors", `since eq "2026-01-01T00:00:00Z"`, `{"since":"2026-01-01T00:00:00Z"}`},
		{badge + ":doors", `since eq "2026-01-01"`, ``},
		{"colours", `value eq "red"`, `{"value":"red"}`},
		{"levels", `value eq 3`, `{"value":3}`},
		{"levels", `value eq 3.5`, ``},
	} {
		f, err := element(t, vs.User, c.path, c.in)
		if err != nil {
			t.Errorf("%s[%s]: %v", c.path, c.in, err)
			continue
		}
		got := ""
		if m, ok := f.Template(); ok {
			got = string(m.Append(nil))
			m.Set("changed", attr.OfBool(true))
		}
		if got != c.want {
			t.Errorf("%s[%s]: got %s, want %s", c.path, c.in, got, c.want)
		}
		if m, ok := f.Template(); ok {
			if _, changed := m.Get("changed"); changed {
				t.Errorf("%s[%s]: the template is shared", c.path, c.in)
			}
			if !f.Match(attr.OfObject(m)) {
				t.Errorf("%s[%s] does not match its template", c.path, c.in)
			}
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	vs := views(t, "*")
	for _, c := range []struct {
		in   string
		want []string
		ok   bool
	}{
		{`value eq "a"`, []string{"a"}, true},
		{`VALUE eq 7`, []string{"7"}, true},
		{`value eq "a" or value eq "b" or (value eq "a" or value eq "c")`, []string{"a", "b", "c"}, true},
		{`(value eq "a" or value eq "b") and (value eq "b" or value eq "c")`, []string{"b"}, true},
		{`value eq "a" and value eq "A"`, []string{}, true},
		{`value eq "a" and type eq "User"`, nil, false},
		{`value eq "a" or type eq "User"`, nil, false},
		{`value ne "a"`, nil, false},
		{`value sw "a"`, nil, false},
		{`value pr`, nil, false},
		{`value eq null`, nil, false},
		{`not (value eq "a")`, nil, false},
		{`type eq "a"`, nil, false},
	} {
		f, err := element(t, vs.Group, "members", c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		got, ok := f.Values()
		if d := cmp.Diff(c.want, got); d != "" || ok != c.ok {
			t.Errorf("%s: %t, -want +got\n%s", c.in, ok, d)
		}
	}
	// A set of values that compare without case would not be one.
	if f, err := element(t, vs.User, "emails", `value eq "a"`); err != nil {
		t.Error(err)
	} else if _, ok := f.Values(); ok {
		t.Error("emails have a set of values")
	}
}
