package observetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// traced is the configuration that docs/observability.md shows.
func traced(t *testing.T) e2e.Config {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)(\n\t@scim.*?)\n\tscim\n").FindSubmatch(page)
	if block == nil || !strings.Contains(string(block[1]), "tracing") {
		t.Fatal("the page shows no tracing")
	}
	return e2e.Config{Allow: []string{"*"}, Directive: "scim\n" + string(block[1]), Site: "\tmetrics /metrics"}
}

// secrets are values that no span may have.
const (
	userName = "grace.hopper@example.com"
	family   = "Hopperova"
	dropped  = "4111111111111111"
	group    = "Rear Admirals"
	memberID = "member.by.mail@example.com"
)

var secrets = []string{"grace", "hopper", "Hopperova", dropped, "Rear", "Admirals", "member.by.mail", "shoeSize"}

// provision sends one request of each kind with values of a user in it.
func provision(t *testing.T, c *e2e.Client) (user string) {
	t.Helper()
	user = c.CreateUser(t, userName, e2e.M{"name": e2e.M{"familyName": family}, "shoeSize": dropped})
	c.Do(t, "POST", "/Users", e2e.UserBody(userName)).WantError(t, 409, "uniqueness")
	c.Do(t, "GET", "/Users/"+user, nil).Want(t, 200)
	c.Do(t, "GET", "/Users/"+userName, nil).WantError(t, 404, "")
	c.Do(t, "GET", e2e.Filter("/Users", `userName eq "`+userName+`"`), nil).WantList(t, 1)
	c.Do(t, "GET", e2e.Filter("/Users", `name.familyName co "`+family+`"`), nil).WantList(t, 1)
	c.Patch(t, "/Users/"+user, e2e.Op("replace", "name.familyName", family+"2")).Want(t, 200)
	id := c.CreateGroup(t, group, user, memberID)
	c.Do(t, "GET", "/Users/"+memberID, nil).Want(t, 200)
	c.Do(t, "DELETE", "/Groups/"+id, nil).Want(t, 204)
	c.Do(t, "POST", "/Bulk", e2e.M{"schemas": e2e.A{e2e.BulkURN}, "Operations": e2e.A{
		e2e.M{"method": "POST", "path": "/Users", "bulkId": family, "data": e2e.UserBody("other." + userName)},
	}}).Want(t, 200)
	c.Do(t, "DELETE", "/Users/"+user, nil).Want(t, 204)
	return user
}

func TestSpans(t *testing.T) {
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			c := startCollector(t)
			s := e2e.StartServer(t, store, traced(t))
			user := provision(t, s.Client)
			e2e.Eventually(t, 20*time.Second, "the last request's span", func() bool { return len(c.named("scim delete User")) > 0 })

			for name, want := range map[string]map[string]string{
				"scim create User":  {"scim.operation": "create", "scim.resource_type": "User", "http.response.status_code": "201"},
				"scim read User":    {"scim.operation": "read", "scim.resource_type": "User"},
				"scim query User":   {"scim.operation": "query", "scim.resource_type": "User"},
				"scim patch User":   {"scim.operation": "patch", "scim.resource_type": "User"},
				"scim create Group": {"scim.operation": "create", "scim.resource_type": "Group"},
				"scim delete Group": {"scim.operation": "delete", "scim.resource_type": "Group"},
				"scim bulk":         {"scim.operation": "bulk"},
			} {
				list := c.named(name)
				if len(list) == 0 {
					t.Errorf("no span %q", name)
					continue
				}
				request := list[0]
				for k, v := range want {
					if got := request.attributes[k]; got != v {
						t.Errorf("%s: %s is %s, want %s", name, k, got, v)
					}
				}
				wantCalls(t, c, request, store)
				e2e.Eventually(t, 20*time.Second, "the parent of "+name, func() bool { return parentOf(c, request) != nil })
				if p := parentOf(c, request); p.name != "scim request" || p.kind != otlp.Span_SPAN_KIND_SERVER || p.attributes["url.path"] != "/scim/v2" {
					t.Errorf("%s has the parent %s", name, p.text)
				}
			}
			for _, p := range c.named("scim request") {
				for _, r := range c.children(p) {
					if r.attributes["http.response.status_code"] == "" {
						t.Errorf("no status: %s", r.text)
					}
				}
			}
			for _, sp := range c.all() {
				for _, word := range append(secrets, user, s.Token) {
					if strings.Contains(sp.text, word) {
						t.Errorf("%q is in a span: %s", word, sp.text)
					}
				}
			}
		})
	}
}

// wantCalls checks the spans of the store below a request's.
func wantCalls(t *testing.T, c *collector, request span, driver string) {
	t.Helper()
	calls := c.children(request)
	if len(calls) == 0 {
		t.Errorf("%s made no call of the store", request.name)
	}
	for _, s := range calls {
		op, ok := strings.CutPrefix(s.name, "scim store ")
		if !ok || s.scope != request.scope || s.kind != otlp.Span_SPAN_KIND_CLIENT {
			t.Errorf("below %s: %s", request.name, s.text)
		}
		if s.attributes["scim.store.op"] != op || s.attributes["scim.store.driver"] != driver || s.attributes["scim.store.outcome"] == "" {
			t.Errorf("%s has %v", s.name, s.attributes)
		}
	}
}

func parentOf(c *collector, s span) *span {
	for _, p := range c.all() {
		if p.trace == s.trace && p.id == s.parent {
			return &p
		}
	}
	return nil
}

// A request that fails because the store is away is an error, in words of ours.
func TestSpansOfAnOutage(t *testing.T) {
	c := startCollector(t)
	s := e2e.StartServer(t, e2e.RedisName, traced(t))
	id := s.CreateUser(t, userName)
	s.Redis.Kill(t)
	s.Do(t, "GET", e2e.Filter("/Users", `userName eq "`+userName+`"`), nil).WantError(t, 503, "")
	s.Do(t, "GET", "/Users/"+id, nil).WantError(t, 503, "")
	var failed []span
	e2e.Eventually(t, 20*time.Second, "the spans of the failures", func() bool {
		failed = failed[:0]
		for _, sp := range c.all() {
			if sp.status.GetCode() == otlp.Status_STATUS_CODE_ERROR && sp.name != "scim request" {
				failed = append(failed, sp)
			}
		}
		return len(failed) >= 4 // two requests, and a call of the store in each
	})
	for _, sp := range failed {
		if m := sp.status.GetMessage(); m != "" && m != "unavailable" {
			t.Errorf("%s fails with %q", sp.name, m)
		}
		for _, word := range append(secrets, id, s.Redis.Addr()) {
			if strings.Contains(sp.text, word) {
				t.Errorf("%q is in a span: %s", word, sp.text)
			}
		}
	}
}

// The log names the trace, so that the one is found from the other.
func TestLogNamesTheTrace(t *testing.T) {
	c := startCollector(t)
	s := e2e.StartServer(t, e2e.Bolt, traced(t))
	s.CreateUser(t, userName)
	e2e.Eventually(t, 20*time.Second, "the span", func() bool { return len(c.named("scim create User")) == 1 })
	want := c.named("scim create User")[0].trace
	for line := range strings.Lines(string(s.Caddy.Log(t))) {
		var entry struct{ Logger, Msg, Operation, TraceID, Tenant string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Logger == "scim" && entry.Operation == "create" {
			if entry.TraceID != want || entry.Tenant != s.Tenant {
				t.Errorf("the log has trace %q of tenant %q, want %q of %q", entry.TraceID, entry.Tenant, want, s.Tenant)
			}
			return
		}
	}
	t.Error("the request is not in the log")
}

// Without the directive there are no spans, whatever the environment says.
func TestNoDirectiveNoSpans(t *testing.T) {
	c := startCollector(t)
	s := e2e.StartServer(t, e2e.Bolt, e2e.Config{})
	s.CreateUser(t, userName)
	s.Caddy.Stop(t) // flushes
	if got := c.all(); len(got) > 0 {
		t.Errorf("%d spans: %v", len(got), got)
	}
}
