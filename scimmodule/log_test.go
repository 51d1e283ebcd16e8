package scimmodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// A marker in every place where a value can arrive is in no log, no metric and
// no answer.
func TestNoValuesInLogs(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.create("/Users", `{"userName":"a"}`)
	group := e.create("/Groups", `{"displayName":"g"}`)
	const m = "MARKER"
	for _, c := range []struct{ method, target, body string }{
		{"POST", "/Users", `{"userName":"b","title":"` + m + `","password":"` + m + `","x":{"y":"` + m + `"},"name":{"formatted":"` + m + `"},"emails":[{"type":"home","value":"` + m + `"},{"type":"work","value":"w","display":"` + m + `"}],"urn:x:y":{"z":"` + m + `"},"` + ent + `":{"costCenter":"` + m + `"}}`},
		{"PUT", "/Users/" + id, `{"userName":"a","nickName":"` + m + `","active":"` + m + `"}`},
		{"PUT", "/Users/" + id, `{"userName":["` + m + `","` + m + `"]}`},
		{"PATCH", "/Users/" + id, `{"Operations":[{"op":"add","path":"title","value":"` + m + `"},{"op":"add","path":"emails[type eq \"` + m + `\"].value","value":"` + m + `"},{"op":"add","value":{"title":"` + m + `","emails[type eq \"` + m + `\"].value":"` + m + `"}}]}`},
		{"PATCH", "/Users/" + id, `{"Operations":[{"op":"` + m + `","path":"title","value":"x"}]}`},
		{"PATCH", "/Users/" + id, `{"Operations":[{"op":"add","path":"emails[type eq \"` + m + `\" and","value":"x"}]}`},
		{"PATCH", "/Users/" + id, `{"Operations":[{"op":"replace","path":"active","value":"` + m + `"}]}`},
		{"PATCH", "/Groups/" + group, `{"Operations":[{"op":"add","path":"members","value":[{"value":"p1","display":"` + m + `","x":"` + m + `"}]}]}`},
		{"GET", `/Users?filter=title+eq+"` + m + `"`, ""},
		{"GET", `/Users?filter=userName+eq+"` + m + `"+and+(`, ""},
		{"GET", `/Users?filter=userName+xx+"` + m + `"`, ""},
		{"GET", `/Users?filter=userName+eq+"` + m + `"`, ""},
		{"GET", `/Users?filter=active+eq+"` + m + `"`, ""},
		{"GET", `/Users?filter=meta.created+gt+"` + m + `"`, ""},
		{"GET", `/Users?startIndex=` + m, ""},
		{"GET", `/Users?sortBy=` + m, ""},
		{"GET", `/Users?cursor=` + m, ""},
		{"GET", `/Users?attributes=title[value+eq+"` + m + `"]`, ""},
		{"POST", "/.search", `{"filter":"title eq \"` + m + `\"","x":"` + m + `"}`},
		{"POST", "/Bulk", `{"Operations":[{"method":"POST","path":"/Users","data":{"userName":"c","title":"` + m + `"}},{"method":"PUT","path":"/` + m + `/` + m + `","data":{"x":"` + m + `"}}]}`},
		{"POST", "/Users", `{"userName":"d","locale":` + m},
		{"POST", "/Users", `{"userName":"d","userName":"` + m + `"}`},
		{"GET", "/" + m, ""},
	} {
		a := e.send(c.method, c.target, c.body, header{"X-Test", m}, header{"User-Agent", m})
		if a.Code >= 500 {
			t.Errorf("%s %s: %d", c.method, c.target, a.Code)
		}
		if body := a.Body.String(); strings.Contains(body, m) && !strings.Contains(c.target, "sortBy") {
			t.Errorf("%s %s %s answers %s", c.method, c.target, c.body, body)
		}
	}
	e.send("GET", "/Users", "", header{"Authorization", "Bearer " + m})
	if strings.Contains(e.log.String(), m) {
		for line := range strings.Lines(e.log.String()) {
			if strings.Contains(line, m) {
				t.Errorf("log %s", line)
			}
		}
	}
	for _, plain := range []string{secret, id, `"userName":"a"`} {
		if strings.Contains(e.log.String(), plain) {
			t.Errorf("the log has %s", plain)
		}
	}
	p, err := e.store.Scan(t.Context(), "acme", store.Query{Kind: store.User, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Records {
		if strings.Contains(string(r.Body), m) {
			t.Errorf("stored %s", r.Body)
		}
	}
}

func TestLoggedRequests(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.create("/Users", `{"userName":"a","title":"t","shoeSize":1,"`+ent+`":{"costCenter":"c"}}`)
	e.send("GET", "/Users/"+id, "")
	e.send("PUT", "/Users/"+id, `{"userName":"a","title":"t"}`)
	e.send("PATCH", "/Users/"+id, `{"Operations":[]}`)
	e.send("GET", "/Users", "")
	e.send("POST", "/.search", `{}`)
	e.send("POST", "/Bulk", `{"Operations":[]}`)
	e.send("GET", "/Schemas", "")
	e.send("GET", "/nowhere", "")
	e.send("DELETE", "/Users/"+id, "")
	e.send("GET", "/Groups/"+id, "", header{"Authorization", ""})
	want := []string{"create User 201", "read User 200", "replace User 200", "patch User 200", "query User 200", "query 200", "bulk 200", "discovery 200", "other 404", "delete User 204", "other 401"}
	if !slices.Equal(e.seen.requests, want) {
		t.Errorf("told of %q\nwant %q", e.seen.requests, want)
	}
	for name, n := range map[string]int{"title": 2, "other": 1, ent + ":costCenter": 1, "shoeSize": 0} {
		if e.seen.dropped[name] != n {
			t.Errorf("dropped %s %d times, want %d", name, e.seen.dropped[name], n)
		}
	}
	lines := strings.Split(strings.TrimSpace(e.log.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), e.log)
	}
	for i, level := range []string{"INFO", "DEBUG", "INFO", "INFO", "DEBUG", "DEBUG", "INFO", "DEBUG", "WARN", "INFO", "WARN"} {
		if !strings.Contains(lines[i], `"level":"`+level+`"`) {
			t.Errorf("%s is logged as %s", want[i], lines[i])
		}
	}
	for _, part := range []string{`"tenant":"acme"`, `"token":"static-`, `"operation":"create"`, `"resource_type":"User"`, `"status":201`, `"dropped":["title","shoeSize","` + ent + `:costCenter"]`} {
		if !strings.Contains(lines[0], part) {
			t.Errorf("%s is not in %s", part, lines[0])
		}
	}
}

// What nobody foresaw is a 500 with an id that is in the log.
func TestUnexpectedErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		fail func() error
		log  string
	}{
		{"an error", func() error { return errors.New("disk on fire") }, "disk on fire"},
		{"a panic", func() error { panic("MARKER") }, "stack"},
		{"a panic of the runtime", func() error {
			list := []string{"MARKER"}
			return errors.New(list[len(list)])
		}, "stack"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			id := e.create("/Users", `{"userName":"a"}`)
			e.log.Reset()
			e.store.onGet(func(store.Kind, []string) error { return c.fail() })
			a := e.send("GET", "/Users/"+id, "")
			detail := a.wantError(http.StatusInternalServerError, "")
			errorID := strings.TrimSuffix(detail[strings.LastIndexByte(detail, ' ')+1:], ".")
			log := e.log.String()
			if len(errorID) != 10 || !strings.Contains(log, `"error_id":"`+errorID+`"`) || !strings.Contains(log, c.log) {
				t.Errorf("detail %q, log %s", detail, log)
			}
			if strings.Contains(detail, "fire") || strings.Contains(log+detail, "MARKER") {
				t.Errorf("detail %q, log %s", detail, log)
			}
			if !slices.Equal(e.seen.requests[1:], []string{"read User 500"}) {
				t.Errorf("told of %v", e.seen.requests)
			}
			// One operation of a bulk request fails in the same way, alone.
			if c.name == "an error" {
				got := e.bulk(0, `{"method":"DELETE","path":"/Users/`+id+`"}`, `{"method":"POST","path":"/Groups","data":{"displayName":"g"}}`)
				if s := statuses(t, got); s != "500 201" {
					t.Errorf("%s", s)
				}
			}
		})
	}
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.create("/Users", `{"userName":"a"}`)
	for _, c := range []struct {
		name string
		err  error
		text string
	}{
		{"away", fmt.Errorf("dial tcp 10.0.0.1:6379: %w", store.ErrUnavailable), "nothing was changed"},
		{"uncertain", fmt.Errorf("10.0.0.1: %w", store.ErrUncertain), "may have been applied"},
		{"out of time", context.DeadlineExceeded, "nothing was changed"},
	} {
		e.store.mu.Lock()
		e.store.commit = func(*store.Batch) error { return c.err }
		e.store.mu.Unlock()
		for _, r := range []struct{ method, target, body string }{
			{"POST", "/Users", `{"userName":"b"}`},
			{"PUT", "/Users/" + id, `{"userName":"b"}`},
			{"PATCH", "/Users/" + id, `{"Operations":[{"op":"add","path":"locale","value":"x"}]}`},
			{"DELETE", "/Users/" + id, ""},
			{"POST", "/Groups", `{"displayName":"g"}`},
		} {
			a := e.send(r.method, r.target, r.body)
			detail := a.wantError(503, "")
			if a.Header().Get("Retry-After") == "" || !strings.Contains(detail, c.text) || strings.Contains(detail, "10.0.0.1") {
				t.Errorf("%s, %s %s: %q, %v", c.name, r.method, r.target, detail, a.Header())
			}
			for _, h := range []string{"Location", "ETag"} {
				if a.Header().Get(h) != "" {
					t.Errorf("%s, %s: header %s", c.name, r.method, h)
				}
			}
		}
	}
}
