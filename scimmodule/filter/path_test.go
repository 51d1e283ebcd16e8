package filter

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	for _, c := range []struct {
		in   string
		want Path
		text string // canonical; in where empty
	}{
		{`members`, Path{Attr: "members"}, ``},
		{`name.familyName`, Path{Attr: "name.familyName"}, ``},
		{` name.familyName `, Path{Attr: "name.familyName"}, `name.familyName`},
		{`addresses[type eq "work"]`, Path{Attr: "addresses", Filter: eq("type", "work")}, ``},
		{`members[value eq "2819c223"].displayName`, Path{"members", eq("value", "2819c223"), "displayName"}, ``},
		{`emails[type eq work].Value`, Path{"emails", eq("type", "work"), "Value"}, `emails[type eq "work"].Value`},
		{`manager.$ref`, Path{Attr: "manager.$ref"}, ``},
		{`members[value eq "a" or value eq "b"].$ref`, Path{"members", or(eq("value", "a"), eq("value", "b")), "$ref"}, ``},
		{enterprise, Path{Attr: enterprise}, ``},
		{enterprise + `:manager.value`, Path{Attr: enterprise + ":manager.value"}, ``},
		{enterprise + `.manager`, Path{Attr: enterprise + ".manager"}, ``},
		{`urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"].display`,
			Path{"urn:ietf:params:scim:schemas:core:2.0:User:emails", eq("type", "work"), "display"}, ``},
		{`urn:ietf:params:scim:schemas:extension:enterprise:2.0User`, Path{Attr: "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"}, ``},
		{`http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group`,
			Path{Attr: "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"}, ``},
	} {
		t.Run(c.in, func(t *testing.T) {
			t.Parallel()
			got, err := ParsePath(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(c.want, got); d != "" {
				t.Fatalf("-want +got\n%s", d)
			}
			if c.text == "" {
				c.text = c.in
			}
			if got.String() != c.text {
				t.Fatalf("prints as %s, want %s", got, c.text)
			}
		})
	}
}

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, detail string }{
		{``, "character 1: expected the name of an attribute"},
		{`a b`, "character 3: expected the end"},
		{`.a`, "character 1"},
		{`a.`, "character 1"},
		{`a.b.c`, "character 1"},
		{`a/b`, "character 1"},
		{`members[`, "character 9"},
		{`members[]`, "character 9"},
		{`members[value eq "secret"`, `expected "and", "or" or "]"`},
		{`members[value eq "secret"]x`, `expected "." with a sub-attribute, or the end`},
		{`members[value eq "secret"].`, "expected the name of a sub-attribute"},
		{`members[value eq "secret"].a.b`, "expected the name of a sub-attribute"},
		{`members[0]`, "character 9"},
		{`a[b pr][c pr]`, "character 8"},
		{`urn:x:User:a..b`, "character 1"},
		{`a[b eq "` + strings.Repeat("x", 4<<10) + `"]`, "longer than the 4096 bytes"},
		{"a[b eq \"\xff\"]", "UTF-8"},
	} {
		_, err := ParsePath(c.in)
		var e *scimerr.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Type != scimerr.InvalidPath {
			t.Errorf("%.40s: got %v, want 400 invalidPath", c.in, err)
			continue
		}
		if !strings.Contains(e.Detail, c.detail) || !strings.Contains(e.Detail, "path") || strings.Contains(e.Detail, "secret") {
			t.Errorf("%.40s: detail %q, want %q", c.in, e.Detail, c.detail)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{`members`, `name.familyName`, `emails[type eq "work"].value`, `urn:a:2.0:User.manager`, `a[not b eq c]`, `http://x/y`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		p, err := ParsePath(in)
		if err != nil {
			var se *scimerr.Error
			if !errors.As(err, &se) || se.Type != scimerr.InvalidPath {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		text := p.String()
		again, err := Limits{Length: len(text) + 1}.ParsePath(text)
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("%q prints as %q, which becomes %q: %v", in, text, again, err)
		}
	})
}
