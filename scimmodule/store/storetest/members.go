package storetest

import (
	"fmt"
	"slices"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func testEdges(e *env) {
	e.create(user("u1"), user("u2"), group("g1"), group("g2"), group("a-group"))
	res := e.commit(&store.Batch{Members: []store.MemberChange{
		{Group: "g1", Add: []store.Member{groupMember("a-group"), userMember("u2"), groupMember("g2"), userMember("u1")}},
		{Group: "g2", Add: []store.Member{userMember("u1")}},
	}})
	e.equal("added", []int{res.Added["g1"], res.Added["g2"]}, []int{4, 1})
	e.equal("users first", e.membersOf("g1"),
		[]store.Member{userMember("u1"), userMember("u2"), groupMember("a-group"), groupMember("g2")})
	e.equal("groups", e.groupsOf("u1"), []string{"g1", "g2"})
	e.equal("groups", e.groupsOf("u2"), []string{"g1"})
	e.equal("groups of a group", e.edges(store.EdgeQuery{Member: "g2", Limit: 5}),
		store.EdgePage{Members: []store.Member{groupMember("g1")}, Total: 1})
	e.equal("no members", e.membersOf("a-group"), []store.Member(nil))

	res = e.commit(&store.Batch{Members: []store.MemberChange{
		{Group: "g1", Add: []store.Member{groupMember("g1")}, Remove: []string{"g2", "u1", "none"}},
		{Group: "g2", Remove: []string{"none"}},
	}})
	e.equal("counts", []int{res.Added["g1"], res.Removed["g1"], res.Added["g2"], res.Removed["g2"]}, []int{1, 2, 0, 0})
	e.equal("members", e.membersOf("g1"), []store.Member{userMember("u2"), groupMember("a-group"), groupMember("g1")})
	e.equal("groups", e.groupsOf("u1"), []string{"g2"})
	e.equal("groups", e.groupsOf("g2"), []string(nil))
	e.equal("itself", e.groupsOf("g1"), []string{"g1"})

	// A group and its members may be made by the batch that links them.
	e.commit(&store.Batch{
		Put:     []store.Put{{Record: group("g3")}, {Record: user("u3")}, {Record: group("g4")}},
		Members: []store.MemberChange{{Group: "g3", Add: []store.Member{userMember("u3"), groupMember("g4")}}},
	})
	e.equal("members", e.membersOf("g3"), []store.Member{userMember("u3"), groupMember("g4")})
	e.checkInvariants(false)
}

func testEdgePages(e *env) {
	b := &store.Batch{Put: []store.Put{{Record: group("g")}, {Record: user("u")}}}
	var members []store.Member
	var groups []store.Member
	for i := range 13 {
		u, g := fmt.Sprint("m", i), fmt.Sprint("k", i)
		b.Put = append(b.Put, store.Put{Record: user(u)}, store.Put{Record: group(g)})
		members = append(members, groupMember(g), userMember(u))
		groups = append(groups, groupMember(g))
		b.Members = append(b.Members, store.MemberChange{Group: g, Add: []store.Member{userMember("u")}})
	}
	b.Members = append(b.Members, store.MemberChange{Group: "g", Add: members})
	e.commit(b)
	slices.SortFunc(members, compareMembers)
	slices.SortFunc(groups, compareMembers)
	for _, side := range []struct {
		q    store.EdgeQuery
		want []store.Member
	}{
		{store.EdgeQuery{Group: "g"}, members},
		{store.EdgeQuery{Member: "u"}, groups},
	} {
		n := len(side.want)
		e.equal("total alone", e.edges(side.q).Total, n)
		e.equal("none", e.edges(side.q).Members, []store.Member(nil))
		for _, limit := range []int{1, 3, 12, 13, 14, n - 1, n, n + 1, maxLimit} {
			q := side.q
			q.Limit = limit
			var got []store.Member
			for {
				page := e.edges(q)
				e.equal("total", page.Total, n)
				if len(page.Members) > limit {
					e.Fatalf("%d edges in a page of %d", len(page.Members), limit)
				}
				got = append(got, page.Members...)
				if page.Next == (store.Member{}) {
					break
				}
				if e.equal("next", page.Next, got[len(got)-1]); len(got) >= n {
					e.Fatalf("limit %d: a next page after all edges", limit)
				}
				q.After = page.Next
			}
			e.equal(fmt.Sprintf("all, in pages of %d", limit), got, side.want)
		}
	}
	page := e.edges(store.EdgeQuery{Group: "g", After: userMember("m2x"), Limit: 2})
	e.equal("after an id that is not there", page.Members, []store.Member{userMember("m3"), userMember("m4")})
	page = e.edges(store.EdgeQuery{Group: "g", After: userMember("z"), Limit: 1})
	e.equal("after the last user", page.Members, []store.Member{groupMember("k0")})
	page = e.edges(store.EdgeQuery{Group: "g", After: groupMember("z"), Limit: 1})
	e.equal("after the end", page, store.EdgePage{Total: len(members)})
}

// compareMembers is the order of edges: users first, then by id in byte order.
func compareMembers(a, b store.Member) int {
	switch {
	case a.Kind == b.Kind && a.ID == b.ID:
		return 0
	case a.Kind == b.Kind && a.ID < b.ID, a.Kind == store.User && b.Kind != store.User:
		return -1
	default:
		return 1
	}
}

func testEdgesOnly(e *env) {
	e.create(user("u1"), user("u2"), user("u3"), group("g1"), group("g2"), group("g3"))
	e.link("g1", userMember("u1"), userMember("u2"), groupMember("g3"))
	e.link("g2", userMember("u1"))
	for _, c := range []struct {
		q    store.EdgeQuery
		want []store.Member
	}{
		{store.EdgeQuery{Group: "g1", Only: []string{"u1"}}, []store.Member{userMember("u1")}},
		{store.EdgeQuery{Group: "g1", Only: []string{"g3", "u3", "none", "u2"}}, []store.Member{userMember("u2"), groupMember("g3")}},
		{store.EdgeQuery{Group: "g1", Only: []string{"u3", "g1"}}, nil},
		{store.EdgeQuery{Group: "none", Only: []string{"u1"}}, nil},
		{store.EdgeQuery{Group: "g1", Only: []string{"u2", "u1"}, Limit: 1, After: userMember("u1")}, []store.Member{userMember("u1"), userMember("u2")}},
		{store.EdgeQuery{Member: "u1", Only: []string{"g2", "g3"}}, []store.Member{groupMember("g2")}},
		{store.EdgeQuery{Member: "u1", Only: []string{"g2", "g1", "u2"}}, []store.Member{groupMember("g1"), groupMember("g2")}},
		{store.EdgeQuery{Member: "u2", Only: []string{"g2"}}, nil},
	} {
		e.equal(fmt.Sprintf("%+v", c.q), e.edges(c.q), store.EdgePage{Members: c.want, Total: len(c.want)})
	}
}

func testMemberNoOps(e *env) {
	e.create(user("u1"), user("u2"), group("g1"))
	last := e.link("g1", userMember("u1")).Revision
	before := e.get(store.Group, "g1")
	for _, c := range []store.MemberChange{
		{Group: "g1", Add: []store.Member{userMember("u1")}},
		{Group: "g1", Remove: []string{"u2"}},
		{Group: "g1", Remove: []string{"none"}},
		{Group: "g1", Add: []store.Member{userMember("u1")}, Remove: []string{"u2", "none"}},
		{Group: "g1"},
	} {
		res := e.commit(&store.Batch{Members: []store.MemberChange{c}})
		e.equal("revision", res.Revision, last)
		e.equal("counts", res.Added["g1"]+res.Removed["g1"], 0)
		e.equal("group", e.get(store.Group, "g1"), before)
		e.equal("log", e.log(last), []store.Change(nil))
		e.equal("members", e.membersOf("g1"), []store.Member{userMember("u1")})
	}
	// A no-op for one group does not hold back another, nor is it bumped with it.
	e.create(group("g2"))
	res := e.commit(&store.Batch{Members: []store.MemberChange{
		{Group: "g1", Add: []store.Member{userMember("u1")}}, {Group: "g2", Add: []store.Member{userMember("u1")}},
	}})
	e.equal("group without a change", e.get(store.Group, "g1"), before)
	e.equal("group with a change", e.get(store.Group, "g2").Version, res.Revision)
}

func testMemberVersions(e *env) {
	e.create(user("u1"), user("u2"))
	g := group("g1")
	g.Created, g.Allow = e.now(), "abc"
	v1 := e.create(g).Revision
	at := e.now()
	res := e.commit(&store.Batch{Time: at, Members: []store.MemberChange{{Group: "g1", Add: []store.Member{userMember("u1")}}}})
	if res.Revision <= v1 {
		e.Fatalf("revision %d after %d", res.Revision, v1)
	}
	g.Version, g.Modified = res.Revision, at
	e.equal("group after an add", e.get(store.Group, "g1"), g)
	e.equal("scanned group", e.scan(store.Query{Kind: store.Group, Limit: 1}).Records[0], g)
	if v := e.get(store.User, "u1").Version; v >= v1 {
		e.Fatalf("the member's version is %d, want it untouched", v)
	}
	_, err := e.try(&store.Batch{Put: []store.Put{{Record: g, Expect: v1}}})
	e.conflict(err, store.Group, "g1")
	_, err = e.try(&store.Batch{Require: []store.Require{{Kind: store.Group, ID: "g1", Version: v1}}})
	e.conflict(err, store.Group, "g1")

	at = e.now()
	res = e.commit(&store.Batch{Time: at, Members: []store.MemberChange{{Group: "g1", Remove: []string{"u1"}}}})
	g.Version, g.Modified = res.Revision, at
	e.equal("group after a remove", e.get(store.Group, "g1"), g)

	// Replacing the record keeps the edges, and both together make one version.
	e.link("g1", userMember("u1"))
	g.Body = []byte(`{"name":"renamed"}`)
	at = e.now()
	res = e.commit(&store.Batch{
		Time:    at,
		Put:     []store.Put{{Record: g, Expect: store.Any}},
		Members: []store.MemberChange{{Group: "g1", Add: []store.Member{userMember("u2")}}},
	})
	g.Version, g.Modified = res.Revision, at
	e.equal("group after both", e.get(store.Group, "g1"), g)
	e.equal("members", e.membersOf("g1"), []store.Member{userMember("u1"), userMember("u2")})
	e.commit(&store.Batch{Put: []store.Put{{Record: user("u1"), Expect: store.Any}}})
	e.equal("groups after replacing the member", e.groupsOf("u1"), []string{"g1"})
}

func testMissing(e *env) {
	e.create(user("u1"), group("g1"), record(store.Archived, "u8"), record(store.Tombstone, "u9"))
	add := func(group string, members ...store.Member) error {
		_, err := e.try(&store.Batch{Members: []store.MemberChange{{Group: group, Add: members}}})
		return err
	}
	e.missing(add("g2", userMember("u1")), store.Group, "g2")
	e.missing(add("u1", userMember("u1")), store.Group, "u1")
	_, err := e.try(&store.Batch{Members: []store.MemberChange{{Group: "g2", Remove: []string{"u1"}}}})
	e.missing(err, store.Group, "g2")
	_, err = e.try(&store.Batch{Members: []store.MemberChange{{Group: "g2", Add: []store.Member{userMember("u1")}, Pending: true}}})
	e.missing(err, store.Group, "g2")

	e.missing(add("g1", userMember("u2"), userMember("u1"), userMember("u3"), groupMember("g2")), "", "u2", "u3", "g2")
	e.missing(add("g1", userMember("u8")), "", "u8")
	e.missing(add("g1", userMember("u9")), "", "u9")
	e.equal("members", e.membersOf("g1"), []store.Member(nil))
	e.equal("groups", e.groupsOf("u1"), []string(nil))
	// Removing needs no member.
	e.commit(&store.Batch{Members: []store.MemberChange{{Group: "g1", Remove: []string{"u2", "u3"}}}})
}

func testPending(e *env) {
	e.create(user("u1"), group("g1"), group("g2"))
	res := e.commit(&store.Batch{Members: []store.MemberChange{
		{Group: "g1", Add: []store.Member{userMember("p1"), userMember("u1")}, Pending: true},
		{Group: "g2", Add: []store.Member{userMember("u1")}},
	}})
	e.equal("added", res.Added["g1"], 2)
	e.equal("members", e.membersOf("g1"), []store.Member{userMember("p1"), userMember("u1")})
	e.equal("groups", e.groupsOf("p1"), []string{"g1"})
	e.equal("no record", e.getAll(store.User, "p1"), []store.Record(nil))
	e.checkInvariants(true)
	if err := CheckInvariants(e.ctx, e.s, acme, Options{}); err == nil {
		e.Fatal("the invariant checker took a pending member where none is allowed")
	}

	// The edge is there when the user arrives.
	e.create(user("p1"))
	e.equal("groups", e.groupsOf("p1"), []string{"g1"})
	e.checkInvariants(false)

	// An archived record of the same id has no edges: it may be restored.
	e.create(record(store.Archived, "p2"))
	e.commit(&store.Batch{Members: []store.MemberChange{{Group: "g1", Add: []store.Member{userMember("p2")}, Pending: true}}})
	e.commit(&store.Batch{
		Put:    []store.Put{{Record: user("p2")}},
		Delete: []store.Delete{{Kind: store.Archived, ID: "p2", Expect: store.Any}},
	})
	e.commit(&store.Batch{Members: []store.MemberChange{{Group: "g1", Remove: []string{"p1", "p2"}}}})
	e.equal("members", e.membersOf("g1"), []store.Member{userMember("u1")})
}

func testDeleteEdges(e *env) {
	e.create(user("u1"), user("u2"), group("g1"), group("g2"))
	e.link("g1", userMember("u1"), groupMember("g2"))
	drop := func(kind store.Kind, id string, changes ...store.MemberChange) error {
		_, err := e.try(&store.Batch{Delete: []store.Delete{{Kind: kind, ID: id, Expect: store.Any}}, Members: changes})
		return err
	}
	e.conflict(drop(store.User, "u1"), store.User, "u1")
	e.conflict(drop(store.Group, "g2"), store.Group, "g2")
	e.conflict(drop(store.Group, "g1"), store.Group, "g1")
	e.conflict(drop(store.Group, "g1", store.MemberChange{Group: "g1", Remove: []string{"u1"}}), store.Group, "g1")
	e.conflict(drop(store.User, "u2", store.MemberChange{Group: "g1", Add: []store.Member{userMember("u2")}}), store.User, "u2")
	e.conflict(drop(store.User, "u2", store.MemberChange{Group: "g1", Add: []store.Member{userMember("u2")}, Pending: true}), store.User, "u2")
	e.conflict(drop(store.Group, "g2",
		store.MemberChange{Group: "g1", Remove: []string{"g2"}},
		store.MemberChange{Group: "g2", Add: []store.Member{userMember("u2")}}), store.Group, "g2")
	e.equal("members", e.membersOf("g1"), []store.Member{userMember("u1"), groupMember("g2")})

	// A user leaves with all its edges.
	before := e.get(store.Group, "g1").Version
	if err := drop(store.User, "u1", store.MemberChange{Group: "g1", Remove: []string{"u1"}}); err != nil {
		e.Fatal(err)
	}
	e.equal("groups", e.groupsOf("u1"), []string(nil))
	if v := e.get(store.Group, "g1").Version; v <= before {
		e.Fatalf("version of the group %d after %d", v, before)
	}
	// A group leaves with its edges, in both directions at once.
	e.link("g2", userMember("u2"))
	e.conflict(drop(store.Group, "g2", store.MemberChange{Group: "g1", Remove: []string{"g2"}}), store.Group, "g2")
	err := drop(store.Group, "g2",
		store.MemberChange{Group: "g1", Remove: []string{"g2"}},
		store.MemberChange{Group: "g2", Remove: []string{"u2"}})
	if err != nil {
		e.Fatal(err)
	}
	e.equal("deleted", e.getAll(store.Group, "g2"), []store.Record(nil))
	e.equal("groups", e.groupsOf("u2"), []string(nil))
	e.checkInvariants(false)
	// Made anew, it has none of its edges.
	e.create(group("g2"))
	e.equal("members", e.membersOf("g2"), []store.Member(nil))
	if err := drop(store.Group, "g1"); err != nil {
		e.Fatal(err)
	}
}
