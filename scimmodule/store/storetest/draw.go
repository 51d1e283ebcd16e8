package storetest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// pool is what random batches are made of. Ids are few, so that they meet.
// The p's are never archived, so that they can be pending members.
var pool = probe{
	kinds: []store.Kind{store.User, store.Group, store.Archived, store.Tombstone},
	keys:  []store.Key{userName("a"), userName("\x00\xff"), {Index: "k", Value: "{v}"}},
	ids:   []string{"u1", "u2", "u3", "p1", "p2", "g1", "g2", "g3"},
}

// firstBatch makes a start, so that what follows often fits.
func firstBatch() *store.Batch {
	return &store.Batch{
		Time: tick(0), Actor: "tok",
		Put: []store.Put{
			{Record: user("u1")}, {Record: user("u2")}, {Record: user("p1")}, {Record: group("g1")}, {Record: group("g2")},
		},
		Claim: []store.Claim{claim(userName("a"), "u1"), {Kind: store.Group, Key: userName("a"), ID: "g1"}},
		Index: []store.Entry{entry(pool.keys[2], "u1"), entry(pool.keys[2], "u2")},
		Members: []store.MemberChange{
			{Group: "g1", Add: []store.Member{userMember("u1"), userMember("u2"), groupMember("g2")}},
			{Group: "g2", Add: []store.Member{userMember("u1")}},
		},
	}
}

// drawBatch makes a batch that keeps to the interface's demands on callers, and
// that more often than not fits the model's state.
func (m *modelTest) drawBatch() *store.Batch {
	d := &drawer{m: m, b: &store.Batch{Time: tick(m.commits + 1), Actor: fmt.Sprint("tok", m.commits)}, used: map[string]bool{}}
	d.pending = d.chance("pending", 30)
	steps := []func(){
		d.put, d.put, d.put, d.delete, d.claim, d.release, d.index, d.unindex, d.member, d.member, d.event, d.require,
	}
	for range rapid.IntRange(1, 6).Draw(m.rt, "steps") {
		steps[rapid.IntRange(0, len(steps)-1).Draw(m.rt, "step")]()
	}
	d.tidy()
	return d.b
}

type drawer struct {
	m       *modelTest
	b       *store.Batch
	pending bool
	used    map[string]bool // what may occur once
}

// once tells whether something occurs for the first time in the batch.
func (d *drawer) once(what ...any) bool {
	name := fmt.Sprintf("%q", what)
	if d.used[name] {
		return false
	}
	d.used[name] = true
	return true
}

func (d *drawer) chance(label string, percent int) bool {
	return rapid.IntRange(1, 100).Draw(d.m.rt, label) <= percent
}

func (d *drawer) id(prefixes string) string {
	var ids []string
	for _, id := range pool.ids {
		for _, p := range prefixes {
			if rune(id[0]) == p {
				ids = append(ids, id)
			}
		}
	}
	return rapid.SampledFrom(ids).Draw(d.m.rt, "id")
}

// record draws a kind and an id of it.
func (d *drawer) record() (store.Kind, string) {
	switch kind := rapid.SampledFrom([]store.Kind{store.User, store.User, store.Group, store.Archived, store.Tombstone}).Draw(d.m.rt, "kind"); kind {
	case store.User:
		return kind, d.id("up")
	case store.Group:
		return kind, d.id("g")
	default:
		return kind, d.id("u")
	}
}

func (d *drawer) key() store.Key { return rapid.SampledFrom(pool.keys).Draw(d.m.rt, "key") }

// find returns the model's version of a record, 0 for none.
func (d *drawer) find(kind store.Kind, id string) uint64 {
	for _, r := range d.m.now.Records[kind] {
		if r.ID == id {
			return r.Version
		}
	}
	return 0
}

// version draws an expectation that mostly holds.
func (d *drawer) version(kind store.Kind, id string) uint64 {
	right := d.find(kind, id)
	if d.chance("right version", 85) {
		if right != 0 && d.chance("any", 40) {
			return store.Any
		}
		return right
	}
	return rapid.SampledFrom(append([]uint64{0, store.Any}, d.m.versions...)).Draw(d.m.rt, "version")
}

func (d *drawer) put() {
	kind, id := d.record()
	if !d.once("record", kind, id) {
		return
	}
	r := store.Record{
		Kind: kind, ID: id,
		Allow:       rapid.SampledFrom([]string{"", "abc"}).Draw(d.m.rt, "allow"),
		Provisional: kind == store.User && d.chance("provisional", 20),
		Body:        []byte(rapid.SampledFrom(bodies).Draw(d.m.rt, "body")),
	}
	if d.chance("created", 50) {
		r.Created = tick(0)
	}
	if kind == store.Archived {
		r.ArchivedAt = d.b.Time
	}
	if kind == store.Tombstone {
		r.Body = nil
	}
	d.b.Put = append(d.b.Put, store.Put{Record: r, Expect: d.version(kind, id)})
}

func (d *drawer) delete() {
	kind, id := d.record()
	expect := d.version(kind, id)
	if expect == 0 || !d.once("record", kind, id) {
		return
	}
	d.b.Delete = append(d.b.Delete, store.Delete{Kind: kind, ID: id, Expect: expect})
	if kind == store.Archived || kind == store.Tombstone || d.chance("leave edges", 25) {
		return
	}
	for _, g := range d.m.now.Groups[id] {
		d.change(g.ID, nil, []string{id})
	}
	if kind == store.Group {
		d.change(id, nil, memberIDs(d.m.now.Members[id]))
	}
}

func (d *drawer) claim() {
	kind, id := d.record()
	if key := d.key(); d.once("claim", kind, key) {
		d.b.Claim = append(d.b.Claim, store.Claim{Kind: kind, Key: key, ID: id})
	}
}

func (d *drawer) release() {
	kind, id := d.record()
	key := d.key()
	if holder := d.m.now.Holders[probeName(kind, key)]; d.chance("right holder", 85) {
		id = holder
	}
	if id != "" && d.once("release", kind, key) {
		d.b.Release = append(d.b.Release, store.Claim{Kind: kind, Key: key, ID: id})
	}
}

func (d *drawer) index() {
	kind, id := d.record()
	if key := d.key(); d.once("index", kind, key, id) {
		d.b.Index = append(d.b.Index, store.Entry{Kind: kind, Key: key, ID: id})
	}
}

func (d *drawer) unindex() {
	kind, id := d.record()
	if key := d.key(); d.once("index", kind, key, id) {
		d.b.Unindex = append(d.b.Unindex, store.Entry{Kind: kind, Key: key, ID: id})
	}
}

func (d *drawer) member() {
	group := d.id("g")
	if !d.chance("any group", 15) && d.find(store.Group, group) == 0 {
		return
	}
	if d.chance("remove", 30) {
		ids := append(memberIDs(d.m.now.Members[group]), pool.ids[0])
		d.change(group, nil, []string{rapid.SampledFrom(ids).Draw(d.m.rt, "removed")})
		return
	}
	m := store.Member{ID: d.id("upg"), Kind: store.User}
	if m.ID[0] == 'g' {
		m.Kind = store.Group
	}
	if d.find(m.Kind, m.ID) == 0 && (d.pending && m.ID[0] == 'u' || !d.pending && !d.chance("missing", 15)) {
		return // a u may be archived, and then may not be pending
	}
	d.change(group, []store.Member{m}, nil)
}

// change adds to a group's one member change, each id once.
func (d *drawer) change(group string, add []store.Member, removed []string) {
	at := slices.IndexFunc(d.b.Members, func(c store.MemberChange) bool { return c.Group == group })
	if at < 0 {
		at = len(d.b.Members)
		d.b.Members = append(d.b.Members, store.MemberChange{Group: group, Pending: d.pending})
	}
	c := &d.b.Members[at]
	for _, m := range add {
		if d.once("edge", group, m.ID) {
			c.Add = append(c.Add, m)
		}
	}
	for _, id := range removed {
		if d.once("edge", group, id) {
			c.Remove = append(c.Remove, id)
		}
	}
}

func (d *drawer) event() {
	kind, id := d.record()
	if n := len(d.b.Put); n > 0 && d.chance("of a put", 80) {
		kind, id = d.b.Put[n-1].Record.Kind, d.b.Put[n-1].Record.ID
	}
	types := []store.EventType{store.UserCreated, store.UserUpdated, store.UserArchived}
	if kind == store.Group {
		types = []store.EventType{store.GroupCreated, store.GroupUpdated}
	}
	d.b.Events = append(d.b.Events, store.Event{
		Type: rapid.SampledFrom(types).Draw(d.m.rt, "type"), Kind: kind, ID: id,
		Changed: rapid.SampledFrom([][]string{nil, {"name"}, {"emails.value", "urn:x:y"}}).Draw(d.m.rt, "changed"),
	})
}

func (d *drawer) require() {
	kind, id := d.record()
	d.b.Require = append(d.b.Require, store.Require{Kind: kind, ID: id, Version: d.version(kind, id)})
}

// tidy keeps index entries to records that exist, as a directory does.
func (d *drawer) tidy() {
	deleted := map[recordID]bool{}
	for _, del := range d.b.Delete {
		deleted[recordID{del.Kind, del.ID}] = true
	}
	d.b.Index = slices.DeleteFunc(d.b.Index, func(e store.Entry) bool {
		put := slices.ContainsFunc(d.b.Put, func(p store.Put) bool { return p.Record.Kind == e.Kind && p.Record.ID == e.ID })
		return !put && (d.find(e.Kind, e.ID) == 0 || deleted[recordID{e.Kind, e.ID}])
	})
	for _, del := range d.b.Delete {
		for _, key := range pool.keys {
			e := store.Entry{Kind: del.Kind, Key: key, ID: del.ID}
			there := slices.Contains(d.m.now.Index[probeName(del.Kind, key)], del.ID)
			if there && !slices.Contains(d.b.Unindex, e) {
				d.b.Unindex = append(d.b.Unindex, e)
			}
		}
	}
}
