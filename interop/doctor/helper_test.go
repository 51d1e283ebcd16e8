package doctor_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
	"github.com/caddy-scim/caddy-scim/interop/doctor"
	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

const (
	token = "static-0123456789abcdef"
	runID = "k3x9q2ab"
)

// server is this project's service on a store in memory.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	log  []string // method and target of each request
	hook func(n int, w http.ResponseWriter, r *http.Request) bool
}

// newServer starts one with an allow list.
func newServer(t *testing.T, allow string) *server {
	t.Helper()
	s := &server{}
	var svc *scimmodule.Service
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.log = append(s.log, r.Method+" "+r.RequestURI)
		n, hook := len(s.log), s.hook
		s.mu.Unlock()
		if hook != nil && hook(n, w, r) {
			return
		}
		svc.Serve(w, r, scimmodule.Target{Path: strings.TrimPrefix(r.URL.Path, "/scim/v2"), Base: "http://" + r.Host + "/scim/v2"})
	}))
	t.Cleanup(s.Close)
	var err error
	svc, err = scimmodule.New(scimmodule.Options{
		Store:   memstore.New(store.LogLimit{}),
		Tenants: []scimmodule.Tenant{{Name: "acme", Tokens: []string{token}, Settings: scimmodule.Settings{Allow: []string{allow}, Rate: new(registry.Rate)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) base() string { return s.URL + "/scim/v2" }

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.log...)
}

// ask sends a request of the test's own, beside the hook.
func (s *server) ask(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	s.mu.Lock()
	hook := s.hook
	s.hook = nil
	s.mu.Unlock()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, s.base()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.hook = hook
	s.mu.Unlock()
	var v map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return v
}

// wantLeft checks how many resources there are.
func (s *server) wantLeft(t *testing.T, users, groups int) {
	t.Helper()
	if got := s.ask(t, "GET", "/Users?count=5", "")["totalResults"]; got != float64(users) {
		t.Errorf("%v users are left, want %d: %v", got, users, s.ask(t, "GET", "/Users", "")["Resources"])
	}
	if got := s.ask(t, "GET", "/Groups?count=5", "")["totalResults"]; got != float64(groups) {
		t.Errorf("%v groups are left, want %d: %v", got, groups, s.ask(t, "GET", "/Groups", "")["Resources"])
	}
}

const testFindings = `id: wrong
severity: failed
title: It is wrong.
consequence: Nothing works.
source: this test
config: allow

id: poor
severity: degraded
title: It is poor.
consequence: Little works.
source: this test
config: none

id: no-answer
severity: failed
title: No answer.
consequence: Retried.
source: this test
config: none

id: attribute-not-kept
severity: degraded
title: Not kept.
consequence: Lost.
source: this test
config: allow

id: foreign-resource
severity: failed
title: Somebody else's.
consequence: Overwritten.
source: this test
config: none
`

// header begins a file of the client one.
const header = "client: one\ntitle: Title\nsource: RFC 7644\n\n"

// always is a file that uses the findings, without a request that matters.
const always = header + `### Discovery
GET /ServiceProviderConfig

---
200
else 404: poor
else: wrong
`

// newCorpus makes a corpus of files of the client one.
func newCorpus(t *testing.T, files map[string]string) *corpus.Corpus {
	t.Helper()
	fsys := fstest.MapFS{"clients.txt": {Data: []byte("one: The One\n")}, "findings.txt": {Data: []byte(testFindings)}, "one/always.txt": {Data: []byte(always)}}
	for name, text := range files {
		fsys["one/"+name+".txt"] = &fstest.MapFile{Data: []byte(text)}
	}
	c, err := corpus.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// options are those of a run in a hurry.
func options(s *server, c *corpus.Corpus) doctor.Options {
	return doctor.Options{BaseURL: s.base(), Token: token, Corpus: c, Rate: 100000, RunID: runID}
}

func play(t *testing.T, o doctor.Options) *doctor.Report {
	t.Helper()
	r, err := doctor.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// situation returns what became of a file.
func situation(t *testing.T, r *doctor.Report, name string) doctor.FileReport {
	t.Helper()
	for _, c := range r.Clients {
		for _, f := range c.Files {
			if f.Name == name {
				return f
			}
		}
	}
	t.Fatalf("no situation %s", name)
	return doctor.FileReport{}
}
