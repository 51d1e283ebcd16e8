package canarytest

import (
	"bytes"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

const badgeURN = "urn:example:scim:schemas:badge:2.0:Group"

// badge is an extension of groups: their RFC schema has nothing that the default
// list does not keep.
const badge = `{"id":"` + badgeURN + `","name":"Badge","attributes":[
	{"name":"note","type":"string","multiValued":false,"required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"}]}`

// everything is a user with all attributes: the userName marked by mark, the
// rest of the default list as narrowed later, all others as narrowed.
func (c *canary) everything(where string, mark func(string) string) M {
	n := func(label string) string { return c.new(narrowed, where+" "+label) }
	u := keptUser(where, func(label string) string {
		if strings.HasSuffix(label, " userName") {
			return mark(label)
		}
		return c.new(narrowedLater, label)
	})
	for _, a := range []string{"displayName", "title", "nickName", "userType", "timezone"} {
		u[a] = n(a)
	}
	u["profileUrl"], u["password"] = "https://"+n("profileUrl")+".example/", c.drop(where+" password")
	name := u["name"].(M)
	name["formatted"], name["middleName"], name["honorificPrefix"] = n("formatted"), n("middleName"), n("honorificPrefix")
	u["emails"].(A)[0].(M)["display"] = n("emails.display")
	u["emails"] = append(u["emails"].(A), M{"type": "home", "value": n("emails home") + "@x.example"}, M{"value": n("emails without type") + "@x.example"})
	u["addresses"].(A)[0].(M)["locality"] = n("locality")
	u["addresses"] = append(u["addresses"].(A), M{"type": "home", "country": n("country home"), "formatted": n("formatted home")})
	u["phoneNumbers"] = append(u["phoneNumbers"].(A), M{"type": "fax", "value": n("fax")})
	for _, a := range []string{"ims", "entitlements", "roles"} {
		u[a] = A{M{"value": n(a), "display": n(a + ".display"), "type": n(a + ".type")}}
	}
	u["photos"] = A{M{"value": "https://" + n("photos") + ".example/", "type": "photo"}}
	x := u[e2e.EnterpriseURN].(M)
	x["costCenter"], x["employeeNumber"], x["manager"] = n("costCenter"), n("employeeNumber"), M{"value": n("manager")}
	return u
}

// TestNarrowing writes records under `allow *` and reloads with the default
// list, then with a shorter one, and then without an archive: what is not kept is gone from the answers at once, and from the
// live data once the sweep has run. A bbolt file keeps deleted bytes in its free
// pages until they are used again, so there the live data are looked at as a
// compacted copy of the file, not as the raw file. Redis' own files are searched
// raw, after a fresh snapshot and a rewrite of the append-only file.
func TestNarrowing(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, r *e2e.Redis) {
		m := newMarkers()
		cfg := e2e.Config{Allow: []string{"*"}, Extensions: []e2e.Extension{{Type: "groups", Schema: badge}}, Site: published(t)}
		s := e2e.StartServerOn(t, r, cfg)
		c := newCanary(t, m, s, s.Client)

		// A live user with a history, an archived one, a group, and many others, so
		// that the sweep has something to do.
		paths := []string{}
		for _, where := range []string{"live", "second"} {
			id := c.send(201, "POST", "/Users", c.everything(where+" first", c.keep)).ID(t)
			c.send(200, "PUT", "/Users/"+id, c.everything(where+" then", c.keep))
			c.patch(200, "/Users/"+id, e2e.Op("replace", "title", c.new(narrowed, where+" title")), e2e.Op("replace", "nickName", c.new(narrowed, where+" nickName")))
			c.send(200, "PUT", "/Users/"+id, c.everything(where, c.last))
			paths = append(paths, "/Users/"+id)
		}
		archived := c.send(201, "POST", "/Users", c.everything("archived", func(label string) string { return c.new(purged, label) })).ID(t)
		c.send(204, "DELETE", "/Users/"+archived, nil)
		archivedAt := time.Now()
		group := c.send(201, "POST", "/Groups", M{"schemas": A{e2e.GroupURN, badgeURN}, "displayName": c.last("displayName"), "externalId": c.new(narrowedLater, "group externalId"),
			badgeURN: M{"note": c.new(narrowed, "badge")}, "members": A{M{"value": strings.TrimPrefix(paths[0], "/Users/")}}}).ID(t)
		paths = append(paths, "/Groups/"+group)
		ops := A{}
		for i := range 200 {
			ops = append(ops, M{"method": "POST", "path": "/Users", "data": M{"schemas": A{}, "userName": fmt.Sprintf("filler%d", i), "title": c.new(narrowed, "filler")}})
		}
		c.send(200, "POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": ops})
		for _, p := range paths {
			c.send(200, "GET", p, nil)
		}
		c.send(200, "GET", "/Users?count=200", nil)
		c.send(200, "GET", "/Users?count=200&startIndex=201", nil)

		// All of it is there before, or else its absence afterwards says nothing.
		if lost := m.missing(c.dumps, narrowed, narrowedLater, purged, kept, final); len(lost) > 0 {
			t.Errorf("no answer under * has %q", lost)
		}
		before := [][]byte{}
		if r != nil {
			r.Do(t, "SAVE")
		}
		for _, p := range storeFiles(t, s, r) {
			before = append(before, p.data)
		}
		if lost := m.missing(before, narrowed, narrowedLater, purged, final); len(lost) > 0 {
			t.Errorf("the store under * does not have %q", lost)
		}

		narrow(t, c, paths, archived, []string{"title pr", "emails.display pr", badgeURN + ":note pr"}, func(cfg *e2e.Config) { cfg.Allow = []string{"default"} })
		if r != nil {
			liveRedis(t, m, r, final, purged, narrowedLater)
		}
		narrow(t, c, paths, archived, []string{"title pr", "externalId pr", "emails pr"}, func(cfg *e2e.Config) { cfg.Allow = []string{"userName", "active", "displayName", "members"} })
		if r != nil {
			liveRedis(t, m, r, final, purged)
		}
		e2e.Eventually(t, 10*time.Second, "the end of the retention", func() bool { return time.Since(archivedAt) > 2*time.Second })
		narrow(t, c, paths, archived, []string{"title pr"}, func(cfg *e2e.Config) { cfg.ArchiveRetention = "1s" })
		if r != nil {
			liveRedis(t, m, r, final)
		}
		o := &operator{t: t, caddy: s.Caddy}
		o.look(200, s.Tenant, nil, nil)
		o.health(200)
		for _, p := range append(append(o.places, spans.place()), files(t, inStore, s.Caddy.Dir)...) {
			if p.in != inStore {
				m.check(t, p)
			}
		}
		s.Caddy.Stop(t)
		if r == nil {
			liveBolt(t, m, s.Caddy.BoltFile)
		}
	})
}

// narrow reloads so that less is kept and checks the answers, before and after
// the sweep. The filters are those that are refused then.
func narrow(t *testing.T, c *canary, paths []string, archived string, filters []string, change func(*e2e.Config)) {
	t.Helper()
	caddy := c.server.Caddy
	sweeps := func() int {
		return bytes.Count(caddy.Log(t), fmt.Appendf(nil, `"msg":"housekeeping","tenant":%q`, c.client.Tenant))
	}
	schemas := func() string {
		c.client.HTTP.CloseIdleConnections()
		r, err := c.client.Send("GET", "/Schemas", nil)
		if err != nil {
			return "" // in the queue of the listener that was closed
		}
		return string(r.Want(t, 200).Body)
	}
	cfg, before, wide := caddy.Config, sweeps(), schemas()
	allowed := slices.Clone(cfg.Allow)
	change(&cfg)
	if err := caddy.Reload(caddy.WriteConfig(t, cfg)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(allowed, cfg.Allow) {
		// The server of the old configuration may take a last connection.
		e2e.Eventually(t, 10*time.Second, "the new configuration to answer", func() bool { now := schemas(); return now != wide && now != "" })
	}
	c.narrowings++
	users, groups := []string{}, []string{}
	for _, p := range paths {
		if id, ok := strings.CutPrefix(p, "/Users/"); ok {
			users = append(users, id)
		} else {
			groups = append(groups, strings.TrimPrefix(p, "/Groups/"))
		}
	}
	operators := func(swept bool) {
		o := &operator{t: t, caddy: caddy}
		for _, id := range users {
			o.post(inRecords, 200, "/scim/users/show", M{"tenant": c.client.Tenant, "key": id})
		}
		for _, id := range groups {
			o.post(inRecords, 200, "/scim/groups/show", M{"tenant": c.client.Tenant, "key": id})
		}
		if kept := cfg.ArchiveRetention == ""; kept || swept {
			status := 200
			if !kept {
				status = 404
			}
			o.post(inRecords, 200, "/scim/archive/list", M{"tenant": c.client.Tenant})
			o.post(inRecords, status, "/scim/archive/show", M{"tenant": c.client.Tenant, "id": archived})
		}
		if swept {
			o.post(inRecords, 200, "/scim/export", M{"tenants": A{c.client.Tenant}})
		}
		for _, p := range o.places {
			c.check(t, p)
		}
	}
	look := func() {
		for _, p := range paths {
			c.send(200, "GET", p, nil)
			c.send(200, "GET", p+"?attributes=title,name,emails,roles,"+url.QueryEscape(e2e.EnterpriseURN)+","+url.QueryEscape(badgeURN), nil)
		}
		for _, q := range []string{"", "&sortBy=userName", "&filter=userName+sw+%22filler%22", "&cursor="} {
			c.send(200, "GET", "/Users?count=200"+q, nil)
		}
		c.send(200, "GET", "/Groups", nil)
		c.send(200, "GET", "/?count=200", nil)
		c.send(200, "POST", "/.search", M{"schemas": A{e2e.SearchURN}, "count": 200})
		for _, f := range filters {
			c.send(400, "GET", e2e.Filter("/", f), nil)
		}
	}
	look()
	operators(false)
	e2e.Eventually(t, time.Minute, "the sweep of "+c.client.Tenant, func() bool { return sweeps() > before })
	look()
	operators(true)
	for _, p := range paths {
		c.send(200, "PATCH", p+"?attributes=schemas", e2e.PatchBody())
	}
}

func storeFiles(t *testing.T, s *e2e.Server, r *e2e.Redis) []place {
	t.Helper()
	if r != nil {
		return files(t, inStore, r.Dir)
	}
	return files(t, inStore, filepath.Dir(s.Caddy.BoltFile))
}

// liveRedis searches what Redis holds now; the classes have to be there.
func liveRedis(t *testing.T, m *markers, r *e2e.Redis, classes ...class) {
	t.Helper()
	m.check(t, place{inStore, "KEYS", fmt.Append(nil, r.Do(t, "KEYS", "*"))})
	r.Do(t, "SAVE")
	r.Do(t, "BGREWRITEAOF")
	e2e.Eventually(t, time.Minute, "the rewrite of the append-only file", func() bool {
		info := fmt.Sprint(r.Do(t, "INFO", "persistence"))
		return strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
	})
	if info := fmt.Sprint(r.Do(t, "INFO", "persistence")); !strings.Contains(info, "aof_last_bgrewrite_status:ok") {
		t.Errorf("the rewrite failed:\n%s", info)
	}
	var snapshot, log [][]byte
	for _, p := range files(t, inStore, r.Dir) {
		m.check(t, p)
		switch {
		case strings.HasSuffix(p.name, "dump.rdb"):
			snapshot = append(snapshot, p.data)
		case strings.Contains(p.name, "appendonlydir"):
			log = append(log, p.data)
		}
	}
	for name, data := range map[string][][]byte{"snapshot": snapshot, "append-only file": log} {
		// The bodies of earlier versions are dropped from the change log.
		lost := slices.DeleteFunc(m.missing(data, classes...), func(label string) bool {
			return strings.Contains(label, " first ") || strings.Contains(label, " then ")
		})
		if len(lost) > 0 {
			t.Errorf("the %s does not have %q any more", name, lost)
		}
	}
}

// liveBolt searches what a bbolt file holds now.
func liveBolt(t *testing.T, m *markers, file string) {
	t.Helper()
	for _, p := range compacted(t, file) {
		m.check(t, p)
		if lost := m.missing([][]byte{p.data}, final); len(lost) > 0 {
			t.Errorf("the live data do not have %q any more", lost)
		}
	}
}

// compacted copies a bbolt file that nobody serves without its free pages.
func compacted(t *testing.T, file string) []place {
	t.Helper()
	from, err := bbolt.Open(file, 0o600, &bbolt.Options{ReadOnly: true, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	dir := t.TempDir()
	to, err := bbolt.Open(filepath.Join(dir, "live.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := bbolt.Compact(to, from, 0); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return files(t, inStore, dir)
}
