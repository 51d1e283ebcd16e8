package admintest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// mixer is one of the workers of a tenant. All tenants have users and groups of
// the same names; what tells them apart is a mark in their attributes.
type mixer struct {
	clients []*e2e.Client // of one token, at each node
	mark    string        // the tenant's
	others  []string      // those of the other tenants
	report  *reporter
	worker  int

	sent   int
	users  map[string]string // what is to be there at the end: id by userName
	groups map[string]string // id of the member, by displayName
	gone   int
}

// send sends a request to the next node and looks for marks of others.
func (m *mixer) send(method, path string, body any, want int) *e2e.Response {
	m.sent++
	r, err := m.clients[m.sent%len(m.clients)].Send(method, path, body)
	switch {
	case err != nil:
		m.report.add("%v", err)
		return &e2e.Response{}
	case r.Status != want:
		m.report.add("tenant %s: status %d, want %d\n%s", m.mark, r.Status, want, r)
	}
	for _, other := range m.others {
		if bytes.Contains(r.Body, []byte(other)) {
			m.report.add("tenant %s was answered with something of %s\n%s", m.mark, other, r)
		}
	}
	return r
}

// wants reports an answer that has not the tenant's mark so many times.
func (m *mixer) wants(r *e2e.Response, times int) {
	if n := bytes.Count(r.Body, []byte(m.mark)); n != times {
		m.report.add("tenant %s: its mark is there %d times, want %d\n%s", m.mark, n, times, r)
	}
}

func (m *mixer) run(rounds int) {
	m.users, m.groups = map[string]string{}, map[string]string{}
	for i := range rounds {
		name, group := fmt.Sprintf("user-%d-%d@example.com", m.worker, i), fmt.Sprintf("group-%d-%d", m.worker, i)
		external := fmt.Sprintf("external-%d-%d", m.worker, i)
		user := func(name, external string) M {
			return e2e.UserBody(name, M{"externalId": external, "title": m.mark, "active": true})
		}
		r := m.send("POST", "/Users", user(name, external), 201)
		m.wants(r, 1)
		id, _ := r.JSON["id"].(string)
		m.users[name] = id
		m.wants(m.send("GET", "/Users/"+id, nil, 200), 1)
		for _, f := range []string{fmt.Sprintf("userName eq %q", name), fmt.Sprintf("externalId eq %q", external)} {
			r = m.send("GET", e2e.Filter("/Users", f), nil, 200)
			if m.wants(r, 1); e2e.Field(r.JSON, "Resources", 0, "id") != id {
				m.report.add("tenant %s: %s is not %s\n%s", m.mark, f, id, r)
			}
		}
		r = m.send("POST", "/Groups", M{"schemas": A{e2e.GroupURN}, "displayName": group, "externalId": m.mark, "members": e2e.MemberList(id)}, 201)
		m.groups[group] = id
		crew, _ := r.JSON["id"].(string)
		m.send("PATCH", "/Users/"+id, e2e.PatchBody(e2e.Op("replace", "displayName", m.mark)), 200)
		m.wants(m.send("POST", "/.search", M{"schemas": A{e2e.SearchURN}, "filter": fmt.Sprintf("id eq %q", id)}, 200), 2)
		r = m.send("GET", "/Groups/"+crew, nil, 200)
		if m.wants(r, 1); e2e.Field(r.JSON, "members", 0, "value") != id || e2e.Field(r.JSON, "members", 1) != nil {
			m.report.add("tenant %s: the members of %s\n%s", m.mark, group, r)
		}
		second, old := "bulk-"+name, "old-"+name
		m.send("POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": A{
			M{"method": "POST", "path": "/Users", "bulkId": "b", "data": user(second, "bulk-"+external)},
			M{"method": "POST", "path": "/Users", "bulkId": "c", "data": user(old, "old-"+external)},
			M{"method": "PATCH", "path": "/Users/bulkId:b", "data": e2e.PatchBody(e2e.Op("replace", "displayName", m.mark))},
			M{"method": "PATCH", "path": "/Groups/" + crew, "data": e2e.PatchBody(e2e.Op("add", "members", A{M{"value": "bulkId:c"}}))},
			M{"method": "DELETE", "path": "/Users/bulkId:c"},
		}}, 200)
		r = m.send("GET", e2e.Filter("/Users", fmt.Sprintf("userName eq %q", second)), nil, 200)
		m.wants(r, 2)
		m.users[second], _ = e2e.Field(r.JSON, "Resources", 0, "id").(string)
		m.send("GET", e2e.Filter("/Users", fmt.Sprintf("userName eq %q", old))+"&count=5", nil, 200)
		m.gone++
		m.send("GET", "/Users?count=20", nil, 200)
	}
}

// TestNothingMixes has four tenants work at once, with the same names.
func TestNothingMixes(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		const tenants, workers, rounds = 4, 8, 6
		all := nodes(t, s)
		marks := []string{"mark-of-amber", "mark-of-birch", "mark-of-cedar", "mark-of-delta"}
		var mixers [tenants][]*mixer
		var viewers [tenants]*e2e.Client
		report := newReporter()
		for i := range tenants {
			name := create(t, s, "")
			_, viewers[i] = mint(t, s, admin.TokenCreate{Tenant: name, Scope: "read"})
			for w := range workers {
				_, c := mint(t, s, admin.TokenCreate{Tenant: name})
				m := &mixer{mark: marks[i], report: report, worker: w}
				m.others = slices.Delete(slices.Clone(marks), i, i+1)
				for _, n := range all {
					m.clients = append(m.clients, at(n, c))
				}
				mixers[i] = append(mixers[i], m)
			}
		}
		var wg sync.WaitGroup
		for _, list := range mixers {
			for _, m := range list {
				wg.Go(func() { m.run(rounds) })
			}
		}
		wg.Wait()
		report.report(t)
		if t.Failed() {
			return
		}
		for i := range tenants {
			users, groups, archived := map[string]string{}, map[string]string{}, 0
			for _, m := range mixers[i] {
				maps.Copy(users, m.users)
				maps.Copy(groups, m.groups)
				archived += m.gone
			}
			for _, n := range all {
				d := dump(t, n, at(n, viewers[i]))
				gotUsers, gotGroups := map[string]string{}, map[string]string{}
				for id, u := range d.Users {
					name, _ := e2e.Field(u, "userName").(string)
					gotUsers[name] = id
					if e2e.Field(u, "title") != marks[i] || e2e.Field(u, "displayName") != marks[i] {
						t.Errorf("tenant %s has %v", marks[i], u)
					}
				}
				for _, g := range d.Groups {
					name, _ := e2e.Field(g, "displayName").(string)
					gotGroups[name], _ = e2e.Field(g, "members", 0, "value").(string)
					if e2e.Field(g, "externalId") != marks[i] || e2e.Field(g, "members", 1) != nil {
						t.Errorf("tenant %s has %v", marks[i], g)
					}
				}
				for _, u := range d.Archived {
					if e2e.Field(u, "attributes", "title") != marks[i] {
						t.Errorf("the archive of tenant %s has %v", marks[i], u)
					}
				}
				same(t, "users of "+marks[i], users, gotUsers)
				same(t, "groups of "+marks[i], groups, gotGroups)
				same(t, "archived users of "+marks[i], archived, len(d.Archived))
				same(t, "tokens of "+marks[i], workers+1, len(d.Tokens))
			}
		}
	})
}
