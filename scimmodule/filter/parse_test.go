package filter

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

func eq(path, value string) *Compare { return &Compare{Path: path, Op: Eq, Value: attr.Of(value)} }

func pr(path string) *Compare { return &Compare{Path: path, Op: Pr} }

func and(terms ...Expr) *Logical { return &Logical{Op: And, Terms: terms} }

func or(terms ...Expr) *Logical { return &Logical{Op: Or, Terms: terms} }

func diff(want, got any) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b attr.Value) bool { return reflect.DeepEqual(a, b) }))
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		want     Expr
		text     string // canonical; in where empty
	}{
		{"comparison", `userName eq "bjensen"`, eq("userName", "bjensen"), ``},
		{"operator in any case", `userName Eq "x"`, eq("userName", "x"), `userName eq "x"`},
		{"presence", `title PR`, pr("title"), `title pr`},
		{"spaces", "  userName\teq   \"x\" ", eq("userName", "x"), `userName eq "x"`},
		{"true", `active eq true`, &Compare{"active", Eq, attr.OfBool(true)}, ``},
		{"null", `title ne null`, &Compare{"title", Ne, attr.Value{}}, ``},
		{"number keeps its form", `quota gt -1.50e2`, &Compare{"quota", Gt, attr.OfNumber("-1.50e2")}, ``},
		{"escapes", `a eq "\"\\\/\b\f\n\r\té\ud83d\ude00"`, eq("a", "\"\\/\b\f\n\r\té😀"), `a eq "\"\\/\b\f\n\r\té😀"`},
		{"bracket in quotes", `a eq ") ] and" and b pr`, and(eq("a", ") ] and"), pr("b")), ``},
		{"quoted true is a string", `a eq "true"`, eq("a", "true"), ``},
		{"bare word", `externalId eq jyoung`, eq("externalId", "jyoung"), `externalId eq "jyoung"`},
		{"bare mail address", `userName eq a@b.c and title pr`, and(eq("userName", "a@b.c"), pr("title")), `userName eq "a@b.c" and title pr`},
		{"bare word in parentheses", `(a eq x)`, eq("a", "x"), `a eq "x"`},
		{"bare word in brackets", `emails[type eq work].value eq y`,
			&ValuePath{"emails", eq("type", "work"), eq("value", "y")}, `emails[type eq "work"].value eq "y"`},
		{"bare date", `meta.created gt 2011-05-13T04:42:34Z`, &Compare{"meta.created", Gt, attr.Of("2011-05-13T04:42:34Z")}, `meta.created gt "2011-05-13T04:42:34Z"`},
		{"bare number with leading zero is a string", `a eq 007`, eq("a", "007"), `a eq "007"`},
		{"bare True is a string", `a eq True`, eq("a", "True"), `a eq "True"`},
		{"apostrophe within", `a eq O'Malley`, eq("a", "O'Malley"), `a eq "O'Malley"`},
		{"URN", `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x"`,
			eq("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "x"), ``},
		{"reference", `manager.$ref pr`, pr("manager.$ref"), ``},
		{"and before or", `a pr or b pr and c pr`, or(pr("a"), and(pr("b"), pr("c"))), ``},
		{"grouping", `(a pr or b pr) and c pr`, and(or(pr("a"), pr("b")), pr("c")), ``},
		{"needless grouping", `((a pr) or ((b pr and c pr)))`, or(pr("a"), and(pr("b"), pr("c"))), `a pr or b pr and c pr`},
		{"chain is flat", `a pr AND (b pr and (c pr))`, and(pr("a"), pr("b"), pr("c")), `a pr and b pr and c pr`},
		{"no space around parentheses", `(a pr)and(b pr)`, and(pr("a"), pr("b")), `a pr and b pr`},
		{"not", `not (a pr or b pr)`, &Not{or(pr("a"), pr("b"))}, ``},
		{"not without space", `NOT(a pr)`, &Not{pr("a")}, `not (a pr)`},
		{"not without parentheses", `not a pr and b pr`, and(&Not{pr("a")}, pr("b")), `not (a pr) and b pr`},
		{"not twice", `not not (a pr)`, &Not{&Not{pr("a")}}, `not (not (a pr))`},
		{"not before a value path", `not emails[type eq "x"]`, &Not{&ValuePath{"emails", eq("type", "x"), nil}}, `not (emails[type eq "x"])`},
		{"attribute named like an operator", `pr pr`, pr("pr"), ``},
		{"attribute named like a connective", `a pr and and pr or or pr`, or(and(pr("a"), pr("and")), pr("or")), ``},
		{"attribute named not", `not pr and not eq "x"`, and(pr("not"), eq("not", "x")), ``},
		{"value path of an attribute named not", `not[a pr]`, &ValuePath{"not", pr("a"), nil}, ``},
		{"not before an attribute named like an operator", `not eq pr`, &Not{pr("eq")}, `not (eq pr)`},
		{"not before an attribute named not", `not not sw "A"`, &Not{&Compare{"not", Sw, attr.Of("A")}}, `not (not sw "A")`},
		{"value path", `emails[type eq "work" and value co "@x"]`,
			&ValuePath{"emails", and(eq("type", "work"), &Compare{"value", Co, attr.Of("@x")}), nil}, ``},
		{"value path with spaces", `emails[ not (type eq "work") ] and a pr`,
			and(&ValuePath{"emails", &Not{eq("type", "work")}, nil}, pr("a")), `emails[not (type eq "work")] and a pr`},
		{"comparison after a value path", `emails[type eq "work"] eq "x"`, &ValuePath{"emails", eq("type", "work"), eq("", "x")}, ``},
		{"presence after a value path", `emails[type eq "work"].value pr`, &ValuePath{"emails", eq("type", "work"), pr("value")}, ``},
		{"value path after a value path", `a[b pr] or c[d pr]`, or(&ValuePath{"a", pr("b"), nil}, &ValuePath{"c", pr("d"), nil}), ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(c.want, got); d != "" {
				t.Fatalf("-want +got\n%s", d)
			}
			text := c.text
			if text == "" {
				text = c.in
			}
			if got.String() != text {
				t.Fatalf("prints as %s, want %s", got, text)
			}
		})
	}
}

// The filters of RFC 7644 figure 2.
var rfcFilters = []string{
	`userName eq "bjensen"`,
	`name.familyName co "O'Malley"`,
	`userName sw "J"`,
	`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"`,
	`title pr`,
	`meta.lastModified gt "2011-05-13T04:42:34Z"`,
	`meta.lastModified ge "2011-05-13T04:42:34Z"`,
	`meta.lastModified lt "2011-05-13T04:42:34Z"`,
	`meta.lastModified le "2011-05-13T04:42:34Z"`,
	`title pr and userType eq "Employee"`,
	`title pr or userType eq "Intern"`,
	`schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`,
	`userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")`,
	`userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")`,
	`userType eq "Employee" and (emails.type eq "work")`,
	`userType eq "Employee" and emails[type eq "work" and value co "@example.com"]`,
	`emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]`,
}

func TestParseRFCExamples(t *testing.T) {
	t.Parallel()
	for _, in := range rfcFilters {
		e, err := Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		want := strings.Replace(in, `(emails.type eq "work")`, `emails.type eq "work"`, 1)
		if e.String() != want {
			t.Errorf("%s prints as %s", in, e)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const secret = "secret"
	for _, c := range []struct {
		name, in string
		detail   string
	}{
		{"empty", ``, "character 1: expected the name of an attribute"},
		{"no operator", `userName`, "character 9: expected one of the operators"},
		{"unknown operator", `userName secret "x"`, "character 10: expected one of the operators"},
		{"operator with a sign", `id -pr`, "character 4: expected one of the operators"},
		{"no literal", `userName eq`, "character 12: expected a value"},
		{"no literal before a parenthesis", `(userName eq )`, "character 14: expected a value"},
		{"single quotes", `userName eq 'secret'`, "character 13: expected a value in double quotes"},
		{"quote within a bare word", `userName eq se"cret"`, "character 13: expected a value in double quotes"},
		{"quotes not closed", `userName eq "secret`, "character 13: expected a value in double quotes"},
		{"unknown escape", `userName eq "sec\ret\x"`, "character 13: expected a value in double quotes"},
		{"lone surrogate", `userName eq "\ud800"`, "character 13: expected a value in double quotes"},
		{"raw control character", "userName eq \"a\nb\"", "character 13: expected a value in double quotes"},
		{"two bare words", `displayName eq Sales secret`, `character 22: expected "and", "or" or the end`},
		{"trailing words", `userName eq "x" secret`, `character 17: expected "and", "or" or the end`},
		{"position counts characters", `userName eq "éé" secret`, `character 18: expected`},
		{"nothing after and", `id pr and `, "character 11: expected the name of an attribute"},
		{"two connectives", `id pr and or id pr`, "character 14: expected one of the operators"},
		{"parenthesis not closed", `(id pr`, `character 7: expected "and", "or" or ")"`},
		{"parenthesis not opened", `id pr)`, `character 6: expected "and", "or" or the end`},
		{"bracket not closed", `emails[type pr`, `character 15: expected "and", "or" or "]"`},
		{"bracket not opened", `id pr]`, `character 6: expected "and", "or" or the end`},
		{"bracket without attribute", `[id pr]`, "character 1: expected the name of an attribute"},
		{"empty brackets", `emails[]`, "character 8: expected the name of an attribute"},
		{"nested brackets", `a[b[c pr]]`, "character 4: expected an operator"},
		{"brackets after brackets", `a[b pr].c[d pr]`, "character 10: expected one of the operators"},
		{"sub-attribute without comparison", `emails[type pr].value`, "character 22: expected one of the operators"},
		{"empty sub-attribute", `emails[type pr]. pr`, "character 17: expected the name of a sub-attribute"},
		{"name with three parts", `a.b.c pr`, "character 1: expected the name of an attribute"},
		{"name beginning with a sign", `-a pr`, "character 1: expected the name of an attribute"},
		{"name beginning with a digit", `1a pr`, "character 1: expected the name of an attribute"},
		{"name in quotes", `"secret" eq "x"`, "character 1: expected the name of an attribute"},
		{"name not in ASCII", `é pr`, "character 1: expected the name of an attribute"},
		{"URN without attribute", `urn:x: pr`, "character 1: expected the name of an attribute"},
		{"invalid UTF-8", "userName eq \"\xff\"", "not valid UTF-8"},
		{"too long", `a eq "` + strings.Repeat("x", 4<<10) + `"`, "longer than the 4096 bytes"},
		{"too deep", strings.Repeat("(", 21) + "a pr" + strings.Repeat(")", 21), "deeper than the 20 levels"},
		{"too deep by not", strings.Repeat("not ", 21) + "a pr", "deeper than the 20 levels"},
		{"too deep by brackets", strings.Repeat("(", 20) + "a[b pr]" + strings.Repeat(")", 20), "deeper than the 20 levels"},
		{"too many terms", "a pr" + strings.Repeat(" or a pr", 50), "more than the 50 comparisons"},
		{"too many terms in brackets", "a[b pr" + strings.Repeat(" or b pr", 49) + "] pr", "more than the 50 comparisons"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(c.in)
			var e *scimerr.Error
			if !errors.As(err, &e) || e.Status != 400 || e.Type != scimerr.InvalidFilter {
				t.Fatalf("got %v, want 400 invalidFilter", err)
			}
			if !strings.Contains(e.Detail, c.detail) {
				t.Fatalf("detail %q lacks %q", e.Detail, c.detail)
			}
			if strings.Contains(e.Detail, secret) || strings.Contains(e.Detail, "Sales") {
				t.Fatalf("detail %q repeats the filter", e.Detail)
			}
		})
	}
}

func TestLimitsAreExact(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`a eq "` + strings.Repeat("x", 4<<10-7) + `"`,
		strings.Repeat("(", 20) + "a pr" + strings.Repeat(")", 20),
		strings.Repeat("not (", 20) + "a pr" + strings.Repeat(")", 20),
		strings.Repeat("(a pr) and ", 40) + "a pr",
		"a pr" + strings.Repeat(" or a pr", 49),
	} {
		if _, err := Parse(in); err != nil {
			t.Errorf("%.40s: %v", in, err)
		}
	}
	l := Limits{Length: 20, Depth: 1, Terms: 2}
	for in, ok := range map[string]bool{
		`(a pr and b pr)`:         true,
		`((a pr))`:                false,
		`a pr or b pr or c pr`:    false,
		`a pr or bbbbbbbbbbbb pr`: false,
	} {
		if _, err := l.Parse(in); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range rfcFilters {
		f.Add(s)
	}
	for _, s := range []string{`emails[type eq "work"].value eq "alice@example.com" and userName eq "alice@example.com"`, `not eq pr`, `not not sw "A"`, `a[b eq c].d ne "\u0000"`, `a[b pr] pr`, `a eq -0.0e1`, `a eq (x`, `u:2.0:b.c pr`, `((a pr))`, `a eq "\ud83d\ude00"`} {
		f.Add(s)
	}
	v := views(f, "*").User
	o := object(f, alice)
	f.Fuzz(func(t *testing.T, in string) {
		e, err := Parse(in)
		if err != nil {
			var se *scimerr.Error
			if !errors.As(err, &se) || se.Type != scimerr.InvalidFilter {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		text := e.String()
		// Quotes and escapes may make the canonical form longer than the input.
		again, err := Limits{Length: len(text) + 1}.Parse(text)
		if err != nil {
			t.Fatalf("%q prints as %q, which is refused: %v", in, text, err)
		}
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("%q prints as %q, which is another filter: %s", in, text, again)
		}
		c, err := Compile(e, v)
		if err != nil || !c.Match(o) && !c.Exact() {
			return
		}
		for _, q := range c.Equals() {
			one, err := Compile(eq(q.Name, q.Value), v)
			if err != nil || one.Match(o) != c.Match(o) {
				t.Fatalf("%q does not demand %s eq %q: %v", in, q.Name, q.Value, err)
			}
		}
	})
}
