package faulty

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
)

type object = map[string]any

// exchange is a request with its answer. A fault alters the request, calls pass
// for the service's answer and alters that, or refuses the request.
type exchange struct {
	next http.Handler
	r    *http.Request
	path string // below the base URL
	raw  []byte // the request's body
	in   object // the same; nil where it is no object

	status int // 0 until there is an answer
	header http.Header
	body   []byte
	out    object // the same; nil where it is no object
}

func newExchange(next http.Handler, r *http.Request) (*exchange, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	x := &exchange{next: next, r: r, path: strings.TrimPrefix(r.URL.Path, Path), raw: raw}
	x.in = decode(raw)
	return x, nil
}

func decode(text []byte) object {
	var o object
	if json.Unmarshal(text, &o) != nil {
		return nil
	}
	return o
}

// pass asks the service, once.
func (x *exchange) pass() {
	if x.status != 0 {
		return
	}
	x.serve(x.r.Method, x.r.URL, x.raw)
}

// again asks the service anew in place of the answer that there is.
func (x *exchange) again() { x.serve(x.r.Method, x.r.URL, x.raw) }

func (x *exchange) serve(method string, u *url.URL, body []byte) {
	x.status, x.header, x.body = x.ask(method, u, body)
	x.out = decode(x.body)
}

func (x *exchange) ask(method string, u *url.URL, body []byte) (int, http.Header, []byte) {
	r := x.r.Clone(x.r.Context())
	r.Method, r.URL, r.RequestURI = method, u, u.RequestURI()
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	x.next.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.Bytes()
}

// read returns a resource as it is now, nil where there is none.
func (x *exchange) read(path string) object {
	r := x.r.Clone(x.r.Context())
	r.Method, r.URL, r.Body, r.ContentLength = http.MethodGet, &url.URL{Path: Path + path}, http.NoBody, 0
	r.RequestURI = r.URL.RequestURI()
	r.Header.Del("If-Match")
	r.Header.Del("If-None-Match")
	w := httptest.NewRecorder()
	x.next.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil
	}
	return decode(w.Body.Bytes())
}

// sends replaces the request's body by what x.in has become.
func (x *exchange) sends() {
	text, err := json.Marshal(x.in)
	if err != nil {
		panic(err) // it was JSON before
	}
	x.raw = text
}

// answers replaces the answer's body by what x.out has become.
func (x *exchange) answers() {
	text, err := json.Marshal(x.out)
	if err != nil {
		panic(err) // it was JSON before
	}
	x.body = text
}

// refuse answers with an error in the form of RFC 7644 §3.12.
func (x *exchange) refuse(status int, scimType, detail string) {
	x.status, x.header = status, http.Header{"Content-Type": {"application/scim+json"}}
	x.out = object{"schemas": []any{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": strconv.Itoa(status), "detail": detail}
	if scimType != "" {
		x.out["scimType"] = scimType
	}
	x.answers()
}

// done answers with success and nothing else.
func (x *exchange) done() {
	x.status, x.header, x.body, x.out = http.StatusNoContent, http.Header{}, nil, nil
}

func (x *exchange) finish(w http.ResponseWriter) {
	x.pass()
	maps.Copy(w.Header(), x.header)
	w.Header().Del("Content-Length")
	w.WriteHeader(x.status)
	if x.status != http.StatusNoContent && x.status != http.StatusNotModified {
		_, _ = w.Write(x.body) // a client that has gone is none to answer
	}
}

// is reports whether the request has a method, and is for a resource type:
// with an id or, for POST and lists, without.
func (x *exchange) is(method, endpoint string) bool {
	return x.r.Method == method && x.endpoint() == endpoint
}

// endpoint returns Users, Groups and so on.
func (x *exchange) endpoint() string {
	e, _, _ := strings.Cut(strings.TrimLeft(x.path, "/"), "/")
	return e
}

// id returns the id in the path, empty for none.
func (x *exchange) id() string {
	_, id, _ := strings.Cut(strings.TrimLeft(x.path, "/"), "/")
	return id
}

// query returns the value of a parameter.
func (x *exchange) query(name string) string { return x.r.URL.Query().Get(name) }

// without takes a parameter out of the request.
func (x *exchange) without(name string) {
	u := *x.r.URL
	q := u.Query()
	q.Del(name)
	u.RawQuery = q.Encode()
	x.r.URL = &u
}

// with sets a parameter of the request.
func (x *exchange) with(name, value string) {
	u := *x.r.URL
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	x.r.URL = &u
}

// each calls f for every resource of the answer, and puts what f leaves into it.
func (x *exchange) each(f func(o object)) {
	if x.out == nil || x.status >= 400 {
		return
	}
	list, ok := x.out["Resources"].([]any)
	if !ok {
		list = []any{x.out}
	}
	for _, v := range list {
		if o, ok := v.(object); ok {
			f(o)
		}
	}
	x.answers()
}

// operations returns those of a PATCH.
func (x *exchange) operations() []object {
	if x.r.Method != http.MethodPatch || x.in == nil {
		return nil
	}
	list, _ := field(x.in, "Operations").([]any)
	var ops []object
	for _, v := range list {
		if o, ok := v.(object); ok {
			ops = append(ops, o)
		}
	}
	return ops
}

// field returns a member whose name is in any case.
func field(o object, name string) any {
	for k, v := range o {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// word returns a member that is a string.
func word(o object, name string) string {
	s, _ := field(o, name).(string)
	return s
}

// drop takes a member out whose name is in any case.
func drop(o object, name string) {
	for k := range o {
		if strings.EqualFold(k, name) {
			delete(o, k)
		}
	}
}
