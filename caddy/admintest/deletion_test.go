package admintest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// keys returns the keys of a tenant in Redis, or of the system tenant, with their
// values.
func keys(t *testing.T, s *e2e.Server, tenant string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, key := range keyNames(t, s, tenant) {
		out[key] = value(t, s, key)
	}
	return out
}

// value is all that a key holds.
func value(t *testing.T, s *e2e.Server, key string) string {
	t.Helper()
	var read []any
	switch kind := s.Redis.Do(t, "TYPE", key); kind {
	case "string":
		read = []any{"GET", key}
	case "hash":
		read = []any{"HGETALL", key}
	case "zset":
		read = []any{"ZRANGE", key, 0, -1}
	case "stream":
		read = []any{"XRANGE", key, "-", "+"}
	default:
		t.Fatalf("%s is a %s", key, kind)
	}
	return fmt.Sprint(s.Redis.Do(t, read...))
}

func keyNames(t *testing.T, s *e2e.Server, tenant string) []string {
	t.Helper()
	var out []string
	for _, key := range s.Redis.Do(t, "KEYS", "*{"+tenant+"}*").([]any) {
		out = append(out, key.(string))
	}
	return out
}

// TestDeletion deletes a tenant with everything of theirs, on a node that is
// killed meanwhile.
func TestDeletion(t *testing.T) {
	t.Parallel()
	const people = 5000
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, e2e.Config{Allow: []string{"*"}, StoreOptions: patient(store)})
			fill := func(c *e2e.Client) string {
				id := c.CreateUser(t, "ada@example.com", M{"externalId": "ada"})
				old := c.CreateUser(t, "old@example.com", M{"externalId": "old"})
				c.Do(t, "DELETE", "/Users/"+old, nil).Want(t, 204)
				c.CreateGroup(t, "crew", id)
				return id
			}
			gone, stays := tenant(t, s, `{"match":["userName","externalId"]}`), tenant(t, s, "")
			_, neighbour := mint(t, s, admin.TokenCreate{Tenant: gone.Tenant + "0", Create: true}) // whose name begins alike
			was := fill(gone)
			fill(stays)
			fill(neighbour)
			members := make([]string, people)
			for i := range members {
				members[i] = fmt.Sprintf("member-%d@example.com", i)
			}
			gone.CreateGroup(t, "everybody", members...)
			survivors := func() map[string]any {
				all := map[string]any{}
				for _, c := range []*e2e.Client{stays, neighbour} {
					all[c.Tenant] = dump(t, s, c)
					if s.Redis != nil {
						all["keys of "+c.Tenant] = keys(t, s, c.Tenant)
					}
				}
				return all
			}
			before := survivors()

			refused(t, s, admin.PathTenantDelete, M{"tenant": gone.Tenant}, 400, "name again")
			refused(t, s, admin.PathTenantDelete, M{"tenant": gone.Tenant, "confirm": stays.Tenant}, 400, "name again")
			refused(t, s, admin.PathTenantDelete, M{"tenant": "nobody", "confirm": "nobody"}, 404, "no such tenant")
			answered := make(chan struct{})
			go func() {
				defer close(answered) // without an answer, as its server is killed
				_, _, _, _ = tryRaw("unix", socket(s), "POST", admin.PathTenantDelete, encode(t, M{"tenant": gone.Tenant, "confirm": gone.Tenant}), "Content-Type: application/json")
			}()
			e2e.Eventually(t, 4*time.Second, "the tenant's token is refused", func() bool {
				return gone.Do(t, "GET", "/Users?count=0", nil).Status == 401
			})
			d := do[admin.TenantDetail](t, s, admin.PathTenantShow, M{"tenant": gone.Tenant})
			if d.State != admin.StateDeleting {
				t.Errorf("state %s", d.State)
			}
			refused(t, s, admin.PathTenantCreate, M{"tenant": gone.Tenant}, 409, "erased")
			refused(t, s, admin.PathTokenCreate, M{"tenant": gone.Tenant}, 409, "erased")
			refused(t, s, admin.PathTenantSet, M{"tenant": gone.Tenant, "set": M{"rate": "off"}}, 409, "erased")
			refused(t, s, admin.PathTenantPause, M{"tenant": gone.Tenant}, 409, "erased")

			if s.Redis == nil {
				s.Caddy.Kill(t) // before anything is erased
			} else {
				killWhileErasing(t, s, gone.Tenant)
			}
			<-answered
			s.Caddy.Start(t)
			e2e.Eventually(t, 30*time.Second, "the deletion goes on after the restart, and ends", func() bool {
				status, _, _, err := tryRaw("unix", socket(s), "POST", admin.PathTenantShow, encode(t, M{"tenant": gone.Tenant}), "Content-Type: application/json")
				return err == nil && status == 404
			})
			done := do[admin.TenantDeleted](t, s, admin.PathTenantDelete, M{"tenant": gone.Tenant, "confirm": gone.Tenant})
			if !done.Done {
				t.Errorf("asked again: %+v", done)
			}
			if s.Redis != nil {
				if left := keyNames(t, s, gone.Tenant); len(left) > 0 {
					t.Errorf("%d keys are left: %.500v", len(left), left)
				}
				named := regexp.MustCompile(`\b` + gone.Tenant + `\b`)
				// All that is known of it is that it was deleted.
				for _, key := range keyNames(t, s, "_system") {
					if key == "scim:{_system}:tenants" || key == "scim:{_system}:tenant:"+gone.Tenant {
						continue
					}
					if text := value(t, s, key); strings.HasSuffix(key, ":"+gone.Tenant) || named.MatchString(text) {
						t.Errorf("left: %s %.300s", key, text)
					}
				}
			}
			gone.Do(t, "GET", "/Users?count=0", nil).WantError(t, 401, "")
			same(t, "the other tenants", before, survivors())

			// The name is free, and nothing comes back.
			do[admin.TenantDetail](t, s, admin.PathTenantCreate, M{"tenant": gone.Tenant, "settings": M{"match": A{"userName", "externalId"}}})
			_, again := mint(t, s, admin.TokenCreate{Tenant: gone.Tenant})
			gone.Do(t, "GET", "/Users?count=0", nil).WantError(t, 401, "")
			empty := dump(t, s, again)
			if len(empty.Users)+len(empty.Groups)+len(empty.Archived) > 0 || len(empty.Tokens) != 1 {
				t.Errorf("the new tenant has %+v", empty)
			}
			d = do[admin.TenantDetail](t, s, admin.PathTenantShow, M{"tenant": gone.Tenant})
			if d.State != admin.StateActive || d.Users != 0 || d.Archived != 0 || d.LastChange != nil {
				t.Errorf("the new tenant: %+v", d)
			}
			if id := fill(again); id == was {
				t.Error("a user came back")
			}
			again.CreateGroup(t, "with one of old", was) // whose id means nothing here
			again.Do(t, "GET", "/Users/"+was, nil).Want(t, 200).WantField(t, was, "userName")
			same(t, "the other tenants", before, survivors())
		})
	}
}

// patient gives Redis the time to answer on a machine that is busy.
func patient(store string) string {
	if store == e2e.RedisName {
		return "\t\t\t\tread_timeout 20s\n\t\t\t\twrite_timeout 20s"
	}
	return ""
}

// killWhileErasing kills the server when some of a tenant's keys are erased, and
// some are not.
func killWhileErasing(t *testing.T, s *e2e.Server, tenant string) {
	t.Helper()
	all := len(keyNames(t, s, tenant))
	size := s.Redis.Do(t, "DBSIZE").(int64)
	deadline := time.Now().Add(20 * time.Second)
	for s.Redis.Do(t, "DBSIZE").(int64) > size-500 {
		if time.Now().After(deadline) {
			t.Fatal("nothing is being erased")
		}
	}
	s.Redis.Do(t, "CLIENT", "PAUSE", 10_000, "WRITE")
	s.Caddy.Kill(t)
	s.Redis.Do(t, "CLIENT", "UNPAUSE")
	if left := len(keyNames(t, s, tenant)); left == 0 || left >= all {
		t.Fatalf("of %d keys %d were left when the server was killed", all, left)
	}
}
