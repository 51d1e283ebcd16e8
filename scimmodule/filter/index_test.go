package filter

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

func TestEquals(t *testing.T) {
	t.Parallel()
	vs := views(t, "*")
	for _, c := range []struct {
		in    string
		v     *schema.View
		want  []Equality
		exact bool
	}{
		{`USERNAME eq "Ada"`, vs.User, []Equality{{"userName", "Ada"}}, true},
		{`id eq u1`, vs.User, []Equality{{"id", "u1"}}, true},
		{`externalId eq 007`, vs.User, []Equality{{"externalId", "007"}}, true},
		{`externalId eq 7`, vs.User, []Equality{{"externalId", "7"}}, true},
		{`emails eq "x"`, vs.User, []Equality{{"emails.value", "x"}}, true},
		{`emails[value eq "x"]`, vs.User, []Equality{{"emails.value", "x"}}, true},
		{`emails[type eq "work"].value eq "x"`, vs.User, []Equality{{"emails.type", "work"}, {"emails.value", "x"}}, false},
		{`emails[type eq "work"] eq "x"`, vs.User, []Equality{{"emails.type", "work"}, {"emails.value", "x"}}, false},
		{`emails[type eq "work" and value eq "x"]`, vs.User, []Equality{{"emails.type", "work"}, {"emails.value", "x"}}, false},
		{`emails[value eq "x"].primary eq true`, vs.User, []Equality{{"emails.value", "x"}}, false},
		{`emails[type eq "a" or value eq "x"]`, vs.User, nil, false},
		{`userName eq "a" and (id eq "b" and active eq true)`, vs.User, []Equality{{"userName", "a"}, {"id", "b"}}, false},
		{`userName eq "a" and title pr`, vs.User, []Equality{{"userName", "a"}}, false},
		{`userName eq "a" or id eq "b"`, vs.User, nil, false},
		{`userName eq "a" and (id eq "b" or id eq "c")`, vs.User, []Equality{{"userName", "a"}}, false},
		{`not (userName eq "a")`, vs.User, nil, false},
		{`userName ne "a"`, vs.User, nil, false},
		{`userName sw "a"`, vs.User, nil, false},
		{`userName eq null`, vs.User, nil, false},
		{`active eq true`, vs.User, nil, false},
		{`number eq 1`, vs.User, nil, false},
		{`code eq "x"`, vs.User, []Equality{{badge + ":code", "x"}}, true},
		{`groups eq "g"`, vs.User, []Equality{{"groups.value", "g"}}, true},
		{`displayName eq "x"`, vs.Group, []Equality{{"displayName", "x"}}, true},
		{`id eq "g" and members[value eq "u"]`, vs.Group, []Equality{{"id", "g"}, {"members.value", "u"}}, false},
	} {
		f, err := Compile(parse(t, c.in), c.v)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if d := cmp.Diff(c.want, f.Equals()); d != "" || f.Exact() != c.exact {
			t.Errorf("%s: exact %t, -want +got\n%s", c.in, f.Exact(), d)
		}
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	f, err := Compile(parse(t, `not (groups[value eq "g"]) or Name.givenName pr and department pr`), views(t, "*").User)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"groups": true, "NAME": true, "department": false, "givenName": false, "value": false} {
		if f.Uses(name) != want {
			t.Errorf("Uses(%s) is %t", name, !want)
		}
	}
}
