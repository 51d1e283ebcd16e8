package scimmodule

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestContentTypes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.create("/Users", `{"userName":"a"}`)
	for _, c := range []struct {
		value string
		want  int
	}{
		{"application/scim+json", 200}, {"application/json", 200}, {"Application/SCIM+JSON; charset=UTF-8", 200}, {"application/json;charset=utf-8", 200},
		{"application/json; charset", 200}, {"application/json;", 200}, {"", 200}, {"application/scim+json; q=1; x=y", 200},
		{"text/plain", 415}, {"text/html", 415}, {"application/x-www-form-urlencoded", 415}, {"application/xml", 415}, {"json", 415}, {"application/jsonp", 415}, {"/", 415},
	} {
		a := e.send("PUT", "/Users/"+id, `{"userName":"a"}`, header{"Content-Type", c.value})
		if a.Code != c.want {
			t.Errorf("%q: %d, want %d", c.value, a.Code, c.want)
		}
		if c.want == 415 {
			a.wantError(415, "")
		}
	}
	// Whatever a client accepts, it gets SCIM's.
	for _, accept := range []string{"text/html", "application/json", "*/*", "image/png;q=0"} {
		a := e.send("GET", "/Users/"+id, "", header{"Accept", accept})
		a.want(200)
		if got := a.Header().Get("Content-Type"); got != contentType {
			t.Errorf("accept %s: %s", accept, got)
		}
	}
	// What needs no body does not care.
	e.send("DELETE", "/Users/"+id, "whatever", header{"Content-Type", "text/plain"}).want(204)
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// torn is a body that breaks off.
type torn struct{ io.Reader }

func (r torn) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("connection reset")
	}
	return n, err
}

func TestBodies(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) {
		o.Limits.Body = 2000
		o.Limits.StringBytes = 500
		o.Limits.MembersPerRequest = 50
		o.Limits.PatchOperations = 5
	})
	id := e.create("/Users", `{"userName":"a"}`)
	group := e.create("/Groups", `{"displayName":"g"}`)
	many := func(n int, f string) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(f, i))
		}
		return strings.Join(parts, ",")
	}
	pad := func(n int) string { return `{"userName":"a"` + strings.Repeat(" ", n-16) + `}` }
	for _, c := range []struct {
		name, method, target string
		body                 io.Reader
		encoding             string
		status               int
		scimType             string
	}{
		{"as large as may be", "PUT", "/Users/" + id, strings.NewReader(pad(2000)), "", 200, ""},
		{"too large", "PUT", "/Users/" + id, strings.NewReader(pad(2001)), "", 413, ""},
		{"too large, of unknown length", "PUT", "/Users/" + id, io.MultiReader(strings.NewReader(pad(2001))), "", 413, ""},
		{"zipped", "PUT", "/Users/" + id, bytes.NewReader(zipped(t, `{"userName":"a"}`)), "gzip", 200, ""},
		{"zipped, in capitals", "PUT", "/Users/" + id, bytes.NewReader(zipped(t, `{"userName":"a"}`)), "GZIP", 200, ""},
		{"zipped, as large as may be", "PUT", "/Users/" + id, bytes.NewReader(zipped(t, pad(2000))), "gzip", 200, ""},
		{"zipped, too large inside", "PUT", "/Users/" + id, bytes.NewReader(zipped(t, pad(2001))), "gzip", 413, ""},
		{"a bomb", "PUT", "/Users/" + id, bytes.NewReader(zipped(t, pad(1<<20))), "gzip", 413, ""},
		{"said to be zipped", "PUT", "/Users/" + id, strings.NewReader(`{"userName":"a"}`), "gzip", 400, "invalidSyntax"},
		{"zipped and cut off", "PUT", "/Users/" + id, bytes.NewReader(zipped(t, pad(500))[:30]), "gzip", 400, "invalidSyntax"},
		{"zipped twice", "PUT", "/Users/" + id, bytes.NewReader(zipped(t, `{"userName":"a"}`)), "gzip, gzip", 415, ""},
		{"another compression", "PUT", "/Users/" + id, strings.NewReader(`{"userName":"a"}`), "br", 415, ""},
		{"no compression, said", "PUT", "/Users/" + id, strings.NewReader(`{"userName":"a"}`), "identity", 200, ""},
		{"broken off", "PUT", "/Users/" + id, torn{strings.NewReader(`{"userName"`)}, "", 400, "invalidSyntax"},
		{"nothing", "PUT", "/Users/" + id, strings.NewReader(""), "", 400, "invalidSyntax"},
		{"white space", "PUT", "/Users/" + id, strings.NewReader("  \n"), "", 400, "invalidSyntax"},
		{"null", "PUT", "/Users/" + id, strings.NewReader("null"), "", 400, "invalidSyntax"},
		{"a list", "POST", "/Users", strings.NewReader("[]"), "", 400, "invalidSyntax"},
		{"half an object", "POST", "/Users", strings.NewReader(`{"userName":`), "", 400, "invalidSyntax"},
		{"more behind it", "POST", "/Users", strings.NewReader(`{"userName":"b"}{}`), "", 400, "invalidSyntax"},
		{"the same name twice", "POST", "/Users", strings.NewReader(`{"userName":"b","userName":"c"}`), "", 400, "invalidSyntax"},
		{"the same name in another case", "POST", "/Users", strings.NewReader(`{"userName":"b","USERNAME":"c"}`), "", 400, "invalidSyntax"},
		{"the same name twice in what is dropped", "POST", "/Users", strings.NewReader(`{"userName":"b","x":{"a":1,"a":2}}`), "", 400, "invalidSyntax"},
		{"invalid UTF-8", "POST", "/Users", strings.NewReader("{\"userName\":\"\xff\"}"), "", 400, "invalidSyntax"},
		{"invalid UTF-8 in what is dropped", "POST", "/Users", strings.NewReader("{\"userName\":\"b\",\"x\":\"\xff\"}"), "", 400, "invalidSyntax"},
		{"a lone surrogate", "POST", "/Users", strings.NewReader(`{"userName":"\ud800"}`), "", 400, "invalidSyntax"},
		{"too deep", "POST", "/Users", strings.NewReader(`{"userName":"b","x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`), "", 400, "invalidSyntax"},
		{"a long string", "POST", "/Users", strings.NewReader(`{"userName":"` + strings.Repeat("b", 501) + `"}`), "", 400, "invalidValue"},
		{"members, as many as may be", "PUT", "/Groups/" + group, strings.NewReader(`{"displayName":"g","members":[` + many(50, `"m%d"`) + `]}`), "", 200, ""},
		{"too many members", "PUT", "/Groups/" + group, strings.NewReader(`{"displayName":"g","members":[` + many(51, `"m%d"`) + `]}`), "", 413, ""},
		{"too many members by PATCH", "PATCH", "/Groups/" + group, strings.NewReader(`{"Operations":[{"op":"add","path":"members","value":[` + many(51, `"m%d"`) + `]}]}`), "", 413, ""},
		{"too many members by two operations", "PATCH", "/Groups/" + group, strings.NewReader(`{"Operations":[{"op":"add","path":"members","value":[` + many(26, `"m%d"`) + `]},{"op":"remove","path":"members","value":[` + many(26, `"m%d"`) + `]}]}`), "", 413, ""},
		{"too many operations", "PATCH", "/Users/" + id, strings.NewReader(`{"Operations":[` + many(6, `{"op":"add","path":"locale","value":"l%d"}`) + `]}`), "", 413, ""},
		{"no operations", "PATCH", "/Users/" + id, strings.NewReader(`{"Operations":[]}`), "", 200, ""},
		{"no list of operations", "PATCH", "/Users/" + id, strings.NewReader(`{}`), "", 400, "invalidSyntax"},
		{"a byte order mark", "PUT", "/Users/" + id, strings.NewReader("\ufeff" + `{"userName":"a"}`), "", 400, "invalidSyntax"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := *e
			e.t = t
			a := e.sendFrom(c.method, c.target, c.body, header{"Content-Encoding", c.encoding})
			if c.status >= 400 {
				if detail := a.wantError(c.status, c.scimType); strings.Contains(detail, "bbbb") {
					t.Errorf("the detail has a value: %s", detail)
				}
				return
			}
			a.want(c.status)
		})
	}
}
