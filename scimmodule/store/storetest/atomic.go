package storetest

import (
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// world is what makeWorld and the writes below touch.
var world = probe{
	kinds: allKinds,
	keys:  []store.Key{userName("a"), userName("b"), userName("c"), userName("d"), {Index: "k", Value: "v"}},
	ids:   []string{"u1", "u2", "u3", "g1", "g2", "g3", "none"},
}

// makeWorld fills acme with a little of everything.
func makeWorld(e *env) {
	e.Helper()
	e.commit(worldBatch())
}

func worldBatch() *store.Batch {
	return &store.Batch{
		Put: []store.Put{
			{Record: user("u1")}, {Record: user("u2")}, {Record: group("g1")}, {Record: group("g2")},
			{Record: record(store.Archived, "a1")}, {Record: record(store.Tombstone, "t1")},
		},
		Claim:   []store.Claim{claim(userName("a"), "u1"), claim(userName("c"), "u2")},
		Index:   []store.Entry{entry(store.Key{Index: "k", Value: "v"}, "u1")},
		Members: []store.MemberChange{{Group: "g1", Add: []store.Member{userMember("u1"), groupMember("g2")}}},
		Events:  []store.Event{{Type: store.UserCreated, Kind: store.User, ID: "u1"}},
	}
}

// writes lists every kind of write; all of them fit together in one batch.
var writes = []struct {
	name string
	add  func(b *store.Batch)
}{
	{"put of a new record", func(b *store.Batch) { b.Put = append(b.Put, store.Put{Record: user("u3")}) }},
	{"put of a record", func(b *store.Batch) {
		r := user("u2")
		r.Body = []byte(`{"name":"changed"}`)
		b.Put = append(b.Put, store.Put{Record: r, Expect: store.Any})
	}},
	{"put of a group", func(b *store.Batch) {
		b.Put = append(b.Put, store.Put{Record: group("g2"), Expect: store.Any})
	}},
	{"delete", func(b *store.Batch) {
		b.Delete = append(b.Delete, store.Delete{Kind: store.Archived, ID: "a1", Expect: store.Any})
	}},
	{"claim", func(b *store.Batch) { b.Claim = append(b.Claim, claim(userName("b"), "u1")) }},
	{"release", func(b *store.Batch) { b.Release = append(b.Release, claim(userName("c"), "u2")) }},
	{"index", func(b *store.Batch) { b.Index = append(b.Index, entry(store.Key{Index: "k", Value: "v"}, "u2")) }},
	{"unindex", func(b *store.Batch) { b.Unindex = append(b.Unindex, entry(store.Key{Index: "k", Value: "v"}, "u1")) }},
	{"members", func(b *store.Batch) {
		b.Members = append(b.Members, store.MemberChange{Group: "g1", Add: []store.Member{userMember("u2")}, Remove: []string{"u1"}})
	}},
	{"pending members", func(b *store.Batch) {
		b.Members = append(b.Members, store.MemberChange{Group: "g2", Add: []store.Member{userMember("p1")}, Pending: true})
	}},
	{"event", func(b *store.Batch) {
		b.Events = append(b.Events, store.Event{Type: store.UserUpdated, Kind: store.User, ID: "u2"})
	}},
}

// failures lists every precondition that can fail, on what the writes leave alone.
var failures = []struct {
	name string
	add  func(b *store.Batch)
}{
	{"required version", func(b *store.Batch) {
		b.Require = append(b.Require, store.Require{Kind: store.User, ID: "u1", Version: 1 << 40})
	}},
	{"required absence", func(b *store.Batch) {
		b.Require = append(b.Require, store.Require{Kind: store.User, ID: "u1"})
	}},
	{"required presence", func(b *store.Batch) {
		b.Require = append(b.Require, store.Require{Kind: store.User, ID: "none", Version: store.Any})
	}},
	{"put in another version", func(b *store.Batch) {
		b.Put = append(b.Put, store.Put{Record: user("u1"), Expect: 1 << 40})
	}},
	{"put of an existing record", func(b *store.Batch) { b.Put = append(b.Put, store.Put{Record: group("g1")}) }},
	{"put of a missing record", func(b *store.Batch) {
		b.Put = append(b.Put, store.Put{Record: user("none"), Expect: store.Any})
	}},
	{"delete in another version", func(b *store.Batch) {
		b.Delete = append(b.Delete, store.Delete{Kind: store.Tombstone, ID: "t1", Expect: 1 << 40})
	}},
	{"delete of a missing record", func(b *store.Batch) {
		b.Delete = append(b.Delete, store.Delete{Kind: store.User, ID: "none", Expect: store.Any})
	}},
	{"delete with edges", func(b *store.Batch) {
		b.Delete = append(b.Delete, store.Delete{Kind: store.Group, ID: "g1", Expect: store.Any})
	}},
	{"claim of a taken key", func(b *store.Batch) { b.Claim = append(b.Claim, claim(userName("a"), "u2")) }},
	{"release of a free key", func(b *store.Batch) { b.Release = append(b.Release, claim(userName("d"), "u1")) }},
	{"release of another's key", func(b *store.Batch) { b.Release = append(b.Release, claim(userName("a"), "u2")) }},
	{"missing group", func(b *store.Batch) {
		b.Members = append(b.Members, store.MemberChange{Group: "g3", Add: []store.Member{userMember("u1")}})
	}},
	{"missing member", func(b *store.Batch) {
		b.Put = append(b.Put, store.Put{Record: group("g3")})
		b.Members = append(b.Members, store.MemberChange{Group: "g3", Add: []store.Member{userMember("u1"), userMember("none")}})
	}},
}

func testAtomic(e *env) {
	makeWorld(e)
	before := takeDump(e.ctx, e, e.s, acme, world)
	refused := func(name string, b *store.Batch) {
		e.Helper()
		if _, err := e.try(b); err == nil {
			e.Fatalf("%s: the batch was taken", name)
		}
		if d := diff(takeDump(e.ctx, e, e.s, acme, world), before); d != "" {
			e.Fatalf("%s: the refused batch changed something (-after +before):\n%s", name, d)
		}
	}
	for _, failure := range failures {
		all := &store.Batch{}
		for _, write := range writes {
			b := &store.Batch{}
			write.add(b)
			failure.add(b)
			refused(failure.name+" with "+write.name, b)
			write.add(all)
		}
		failure.add(all)
		refused(failure.name+" with all writes", all)
	}
	all := &store.Batch{}
	for _, write := range writes {
		write.add(all)
	}
	res := e.commit(all)
	after := takeDump(e.ctx, e, e.s, acme, world)
	e.equal("holders", after.Holders, map[string]string{`user userName "a"`: "u1", `user userName "b"`: "u1"})
	e.equal("index", after.Index, map[string][]string{`user k "v"`: {"u2"}})
	e.equal("members", after.Members, map[string][]store.Member{
		"g1": {userMember("u2"), groupMember("g2")}, "g2": {userMember("p1")},
	})
	e.equal("users", recordIDs(after.Records[store.User]), []string{"u1", "u2", "u3"})
	e.equal("archive", after.Records[store.Archived], []store.Record(nil))
	e.equal("new log entries", len(after.Log), len(before.Log)+3)
	for _, r := range append(after.Records[store.User][1:], after.Records[store.Group]...) {
		e.equal("version of "+r.ID, r.Version, res.Revision)
	}
	e.checkInvariants(true)
}

// testReopen: what was acknowledged is there after the store was closed.
func testReopen(e *env, c Config) {
	makeWorld(e)
	e.create(user("u3"))
	last := e.commit(&store.Batch{Delete: []store.Delete{{Kind: store.User, ID: "u3", Expect: store.Any}}})
	before := takeDump(e.ctx, e, e.s, acme, world)
	e.s = c.Reopen(e.TB, e.s)
	e.equal("after reopening", takeDump(e.ctx, e, e.s, acme, world), before)
	e.checkInvariants(false)
	res := e.create(user("u3"))
	if res.Revision <= last.Revision {
		e.Fatalf("revision %d after %d", res.Revision, last.Revision)
	}
	_, err := e.try(&store.Batch{Claim: []store.Claim{claim(userName("a"), "u3")}})
	e.unique(err, store.UniqueError{Kind: store.User, Index: "userName", Holder: "u1"})
	e.link("g1", userMember("u3"))
	e.s = c.Reopen(e.TB, e.s)
	e.equal("members", e.membersOf("g1"), []store.Member{userMember("u1"), userMember("u3"), groupMember("g2")})
	e.checkInvariants(false)
}
