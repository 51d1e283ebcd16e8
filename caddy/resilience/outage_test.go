package resilience

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// The longest that an answer may take while Redis refuses connections, and
// while it is silent, so that a read runs into its timeout of a second.
const (
	atOnceLimit = time.Second
	silentLimit = 1500 * time.Millisecond
)

// withPlainSite is a configuration with a site beside SCIM, and its port.
func withPlainSite(t *testing.T) (e2e.Config, int) {
	t.Helper()
	cfg, port := everything, freePort(t)
	cfg.Sites = plainSite(port, "plain")
	return cfg, port
}

// wantAway checks that an answer says that the store is away: a 503 with
// Retry-After, in time.
func wantAway(t *testing.T, what string, a answer, limit time.Duration) {
	t.Helper()
	if a.err != nil {
		t.Errorf("%s: %v", what, a.err)
		return
	}
	if a.Status != 503 || a.took > limit {
		t.Errorf("%s: %d after %s, want 503 within %s\n%s", what, a.Status, a.took, limit, a)
	}
	for _, p := range a.Problems() { // Retry-After is among what is checked
		t.Errorf("%s: %s\n%s", what, p, a)
	}
}

func wantPlain(t *testing.T, port int) {
	t.Helper()
	start := time.Now()
	if err := wantText(http.DefaultClient, port, "plain"); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > atOnceLimit {
		t.Errorf("the plain site took %s", took)
	}
}

// event is an answer of a load, and when it was asked for.
type event struct {
	answer
	asked time.Time
	what  string
}

// load repeats reads and writes, and keeps the answers.
type load struct {
	*e2e.Client
	user, group string

	n       atomic.Int64
	mu      sync.Mutex
	events  []event
	created []string // userNames that were acknowledged
}

func (l *load) once(int) {
	n := l.n.Add(1)
	userName := fmt.Sprintf("load%d", n)
	e := event{asked: time.Now()}
	e.answer = timed(func() (*e2e.Response, error) {
		switch n % 5 {
		case 0:
			e.what = "create"
			return l.Send("POST", "/Users", e2e.UserBody(userName))
		case 1:
			e.what = "read"
			return l.Send("GET", "/Users/"+l.user, nil)
		case 2:
			e.what = "search"
			return l.Send("GET", find("load0"), nil)
		case 3:
			e.what = "patch"
			return l.Send("PATCH", "/Users/"+l.user, e2e.PatchBody(e2e.Op("replace", "title", userName)))
		}
		e.what = "member"
		return l.Send("PATCH", "/Groups/"+l.group, e2e.PatchBody(e2e.Op("add", "members", e2e.MemberList(l.user))))
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	if e.what == "create" && e.err == nil && e.Status == 201 {
		l.created = append(l.created, userName)
	}
}

// since returns the answers to what was asked after a moment, and how many of
// them are a success.
func (l *load) since(at time.Time) (out []event, fine int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.asked.After(at) {
			out = append(out, e)
			if e.err == nil && e.Status/100 == 2 {
				fine++
			}
		}
	}
	return out, fine
}

// Redis dies under load and comes back: SCIM says so at once and goes on by
// itself, and nothing else in the server notices.
func TestRedisStopsUnderLoad(t *testing.T) {
	t.Parallel()
	cfg, port := withPlainSite(t)
	r := e2e.StartRedis(t, e2e.RedisOptions{AppendOnly: true})
	s := e2e.StartServerOn(t, r, cfg)
	l := &load{Client: s.Client, user: s.CreateUser(t, "ada"), group: s.CreateGroup(t, "G")}
	begun := time.Now()
	halt := inBackground(4, l.once)
	defer halt()
	plain := inBackground(1, func(int) { wantPlain(t, port) })
	defer plain()
	working := func(after time.Time) {
		t.Helper()
		e2e.Eventually(t, 30*time.Second, "requests succeed", func() bool { _, fine := l.since(after); return fine >= 50 })
	}

	working(begun)
	for round := range 2 {
		before := time.Now()
		if round == 0 {
			r.Kill(t)
		} else {
			r.Stop(t)
		}
		dead := time.Now()
		e2e.Eventually(t, 30*time.Second, "requests are answered without Redis", func() bool { all, _ := l.since(dead); return len(all) >= 400 })
		health(t, s, 503)
		away, _ := l.since(dead)
		r.Start(t)
		back := time.Now()
		kinds := map[string]int{}
		for _, e := range away {
			kinds[e.what]++
			wantAway(t, e.what, e.answer, atOnceLimit)
		}
		if len(kinds) != 5 {
			t.Errorf("the outage saw %v only", kinds)
		}
		working(back)
		t.Logf("outage %d: Redis was away for %s, %d answers meanwhile", round+1, back.Sub(dead), len(away))
		all, _ := l.since(before)
		for _, e := range all { // under way when it died, or while it came back
			if e.err != nil || e.Status/100 != 2 && e.Status != 503 {
				t.Errorf("%s: %v %v", e.what, e.err, e.Response)
			}
		}
		health(t, s, 200)
	}
	halt()
	plain()
	for _, userName := range l.created {
		s.Do(t, "GET", find(userName), nil).WantList(t, 1)
	}
	s.Caddy.Stop(t)
	checkStore(t, "", r, s.Tenant)
}

func health(t *testing.T, s *e2e.Server, ready int) {
	t.Helper()
	if r := s.Caddy.Admin(t, "GET", "/scim/health/live", ""); r.Status != 200 {
		t.Errorf("live: %s", r)
	}
	if r := s.Caddy.Admin(t, "GET", "/scim/health/ready", ""); r.Status != ready {
		t.Errorf("ready: %d, want %d\n%s", r.Status, ready, r)
	}
}

// Caddy starts while Redis is down, and serves as soon as it is up.
func TestStartWithoutRedis(t *testing.T) {
	t.Parallel()
	cfg, port := withPlainSite(t)
	r := e2e.StartRedis(t, e2e.RedisOptions{AppendOnly: true})
	s := e2e.StartServerOn(t, r, cfg)
	user := "/Users/" + s.CreateUser(t, "ada")
	minted := s.Caddy.Mint(t, "made", "--create")
	s.Caddy.Stop(t)
	r.Stop(t)
	if err := s.Caddy.TryStart(); err != nil {
		t.Fatal(err)
	}
	wantPlain(t, port)
	health(t, s, 503)
	other := s.Named(minted.Tenant, minted.Token)
	for _, q := range []struct {
		what         string
		c            *e2e.Client
		method, path string
		body         any
	}{
		{"read", s.Client, "GET", user, nil}, {"list", s.Client, "GET", "/Users", nil}, {"search", s.Client, "GET", find("ada"), nil},
		{"create", s.Client, "POST", "/Users", e2e.UserBody("bob")}, {"patch", s.Client, "PATCH", user, e2e.PatchBody(e2e.Op("replace", "title", "x"))},
		{"delete", s.Client, "DELETE", user, nil}, {"group", s.Client, "POST", "/Groups", e2e.GroupBody("G")},
		{"token that cannot be checked", other, "GET", "/Users", nil},
	} {
		wantAway(t, q.what, timed(func() (*e2e.Response, error) { return q.c.Send(q.method, q.path, q.body) }), atOnceLimit)
	}
	// Nobody knows whether the tenant is paused.
	s.Do(t, "GET", "/ServiceProviderConfig", nil).WantError(t, 503, "")
	// What needs no store is answered.
	s.Do(t, "GET", "/Users", nil, "Authorization: Bearer nonsense").WantError(t, 401, "")
	s.Do(t, "GET", "/Users", nil, "Authorization:").WantError(t, 401, "")

	r.Start(t)
	e2e.Eventually(t, 10*time.Second, "SCIM is back", func() bool {
		a, err := s.Send("GET", user, nil)
		return err == nil && a.Status == 200
	})
	s.Do(t, "GET", find("bob"), nil).WantList(t, 0)
	s.CreateUser(t, "bob")
	other.CreateUser(t, "elsewhere")
	health(t, s, 200)
}

// A commit that Redis does not answer is told as uncertain, when its connection
// breaks as when its time is over; sent again, it takes effect once.
func TestUncertainCommit(t *testing.T) {
	t.Parallel()
	cfg, port := withPlainSite(t)
	r := e2e.StartRedis(t, e2e.RedisOptions{AppendOnly: true})
	s := e2e.StartServerOn(t, r, cfg)
	user, group := s.CreateUser(t, "ada"), s.CreateGroup(t, "G")
	const told = "may have been applied"

	// Reads go on, and commits wait.
	hold := func() { r.Do(t, "CLIENT", "PAUSE", 60_000, "WRITE") }
	hold()
	add := e2e.PatchBody(e2e.Op("add", "members", e2e.MemberList(user)))
	a := timed(func() (*e2e.Response, error) { return s.Send("PATCH", "/Groups/"+group, add) })
	wantAway(t, "commit without an answer", a, 5*time.Second)
	a.WantError(t, 503, "", told)
	s.Do(t, "GET", "/Users/"+user, nil).Want(t, 200)
	wantPlain(t, port)
	r.Do(t, "CLIENT", "UNPAUSE")
	s.Do(t, "PATCH", "/Groups/"+group, add).Want(t, 204)
	s.WantMembers(t, group, user)

	hold()
	lost := make(chan answer)
	go func() {
		lost <- timed(func() (*e2e.Response, error) { return s.Send("POST", "/Users", e2e.UserBody("bob")) })
	}()
	e2e.Eventually(t, 10*time.Second, "the commit reaches Redis", func() bool {
		list, _ := r.Do(t, "CLIENT", "LIST").(string)
		// An idle connection shows its last command too: only this one is blocked.
		return slices.ContainsFunc(strings.Split(list, "\n"), func(client string) bool {
			return strings.Contains(client, " flags=b ") && strings.Contains(client, "cmd=evalsha")
		})
	})
	died := time.Now()
	r.Kill(t)
	a = <-lost
	wantAway(t, "commit whose connection breaks", a, time.Minute)
	if took := time.Since(died); took > atOnceLimit {
		t.Errorf("the commit whose connection breaks is answered after %s", took)
	}
	a.WantError(t, 503, "", told)
	// Nothing was sent now: that is told, too.
	a = timed(func() (*e2e.Response, error) { return s.Send("POST", "/Users", e2e.UserBody("bob")) })
	wantAway(t, "commit without Redis", a, atOnceLimit)
	a.WantError(t, 503, "", "nothing was changed")
	r.Start(t)
	e2e.Eventually(t, 10*time.Second, "the create succeeds, or did before", func() bool {
		a, err := s.Send("POST", "/Users", e2e.UserBody("bob"))
		return err == nil && (a.Status == 201 || a.Status == 409)
	})
	s.Do(t, "GET", find("bob"), nil).WantList(t, 1)
	s.Caddy.Stop(t)
	checkStore(t, "", r, s.Tenant)
}
