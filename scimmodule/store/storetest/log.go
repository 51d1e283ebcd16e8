package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func testLog(e *env) {
	at := e.now()
	res := e.commit(&store.Batch{
		Time: at, Actor: "tok7",
		Put: []store.Put{{Record: user("u1")}, {Record: group("g1")}, {Record: record(store.Archived, "u2")}},
		Events: []store.Event{
			{Type: store.GroupCreated, Kind: store.Group, ID: "g1", Changed: []string{"displayName", "urn:x:y"}},
			{Type: store.UserCreated, Kind: store.User, ID: "u1"},
			{Type: store.UserArchived, Kind: store.Archived, ID: "u2", Changed: []string{"active"}},
			{Type: store.UserUpdated, Kind: store.User, ID: "u2"},
		},
		Members: []store.MemberChange{{Group: "g1", Add: []store.Member{userMember("u1")}}},
	})
	g, u, a := e.get(store.Group, "g1"), e.get(store.User, "u1"), e.get(store.Archived, "u2")
	log := e.log(0)
	if len(log) != 5 {
		e.Fatalf("%d log entries, want 5", len(log))
	}
	e.equal("the last Seq", log[4].Seq, res.Revision)
	want := []store.Change{
		{Type: store.GroupCreated, ID: "g1", Changed: []string{"displayName", "urn:x:y"}, Record: &g},
		{Type: store.UserCreated, ID: "u1", Record: &u},
		{Type: store.UserArchived, ID: "u2", Changed: []string{"active"}, Record: &a},
		{Type: store.UserUpdated, ID: "u2"}, // the batch puts no such user
		{Type: store.GroupMembersChanged, ID: "g1", Added: []store.Member{userMember("u1")}},
	}
	for i := range want {
		want[i].Seq, want[i].Version, want[i].Time, want[i].Actor = log[i].Seq, res.Revision, at, "tok7"
		if log[i].Time.Location() != time.UTC {
			e.Errorf("log entry %d: time %v is not in UTC", i, log[i].Time)
		}
	}
	log[3].Version = res.Revision // not said for a record that did not change
	log[4].Record = nil           // may be there or not
	e.equal("log", log, want)
	for i := 1; i < len(log); i++ {
		if log[i].Seq <= log[i-1].Seq {
			e.Fatalf("Seq %d after %d", log[i].Seq, log[i-1].Seq)
		}
	}

	// The log keeps the record as it was put.
	u2 := user("u1")
	u2.Body = []byte(`{"name":"later"}`)
	e.commit(&store.Batch{
		Put:    []store.Put{{Record: u2, Expect: store.Any}},
		Events: []store.Event{{Type: store.UserUpdated, Kind: store.User, ID: "u1"}},
	})
	later := e.log(res.Revision)
	if len(later) != 1 || later[0].Record == nil {
		e.Fatalf("log after an update: %+v", later)
	}
	e.equal("newer record", *later[0].Record, e.get(store.User, "u1"))
	e.equal("older record", *e.log(0)[1].Record, u)

	// A purge names the user and carries nothing.
	res = e.commit(&store.Batch{
		Put:    []store.Put{{Record: store.Record{Kind: store.Tombstone, ID: "u2"}}},
		Delete: []store.Delete{{Kind: store.Archived, ID: "u2", Expect: store.Any}},
		Events: []store.Event{{Type: store.UserPurged, Kind: store.Archived, ID: "u2"}},
	})
	purged := e.log(later[0].Seq)
	if len(purged) != 1 || purged[0].Type != store.UserPurged || purged[0].ID != "u2" || purged[0].Record != nil ||
		purged[0].Version != res.Revision || purged[0].Seq != res.Revision {
		e.Fatalf("log after a purge at %d: %+v", res.Revision, purged)
	}
	// Without events a put leaves no trace in the log.
	e.create(user("u5"))
	e.equal("log after a silent put", e.log(res.Revision), []store.Change(nil))
}

// events is a batch of n events, each with an id of its own.
func events(id string, n int) *store.Batch {
	b := &store.Batch{}
	for i := range n {
		b.Events = append(b.Events, store.Event{Type: store.UserUpdated, Kind: store.User, ID: fmt.Sprint(id, "-", i)})
	}
	return b
}

func testLogPages(e *env) {
	for i := range 9 {
		e.commit(events(fmt.Sprint("e", i), 3))
		e.create(user(fmt.Sprint("u", i))) // may make gaps
	}
	all := e.log(0)
	if len(all) != 27 {
		e.Fatalf("%d log entries, want 27", len(all))
	}
	for _, limit := range []int{1, 2, 26, 27, 28, maxLimit} {
		var got []store.Change
		after := uint64(0)
		for {
			page, err := e.s.Changes(e.ctx, acme, after, limit)
			if err != nil {
				e.Fatalf("Changes(%d, %d): %v", after, limit, err)
			}
			if len(page) > limit {
				e.Fatalf("%d entries, limit %d", len(page), limit)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1].Seq
		}
		e.equal(fmt.Sprintf("in pages of %d", limit), got, all)
	}
	for after := uint64(0); after <= all[26].Seq+2; after++ {
		var want []store.Change
		for _, c := range all {
			if c.Seq > after {
				want = append(want, c)
			}
		}
		e.equal(fmt.Sprintf("after %d", after), e.log(after), want)
	}
	e.equal("after all", e.log(1<<50), []store.Change(nil))
}

func testLogMembers(e *env) {
	e.create(user("u1"), user("u2"), group("g1"), group("g2"), group("g3"))
	e.link("g1", userMember("u1"), groupMember("g3"))
	at := e.now()
	res := e.commit(&store.Batch{Time: at, Members: []store.MemberChange{
		{Group: "g1", Add: []store.Member{userMember("u1"), userMember("u2")}, Remove: []string{"g3", "g2"}},
		{Group: "g2", Remove: []string{"u1"}},
		{Group: "g3", Add: []store.Member{groupMember("g2")}},
	}})
	log := e.log(0)
	if len(log) != 3 {
		e.Fatalf("%d log entries, want 3: %+v", len(log), log)
	}
	tail := log[1:]
	slices.SortFunc(tail, func(a, b store.Change) int { return compareMembers(groupMember(a.ID), groupMember(b.ID)) })
	want := []store.Change{
		{Type: store.GroupMembersChanged, ID: "g1", Added: []store.Member{userMember("u2")}, Removed: []store.Member{groupMember("g3")}},
		{Type: store.GroupMembersChanged, ID: "g3", Added: []store.Member{groupMember("g2")}},
	}
	for i := range want {
		want[i].Seq, want[i].Version, want[i].Time, want[i].Actor = tail[i].Seq, res.Revision, at, "tok1"
	}
	e.equal("member changes", tail, want)

	// A group that is deleted says goodbye to its members in the log.
	last := res.Revision
	e.commit(&store.Batch{
		Delete:  []store.Delete{{Kind: store.Group, ID: "g1", Expect: store.Any}},
		Members: []store.MemberChange{{Group: "g1", Remove: []string{"u1", "u2"}}},
		Events:  []store.Event{{Type: store.GroupDeleted, Kind: store.Group, ID: "g1"}},
	})
	log = e.log(last)
	if len(log) != 2 || log[0].Type != store.GroupDeleted || log[1].Type != store.GroupMembersChanged || len(log[1].Removed) != 2 {
		e.Fatalf("log after a group was deleted: %+v", log)
	}
}

func testLogChunks(e *env) {
	const old, added, removed = 900, 2500, 700
	var first []store.Member
	b := &store.Batch{Put: []store.Put{{Record: group("g1")}}}
	for i := range old {
		first = append(first, userMember(fmt.Sprint("old", i)))
	}
	b.Members = []store.MemberChange{{Group: "g1", Add: first, Pending: true}}
	last := e.commit(b).Revision

	change := store.MemberChange{Group: "g1", Pending: true, Add: slices.Clone(first[:100])} // there already
	for i := range added {
		change.Add = append(change.Add, userMember(fmt.Sprint("new", i)))
	}
	for i := range removed {
		change.Remove = append(change.Remove, first[old-1-i].ID)
	}
	res := e.commit(&store.Batch{
		Put:     []store.Put{{Record: group("g1"), Expect: store.Any}},
		Members: []store.MemberChange{change},
		Events:  []store.Event{{Type: store.GroupUpdated, Kind: store.Group, ID: "g1"}},
	})
	e.equal("counts", []int{res.Added["g1"], res.Removed["g1"]}, []int{added, removed})
	log := e.log(last)
	e.equal("first entry", log[0].Type, store.GroupUpdated)
	got := map[store.Member]int{}
	for i, c := range log {
		if i > 0 && (c.Type != store.GroupMembersChanged || c.ID != "g1" || c.Seq <= log[i-1].Seq) {
			e.Fatalf("entry %d: %s %q, Seq %d", i, c.Type, c.ID, c.Seq)
		}
		e.equal("version of an entry", c.Version, res.Revision)
		n := len(c.Added) + len(c.Removed)
		if n > store.MaxLoggedMembers || i > 0 && n == 0 {
			e.Fatalf("entry %d lists %d members", i, n)
		}
		for _, m := range c.Added {
			got[m]++
		}
		for _, m := range c.Removed {
			got[m]--
		}
	}
	e.equal("the last Seq", log[len(log)-1].Seq, res.Revision)
	want := map[store.Member]int{}
	for _, m := range change.Add[100:] {
		want[m] = 1
	}
	for _, id := range change.Remove {
		want[userMember(id)] = -1
	}
	e.equal("logged members", got, want)
	e.equal("group's version", e.get(store.Group, "g1").Version, res.Revision)
	if err := CheckInvariants(e.ctx, e.s, acme, Options{Pending: true}); err != nil {
		e.Fatal(err)
	}
}

func testRedact(e *env) {
	for i := range 30 {
		r := user(fmt.Sprint("u", i%3))
		b := &store.Batch{Put: []store.Put{{Record: r, Expect: store.Any}}}
		if i < 3 {
			b.Put[0].Expect = 0
		}
		b.Events = []store.Event{{Type: store.UserUpdated, Kind: store.User, ID: r.ID, Changed: []string{"name"}}}
		e.commit(b)
	}
	all := e.log(0)
	records := e.getAll(store.User, "u0", "u1", "u2")
	redact := func(want int, drop func(store.Change) bool) {
		e.Helper()
		n, err := e.s.Redact(e.ctx, acme, drop)
		if n != want || err != nil {
			e.Fatalf("Redact = %d, %v; want %d", n, err, want)
		}
	}
	var seen []store.Change
	redact(0, func(c store.Change) bool { seen = append(seen, c); return false })
	e.equal("what drop saw", seen, all)
	e.equal("log", e.log(0), all)

	redact(10, func(c store.Change) bool { return c.Record != nil && c.Record.ID == "u0" })
	left := slices.DeleteFunc(slices.Clone(all), func(c store.Change) bool { return c.ID == "u0" })
	e.equal("log without u0", e.log(0), left)
	e.equal("log in the middle", e.log(left[4].Seq), left[5:])
	redact(0, func(c store.Change) bool { return c.ID == "u0" })
	e.equal("records", e.getAll(store.User, "u0", "u1", "u2"), records)

	redact(20, func(store.Change) bool { return true })
	e.equal("empty log", e.log(0), []store.Change(nil))
	res := e.commit(events("e", 1))
	if res.Revision <= all[29].Seq {
		e.Fatalf("revision %d after %d", res.Revision, all[29].Seq)
	}
	e.equal("log after all", len(e.log(0)), 1)
	e.equal("log after all", len(e.log(all[5].Seq)), 1)
}

// trimmed returns what is left of a log that must have been trimmed.
func (e *env) trimmed() []store.Change {
	e.Helper()
	_, err := e.s.Changes(e.ctx, acme, 0, 10)
	var truncated *store.TruncatedError
	if !errors.As(err, &truncated) {
		e.Fatalf("Changes(0) of a trimmed log = %v", err)
	}
	if truncated.Oldest == 0 {
		e.Fatal("Oldest is 0")
	}
	left := e.log(truncated.Oldest)
	below := &store.TruncatedError{}
	if _, err = e.s.Changes(e.ctx, acme, truncated.Oldest-1, 10); !errors.As(err, &below) {
		e.Fatalf("Changes below Oldest = %v", err)
	}
	e.equal("Oldest", below.Oldest, truncated.Oldest)
	return left
}

func (e *env) between(what string, got, low, high int) {
	e.Helper()
	if got < low || got > high {
		e.Fatalf("%s: %d, want %d to %d", what, got, low, high)
	}
}

func testTrimEntries(e *env) {
	const limit = 200
	e.commit(events("first", 150))
	e.equal("a log within its limit", len(e.log(0)), 150)
	var last uint64
	for i := range 20 {
		last = e.commit(events(fmt.Sprint("e", i), 50)).Revision
	}
	left := e.trimmed()
	e.between("entries left", len(left), limit, limit+100)
	e.equal("the newest entry", left[len(left)-1].Seq, last)
	for i, c := range left {
		n := 1000 - len(left) + i
		e.equal("entry left", c.ID, fmt.Sprintf("e%d-%d", n/50, n%50))
	}
	// A batch may be longer than the log.
	e.commit(events("long", 600))
	left = e.trimmed()
	e.between("entries left", len(left), limit, limit+100)
	e.equal("the newest entry", left[len(left)-1].ID, "long-599")

	// Redacting is not trimming, and trimming goes on after it.
	oldest := left[0].Seq
	n, err := e.s.Redact(e.ctx, acme, func(c store.Change) bool { return c.Seq < oldest+50 })
	if n != 50 || err != nil {
		e.Fatalf("Redact = %d, %v", n, err)
	}
	e.equal("after redacting", e.trimmed(), left[50:])
	for i := range 10 {
		e.commit(events(fmt.Sprint("f", i), 50))
	}
	e.between("entries left", len(e.trimmed()), limit, limit+100)
}

func testTrimAge(e *env) {
	now := time.Now().Truncate(time.Millisecond)
	commit := func(id string, at time.Time, n int) {
		b := events(id, n)
		b.Time = at
		e.commit(b)
	}
	for i := range 6 {
		commit(fmt.Sprint("old", i), now.Add(-2*time.Hour), 50)
	}
	commit("new", now.Add(-time.Minute), 10)
	commit("newest", now, 10)
	left := e.trimmed()
	e.between("entries left", len(left), 20, 120)
	e.equal("the first new entry", left[len(left)-20].ID, "new-0")
	e.equal("the newest entry", left[len(left)-1].ID, "newest-9")
}
