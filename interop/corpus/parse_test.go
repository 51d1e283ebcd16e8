package corpus_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

const head = "client: one\ntitle: T\nsource: S\n\n"

func TestParse(t *testing.T) {
	t.Parallel()
	f, err := corpus.Parse("one/file", `client: one
title: A title
source: here,
  and there
needs: patch, attribute:name.givenName

### First
names: any case
within: 600ms
POST /Users?a&
User-Agent:
X-Header: a b

{"userName": "{{user1}}",

 "members": [{{times 2}}{"value": "{{user#}}"}{{end}}]}
--- allow *
201 200
Location: http
{"id": "{{a}}"}
--- allow default
201
{"id": "{{a}}"}
else 409 and body.detail == "a: b": first-finding
else: second

### Again
repeat: 2
DELETE /Users/{{a}}?{{ext#}}

---
204

else: second
`)
	if err != nil {
		t.Fatal(err)
	}
	if f.Source != "here, and there" || !cmp.Equal(f.Needs, []string{"patch", "attribute:name.givenName"}) || len(f.Steps) != 3 {
		t.Errorf("%+v", f)
	}
	s := f.Steps[0]
	if !s.AnyCase || s.Within != 600*time.Millisecond || s.Line != 7 || s.Target != "/Users?a&" || !strings.Contains(s.Body, `[{"value": "{{user1}}"}, {"value": "{{user2}}"}]`) {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff([]corpus.Field{{Name: "User-Agent"}, {Name: "X-Header", Value: "a b"}}, s.Header); diff != "" {
		t.Error(diff)
	}
	star := s.Under("*")
	if len(star.Status) != 2 || len(star.Header) != 1 || len(star.Else) != 2 || star.Else[0].Finding != "first-finding" || s.Under("default").Allow != "default" {
		t.Errorf("%+v", star)
	}
	if f.Steps[1].Target != "/Users/{{a}}?{{ext1}}" || f.Steps[2].Target != "/Users/{{a}}?{{ext2}}" || f.Steps[2].Line != 27 {
		t.Errorf("%+v %+v", f.Steps[1], f.Steps[2])
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	step := func(request, expect string) string { return head + "### A step\n" + request + "\n\n---\n" + expect }
	rows := []struct{ name, text, want string }{
		{"no title", "client: one\nsource: S\n\n### A\nGET /Users\n\n---\n200\nelse: x\n", "one/f.txt:1: the header lacks title or source"},
		{"other folder", "client: two\ntitle: T\nsource: S\n\n### A\nGET /Users\n\n---\n200\nelse: x\n", `one/f.txt:1: client is "two", but the file is in the folder "one"`},
		{"unknown word", "client: one\ntitle: T\nsource: S\nneed: x\n\n### A\nGET /Users\n\n---\n200\nelse: x\n", `one/f.txt:4: unknown word "need"`},
		{"unknown need", "client: one\ntitle: T\nsource: S\nneeds: pach\n\n### A\nGET /Users\n\n---\n200\nelse: x\n", `one/f.txt:4: need "pach" is none of`},
		{"no steps", head, "the file has no step"},
		{"text outside", head + "hello\n", `one/f.txt:5: "hello" is outside a step`},
		{"no request", head + "### A\n", "one/f.txt:5: the step has no request"},
		{"spaces in the request", step(`GET /Users?filter=a eq "b"`, "200\nelse: x"), "one/f.txt:6: \"GET /Users?filter=a eq \\\"b\\\"\" is not a request line"},
		{"unencoded", step("GET /Users?filter=ü", "200\nelse: x"), "which cannot be sent: encode it"},
		{"no answer", head + "### A\nGET /Users\n", "one/f.txt:5: the step has no `---`"},
		{"no status", step("GET /Users", "{}\nelse: x"), "one/f.txt:9: after `---` comes the status"},
		{"no else", step("GET /Users", "200\nelse 404: x"), "one/f.txt:8: the step lacks a last line `else: finding`"},
		{"else behind else", step("GET /Users", "200\nelse: x\nelse 404: y\nelse: x"), "one/f.txt:11: this line is behind `else: x`"},
		{"bad else", step("GET /Users", "200\nelse what: x\nelse: x"), `one/f.txt:10: the condition "what" is not understood`},
		{"bad finding", step("GET /Users", "200\nelse: X Y\n"), "one/f.txt:10: \"else: X Y\" is neither"},
		{"bad pattern", step("GET /Users", "200\n{\"a\": }\nelse: x"), "one/f.txt:10: the pattern is not JSON"},
		{"unknown pattern", step("GET /Users", "200\n{\"a\": \"{{Any Thing}}\"}\nelse: x"), "a: \"{{Any Thing}}\" is not understood"},
		{"bad expression", step("GET /Users", "200\n{\"a\": \"{{~(}}\"}\nelse: x"), "missing closing )"},
		{"body is no JSON", head + "### A\nPOST /Users\n\n{\n---\n200\nelse: x\n", "one/f.txt:5: the body of the request is not JSON"},
		{"no blank line", head + "### A\nPOST /Users\n{}\n---\n200\nelse: x\n", "one/f.txt:7: \"{}\" is not a header"},
		{"name not bound", step("GET /Users/{{a}}", "200\nelse: x"), "one/f.txt:5: {{a}} is used before a pattern binds it"},
		{"bound in one block", head + "### A\nGET /Users\n\n--- allow *\n200\n{\"id\": \"{{a}}\"}\n--- allow default\n200\nelse: x\n\n### B\nGET /Users/{{a}}\n\n---\n200\nelse: x\n", "one/f.txt:15: {{a}} is used before"},
		{"one allow", head + "### A\nGET /Users\n\n--- allow *\n200\nelse: x\n", "one/f.txt:8: there is only `--- allow *`"},
		{"bad allow", head + "### A\nGET /Users\n\n--- allow title\n200\nelse: x\n", "one/f.txt:8: \"--- allow title\" is none of"},
		{"three blocks", step("GET /Users", "200\nelse: x\n---\n200\nelse: x\n---\n200\nelse: x"), "at most two blocks"},
		{"more behind", step("GET /Users", "200\nelse: x\nhello"), "one/f.txt:11: \"hello\" is not expected here"},
		{"repeat", head + "### A\nrepeat: many\nGET /Users\n\n---\n200\nelse: x\n", "repeat: \" many\" is not a number"},
		{"within", head + "### A\nwithin: soon\nGET /Users\n\n---\n200\nelse: x\n", "one/f.txt:6: \"soon\" is not a time"},
		{"unknown name form", step("GET /Users/{{User 1}}", "200\nelse: x"), "is not a request line"},
	}
	for _, row := range rows {
		_, err := corpus.Parse("one/f", row.text)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got\n%v\nwant %s", row.name, err, row.want)
		}
	}
}

// What only shows across files.
func TestLoadErrors(t *testing.T) {
	t.Parallel()
	finding := func(id, more string) string {
		return "id: " + id + "\nseverity: failed\ntitle: T\nconsequence: C\nsource: S\nconfig: none\n" + more + "\n"
	}
	builtIn := finding("no-answer", "") + finding("attribute-not-kept", "") + finding("foreign-resource", "")
	file := head + "### A\nGET /Users\n\n---\n200\nelse: used\n"
	load := func(findings, clients string) error {
		_, err := corpus.Load(fstest.MapFS{"clients.txt": {Data: []byte(clients)}, "findings.txt": {Data: []byte(findings)}, "one/f.txt": {Data: []byte(file)}})
		return err
	}
	if err := load(builtIn+finding("used", ""), "one: One\n"); err != nil {
		t.Fatal(err)
	}
	rows := []struct{ findings, clients, want string }{
		{builtIn, "one: One", `one/f.txt:10: finding "used" is not in findings.txt`},
		{builtIn + finding("used", "") + finding("unused", ""), "one: One", `findings.txt:29: no file comes to finding "unused"`},
		{builtIn + finding("used", "") + finding("used", ""), "one: One", `finding "used" is at findings.txt:22 already`},
		{builtIn + finding("used", "weight: 1"), "one: One", `findings.txt:28: unknown word "weight"`},
		{builtIn + strings.Replace(finding("used", ""), "failed", "bad", 1), "one: One", `the severity of "used" is "bad"`},
		{builtIn + strings.Replace(finding("used", ""), "config: none\n", "", 1), "one: One", `finding "used" lacks`},
		{finding("used", ""), "one: One", `finding "no-answer" is missing`},
		{builtIn + finding("used", ""), "two: Two", `one/f.txt:1: client "one" is not in clients.txt`},
		{builtIn + finding("used", ""), "One", "clients.txt:1: \"One\" is not `folder: name of the client`"},
	}
	for _, row := range rows {
		if err := load(row.findings, row.clients); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("got %v\nwant %s", err, row.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	c, err := corpus.Embedded()
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range c.Files[:3] {
		f.Add(file.Title)
	}
	f.Add(head + "### A\nGET /Users?{{user1}}\n\n---\n200\n{\"a\": [\"{{...}}\", \"{{~x}}\"]}\nelse body.a[0] == \"{{b}}\": x\nelse: x\n")
	f.Add(head + "### A\nrepeat: 3\nPOST /Users\n\n[{{times 2}}\"{{user#}}\"{{end}}]\n--- allow *\n200\nelse: x\n--- allow default\n200\nelse: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := corpus.Parse("one/f", text)
		if err != nil {
			return
		}
		names := corpus.NewNames("k3x9q2ab", "one/f", "https://x")
		file.Made(names)
		for _, s := range file.Steps {
			if s.Under("*") == nil || s.Under("default") == nil {
				t.Fatal("a step without an expectation")
			}
			r := s.Preview(names)
			a := &corpus.Answer{Status: 200, Body: []byte(`{"a":["x",{"b":1}]}`)}
			e := s.Under("*")
			if len(e.Compare(s, a, names.Clone())) > 0 && e.Classify(s, a, names.Clone()) == "" {
				t.Fatalf("%s %s: no finding", r.Method, r.Path)
			}
		}
	})
}
