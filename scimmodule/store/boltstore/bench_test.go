package boltstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// BenchmarkLoneCommit compares a commit that nobody shares with a plain bbolt
// update of the same pairs: what the queue and the checks cost.
func BenchmarkLoneCommit(b *testing.B) {
	now, body := time.Now(), make([]byte, 1500)
	batch := func(id string) *store.Batch {
		out := newUser(id)
		out.Time, out.Put[0].Record.Body = now, body
		return out
	}
	b.Run("Commit", func(b *testing.B) {
		s := newStore(b)
		for i := 0; b.Loop(); i++ {
			if _, err := s.Commit(b.Context(), acme, batch(fmt.Sprintf("u%08d", i))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		s := newStore(b)
		if _, err := s.Commit(b.Context(), acme, batch("first")); err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			in := batch(fmt.Sprintf("u%08d", i))
			r := &in.Put[0].Record
			change := store.Change{Type: store.UserCreated, ID: r.ID, Time: now, Record: r}
			err := s.db.Update(func(tx *bolt.Tx) error {
				root := tx.Bucket([]byte(tenantPrefix + acme))
				return errors.Join(
					root.Bucket(bucketNames[headsOf(1)]).Put([]byte(r.ID), appendHead(nil, r)),
					root.Bucket(bucketNames[bodiesOf(1)]).Put([]byte(r.ID), r.Body),
					root.Bucket(bucketNames[logBucket]).Put(seqKey(uint64(i+2)), appendChange(nil, &change)),
					root.Put([]byte(stateKey), make([]byte, 72)),
				)
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParallelCommit(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			s := newStore(b)
			ids := make(chan int, writers)
			done := make(chan error)
			for range writers {
				go func() {
					var err error
					for i := range ids {
						_, e := s.Commit(b.Context(), acme, newUser(fmt.Sprint("u", i)))
						err = errors.Join(err, e)
					}
					done <- err
				}()
			}
			for i := 0; b.Loop(); i++ {
				ids <- i
			}
			close(ids)
			for range writers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMemberAdd adds members to a large and to a small group of one
// database: the cost is that of the relation as a whole, not of the group.
func BenchmarkMemberAdd(b *testing.B) {
	s := newStore(b)
	add := func(b *testing.B, group string, from, n int) {
		c := store.MemberChange{Group: group, Pending: true}
		for i := range n {
			c.Add = append(c.Add, store.Member{ID: fmt.Sprintf("user-%06d", (from+i)*7919%1_000_003), Kind: store.User})
		}
		if _, err := s.Commit(b.Context(), acme, &store.Batch{Time: time.Now(), Members: []store.MemberChange{c}}); err != nil {
			b.Fatal(err)
		}
	}
	in := &store.Batch{Time: time.Now()}
	for _, id := range []string{"large", "small"} {
		in.Put = append(in.Put, store.Put{Record: store.Record{Kind: store.Group, ID: id}})
	}
	if _, err := s.Commit(b.Context(), acme, in); err != nil {
		b.Fatal(err)
	}
	for i := range 5 {
		add(b, "large", i*20_000, 20_000)
	}
	add(b, "small", 0, 10)
	next := 100_000
	for _, group := range []string{"small", "large"} {
		b.Run(group, func(b *testing.B) {
			for b.Loop() {
				add(b, group, next, 1)
				next++
			}
		})
	}
}
