package canarytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// reportOf reads a tenant's report. It refuses members that the documentation
// does not have, times that cannot be and names that come twice.
func reportOf(t *testing.T, c *e2e.Caddy, tenant string) counts {
	t.Helper()
	type activity struct {
		Requests, Changes, Errors int64
		LastRequest               time.Time       `json:"last_request"`
		LastChange                time.Time       `json:"last_change"`
		LastError                 json.RawMessage `json:"last_error"`
		Hours                     json.RawMessage
	}
	var r struct {
		Tenant     string
		Since      time.Time
		Attributes []struct {
			ResourceType string `json:"resource_type"`
			Name         string
			count
			First, Last time.Time
		}
		Activity activity
	}
	body := c.Admin(t, "POST", "/scim/report", fmt.Sprintf(`{"tenant":%q}`, tenant)).Want(t, 200).Body
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("the report of %s: %v\n%s", tenant, err, body)
	}
	got := counts{}
	for _, a := range r.Attributes {
		key := attribute{a.ResourceType, a.Name}
		if got[key] != nil {
			t.Errorf("the report of %s has %v twice", tenant, key)
		}
		if a.First.Before(r.Since) || a.Last.Before(a.First) || a.Last.After(time.Now()) {
			t.Errorf("the report of %s since %v has %v from %v to %v", tenant, r.Since, key, a.First, a.Last)
		}
		got[key] = &a.count
	}
	if r.Tenant != tenant || len(got) > 0 && r.Activity.Requests == 0 {
		t.Errorf("the report of %s: %.300s", tenant, body)
	}
	return got
}

// wantReport compares a tenant's report with what it has to say.
func wantReport(t *testing.T, c *e2e.Caddy, tenant string, want counts) {
	t.Helper()
	if diff := cmp.Diff(want, reportOf(t, c, tenant)); diff != "" {
		t.Errorf("the report of %s (-want +got):\n%s", tenant, diff)
	}
}

// TestReport shows that what several nodes count adds up, and is neither lost nor
// counted twice when they stop, or are killed after it was written down.
func TestReport(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, r *e2e.Redis) {
		m := newMarkers()
		s := e2e.StartServerOn(t, r, e2e.Config{})
		nodes, tenant := []*canary{newCanary(t, m, s, s.Client)}, s.Tenant
		if r != nil {
			p := s.Peer(t)
			nodes = append(nodes, newCanary(t, m, p, p.Client))
		}
		all := func() counts {
			sum := counts{}
			for _, c := range nodes {
				sum.plus(c.counts)
			}
			return sum
		}
		wrote := func() { // a node tells what it has counted when it is asked
			t.Helper()
			for _, c := range nodes {
				reportOf(t, c.server.Caddy, tenant)
			}
			for _, c := range nodes {
				wantReport(t, c.server.Caddy, tenant, all())
			}
		}
		id := ""
		for _, c := range nodes {
			id, _ = c.users()
		}
		wrote()
		for _, c := range nodes {
			c.patches(id)
		}
		if n := len(all()); n < 100 {
			t.Fatalf("%d names: too few to say anything", n)
		}

		// Nothing was asked for since: what is not written yet is, at the end.
		for _, c := range nodes {
			c.server.Caddy.Stop(t)
		}
		for _, c := range nodes {
			c.server.Caddy.Start(t)
		}
		wantReport(t, s.Caddy, tenant, all())

		// Killed, a server loses what it has not written, and nothing else.
		for _, c := range nodes {
			c.groups(id)
		}
		wrote()
		before := all()
		for _, c := range nodes {
			c.patch(200, "/Users/"+id, e2e.Op("replace", "title", c.drop("title before the kill")))
		}
		for _, c := range nodes {
			c.server.Caddy.Kill(t)
		}
		for _, c := range nodes {
			c.server.Caddy.Start(t)
		}
		got, title := reportOf(t, s.Caddy, tenant), attribute{"User", "title"}
		if n, least, most := got[title].Dropped, before[title].Dropped, all()[title].Dropped; n < least || n > most {
			t.Errorf("title was dropped %d times, want %d to %d", n, least, most)
		}
		before[title] = got[title]
		if diff := cmp.Diff(before, got); diff != "" {
			t.Errorf("after a kill (-want +got):\n%s", diff)
		}

		// A server that runs writes by itself, within half a minute.
		if r != nil {
			other := nodes[1].server.Caddy
			was := reportOf(t, other, tenant)[title].Dropped
			nodes[0].patch(200, "/Users/"+id, e2e.Op("replace", "title", nodes[0].drop("title after the kill")))
			e2e.Eventually(t, 45*time.Second, "the report of another node", func() bool { return reportOf(t, other, tenant)[title].Dropped == was+1 })
		}
	})
}

// TestNames shows what becomes of names that a client makes up: they are cut,
// and there is an end to them. Those that a schema knows are counted all the same.
func TestNames(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, e2e.Config{}, func(t *testing.T, s *e2e.Server) {
		const limit, most = 64, 500
		want := counts{}
		long := []string{strings.Repeat("l", 65), strings.Repeat("é", 40), "x" + strings.Repeat("é", 40), strings.Repeat("😀", 20) + "x"}
		body := `{"userName":"names1"`
		want.add("User", "userName", true, 1, 0)
		for _, name := range long {
			body += fmt.Sprintf(`,%q:1`, name)
			cut := name[:limit]
			for !utf8.ValidString(cut) {
				cut = cut[:len(cut)-1]
			}
			want.add("User", cut, false, 0, 1)
		}
		names := func(from, to int) (text string) {
			for i := from; i < to; i++ {
				text += fmt.Sprintf(`,"made-up-%d":"x"`, i)
			}
			return text
		}
		s.Do(t, "POST", "/Users", body+`}`).Want(t, 201)

		// More at once than are told apart, then more of these and others.
		room := most - len(long)
		s.Do(t, "POST", "/Users", `{"userName":"names2"`+names(0, room+100)+`,"title":"x"}`).Want(t, 201)
		s.Do(t, "POST", "/Users", `{"userName":"names3"`+names(600, 800)+`,"nickName":"x","other":1}`).Want(t, 201)
		s.Do(t, "POST", "/Users", `{"userName":"names4"`+names(0, 10)+`,"title":"x"}`).Want(t, 201)
		want.add("User", "userName", true, 3, 0)
		want.add("User", "title", true, 0, 2)
		want.add("User", "nickName", true, 0, 1)
		for i := range 10 {
			want.add("User", fmt.Sprintf("made-up-%d", i), false, 0, 2)
		}
		want.add("User", "other", false, 0, 100+200+1)
		got := reportOf(t, s.Caddy, s.Tenant)
		// A request tells 500 apart, whatever was counted before: some of these come
		// too late, and which does not matter.
		told := int64(0)
		for a, n := range got {
			if strings.HasPrefix(a.name, "made-up-") && want[a] == nil {
				if n.Known || n.Kept != 0 || n.Dropped != 1 {
					t.Errorf("%v: %+v", a, n)
				}
				told++
				delete(got, a)
			}
			if len(a.name) > limit && a.of == "User" && !n.Known {
				t.Errorf("a name of %d bytes: %q", len(a.name), a.name)
			}
		}
		if told != int64(room-10) {
			t.Errorf("%d names are told apart, want %d", told+10+int64(len(long)), most)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		// Groups have room of their own, and the table tells the same.
		s.Do(t, "POST", "/Groups", `{"displayName":"names","made-up-0":1,"description":"x"}`).Want(t, 201)
		table := s.Caddy.CLI(t, "scim", "report", "--tenant", s.Tenant, "--address", s.Caddy.AdminAddress()).Stdout
		for _, row := range []string{"Group made-up-0 * 0 1", "Group displayName 1 0", "User made-up-0 * 0 2", "User other * 0 301", "User title 0 2", "User userName 4 0"} {
			if !strings.Contains(strings.Join(strings.Fields(table), " "), row+" 2") {
				t.Errorf("the table has no row %q:\n%.2000s", row, table)
			}
		}
	})
}
