package observetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// grown is what series grew by since a scrape.
type grown struct {
	before map[string]float64
	s      *e2e.Server
}

func since(t *testing.T, s *e2e.Server) grown {
	t.Helper()
	return grown{scrape(t, s), s}
}

// want checks that each series grew by at least so much.
func (g grown) want(t *testing.T, series map[string]float64) {
	t.Helper()
	after := scrape(t, g.s)
	for name, n := range series {
		if got := after["caddy_scim_"+name] - g.before["caddy_scim_"+name]; got < n {
			t.Errorf("%s grew by %v, want %v", name, got, n)
		}
	}
}

// mint makes a token of the server's tenant through the admin API.
func mint(t *testing.T, s *e2e.Server, options string) string {
	t.Helper()
	r := s.Caddy.Admin(t, "POST", "/scim/tokens/create", fmt.Sprintf(`{"tenant":%q%s}`, s.Tenant, options)).Want(t, 200)
	var out struct{ Token string }
	if err := json.Unmarshal(r.Body, &out); err != nil || out.Token == "" {
		t.Fatalf("%v: %s", err, r.Body)
	}
	return out.Token
}

func TestAuthenticationsAreCounted(t *testing.T) {
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, scraped)
			use := func(secret string, status int) {
				t.Helper()
				s.Named(s.Tenant, secret).Do(t, "GET", "/Users?count=0", nil).Want(t, status)
			}
			short := mint(t, s, `,"expires":"1s"`)
			g := since(t, s)
			use(mint(t, s, ""), 200)
			s.Do(t, "GET", "/Users", nil, "Authorization:").WantError(t, 401, "")
			use("scim_nonsense", 401)
			unknown := token.Mint()
			use(unknown, 401)
			use(mint(t, s, `,"addresses":["192.0.2.0/24"]`), 401)
			e2e.Eventually(t, 10*time.Second, "the token expires", func() bool {
				r, err := s.Named(s.Tenant, short).Send("GET", "/Users?count=0", nil)
				return err == nil && r.Status == 401
			})
			g.want(t, map[string]float64{
				`authentications_total{outcome="ok"}`:        1,
				`authentications_total{outcome="missing"}`:   1,
				`authentications_total{outcome="malformed"}`: 1,
				`authentications_total{outcome="unknown"}`:   1,
				`authentications_total{outcome="address"}`:   1,
				`authentications_total{outcome="expired"}`:   1,
			})

			g = since(t, s)
			e2e.Eventually(t, 20*time.Second, "the address is throttled", func() bool {
				r, err := s.Named(s.Tenant, token.Mint()).Send("GET", "/Users?count=0", nil)
				return err == nil && r.Status == 429
			})
			g.want(t, map[string]float64{
				`authentications_total{outcome="throttled"}`: 1,
				`limited_total{limit="authentication"}`:      1,
			})
		})
	}
}

func TestLimitsAreCounted(t *testing.T) {
	cfg := scraped
	cfg.Rate = "1 20"
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, cfg)
			g := since(t, s)
			s.Do(t, "POST", "/Users", strings.Repeat("[", 40)).WantError(t, 400, "invalidSyntax")
			s.Do(t, "GET", e2e.Filter("/Users", strings.Repeat("(", 30)+"userName pr"+strings.Repeat(")", 30)), nil).Want(t, 400)
			e2e.Eventually(t, 20*time.Second, "the rate is reached", func() bool {
				r, err := s.Send("GET", "/Users?count=0", nil)
				return err == nil && r.Status == 429
			})
			g.want(t, map[string]float64{
				`limited_total{limit="depth"}`:        1,
				`limited_total{limit="filter_depth"}`: 1,
				`limited_total{limit="rate"}`:         1,
			})
		})
	}
}

func TestUsersAreCounted(t *testing.T) {
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, scraped)
			g := since(t, s)
			s.CreateGroup(t, group, "one.member", "another.member")
			id := s.CreateUser(t, userName)
			s.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
			s.CreateUser(t, userName)
			g.want(t, map[string]float64{
				`users_total{event="created_from_members"}`: 2,
				`users_total{event="archived"}`:             1,
				`users_total{event="returned"}`:             1,
			})
		})
	}
}

// What the operator should know without a request: there from the start.
func TestGauges(t *testing.T) {
	cfg := scraped
	cfg.Scim = "\ttenant resting {\n\t\tpaused\n\t}"
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, cfg)
			const next = "caddy_scim_token_next_expiry_timestamp_seconds"
			ready := func() bool {
				_, counted := scrape(t, s)["caddy_scim_tokens_expiring"]
				return counted
			}
			e2e.Eventually(t, 30*time.Second, "tenants and tokens are counted", ready)
			if got := scrape(t, s); got[next] != 0 || got["caddy_scim_tokens_expiring"] != 0 || got[`caddy_scim_tenants{state="paused"}`] != 1 {
				t.Errorf("without a token that expires: %v, %v, paused %v", got[next], got["caddy_scim_tokens_expiring"], got[`caddy_scim_tenants{state="paused"}`])
			}
			mint(t, s, `,"expires":"10d"`)
			mint(t, s, `,"expires":"90d"`)
			s.Caddy.Restart(t)
			e2e.Eventually(t, 30*time.Second, "tenants and tokens are counted again", ready)
			got := scrape(t, s)
			if v := time.Until(time.Unix(int64(got[next]), 0)); v < 9*24*time.Hour || v > 10*24*time.Hour {
				t.Errorf("the next token expires in %s", v)
			}
			if got["caddy_scim_tokens_expiring"] != 1 || got["caddy_scim_tokens_expired"] != 0 {
				t.Errorf("expiring %v, expired %v", got["caddy_scim_tokens_expiring"], got["caddy_scim_tokens_expired"])
			}
			if got[`caddy_scim_tenants{state="active"}`] < 1 {
				t.Errorf("active tenants: %v", got[`caddy_scim_tenants{state="active"}`])
			}
			e2e.Eventually(t, 30*time.Second, "background work succeeds", func() bool {
				m := scrape(t, s)
				last := time.Unix(int64(m["caddy_scim_housekeeping_last_success_timestamp_seconds"]), 0)
				return m[`caddy_scim_housekeeping_runs_total{outcome="ok"}`] >= 1 && time.Since(last) < time.Minute
			})
		})
	}
}
