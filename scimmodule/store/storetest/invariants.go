package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Options says what CheckInvariants may rely on.
type Options struct {
	// Pending allows edges to members that exist nowhere: not live, not
	// archived, no tombstone.
	Pending bool
	// Logged says that every change of a user or group was logged, and that
	// nothing was redacted: the newest entry of a live record then has its
	// version, and a log that was not trimmed adds up to the edges.
	Logged bool
	// Keys returns the keys that a record must have claimed and be indexed
	// under. Nil leaves the indexes unchecked.
	Keys func(store.Record) (unique, index []store.Key)
}

// CheckInvariants walks through a tenant at rest, through the interface alone,
// and returns all contradictions it finds, joined.
func CheckInvariants(ctx context.Context, s store.Store, tenant string, o Options) error {
	c := &checker{ctx: ctx, s: s, tenant: tenant, o: o, records: map[store.Kind]map[string]store.Record{}}
	for _, step := range []func() error{c.readRecords, c.checkKeys, c.checkEdges, c.checkLog} {
		if err := step(); err != nil {
			return err // the store failed: nothing can be said
		}
	}
	return errors.Join(c.found...)
}

type checker struct {
	ctx    context.Context
	s      store.Store
	tenant string
	o      Options

	records map[store.Kind]map[string]store.Record
	members map[string][]store.Member // by group
	found   []error
}

func (c *checker) report(format string, args ...any) {
	c.found = append(c.found, fmt.Errorf(format, args...))
}

const checkPage = 500

// ids pages through the ids of a kind, or of one key.
func (c *checker) ids(kind store.Kind, key *store.Key) ([]string, error) {
	var out []string
	q := store.Query{Kind: kind, Key: key, Limit: checkPage, IDsOnly: true}
	for {
		page, err := c.s.Scan(c.ctx, c.tenant, q)
		if err != nil {
			return nil, err
		}
		out = append(out, recordIDs(page.Records)...)
		if page.Next == "" {
			if page.Total != len(out) {
				c.report("scan of %s: total %d, but %d ids", kind, page.Total, len(out))
			}
			return out, nil
		}
		q.After = page.Next
	}
}

// readRecords gets all records, and compares them with the scans.
func (c *checker) readRecords() error {
	for _, kind := range allKinds {
		c.records[kind] = map[string]store.Record{}
		ids, err := c.ids(kind, nil)
		if err != nil {
			return err
		}
		for i := 1; i < len(ids); i++ {
			if ids[i] <= ids[i-1] {
				c.report("scan of %s: %q after %q", kind, ids[i], ids[i-1])
			}
		}
		for chunk := range slices.Chunk(ids, checkPage) {
			records, err := c.s.Get(c.ctx, c.tenant, kind, chunk...)
			if err != nil {
				return err
			}
			if got := recordIDs(records); !slices.Equal(got, chunk) {
				c.report("get of %s: %d listed records, %d of them found", kind, len(chunk), len(got))
			}
			for _, r := range records {
				c.checkRecord(kind, r)
			}
		}
		scanned := 0
		q := store.Query{Kind: kind, Limit: checkPage}
		for {
			page, err := c.s.Scan(c.ctx, c.tenant, q)
			if err != nil {
				return err
			}
			for _, r := range page.Records {
				if scanned++; diff(r, c.records[kind][r.ID]) != "" {
					c.report("%s %q: scan and get differ", kind, r.ID)
				}
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if scanned != len(ids) {
			c.report("scan of %s: %d records, but %d ids", kind, scanned, len(ids))
		}
	}
	return nil
}

func (c *checker) checkRecord(kind store.Kind, r store.Record) {
	c.records[kind][r.ID] = r
	if r.Kind != kind {
		c.report("%s %q has kind %q", kind, r.ID, r.Kind)
	}
	if r.Version == 0 || r.Version == store.Any {
		c.report("%s %q has version %d", kind, r.ID, r.Version)
	}
	if r.Created.IsZero() || r.Modified.IsZero() {
		c.report("%s %q lacks a time", kind, r.ID)
	}
}

func (c *checker) checkKeys() error {
	if c.o.Keys == nil {
		return nil
	}
	for _, kind := range allKinds {
		indexed := map[store.Key][]string{}
		for _, id := range sortedKeys(c.records[kind]) {
			unique, index := c.o.Keys(c.records[kind][id])
			for _, key := range unique {
				holder, err := c.s.Lookup(c.ctx, c.tenant, kind, key)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				if holder != id {
					c.report("%s %q: its key of %s is held by %q", kind, id, key.Index, holder)
				}
			}
			for _, key := range index {
				indexed[key] = append(indexed[key], id)
			}
		}
		for key, want := range indexed {
			got, err := c.ids(kind, &key)
			if err != nil {
				return err
			}
			if want = slices.Compact(want); !slices.Equal(got, want) {
				c.report("%s under a key of %s: got %q, want %q", kind, key.Index, got, want)
			}
		}
	}
	return nil
}

// edges pages through one side of the relation.
func (c *checker) edges(q store.EdgeQuery) ([]store.Member, error) {
	var out []store.Member
	q.Limit = checkPage
	for {
		page, err := c.s.Edges(c.ctx, c.tenant, q)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Members...)
		if page.Next == (store.Member{}) {
			for i := 1; i < len(out); i++ {
				if compareMembers(out[i-1], out[i]) >= 0 {
					c.report("edges of group %q, member %q: %v after %v", q.Group, q.Member, out[i], out[i-1])
				}
			}
			if page.Total != len(out) {
				c.report("edges of group %q, member %q: total %d, but %d edges", q.Group, q.Member, page.Total, len(out))
			}
			return out, nil
		}
		q.After = page.Next
	}
}

// checkEdges compares both directions and looks for their ends.
func (c *checker) checkEdges() error {
	ids := map[string]bool{} // everything that may have an edge
	for _, records := range c.records {
		for id := range records {
			ids[id] = true
		}
	}
	c.members = map[string][]store.Member{}
	forward := map[string][]string{} // groups by member
	for _, g := range sortedKeys(ids) {
		members, err := c.edges(store.EdgeQuery{Group: g})
		if err != nil {
			return err
		}
		if _, live := c.records[store.Group][g]; len(members) > 0 && !live {
			c.report("%q is no group, but has %d members", g, len(members))
		}
		if len(members) > 0 {
			c.members[g] = members
		}
		for _, m := range members {
			forward[m.ID] = append(forward[m.ID], g)
			c.checkEnd(g, m)
		}
	}
	for id := range forward {
		ids[id] = true
	}
	for _, id := range sortedKeys(ids) {
		groups, err := c.edges(store.EdgeQuery{Member: id})
		if err != nil {
			return err
		}
		for _, g := range groups {
			if g.Kind != store.Group {
				c.report("%q is in %q, which is called a %s", id, g.ID, g.Kind)
			}
		}
		if got := memberIDs(groups); !slices.Equal(got, forward[id]) {
			c.report("%q is in groups %q, but they that list it are %q", id, got, forward[id])
		}
	}
	return nil
}

func (c *checker) checkEnd(g string, m store.Member) {
	if m.Kind != store.User && m.Kind != store.Group {
		c.report("group %q: member %q is a %q", g, m.ID, m.Kind)
		return
	}
	if _, live := c.records[m.Kind][m.ID]; live {
		return
	}
	for _, kind := range allKinds[:4] {
		if _, ok := c.records[kind][m.ID]; ok {
			c.report("group %q: member %q is a %s, not a %s", g, m.ID, kind, m.Kind)
			return
		}
	}
	if !c.o.Pending {
		c.report("group %q: member %q does not exist", g, m.ID)
	}
}

// checkLog compares the change log with the records and edges.
func (c *checker) checkLog() error {
	newest := map[recordID]store.Change{}
	edges := map[string]map[string]store.Kind{}
	after, complete := uint64(0), true
	for {
		changes, err := c.s.Changes(c.ctx, c.tenant, after, checkPage)
		var truncated *store.TruncatedError
		if errors.As(err, &truncated) && after < truncated.Oldest {
			after, complete = truncated.Oldest, false
			continue
		}
		if err != nil {
			return err
		}
		if len(changes) == 0 {
			break
		}
		for _, e := range changes {
			if e.Seq <= after {
				c.report("log entry %d after %d", e.Seq, after)
				return nil // it might never end
			}
			after = e.Seq
			c.checkEntry(e)
			newest[recordID{kindOf(e.Type), e.ID}] = e
			apply(edges, e)
		}
	}
	for at, e := range newest {
		r, live := c.records[at.kind][at.id]
		wrote := e.Type == store.GroupMembersChanged || e.Record != nil && e.Record.Kind == at.kind
		switch {
		case !live:
		case wrote && e.Version > r.Version, c.o.Logged && e.Version != r.Version:
			c.report("%s %q has version %d, but its newest log entry %d", at.kind, at.id, r.Version, e.Version)
		case e.Record != nil && e.Record.Kind == at.kind && e.Record.Version == r.Version && diff(*e.Record, r) != "":
			c.report("%s %q differs from its log entry", at.kind, at.id)
		}
	}
	if c.o.Logged && complete {
		c.compareEdges(edges)
	}
	return nil
}

func (c *checker) checkEntry(e store.Change) {
	if e.Version < e.Seq {
		c.report("log entry %d has version %d", e.Seq, e.Version)
	}
	if e.Type == "" || e.ID == "" || e.Time.IsZero() {
		c.report("log entry %d lacks a type, id or time", e.Seq)
	}
	n := len(e.Added) + len(e.Removed)
	if n > store.MaxLoggedMembers || (n > 0) != (e.Type == store.GroupMembersChanged) {
		c.report("log entry %d, %s, lists %d members", e.Seq, e.Type, n)
	}
}

func (c *checker) compareEdges(logged map[string]map[string]store.Kind) {
	got := map[string]map[string]store.Kind{}
	for g, members := range c.members {
		got[g] = map[string]store.Kind{}
		for _, m := range members {
			got[g][m.ID] = m.Kind
		}
	}
	if d := diff(got, logged); d != "" {
		c.report("edges and their log differ (-edges +log):\n%s", d)
	}
}

// apply carries out what a log entry says of edges.
func apply(edges map[string]map[string]store.Kind, e store.Change) {
	if e.Type != store.GroupMembersChanged {
		return
	}
	if edges[e.ID] == nil {
		edges[e.ID] = map[string]store.Kind{}
	}
	for _, m := range e.Removed {
		delete(edges[e.ID], m.ID)
	}
	for _, m := range e.Added {
		edges[e.ID][m.ID] = m.Kind
	}
	if len(edges[e.ID]) == 0 {
		delete(edges, e.ID)
	}
}

type recordID struct {
	kind store.Kind
	id   string
}

// kindOf returns the kind of live record that a type of event is about.
func kindOf(t store.EventType) store.Kind {
	if strings.HasPrefix(string(t), "group.") {
		return store.Group
	}
	return store.User
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// checkInvariants fails the test where acme contradicts itself.
func (e *env) checkInvariants(pending bool) {
	e.Helper()
	if err := CheckInvariants(e.ctx, e.s, acme, Options{Pending: pending}); err != nil {
		e.Fatalf("invariants: %v", err)
	}
}
