package canarytest

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// TestDeletedTenant deletes a tenant with everything of theirs: nothing that it
// ever sent is left in the live data, kept values and names of the report
// included. The raw files of bbolt and the append-only file of Redis have it until
// they are written anew, see TestNarrowing.
func TestDeletedTenant(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, r *e2e.Redis) {
		m := newMarkers()
		s := e2e.StartServerOn(t, r, e2e.Config{Site: published(t)})
		minted := s.Caddy.Mint(t, "gone", "--create", "--label", "of one who leaves")
		m.secret("the minted token", minted.Token)
		c := newCanary(t, m, s, s.Named("gone", minted.Token))
		id, _ := c.users()
		c.patches(id)
		c.groups(id)
		wantReport(t, s.Caddy, "gone", c.counts)
		if r != nil {
			r.Do(t, "SAVE")
		}
		found := 0
		for _, p := range storeFiles(t, s, r) {
			found += len(m.hits(p.data))
		}
		if found < 300 {
			t.Errorf("the store has %d markers before the deletion: too few to say anything", found)
		}

		o := &operator{t: t, caddy: s.Caddy}
		o.run(inAdmin, 0, "tenant", "delete", "gone", "--yes")
		c.refused(401, [2]string{"GET", "/Users"}, minted.Token)
		c.refused(401, [2]string{"POST", "/Users"}, minted.Token)
		o.ask(inAdmin, 0, "POST", "/scim/tenants/show", `{"tenant":"gone"}`)
		o.ask(inAdmin, 0, "POST", "/scim/report", `{"tenant":"gone"}`)
		o.ask(inAdmin, 0, "POST", "/scim/users/show", `{"tenant":"gone","key":"`+id+`"}`)
		o.post(inAdmin, 200, "/scim/export", M{})
		o.post(inAdmin, 200, "/scim/tenants/list", M{})
		o.health(200)
		s.Caddy.Stop(t) // which writes what waits to be written
		live := func() []place {
			if r == nil {
				return compacted(t, s.Caddy.BoltFile)
			}
			r.Do(t, "SAVE")
			var list []place
			for _, p := range files(t, inStore, r.Dir) {
				if strings.HasSuffix(p.name, "dump.rdb") {
					list = append(list, p)
				}
			}
			return list
		}
		list := live()
		if len(list) != 1 || len(list[0].data) == 0 {
			t.Fatalf("%d files of the store", len(list))
		}
		for n, at := range m.hits(list[0].data) {
			label := "a piece of a marker"
			if n >= 0 {
				label = m.all[n].label
			}
			t.Errorf("%s has %s: %s", list[0].name, label, around(list[0].data, at))
		}
		if at := strings.Index(string(list[0].data), minted.ID); at >= 0 {
			t.Errorf("%s has the id of the token: %s", list[0].name, around(list[0].data, at))
		}
		for _, p := range append(append(o.places, spans.place()), files(t, inStore, s.Caddy.Dir)...) {
			if p.in != inStore {
				m.check(t, p)
			}
		}
	})
}
