package observetest

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

var scraped = e2e.Config{Site: "\tmetrics /metrics"}

// scrape returns our series as Prometheus gets them.
func scrape(t *testing.T, s *e2e.Server) map[string]float64 {
	t.Helper()
	res, err := http.Get(s.Caddy.Root() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %v %s", res.StatusCode, err, text)
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		i := strings.LastIndexByte(line, ' ')
		if !strings.HasPrefix(line, "caddy_scim_") {
			continue
		}
		if out[line[:i]], err = strconv.ParseFloat(line[i+1:], 64); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestCountersSurviveReload(t *testing.T) {
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			testCountersSurviveReload(t, e2e.StartServer(t, store, scraped))
		})
	}
}

func testCountersSurviveReload(t *testing.T, s *e2e.Server) {
	t.Helper()
	s.CreateUser(t, "ada@example.com", e2e.M{"nickName": "x", "shoeSize": 44})
	s.Do(t, "GET", "/Users/nobody", nil).WantError(t, 404, "")
	before := scrape(t, s)
	for series, want := range map[string]float64{
		`caddy_scim_requests_total{operation="create",outcome="2xx",resource_type="User"}`:           1,
		`caddy_scim_requests_total{operation="read",outcome="404",resource_type="User"}`:             1,
		`caddy_scim_request_duration_seconds_count{operation="create",resource_type="User"}`:         1,
		`caddy_scim_store_duration_seconds_count{driver="` + s.Store + `",op="commit",outcome="ok"}`: 1,
		`caddy_scim_dropped_attributes_total{attribute="nickName"}`:                                  1,
		`caddy_scim_dropped_attributes_total{attribute="other"}`:                                     1,
		`caddy_scim_store_up{driver="` + s.Store + `"}`:                                              1,
	} {
		if got := before[series]; got < want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	cfg := scraped
	cfg.Allow = []string{"default", "title"}
	if err := s.Caddy.Reload(s.Caddy.WriteConfig(t, cfg)); err != nil {
		t.Fatal(err)
	}
	after := scrape(t, s)
	for series, v := range before {
		if got, ok := after[series]; !ok || got < v && !strings.HasPrefix(series, "caddy_scim_t") {
			t.Errorf("%s was %v before the reload and is %v after", series, v, got)
		}
	}
	const created = `caddy_scim_requests_total{operation="create",outcome="2xx",resource_type="User"}`
	s.CreateUser(t, "grace@example.com")
	if got := scrape(t, s)[created]; got != before[created]+1 {
		t.Errorf("%s is %v, want one more than %v", created, got, before[created])
	}
}

func TestStoreUp(t *testing.T) {
	s := e2e.StartServer(t, e2e.RedisName, scraped)
	const series = `caddy_scim_store_up{driver="redis"}`
	is := func(want float64) func() bool {
		return func() bool { v, ok := scrape(t, s)[series]; return ok && v == want }
	}
	e2e.Eventually(t, 20*time.Second, "the store is up", is(1))
	s.Redis.Kill(t)
	e2e.Eventually(t, 20*time.Second, "the store is told to be away, without a request", is(0))
	s.Redis.Start(t)
	e2e.Eventually(t, 20*time.Second, "the store is back", is(1))
}

// What a client or an operator makes up never becomes a label.
func TestNoLabelOfAPerson(t *testing.T) {
	e2e.ForEachStore(t, scraped, func(t *testing.T, s *e2e.Server) {
		user := provision(t, s.Client)
		for _, token := range []string{"", "nonsense", s.Token + "x"} {
			s.Named(s.Tenant, token).Do(t, "GET", "/Users", nil).WantError(t, 401, "")
		}
		s.Do(t, "GET", "/Nonsense/"+userName, nil).WantError(t, 404, "")
		for series := range scrape(t, s) {
			for _, word := range append(secrets, user, s.Token, `"`+s.Tenant+`"`, "nonsense", "Nonsense") {
				if strings.Contains(series, word) {
					t.Errorf("%q is in %s", word, series)
				}
			}
		}
	})
}
