package canarytest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// TestCanary sends the whole corpus under the default list and looks for its
// markers in everything that the product leaves behind.
func TestCanary(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, r *e2e.Redis) {
		m := newMarkers()
		secretFile := filepath.Join(t.TempDir(), "token")
		static := m.secret("the static token", "a-token-of-the-canary-"+m.text)
		if err := os.WriteFile(secretFile, []byte(static), 0o600); err != nil {
			t.Fatal(err)
		}
		scim := fmt.Sprintf("tenant canary {\n\ttoken {file.%s}\n}\n", secretFile)
		for _, mode := range []string{"ignore", "reject", "pending"} {
			scim += fmt.Sprintf("tenant %s {\n\ttoken token-of-the-tenant-%s\n\tmembers %s\n}\n", mode, mode, mode)
		}
		s := e2e.StartServerOn(t, r, e2e.Config{Scim: scim, Site: published(t)})

		c := newCanary(t, m, s, s.Named("canary", static))
		id := c.users()
		taken := c.last("taken userName")
		c.send(201, "POST", "/Users", M{"schemas": A{}, "userName": taken})
		c.patches(id)
		c.groups(id)
		c.bulk(id)
		c.queries()
		c.errors(id, taken)
		c.escapes()
		c.tokens()
		others := map[string]*canary{}
		for _, mode := range []string{"ignore", "reject", "pending"} {
			others[mode] = newCanary(t, m, s, s.Named(mode, "token-of-the-tenant-"+mode))
			others[mode].mode(mode)
		}
		minted := s.Caddy.Mint(t, "canary")
		m.secret("the minted token", minted.Token)
		c.client.Token = minted.Token
		c.send(200, "GET", "/Users?count=200", nil)
		c.send(200, "GET", "/Groups?count=200", nil)

		places := admin(t, s.Caddy, "canary", "pending")
		answers := c.dumps
		for _, o := range others {
			answers = append(answers, o.dumps...)
		}
		if r != nil {
			r.Do(t, "SAVE")
			places = append(places, place{onWire, "SLOWLOG", fmt.Append(nil, r.Do(t, "SLOWLOG", "GET", "-1"))})
		}
		s.Caddy.Stop(t)
		places = append(places, files(t, inStore, s.Caddy.Dir)...)
		if r != nil {
			places = append(places, files(t, inStore, r.Dir)...)
		}
		for _, p := range places {
			m.check(t, p)
		}
		t.Logf("%d answers, %d markers, %d places", len(answers), len(m.all), len(places))
		searchWorks(t, m, r, minted.ID, places, answers)
	})
}

// searchWorks shows that the search finds what is there: what is kept in each
// file of the store and in the answers, the names of what is not in the log, and
// the counts in the metrics.
func searchWorks(t *testing.T, m *markers, r *e2e.Redis, tokenID string, places []place, answers [][]byte) {
	t.Helper()
	if lost := m.missing(answers, kept, final); len(lost) > 0 {
		t.Errorf("no answer has %q", lost)
	}
	of := func(in where, part string) [][]byte {
		var list [][]byte
		for _, p := range places {
			if p.in == in && strings.Contains(p.name, part) {
				list = append(list, p.data)
			}
		}
		if len(list) == 0 {
			t.Errorf("there was no %s to search", part)
		}
		return list
	}
	if r == nil {
		if lost := m.missing(of(inStore, "scim.db"), final); len(lost) > 0 {
			t.Errorf("the bolt file does not have %q", lost)
		}
	} else {
		if lost := m.missing(of(inStore, "dump.rdb"), final); len(lost) > 0 {
			t.Errorf("the RDB file does not have %q", lost)
		}
		if lost := m.missing(of(inStore, "appendonlydir"), final, kept, unseen); len(lost) > 0 {
			t.Errorf("the AOF files do not have %q", lost)
		}
		if lost := m.missing(of(onWire, "SLOWLOG"), final); len(lost) > len(m.all)/2 {
			t.Errorf("the slow log does not have %q", lost)
		}
	}
	counted := 0
	for n := range m.hits(bytes.Join(of(inLogs, ".log"), nil)) {
		if n >= 0 && m.all[n].class == name {
			counted++
		}
	}
	if counted < 50 {
		t.Errorf("the logs name %d unknown attributes, want at least 50", counted)
	}
	output := bytes.Join(of(inLogs, "output.log"), nil)
	for _, want := range []string{`"uri":"/scim/v2/Users?REDACTED"`, `"uri":"/scim/v2/Users/-"`, `"logger":"http.log.access.log0"`, `"remote_ip":"127.0.0.0"`, `"method":"PATCH"`} {
		if !bytes.Contains(output, []byte(want)) {
			t.Errorf("the access log has no %s", want)
		}
	}
	for _, want := range []string{`caddy_scim_dropped_attributes_total{attribute="nickName"}`, `caddy_scim_dropped_attributes_total{attribute="password"}`, `attribute="other"`} {
		if !bytes.Contains(bytes.Join(of(inMetrics, "metrics"), nil), []byte(want)) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if !bytes.Contains(bytes.Join(of(inAdmin, "tokens/list"), nil), []byte(tokenID)) {
		t.Error("the list of tokens has no token")
	}
}
