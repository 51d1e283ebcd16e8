package doctor_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
	"github.com/caddy-scim/caddy-scim/interop/doctor"
)

// writing is a file with every way to make something: create, create again after
// a delete, bulk, a member whom nobody knows, a name changed by PATCH, a create
// that no answer names, and creates at the same time.
const writing = header + `### A user
POST /Users

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "{{user1}}", "externalId": "{{ext1}}"}
---
201
{"id": "{{a}}"}
else: wrong

### It goes
DELETE /Users/{{a}}

---
204
else: wrong

### It comes back
POST /Users

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "{{user1}}", "externalId": "{{ext1}}"}
---
201
{"id": "{{a}}"}
else: wrong

### It is renamed
PATCH /Users/{{a}}

{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "path": "userName", "value": "o'neil+{{user2}}"}]}
---
200 204
else: wrong

### A group with a stranger
POST /Groups

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "{{group1}}", "members": [{"value": "{{a}}"}, {"value": "{{guid2}}"}, {"value": "{{user3}}"}]}
---
201
{"id": "{{g}}"}
else: wrong

### Two in bulk
POST /Bulk

{"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
  {"method": "POST", "path": "/Users", "bulkId": "b1", "data": {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "{{user4}}"}},
  {"method": "POST", "path": "/Groups", "bulkId": "b2", "data": {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "{{group2}}", "members": [{"value": "bulkId:b1"}]}},
  {"method": "PATCH", "path": "/Groups/bulkId:b2", "data": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "path": "externalId", "value": "{{ext2}}"}]}},
  {"method": "DELETE", "path": "/Groups/{{g}}"}]}
---
200
else: wrong

### One of two
concurrently:
POST /Users

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "{{user5}}"}
---
201
else: wrong

### The other of two
concurrently:
POST /Users

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "{{user6}}"}
---
201
else: wrong
`

func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	s := newServer(t, "*")
	r := play(t, options(s, newCorpus(t, map[string]string{"writing": writing})))
	if f := situation(t, r, "one/writing"); f.Outcome != doctor.Passed {
		t.Fatalf("%+v", f.Problem)
	}
	if !r.Good() || !r.Archived {
		t.Errorf("good %v, archived %v", r.Good(), r.Archived)
	}
	s.wantLeft(t, 0, 0)
}

// cutting fails all requests from the n-th on, as a process that is killed.
type cutting struct {
	after int64
	n     atomic.Int64
}

func (c *cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	n := c.n.Add(1)
	if n > c.after {
		return nil, errors.New("killed")
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if n == c.after && err == nil {
		res.Body.Close()
		return nil, errors.New("killed while the answer was under way")
	}
	return res, err
}

// Wherever a run is interrupted, it leaves nothing; wherever it is killed, the
// clean-up leaves nothing.
func TestInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	c := newCorpus(t, map[string]string{"writing": writing})
	s := newServer(t, "*")
	all := play(t, options(s, c)).Requests
	if all < 12 {
		t.Fatalf("only %d requests", all)
	}
	for n := 4; n <= all; n++ { // the first 3 only look
		s := newServer(t, "*")
		ctx, cancel := context.WithCancel(t.Context())
		s.hook = func(i int, _ http.ResponseWriter, _ *http.Request) bool {
			if i == n {
				cancel()
			}
			return false
		}
		r, err := doctor.Run(ctx, options(s, c))
		cancel()
		if err != nil {
			t.Fatalf("interrupted at request %d: %v", n, err)
		}
		if !r.Interrupted || r.Good() || len(r.Leftovers) > 0 {
			t.Errorf("interrupted at request %d: %+v", n, r)
		}
		s.wantLeft(t, 0, 0)

		s = newServer(t, "*")
		o := options(s, c)
		o.HTTP = &cutting{after: int64(n)}
		if _, err := doctor.Run(t.Context(), o); err != nil {
			t.Fatalf("killed at request %d: %v", n, err)
		}
		done, err := doctor.Cleanup(t.Context(), options(s, c))
		if err != nil || len(done.Leftovers) > 0 {
			t.Fatalf("killed at request %d, cleaned: %v %+v", n, err, done)
		}
		s.wantLeft(t, 0, 0)
		if t.Failed() {
			t.Fatalf("at request %d of %d", n, all)
		}
	}
}

// The same with the files that are shipped, at some requests.
func TestCorpusInterrupted(t *testing.T) {
	t.Parallel()
	c, err := corpus.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for n := 300; n < 1800; n += 467 {
		s := newServer(t, "*")
		ctx, cancel := context.WithCancel(t.Context())
		s.hook = func(i int, _ http.ResponseWriter, _ *http.Request) bool {
			if i == n {
				cancel()
			}
			return false
		}
		o := options(s, c)
		o.MaxRequests = 20000
		_, err := doctor.Run(ctx, o)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		s.wantLeft(t, 0, 0)

		s = newServer(t, "*")
		o = options(s, c)
		o.MaxRequests = 20000
		o.HTTP = &cutting{after: int64(n)}
		if _, err := doctor.Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		o = options(s, c)
		o.MaxRequests = 20000
		if _, err := doctor.Cleanup(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		s.wantLeft(t, 0, 0)
		if t.Failed() {
			t.Fatalf("at request %d", n)
		}
	}
}

const somebody = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"grace.hopper@example.com","title":"Rear Admiral","name":{"familyName":"Hopper"}}`

// stranger is a file that gets hold of somebody else's id, and what is sent then.
func stranger(request string) string {
	return header + `### Whoever is there
GET /Users?count=1

---
200
{"Resources": ["{{...}}", {"id": "{{a}}"}]}
else: wrong

### A group
POST /Groups

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "{{group1}}"}
---
201
{"id": "{{g}}"}
else: wrong

### What must not be sent
` + request + `
---
200 201 204
else: wrong
`
}

// Nothing is sent that would change what the doctor did not create.
func TestForeignIDs(t *testing.T) {
	t.Parallel()
	const patch = `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "value": {"active": false}}]}`
	rows := map[string]string{
		"delete":     "DELETE /Users/{{a}}\n",
		"patch":      "PATCH /Users/{{a}}\n\n" + patch,
		"put":        "PUT /users/{{a}}?x\n\n" + `{"userName": "{{user1}}"}`,
		"double":     "DELETE //Users//{{a}}/\n",
		"dots":       "DELETE /Groups/{{g}}/../../Users/{{a}}\n",
		"dots-only":  "DELETE /Groups/%2e%2e/Users\n",
		"collection": "DELETE /Users\n",
		"unknown":    "DELETE /Users/1\n",
		"elsewhere":  "POST /Me\n\n{}",
		"base":       "DELETE /\n",
		"as-group":   "DELETE /Users/{{g}}\n",
		"bulk":       "POST /Bulk\n\n" + `{"Operations": [{"method": "delete", "path": "/Users/1"}]}`,
		"bulk-own":   "POST /Bulk\n\n" + `{"Operations": [{"method": "DELETE", "path": "/Users/{{a}}"}]}`,
		"member":     "PATCH /Groups/{{g}}\n\n" + `{"Operations": [{"op": "add", "path": "members", "value": [{"value": "{{a}}"}]}]}`,
		"manager":    "POST /Users\n\n" + `{"userName": "{{user1}}", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "{{a}}"}}}`,
	}
	for name, request := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "*")
			id, _ := s.ask(t, "POST", "/Users", somebody)["id"].(string)
			before := len(s.requests())
			r := play(t, options(s, newCorpus(t, map[string]string{"stranger": stranger(request)})))
			f := situation(t, r, "one/stranger")
			if f.Outcome != doctor.Failed || f.Problem.Finding != corpus.ForeignResource || f.Problem.Received != nil {
				t.Errorf("not refused: %+v", f)
			}
			for _, line := range s.requests()[before:] {
				method, target, _ := strings.Cut(line, " ")
				if method != "GET" && (strings.Contains(target, id) || !strings.HasPrefix(target, "/scim/v2/Groups")) {
					t.Errorf("sent %s", line)
				}
			}
			if u := s.ask(t, "GET", "/Users/"+id, ""); u["active"] == false || u["userName"] != "grace.hopper@example.com" {
				t.Errorf("somebody else was changed: %v", u)
			}
			s.wantLeft(t, 1, 0)
		})
	}
}

// A create that is answered with somebody else's id gives no right to it.
func TestCreateAnsweredWithForeignID(t *testing.T) {
	t.Parallel()
	s := newServer(t, "*")
	id, _ := s.ask(t, "POST", "/Users", somebody)["id"].(string)
	s.hook = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"id":"` + id + `","userName":"x"}`))
		return true
	}
	r := play(t, options(s, newCorpus(t, map[string]string{"create": header + `### Whoever is there
GET /Users

---
200
else: wrong

### A user
POST /Users

{"userName": "{{user1}}"}
---
201
{"id": "{{a}}"}
else: wrong
`})))
	if f := situation(t, r, "one/create"); f.Problem == nil || f.Problem.Finding != corpus.ForeignResource {
		t.Errorf("%+v", f)
	}
	for _, line := range s.requests() {
		if strings.HasPrefix(line, "DELETE") {
			t.Errorf("sent %s", line)
		}
	}
	s.wantLeft(t, 1, 0)
}

func TestMaxRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t, "*")
	o := options(s, newCorpus(t, map[string]string{"writing": writing}))
	o.MaxRequests = 30
	r := play(t, o)
	if r.Requests > 30 || r.Good() || !strings.Contains(r.Stopped, "30 requests") {
		t.Errorf("%d requests, stopped %q", r.Requests, r.Stopped)
	}
	if f := situation(t, r, "one/writing"); f.Outcome != doctor.NotReached || f.Played == 0 {
		t.Errorf("%+v", f)
	}
	s.wantLeft(t, 0, 0)
}

func TestRate(t *testing.T) {
	t.Parallel()
	s := newServer(t, "*")
	o := options(s, newCorpus(t, map[string]string{"writing": writing}))
	o.Rate = 100
	begun := time.Now()
	r := play(t, o)
	if least := time.Duration(r.Requests-2) * 10 * time.Millisecond; time.Since(begun) < least {
		t.Errorf("%d requests in %s, want at least %s", r.Requests, time.Since(begun), least)
	}
}

// Steps that belong together are under way at the same time.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	s := newServer(t, "*")
	both := make(chan struct{})
	var inside atomic.Int32
	s.hook = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if r.URL.RawQuery == "both" {
			if inside.Add(1) == 2 {
				close(both)
			}
			<-both // or the request runs into its timeout
		}
		return false
	}
	step := "### One of two\nconcurrently:\nGET /Users?both\n\n---\n200\nelse: wrong\n\n"
	r := play(t, options(s, newCorpus(t, map[string]string{"both": header + step + step})))
	if f := situation(t, r, "one/both"); f.Outcome != doctor.Passed || f.Played != 2 {
		t.Errorf("%+v", f)
	}
}

// A server that asks for a pause gets it; one that stops answering ends the run.
func TestPausesAndSilence(t *testing.T) {
	t.Parallel()
	get := header + "### A query\nGET /Users?probe\n\n---\n200\nelse 429: poor\nelse: wrong\n"
	t.Run("retry", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, "*")
		var asked atomic.Int32
		s.hook = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.RawQuery != "probe" || asked.Add(1) > 2 {
				return false
			}
			w.Header().Set("Retry-After", "0")
			w.WriteHeader([]int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[asked.Load()-1])
			return true
		}
		r := play(t, options(s, newCorpus(t, map[string]string{"get": get})))
		if f := situation(t, r, "one/get"); f.Outcome != doctor.Passed || asked.Load() != 3 {
			t.Errorf("%+v after %d requests", f, asked.Load())
		}
	})
	t.Run("always", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, "*")
		s.hook = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.RawQuery != "probe" {
				return false
			}
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		r := play(t, options(s, newCorpus(t, map[string]string{"get": get})))
		if f := situation(t, r, "one/get"); f.Outcome != doctor.Degraded || f.Problem.Finding != "poor" {
			t.Errorf("%+v", f)
		}
	})
	t.Run("silence", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, "*")
		s.hook = func(n int, w http.ResponseWriter, _ *http.Request) bool {
			if n > 3 {
				panic(http.ErrAbortHandler)
			}
			return false
		}
		r := play(t, options(s, newCorpus(t, map[string]string{"b1": get, "b2": get, "b3": get, "b4": get})))
		if f := situation(t, r, "one/b1"); f.Outcome != doctor.Failed || f.Problem.Finding != corpus.NoAnswer {
			t.Errorf("%+v", f)
		}
		if f := situation(t, r, "one/b4"); f.Outcome != doctor.NotReached || r.Stopped != "the server stopped answering" || r.Good() {
			t.Errorf("%+v, stopped %q", f, r.Stopped)
		}
	})
}

// What the server does not have is not asked for, and what it says it does not
// keep is a loss, not a fault.
func TestNeeds(t *testing.T) {
	t.Parallel()
	need := func(words string) string {
		return "client: one\ntitle: Title\nsource: RFC 7644\nneeds: " + words + "\n\n### A query\nGET /Users?count=0\n\n---\n200\nelse: wrong\n"
	}
	files := map[string]string{
		"patch": need("patch, bulk, filter, sort, etag"), "star": need("allow:*"), "default": need("allow:default"), "own": need("own"),
		"title": need("attribute:title"), "name": need("attribute:name.givenName"), "nested": need("attribute:name.honorificPrefix"),
		"department": need("attribute:urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"),
		"manager":    need("attribute:urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"),
		"loss": header + `### A user with a title
POST /Users

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "{{user1}}", "title": "T", "locale": "en"}
---
201
{"id": "{{a}}", "title": "T", "locale": "en"}
else: wrong

### It is there
GET /Users/{{a}}

---
200
else: wrong
`,
		"list": header + "### A list that is no list\nGET /Users?count=0\n\n---\n200\n{\"totalResults\": 7, \"nextCursor\": \"x\"}\nelse: wrong\n",
		"fault": header + `### A user with a locale
POST /Users

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "{{user1}}", "locale": "en"}
---
201
{"title": "T", "locale": "fr"}
else: wrong
`,
	}
	s := newServer(t, "default")
	r := play(t, options(s, newCorpus(t, files)))
	var got []string
	for _, f := range r.Clients[0].Files {
		got = append(got, strings.TrimPrefix(f.Name, "one/")+" "+string(f.Outcome))
	}
	want := []string{"always passed", "default passed", "department passed", "fault failed", "list failed", "loss degraded", "manager not supported", "name passed",
		"nested not supported", "own passed", "patch passed", "star not supported", "title not supported"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if f := situation(t, r, "one/loss"); f.Problem.Finding != corpus.AttributeNotKept || f.Played != 2 {
		t.Errorf("%+v", f)
	}
	s.wantLeft(t, 0, 0)
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t, "*")
	search := header + "### A search\nPOST /Users/.search\n\n" + `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": 1}` + "\n---\n200\nelse: wrong\n"
	o := options(s, newCorpus(t, map[string]string{"writing": writing, "search": search}))
	o.ReadOnly = true
	r := play(t, o)
	if a, b := situation(t, r, "one/writing").Outcome, situation(t, r, "one/search").Outcome; a != doctor.NotReached || b != doctor.Passed {
		t.Errorf("writing %s, search %s", a, b)
	}
	for _, line := range s.requests() {
		if !strings.HasPrefix(line, "GET ") && !strings.Contains(line, ".search") {
			t.Errorf("sent %s", line)
		}
	}
}

// A DELETE that is refused is told.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	s := newServer(t, "*")
	s.hook = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return true
		}
		return false
	}
	create, _, _ := strings.Cut(writing, "### It goes")
	r := play(t, options(s, newCorpus(t, map[string]string{"create": create})))
	if len(r.Leftovers) != 1 || r.Leftovers[0].Name != "doctor-"+runID+"-one-create-1@probe.invalid" || !strings.Contains(r.Leftovers[0].Reason, "405") || r.Good() {
		t.Errorf("%+v", r.Leftovers)
	}
	s.wantLeft(t, 1, 0)
}

// A server that ignores filters, or has none, is cleaned up all the same.
func TestCleanupWithoutFilters(t *testing.T) {
	t.Parallel()
	c := newCorpus(t, map[string]string{"writing": writing})
	for name, hook := range map[string]func(int, http.ResponseWriter, *http.Request) bool{
		"ignored": func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			q := r.URL.Query()
			q.Del("filter")
			r.URL.RawQuery = q.Encode()
			return false
		},
		"refused": func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has("filter") {
				return false
			}
			w.WriteHeader(http.StatusNotImplemented)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "*")
			s.hook = hook
			for i := range 230 {
				s.ask(t, "POST", "/Users", strings.Replace(somebody, "grace", "grace"+strings.Repeat("e", i), 1))
			}
			o := options(s, c)
			o.HTTP = &cutting{after: 12}
			if _, err := doctor.Run(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if got := s.ask(t, "GET", "/Users?count=0", "")["totalResults"]; got == float64(230) {
				t.Fatal("the run left nothing to clean up")
			}
			done, err := doctor.Cleanup(t.Context(), options(s, c))
			if err != nil || len(done.Leftovers) > 0 || done.Users == 0 {
				t.Errorf("%v %+v", err, done)
			}
			s.wantLeft(t, 230, 0)
		})
	}
}
