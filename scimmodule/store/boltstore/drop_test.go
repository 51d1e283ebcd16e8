package boltstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// contents returns the bytes of every key of a tenant, by bucket.
func contents(t *testing.T, s *Store, name string) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	err := s.read(func(tx *bolt.Tx) error {
		root := tx.Bucket([]byte(tenantPrefix + name))
		if root == nil {
			return nil
		}
		out[""] = map[string]string{stateKey: string(root.Get([]byte(stateKey)))}
		return root.ForEachBucket(func(bucket []byte) error {
			out[string(bucket)] = map[string]string{}
			return root.Bucket(bucket).ForEach(func(k, v []byte) error {
				out[string(bucket)][string(k)] = string(v)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func size(c map[string]map[string]string) (n int) {
	for _, keys := range c {
		n += len(keys)
	}
	return n
}

// populate makes n users with keys, a group of them and their log.
func populate(t *testing.T, s *Store, tenant string, n int) {
	t.Helper()
	b := &store.Batch{Time: time.Now(), Put: []store.Put{{Record: store.Record{Kind: store.Group, ID: "g"}}}}
	c := store.MemberChange{Group: "g"}
	for i := range n {
		id := fmt.Sprintf("u%04d", i)
		u := keyed(id)
		b.Put, b.Claim = append(b.Put, u.Put...), append(b.Claim, u.Claim...)
		b.Index, b.Events = append(b.Index, u.Index...), append(b.Events, u.Events...)
		c.Add = append(c.Add, store.Member{ID: id, Kind: store.User})
	}
	b.Members = []store.MemberChange{c}
	if _, err := s.Commit(t.Context(), tenant, b); err != nil {
		t.Fatal(err)
	}
}

func keyed(id string) *store.Batch {
	b := newUser(id)
	b.Claim = []store.Claim{{Kind: store.User, Key: store.Key{Index: "userName", Value: id}, ID: id}}
	b.Index = []store.Entry{{Kind: store.User, Key: store.Key{Index: "same", Value: "x"}, ID: id}}
	return b
}

// Every step is a bounded transaction, after which the state counts what is
// left; the file may be closed after any of them.
func TestDropInSteps(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scim.db")
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"acme2", "acm", store.SystemTenant} {
		populate(t, s, other, 20)
	}
	others := func(s *Store) (out []map[string]map[string]string) {
		return append(out, contents(t, s, "acme2"), contents(t, s, "acm"), contents(t, s, store.SystemTenant))
	}
	before := others(s)
	populate(t, s, acme, 1000)
	left := size(contents(t, s, acme))
	if left < 8*1000 {
		t.Fatalf("%d keys, want some for each of 1000 users", left)
	}

	for done := false; !done; {
		ctx, cancel := context.WithCancel(t.Context())
		last, steps := 0, 0
		err = s.Drop(ctx, acme, func(n int) {
			if d := n - last; d < 1 || d > dropChunk+1 {
				t.Errorf("a step erases %d keys, want 1 to %d", d, dropChunk)
			}
			left -= n - last
			last = n
			c := contents(t, s, acme)
			if size(c) != left {
				t.Errorf("%d keys are left, want %d", size(c), left)
			}
			checkCounts(t, s)
			if steps++; steps == 2 {
				cancel()
			}
		})
		cancel()
		done = err == nil
		if !done && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(t.Context(), Options{Path: path}); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if left != 0 {
		t.Errorf("%d keys were not counted", left)
	}
	if c := contents(t, s, acme); len(c) != 0 {
		t.Errorf("%d buckets are left", len(c))
	}
	if d := cmp.Diff(others(s), before); d != "" {
		t.Errorf("other tenants (-got +want):\n%s", d)
	}
	id := txID(t, s)
	if err := s.Drop(t.Context(), acme, nil); err != nil || txID(t, s) != id {
		t.Errorf("dropping nothing: %v, %d transactions", err, txID(t, s)-id)
	}
}

// checkCounts compares the state with what it counts.
func checkCounts(t *testing.T, s *Store) {
	t.Helper()
	c := contents(t, s, acme)
	err := s.view(t.Context(), acme, func(tn *tenant) error {
		for i, kind := range kinds {
			if got, want := int(tn.state.records[i]), len(c["head:"+string(kind)]); got != want {
				t.Errorf("the state counts %d records of %s, want %d", got, kind, want)
			}
		}
		if got, want := int(tn.state.entries), len(c["log"]); got != want {
			t.Errorf("the state counts %d entries, want %d", got, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A writer that waits while Drop runs gets its turn between two steps.
func TestDropLetsOthersCommit(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	populate(t, s, acme, 2000)
	commits := make(chan error)
	go func() {
		for i := range 3 {
			b := newUser(fmt.Sprint("u", i))
			_, err := s.Commit(t.Context(), "acme2", b)
			commits <- err
		}
	}()
	answered := 0
	err := s.Drop(t.Context(), acme, func(int) {
		if answered < 3 {
			if err := <-commits; err != nil { // would wait forever, were the file locked
				t.Error(err)
			}
			answered++
		}
	})
	if err != nil || answered != 3 {
		t.Errorf("Drop: %v, with %d commits beside it", err, answered)
	}
}
