package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// dumpOf reads what life and makeWorld write.
func (e *env) dumpOf(tenant string) dump {
	e.Helper()
	return takeDump(e.ctx, e, e.s, tenant, world)
}

// commitTo commits to any tenant.
func (e *env) commitTo(tenant string, b *store.Batch) store.Result {
	e.Helper()
	b.Time, b.Actor = e.now(), "tok1"
	res, err := e.s.Commit(e.ctx, tenant, b)
	if err != nil {
		e.Fatalf("Commit in %s: %v", tenant, err)
	}
	return res
}

func (e *env) drop(tenant string, progress func(erased int)) {
	e.Helper()
	if err := e.s.Drop(e.ctx, tenant, progress); err != nil {
		e.Fatalf("Drop(%s): %v", tenant, err)
	}
}

// life gives a tenant some of everything: every kind of write, a record of every
// kind, keys with any bytes, and a log that was trimmed and redacted.
func (e *env) life(tenant string) {
	e.Helper()
	first := worldBatch()
	for _, kind := range allKinds {
		first.Put = append(first.Put, store.Put{Record: record(kind, "every")})
		first.Claim = append(first.Claim, store.Claim{Kind: kind, Key: store.Key{Index: "every", Value: "\x00*[?\\}{:é\xff"}, ID: "every"})
		first.Index = append(first.Index, store.Entry{Kind: kind, Key: store.Key{Index: "every", Value: "*\n"}, ID: "every"})
	}
	e.commitTo(tenant, first)
	all := &store.Batch{}
	for _, w := range writes {
		w.add(all)
	}
	e.commitTo(tenant, all)
	b := &store.Batch{}
	for range 150 {
		b.Events = append(b.Events, store.Event{Type: store.UserUpdated, Kind: store.User, ID: "u2"})
	}
	e.commitTo(tenant, b)
	if _, err := e.s.Redact(e.ctx, tenant, func(c store.Change) bool { return c.Seq%7 == 0 }); err != nil {
		e.Fatalf("Redact in %s: %v", tenant, err)
	}
}

func testDrop(e *env) {
	others := []string{"acme2", "acme-2", "ac", "a", "zacme", store.SystemTenant}
	before := map[string]dump{}
	nothing := e.dumpOf(acme)
	for _, tenant := range others {
		e.life(tenant)
		before[tenant] = e.dumpOf(tenant)
	}
	check := func(when string) {
		e.Helper()
		for _, tenant := range others {
			e.equal(tenant+" "+when, e.dumpOf(tenant), before[tenant])
		}
	}
	e.drop(acme, func(erased int) { e.Errorf("%d keys were erased of a tenant that has none", erased) })
	check("after nothing was dropped")

	start := e.clock.Load()
	e.life(acme)
	alive := e.dumpOf(acme)
	if alive.Trimmed == 0 || len(alive.Log) == 0 {
		e.Fatalf("the log was trimmed to %d, and has %d entries", alive.Trimmed, len(alive.Log))
	}
	erased := 0
	e.drop(acme, func(n int) {
		if n <= erased {
			e.Errorf("progress goes from %d to %d", erased, n)
		}
		erased = n
	})
	records := 0
	for _, rs := range alive.Records {
		records += len(rs)
	}
	if erased < records {
		e.Errorf("progress ends at %d, with %d records erased among the rest", erased, records)
	}
	e.equal("what is left", e.dumpOf(acme), nothing)
	e.equal("a record with a key of any bytes", e.holder(store.Token, store.Key{Index: "every", Value: "\x00*[?\\}{:é\xff"}), "")
	check("after the drop")

	// The same life again is the same life: no revision, no key and no end of the
	// log is remembered.
	e.clock.Store(start)
	e.life(acme)
	e.equal("the second life", e.dumpOf(acme), alive)
	if err := CheckInvariants(e.ctx, e.s, acme, Options{Pending: true}); err != nil {
		e.Fatal(err)
	}
	e.drop(acme, nil)
	e.equal("what is left in the end", e.dumpOf(acme), nothing)

	e.equal("revision", e.commit(&store.Batch{}).Revision, uint64(0))
	if err := e.s.Drop(e.ctx, store.SystemTenant, nil); !errors.Is(err, store.ErrSystem) {
		e.Errorf("Drop(%s) = %v, want ErrSystem", store.SystemTenant, err)
	}
	check("in the end")
}

// many fills acme with 5,000 users with keys, a group of them, and their log.
func (e *env) many() {
	e.Helper()
	const n = 5000
	b := &store.Batch{Put: []store.Put{{Record: group("g1")}}}
	var members []store.Member
	for i := range n {
		id := fmt.Sprintf("user-%05d", i)
		b.Put = append(b.Put, store.Put{Record: user(id)})
		b.Claim = append(b.Claim, claim(userName(id), id))
		b.Index = append(b.Index, entry(store.Key{Index: "k", Value: "same"}, id), entry(store.Key{Index: "k", Value: id}, id))
		b.Events = append(b.Events, store.Event{Type: store.UserCreated, Kind: store.User, ID: id})
		members = append(members, userMember(id))
	}
	b.Members = []store.MemberChange{{Group: "g1", Add: members}}
	e.commit(b)
}

// testDropMany erases a tenant that is too large for one step. It is broken off
// after the first; and between steps another tenant goes on.
func testDropMany(e *env) {
	nothing := e.dumpOf(acme)
	e.life("acme2")
	before := e.dumpOf("acme2")
	e.many()
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	total := 0
	err := e.s.Drop(ctx, acme, func(erased int) { total = erased; cancel() })
	if err != nil && !errors.Is(err, context.Canceled) {
		e.Fatalf("Drop that is broken off: %v", err)
	}
	e.equal("acme2 after a part", e.dumpOf("acme2"), before)
	if err == nil {
		e.equal("what is left after the only step", e.dumpOf(acme), nothing)
		e.many()
		total = 0
	}

	steps := 0
	e.drop(acme, func(erased int) {
		steps++
		id := fmt.Sprint("new", steps)
		e.commitTo("acme2", &store.Batch{Put: []store.Put{{Record: user(id)}}, Claim: []store.Claim{claim(userName(id), id)}})
		records, err := e.s.Get(e.ctx, "acme2", store.User, "u1", id)
		if err != nil || len(records) != 2 {
			e.Errorf("Get in acme2 during the drop = %d records, %v", len(records), err)
		}
		if steps == 1 {
			total += erased
		}
	})
	if total < 1000 {
		e.Errorf("%d keys are erased in the first steps, want some of 5,000 users", total)
	}
	e.equal("what is left", e.dumpOf(acme), nothing)
	for _, i := range []int{0, 1234, 4999} {
		id := fmt.Sprintf("user-%05d", i)
		e.equal("holder", e.holder(store.User, userName(id)), "")
		e.equal("groups", e.groupsOf(id), []string(nil))
	}
	e.equal("under the common key", e.scan(store.Query{Kind: store.User, Key: &store.Key{Index: "k", Value: "same"}}).Total, 0)
	if err := CheckInvariants(e.ctx, e.s, "acme2", Options{Pending: true}); err != nil {
		e.Fatal(err)
	}
	e.many() // every key can be claimed again
	if err := CheckInvariants(e.ctx, e.s, acme, Options{}); err != nil {
		e.Fatal(err)
	}
}

// testRaceDrop drops a tenant again and again under writers of it and of another.
// Its writers may be refused. What is there after a drop and the last of them is
// as if the drop had been at one moment; the other tenant notices nothing.
func testRaceDrop(e *env) {
	const writers, each = 4, 15
	for range 3 {
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					id := fmt.Sprintf("u%d-%d", w, i)
					b := &store.Batch{
						Put:     []store.Put{{Record: user(id)}, {Record: group("g" + id)}},
						Claim:   []store.Claim{claim(userName(id), id)},
						Index:   []store.Entry{entry(store.Key{Index: "k", Value: "same"}, id)},
						Members: []store.MemberChange{{Group: "g" + id, Add: []store.Member{userMember(id)}}},
						Events:  []store.Event{{Type: store.UserCreated, Kind: store.User, ID: id}},
					}
					_, _ = e.try(b)
				}
			})
		}
		wg.Go(func() {
			for range each {
				if _, err := e.s.Commit(e.ctx, "acme2", &store.Batch{Time: e.now(), Events: []store.Event{
					{Type: store.UserUpdated, Kind: store.User, ID: "x"},
				}}); err != nil {
					e.Errorf("Commit in acme2: %v", err)
					return
				}
			}
		})
		for range 2 {
			wg.Go(func() {
				if err := e.s.Drop(e.ctx, acme, nil); err != nil {
					e.Errorf("Drop: %v", err)
				}
			})
		}
		wg.Wait()
		if err := CheckInvariants(e.ctx, e.s, acme, Options{}); err != nil {
			e.Fatal(err)
		}
		e.drop(acme, nil)
		e.equal("what is left", e.dumpOf(acme), e.dumpOf("never"))
	}
	changes, err := e.s.Changes(e.ctx, "acme2", 0, maxLimit)
	if err != nil || len(changes) != 3*each {
		e.Errorf("acme2 has %d log entries, %v; want %d", len(changes), err, 3*each)
	}
}
