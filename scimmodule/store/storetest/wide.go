package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func testTenants(e *env) {
	tenants := []string{"acme", "acme2", "acme-2", "ac", "a", "0", strings.Repeat("x", 63), store.SystemTenant}
	p := probe{
		kinds: allKinds, keys: []store.Key{userName("a"), userName("acme"), {Index: "k", Value: "v"}}, ids: []string{"u1", "g1", "p1"},
	}
	commit := func(tenant string, b *store.Batch) store.Result {
		e.Helper()
		b.Time, b.Actor = e.now(), tenant
		res, err := e.s.Commit(e.ctx, tenant, b)
		if err != nil {
			e.Fatalf("Commit in %s: %v", tenant, err)
		}
		return res
	}
	dumps := map[string]dump{}
	check := func() {
		e.Helper()
		for _, tenant := range tenants {
			if d := diff(takeDump(e.ctx, e, e.s, tenant, p), dumps[tenant]); d != "" {
				e.Fatalf("tenant %s changed (-after +before):\n%s", tenant, d)
			}
		}
	}
	for i, tenant := range tenants {
		r := user("u1")
		r.Body = fmt.Appendf(nil, `{"tenant":%q}`, tenant)
		// The same ids and keys everywhere, but for a revision of their own.
		for range i {
			commit(tenant, &store.Batch{Events: []store.Event{{Type: store.UserUpdated, Kind: store.User, ID: "x"}}})
		}
		commit(tenant, &store.Batch{
			Put:     []store.Put{{Record: r}, {Record: group("g1")}, {Record: record(store.Token, "u1")}},
			Claim:   []store.Claim{claim(userName("a"), "u1")},
			Index:   []store.Entry{entry(store.Key{Index: "k", Value: "v"}, "u1")},
			Members: []store.MemberChange{{Group: "g1", Add: []store.Member{userMember("p1")}, Pending: true}},
			Events:  []store.Event{{Type: store.UserCreated, Kind: store.User, ID: "u1"}},
		})
		d := takeDump(e.ctx, e, e.s, tenant, p)
		e.equal("body", string(d.Records[store.User][0].Body), string(r.Body))
		e.equal("log", len(d.Log), i+2)
		e.equal("actor", d.Log[0].Actor, tenant)
		e.equal("members", d.Members, map[string][]store.Member{"g1": {userMember("p1")}})
		dumps[tenant] = d
	}
	check()
	for _, tenant := range tenants {
		// Another tenant has none of these records.
		_, err := e.s.Commit(e.ctx, "other", &store.Batch{
			Time: e.now(), Require: []store.Require{{Kind: store.User, ID: "u1", Version: store.Any}},
		})
		e.conflict(err, store.User, "u1")
		commit(tenant, &store.Batch{
			Put:     []store.Put{{Record: record(store.Archived, "u1")}},
			Delete:  []store.Delete{{Kind: store.User, ID: "u1", Expect: store.Any}},
			Release: []store.Claim{claim(userName("a"), "u1")},
			Unindex: []store.Entry{entry(store.Key{Index: "k", Value: "v"}, "u1")},
			Members: []store.MemberChange{{Group: "g1", Remove: []string{"p1"}}},
		})
		if _, err := e.s.Redact(e.ctx, tenant, func(store.Change) bool { return true }); err != nil {
			e.Fatalf("Redact in %s: %v", tenant, err)
		}
		d := takeDump(e.ctx, e, e.s, tenant, p)
		if len(d.Records[store.User])+len(d.Holders)+len(d.Index)+len(d.Members)+len(d.Groups)+len(d.Log) > 0 {
			e.Fatalf("left in %s: %+v", tenant, d)
		}
		dumps[tenant] = d
		check()
	}
}

func testLarge(e *env) {
	big := strings.Repeat("\"\\\x00é🙂{}", 64<<10/15)
	long := fmt.Appendf(nil, `{"a":%q}`, strings.Repeat("x", 64<<10))
	mega := fmt.Appendf(nil, `{"name":%q}`, strings.Repeat("0123456789abcdef", 1<<20/16))
	b := &store.Batch{}
	for i, body := range [][]byte{long, mega, fmt.Appendf(nil, `{"b":%s}`, jsonString(big))} {
		r := user(fmt.Sprint("u", i))
		r.Body = body
		b.Put = append(b.Put, store.Put{Record: r})
		b.Events = append(b.Events, store.Event{Type: store.UserCreated, Kind: store.User, ID: r.ID, Changed: []string{strings.Repeat("n", 1000)}})
	}
	e.commit(b)
	log := e.log(0)
	page := e.scan(store.Query{Kind: store.User, Limit: 10})
	for i, p := range b.Put {
		if !slices.Equal(e.get(store.User, p.Record.ID).Body, p.Record.Body) || !slices.Equal(page.Records[i].Body, p.Record.Body) {
			e.Fatalf("body of %s differs", p.Record.ID)
		}
		if log[i].Record == nil || !slices.Equal(log[i].Record.Body, p.Record.Body) {
			e.Fatalf("logged body of %s differs", p.Record.ID)
		}
	}
}

// jsonString quotes as JSON does, where %q would write \x00.
func jsonString(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\x00", `\u0000`).Replace(s) + `"`
}

func testManyMembers(e *env) {
	const n = 20_000
	var members []store.Member
	var ids []string
	e.create(group("g1"))
	for chunk := range n / 5000 {
		b := &store.Batch{}
		for i := range 5000 {
			id := fmt.Sprintf("user-%06d", (chunk*5000+i)*7919%n)
			b.Put = append(b.Put, store.Put{Record: user(id)})
			members = append(members, userMember(id))
			ids = append(ids, id)
		}
		e.commit(b)
	}
	last := e.get(store.Group, "g1").Version
	res := e.link("g1", members...)
	e.equal("added", res.Added["g1"], n)
	slices.Sort(ids)
	var got []string
	q := store.EdgeQuery{Group: "g1", Limit: 1000}
	for {
		page := e.edges(q)
		e.equal("total", page.Total, n)
		got = append(got, memberIDs(page.Members)...)
		if q.After = page.Next; q.After == (store.Member{}) {
			break
		}
	}
	if !slices.Equal(got, ids) {
		e.Fatalf("%d members read, want %d in order", len(got), n)
	}
	page := e.edges(store.EdgeQuery{Group: "g1", Only: append(slices.Clone(ids[1:]), "none")})
	if page.Total != n-1 || !slices.Equal(memberIDs(page.Members), ids[1:]) {
		e.Fatalf("%d members among %d ids", page.Total, n)
	}
	logged := 0
	for _, c := range e.log(last) {
		logged += len(c.Added)
	}
	e.equal("logged", logged, n)
	e.equal("groups", e.groupsOf(ids[n/2]), []string{"g1"})

	res = e.commit(&store.Batch{
		Members: []store.MemberChange{{Group: "g1", Remove: ids}},
		Delete:  []store.Delete{{Kind: store.Group, ID: "g1", Expect: store.Any}},
	})
	e.equal("removed", res.Removed["g1"], n)
	e.equal("members left", e.edges(store.EdgeQuery{Group: "g1"}).Total, 0)
	e.equal("groups left", e.groupsOf(ids[n/2]), []string(nil))
}

// testManyRecords is a group sync that makes all of its users.
func testManyRecords(e *env) {
	const n = 5000
	key := store.Key{Index: "externalId", Value: "same"}
	b := &store.Batch{Put: []store.Put{{Record: group("g1")}}}
	var members []store.Member
	for i := range n {
		id := fmt.Sprintf("user-%05d", i)
		b.Put = append(b.Put, store.Put{Record: user(id)})
		b.Claim = append(b.Claim, claim(userName(id), id))
		b.Index = append(b.Index, entry(key, id), entry(store.Key{Index: "externalId", Value: id}, id))
		b.Events = append(b.Events, store.Event{Type: store.UserCreated, Kind: store.User, ID: id})
		members = append(members, userMember(id))
	}
	b.Members = []store.MemberChange{{Group: "g1", Add: members}}
	res := e.commit(b)
	log := e.log(0)
	e.equal("log entries", len(log), n+n/store.MaxLoggedMembers)
	e.equal("the last Seq", log[len(log)-1].Seq, res.Revision)
	e.equal("under the key", len(e.under(store.User, key)), n)
	keys := func(r store.Record) (unique, index []store.Key) {
		if r.Kind != store.User {
			return nil, nil
		}
		return []store.Key{userName(r.ID)}, []store.Key{key}
	}
	if err := CheckInvariants(e.ctx, e.s, acme, Options{Keys: keys}); err != nil {
		e.Fatal(err)
	}
}

func testContext(e *env) {
	makeWorld(e)
	before := takeDump(e.ctx, e, e.s, acme, world)
	cancelled, cancel := context.WithCancel(e.ctx)
	cancel()
	late, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		for _, c := range []struct {
			name string
			call func() error
		}{
			{"Get", func() error { _, err := e.s.Get(ctx, acme, store.User, "u1"); return err }},
			{"Lookup", func() error { _, err := e.s.Lookup(ctx, acme, store.User, userName("a")); return err }},
			{"Scan", func() error {
				_, err := e.s.Scan(ctx, acme, store.Query{Kind: store.User, Limit: 10})
				return err
			}},
			{"Edges", func() error {
				_, err := e.s.Edges(ctx, acme, store.EdgeQuery{Group: "g1", Limit: 10})
				return err
			}},
			{"Changes", func() error { _, err := e.s.Changes(ctx, acme, 0, 10); return err }},
			{"Commit", func() error {
				_, err := e.s.Commit(ctx, acme, &store.Batch{Time: e.now(), Put: []store.Put{{Record: user("u3")}}})
				return err
			}},
			{"Redact", func() error {
				_, err := e.s.Redact(ctx, acme, func(store.Change) bool { return true })
				return err
			}},
			{"Drop", func() error { return e.s.Drop(ctx, acme, nil) }},
			{"Ready", func() error { return e.s.Ready(ctx) }},
		} {
			if err := c.call(); !errors.Is(err, ctx.Err()) {
				e.Errorf("%s: error = %v, want %v", c.name, err, ctx.Err())
			}
		}
	}
	e.equal("state", takeDump(e.ctx, e, e.s, acme, world), before)
}

func testReady(e *env) {
	if err := e.s.Ready(e.ctx); err != nil {
		e.Fatalf("Ready: %v", err)
	}
	w, ok := e.s.(store.Warner)
	if !ok {
		return
	}
	if _, err := w.Warnings(e.ctx); err != nil {
		e.Fatalf("Warnings: %v", err)
	}
}
