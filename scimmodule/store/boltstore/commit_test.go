package boltstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

const acme = "acme"

func newStore(t testing.TB) *Store {
	t.Helper()
	return mustOpen(t, filepath.Join(t.TempDir(), "scim.db"))
}

func newUser(id string) *store.Batch {
	return &store.Batch{
		Time:   time.Now(),
		Put:    []store.Put{{Record: store.Record{Kind: store.User, ID: id, Body: []byte(`{}`)}}},
		Events: []store.Event{{Type: store.UserCreated, Kind: store.User, ID: id}},
	}
}

func exists(t *testing.T, s *Store, id string) bool {
	t.Helper()
	records, err := s.Get(t.Context(), acme, store.User, id)
	if err != nil {
		t.Fatal(err)
	}
	return len(records) == 1
}

// txID is the number of the last transaction that was written.
func txID(t *testing.T, s *Store) (id int) {
	t.Helper()
	if err := s.read(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// block keeps writers from starting transactions until the returned function
// is called.
func block(t *testing.T, s *Store) (release func()) {
	t.Helper()
	tx, err := s.db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// await waits until the queue has a leader and n others that wait.
func await(t *testing.T, s *Store, n int) {
	t.Helper()
	for t.Context().Err() == nil {
		s.queue.mu.Lock()
		ok := s.queue.led && len(s.queue.waiting) == n
		s.queue.mu.Unlock()
		if ok {
			return
		}
		runtime.Gosched()
	}
}

type answer struct {
	res store.Result
	err error
}

// commitAsync commits in the background.
func commitAsync(ctx context.Context, s *Store, b *store.Batch) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		res, err := s.Commit(ctx, acme, b)
		c <- answer{res, err}
	}()
	return c
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	const n = 64
	s := newStore(t)
	before := txID(t, s)
	release := block(t, s)
	first := commitAsync(t.Context(), s, newUser("first"))
	await(t, s, 0) // the leader has taken itself
	var answers []<-chan answer
	for i := range n {
		b := newUser(fmt.Sprint("u", i))
		if i == n/2 {
			b.Require = []store.Require{{Kind: store.User, ID: "none", Version: store.Any}}
		}
		answers = append(answers, commitAsync(t.Context(), s, b))
	}
	await(t, s, n)
	release()
	if a := <-first; a.err != nil || a.res.Revision != 1 {
		t.Fatalf("first commit: %+v", a)
	}
	revisions := map[uint64]bool{}
	for i, c := range answers {
		a := <-c
		if i == n/2 {
			var conflict *store.ConflictError
			if !errors.As(a.err, &conflict) || conflict.ID != "none" || exists(t, s, fmt.Sprint("u", i)) {
				t.Errorf("commit %d: %v, want a conflict and no record", i, a.err)
			}
			continue
		}
		if a.err != nil || revisions[a.res.Revision] || !exists(t, s, fmt.Sprint("u", i)) {
			t.Errorf("commit %d: %+v", i, a)
		}
		revisions[a.res.Revision] = true
	}
	if got := txID(t, s) - before; got != 2 {
		t.Errorf("%d transactions for %d commits, want 2", got, n+1)
	}
	page, err := s.Scan(t.Context(), acme, store.Query{Kind: store.User})
	if err != nil || page.Total != n {
		t.Errorf("Total = %d, %v, want %d", page.Total, err, n)
	}
}

// TestGroupCommitUnblocked has no hand in the order of things: while one
// transaction is synced, the next ones gather.
func TestGroupCommitUnblocked(t *testing.T) {
	t.Parallel()
	const writers, each = 32, 16
	s := newStore(t)
	before := txID(t, s)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := s.Commit(t.Context(), acme, newUser(fmt.Sprintf("u%d-%d", w, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := txID(t, s) - before; got > writers*each/2 {
		t.Errorf("%d transactions for %d commits", got, writers*each)
	}
}

// A transaction in which every batch fails is not written.
func TestFailedCommitDoesNotSync(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := s.Commit(t.Context(), acme, newUser("u1")); err != nil {
		t.Fatal(err)
	}
	before := txID(t, s)
	var conflict *store.ConflictError
	if _, err := s.Commit(t.Context(), acme, newUser("u1")); !errors.As(err, &conflict) {
		t.Errorf("error = %v, want a conflict", err)
	}
	if _, err := s.Commit(t.Context(), "other", &store.Batch{Time: time.Now()}); err != nil {
		t.Error(err)
	}
	if got := txID(t, s); got != before {
		t.Errorf("%d transactions were written", got-before)
	}
}

func TestCommitCancelled(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	release := block(t, s)
	leaderCtx, cancelLeader := context.WithCancel(t.Context())
	leader := commitAsync(leaderCtx, s, newUser("leader"))
	await(t, s, 0)
	waiterCtx, cancelWaiter := context.WithCancel(t.Context())
	waiter := commitAsync(waiterCtx, s, newUser("waiter"))
	await(t, s, 1)
	other := commitAsync(t.Context(), s, newUser("other"))
	await(t, s, 2)

	cancelWaiter()
	if a := <-waiter; !errors.Is(a.err, context.Canceled) { // although the database is blocked
		t.Errorf("waiter: %v", a.err)
	}
	cancelLeader()
	release()
	if a := <-leader; !errors.Is(a.err, context.Canceled) {
		t.Errorf("leader: %v", a.err)
	}
	if a := <-other; a.err != nil {
		t.Errorf("other: %v", a.err)
	}
	for id, want := range map[string]bool{"leader": false, "waiter": false, "other": true} {
		if got := exists(t, s, id); got != want {
			t.Errorf("%s exists = %t, want %t", id, got, want)
		}
	}
}

// Contexts that end at any moment: nobody hangs, and every answer is true.
func TestCommitCancelledAnytime(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 40 {
				id := fmt.Sprintf("u%d-%d", w, i)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
				_, err := s.Commit(ctx, acme, newUser(id))
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				if got := exists(t, s, id); got != (err == nil) {
					t.Errorf("%s exists = %t after %v", id, got, err)
				}
			}
		})
	}
	wg.Wait()
	if s.queue.led || len(s.queue.waiting) > 0 {
		t.Error("the queue is not idle")
	}
}

func TestCommitNoSpace(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := s.Commit(t.Context(), acme, newUser("u1")); err != nil {
		t.Fatal(err)
	}
	s.db.MaxSize = 64 << 10
	release := block(t, s)
	first := commitAsync(t.Context(), s, &store.Batch{Time: time.Now()})
	await(t, s, 0)
	big := newUser("big")
	big.Put[0].Record.Body = make([]byte, 1<<20)
	answers := map[string]<-chan answer{"big": commitAsync(t.Context(), s, big)}
	await(t, s, 1)
	answers["small"] = commitAsync(t.Context(), s, newUser("small"))
	await(t, s, 2)
	again := newUser("small") // would be a conflict, had the other one been written
	answers["again"] = commitAsync(t.Context(), s, again)
	await(t, s, 3)
	release()
	<-first
	for name, c := range answers {
		if a := <-c; !errors.Is(a.err, store.ErrUnavailable) || a.res.Revision != 0 {
			t.Errorf("%s: %+v, want ErrUnavailable", name, a)
		}
	}
	if exists(t, s, "big") || exists(t, s, "small") || !exists(t, s, "u1") {
		t.Error("the failed transaction left something")
	}
	s.db.MaxSize = 0
	if res, err := s.Commit(t.Context(), acme, big); err != nil || res.Revision != 2 {
		t.Errorf("with space again: %+v, %v", res, err)
	}
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	id, cause := txID(t, s), errors.New("sync failed")
	tests := []struct {
		name string
		id   int
		want error
	}{
		{"not begun", 0, store.ErrUnavailable},
		{"rolled back", id + 1, store.ErrUnavailable},
		{"in the file", id, store.ErrUncertain},
	}
	for _, test := range tests {
		if err := s.outcome(test.id, cause); !errors.Is(err, test.want) || !errors.Is(err, cause) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

func TestCommitPanics(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	release := block(t, s)
	first := commitAsync(t.Context(), s, newUser("first"))
	await(t, s, 0)
	panicked := make(chan any)
	go func() {
		defer func() { panicked <- recover() }()
		_, err := s.submit(&request{ctx: t.Context(), tenant: acme, wake: make(chan bool, 1)}) // no batch
		t.Errorf("no panic, but %v", err)
	}()
	await(t, s, 1)
	second := commitAsync(t.Context(), s, newUser("second"))
	await(t, s, 2)
	release()
	if a := <-first; a.err != nil {
		t.Errorf("first: %v", a.err)
	}
	if r := <-panicked; r == nil {
		t.Error("the panic was swallowed")
	}
	if a := <-second; !errors.Is(a.err, store.ErrUncertain) {
		t.Errorf("second: %v, want ErrUncertain", a.err)
	}
	if _, err := s.Commit(t.Context(), acme, newUser("third")); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	release := block(t, s)
	first := commitAsync(t.Context(), s, newUser("first"))
	await(t, s, 0)
	second := commitAsync(t.Context(), s, newUser("second"))
	await(t, s, 1)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	for isClosed := false; !isClosed; runtime.Gosched() {
		s.queue.mu.Lock()
		isClosed = s.queue.closed
		s.queue.mu.Unlock()
	}
	if _, err := s.Commit(t.Context(), acme, newUser("late")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("late: %v", err)
	}
	select {
	case err := <-closed:
		t.Fatalf("closed under commits: %v", err)
	default:
	}
	release()
	for _, c := range []<-chan answer{first, second} {
		if a := <-c; a.err != nil {
			t.Errorf("under way: %v", a.err)
		}
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	for name, call := range map[string]func() error{
		"Get":     func() error { _, err := s.Get(t.Context(), acme, store.User, "first"); return err },
		"Lookup":  func() error { _, err := s.Lookup(t.Context(), acme, store.User, store.Key{Index: "k"}); return err },
		"Scan":    func() error { _, err := s.Scan(t.Context(), acme, store.Query{Kind: store.User}); return err },
		"Edges":   func() error { _, err := s.Edges(t.Context(), acme, store.EdgeQuery{Group: "g"}); return err },
		"Changes": func() error { _, err := s.Changes(t.Context(), acme, 0, 1); return err },
		"Redact": func() error {
			_, err := s.Redact(t.Context(), acme, func(store.Change) bool { return true })
			return err
		},
		"Drop":  func() error { return s.Drop(t.Context(), acme, nil) },
		"Ready": func() error { return s.Ready(t.Context()) },
	} {
		if err := call(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after Close: %v, want ErrUnavailable", name, err)
		}
	}
}
