package scimmodule

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/guard"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// limited notes which limits were met.
type limited struct {
	deaf
	mu  sync.Mutex
	met []string
}

func (l *limited) Limited(limit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.met = append(l.met, limit)
}

// wait returns the seconds of Retry-After, which have to be whole.
func (a answer) wait() int {
	a.t.Helper()
	n, err := strconv.Atoi(a.Header().Get("Retry-After"))
	if err != nil || n < 1 {
		a.t.Errorf("Retry-After %q", a.Header().Get("Retry-After"))
	}
	return n
}

// endpoints are requests of all sorts, of which none changes anything.
var endpoints = [][2]string{
	{"GET", "/Users"}, {"GET", "/Users/nobody"}, {"GET", "/Groups?filter=(("}, {"GET", "/Schemas"}, {"GET", ""}, {"POST", "/.search"},
	{"DELETE", "/Users/nobody"}, {"PUT", "/Groups/nobody"}, {"POST", "/Bulk"}, {"OPTIONS", "/Users"}, {"GET", "/nowhere"}, {"GET", "/Me"},
}

// Why a token is not valid cannot be told from the answer: not from its status,
// its headers or its body, wherever the request goes.
func TestRefusalsAreAlike(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.client = netip.Addr{} // a new address each time: none is throttled
	revoked, info := e.mint(registry.Token{Tenant: "acme"})
	if err := e.svc.Tenancy().Revoke(t.Context(), "acme", info.ID); err != nil {
		t.Fatal(err)
	}
	expired, info := e.mint(registry.Token{Tenant: "acme", Expires: time.Now().Add(20 * time.Millisecond)})
	elsewhere, _ := e.mint(registry.Token{Tenant: "acme", Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}})
	paused, _ := e.mint(registry.Token{Tenant: "umbrella", Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}})
	if err := e.svc.Tenancy().Pause(t.Context(), "umbrella"); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(info.Expires))
	ask := func(method, target string, auth header) (whole [3]any) {
		a := e.sendFrom(method, target, unread{t}, auth)
		return [3]any{a.Code, a.Header(), a.Body.String()}
	}
	unknown := header{"Authorization", "Bearer " + token.Mint()}
	want := ask("GET", "/Users", unknown)
	if want[0] != http.StatusUnauthorized {
		t.Fatalf("an unknown token: %v", want)
	}
	for name, auth := range map[string]header{
		"unknown": unknown, "malformed": {"Authorization", "Bearer x"}, "revoked": revoked, "expired": expired, "elsewhere": elsewhere,
		"elsewhere, of a paused tenant": paused,
	} {
		for _, to := range endpoints {
			if diff := cmp.Diff(want, ask(to[0], to[1], auth)); diff != "" {
				t.Errorf("%s %s, %s (-an unknown one on another path +this):\n%s", to[0], to[1], name, diff)
			}
		}
	}
}

// A paused tenant's requests are answered with 503, after authentication, for a
// static token, too.
func TestPaused(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Tenants[1].Paused = true })
	auth, _ := e.mint(registry.Token{Tenant: "acme"})
	e.send("GET", "/Users", "", auth).want(200)
	if err := e.svc.Tenancy().Pause(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	for _, who := range []header{auth, {"Authorization", "Bearer " + secret}, {"Authorization", "Bearer umbrella-0123456789abcdef"}} {
		for _, to := range endpoints {
			a := e.sendFrom(to[0], to[1], unread{t}, who)
			a.wantError(http.StatusServiceUnavailable, "")
			if a.wait(); a.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("%s %s: %v", to[0], to[1], a.Header())
			}
		}
	}
	e.send("GET", "/Users", "", header{"Authorization", "Bearer x"}).wantError(401, "")
	e.send("GET", "/Users", "", header{"Authorization", ""}).wantError(401, "")
	if err := e.svc.Tenancy().Resume(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	e.send("GET", "/Users", "", auth).want(200)
	e.send("GET", "/Users", "").want(200)
}

// A tenant that cannot be served now is no reason to give up: 503, not 401 or 403,
// with which identity providers end a job.
func TestNotServedNow(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	r := store.Record{Kind: store.Import, ID: "acme", Body: []byte(`{"export":"AAAAAAAAAAAAAAAAAAAAAAAAAA"}`)}
	if _, err := e.store.Commit(t.Context(), store.SystemTenant, &store.Batch{Time: time.Now(), Put: []store.Put{{Record: r}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.New(e.store).Update(t.Context(), "umbrella", func(rec *registry.Tenant) error {
		rec.Settings.Allow = []string{"urn:example:gone:1.0:User:x"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{secret, "umbrella-0123456789abcdef"} {
		a := e.send("GET", "/Users", "", header{"Authorization", "Bearer " + who})
		a.wantError(http.StatusServiceUnavailable, "")
		a.wait()
	}
}

// The rate is a tenant's: what one sends beyond it is refused, and the others'
// requests pass.
func TestRate(t *testing.T) {
	t.Parallel()
	l := &limited{}
	e := newEnv(t, func(o *Options) {
		o.Observer = l
		o.Tenants[0].Settings.Rate = &registry.Rate{Requests: 1, Burst: 3}
	})
	auth, _ := e.mint(registry.Token{Tenant: "acme"})
	passed, refused := 0, 0
	for i := range 20 {
		to := endpoints[i%len(endpoints)]
		a := e.sendFrom(to[0], to[1], http.NoBody, []header{auth, {"Authorization", "Bearer " + secret}}[i%2])
		if a.Code != http.StatusTooManyRequests {
			passed++
			continue
		}
		refused++
		a.wantError(http.StatusTooManyRequests, "")
		if n := a.wait(); n > 1 || a.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("headers %v", a.Header())
		}
		e.send("GET", "/Users", "", header{"Authorization", "Bearer umbrella-0123456789abcdef"}).want(200)
	}
	if passed < 3 || refused < 10 || len(l.met) != refused || slices.ContainsFunc(l.met, func(s string) bool { return s != "rate" }) {
		t.Errorf("%d requests passed, %d were refused, limits %v", passed, refused, l.met)
	}
}

// An address that has failed often has to wait, but for a valid token.
func TestThrottled(t *testing.T) {
	t.Parallel()
	l := &limited{}
	e := newEnv(t, func(o *Options) { o.Observer = l })
	auth, _ := e.mint(registry.Token{Tenant: "acme"})
	e.client = netip.MustParseAddr("192.0.2.7")
	failed, throttled := 0, 0
	for range 3 * guard.DefaultFailures {
		a := e.sendFrom("POST", "/Users", unread{t}, header{"Authorization", "Bearer x"})
		switch a.Code {
		case http.StatusUnauthorized:
			failed++
		case http.StatusTooManyRequests:
			throttled++
			a.wantError(http.StatusTooManyRequests, "")
			if n := a.wait(); n > int(guard.DefaultEvery/time.Second) || a.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("headers %v", a.Header())
			}
		default:
			t.Fatalf("%d %s", a.Code, a.Body)
		}
	}
	if failed < guard.DefaultFailures || failed > guard.DefaultFailures+5 || len(l.met) != throttled || slices.ContainsFunc(l.met, func(s string) bool { return s != "authentication" }) {
		t.Errorf("%d failed, %d were throttled, limits %v", failed, throttled, l.met)
	}
	e.send("GET", "/Users", "", auth).want(200)
	e.send("GET", "/Users", "").want(200)
	e.client = netip.MustParseAddr("192.0.2.8")
	e.send("GET", "/Users", "", header{"Authorization", "Bearer x"}).wantError(401, "")
}

// A token of scope read changes nothing, and its requests for that are refused
// before they are read.
func TestReadScope(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	user := e.create("/Users", `{"userName":"a"}`)
	group := e.create("/Groups", `{"displayName":"g"}`)
	auth, _ := e.mint(registry.Token{Tenant: "acme", Scope: registry.Read})
	for _, to := range [][2]string{
		{"POST", "/Users"}, {"PUT", "/Users/" + user}, {"PATCH", "/Users/" + user}, {"DELETE", "/Users/" + user}, {"DELETE", "/Users/nobody"},
		{"POST", "/Groups"}, {"PUT", "/Groups/" + group}, {"PATCH", "/Groups/" + group}, {"DELETE", "/Groups/" + group}, {"POST", "/Bulk"},
	} {
		a := e.sendFrom(to[0], to[1], unread{t}, auth)
		a.wantError(http.StatusForbidden, "")
		if got := a.Header().Get("WWW-Authenticate"); got != `Bearer realm="scim", error="insufficient_scope", scope="provision"` {
			t.Errorf("%s %s: challenge %q", to[0], to[1], got)
		}
	}
	for _, to := range [][2]string{
		{"GET", ""}, {"GET", "/Users"}, {"HEAD", "/Users/" + user}, {"GET", "/Users/" + user}, {"GET", "/Groups/" + group}, {"GET", "/Schemas"},
		{"GET", "/ServiceProviderConfig"}, {"GET", "/ResourceTypes/User"},
	} {
		if a := e.send(to[0], to[1], "", auth); a.Code != 200 {
			t.Errorf("%s %s: %d %s", to[0], to[1], a.Code, a.Body)
		}
	}
	for _, target := range []string{"/.search", "/Users/.search", "/Groups/.search"} {
		e.send("POST", target, `{}`, auth).want(200)
	}
	// Another 403 is no matter of the token's scope.
	if a := e.send("GET", "/Schemas?filter=a", ""); a.Code != 403 || a.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("%d %v", a.Code, a.Header())
	}
	if a := e.send("GET", "/Schemas?filter=a", "", auth); a.Code != 403 || a.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("with a token that may read: %d %v", a.Code, a.Header())
	}
	if n := e.send("GET", "", "").want(200)["totalResults"]; n != 2.0 {
		t.Errorf("%v resources", n)
	}
}
