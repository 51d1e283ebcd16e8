package scimmodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// bigGroup makes a group of n members straight in the store.
func bigGroup(t *testing.T, e *env, n int) string {
	t.Helper()
	id := e.create("/Groups", `{"displayName":"big"}`)
	change := store.MemberChange{Group: id, Pending: true}
	for i := range n {
		change.Add = append(change.Add, store.Member{ID: fmt.Sprintf("m%05d", i), Kind: store.User})
	}
	if _, err := e.store.Commit(t.Context(), "acme", &store.Batch{Time: time.Now().UTC().Truncate(time.Millisecond), Members: []store.MemberChange{change}}); err != nil {
		t.Fatal(err)
	}
	return id
}

func get(t *testing.T, url string) (*http.Response, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = w.Body.Close() }()
	b, err := io.ReadAll(w.Body)
	return w, b, err
}

// A group of 30,000 members is answered whole, in pieces.
func TestStreamedGroup(t *testing.T) {
	const n = 30_000
	e := newEnv(t)
	id := bigGroup(t, e, n)
	s := e.serve()
	for _, path := range []string{"/Groups/" + id, "/Groups", `/Groups/` + id + `?attributes=members.value`} {
		w, b, err := get(t, s.URL+"/scim/v2"+path)
		if err != nil {
			t.Fatal(err)
		}
		var o struct {
			Members   []struct{ Value string }
			Resources []struct{ Members []struct{ Value string } }
		}
		if err := json.Unmarshal(b, &o); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		members := o.Members
		if len(o.Resources) == 1 {
			members = o.Resources[0].Members
		}
		if w.StatusCode != 200 || len(members) != n || w.ContentLength != -1 {
			t.Errorf("%s: %d with %d members, length %d", path, w.StatusCode, len(members), w.ContentLength)
			continue
		}
		for i, m := range members {
			if m.Value != fmt.Sprintf("m%05d", i) {
				t.Fatalf("%s: member %d is %s", path, i, m.Value)
			}
		}
	}
}

// Where reading fails before anything was sent, there is an error; afterwards
// the connection breaks, so that no client takes the part for the whole.
func TestStreamBreaks(t *testing.T) {
	e := newEnv(t)
	id := bigGroup(t, e, 30_000)
	s := e.serve()
	for _, path := range []string{"/Groups/" + id, "/Groups"} {
		for _, at := range []int{1, 2, 8} {
			first := 0
			e.store.mu.Lock()
			e.store.edge = func(n int) error {
				if first == 0 {
					first = n
				}
				if n-first+1 == at {
					return store.ErrUnavailable
				}
				return nil
			}
			e.store.mu.Unlock()
			w, b, err := get(t, s.URL+"/scim/v2"+path)
			switch {
			case at == 1:
				var o map[string]any
				if err != nil || w.StatusCode != 503 || w.Header.Get("Retry-After") == "" || json.Unmarshal(b, &o) != nil || o["status"] != "503" {
					t.Errorf("%s, failing at once: %v, %s", path, err, b)
				}
				for _, h := range []string{"ETag", "Location"} {
					if w != nil && w.Header.Get(h) != "" {
						t.Errorf("%s: an error with the header %s", path, h)
					}
				}
			case err == nil:
				t.Errorf("%s, failing at page %d: answered as if whole, with %d bytes (valid JSON: %t)", path, at, len(b), json.Valid(b))
			case json.Valid(b):
				t.Errorf("%s, failing at page %d: what was sent is valid JSON", path, at)
			}
		}
	}
	e.seen.mu.Lock()
	defer e.seen.mu.Unlock()
	if n := len(e.seen.requests); n != 1+2*3 {
		t.Errorf("%d requests were told of: %v", n, e.seen.requests)
	}
}

// A panic while an answer is under way ends the same way, and is told of.
func TestPanicWhileStreaming(t *testing.T) {
	e := newEnv(t)
	id := bigGroup(t, e, 30_000)
	s := e.serve()
	told := len(e.seen.requests)
	start := e.store.pages
	e.store.edge = func(n int) error {
		if n-start == 5 {
			panic("MARKER")
		}
		return nil
	}
	if _, b, err := get(t, s.URL+"/scim/v2/Groups/"+id); err == nil {
		t.Errorf("answered %d bytes as if whole", len(b))
	}
	e.seen.mu.Lock()
	defer e.seen.mu.Unlock()
	if len(e.seen.requests) != told+1 {
		t.Errorf("told of %v", e.seen.requests[told:])
	}
	if strings.Contains(e.log.String(), "MARKER") {
		t.Error("the panic's value is in the log")
	}
	if !strings.Contains(e.log.String(), "stack") {
		t.Error("the panic's stack is not in the log")
	}
}

// A client that hangs up is no error of the server.
func TestClientHangsUp(t *testing.T) {
	e := newEnv(t)
	id := bigGroup(t, e, 30_000)
	e.log.Reset()
	e.store.edge = nil
	func() {
		defer func() {
			p := recover()
			if err, ok := p.(error); p != nil && (!ok || !errors.Is(err, http.ErrAbortHandler)) {
				panic(p)
			}
		}()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		e.svc.Serve(&hungUp{header: http.Header{}}, r, Target{Path: "/Groups/" + id, Base: base})
	}()
	if strings.Contains(e.log.String(), `"level":"ERROR"`) {
		t.Errorf("log %s", e.log)
	}
}

// hungUp is a connection that the client has closed after the first piece.
type hungUp struct {
	header http.Header
	wrote  int
}

func (d *hungUp) Header() http.Header { return d.header }
func (d *hungUp) WriteHeader(int)     {}
func (d *hungUp) Write(b []byte) (int, error) {
	if d.wrote++; d.wrote > 1 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}
