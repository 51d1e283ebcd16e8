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
		id, archived := c.users()
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

		o := &operator{t: t, caddy: s.Caddy}
		c.support(o)
		for name, other := range others {
			wantReport(t, s.Caddy, name, other.counts)
		}
		wantReport(t, s.Caddy, "canary", c.counts)
		s.Caddy.Restart(t)
		wantReport(t, s.Caddy, "canary", c.counts)
		user, _ := c.send(200, "GET", "/Users/"+id, nil).JSON["userName"].(string)
		groups := c.send(200, "GET", "/Groups?count=200", nil).List(t)
		groupIDs := []string{}
		for _, g := range groups {
			groupIDs = append(groupIDs, fmt.Sprint(g["id"]))
		}
		o.look(200, "canary", []string{id, user}, groupIDs)
		o.commands(0, "canary", user, groupIDs[0], archived)
		o.look(200, "pending", nil, nil)
		o.health(200)
		exported := o.export("canary", "pending")
		on := canaryRedis
		if r != nil {
			on = func(*testing.T) *e2e.Redis { return nil }
		}
		places := append(o.places, c.imported(exported, on(t), minted.Token)...)
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
		places = append(places, spans.place())
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

	// What can be looked up is shown. That exports are whole, their import tells.
	for _, part := range []string{"/scim/users/show", "/scim/groups/show", "/scim/groups/members", "/scim/archive/list", "/scim/archive/show", "/scim/archive/restore", "scim user show", "scim group show", "scim archive list", "scim archive show", "scim archive restore"} {
		if len(m.hits(bytes.Join(of(inRecords, part), nil))) == 0 {
			t.Errorf("%s shows nothing", part)
		}
	}
	// Reports name what is unknown, as JSON and as a table.
	for _, part := range []string{"/scim/report", "scim report"} {
		for i, text := range of(inReport, part) {
			if found := len(m.hits(text)); i == 0 && found < 150 {
				t.Errorf("%s %d names %d unknown attributes", part, i, found)
			}
		}
	}
	for _, part := range []string{"/scim/tenants/setup", "scim tenant show canary --setup"} {
		for _, text := range of(inAdmin, part) {
			for _, want := range []string{e2e.PublicURL, "userName", "department", "costCenter"} {
				if !bytes.Contains(text, []byte(want)) {
					t.Errorf("%s has no %s:\n%.3000s", part, want, text)
				}
			}
		}
	}
	for _, want := range []string{"scim create User", "scim patch Group", "scim query User", "scim bulk", "scim store commit"} {
		if !bytes.Contains(bytes.Join(of(inSpans, "spans"), nil), []byte(want)) {
			t.Errorf("there is no span %q", want)
		}
	}
}
