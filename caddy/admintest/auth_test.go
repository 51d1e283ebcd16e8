package admintest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// TestSchemes is about the Authorization header alone.
func TestSchemes(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		c := tenant(t, s, "")
		for _, test := range []struct {
			name, header string
			status       int
			challenge    string
		}{
			{"none", "Authorization:", 401, `Bearer realm="scim"`},
			{"no token", "Authorization: Bearer", 401, `Bearer realm="scim"`},
			{"no scheme", "Authorization: " + c.Token, 401, `Bearer realm="scim"`},
			{"another scheme", "Authorization: Basic " + c.Token, 401, `Bearer realm="scim"`},
			{"nearly the scheme", "Authorization: Bearers " + c.Token, 401, `Bearer realm="scim"`},
			{"the scheme", "Authorization: Bearer " + c.Token, 200, ""},
			{"in lower case", "Authorization: bearer " + c.Token, 200, ""},
			{"in upper case", "Authorization: BEARER " + c.Token, 200, ""},
			{"two spaces", "Authorization: Bearer  " + c.Token, 200, ""},
			{"one that is cut", "Authorization: Bearer " + c.Token[:len(c.Token)-1], 401, `Bearer realm="scim", error="invalid_token"`},
			{"one with a letter changed", "Authorization: Bearer " + mistyped(c.Token), 401, `Bearer realm="scim", error="invalid_token"`},
			{"one in lower case", "Authorization: Bearer " + strings.ToLower(c.Token), 401, `Bearer realm="scim", error="invalid_token"`},
		} {
			t.Run(test.name, func(t *testing.T) {
				r := c.Do(t, "GET", "/Users?count=0", nil, test.header, via(address())).Want(t, test.status)
				if got := r.Header.Get("WWW-Authenticate"); got != test.challenge {
					t.Errorf("WWW-Authenticate: %s, want %s", got, test.challenge)
				}
			})
		}
		c.Do(t, "GET", "/Users?access_token="+c.Token, nil, "Authorization:", via(address())).WantError(t, 401, "")
		if len(c.Token) > 64 || !strings.HasPrefix(c.Token, token.Prefix) {
			t.Errorf("a token of %d characters, which begins with %.5s", len(c.Token), c.Token)
		}
	})
}

// mistyped changes one letter in the middle of a token.
func mistyped(secret string) string {
	b := []byte(secret)
	if b[20]++; b[20] == '9'+1 || b[20] == 'z'+1 || b[20] == 'Z'+1 {
		b[20] = 'a'
	}
	return string(b)
}

// everywhere are requests of all sorts: to what there is and to what there is not.
func everywhere(user string) [][2]string {
	return [][2]string{
		{"GET", "/Users"}, {"GET", "/Users/" + user}, {"GET", "/Users/nobody"}, {"PUT", "/Users/" + user}, {"PATCH", "/Users/" + user},
		{"DELETE", "/Users/" + user}, {"POST", "/Users"}, {"GET", "/Groups/nobody"}, {"POST", "/Groups"}, {"POST", "/Bulk"},
		{"POST", "/.search"}, {"GET", "/Schemas"}, {"GET", "/ServiceProviderConfig"}, {"GET", "/"}, {"GET", "/Nowhere"},
		{"GET", "/Me"}, {"OPTIONS", "/Users"}, {"TRACE", "/Users"},
	}
}

// TestRefusals sends tokens that are not valid for as many reasons as there are:
// the answers are one, wherever it goes and whether the tenant is paused or not.
func TestRefusals(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		name := create(t, s, "")
		_, good := mint(t, s, admin.TokenCreate{Tenant: name})
		expiring, expired := mint(t, s, admin.TokenCreate{Tenant: name, Expires: "2s"})
		bound, elsewhere := mint(t, s, admin.TokenCreate{Tenant: name, Addresses: []string{"192.0.2.0/24", "2001:db8::7"}})
		gone, revoked := mint(t, s, admin.TokenCreate{Tenant: name})
		if expiring.Expires == nil || time.Until(*expiring.Expires) > 2*time.Second {
			t.Fatalf("expires %v", expiring.Expires)
		}
		same(t, "the ranges of a token", []string{"192.0.2.0/24", "2001:db8::7"}, bound.Addresses)
		user := good.CreateUser(t, "ada@example.com")
		for _, c := range []*e2e.Client{expired, revoked} {
			c.Do(t, "GET", "/Users/"+user, nil, via(address())).Want(t, 200)
		}
		do[admin.TokenRevoke](t, s, admin.PathTokenRevoke, M{"tenant": name, "id": gone.ID})
		e2e.Eventually(t, 5*time.Second, "the token expires", func() bool {
			return expired.Do(t, "GET", "/Users/"+user, nil, via(address())).Status == 401
		})
		if time.Now().Before(*expiring.Expires) {
			t.Error("the token was refused before its time")
		}

		clients := map[string]*e2e.Client{
			"unknown": s.Named(name, token.Mint()), "malformed": s.Named(name, "not a token"), "expired": expired,
			"revoked": revoked, "elsewhere": elsewhere,
		}
		compare := func(t *testing.T) {
			want := ""
			for _, kind := range []string{"unknown", "malformed", "expired", "revoked", "elsewhere"} {
				from := ""
				for i, r := range everywhere(user) {
					if i%10 == 0 {
						from = via(address()) // no address fails often enough to be throttled
					}
					body := any(nil)
					if r[0] == "POST" || r[0] == "PUT" || r[0] == "PATCH" {
						body = e2e.UserBody("ada@example.com")
					}
					res := clients[kind].Do(t, r[0], r[1], body, from).Want(t, 401)
					if want == "" {
						want = whole(res)
					}
					if d := cmp.Diff(want, whole(res)); d != "" {
						t.Errorf("%s %s with a token that is %s (-the first answer +this):\n%s", r[0], r[1], kind, d)
					}
				}
			}
		}
		t.Run("active", compare)
		t.Run("no token", func(t *testing.T) {
			want := ""
			for _, r := range everywhere(user) {
				res := good.Do(t, r[0], r[1], nil, "Authorization:", via(address())).Want(t, 401)
				if want == "" {
					want = whole(res)
				}
				same(t, r[0]+" "+r[1], want, whole(res))
			}
		})

		do[admin.TenantDetail](t, s, admin.PathTenantPause, M{"tenant": name})
		t.Run("paused", compare)
		good.Do(t, "GET", "/Users", nil, "Authorization:", via(address())).WantError(t, 401, "")
		for _, r := range everywhere(user) {
			res := good.Do(t, r[0], r[1], nil).WantError(t, 503, "", "paused")
			if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || n < 1 {
				t.Errorf("%s %s: Retry-After %q", r[0], r[1], res.Header.Get("Retry-After"))
			}
		}
		do[admin.TenantDetail](t, s, admin.PathTenantResume, M{"tenant": name})
		good.Do(t, "GET", "/Users/"+user, nil).Want(t, 200).WantField(t, "ada@example.com", "userName")
		good.Do(t, "GET", "/Users", nil).WantList(t, 1)

		for outcome := range clients {
			outcome = map[string]string{"revoked": "unknown", "elsewhere": "address"}[outcome] + outcome
			outcome = strings.TrimSuffix(strings.TrimSuffix(outcome, "revoked"), "elsewhere")
			if n := counter(t, s, "caddy_scim_authentications_total", "outcome", outcome); n < len(everywhere(user)) {
				t.Errorf("%d tokens were counted as %s", n, outcome)
			}
		}
	})
}

// TestAddresses binds a token to ranges of addresses, and lies about the address.
func TestAddresses(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		_, c := mint(t, s, admin.TokenCreate{Tenant: create(t, s, ""), Addresses: []string{"198.51.100.128/25", "203.0.113.9", "2001:db8:1::/48", "127.66.0.0/16"}})
		for _, test := range []struct {
			name, from string
			status     int
		}{
			{"in a range", "198.51.100.200", 200},
			{"beside the range", "198.51.100.127", 401},
			{"the address", "203.0.113.9", 200},
			{"beside the address", "203.0.113.10", 401},
			{"in a range of IPv6", "2001:db8:1:2::3", 200},
			{"beside the range of IPv6", "2001:db8:2::", 401},
			{"IPv4 as IPv6", "::ffff:203.0.113.9", 200},
			{"no address", "somewhere", 401}, // the proxy's own
			{"what the client says comes first", "203.0.113.9, 192.0.2.1", 401},
			{"what the proxy says comes last", "192.0.2.1, 203.0.113.9", 200},
		} {
			t.Run(test.name, func(t *testing.T) {
				c.Do(t, "GET", "/Users?count=0", nil, via(test.from)).Want(t, test.status)
			})
		}
		for from, status := range map[string]int{"127.66.0.1": 200, "127.67.0.1": 401} {
			direct := *c
			direct.HTTP = httpFrom(t, from)
			direct.Do(t, "GET", "/Users?count=0", nil).Want(t, status)
			// Who is no trusted proxy cannot say where it comes from.
			direct.Do(t, "GET", "/Users?count=0", nil, via("203.0.113.9")).Want(t, status)
			direct.Do(t, "GET", "/Users?count=0", nil, via("192.0.2.1"), "X-Real-IP: 203.0.113.9", "Forwarded: for=203.0.113.9").Want(t, status)
		}
		list := do[admin.TokenList](t, s, admin.PathTokenList, M{"tenant": c.Tenant})
		same(t, "the ranges in the list", []string{"198.51.100.128/25", "203.0.113.9", "2001:db8:1::/48", "127.66.0.0/16"}, list.Tokens[0].Addresses)
	})
}

// TestReadOnly has a token of scope read try everything.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		full := tenant(t, s, "")
		minted, c := mint(t, s, admin.TokenCreate{Tenant: full.Tenant, Scope: "read"})
		if minted.Scope != "read" {
			t.Errorf("scope %s", minted.Scope)
		}
		user := full.CreateUser(t, "ada@example.com")
		group := full.CreateGroup(t, "crew", user)
		before := dump(t, s, full)

		search := M{"schemas": A{e2e.SearchURN}, "filter": "id pr and meta.created gt \"2020-01-01T00:00:00Z\""}
		for _, r := range [][2]string{
			{"GET", "/Users"}, {"GET", "/Users/" + user}, {"HEAD", "/Users/" + user}, {"GET", "/Groups"}, {"GET", "/Groups/" + group}, {"GET", "/"},
			{"POST", "/.search"}, {"POST", "/Users/.search"}, {"POST", "/Groups/.search"},
			{"GET", "/Schemas"}, {"GET", "/ResourceTypes"}, {"GET", "/ServiceProviderConfig"},
		} {
			body := any(nil)
			if r[0] == "POST" {
				body = search
			}
			c.Do(t, r[0], r[1], body).Want(t, 200)
		}
		bulk := M{"schemas": A{e2e.BulkURN}, "Operations": A{M{"method": "POST", "path": "/Users", "bulkId": "a", "data": e2e.UserBody("new@example.com")}}}
		patch := e2e.PatchBody(e2e.Op("replace", "displayName", "other"))
		for _, r := range []struct {
			method, path string
			body         any
		}{
			{"POST", "/Users", e2e.UserBody("new@example.com")}, {"PUT", "/Users/" + user, e2e.UserBody("ada@example.com", M{"title": "x"})},
			{"PATCH", "/Users/" + user, patch}, {"DELETE", "/Users/" + user, nil}, {"DELETE", "/Users/nobody", nil}, {"POST", "/Users", "no JSON"},
			{"POST", "/Groups", e2e.GroupBody("new")}, {"PUT", "/Groups/" + group, e2e.GroupBody("crew")}, {"PATCH", "/Groups/" + group, patch},
			{"DELETE", "/Groups/" + group, nil}, {"POST", "/Bulk", bulk}, {"POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": A{}}},
		} {
			res := c.Do(t, r.method, r.path, r.body).WantError(t, 403, "", "read")
			if got := res.Header.Get("WWW-Authenticate"); !strings.Contains(got, "insufficient_scope") {
				t.Errorf("%s %s: WWW-Authenticate: %s", r.method, r.path, got)
			}
		}
		same(t, "what is stored", before, dump(t, s, full))
	})
}

// TestThrottle fails until the address is throttled: another is not, and neither
// is a valid token from there.
func TestThrottle(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		c := tenant(t, s, "")
		from := via(address())
		c.Do(t, "GET", "/Users?count=0", nil, from).Want(t, 200)
		throttled := counter(t, s, "caddy_scim_authentications_total", "outcome", "throttled")
		limited := counter(t, s, "caddy_scim_limited_total", "limit", "authentication")
		failures, refusals := 0, 0
		for n := 0; refusals < 5; n++ {
			secret := "Authorization: Bearer " + []string{token.Mint(), "malformed", mistyped(c.Token)}[n%3]
			switch r := c.Do(t, "GET", "/Users?count=0", nil, from, secret); r.Status {
			case 401:
				failures++
			case 429:
				refusals++
				if n, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || n < 1 || n > 60 {
					t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
				}
				r.WantError(t, 429, "", "address")
			default:
				t.Fatalf("a wrong token\n%s", r)
			}
			if n > 100 {
				t.Fatalf("%d failures from one address, of which %d were throttled", n, refusals)
			}
		}
		if failures < 10 {
			t.Errorf("throttled after %d failures", failures)
		}
		c.Do(t, "GET", "/Users?count=0", nil, from).Want(t, 200)
		_, newer := mint(t, s, admin.TokenCreate{Tenant: c.Tenant})
		newer.Do(t, "GET", "/Users?count=0", nil, from).Want(t, 200)
		s.Client.Do(t, "GET", "/Users?count=0", nil, from).Want(t, 200) // a static one
		c.Do(t, "GET", "/Users?count=0", nil, via(address()), "Authorization: Bearer "+token.Mint()).WantError(t, 401, "")
		// A valid token passes on a node that has not met it, too. One that is newer
		// than what the node last read of the tokens has to come back, as it is told.
		for _, n := range nodes(t, s)[1:] {
			_, early := mint(t, s, admin.TokenCreate{Tenant: c.Tenant})
			tries := 0
			for at(n, c).Do(t, "GET", "/Users?count=0", nil, from, "Authorization: Bearer "+token.Mint()).Status != 429 {
				if tries++; tries > 100 {
					t.Fatal("the other node throttles nobody")
				}
			}
			at(n, early).Do(t, "GET", "/Users?count=0", nil, from).Want(t, 200)
			_, newest := mint(t, s, admin.TokenCreate{Tenant: c.Tenant})
			newest = at(n, newest)
			first, wait := newest.Do(t, "GET", "/Users?count=0", nil, from), 0
			if first.Status != 200 {
				first.WantError(t, 429, "")
				var err error
				if wait, err = strconv.Atoi(first.Header.Get("Retry-After")); err != nil {
					t.Fatal(err)
				}
			}
			e2e.Eventually(t, time.Duration(wait+5)*time.Second, "the valid token passes", func() bool {
				return newest.Do(t, "GET", "/Users?count=0", nil, from).Status == 200
			})
		}
		// No token is no failure: a probe without one reveals and costs nothing.
		c.Do(t, "GET", "/Users?count=0", nil, from, "Authorization:").WantError(t, 401, "")
		if n := counter(t, s, "caddy_scim_authentications_total", "outcome", "throttled") - throttled; n < refusals {
			t.Errorf("%d throttled requests were counted, there were %d", n, refusals)
		}
		if n := counter(t, s, "caddy_scim_limited_total", "limit", "authentication") - limited; n < refusals {
			t.Errorf("%d requests were counted as limited, there were %d", n, refusals)
		}
	})
}
