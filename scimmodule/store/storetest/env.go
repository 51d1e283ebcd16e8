package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// acme is the tenant that tests use where it does not matter.
const acme = "acme"

// maxLimit is the highest limit that the interface promises to take.
const maxLimit = 10_000

// env is a store under test with helpers that fail the test.
type env struct {
	testing.TB
	ctx   context.Context
	s     store.Store
	clock *atomic.Int64
}

func newEnv(tb testing.TB, c Config, limit store.LogLimit) *env {
	tb.Helper()
	e := &env{TB: tb, ctx: tb.Context(), s: c.Open(tb, limit), clock: new(atomic.Int64)}
	tb.Cleanup(func() {
		if err := e.s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return e
}

// now returns a new moment, later than the ones before.
func (e *env) now() time.Time {
	return time.UnixMilli(1_700_000_000_123 + 1001*e.clock.Add(1)).UTC()
}

// try commits a batch to acme, with a time where it has none.
func (e *env) try(b *store.Batch) (store.Result, error) {
	if b.Time.IsZero() {
		b.Time = e.now()
	}
	if b.Actor == "" {
		b.Actor = "tok1"
	}
	return e.s.Commit(e.ctx, acme, b)
}

func (e *env) commit(b *store.Batch) store.Result {
	e.Helper()
	res, err := e.try(b)
	if err != nil {
		e.Fatalf("Commit: %v", err)
	}
	return res
}

// create commits records that do not exist.
func (e *env) create(records ...store.Record) store.Result {
	e.Helper()
	b := &store.Batch{}
	for _, r := range records {
		b.Put = append(b.Put, store.Put{Record: r})
	}
	return e.commit(b)
}

// link adds members to a group.
func (e *env) link(group string, members ...store.Member) store.Result {
	e.Helper()
	return e.commit(&store.Batch{Members: []store.MemberChange{{Group: group, Add: members}}})
}

// get returns a record that must exist.
func (e *env) get(kind store.Kind, id string) store.Record {
	e.Helper()
	records := e.getAll(kind, id)
	if len(records) != 1 {
		e.Fatalf("Get(%s, %q) = %d records, want 1", kind, id, len(records))
	}
	return records[0]
}

func (e *env) getAll(kind store.Kind, ids ...string) []store.Record {
	e.Helper()
	records, err := e.s.Get(e.ctx, acme, kind, ids...)
	if err != nil {
		e.Fatalf("Get(%s, %d ids): %v", kind, len(ids), err)
	}
	return records
}

// holder returns the id that claimed a key, "" where none did.
func (e *env) holder(kind store.Kind, key store.Key) string {
	e.Helper()
	id, err := e.s.Lookup(e.ctx, acme, kind, key)
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		e.Fatalf("Lookup(%s, %q): %v", kind, key, err)
	}
	if id == "" {
		e.Fatalf("Lookup(%s, %q) = no id and no error", kind, key)
	}
	return id
}

func (e *env) scan(q store.Query) store.Page {
	e.Helper()
	page, err := e.s.Scan(e.ctx, acme, q)
	if err != nil {
		e.Fatalf("Scan(%+v): %v", q, err)
	}
	return page
}

func (e *env) edges(q store.EdgeQuery) store.EdgePage {
	e.Helper()
	page, err := e.s.Edges(e.ctx, acme, q)
	if err != nil {
		e.Fatalf("Edges(group %q, member %q): %v", q.Group, q.Member, err)
	}
	return page
}

func (e *env) membersOf(group string) []store.Member {
	e.Helper()
	return e.edges(store.EdgeQuery{Group: group, Limit: maxLimit}).Members
}

func (e *env) groupsOf(member string) []string {
	e.Helper()
	return memberIDs(e.edges(store.EdgeQuery{Member: member, Limit: maxLimit}).Members)
}

// log returns the change log above a sequence number.
func (e *env) log(after uint64) []store.Change {
	e.Helper()
	changes, err := e.s.Changes(e.ctx, acme, after, maxLimit)
	if err != nil {
		e.Fatalf("Changes(%d): %v", after, err)
	}
	return changes
}

// equal compares, taking nil and empty slices and equal times as equal.
func (e *env) equal(what string, got, want any) {
	e.Helper()
	if diff := diff(got, want); diff != "" {
		e.Fatalf("%s (-got +want):\n%s", what, diff)
	}
}

func diff(got, want any) string {
	return cmp.Diff(got, want, cmpopts.EquateEmpty())
}

// conflict demands a *store.ConflictError about the record.
func (e *env) conflict(err error, kind store.Kind, id string) {
	e.Helper()
	var got *store.ConflictError
	if !errors.As(err, &got) {
		e.Fatalf("error = %v, want a conflict on %s %q", err, kind, id)
	}
	e.equal("conflict", got, &store.ConflictError{Kind: kind, ID: id})
}

// unique demands a *store.UniqueError.
func (e *env) unique(err error, want store.UniqueError) {
	e.Helper()
	var got *store.UniqueError
	if !errors.As(err, &got) {
		e.Fatalf("error = %v, want %+v", err, want)
	}
	e.equal("unique error", got, &want)
}

// missing demands a *store.MissingError; the order of ids does not matter.
func (e *env) missing(err error, kind store.Kind, ids ...string) {
	e.Helper()
	var got *store.MissingError
	if !errors.As(err, &got) {
		e.Fatalf("error = %v, want %v missing", err, ids)
	}
	if !errors.Is(err, store.ErrNotFound) {
		e.Fatalf("error %v is not ErrNotFound", err)
	}
	have := slices.Sorted(slices.Values(got.IDs))
	slices.Sort(ids)
	e.equal("missing ids", have, ids)
	e.equal("missing kind", got.Kind, kind)
}

func user(id string) store.Record  { return record(store.User, id) }
func group(id string) store.Record { return record(store.Group, id) }

func record(kind store.Kind, id string) store.Record {
	return store.Record{Kind: kind, ID: id, Body: fmt.Appendf(nil, `{"name":%q}`, id)}
}

func userMember(id string) store.Member  { return store.Member{ID: id, Kind: store.User} }
func groupMember(id string) store.Member { return store.Member{ID: id, Kind: store.Group} }

func userName(v string) store.Key { return store.Key{Index: "userName", Value: v} }

func recordIDs(records []store.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, r.ID)
	}
	return out
}

func memberIDs(members []store.Member) []string {
	var out []string
	for _, m := range members {
		out = append(out, m.ID)
	}
	return out
}
