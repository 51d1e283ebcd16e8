package scimmodule

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.create("/Users", `{"userName":"a"}`)
	for _, c := range []struct {
		method, target string
		status         int
		scimType       string
		allow          string
	}{
		{"GET", "", 200, "", ""},
		{"GET", "/", 200, "", ""},
		{"POST", "", 405, "", "GET"},
		{"GET", "/users", 200, "", ""},
		{"GET", "/USERS/" + id, 200, "", ""},
		{"GET", "//Users//" + id + "//", 200, "", ""},
		{"GET", "/Users/", 200, "", ""},
		{"GET", "/Users/nobody", 404, "", ""},
		{"GET", "/Users/" + id + "/x", 404, "", ""},
		{"GET", "/Users/has space", 404, "", ""},
		{"GET", "/Users/" + strings.Repeat("x", 3000), 404, "", ""},
		{"PUT", "/Users", 405, "", "GET, POST"},
		{"DELETE", "/Groups", 405, "", "GET, POST"},
		{"POST", "/Users/" + id, 405, "", "GET, PUT, PATCH, DELETE"},
		{"OPTIONS", "/Users/" + id, 405, "", "GET, PUT, PATCH, DELETE"},
		{"BREW", "/Groups/x", 405, "", "GET, PUT, PATCH, DELETE"},
		{"GET", "/.search", 405, "", "POST"},
		{"GET", "/Users/.search", 405, "", "POST"},
		{"DELETE", "/Groups/.SEARCH", 405, "", "POST"},
		{"GET", "/.search/x", 404, "", ""},
		{"GET", "/Users/.search/x", 404, "", ""},
		{"GET", "/Bulk", 405, "", "POST"},
		{"POST", "/Bulk/x", 404, "", ""},
		{"GET", "/Me", 501, "", ""},
		{"PATCH", "/Me", 501, "", ""},
		{"GET", "/me/x", 501, "", ""},
		{"GET", "/ServiceProviderConfig", 200, "", ""},
		{"GET", "/serviceproviderconfig/", 200, "", ""},
		{"POST", "/ServiceProviderConfig", 405, "", "GET"},
		{"GET", "/ServiceProviderConfig/x", 404, "", ""},
		{"GET", "/ServiceProviderConfig?filter=a", 403, "", ""},
		{"GET", "/ResourceTypes", 200, "", ""},
		{"GET", "/ResourceTypes?filter=name+eq+1", 403, "", ""},
		{"GET", "/ResourceTypes?Filter=name+eq+1", 403, "", ""},
		{"GET", "/ResourceTypes/user", 200, "", ""},
		{"GET", "/ResourceTypes/Device", 404, "", ""},
		{"GET", "/ResourceTypes/User/x", 404, "", ""},
		{"DELETE", "/ResourceTypes/User", 405, "", "GET"},
		{"GET", "/Schemas", 200, "", ""},
		{"GET", "/Schemas?filter=a", 403, "", ""},
		{"GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", 200, "", ""},
		{"GET", "/Schemas/URN:IETF:PARAMS:SCIM:SCHEMAS:CORE:2.0:USER", 200, "", ""},
		{"GET", "/Schemas/" + extURN, 404, "", ""},
		{"PUT", "/Schemas/x", 405, "", "GET"},
		{"GET", "/Devices", 404, "", ""},
		{"POST", "/v1/Users", 404, "", ""},
		{"GET", "/.", 404, "", ""},
		{"GET", "/Users?filter=((", 400, "invalidFilter", ""},
		{"GET", "/Users?filter=title+eq+%22x%22", 400, "invalidFilter", ""},
		{"GET", "/Users?sortBy=title", 400, "invalidPath", ""},
		{"GET", "/Users?sortOrder=up", 400, "invalidValue", ""},
		{"GET", "/Users?cursor=x", 400, "invalidCursor", ""},
		{"GET", "/Users?cursor&count=201", 400, "invalidCount", ""},
	} {
		a := e.send(c.method, c.target, "")
		if a.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.target, a.Code, c.status)
			continue
		}
		if c.status >= 400 {
			detail := a.wantError(c.status, c.scimType)
			if len(detail) > 400 {
				t.Errorf("%s %.50s: a detail of %d bytes", c.method, c.target, len(detail))
			}
		} else {
			a.want(c.status)
		}
		if got := a.Header().Get("Allow"); got != c.allow {
			t.Errorf("%s %s: allow %q, want %q", c.method, c.target, got, c.allow)
		}
		if got := a.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s %s: cache control %q", c.method, c.target, got)
		}
	}
}

func TestHead(t *testing.T) {
	e := newEnv(t)
	id := e.create("/Users", `{"userName":"a"}`)
	s := e.serve()
	for _, path := range []string{"/Users/" + id, "/Users", "/Users/nobody", "/Schemas", ""} {
		ask := func(method string) *http.Response {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/scim/v2"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+secret)
			w, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		get, head := ask("GET"), ask("HEAD")
		gb, err := io.ReadAll(get.Body)
		if err != nil {
			t.Fatal(err)
		}
		hb, err := io.ReadAll(head.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = get.Body.Close()
		_ = head.Body.Close()
		if head.StatusCode != get.StatusCode || len(hb) > 0 || head.ContentLength != int64(len(gb)) {
			t.Errorf("HEAD %s: %d with %d bytes of %d, GET %d", path, head.StatusCode, len(hb), head.ContentLength, get.StatusCode)
		}
		for _, h := range []string{"Content-Type", "ETag"} {
			if head.Header.Get(h) != get.Header.Get(h) {
				t.Errorf("HEAD %s: %s %q, GET %q", path, h, head.Header.Get(h), get.Header.Get(h))
			}
		}
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, name := range []string{"a", "a+b", "a;b", "a&b", "a b", "100%", "ü", `q\"q`} {
		body, err := json.Marshal(map[string]any{"userName": strings.ReplaceAll(name, `\"`, `"`)})
		if err != nil {
			t.Fatal(err)
		}
		e.create("/Users", string(body))
	}
	for _, c := range []struct {
		name, query string
		total       float64
		fails       string
	}{
		{"nothing", "", 8, ""},
		{"an empty query", "?", 8, ""},
		{"empty parts", "?&&=&filter=&count=&startIndex=&sortBy=&attributes=", 8, ""},
		{"unknown parts", "?aadOptscim062020&x=%zz&y=1", 8, ""},
		{"plus for a space", `?filter=userName+eq+"a"`, 1, ""},
		{"escapes", `?filter=userName%20eq%20%22a%22`, 1, ""},
		{"an escaped plus is a plus", `?filter=userName+eq+"a%2Bb"`, 1, ""},
		{"a plus in a value is a space", `?filter=userName+eq+"a+b"`, 1, ""},
		{"a semicolon is part of a value", `?filter=userName+eq+"a;b"`, 1, ""},
		{"an escaped ampersand", `?filter=userName+eq+"a%26b"`, 1, ""},
		{"an escaped percent sign", `?filter=userName+eq+"100%25"`, 1, ""},
		{"unescaped once", `?filter=userName+eq+"100%2525"`, 0, ""},
		{"UTF-8", `?filter=userName+eq+"%C3%BC"`, 1, ""},
		{"capital letters", `?filter=userName+eq+"%C3%9C"`, 1, ""},
		{"an escaped quote", `?filter=userName+eq+"q%5C%22q"`, 1, ""},
		{"an equals sign in a value", `?filter=userName+eq+"a=b"`, 0, ""},
		{"names in any case", `?FILTER=userName+eq+"a"&COUNT=1`, 1, ""},
		{"an unquoted literal", `?filter=userName+eq+a`, 1, ""},
		{"a blank filter", "?filter=+", 8, ""},
		{"a bad escape", `?filter=userName+eq+"a%zz"`, 0, "invalidValue"},
		{"a cut escape", `?filter=userName+eq+"a"%2`, 0, "invalidValue"},
		{"a filter twice", `?filter=userName+eq+"a"&filter=userName+pr`, 0, "invalidValue"},
		{"a filter twice in another case", `?filter=userName+pr&Filter=userName+pr`, 0, "invalidValue"},
		{"the ampersand ends the filter", `?filter=userName+eq+"a&b"`, 0, "invalidFilter"},
		{"a count that is a word", "?count=ten", 0, "invalidValue"},
		{"a count that is a fraction", "?count=1.5", 0, "invalidValue"},
		{"a count beyond all measure", "?count=99999999999999999999", 8, ""},
		{"a start beyond all measure", "?startIndex=99999999999999999999", 8, ""},
		{"a start that is a word", "?startIndex=x", 0, "invalidValue"},
		{"a negative start", "?startIndex=-5", 8, ""},
		{"a negative count", "?count=-5", 8, ""},
		{"a large count", "?count=100000", 8, ""},
		{"in descending order", "?sortBy=userName&sortOrder=Descending", 8, ""},
		{"a long filter", `?filter=userName+eq+"` + strings.Repeat("a", 5000) + `"`, 0, "invalidFilter"},
		{"a deep filter", "?filter=" + strings.Repeat("(", 30) + "userName+pr" + strings.Repeat(")", 30), 0, "invalidFilter"},
		{"a filter of many terms", "?filter=userName+pr" + strings.Repeat("+or+userName+pr", 60), 0, "invalidFilter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := *e
			e.t = t
			a := e.send("GET", "/Users"+c.query, "")
			if c.fails != "" {
				if detail := a.wantError(400, c.fails); len(detail) > 400 {
					t.Errorf("a detail of %d bytes", len(detail))
				}
				return
			}
			o := a.want(200)
			if o["totalResults"] != c.total {
				t.Errorf("%v results, want %v", o["totalResults"], c.total)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.Page = 3; o.Limits.DefaultPage = 2 })
	for _, n := range []string{"a", "b", "c", "d"} {
		e.create("/Users", `{"userName":"`+n+`","locale":"x"}`)
	}
	e.create("/Groups", `{"displayName":"a"}`)
	for _, c := range []struct {
		name, target, body string
		total, items       float64
		fails              string
	}{
		{"nothing asked", "/Users/.search", `{}`, 4, 2, ""},
		{"as the RFC writes it", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"userName sw \"b\"","count":10,"startIndex":1}`, 1, 1, ""},
		{"over both types", "/.search", `{"COUNT":3}`, 5, 3, ""},
		{"groups", "/Groups/.search", `{"sortBy":"displayName","sortOrder":"ascending"}`, 1, 1, ""},
		{"numbers as strings", "/Users/.search", `{"count":"1","startIndex":"4"}`, 4, 1, ""},
		{"nulls", "/Users/.search", `{"count":null,"filter":null,"sortBy":null,"cursor":null,"attributes":null}`, 4, 2, ""},
		{"attributes as a list and as a string", "/Users/.search", `{"attributes":["userName","locale"],"excludedAttributes":"locale"}`, 4, 2, ""},
		{"a cursor", "/Users/.search", `{"cursor":"","count":3}`, 4, 3, ""},
		{"a bad filter", "/Users/.search", `{"filter":"("}`, 0, 0, "invalidFilter"},
		{"a filter of another type", "/Users/.search", `{"filter":1}`, 0, 0, "invalidValue"},
		{"a count that is a word", "/Users/.search", `{"count":"x"}`, 0, 0, "invalidValue"},
		{"a fraction", "/Users/.search", `{"startIndex":1.5}`, 0, 0, "invalidValue"},
		{"no object", "/.search", `[]`, 0, 0, "invalidSyntax"},
		{"no JSON", "/.search", `{`, 0, 0, "invalidSyntax"},
		{"nothing at all", "/.search", "", 0, 0, "invalidSyntax"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := *e
			e.t = t
			a := e.send("POST", c.target, c.body)
			if c.fails != "" {
				a.wantError(400, c.fails)
				return
			}
			o := a.want(200)
			if o["totalResults"] != c.total || o["itemsPerPage"] != c.items || float64(len(o["Resources"].([]any))) != c.items {
				t.Errorf("%s", a.Body)
			}
		})
	}
	// The cursor leads on.
	o := e.send("POST", "/Users/.search", `{"cursor":"","count":3}`).want(200)
	if _, has := o["startIndex"]; has {
		t.Error("a cursor's page has a startIndex")
	}
	next, _ := o["nextCursor"].(string)
	o = e.send("POST", "/Users/.search", `{"cursor":"`+next+`","count":3}`).want(200)
	if len(o["Resources"].([]any)) != 1 || o["nextCursor"] != nil {
		t.Errorf("the last page %v", o)
	}
}
