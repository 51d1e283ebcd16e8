package commandtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

// size is what TestMove moves: with SOAK=1 as much as a large customer has.
func size() (users, groups int) {
	if os.Getenv("SOAK") != "" {
		return 100_000, 1000
	}
	return 5000, 50
}

// TestMove moves a directory from bbolt to Redis, over the kill of the server in
// the middle, and compares what has come with what was there.
func TestMove(t *testing.T) {
	t.Parallel()
	users, groups := size()
	from := e2e.StartServer(t, e2e.Bolt, e2e.Config{})
	o, dir := operator{from.Caddy}, t.TempDir()
	o.ok(t, "tenant|create|mover|--allow|default|--allow|title|--archive-retention|3650d|--rate|off")
	tok := from.Caddy.Mint(t, "mover", "--label", "Entra", "--expires", "300d", "--from", "127.0.0.0/8")
	c := from.Named("mover", tok.Token)
	some := fill(t, c, users, groups)
	o.ok(t, "tenant|create|sleeper|--members|pending")
	sleeper := from.Caddy.Mint(t, "sleeper")
	from.Named("sleeper", sleeper.Token).CreateUser(t, "zoe")
	for _, name := range []string{"mover", "sleeper"} {
		o.ok(t, "tenant|pause|"+name)
	}
	began := time.Now()
	before := canonicalExport(t, from.Caddy, filepath.Join(dir, "before"))
	t.Logf("%d users and %d groups are exported in %v, %d bytes", users, groups, time.Since(began).Round(time.Millisecond), len(before))

	to := e2e.StartServer(t, e2e.RedisName, e2e.Config{})
	began = time.Now()
	header, _, _ := strings.Cut(read(t, filepath.Join(dir, "before")), "\n")
	run := startImport(t, to.Caddy, filepath.Join(dir, "before"), "--progress")
	passed(t, to.Caddy, header, users/2)
	to.Caddy.Kill(t)
	to.Caddy.Start(t)
	if code := run.wait(t); code != 0 || !strings.Contains(run.stdout.String(), "The import is complete") {
		t.Fatalf("exit code %d\n%s%s", code, &run.stdout, &run.stderr)
	}
	if !strings.Contains(run.stderr.String(), "%") {
		t.Errorf("no progress was shown, but\n%s", &run.stderr)
	}
	t.Logf("imported in %v, with a kill in the middle", time.Since(began).Round(time.Millisecond))

	after := canonicalExport(t, to.Caddy, filepath.Join(dir, "after"), "--tenant", "mover", "--tenant", "sleeper")
	if at := differ(before, after); at != "" {
		t.Errorf("what has come is not what was there:\n%s", at)
	}
	there := operator{to.Caddy}
	moved := to.Named("mover", tok.Token)
	moved.Do(t, "GET", "/Users/"+some.user, nil).WantError(t, 503, "") // as paused as it was
	there.ok(t, "tenant|resume|mover")
	e2e.Eventually(t, 10*time.Second, "the token that the customer has to be valid", func() bool {
		r, err := moved.Send("GET", "/Users/"+some.user, nil)
		return err == nil && r.Status == 200
	})
	moved.Do(t, "GET", e2e.Filter("/Users", `userName eq "USER7@example.com"`), nil).WantIDs(t, some.user)
	moved.Do(t, "POST", "/Users", e2e.UserBody("user7@example.com")).WantError(t, 409, "uniqueness")
	moved.Do(t, "POST", "/Groups", e2e.GroupBody("group 3")).WantError(t, 409, "uniqueness")
	if n := len(moved.Members(t, some.everybody)); n != some.members {
		t.Errorf("the large group has %d members, want %d", n, some.members)
	}
	moved.Do(t, "GET", "/Users/"+some.archived, nil).WantError(t, 404, "")
	there.ok(t, "archive|restore|"+some.archived+"|--tenant|mover")
	moved.Do(t, "GET", "/Users/"+some.archived, nil).Want(t, 200)
	there.ok(t, "tenant|show|mover", "default, title", "3650d", "run time")
	there.ok(t, "token|list|--tenant|mover", "Entra", tok.ID)
}

// filled names some of what fill has made.
type filled struct {
	user, everybody, archived string
	members                   int // of everybody
}

// fill makes users and groups of every kind through the door.
func fill(t *testing.T, c *e2e.Client, users, groups int) filled {
	t.Helper()
	var f filled
	ids := make([]string, users)
	parallel(t, (users+999)/1000, func(part int) {
		var ops e2e.A
		first := part * 1000
		last := min(first+1000, users)
		for i := first; i < last; i++ {
			ops = append(ops, e2e.M{"method": "POST", "path": "/Users", "bulkId": fmt.Sprint(i), "data": e2e.M{
				"schemas": e2e.A{e2e.UserURN, e2e.EnterpriseURN}, "userName": fmt.Sprintf("user%d@example.com", i), "externalId": fmt.Sprintf("e-%d", i),
				"active": i%10 != 0, "title": "Engineer", "name": e2e.M{"givenName": "Ada", "familyName": fmt.Sprintf("No %d", i)},
				"emails":          e2e.A{e2e.M{"type": "work", "value": fmt.Sprintf("user%d@mail.example.com", i), "primary": true}},
				e2e.EnterpriseURN: e2e.M{"department": "R&D"},
			}})
		}
		for i, id := range bulk(t, c, ops) {
			ids[first+i] = id
		}
	})
	var ops e2e.A
	for i := range groups {
		ops = append(ops, e2e.M{"method": "POST", "path": "/Groups", "bulkId": fmt.Sprint(i), "data": e2e.GroupBody(fmt.Sprintf("group %d", i), ids[i], ids[users-1-i], ids[users/2])})
	}
	made := bulk(t, c, ops)
	f.user = ids[7]
	f.everybody = c.CreateGroup(t, "everybody", made[0], "nobody@example.com") // a nested group, and a provisional user
	f.members = 2
	for first := 0; first < users; first += 10_000 {
		some := ids[first:min(first+10_000, users)]
		c.Patch(t, "/Groups/"+f.everybody, e2e.Op("add", "members", e2e.MemberList(some...))).Want(t, 204)
		f.members += len(some)
	}
	for i := range 20 {
		f.archived = c.CreateUser(t, fmt.Sprintf("gone%d@example.com", i))
		c.Do(t, "DELETE", "/Users/"+f.archived, nil).Want(t, 204)
	}
	c.Do(t, "DELETE", "/Groups/"+made[groups-1], nil).Want(t, 204)
	return f
}

// bulk sends the operations, all of which create, and returns the ids in order.
func bulk(t *testing.T, c *e2e.Client, ops e2e.A) []string {
	t.Helper()
	r, err := c.Send("POST", "/Bulk", e2e.M{"schemas": e2e.A{e2e.BulkURN}, "Operations": ops})
	if err != nil || r.Status != 200 {
		t.Errorf("bulk: %v\n%s", err, r)
		return make([]string, len(ops))
	}
	answers, _ := r.JSON["Operations"].([]any)
	ids := make([]string, len(ops))
	for i, a := range answers {
		o, _ := a.(map[string]any)
		where, _ := o["location"].(string)
		if o["status"] != "201" || where == "" {
			t.Errorf("operation %d: %v", i, o)
			continue
		}
		ids[i] = where[strings.LastIndexByte(where, '/')+1:]
	}
	return ids
}

// parallel calls f with 0 to n-1, some at a time.
func parallel(t *testing.T, n int, f func(i int)) {
	t.Helper()
	var wg sync.WaitGroup
	free := make(chan struct{}, 4)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			f(i)
		})
	}
	wg.Wait()
}

// canonicalExport exports to a file, and returns it without what differs between
// two exports of the same.
func canonicalExport(t *testing.T, c *e2e.Caddy, file string, args ...string) string {
	t.Helper()
	r := startCommand(t, c, append([]string{"export", "-o", file, "--progress"}, args...)...)
	if code := r.wait(t); code != 0 {
		t.Fatalf("export: exit code %d\n%s%s", code, &r.stdout, &r.stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v: %v", info, err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	if err := transfer.Canonical(f, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// differ returns the first lines that differ; empty where there are none. The
// servers' own tenants, which only the first has, are left out.
func differ(before, after string) string {
	was, is := tenantsOf(before), tenantsOf(after)
	for _, name := range []string{"mover", "sleeper"} {
		a, b := strings.Split(was[name], "\n"), strings.Split(is[name], "\n")
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) || a[i] != b[i] {
				return fmt.Sprintf("%s, line %d of %d and %d:\n%s\n%s", name, i, len(a), len(b), at(a, i), at(b, i))
			}
		}
	}
	return ""
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// tenantsOf splits a canonical export into its tenants.
func tenantsOf(export string) map[string]string {
	parts := map[string]string{}
	for _, part := range strings.Split(export, `{"tenant":{"name":"`)[1:] {
		name, rest, _ := strings.Cut(part, `"`)
		rest, _, _ = strings.Cut(rest, `{"end":`)
		parts[name] = rest
	}
	return parts
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
