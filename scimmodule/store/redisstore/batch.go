package redisstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// A batch beyond one of these is store.ErrTooLarge: Redis serves nobody else
// while it applies one.
const (
	maxKeys    = 250_000  // keys of Redis that the batch may touch
	maxPayload = 64 << 20 // bytes of records, ids and values
)

type recordID struct {
	kind store.Kind
	id   string
}

// script is a batch as commit.lua takes it, with what its answers refer to.
type script struct {
	keys    []string
	payload []byte

	absent, expect, edgeless []recordID
	members                  []string // by number of need
}

// encoder collects the fields of a batch. Keys are referred to by number.
type encoder struct {
	ks     keyspace
	b      *store.Batch
	out    script
	number map[string]int // by key, from 1
	put    map[recordID]int
	err    error

	fields []any // of the batch, by name: name, value, name, …
}

func encode(ks keyspace, b *store.Batch, limit store.LogLimit, wait bool) (*script, error) {
	e := &encoder{ks: ks, b: b, number: map[string]int{}, put: map[recordID]int{}}
	if b.Time.IsZero() || !validTime(b.Time) {
		return nil, errors.New("redisstore: the batch has no time, or one out of range")
	}
	for _, k := range []string{ks.revision(), ks.changes(), ks.logged(), ks.floor()} {
		e.key(k)
	}
	e.header(limit, wait)
	e.records()
	e.uniqueKeys()
	e.field("index", e.entries(b.Index))
	e.field("unindex", e.entries(b.Unindex))
	e.memberChanges()
	e.events()
	if e.err != nil {
		return nil, e.err
	}
	if len(e.out.keys) > maxKeys {
		return nil, store.ErrTooLarge
	}
	var p packer
	p.object(len(e.fields) / 2)
	for _, f := range e.fields {
		p.value(f)
		if len(p.buf) > maxPayload {
			return nil, store.ErrTooLarge
		}
	}
	e.out.payload = p.buf
	return &e.out, nil
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) field(name string, value any) { e.fields = append(e.fields, name, value) }

// key declares a key and returns its number.
func (e *encoder) key(k string) int {
	if n := e.number[k]; n > 0 {
		return n
	}
	e.out.keys = append(e.out.keys, k)
	e.number[k] = len(e.out.keys)
	return len(e.out.keys)
}

// record declares the key of a record.
func (e *encoder) record(kind store.Kind, id string) int {
	if err := checkKind(kind); err != nil {
		e.fail(err)
	}
	if !validID(id) {
		e.fail(errBadID)
	}
	return e.key(e.ks.record(kind, id))
}

func (e *encoder) header(limit store.LogLimit, wait bool) {
	e.field("time", e.b.Time.UTC().Format(timeForm))
	e.field("actor", e.b.Actor)
	e.field("piece", store.MaxLoggedMembers)
	e.field("membersType", string(store.GroupMembersChanged))
	e.field("limit", limit.Entries)
	e.field("slack", min(limit.Entries/10, 100))
	cutoff := ""
	if limit.MaxAge > 0 {
		cutoff = e.b.Time.Add(-time.Duration(limit.MaxAge) * time.Second).UTC().Format(timeForm)
	}
	e.field("cutoff", cutoff)
	e.field("wait", flag(wait))
	e.field("changed", flag(len(e.b.Put)+len(e.b.Delete)+len(e.b.Claim)+len(e.b.Release) > 0))
}

func flag(v bool) int {
	if v {
		return 1
	}
	return 0
}

// records writes preconditions, puts and deletes.
func (e *encoder) records() {
	absent, expect := []int{}, []any{}
	want := func(kind store.Kind, id string, version uint64) int {
		n := e.record(kind, id)
		switch version {
		case 0:
			absent = append(absent, n)
			e.out.absent = append(e.out.absent, recordID{kind, id})
			return n
		case store.Any:
			expect = append(expect, n, "")
		default:
			expect = append(expect, n, fmt.Sprintf("%0*d", store.VersionDigits, version))
		}
		e.out.expect = append(e.out.expect, recordID{kind, id})
		return n
	}
	list, unlist := newListing(), newListing()
	put, del, edgeless := []any{}, []int{}, []any{}
	for _, r := range e.b.Require {
		want(r.Kind, r.ID, r.Version)
	}
	for i := range e.b.Put {
		r := &e.b.Put[i].Record
		n := want(r.Kind, r.ID, e.b.Put[i].Expect)
		head, err := appendHead(make([]byte, 0, len(r.Body)+320), r, e.b.Time)
		if err != nil {
			e.fail(err)
			return
		}
		put = append(put, n, head)
		e.put[recordID{r.Kind, r.ID}] = i + 1
		if e.b.Put[i].Expect == 0 {
			list.add(e.key(e.ks.list(r.Kind)), "0", r.ID)
		}
	}
	for _, d := range e.b.Delete {
		if d.Expect == 0 {
			e.fail(fmt.Errorf("redisstore: delete of a %s expects no record", d.Kind))
		}
		del = append(del, want(d.Kind, d.ID, d.Expect))
		unlist.add(e.key(e.ks.list(d.Kind)), d.ID)
		if d.Kind == store.User || d.Kind == store.Group {
			sets := []int{e.key(e.ks.groups(d.Kind, d.ID))}
			if d.Kind == store.Group {
				sets = append(sets, e.key(e.ks.members(d.ID, store.User)), e.key(e.ks.members(d.ID, store.Group)))
			}
			edgeless = append(edgeless, sets)
			e.out.edgeless = append(e.out.edgeless, recordID{d.Kind, d.ID})
		}
	}
	e.field("absent", absent)
	e.field("expect", expect)
	e.field("put", put)
	e.field("delete", del)
	e.field("edgeless", edgeless)
	e.field("list", list.value())
	e.field("unlist", unlist.value())
}

// listing collects the arguments for each of some sorted sets.
type listing struct {
	keys []int
	args map[int][]string
}

func newListing() *listing { return &listing{args: map[int][]string{}} }

func (l *listing) add(key int, args ...string) {
	if l.args[key] == nil {
		l.keys = append(l.keys, key)
	}
	l.args[key] = append(l.args[key], args...)
}

func (l *listing) value() []any {
	out := make([]any, len(l.keys))
	for i, key := range l.keys {
		out[i] = []any{key, l.args[key]}
	}
	return out
}

func (e *encoder) uniqueKeys() {
	held, release, claim, free := []int{}, []string{}, []any{}, []int{}
	unique := func(c store.Claim) int {
		e.checkEntry(c.Kind, c.Key, c.ID)
		return e.key(e.ks.unique(c.Kind, c.Key))
	}
	released, claimed := map[int]bool{}, map[int]bool{}
	for _, c := range e.b.Release {
		n := unique(c)
		held, release = append(held, n), append(release, c.ID)
		released[n] = true
	}
	for _, c := range e.b.Claim {
		n := unique(c)
		held, claim = append(held, n), append(claim, c.ID, flag(released[n]))
		claimed[n] = true
	}
	for _, n := range held[:len(release)] {
		if !claimed[n] {
			free = append(free, n)
		}
	}
	e.field("held", held)
	e.field("release", release)
	e.field("claim", claim)
	e.field("free", free)
}

func (e *encoder) checkEntry(kind store.Kind, key store.Key, id string) {
	if err := checkKind(kind); err != nil {
		e.fail(err)
	}
	if err := checkKey(key); err != nil {
		e.fail(err)
	}
	if !validID(id) {
		e.fail(errBadID)
	}
}

func (e *encoder) entries(list []store.Entry) []any {
	out := make([]any, 0, 2*len(list))
	for _, x := range list {
		e.checkEntry(x.Kind, x.Key, x.ID)
		out = append(out, e.key(e.ks.entries(x.Kind, x.Key)), x.ID)
	}
	return out
}

func (e *encoder) memberChanges() {
	need := []int{}
	needed := map[recordID]bool{}
	changes := make([]any, 0, len(e.b.Members))
	for _, c := range e.b.Members {
		group := 0
		if e.put[recordID{store.Group, c.Group}] == 0 {
			group = e.record(store.Group, c.Group)
		}
		n := len(c.Add) + len(c.Remove)
		ids := make([]string, 0, n)
		kinds := make([]int, 0, len(c.Add))
		own := [2][]int{make([]int, n), make([]int, n)} // the ids' sets of groups, as users and as groups
		for i, m := range c.Add {
			who := recordID{m.Kind, m.ID}
			record := e.record(m.Kind, m.ID)
			if !c.Pending && e.put[who] == 0 && !needed[who] {
				needed[who] = true
				need = append(need, record)
				e.out.members = append(e.out.members, m.ID)
			}
			side := 0
			if m.Kind == store.Group {
				side = 1
			} else if m.Kind != store.User {
				e.fail(fmt.Errorf("redisstore: a %s cannot be a member", m.Kind))
			}
			ids, kinds = append(ids, m.ID), append(kinds, side+1)
			own[side][i] = e.key(e.ks.groups(m.Kind, m.ID))
		}
		for i, id := range c.Remove {
			if !validID(id) {
				e.fail(errBadID)
			}
			ids = append(ids, id)
			own[0][len(c.Add)+i] = e.key(e.ks.groups(store.User, id))
			own[1][len(c.Add)+i] = e.key(e.ks.groups(store.Group, id))
		}
		changes = append(changes, []any{
			c.Group, group, e.key(e.ks.members(c.Group, store.User)), e.key(e.ks.members(c.Group, store.Group)),
			ids, len(c.Add), kinds, own[0], own[1],
		})
	}
	e.field("members", changes)
	e.field("need", need)
}

func (e *encoder) events() {
	out := make([]any, 0, len(e.b.Events))
	for _, ev := range e.b.Events {
		changed := ""
		if len(ev.Changed) > 0 {
			text, err := json.Marshal(ev.Changed)
			if err != nil {
				e.fail(fmt.Errorf("redisstore: names of changed attributes: %w", err))
			}
			changed = string(text)
		}
		if !validID(ev.ID) {
			e.fail(errBadID)
		}
		out = append(out, []any{string(ev.Type), string(ev.Kind), ev.ID, changed, e.put[recordID{ev.Kind, ev.ID}]})
	}
	e.field("events", out)
}
