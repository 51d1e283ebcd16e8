package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Response is an answer, read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	JSON   map[string]any // nil where the body is no JSON object

	method, url, sent string
}

// String shows the request and the response, for failures.
func (r *Response) String() string {
	return fmt.Sprintf("> %s %s\n> %s\n< %d %s\n< %s", r.method, r.url, cut(r.sent), r.Status, r.Header, cut(string(r.Body)))
}

func cut(s string) string {
	if len(s) > 4000 {
		return s[:4000] + "…"
	}
	return s
}

// Want ends the test unless the response has the status.
func (r *Response) Want(t testing.TB, status int) *Response {
	t.Helper()
	if r.Status != status {
		t.Fatalf("status %d, want %d\n%s", r.Status, status, r)
	}
	return r
}

// WantError checks for a SCIM error with the status and keyword (may be empty),
// whose detail contains each of the words.
func (r *Response) WantError(t testing.TB, status int, scimType string, words ...string) *Response {
	t.Helper()
	r.Want(t, status)
	got, _ := r.JSON["scimType"].(string)
	if got != scimType {
		t.Errorf("scimType %q, want %q\n%s", got, scimType, r)
	}
	detail, _ := r.JSON["detail"].(string)
	for _, w := range words {
		if !strings.Contains(detail, w) {
			t.Errorf("the detail does not mention %q\n%s", w, r)
		}
	}
	return r
}

// ID returns the resource's id and ends the test where there is none.
func (r *Response) ID(t testing.TB) string {
	t.Helper()
	id, ok := r.JSON["id"].(string)
	if !ok || id == "" {
		t.Fatalf("no id\n%s", r)
	}
	return id
}

// ETag returns the header of that name.
func (r *Response) ETag() string { return r.Header.Get("ETag") }

// Field walks into the body by member names and array indexes; nil where there
// is nothing.
func (r *Response) Field(path ...any) any { return Field(r.JSON, path...) }

// Field walks into a JSON value by member names and array indexes.
func Field(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			a, _ := v.([]any)
			if p >= len(a) {
				return nil
			}
			v = a[p]
		}
	}
	return v
}

// WantField compares one value of the body; want is given as JSON decodes, and
// nil stands for absent.
func (r *Response) WantField(t testing.TB, want any, path ...any) *Response {
	t.Helper()
	if d := cmp.Diff(plain(want), r.Field(path...)); d != "" {
		t.Errorf("%v (-want +got):\n%s\n%s", path, d, r)
	}
	return r
}

// plain turns a value into what encoding/json would decode it to.
func plain(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}

// List returns the resources of a ListResponse.
func (r *Response) List(t testing.TB) []M {
	t.Helper()
	r.Want(t, 200)
	if d := cmp.Diff(A{ListURN}, r.JSON["schemas"]); d != "" {
		t.Fatalf("not a ListResponse\n%s", r)
	}
	list := []M{}
	all, _ := r.JSON["Resources"].([]any)
	for _, e := range all {
		m, ok := e.(map[string]any)
		if !ok {
			t.Fatalf("a resource is no object\n%s", r)
		}
		list = append(list, m)
	}
	return list
}

// WantList returns the resources of a ListResponse with that total.
func (r *Response) WantList(t testing.TB, total int) []M {
	t.Helper()
	list := r.List(t)
	if got := r.JSON["totalResults"]; got != float64(total) {
		t.Fatalf("totalResults %v, want %d\n%s", got, total, r)
	}
	return list
}

// WantIDs compares the ids in a ListResponse, in any order.
func (r *Response) WantIDs(t testing.TB, ids ...string) *Response {
	t.Helper()
	return r.wantIDs(t, slices.Sorted(slices.Values(ids)), slices.Sorted(slices.Values(r.ids(t))))
}

// WantOrder compares the ids in a ListResponse, in this order.
func (r *Response) WantOrder(t testing.TB, ids ...string) *Response {
	t.Helper()
	return r.wantIDs(t, ids, r.ids(t))
}

func (r *Response) ids(t testing.TB) []string {
	t.Helper()
	var ids []string
	for _, m := range r.List(t) {
		id, _ := m["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

func (r *Response) wantIDs(t testing.TB, want, got []string) *Response {
	t.Helper()
	if d := cmp.Diff(append([]string{}, want...), append([]string{}, got...)); d != "" {
		t.Errorf("ids (-want +got):\n%s\n%s", d, r)
	}
	return r
}

// WantGolden compares the whole body with a JSON text in which "{{time}}" stands
// for any date and time in UTC, "{{version}}" for any version and "{{id}}" for
// any id; vars are "name", "value" pairs for other {{name}}s.
func (r *Response) WantGolden(t testing.TB, want string, vars ...string) *Response {
	t.Helper()
	var replace []string
	for i := 0; i+1 < len(vars); i += 2 {
		b, _ := json.Marshal(vars[i+1])
		replace = append(replace, "{{"+vars[i]+"}}", strings.Trim(string(b), `"`))
	}
	var tree any
	if err := json.Unmarshal([]byte(strings.NewReplacer(replace...).Replace(want)), &tree); err != nil {
		t.Fatalf("golden text: %v", err)
	}
	var got any
	if err := json.Unmarshal(r.Body, &got); err != nil {
		t.Fatalf("body: %v\n%s", err, r)
	}
	if d := cmp.Diff(tree, generalise(tree, got)); d != "" {
		t.Errorf("body (-want +got):\n%s\n%s", d, r)
	}
	return r
}

var (
	versionForm = regexp.MustCompile(`^W/"[0-9]{16}"$`)
	idForm      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~@+:-]{0,127}$`)
)

// generalise puts the placeholders of want where got has a fitting value.
func generalise(want, got any) any {
	switch g := got.(type) {
	case map[string]any:
		w, _ := want.(map[string]any)
		out := map[string]any{}
		for k, v := range g {
			out[k] = generalise(w[k], v)
		}
		return out
	case []any:
		w, _ := want.([]any)
		out := make([]any, len(g))
		for i, v := range g {
			var e any
			if i < len(w) {
				e = w[i]
			}
			out[i] = generalise(e, v)
		}
		return out
	case string:
		fits := false
		switch want {
		case "{{time}}":
			at, err := time.Parse(time.RFC3339Nano, g)
			fits = err == nil && strings.HasSuffix(g, "Z") && time.Since(at).Abs() < time.Hour
		case "{{version}}":
			fits = versionForm.MatchString(g)
		case "{{id}}":
			fits = idForm.MatchString(g)
		}
		if fits {
			return want
		}
	}
	return got
}

// Problems lists what no response of a SCIM service may look like, whatever was
// asked: a wrong media type, an error that is not RFC 7644 §3.12's, a null, a
// version that is not the ETag, a list that does not add up, and the like.
func (r *Response) Problems() []string {
	var p []string
	add := func(format string, args ...any) { p = append(p, fmt.Sprintf(format, args...)) }
	empty := len(r.Body) == 0
	if ct := r.Header.Get("Content-Type"); !empty && !strings.HasPrefix(ct, "application/scim+json") {
		add("Content-Type %q", ct)
	}
	if (r.Status == 204 || r.Status == 304) && !empty {
		add("a %d with a body", r.Status)
	}
	if !empty && r.JSON == nil && r.method != "HEAD" {
		add("the body is no JSON object")
	}
	if hasNull(r.JSON) {
		add("a null in the body")
	}
	switch {
	case r.Status == 401 && !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer"):
		add("a 401 without a WWW-Authenticate: Bearer header (RFC 7644 §2)")
	case r.Status == 405 && r.Header.Get("Allow") == "":
		add("a 405 without Allow")
	case r.Status == 429 || r.Status == 503:
		if n, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || n < 1 {
			add("Retry-After %q is no whole number of seconds", r.Header.Get("Retry-After"))
		}
	}
	if r.Status >= 400 && r.method != "HEAD" {
		p = append(p, r.errorProblems()...)
	}
	if r.Status < 300 && r.JSON != nil {
		if cmp.Equal(r.JSON["schemas"], A{ListURN}) {
			p = append(p, listProblems(r.JSON)...)
		} else {
			p = append(p, r.resourceProblems()...)
		}
	}
	return p
}

var errorTypes = []string{"", "invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget",
	"invalidValue", "invalidVers", "sensitive", "invalidCursor", "expiredCursor", "invalidCount"}

func (r *Response) errorProblems() []string {
	var p []string
	for k := range r.JSON {
		if !slices.Contains([]string{"schemas", "status", "scimType", "detail"}, k) {
			p = append(p, "an Error with a member "+k)
		}
	}
	if !cmp.Equal(r.JSON["schemas"], A{ErrorURN}) {
		p = append(p, "an error without the Error schema")
	}
	if r.JSON["status"] != strconv.Itoa(r.Status) {
		p = append(p, fmt.Sprintf("an Error with status %v", r.JSON["status"]))
	}
	if d, _ := r.JSON["detail"].(string); d == "" {
		p = append(p, "an Error without a detail")
	}
	if _, has := r.JSON["scimType"]; has && !slices.Contains(errorTypes[1:], fmt.Sprint(r.JSON["scimType"])) {
		p = append(p, fmt.Sprintf("an Error with scimType %v", r.JSON["scimType"]))
	}
	return p
}

func (r *Response) resourceProblems() []string {
	var p []string
	if _, ok := r.JSON["schemas"].([]any); !ok {
		p = append(p, "a resource without schemas")
	}
	if v, ok := Field(r.JSON, "meta", "version").(string); ok && r.Header.Get("ETag") != v && r.Header.Get("ETag") != "" {
		p = append(p, fmt.Sprintf("meta.version %s, ETag %s", v, r.Header.Get("ETag")))
	}
	if tag := r.Header.Get("ETag"); tag != "" && Field(r.JSON, "meta", "version") != nil && !versionForm.MatchString(tag) {
		p = append(p, "an ETag of another form: "+tag)
	}
	location, _ := Field(r.JSON, "meta", "location").(string)
	if r.Status == 201 && r.Header.Get("Location") == "" {
		p = append(p, "a 201 without Location (RFC 7644 §3.3)")
	}
	if h := r.Header.Get("Location"); h != "" && location != "" && h != location {
		p = append(p, fmt.Sprintf("Location %s, meta.location %s", h, location))
	}
	if id, ok := r.JSON["id"].(string); ok && location != "" && !strings.HasSuffix(location, "/"+id) {
		p = append(p, "meta.location does not end in the id")
	}
	return p
}

func listProblems(m M) []string {
	var p []string
	for k := range m {
		if !slices.Contains([]string{"schemas", "totalResults", "startIndex", "itemsPerPage", "Resources", "nextCursor", "previousCursor"}, k) {
			p = append(p, "a ListResponse with a member "+k)
		}
	}
	list, _ := m["Resources"].([]any)
	total, ok := m["totalResults"].(float64)
	if !ok || int(total) < len(list) {
		p = append(p, fmt.Sprintf("totalResults %v with %d resources", m["totalResults"], len(list)))
	}
	if n, ok := m["itemsPerPage"].(float64); ok && int(n) != len(list) {
		p = append(p, fmt.Sprintf("itemsPerPage %v with %d resources", n, len(list)))
	}
	for _, e := range list {
		if Field(e, "schemas") == nil || Field(e, "id") == nil {
			p = append(p, "a resource without schemas or id in a list")
		}
	}
	return p
}

func hasNull(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if e == nil || hasNull(e) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if e == nil || hasNull(e) {
				return true
			}
		}
	}
	return false
}
