package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

const (
	enterprise = schema.EnterpriseUserURN
	badge      = "urn:example:2.0:Badge"
)

// views returns the views of an allow list over the RFC's schemas and one
// extension of users with an attribute of each type.
func views(t testing.TB, allow ...string) *schema.Views {
	t.Helper()
	x, err := schema.Parse([]byte(`{"id":"` + badge + `","name":"Badge","attributes":[
		{"name":"number","type":"integer"},{"name":"weight","type":"decimal"},{"name":"until","type":"dateTime"},
		{"name":"photo","type":"binary"},{"name":"code","type":"string","caseExact":true,"uniqueness":"server"},
		{"name":"colours","type":"string","multiValued":true},{"name":"levels","type":"integer","multiValued":true},
		{"name":"doors","type":"complex","multiValued":true,"subAttributes":[{"name":"value","type":"integer"},{"name":"open","type":"boolean"},{"name":"since","type":"dateTime"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.NewCatalog([]schema.Extension{{Schema: x}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	vs, err := c.Narrow(schema.Narrowing{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func object(t testing.TB, json string) *attr.Members {
	t.Helper()
	o, err := attr.DecodeObject([]byte(json), nil, attr.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func parse(t testing.TB, s string) Expr {
	t.Helper()
	e, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const alice = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + enterprise + `"],
	"id":"u1","externalId":"Ext1","userName":"Alice@Example.com","active":true,"userType":"Employee","nickName":"",
	"preferredLanguage":"\u212Alingon","profileUrl":"https://Example.com/a",
	"name":{"givenName":"Alice","familyName":"O'Malley","middleName":""},
	"emails":[{"type":"work","value":"Alice@example.com","primary":true},{"type":"home","value":"al@home.example"},{"value":"bare@example.org"}],
	"roles":[{"value":"admin","primary":true}],"addresses":[{"type":"work","country":"DE"}],
	"x509Certificates":[{"value":"QUJD"}],"photos":[],
	"groups":[{"value":"g1","$ref":"https://h/Groups/g1"}],
	"` + enterprise + `":{"department":"Sales","manager":{"value":"u2","$ref":"https://h/Users/u2"}},
	"` + badge + `":{"number":9007199254740993,"weight":1.50,"until":"2026-01-31T09:30:00+02:00","photo":"QUJD","code":"Ab",
		"colours":["Red","blue"],"levels":[3,7],"doors":[{"value":1,"open":false},{"value":2,"open":true,"since":"2026-01-01T00:00:00Z"}]},
	"meta":{"resourceType":"User","created":"2026-01-02T03:04:05Z","lastModified":"2026-02-03T04:05:06.5Z","version":"W/\"1\""}}`

func TestMatch(t *testing.T) {
	t.Parallel()
	v := views(t, "*").User
	o := object(t, alice)
	for in, want := range map[string]bool{
		// strings, by caseExact
		`userName eq "alice@example.COM"`: true,
		`userName eq "alice"`:             false,
		`USERNAME eq alice@example.com`:   true,
		`userName ne "ALICE@example.com"`: false,
		`userName ne "bob"`:               true,
		`userName co "EXAMPLE"`:           true,
		`userName sw "aLICE"`:             true,
		`userName ew ".COM"`:              true,
		`userName sw ".com"`:              false,
		`userName gt "ALICD"`:             true,
		`userName lt "ALICD"`:             false,
		`userName ge "alice@example.com"`: true,
		`userName le "ALICE@EXAMPLE.COM"`: true,
		`userName gt "alice@example.com"`: false,
		`preferredLanguage eq "KLINGON"`:  true,
		`preferredLanguage sw "k"`:        true,
		`id eq "u1"`:                      true,
		`id eq "U1"`:                      false,
		`externalId eq "Ext1"`:            true,
		`externalId eq "ext1"`:            false,
		`externalId ne "ext1"`:            true,
		`externalId sw "ext"`:             false,
		`externalId lt "a"`:               true,
		`name.familyName co "o'm"`:        true,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "a"`: true,

		// presence, null, and the absence of values
		`title pr`:                false,
		`nickName pr`:             false,
		`nickName eq ""`:          true,
		`userName pr`:             true,
		`active pr`:               true,
		`name pr`:                 true,
		`name.middleName pr`:      false,
		`emails pr`:               true,
		`photos pr`:               false,
		`phoneNumbers pr`:         false,
		`emails.display pr`:       false,
		`emails.primary pr`:       true,
		`title eq null`:           true,
		`title ne null`:           false,
		`userName eq null`:        false,
		`userName ne null`:        true,
		`nickName eq null`:        true,
		`phoneNumbers eq null`:    true,
		`title eq "x"`:            false,
		`title ne "x"`:            true,
		`title co ""`:             false,
		`title lt "x"`:            false,
		`photos.value ne "x"`:     true,
		`emails.display ne "x"`:   true,
		enterprise + ` pr`:        true,
		enterprise + ` eq null`:   false,
		badge + `:doors.since pr`: true,
		`not (title pr)`:          true,

		// booleans
		`active eq true`:                            true,
		`active eq "True"`:                          true,
		`active eq TRUE`:                            true,
		`active ne "false"`:                         true,
		`active eq false`:                           false,
		`emails.primary eq "TRUE"`:                  true,
		`roles[primary eq "True"]`:                  true,
		`roles[primary eq "True"].value eq "ADMIN"`: true,
		`roles[primary eq False]`:                   false,

		// numbers
		badge + `:number eq 9007199254740993`:     true,
		badge + `:number eq 9007199254740992`:     false,
		badge + `:number gt 9007199254740992`:     true,
		badge + `:number gt 9007199254740992.5`:   true,
		badge + `:number eq 9007199254740993.0`:   true,
		badge + `:number eq "9007199254740993"`:   true,
		badge + `:number lt 99999999999999999999`: true,
		badge + `:number lt 1e999999999`:          true,
		badge + `:number gt -1e999999999`:         true,
		badge + `:number gt 1e-999999999`:         true,
		badge + `:weight eq 1.5`:                  true,
		badge + `:weight eq 15e-1`:                true,
		badge + `:weight ne 1.5`:                  false,
		badge + `:weight le 1`:                    false,
		`number ge 1`:                             true,
		badge + `:levels eq 7`:                    true,
		badge + `:levels gt 7`:                    false,

		// dates
		`meta.created eq "2026-01-02T04:04:05+01:00"`:      true,
		`meta.created eq "2026-01-02T03:04:05.000"`:        true,
		`meta.created ne "2026-01-02T03:04:06Z"`:           true,
		`meta.lastModified gt "2026-02-03T04:05:06Z"`:      true,
		`meta.lastModified gt "2026-02-03T04:05:06.5Z"`:    false,
		`meta.lastModified ge "2026-02-03T04:05:06.5Z"`:    true,
		`meta.lastModified lt "2026-02-03T05:05:06+00:00"`: true,
		`meta.lastModified le 2026-02-03T04:05:06.5Z`:      true,
		`meta.created gt "2026-01-02"`:                     true,
		`meta.created co "2026-01"`:                        true,
		`meta.created sw "2026-02"`:                        false,
		badge + `:until eq "2026-01-31T07:30:00Z"`:         true,
		badge + `:until lt "2026-01-31T08:00:00Z"`:         true,
		`meta.resourceType eq "User"`:                      true,
		`meta.resourceType eq "user"`:                      false,

		// references and binaries
		`profileUrl eq "https://Example.com/a"`: true,
		`profileUrl eq "https://example.com/a"`: false,
		badge + `:photo eq "QUJD"`:              true,
		badge + `:photo eq "qujd"`:              false,
		`x509Certificates eq "QUJD"`:            true,
		`schemas eq "` + enterprise + `"`:       true,
		`schemas eq "urn:x:y"`:                  false,

		// several values
		`emails eq "AL@home.example"`:                         true,
		`emails.value eq "bare@example.org"`:                  true,
		`emails co "example.org"`:                             true,
		`emails ne "al@home.example"`:                         true,
		`emails.type eq "work" and emails.value ew ".org"`:    true,
		`emails[type eq "work" and value ew ".org"]`:          false,
		`emails[type eq "WORK" and value co "@example.com"]`:  true,
		`emails[type eq "work"].value eq "alice@example.com"`: true,
		`emails[type eq "work"] eq "alice@example.com"`:       true,
		`emails[type eq "home"] eq "alice@example.com"`:       false,
		`emails[type eq "home"].value ne "x"`:                 true,
		`emails[type eq "other"].value ne "x"`:                false,
		`emails[type ne "work"].value eq "bare@example.org"`:  true,
		`emails[type eq null]`:                                true,
		`emails[not (type pr)].value sw "bare"`:               true,
		`emails[type eq "work"] pr`:                           true,
		`emails[type eq "work"].display pr`:                   false,
		`emails[type eq "home" or primary eq true]`:           true,
		`not emails[type eq "other"]`:                         true,
		`phoneNumbers[type ne "x"]`:                           false,
		`addresses[type eq "work"].country eq "de"`:           true,
		`colours eq "RED"`:                                    true,
		`colours[value eq "BLUE"]`:                            true,
		`colours[value sw "b"] eq "blue"`:                     true,
		badge + `:doors eq 2`:                                 true,
		badge + `:doors[open eq true and value lt 2]`:         false,
		`groups eq "g1"`:                                      true,
		`groups.value eq "g2"`:                                false,
		`name[givenName eq "alice" and familyName pr]`:        true,
		`name[givenName eq "bob"]`:                            false,

		// complex attributes and extensions
		`manager eq "u2"`:                          true,
		`manager.value eq "u3"`:                    false,
		`manager[$ref ew "/u2" and value eq "u2"]`: true,
		enterprise + `:manager eq "u2"`:            true,
		enterprise + `.manager.value eq "u2"`:      true,
		enterprise + `:department eq "SALES"`:      true,
		`department eq "sales"`:                    true,
		`id eq "u1" and manager eq "u2"`:           true,

		// literals without quotes on strings
		`userType eq 12`:        false,
		badge + `:code eq Ab`:   true,
		badge + `:code eq true`: false,

		// logic
		`title pr or userType eq "employee"`:                 true,
		`title pr and userType eq "employee"`:                false,
		`userType eq "Intern" or title pr or active eq true`: true,
		`active eq true or title pr and title pr`:            true,
		`(active eq true or title pr) and title pr`:          false,
		`not (active eq true) or not (title pr)`:             true,
		`not (active eq true and userType eq "employee")`:    false,
	} {
		f, err := Compile(parse(t, in), v)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := f.Match(o); got != want {
			t.Errorf("%s: got %t, want %t", in, got, want)
		}
	}
}

func TestMatchRFCExamples(t *testing.T) {
	t.Parallel()
	v := views(t, "*").User
	o := object(t, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"Jane","title":"Boss","userType":"Intern",
		"name":{"familyName":"O'Malley"},"emails":[{"type":"home","value":"j@example.net"}],"ims":[{"type":"xmpp","value":"j@foo.com"}],
		"meta":{"lastModified":"2011-05-13T04:42:34Z"}}`)
	want := []bool{false, true, true, true, true, false, true, false, true, false, true, false, false, true, false, false, true}
	for i, in := range rfcFilters {
		f, err := Compile(parse(t, in), v)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := f.Match(o); got != want[i] {
			t.Errorf("%s: got %t, want %t", in, got, want[i])
		}
	}
}

func TestMatchGroup(t *testing.T) {
	t.Parallel()
	v := views(t).Group
	o := object(t, `{"id":"g1","displayName":"Staff","members":[{"value":"u1","type":"User"},{"value":"u2","type":"User"}]}`)
	for in, want := range map[string]bool{
		`displayName eq "STAFF"`:                                    true,
		`id eq "g1" and members eq "u2"`:                            true,
		`members eq "u3" and id eq "g1"`:                            false,
		`id eq "g1" and members.value eq "u1"`:                      true,
		`id eq "g1" and members[value eq "u1"]`:                     true,
		`id eq "g1" and members[value eq "U1"]`:                     false,
		`id eq "g1" and members[value eq "u1" and type eq "Group"]`: false,
	} {
		f, err := Compile(parse(t, in), v)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := f.Match(o); got != want {
			t.Errorf("%s: got %t, want %t", in, got, want)
		}
		if f.Uses("Members") != strings.Contains(in, "members") || f.Uses("groups") {
			t.Errorf("%s: wrong Uses", in)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	all, few := views(t, "*").User, views(t).User
	for _, c := range []struct {
		in      string
		v       *schema.View
		notKept bool
		detail  string
	}{
		{`title eq "secret"`, few, true, "the attribute title, which this service does not keep"},
		{`TITLE pr`, few, true, "the attribute title,"},
		{`userName pr and title eq "secret"`, few, true, "title"},
		{`userName sw "secret" and title eq "secret"`, few, true, "title"},
		{`userName eq null and title pr`, few, true, "title"},
		{`userName eq "secret" or title eq "secret"`, few, true, "title"},
		{`(userName eq "secret" or active eq true) and title pr`, few, true, "title"},
		{`not (userName eq "secret" and title eq "secret")`, few, true, "title"},
		{`displayName eq "secret"`, few, true, "displayName"},
		{`displayName eq "secret" and title pr`, few, true, "displayName"},
		{`manager eq "secret"`, few, true, enterprise + ":manager"},
		{`emails.display pr`, few, true, "emails.display"},
		{`emails[display eq "secret"]`, few, true, "emails.display"},
		{`emails[value eq "secret" and display pr]`, few, true, "emails.display"},
		{`emails[type eq "work"].display pr`, few, true, "emails.display"},
		{`ims[type eq "x"]`, few, true, "ims"},
		{`password eq "secret"`, all, true, "password"},
		{`nonsense eq "secret"`, all, true, "nonsense"},
		{`name.nonsense eq "secret"`, all, true, "name.nonsense"},
		{`colours[type eq "secret"]`, all, true, "colours.type"},
		{`urn:x:y:User:a eq "secret"`, all, true, "urn:x:y:User:a"},
		{strings.Repeat("n", 500) + ` pr`, all, true, strings.Repeat("n", 128) + "…,"},

		{`active gt true`, all, false, "type boolean, which has no comparison by gt"},
		{`active co "tru"`, all, false, "type boolean, which has no comparison by co"},
		{`active eq "secret"`, all, false, "compared with true or false"},
		{`active eq 1`, all, false, "compared with true or false"},
		{badge + `:photo lt "secret"`, all, false, "type binary, which has no comparison by lt"},
		{`x509Certificates ge "secret"`, all, false, "x509Certificates.value is of type binary"},
		{badge + `:number eq "secret"`, all, false, "compared with a number"},
		{badge + `:number eq true`, all, false, "compared with a number"},
		{badge + `:number sw 1`, all, false, "no comparison by sw"},
		{`meta.created gt "secret"`, all, false, "compared with a date"},
		{`meta.created eq true`, all, false, "compared with a date"},
		{`userName co null`, all, false, "null only by eq and ne"},
		{`name eq "secret"`, all, false, "name is complex"},
		{`meta eq "secret"`, all, false, "meta is complex"},
		{`addresses[type eq "work"] eq "secret"`, all, false, "addresses is complex"},
		{enterprise + ` eq "secret"`, all, false, "as a whole"},
		{schema.UserURN + ` pr`, all, false, "names the schema"},
		{enterprise + `[department pr]`, all, false, "brackets"},
		{`emails.value[value eq "secret"]`, all, false, "brackets"},
		{`id eq "secret" and active gt true`, all, false, "boolean"},
	} {
		t.Run(c.in[:min(len(c.in), 60)], func(t *testing.T) {
			t.Parallel()
			_, err := Compile(parse(t, c.in), c.v)
			var e *scimerr.Error
			if !errors.As(err, &e) || e.Status != 400 || e.Type != scimerr.InvalidFilter {
				t.Fatalf("got %v, want 400 invalidFilter", err)
			}
			if errors.Is(err, ErrNotKept) != c.notKept {
				t.Fatalf("%v: is ErrNotKept: %t", err, !c.notKept)
			}
			if !strings.Contains(e.Detail, c.detail) || strings.Contains(e.Detail, "secret") {
				t.Fatalf("detail %q, want %q", e.Detail, c.detail)
			}
		})
	}
	if _, err := Compile(nil, all); err == nil {
		t.Error("no expression is accepted")
	}
}

func TestNotKeptBesideIdentity(t *testing.T) {
	t.Parallel()
	vs := views(t)
	user := object(t, `{"id":"u1","userName":"a","externalId":"e","active":true,"emails":[{"type":"work","value":"a@x"}]}`)
	group := object(t, `{"id":"g1","displayName":"d"}`)
	for in, want := range map[string]bool{
		`id eq "u1" and manager eq "u2"`:                                   false,
		`manager eq "u2" and id eq "u1"`:                                   false,
		`userName eq "a" and active eq true and title pr`:                  false,
		`externalId eq "e" and (active eq true and title ne "x")`:          false,
		`id eq "u1" and not (title pr)`:                                    false,
		`id eq "u1" and not (not (title pr))`:                              false,
		`id eq "u1" and (title pr or active eq true)`:                      true,
		`id eq "u1" and not (title pr or active eq false)`:                 false,
		`id eq "u1" and emails[display pr]`:                                false,
		`id eq "u1" and not emails[type eq "work"].display pr`:             false,
		`id eq "u1" and ims[type eq "x"]`:                                  false,
		`(id eq "u1" and title pr) or userName eq "a"`:                     true,
		`urn:ietf:params:scim:schemas:core:2.0:User:ID eq u1 and title pr`: false,
	} {
		f, err := Compile(parse(t, in), vs.User)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := f.Match(user); got != want {
			t.Errorf("%s: got %t, want %t", in, got, want)
		}
		if f.Uses("title") || f.Uses("ims") {
			t.Errorf("%s: uses what is not kept", in)
		}
	}
	f, err := Compile(parse(t, `displayName eq "d" and userName eq "a"`), vs.Group)
	if err != nil || f.Match(group) {
		t.Errorf("group by displayName and an attribute of users: %v", err)
	}
}

func TestMatchAllocates(t *testing.T) {
	v := views(t, "*").User
	o := object(t, alice)
	f, err := Compile(parse(t, `userName ne "x" and emails[type eq "work" and primary eq true].value eq "alice@example.com" and number gt 5 and meta.created lt "2030-01-01T00:00:00Z" and manager pr`), v)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if !f.Match(o) {
			t.Error("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations a match, want none", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	o := object(b, alice)
	f, err := Compile(parse(b, `emails[type eq "work"].value co "EXAMPLE" and active eq true`), views(b, "*").User)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		f.Match(o)
	}
}
