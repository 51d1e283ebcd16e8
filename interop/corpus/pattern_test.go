package corpus_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

func compare(t *testing.T, pattern, body string, names *corpus.Names, anyCase bool) []string {
	t.Helper()
	p, err := corpus.ParsePattern(pattern)
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	e := &corpus.Expectation{Status: []int{200}, Body: p}
	var all []string
	for _, m := range e.Compare(&corpus.Step{AnyCase: anyCase}, &corpus.Answer{Status: 200, Body: []byte(body)}, names) {
		all = append(all, m.String())
	}
	return all
}

func TestPattern(t *testing.T) {
	t.Parallel()
	rows := []struct{ pattern, body, want string }{
		{`{"a": 1}`, `{"a": 1.0, "b": 2}`, ""},
		{`{"a": 1}`, `{"a": "1"}`, `body.a: want 1, got "1"`},
		{`{"a": 1}`, `{"A": 1}`, "body.a: want 1, got nothing"},
		{`{"a": true}`, `{"a": "true"}`, `body.a: want true, got "true"`},
		{`{"a": null}`, `{"a": null}`, ""},
		{`{"a": null}`, `{}`, "body.a: want null, got nothing"},
		{`{"a": {"b": "c"}}`, `{"a": "c"}`, `body.a: want an object, got "c"`},
		{`{"a": "{{absent}}"}`, `{}`, ""},
		{`{"a": "{{absent}}"}`, `{"a": null}`, ""},
		{`{"a": "{{absent}}"}`, `{"a": []}`, ""},
		{`{"a": "{{absent}}"}`, `{"a": ""}`, `body.a: want no value, got ""`},
		{`{"a": "{{missing}}"}`, `{"a": []}`, "body.a: want no such member, got []"},
		{`{"a": "{{anything}}"}`, `{"a": 0}`, ""},
		{`{"a": "{{anything}}"}`, `{"a": null}`, "body.a: want a value, got null"},
		{`{"a": "{{*}}"}`, `{"a": ""}`, `body.a: want a string, got ""`},
		{`{"a": "{{*}}"}`, `{"a": "x"}`, ""},
		{`{"a": "{{~^x+$}}"}`, `{"a": "xx"}`, ""},
		{`{"a": "{{~^{{user1}}$}}"}`, `{"a": "doctor-k3x9q2ab-one-f-1@probeXinvalid"}`, `body.a: want a string like ^doctor-k3x9q2ab-one-f-1@probe\.invalid$, got "doctor-k3x9q2ab-one-f-1@probeXinvalid"`},
		{`{"a": "{{number}}", "b": "{{string}}", "c": "{{array}}", "d": "{{object}}", "e": "{{boolean}}"}`, `{"a": 1, "b": "", "c": [], "d": {}, "e": false}`, ""},
		{`{"a": "{{number}}"}`, `{"a": "1"}`, `body.a: want a value of kind number, got "1"`},
		{`{"a": "{{>= 2}}"}`, `{"a": 2}`, ""},
		{`{"a": "{{>= 2}}"}`, `{"a": 1}`, "body.a: want a number of at least 2, got 1"},
		{`{"a": "{{base}}/Users/{{x}}", "x": "{{x}}"}`, `{"a": "https://h/Users/1", "x": "1"}`, `body.a: want "https://h/Users/", got "https://h/Users/1"`},
		{`{"a": "{{upper user1}}"}`, `{"a": "DOCTOR-K3X9Q2AB-ONE-F-1@PROBE.INVALID"}`, ""},
		{`{"a": "{{x}}", "b": "{{x}}"}`, `{"a": "1", "b": "1"}`, ""},
		{`{"a": "{{x}}", "b": "{{x}}"}`, `{"a": "1", "b": "2"}`, `body.b: want "1", got "2"`},
		{`{"a": "{{x}}", "b": "{{not x}}"}`, `{"a": "1", "b": "1"}`, `body.b: want a string other than "1", got "1"`},
		{`{"a": "{{x}}"}`, `{"a": 1}`, "body.a: want a string, got 1"},
		{`["b", "a"]`, `["a", "b"]`, ""},
		{`["a"]`, `["a", "b"]`, "body: want 1 elements, got 2 elements"},
		{`["a", "b"]`, `["a"]`, `body: want an element "b", got 1 elements without it`},
		{`["{{...}}", "b"]`, `["a", "b"]`, ""},
		{`["{{...}}", "c"]`, `["a", "b"]`, `body: want an element "c", got 2 elements without it`},
		{`["{{in order}}", "b", "a"]`, `["a", "b"]`, `body[0]: want "b", got "a"; body[1]: want "a", got "b"`},
		{`["{{*}}", "a"]`, `["a", "b"]`, ""},
		{`[{"type": "{{*}}"}, {"type": "work"}]`, `[{"type": "work"}, {"type": "home"}]`, ""},
		{`[{"value": "{{x}}", "type": "work"}, {"value": "{{y}}"}]`, `[{"value": "1"}, {"value": "2", "type": "work"}]`, ""},
		{`[{"type": "work", "value": 1}]`, `[{"type": "work", "value": 2}]`, "body[0].value: want 1, got 2"},
		{`[]`, `[]`, ""},
		{`{"a": []}`, `{}`, "body.a: want an array, got nothing"},
		{`{}`, `<html>`, `body: want JSON, got "<html>"`},
		{`{}`, `{} {}`, `body: want JSON, got "{} {}"`},
		{`{}`, ``, "body: want JSON, got an empty body"},
	}
	for _, row := range rows {
		got := strings.Join(compare(t, row.pattern, row.body, corpus.NewNames("k3x9q2ab", "one/f", "https://h"), false), "; ")
		if got != row.want {
			t.Errorf("%s with %s: got %q, want %q", row.pattern, row.body, got, row.want)
		}
	}
	names := corpus.NewNames("k3x9q2ab", "one/f", "https://h")
	if got := compare(t, `{"userName": "{{x}}"}`, `{"USERNAME": "v"}`, names, true); got != nil {
		t.Errorf("in any case: %v", got)
	}
	if v, ok := names.Value("x"); !ok || v != "v" {
		t.Errorf("x is %q", v)
	}
}

func TestMismatchAttributes(t *testing.T) {
	t.Parallel()
	p, err := corpus.ParsePattern(`{"Resources": [{"name": {"givenName": "x"}, "emails": [{"value": "x"}]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	e := &corpus.Expectation{Status: []int{200}, Body: p}
	var got [][]string
	for _, m := range e.Compare(&corpus.Step{}, &corpus.Answer{Status: 200, Body: []byte(`{"Resources": [{"name": {}, "emails": [{}]}]}`)}, corpus.NewNames("k3x9q2ab", "f", "")) {
		got = append(got, m.Attr)
	}
	if diff := cmp.Diff([][]string{{"emails", "value"}, {"name", "givenName"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCompareHead(t *testing.T) {
	t.Parallel()
	names := corpus.NewNames("k3x9q2ab", "one/f", "https://h")
	s := &corpus.Step{Within: time.Second}
	e := &corpus.Expectation{Status: []int{200, 204}, Header: []corpus.Field{{Name: "Content-Type", Value: "application/SCIM+json"}, {Name: "ETag", Value: "{{tag}}"}, {Name: "Location", Value: "{{base}}/Users"}}}
	good := http.Header{"Content-Type": {"application/scim+json;charset=utf-8"}, "Etag": {`W/"1"`}, "Location": {"https://h/Users/1"}}
	if got := e.Compare(s, &corpus.Answer{Status: 204, Header: good}, names); got != nil {
		t.Error(got)
	}
	if v, _ := names.Value("tag"); v != `W/"1"` {
		t.Errorf("tag is %q", v)
	}
	if got := e.Compare(s, &corpus.Answer{Status: 200, Header: http.Header{}, Took: 2 * time.Second}, names); len(got) != 4 {
		t.Error(got)
	}
	if got := e.Compare(s, &corpus.Answer{Status: 404, Header: good}, names); len(got) != 1 || got[0].String() != "status: want 200 or 204, got 404" {
		t.Error(got)
	}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	const body = `{"totalResults": 3, "id": "i1", "name": null, "Resources": [{"active": "True", "members": [{"value": "1"}]}], "urn:x:2.0:User": {"manager": "m"}}`
	a := &corpus.Answer{Status: 404, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte(body), Took: time.Second}
	s := &corpus.Step{Within: time.Millisecond}
	names := corpus.NewNames("k3x9q2ab", "one/f", "https://h")
	names.Bind("a", "i1")
	rows := map[string]bool{
		"404": true, "400 404": true, "4xx": true, "5xx": false, "not 404": false, "not 200 201": true, "late": true, "not json": false,
		"body.totalResults == 3": true, "body.totalResults != 3": false, "body.totalResults > 2": true, "body.totalResults < 3": false, "body.totalResults >= 3": true, "body.totalResults <= 2": false,
		"body.id > 1": false, `body.id == "{{a}}"`: true, `body.id != "{{a}}"`: false, `body.ID == "i1"`: true,
		"body.Resources[0].active is string": true, "body.Resources[1].active is string": false, "body.Resources[0].active is boolean": false,
		"count body.Resources == 1": true, "count body.nothing == 0": true, "count body.Resources[0].members > 1": false,
		"missing body.name": true, "missing body.other": true, "missing body.id": false,
		`body["urn:x:2.0:User"].manager is string`: true, `missing body["urn:x:2.0:User"].other`: true,
		`header Content-Type == "text/"`: true, `header Content-Type != "text/"`: false, "missing header ETag": true, "missing header Content-Type": false,
		`body.Resources == ["{{...}}", {"active": "True"}]`: true, `body == {"id": "i1"}`: true,
		"404 and missing body.name": true, "404 and 5xx": false, `404 and body.id == "a and b"`: false,
	}
	for text, want := range rows {
		c, err := corpus.ParseCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Holds(s, a, names); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if c, err := corpus.ParseCondition("not json"); err != nil || !c.Holds(s, &corpus.Answer{Status: 200, Body: []byte("<")}, names) {
		t.Error("HTML is taken for JSON")
	}
	for _, bad := range []string{"", "404x", "body.a", "body.a is text", "count body.a == x", "body.a == {", "header X = 1", "missing", "body.a > x"} {
		if _, err := corpus.ParseCondition(bad); err == nil {
			t.Errorf("%q is a condition", bad)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	f, err := corpus.Parse("one/f", head+`### A
POST /Users/{{user1}}?a={{user1}}&b={{raw user1}}&{{upper ext1}}
X: {{group1}}

{"a": "{{user1}}", "b": "x\"{{guid}}", "c": "o'neil+{{user2}}", "d": "{{upper user1}}", "e": "{{ext1}}", "f": "{{group1}}"}
---
200
else: x
`)
	if err != nil {
		t.Fatal(err)
	}
	n := corpus.NewNames("k3x9q2ab", "one/f", "https://h")
	r, err := f.Steps[0].Request(n)
	if err != nil {
		t.Fatal(err)
	}
	if want := "/Users/doctor-k3x9q2ab-one-f-1@probe.invalid?a=doctor-k3x9q2ab-one-f-1%40probe.invalid&b=doctor-k3x9q2ab-one-f-1@probe.invalid&DOCTOR-K3X9Q2AB-ONE-F-X1"; r.Target() != want {
		t.Errorf("got  %s\nwant %s", r.Target(), want)
	}
	if r.Header[0].Value != "doctor-k3x9q2ab-one-f-g1" {
		t.Errorf("%v", r.Header)
	}
	guid, _ := n.Value("guid")
	made := f.Made(n)
	want := corpus.Made{
		Users:    []string{"doctor-k3x9q2ab-one-f-1@probe.invalid", guid, "doctor-k3x9q2ab-one-f-2@probe.invalid", "o'neil+doctor-k3x9q2ab-one-f-2@probe.invalid"},
		Groups:   []string{"doctor-k3x9q2ab-one-f-g1"},
		External: []string{"doctor-k3x9q2ab-one-f-x1"},
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	other, _ := corpus.NewNames("k3x9q2ab", "one/g", "").Value("guid")
	again, _ := corpus.NewNames("k3x9q2ab", "one/f", "").Value("guid")
	second, _ := n.Value("guid2")
	if guid == other || guid == second || guid != again || len(guid) != 36 {
		t.Errorf("guids %s %s %s %s", guid, other, second, again)
	}
}
