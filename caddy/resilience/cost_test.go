package resilience

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// commands counts the commands that Redis runs for a tenant during f, those of
// scripts included, by name. What concerns the tenants themselves, and not what is
// in them, is left out: it is read every few seconds, and written now and then.
func commands(t *testing.T, r *e2e.Redis, f func()) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, line := range monitor(t, r, f) {
		_, rest, ok := strings.Cut(line, `] "`)
		if name, _, _ := strings.Cut(rest, `"`); ok && !strings.Contains(line, "{_system}") {
			out[strings.ToLower(name)]++
		}
	}
	return out
}

// monitor returns the commands that Redis runs during f as MONITOR shows them,
// those of scripts included, a line each.
func monitor(t *testing.T, r *e2e.Redis, f func()) []string {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 16<<20)
	if !lines.Scan() || lines.Text() != "+OK" {
		t.Fatalf("MONITOR: %q, %v", lines.Text(), lines.Err())
	}
	f()
	const end = "all that was to be seen"
	r.Do(t, "ECHO", end)
	var out []string
	for lines.Scan() {
		if strings.Contains(lines.Text(), end) {
			return out
		}
		out = append(out, lines.Text())
	}
	t.Fatalf("MONITOR: %v", lines.Err())
	return nil
}

// What requests cost Redis: a read by id is one command, one without members
// touches no set of members, and adding to a group of 100,000 is what adding to
// a group of 10 is.
func TestRedisCommands(t *testing.T) {
	t.Parallel()
	// The members of the large group are nobody yet, which costs a group's
	// change nothing more than if they were.
	s := e2e.StartServer(t, e2e.RedisName, e2e.Config{Members: "pending"})
	user := s.CreateUser(t, "ada")
	const size = 100_000
	small, large := s.CreateGroup(t, "small", names("m", 10)...), s.CreateGroup(t, "large")
	for from := 0; from < size; from += 20_000 {
		ids := make([]string, 20_000)
		for i := range ids {
			ids[i] = fmt.Sprintf("m%06d", from+i)
		}
		s.Patch(t, "/Groups/"+large, e2e.Op("add", "members", e2e.MemberList(ids...))).Want(t, 204)
	}
	if n := s.Redis.Do(t, "ZCARD", "scim:{"+s.Tenant+"}:group:"+large+":members"); n != int64(size) {
		t.Fatalf("the large group has %v members, want %d", n, size)
	}
	get := func(path string) func() {
		return func() { s.Do(t, "GET", path, nil).Want(t, 200) }
	}
	patch := func(group string, op M) func() {
		return func() { s.Patch(t, "/Groups/"+group, op).Want(t, 204) }
	}

	one := map[string]int{"mget": 1}
	for _, test := range []struct{ name, path string }{
		{"a user", "/Users/" + user},
		{"a group without members", "/Groups/" + small + "?excludedAttributes=members"},
		{"a large group without members", "/Groups/" + large + "?excludedAttributes=members"},
		{"the name of a large group", "/Groups/" + large + "?attributes=displayName"},
	} {
		same(t, "commands of a read of "+test.name, one, commands(t, s.Redis, get(test.path)))
	}
	if got := commands(t, s.Redis, get("/Groups/"+small)); got["mget"] != 1 || len(got) < 2 {
		t.Errorf("commands of a read of a group with members: %v; the counts show nothing", got)
	}
	for _, path := range []string{
		"/Groups/" + large + "?excludedAttributes=members", "/Groups?excludedAttributes=members",
		e2e.Filter("/Groups", `displayName eq "large"`) + "&excludedAttributes=members",
	} {
		for _, line := range monitor(t, s.Redis, get(path)) {
			if strings.Contains(line, ":members") || strings.Contains(line, ":subgroups") {
				t.Errorf("%s: %s", path, line)
			}
		}
	}

	for _, test := range []struct {
		name string
		op   M
	}{
		{"an add", e2e.Op("add", "members", e2e.MemberList(user))},
		{"an add of one who is there", e2e.Op("add", "members", e2e.MemberList(user))},
		{"a remove", e2e.Op("remove", removal(user), nil)},
		{"a remove of one who is not there", e2e.Op("remove", "members", e2e.MemberList(user))},
		{"a new name", e2e.Op("replace", "displayName", "another")},
	} {
		few := commands(t, s.Redis, patch(small, test.op))
		if test.name == "a new name" { // which is one group's only
			patch(small, e2e.Op("replace", "displayName", "small"))()
		}
		same(t, "commands of "+test.name+": a group of 10 and one of 100,000", few, commands(t, s.Redis, patch(large, test.op)))
		if few["evalsha"] != 1 {
			t.Errorf("commands of %s: %v, want one commit", test.name, few)
		}
		t.Logf("%s: %v", test.name, few)
	}
	s.Patch(t, "/Groups/"+large, e2e.Op("add", "members", e2e.MemberList(user))).Want(t, 204)
	if n := s.Redis.Do(t, "ZCARD", "scim:{"+s.Tenant+"}:group:"+large+":members"); n != int64(size+1) {
		t.Errorf("the large group has %v members, want %d", n, size+1)
	}
	// One member is looked for among many without reading them.
	probe := e2e.Filter("/Groups", fmt.Sprintf("id eq %q and members eq %q", large, user))
	few := commands(t, s.Redis, get(e2e.Filter("/Groups", fmt.Sprintf("id eq %q and members eq %q", small, user))))
	same(t, "commands of a membership probe: a group of 10 and one of 100,000", few, commands(t, s.Redis, get(probe+"&excludedAttributes=members")))
	s.Do(t, "GET", probe+"&excludedAttributes=members", nil).WantIDs(t, large)
}
