package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

var allKinds = []store.Kind{
	store.User, store.Group, store.Archived, store.Tombstone, store.Token, store.Tenant, store.Sweep,
	store.Report, store.Lease, store.Import,
}

func testEmpty(e *env) {
	for _, kind := range allKinds {
		e.equal("records", e.getAll(kind, "u1", "u2"), []store.Record(nil))
		e.equal("no ids", e.getAll(kind), []store.Record(nil))
		e.equal("scan", e.scan(store.Query{Kind: kind, Limit: 10}), store.Page{})
		e.equal("scan by key", e.scan(store.Query{Kind: kind, Key: &store.Key{Index: "a", Value: "b"}, Limit: 10}), store.Page{})
		e.equal("holder", e.holder(kind, userName("a")), "")
	}
	e.equal("members", e.edges(store.EdgeQuery{Group: "g1", Limit: 10}), store.EdgePage{})
	e.equal("groups", e.edges(store.EdgeQuery{Member: "u1", Limit: 10}), store.EdgePage{})
	e.equal("log", e.log(0), []store.Change(nil))
	res := e.commit(&store.Batch{Unindex: []store.Entry{{Kind: store.User, Key: userName("a"), ID: "u1"}}})
	e.equal("revision after nothing", res.Revision, uint64(0))
	n, err := e.s.Redact(e.ctx, acme, func(store.Change) bool { return true })
	if n != 0 || err != nil {
		e.Fatalf("Redact = %d, %v", n, err)
	}
}

func testRecords(e *env) {
	r := user("u1")
	r.Created = e.now()
	created := e.now()
	res := e.commit(&store.Batch{Time: created, Put: []store.Put{{Record: r}}})
	want := r
	want.Version, want.Modified = res.Revision, created
	e.equal("created record", e.get(store.User, "u1"), want)
	e.equal("by scan", e.scan(store.Query{Kind: store.User, Limit: 10}), store.Page{Records: []store.Record{want}, Total: 1})
	e.equal("another kind", e.getAll(store.Archived, "u1"), []store.Record(nil))

	r.Body = []byte(`{"name":"other"}`)
	replaced := e.now()
	res = e.commit(&store.Batch{Time: replaced, Put: []store.Put{{Record: r, Expect: want.Version}}})
	want = r
	want.Version, want.Modified = res.Revision, replaced
	e.equal("replaced record", e.get(store.User, "u1"), want)

	e.commit(&store.Batch{Delete: []store.Delete{{Kind: store.User, ID: "u1", Expect: want.Version}}})
	e.equal("deleted record", e.getAll(store.User, "u1"), []store.Record(nil))
	e.equal("scan after delete", e.scan(store.Query{Kind: store.User, Limit: 10}), store.Page{})
}

func testExpect(e *env) {
	v1 := e.create(user("u1")).Revision
	v2 := e.create(user("u2")).Revision

	put := func(id string, expect uint64) error {
		_, err := e.try(&store.Batch{Put: []store.Put{{Record: user(id), Expect: expect}}})
		return err
	}
	e.conflict(put("u1", 0), store.User, "u1")
	e.conflict(put("u1", v2), store.User, "u1")
	e.conflict(put("u1", v1+1000), store.User, "u1")
	e.conflict(put("u3", v1), store.User, "u3")
	e.conflict(put("u3", store.Any), store.User, "u3")
	e.equal("untouched", e.get(store.User, "u1").Version, v1)

	drop := func(id string, expect uint64) error {
		_, err := e.try(&store.Batch{Delete: []store.Delete{{Kind: store.User, ID: id, Expect: expect}}})
		return err
	}
	e.conflict(drop("u1", v2), store.User, "u1")
	e.conflict(drop("u3", store.Any), store.User, "u3")
	e.conflict(drop("u3", v1), store.User, "u3")

	for _, err := range []error{put("u1", v1), put("u1", store.Any), put("u3", 0), drop("u1", store.Any), drop("u2", v2)} {
		if err != nil {
			e.Fatal(err)
		}
	}
	e.conflict(put("u1", v1), store.User, "u1")
	e.equal("left", recordIDs(e.scan(store.Query{Kind: store.User, Limit: 10}).Records), []string{"u3"})
}

func testRequire(e *env) {
	v1 := e.create(user("u1")).Revision
	require := func(id string, version uint64) error {
		_, err := e.try(&store.Batch{
			Require: []store.Require{{Kind: store.User, ID: id, Version: version}},
			Put:     []store.Put{{Record: group("g" + fmt.Sprint(e.clock.Load()))}},
		})
		return err
	}
	e.conflict(require("u1", 0), store.User, "u1")
	e.conflict(require("u1", v1+1), store.User, "u1")
	e.conflict(require("u2", store.Any), store.User, "u2")
	e.conflict(require("u2", v1), store.User, "u2")
	e.equal("groups", e.scan(store.Query{Kind: store.Group}).Total, 0)
	for _, err := range []error{require("u1", v1), require("u1", store.Any), require("u2", 0)} {
		if err != nil {
			e.Fatal(err)
		}
	}
	e.equal("groups", e.scan(store.Query{Kind: store.Group}).Total, 3)
	e.equal("the required record's version", e.get(store.User, "u1").Version, v1)

	// Requirements look at the state before the batch.
	e.commit(&store.Batch{
		Require: []store.Require{{Kind: store.User, ID: "u1", Version: v1}, {Kind: store.Archived, ID: "u1", Version: 0}},
		Put:     []store.Put{{Record: record(store.Archived, "u1")}},
		Delete:  []store.Delete{{Kind: store.User, ID: "u1", Expect: v1}},
	})
}

func testVersions(e *env) {
	seen := map[uint64]bool{0: true, store.Any: true}
	last := uint64(0)
	next := func(res store.Result) uint64 {
		e.Helper()
		if res.Revision <= last || seen[res.Revision] {
			e.Fatalf("revision %d after %d", res.Revision, last)
		}
		last = res.Revision
		seen[last] = true
		return last
	}
	for range 5 {
		v := next(e.create(user("u1"), group("g1")))
		e.equal("version of a record", e.get(store.User, "u1").Version, v)
		e.equal("version of the other record", e.get(store.Group, "g1").Version, v)
		v = next(e.commit(&store.Batch{
			Put:    []store.Put{{Record: user("u1"), Expect: v}},
			Events: []store.Event{{Type: store.UserUpdated, Kind: store.User, ID: "u1"}, {Type: store.UserDeactivated, Kind: store.User, ID: "u1"}},
		}))
		e.equal("version with two events", e.get(store.User, "u1").Version, v)
		next(e.commit(&store.Batch{Delete: []store.Delete{
			{Kind: store.User, ID: "u1", Expect: v}, {Kind: store.Group, ID: "g1", Expect: store.Any},
		}}))
	}
}

func testTimes(e *env) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.FixedZone("", 3600))
	made := time.Date(2001, 2, 3, 4, 5, 6, 7e6, time.FixedZone("", -7200))
	old := user("u1")
	old.Created = made
	e.commit(&store.Batch{Time: at, Put: []store.Put{{Record: old}, {Record: user("u2")}}})
	for _, c := range []struct {
		id                string
		created, modified time.Time
	}{{"u1", made, at}, {"u2", at, at}} {
		r := e.get(store.User, c.id)
		e.equal("created", r.Created, c.created)
		e.equal("modified", r.Modified, c.modified)
		if r.Created.Location() != time.UTC || r.Modified.Location() != time.UTC || !r.ArchivedAt.IsZero() {
			e.Fatalf("times of %s: %v, %v, %v; want UTC and none", c.id, r.Created, r.Modified, r.ArchivedAt)
		}
	}
	later := at.Add(time.Minute)
	r := e.get(store.User, "u2")
	e.commit(&store.Batch{Time: later, Put: []store.Put{{Record: r, Expect: r.Version}}})
	r = e.get(store.User, "u2")
	e.equal("created is kept", r.Created, at)
	e.equal("modified moves", r.Modified, later)

	// What a caller says about version and modification counts for nothing.
	r.Version, r.Modified = 99999, made
	res := e.commit(&store.Batch{Time: later, Put: []store.Put{{Record: r, Expect: store.Any}}})
	r = e.get(store.User, "u2")
	e.equal("version", r.Version, res.Revision)
	e.equal("modified", r.Modified, later)
}

func testEnvelope(e *env) {
	var want []store.Record
	for i, r := range []store.Record{
		{Allow: "", Provisional: true},
		{Allow: "abcDEF019_-"},
		{Allow: strings.Repeat("z", 32), Provisional: true, ArchivedAt: e.now()},
		{ArchivedAt: time.UnixMilli(1).UTC()},
	} {
		r.Kind, r.ID, r.Body = store.Archived, fmt.Sprint("a", i), []byte(`{}`)
		r.Created = e.now()
		r.Modified = e.now()
		r.Version = e.commit(&store.Batch{Time: r.Modified, Put: []store.Put{{Record: r}}}).Revision
		want = append(want, r)
	}
	e.equal("envelopes", e.getAll(store.Archived, recordIDs(want)...), want)

	// Each part of an envelope can be taken back.
	bare := store.Record{Kind: store.Archived, ID: "a2", Created: e.now(), Modified: e.now(), Body: []byte(`{}`)}
	bare.Version = e.commit(&store.Batch{Time: bare.Modified, Put: []store.Put{{Record: bare, Expect: store.Any}}}).Revision
	e.equal("bare envelope", e.get(store.Archived, "a2"), bare)

	tomb := store.Record{Kind: store.Tombstone, ID: "t1", Created: e.now(), Modified: e.now()}
	tomb.Version = e.commit(&store.Batch{Time: tomb.Modified, Put: []store.Put{{Record: tomb}}}).Revision
	e.equal("tombstone", e.get(store.Tombstone, "t1"), tomb)
}

// bodies are awkward for a store that splices or parses.
var bodies = []string{
	`{}`,
	`{"a":null,"b":true,"c":[],"d":{},"e":-1.50e+10,"f":0}`,
	`{"n":12345678901234567890123,"m":1.0,"o":1e2}`,
	`{"z":1,"a":2,"Z":3,"z.z":4,"":5}`,
	`{"name":"Zoë 🙂 日本語 ` + "\u202e" + "\u2028" + `"}`,
	`{"name":"\u00e9\ud83d\ude42\u0000\u001f\/ \\ \" \b\f\n\r\t"}`,
	`{"name":"x\",\"meta\":{\"version\":\"W/\\\"1\\\"\"}"}`,
	`{"name":",\"meta\":{","other":{"meta":{"version":"1"}},"urn:x":{"meta":1}}`,
	`{"body":"{\"v\":1,\"body\":","v":"1 2 3|4;5\n6"}`,
	`{"name":"KEYS[1] ARGV[1] %s %d {acme} {}} ]] --"}`,
	`{"<html>":"&amp;<script>"}`,
	`{"deep":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}`,
}

func testBodies(e *env) {
	b := &store.Batch{}
	for i, body := range bodies {
		r := user(fmt.Sprint("u", i))
		r.Body = []byte(body)
		b.Put = append(b.Put, store.Put{Record: r})
		b.Events = append(b.Events, store.Event{Type: store.UserCreated, Kind: store.User, ID: r.ID})
	}
	e.commit(b)
	logged := e.log(0)
	for i, body := range bodies {
		id := fmt.Sprint("u", i)
		e.equal("body", string(e.get(store.User, id).Body), body)
		if logged[i].Record == nil {
			e.Fatalf("log entry %d has no record", i)
		}
		e.equal("logged record", *logged[i].Record, e.get(store.User, id))
	}
	for _, r := range e.scan(store.Query{Kind: store.User, Limit: 100}).Records {
		var i int
		if _, err := fmt.Sscanf(r.ID, "u%d", &i); err != nil {
			e.Fatal(err)
		}
		e.equal("scanned body", string(r.Body), bodies[i])
	}
}

func testCopies(e *env) {
	r := user("u1")
	want := bytes.Clone(r.Body)
	add := []store.Member{userMember("u1")}
	changed := []string{"name"}
	e.commit(&store.Batch{
		Put:     []store.Put{{Record: r}, {Record: group("g1")}},
		Members: []store.MemberChange{{Group: "g1", Add: add}},
		Events:  []store.Event{{Type: store.UserCreated, Kind: store.User, ID: "u1", Changed: changed}},
	})
	spoil := func(b []byte) {
		for i := range b {
			b[i] = 'x'
		}
	}
	spoil(r.Body)
	add[0].ID, changed[0] = "x", "x"
	for range 2 {
		got := e.get(store.User, "u1")
		e.equal("got", string(got.Body), string(want))
		scanned := e.scan(store.Query{Kind: store.User, Limit: 1}).Records[0]
		e.equal("scanned", string(scanned.Body), string(want))
		members := e.membersOf("g1")
		e.equal("members", members, []store.Member{userMember("u1")})
		log := e.log(0)
		e.equal("logged", string(log[0].Record.Body), string(want))
		e.equal("names", log[0].Changed, []string{"name"})
		e.equal("added", log[1].Added, []store.Member{userMember("u1")})
		spoil(got.Body)
		spoil(scanned.Body)
		spoil(log[0].Record.Body)
		members[0].ID, log[0].Changed[0], log[1].Added[0].ID = "x", "x", "x"
	}
}

func testGetMany(e *env) {
	b := &store.Batch{}
	var ids []string
	for i := range 1500 {
		ids = append(ids, fmt.Sprintf("u%04d", i*7919%1500))
		b.Put = append(b.Put, store.Put{Record: user(ids[i])})
	}
	e.commit(b)
	var asked []string
	for i, id := range ids {
		asked = append(asked, id)
		if i%3 == 0 {
			asked = append(asked, "none"+id)
		}
	}
	records := e.getAll(store.User, asked...)
	e.equal("ids", recordIDs(records), ids)
	for _, r := range records {
		e.equal("body", string(r.Body), string(user(r.ID).Body))
	}
}

func testIDs(e *env) {
	ids := []string{
		"0", "9", "A", "Z", "a", "z", "u_1", "u.1", "u~1", "u@example.com", "u+1", "u:1", "u-1", "a:b:c", "user:u1",
		"A._~@+:-", strings.Repeat("x", 128), "Abc", "abc", "ABC", "10", "9.9",
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~@+:-",
	}
	b := &store.Batch{}
	for _, kind := range allKinds {
		for _, id := range ids {
			r := record(kind, id)
			r.Body = fmt.Appendf(nil, `{"kind":%q,"id":%q}`, kind, id)
			b.Put = append(b.Put, store.Put{Record: r})
			b.Claim = append(b.Claim, store.Claim{Kind: kind, Key: userName(id), ID: id})
		}
	}
	for _, id := range ids {
		c := store.MemberChange{Group: id, Add: []store.Member{userMember(id)}}
		b.Members = append(b.Members, c)
	}
	e.commit(b)
	sorted := slices.Sorted(slices.Values(ids))
	for _, kind := range allKinds {
		for _, id := range ids {
			e.equal("body", string(e.get(kind, id).Body), fmt.Sprintf(`{"kind":%q,"id":%q}`, kind, id))
			e.equal("holder", e.holder(kind, userName(id)), id)
		}
		e.equal("byte order", recordIDs(e.scan(store.Query{Kind: kind, Limit: 100}).Records), sorted)
	}
	for _, id := range ids {
		e.equal("members", e.membersOf(id), []store.Member{userMember(id)})
		e.equal("groups", e.groupsOf(id), []string{id})
	}
}
