package boltstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// memberCost is how many bytes of pages one commit writes that adds a member.
func memberCost(t *testing.T, s *Store, group, member string) int64 {
	t.Helper()
	before := s.db.Stats()
	_, err := s.Commit(t.Context(), acme, &store.Batch{Time: time.Now(), Members: []store.MemberChange{{
		Group: group, Add: []store.Member{{ID: member, Kind: store.User}}, Pending: true,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	after := s.db.Stats()
	diff := after.Sub(&before)
	return diff.TxStats.GetPageAlloc()
}

func TestMemberCostDoesNotGrow(t *testing.T) {
	t.Parallel()
	const large = 100_000
	s := newStore(t)
	group := func(id string) store.Put {
		return store.Put{Record: store.Record{Kind: store.Group, ID: id, Body: []byte(`{}`)}}
	}
	b := &store.Batch{Time: time.Now(), Put: []store.Put{group("large"), group("small")}}
	if _, err := s.Commit(t.Context(), acme, b); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < large; n += 20_000 {
		c := store.MemberChange{Group: "large", Pending: true}
		for i := range 20_000 {
			c.Add = append(c.Add, store.Member{ID: fmt.Sprintf("user-%06d", n+i), Kind: store.User})
		}
		if _, err := s.Commit(t.Context(), acme, &store.Batch{Time: time.Now(), Members: []store.MemberChange{c}}); err != nil {
			t.Fatal(err)
		}
	}
	memberCost(t, s, "small", "first")
	smallCost := memberCost(t, s, "small", "user-050000x")
	largeCost := memberCost(t, s, "large", "user-050000y")
	if largeCost > smallCost+4*int64(s.db.Info().PageSize) {
		t.Errorf("a member of a group of %d costs %d bytes, of a small one %d", large, largeCost, smallCost)
	}
	page, err := s.Edges(t.Context(), acme, store.EdgeQuery{Group: "large"})
	if err != nil || page.Total != large+1 {
		t.Errorf("Total = %d, %v, want %d", page.Total, err, large+1)
	}
}

// A log whose limit was lowered is trimmed by the next commits.
func TestLowerLogLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scim.db")
	s := mustOpen(t, path)
	b := newUser("u1")
	for len(b.Events) < 3000 {
		b.Events = append(b.Events, b.Events[0])
	}
	if _, err := s.Commit(t.Context(), acme, b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: path, Log: store.LogLimit{Entries: 10}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := s.Commit(t.Context(), acme, newUser("u2")); err != nil {
		t.Fatal(err)
	}
	var truncated *store.TruncatedError
	if _, err := s.Changes(t.Context(), acme, 0, 10); !errors.As(err, &truncated) || truncated.Oldest != 2991 {
		t.Fatalf("error = %v, want one that names 2991", err)
	}
	changes, err := s.Changes(t.Context(), acme, truncated.Oldest, 100)
	if err != nil || len(changes) != 10 {
		t.Errorf("%d entries, %v, want 10", len(changes), err)
	}
}

func TestInvalidBatches(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	now := time.Now()
	long := string(make([]byte, 256))
	key := store.Key{Index: "k", Value: "v"}
	tests := []struct {
		name   string
		tenant string
		batch  store.Batch
		want   error
	}{
		{"no tenant", "", store.Batch{Time: now}, errInvalid},
		{"no time", acme, store.Batch{}, errInvalid},
		{"unknown kind", acme, store.Batch{Time: now, Put: []store.Put{{Record: store.Record{Kind: "x", ID: "u"}}}}, errInvalid},
		{"no id", acme, store.Batch{Time: now, Put: []store.Put{{Record: store.Record{Kind: store.User}}}}, errInvalid},
		{"long id", acme, store.Batch{Time: now, Members: []store.MemberChange{{Group: long}}}, errInvalid},
		{"delete of nothing", acme, store.Batch{Time: now, Delete: []store.Delete{{Kind: store.User, ID: "u"}}}, errInvalid},
		{"no index", acme, store.Batch{Time: now, Index: []store.Entry{{Kind: store.User, ID: "u"}}}, errInvalid},
		{"long value", acme, store.Batch{Time: now, Claim: []store.Claim{
			{Kind: store.User, ID: "u", Key: store.Key{Index: "k", Value: long + long + "x"}},
		}}, errInvalid},
		{"claim without holder", acme, store.Batch{Time: now, Claim: []store.Claim{{Kind: store.User, Key: key}}}, errInvalid},
		{"archived member", acme, store.Batch{Time: now, Members: []store.MemberChange{
			{Group: "g", Add: []store.Member{{ID: "u", Kind: store.Archived}}},
		}}, errInvalid},
		{"too large", acme, store.Batch{Time: now, Put: []store.Put{
			{Record: store.Record{Kind: store.User, ID: "u", Body: make([]byte, maxBatch)}},
		}}, store.ErrTooLarge},
	}
	before := txID(t, s)
	for _, test := range tests {
		if _, err := s.Commit(t.Context(), test.tenant, &test.batch); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if txID(t, s) != before {
		t.Error("something was written")
	}
}
