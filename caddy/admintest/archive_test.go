package admintest

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// TestArchive is what an operator does with users whom the identity provider has
// deleted.
func TestArchive(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		c := tenant(t, s, "")
		restored := counter(t, s, "caddy_scim_users_total", "event", "restored")
		purged := counter(t, s, "caddy_scim_users_total", "event", "purged")
		var ids []string
		for i := range 5 {
			id := c.CreateUser(t, fmt.Sprintf("user-%d@example.com", i), M{"externalId": fmt.Sprint("ext-", i), "title": "canary-of-" + c.Tenant})
			ids = append(ids, id)
		}
		group := c.CreateGroup(t, "crew", ids...)
		for _, id := range ids {
			c.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
		}

		var listed []string
		in := admin.ArchiveRequest{Tenant: c.Tenant, PageRequest: admin.PageRequest{Limit: 2}}
		for pages := 1; ; pages++ {
			p := do[admin.ArchivePage](t, s, admin.PathArchiveList, in)
			if p.Total != 5 || p.Tenant != c.Tenant || len(p.Users) > 2 {
				t.Fatalf("page %d: %+v", pages, p)
			}
			for _, u := range p.Users {
				listed = append(listed, u.ID)
				if u.State != "archived" || u.ArchivedAt == nil || time.Since(*u.ArchivedAt).Abs() > time.Minute {
					t.Errorf("in the list: %+v", u)
				}
			}
			if in.After = p.Next; in.After == "" {
				same(t, "pages", 3, pages)
				break
			}
		}
		same(t, "the archive", ids, listed)

		shown := do[admin.Resource](t, s, admin.PathArchiveShow, admin.ArchiveID{Tenant: c.Tenant, ID: ids[0]})
		if !strings.Contains(string(shown.Attributes), "user-0@example.com") || shown.State != "archived" {
			t.Errorf("shown: %+v", shown)
		}
		found := do[admin.LookupResult](t, s, admin.PathUserShow, M{"tenant": c.Tenant, "key": "user-0@example.com"})
		if len(found.Resources) != 1 || found.Resources[0].ID != ids[0] || found.Resources[0].State != "archived" {
			t.Errorf("found: %+v", found)
		}

		// Restored, it is the same person, without the groups of then.
		back := do[admin.Resource](t, s, admin.PathRestore, admin.ArchiveID{Tenant: c.Tenant, ID: ids[0]})
		if back.ID != ids[0] || back.State != "live" || back.ArchivedAt != nil {
			t.Errorf("restored: %+v", back)
		}
		c.Do(t, "GET", "/Users/"+ids[0], nil).Want(t, 200).WantField(t, "user-0@example.com", "userName").WantField(t, "ext-0", "externalId")
		c.WantMembers(t, group)
		refused(t, s, admin.PathRestore, M{"tenant": c.Tenant, "id": ids[0]}, 404, "")
		refused(t, s, admin.PathArchiveShow, M{"tenant": c.Tenant, "id": ids[0]}, 404, "")
		// Not while another has the userName.
		other := c.CreateUser(t, "USER-1@example.com", M{"externalId": "another person"})
		if other == ids[1] {
			t.Fatal("another person was given the archived one's id")
		}
		refused(t, s, admin.PathRestore, M{"tenant": c.Tenant, "id": ids[1]}, 409, "userName")
		do[admin.Resource](t, s, admin.PathArchiveShow, admin.ArchiveID{Tenant: c.Tenant, ID: ids[1]})

		refused(t, s, admin.PathPurge, M{"tenant": c.Tenant, "id": ids[2]}, 400, "id again")
		refused(t, s, admin.PathPurge, M{"tenant": c.Tenant, "id": ids[2], "confirm": ids[3]}, 400, "id again")
		refused(t, s, admin.PathPurge, M{"tenant": c.Tenant, "id": ids[0], "confirm": ids[0]}, 404, "") // it lives
		for _, id := range ids[1:] {
			got := do[admin.ArchiveID](t, s, admin.PathPurge, admin.Purge{Tenant: c.Tenant, ID: id, Confirm: id})
			same(t, "the answer to a purge", admin.ArchiveID{Tenant: c.Tenant, ID: id}, got)
		}
		refused(t, s, admin.PathPurge, M{"tenant": c.Tenant, "id": ids[2], "confirm": ids[2]}, 404, "")
		refused(t, s, admin.PathRestore, M{"tenant": c.Tenant, "id": ids[2]}, 404, "")
		if p := do[admin.ArchivePage](t, s, admin.PathArchiveList, M{"tenant": c.Tenant}); p.Total != 0 || len(p.Users) != 0 {
			t.Errorf("the archive still has %+v", p)
		}
		found = do[admin.LookupResult](t, s, admin.PathUserShow, M{"tenant": c.Tenant, "key": ids[2]})
		if len(found.Resources) != 1 || found.Resources[0].State != "erased" || found.Resources[0].Attributes != nil {
			t.Errorf("found of one who was purged: %+v", found)
		}
		// The id is never anybody's again, and the names are free.
		c.Patch(t, "/Groups/"+group, e2e.Op("add", "members", e2e.MemberList(ids[2]))).Want(t, 204)
		c.Do(t, "GET", "/Users/"+ids[2], nil).WantError(t, 404, "")
		if id := c.CreateUser(t, "user-2@example.com", M{"externalId": "ext-2"}); id == ids[2] {
			t.Error("one who was purged came back")
		}
		if n := counter(t, s, "caddy_scim_users_total", "event", "restored") - restored; n != 1 {
			t.Errorf("%d restored users were counted", n)
		}
		if n := counter(t, s, "caddy_scim_users_total", "event", "purged") - purged; n < 4 {
			t.Errorf("%d purged users were counted", n)
		}

		// Nothing is left of them, in the change log neither.
		c.Do(t, "PATCH", "/Users/"+ids[0], e2e.PatchBody(e2e.Op("remove", "title", nil))).Want(t, 200)
		c.Do(t, "DELETE", "/Users/"+ids[0], nil).Want(t, 204)
		do[admin.ArchiveID](t, s, admin.PathPurge, admin.Purge{Tenant: c.Tenant, ID: ids[0], Confirm: ids[0]})
		c.Do(t, "DELETE", "/Users/"+other, nil).Want(t, 204)
		if s.Redis == nil {
			return
		}
		same(t, "purges in the change log", map[string]int{ids[0]: 1, ids[1]: 1, ids[2]: 1, ids[3]: 1, ids[4]: 1}, purges(t, s, c.Tenant))
		for key, text := range keys(t, s, c.Tenant) {
			if strings.Contains(text, "canary-of-") {
				t.Errorf("something of them is left in %s", key)
			}
		}
	})
}

// purges counts purges in a tenant's change log, by id. An entry has nothing but
// the id, the time and who did it.
func purges(t *testing.T, s *e2e.Server, tenant string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, e := range s.Redis.Do(t, "XRANGE", "scim:{"+tenant+"}:changes", "-", "+").([]any) {
		fields := map[string]string{}
		list := e.([]any)[1].([]any)
		for i := 0; i+1 < len(list); i += 2 {
			fields[list[i].(string)] = list[i+1].(string)
		}
		if fields["type"] != "user.purged" {
			continue
		}
		out[fields["id"]]++
		if fields["changed"] != "" {
			t.Errorf("the entry of a purge names attributes: %v", fields)
		}
	}
	return out
}

// TestRetention lets archived users become too old while no node runs; the first
// that starts purges them, and no second one does so again.
func TestRetention(t *testing.T) {
	t.Parallel()
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, e2e.Config{Allow: []string{"*"}, StoreOptions: patient(store)})
			all := nodes(t, s)
			short, long := tenant(t, s, `{"archive_retention":"1s"}`), tenant(t, s, `{"archive_retention":"90d"}`)
			ids, want := map[string]bool{}, map[string]int{}
			for i := range 30 {
				for _, c := range []*e2e.Client{short, long} {
					id := c.CreateUser(t, fmt.Sprintf("user-%d@example.com", i), M{"title": "canary-of-" + c.Tenant})
					c.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
					if c == short {
						ids[id], want[id] = true, 1
					}
				}
			}
			kept := short.CreateUser(t, "kept@example.com")
			archived := func(c *e2e.Client) int {
				return do[admin.ArchivePage](t, s, admin.PathArchiveList, M{"tenant": c.Tenant}).Total
			}
			if archived(short) != 30 || archived(long) != 30 {
				t.Fatalf("archived: %d and %d", archived(short), archived(long))
			}
			var last time.Time
			for _, u := range do[admin.ArchivePage](t, s, admin.PathArchiveList, M{"tenant": short.Tenant}).Users {
				if u.ArchivedAt.After(last) {
					last = *u.ArchivedAt
				}
			}
			for _, n := range all {
				n.Caddy.Kill(t)
			}
			e2e.Eventually(t, 10*time.Second, "the last one's retention is over", func() bool { return time.Since(last) > 1100*time.Millisecond })
			failed := make([]error, len(all))
			var wg sync.WaitGroup
			for i, n := range all {
				wg.Go(func() { failed[i] = n.Caddy.TryStart() })
			}
			wg.Wait()
			for _, err := range failed {
				if err != nil {
					t.Fatal(err)
				}
			}
			e2e.Eventually(t, 20*time.Second, "the archive is purged", func() bool { return archived(short) == 0 })
			if n := archived(long); n != 30 {
				t.Errorf("%d of 30 archived users are left where they are kept for 90 days", n)
			}
			short.Do(t, "GET", "/Users/"+kept, nil).Want(t, 200)
			for id := range ids {
				found := do[admin.LookupResult](t, s, admin.PathUserShow, M{"tenant": short.Tenant, "key": id})
				if len(found.Resources) != 1 || found.Resources[0].State != "erased" {
					t.Fatalf("of one who was purged there is %+v", found)
				}
			}
			// One round, on one of the nodes; the other waits for its turn.
			rounds, purged := 0, 0
			e2e.Eventually(t, 20*time.Second, "the round ends", func() bool {
				rounds, purged = 0, 0
				for _, n := range all {
					rounds += counter(t, n, "caddy_scim_housekeeping_runs_total", "outcome", "ok")
					purged += counter(t, n, "caddy_scim_users_total", "event", "purged")
				}
				return rounds > 0
			})
			same(t, "purged users, as all nodes count them", 30, purged)
			if s.Redis != nil {
				same(t, "purges in the change log", want, purges(t, s, short.Tenant))
				same(t, "purges of the other tenant", map[string]int{}, purges(t, s, long.Tenant))
				for key, text := range keys(t, s, short.Tenant) {
					if strings.Contains(text, "canary-of-") {
						t.Errorf("something of them is left in %s", key)
					}
				}
				return
			}
			s.Caddy.Stop(t)
			file, err := os.ReadFile(s.Caddy.BoltFile)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(file, []byte("canary-of-"+long.Tenant)) {
				t.Error("the file does not have what is kept")
			}
			s.Caddy.Start(t)
			// Kept for less from now on, what is in the archive is purged soon.
			do[admin.TenantDetail](t, s, admin.PathTenantSet, M{"tenant": long.Tenant, "set": M{"archive_retention": "1s"}})
			e2e.Eventually(t, 20*time.Second, "the other archive is purged", func() bool { return archived(long) == 0 })
		})
	}
}
