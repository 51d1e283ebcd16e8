package resilience

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/boltstore"
)

// slow is a request that the server has begun to serve: it waits for the body.
type slow struct {
	name     string
	body     []byte
	pipe     *io.PipeWriter
	answered chan *http.Response
	failed   chan error
}

// begin sends a request but for its body, and returns when the server's handler
// asks for that (RFC 9110 §10.1.1).
func begin(t *testing.T, c *e2e.Client, method, path string, body any) *slow {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	s := &slow{name: method + " " + path, body: data, pipe: w, answered: make(chan *http.Response, 1), failed: make(chan error, 1)}
	wanted := make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(wanted) }})
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, r)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(data))
	for name, value := range map[string]string{"Authorization": "Bearer " + c.Token, "Content-Type": "application/scim+json", "Expect": "100-continue"} {
		req.Header.Set(name, value)
	}
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	go func() {
		res, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(req)
		if err != nil {
			s.failed <- err
			return
		}
		s.answered <- res
	}()
	select {
	case <-wanted:
	case err := <-s.failed:
		t.Fatalf("%s: %v", s.name, err)
	case res := <-s.answered:
		t.Fatalf("%s is answered with %d before its body was sent", s.name, res.StatusCode)
	}
	return s
}

// end sends the body and checks the answer.
func (s *slow) end(t *testing.T, status int) {
	t.Helper()
	if _, err := s.pipe.Write(s.body); err != nil {
		t.Errorf("%s: sending the body: %v", s.name, err)
	}
	if err := s.pipe.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-s.failed:
		t.Errorf("%s: %v", s.name, err)
	case res := <-s.answered:
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if res.StatusCode != status || err != nil {
			t.Errorf("%s is answered with %d, want %d: %s (%v)", s.name, res.StatusCode, status, text, err)
		}
	}
}

// Requests that began before a reload which moves the directory elsewhere end on
// the store that they began on, however long they take; it is closed after them.
func TestReloadInFlight(t *testing.T) {
	for _, kind := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, kind, everything)
			c := through(s.Client, transports[0].client(new(atomic.Int64)))
			user := c.CreateUser(t, "before@example.com")
			group := c.CreateGroup(t, "G")
			first := s.Caddy.WriteConfig(t, everything)
			var second string
			if kind == e2e.Bolt {
				second = strings.Replace(first, s.Caddy.BoltFile, filepath.Join(s.Caddy.Dir, "second.db"), 1)
			} else {
				second = strings.Replace(first, s.Redis.Addr(), e2e.StartRedis(t, e2e.RedisOptions{}).Addr(), 1)
			}
			load := func(text string) {
				t.Helper()
				if err := s.Caddy.Reload(text); err != nil {
					t.Fatal(err)
				}
			}

			post := begin(t, c, "POST", "/Users", e2e.UserBody("in-flight@example.com"))
			patch := begin(t, c, "PATCH", "/Users/"+user, e2e.PatchBody(e2e.Op("replace", "title", "in flight")))
			add := begin(t, c, "PATCH", "/Groups/"+group, e2e.PatchBody(e2e.Op("add", "members", e2e.MemberList(user))))
			load(second)
			// New requests meet the new store, which is empty.
			c.Do(t, "GET", "/Users/"+user, nil).WantError(t, 404, "")
			c.Do(t, "GET", "/Users?count=0", nil).WantList(t, 0)
			elsewhere := c.CreateUser(t, "elsewhere@example.com")
			if kind == e2e.Bolt {
				// Longer than an unused store stays open.
				_, err := boltstore.Open(t.Context(), boltstore.Options{Path: s.Caddy.BoltFile, Timeout: 7 * time.Second})
				if !errors.Is(err, boltstore.ErrLocked) {
					t.Errorf("the first store is not open any more while requests use it: %v", err)
				}
			}
			post.end(t, 201)
			patch.end(t, 200)
			add.end(t, 204)

			released(t, s)
			checkStore(t, s.Caddy.BoltFile, s.Redis, s.Tenant)
			wantWritten(t, s, user, group)

			// There and back again, faster than stores are closed.
			for _, step := range []struct {
				text      string
				has, lack string
			}{{first, user, elsewhere}, {second, elsewhere, user}, {first, user, elsewhere}, {second, elsewhere, user}, {first, user, elsewhere}} {
				load(step.text)
				c.Do(t, "GET", "/Users/"+step.has, nil).Want(t, 200)
				c.Do(t, "GET", "/Users/"+step.lack, nil).WantError(t, 404, "")
				c.Patch(t, "/Users/"+step.has, e2e.Op("replace", "nickName", fmt.Sprint(time.Now()))).Want(t, 200)
			}
			c.WantMembers(t, group, user)
			c.Do(t, "GET", find("in-flight@example.com"), nil).WantList(t, 1)
		})
	}
}

// released waits until the server has closed its first store.
func released(t *testing.T, s *e2e.Server) {
	t.Helper()
	if s.Redis == nil {
		db, err := boltstore.Open(t.Context(), boltstore.Options{Path: s.Caddy.BoltFile, Timeout: 20 * time.Second})
		if err != nil {
			t.Fatalf("the first store is never closed: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	e2e.Eventually(t, 20*time.Second, "the first Redis has no clients but this test", func() bool {
		list, _ := s.Redis.Do(t, "CLIENT", "LIST").(string)
		return strings.Count(strings.TrimSpace(list), "\n") == 0
	})
}

// wantWritten looks for what the requests in flight wrote in the first store.
func wantWritten(t *testing.T, s *e2e.Server, user, group string) {
	t.Helper()
	db := openStore(t, s.Caddy.BoltFile, s.Redis)
	defer db.Close()
	if _, err := db.Lookup(t.Context(), s.Tenant, store.User, store.Key{Index: "userName", Value: "in-flight@example.com"}); err != nil {
		t.Errorf("the user created in flight: %v", err)
	}
	rs, err := db.Get(t.Context(), s.Tenant, store.User, user)
	if err != nil || len(rs) != 1 || !strings.Contains(string(rs[0].Body), `"title":"in flight"`) {
		t.Errorf("the user changed in flight: %v, %v", rs, err)
	}
	edges, err := db.Edges(t.Context(), s.Tenant, store.EdgeQuery{Group: group, Limit: 10})
	if err != nil || len(edges.Members) != 1 || edges.Members[0].ID != user {
		t.Errorf("the member added in flight: %v, %v", edges, err)
	}
}
