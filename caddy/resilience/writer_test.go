package resilience

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// state is what a writer knows to be stored of its own.
type state struct {
	Users  map[string]string   // userName and title, by id
	Groups map[string][]string // ids of members in order, by displayName
	Shared []string            // ids of its users in the group of all writers, in order
}

func (s state) clone() state {
	c := state{maps.Clone(s.Users), map[string][]string{}, slices.Clone(s.Shared)}
	for name, ids := range s.Groups {
		c.Groups[name] = slices.Clone(ids)
	}
	return c
}

// without takes a user out of everything.
func (s state) without(id string) state {
	c := s.clone()
	delete(c.Users, id)
	is := func(other string) bool { return other == id }
	c.Shared = slices.DeleteFunc(c.Shared, is)
	for name := range c.Groups {
		c.Groups[name] = slices.DeleteFunc(c.Groups[name], is)
	}
	return c
}

// unnamed stands for the id of a user whose creation was not answered.
const unnamed = "?"

// writer changes users and groups that no other writer touches, one request
// after another, and keeps book of what was acknowledged.
type writer struct {
	prefix string
	shared string // id of the group that all writers add members to
	n      int    // requests, which makes values unique

	known    state
	groupIDs map[string]string // by displayName
	archived map[string]string // ids of deleted users, by userName
	// pending is what may be stored instead of known, since the last request
	// was not answered; nil where it was.
	pending *state
	acked   int
	lost    error  // why the last request was not answered
	problem string // an answer that was not expected
}

func newWriter(n int, shared string) *writer {
	return &writer{prefix: fmt.Sprintf("w%d-", n), shared: shared, groupIDs: map[string]string{}, archived: map[string]string{},
		known: state{Users: map[string]string{}, Groups: map[string][]string{}}}
}

// request is one change, and what it leads to.
type request struct {
	method, path string
	body         any
	status       int
	after        state
	done         func(r *e2e.Response) // keeps the ids that the answer tells; may be nil
}

// once makes one change. It is false when the server did not confirm it.
func (w *writer) once(c *e2e.Client) bool {
	w.n++
	q := w.draw()
	r, err := c.Send(q.method, q.path, q.body)
	var op *net.OpError
	w.lost = err
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return false // nothing was sent
	case err != nil:
		w.pending = &q.after
		return false
	case r.Status == 503:
		w.pending, w.lost = &q.after, errors.New(r.String())
		return false
	case r.Status != q.status:
		w.problem = fmt.Sprintf("status %d, want %d\n%s", r.Status, q.status, r)
		return false
	}
	w.known = q.after
	w.acked++
	if id, _ := r.JSON["id"].(string); id != "" {
		w.rename(unnamed, id)
	}
	if q.done != nil {
		q.done(r)
	}
	return true
}

// rename gives a user who was unnamed its id.
func (w *writer) rename(from, to string) {
	if u, ok := w.known.Users[from]; ok {
		delete(w.known.Users, from)
		w.known.Users[to] = u
	}
}

func (w *writer) some(n int) []string {
	ids := slices.Collect(maps.Keys(w.known.Users))
	return sorted(ids[:min(n, len(ids))])
}

// draw chooses a change.
func (w *writer) draw() request {
	name, title := fmt.Sprintf("%su%d", w.prefix, w.n), fmt.Sprintf("title %d", w.n)
	after := w.known.clone()
	n := rand.IntN(20)
	if len(after.Users) < 5 {
		n = 0
	}
	some := w.some(1 + rand.IntN(4))
	switch {
	case n < 5:
		after.Users[unnamed] = name + " " + title
		return request{"POST", "/Users", e2e.UserBody(name, M{"title": title}), 201, after, nil}
	case n < 8: // two attributes, and the keys of one, change together
		after.Users[some[0]] = name + " " + title
		return request{"PATCH", "/Users/" + some[0], e2e.PatchBody(e2e.Op("replace", "userName", name), e2e.Op("replace", "title", title)), 200, after, nil}
	case n < 11:
		after.Shared = union(after.Shared, some)
		return request{"PATCH", "/Groups/" + w.shared, e2e.PatchBody(e2e.Op("add", "members", e2e.MemberList(some...))), 204, after, nil}
	case n < 13:
		after.Shared = slices.DeleteFunc(after.Shared, func(id string) bool { return slices.Contains(some, id) })
		return request{"PATCH", "/Groups/" + w.shared, e2e.PatchBody(e2e.Op("remove", "members", e2e.MemberList(some...))), 204, after, nil}
	case n < 15 && len(after.Users) > 5:
		id := some[0]
		userName, _, _ := strings.Cut(w.known.Users[id], " ")
		return request{"DELETE", "/Users/" + id, nil, 204, w.known.without(id), func(*e2e.Response) { w.archived[userName] = id }}
	case n < 16 && len(w.archived) > 0:
		for userName, id := range w.archived {
			after.Users[id] = userName + " " + title
			return request{"POST", "/Users", e2e.UserBody(userName, M{"title": title}), 201, after, func(r *e2e.Response) {
				delete(w.archived, userName)
				if got := r.JSON["id"]; got != id {
					w.problem = fmt.Sprintf("restored under the id %v, want %s", got, id)
				}
			}}
		}
	case n < 17 && len(w.groupIDs) > 0:
		for group, id := range w.groupIDs {
			delete(after.Groups, group)
			return request{"DELETE", "/Groups/" + id, nil, 204, after, func(*e2e.Response) { delete(w.groupIDs, group) }}
		}
	case n < 18 && len(w.groupIDs) > 0: // a new name and other members, together
		for group, id := range w.groupIDs {
			delete(after.Groups, group)
			after.Groups[name] = some
			return request{"PUT", "/Groups/" + id, e2e.GroupBody(name, some...), 200, after, func(*e2e.Response) {
				delete(w.groupIDs, group)
				w.groupIDs[name] = id
			}}
		}
	}
	after.Groups[name] = some
	return request{"POST", "/Groups", e2e.GroupBody(name, some...), 201, after, func(r *e2e.Response) { w.groupIDs[name], _ = r.JSON["id"].(string) }}
}

func union(a, b []string) []string {
	return slices.Compact(sorted(slices.Concat(a, b)))
}

// compare checks that what is stored is what was acknowledged, with or without
// the request that was not answered, and takes it over.
func (w *writer) compare(t *testing.T, d *contents) {
	t.Helper()
	got := d.of(w.prefix)
	stored, want := got, w.known
	if w.pending != nil {
		if _, creates := w.pending.Users[unnamed]; creates {
			for id, u := range got.Users {
				if u == w.pending.Users[unnamed] {
					w.pending.Users[id] = u
					delete(w.pending.Users, unnamed)
					break
				}
			}
		}
		if cmp.Equal(*w.pending, got, cmpopts.EquateEmpty()) {
			want = *w.pending
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("writer %s: what was acknowledged is not what is stored (-acknowledged +stored):\n%s\nunanswered: %+v", w.prefix, diff, w.pending)
	}
	w.known, w.pending = stored, nil
	w.groupIDs = map[string]string{}
	for name := range stored.Groups {
		w.groupIDs[name] = d.groupIDs[name]
	}
	for userName, id := range w.archived {
		if _, live := stored.Users[id]; live {
			delete(w.archived, userName)
		}
	}
}

// contents is what a tenant has, as SCIM shows it.
type contents struct {
	users    map[string]string // userName and title, by id
	members  map[string][]string
	groupIDs map[string]string
	shared   string
}

// readAll pages through a tenant's users and groups.
func readAll(t *testing.T, c *e2e.Client, shared string) *contents {
	t.Helper()
	d := &contents{users: map[string]string{}, members: map[string][]string{}, groupIDs: map[string]string{}}
	for _, u := range pages(t, c, "/Users") {
		title, _ := u["title"].(string)
		d.users[u["id"].(string)] = u["userName"].(string) + " " + title
	}
	for _, g := range pages(t, c, "/Groups") {
		name := g["displayName"].(string)
		ids := []string{}
		list, _ := g["members"].([]any)
		for _, m := range list {
			id, _ := e2e.Field(m, "value").(string)
			if _, there := d.users[id]; !there {
				t.Errorf("group %s has a member who does not exist: %s", name, id)
			}
			ids = append(ids, id)
		}
		d.members[name], d.groupIDs[name] = sorted(ids), g["id"].(string)
		if g["id"] == shared {
			d.shared = name
		}
	}
	if d.shared == "" {
		t.Fatal("the shared group is gone")
	}
	return d
}

func pages(t *testing.T, c *e2e.Client, endpoint string) []M {
	t.Helper()
	var all []M
	for {
		r := c.Do(t, "GET", fmt.Sprintf("%s?startIndex=%d&count=200", endpoint, len(all)+1), nil)
		page := r.List(t)
		all = append(all, page...)
		if total, _ := r.JSON["totalResults"].(float64); len(page) == 0 || len(all) >= int(total) {
			return all
		}
	}
}

// of returns one writer's part.
func (d *contents) of(prefix string) state {
	s := state{Users: map[string]string{}, Groups: map[string][]string{}}
	for id, u := range d.users {
		if strings.HasPrefix(u, prefix) {
			s.Users[id] = u
		}
	}
	for name, ids := range d.members {
		if strings.HasPrefix(name, prefix) {
			s.Groups[name] = ids
		}
	}
	for _, id := range d.members[d.shared] {
		if _, own := s.Users[id]; own {
			s.Shared = append(s.Shared, id)
		}
	}
	return s
}
