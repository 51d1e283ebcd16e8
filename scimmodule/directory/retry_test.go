package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// change is a use case on what seeded makes.
type change struct {
	name string
	do   func(e *env, s seed) (store.Record, error)
	// done tells whether the change is to be seen.
	done func(e *env, s seed) bool
}

// seed holds the ids that seeded made.
type seed struct{ user, other, group, archived string }

func seeded(t *testing.T) (*env, seed) {
	t.Helper()
	e := newEnv(t, with{})
	s := seed{user: e.user(`{"userName":"a"}`).ID, other: e.user(`{"userName":"b"}`).ID, archived: e.user(`{"userName":"old"}`).ID}
	e.delete(store.User, s.archived)
	s.group = e.group(`{"displayName":"g","members":["` + s.user + `"]}`).ID
	return e, s
}

func has(e *env, k store.Kind, id, text string) bool {
	r, ok := e.stored(k, id)
	return ok && strings.Contains(string(r.Body), text)
}

// changes are all use cases that write.
var changes = []change{
	{"create a user",
		func(e *env, _ seed) (store.Record, error) { return e.tryUser(`{"userName":"new"}`) },
		func(e *env, _ seed) bool { return len(e.find(store.User, `userName eq "new"`)) == 1 }},
	{"restore a user",
		func(e *env, _ seed) (store.Record, error) { return e.tryUser(`{"userName":"old"}`) },
		func(e *env, s seed) bool { return has(e, store.User, s.archived, "old") }},
	{"replace a user",
		func(e *env, s seed) (store.Record, error) {
			return e.tryPut(store.User, s.user, `{"userName":"a2","locale":"de"}`)
		},
		func(e *env, s seed) bool { return has(e, store.User, s.user, `"a2"`) }},
	{"patch a user",
		func(e *env, s seed) (store.Record, error) {
			return e.tryPatch(store.User, s.user, `[{"op":"add","path":"locale","value":"de"}]`)
		},
		func(e *env, s seed) bool { return has(e, store.User, s.user, `"de"`) }},
	{"delete a user",
		func(e *env, s seed) (store.Record, error) {
			return store.Record{}, e.d.DeleteUser(e.t.Context(), e.call(), s.user)
		},
		func(e *env, s seed) bool { _, ok := e.stored(store.Archived, s.user); return ok }},
	{"create a group",
		func(e *env, s seed) (store.Record, error) {
			return e.tryGroup(`{"displayName":"new","members":["` + s.user + `","p1"]}`)
		},
		func(e *env, _ seed) bool { return len(e.find(store.Group, `displayName eq "new"`)) == 1 }},
	{"replace a group",
		func(e *env, s seed) (store.Record, error) {
			return e.tryPut(store.Group, s.group, `{"displayName":"g2","members":["`+s.other+`"]}`)
		},
		func(e *env, s seed) bool {
			return has(e, store.Group, s.group, `"g2"`) && e.members(s.group) == s.other
		}},
	{"add a member",
		func(e *env, s seed) (store.Record, error) {
			return e.tryPatch(store.Group, s.group, `[{"op":"add","path":"members","value":["`+s.other+`","p1"]}]`)
		},
		func(e *env, s seed) bool { return len(strings.Fields(e.members(s.group))) == 3 }},
	{"empty a group",
		func(e *env, s seed) (store.Record, error) {
			return e.tryPatch(store.Group, s.group, `[{"op":"remove","path":"members"}]`)
		},
		func(e *env, s seed) bool { return e.members(s.group) == "" }},
	{"delete a group",
		func(e *env, s seed) (store.Record, error) {
			return store.Record{}, e.d.DeleteGroup(e.t.Context(), e.call(), s.group)
		},
		func(e *env, s seed) bool { _, ok := e.stored(store.Tombstone, s.group); return ok }},
}

// What each error of a commit makes of each change: conflicts are decided anew,
// a store that is away changes nothing, and what is uncertain is told as such.
func TestCommitErrors(t *testing.T) {
	t.Parallel()
	for _, f := range []struct {
		name  string
		err   error
		times int // how often it is returned
		after bool
		want  string // "" for success
		text  string // part of the detail
	}{
		{"a conflict", &store.ConflictError{Kind: store.User, ID: "x"}, 1, false, "", ""},
		{"three conflicts", &store.ConflictError{Kind: store.User, ID: "x"}, 3, false, "", ""},
		{"conflicts without an end", &store.ConflictError{Kind: store.User, ID: "x"}, 1 << 30, false, "503", "nothing was changed"},
		{"a group that is missing for a moment", &store.MissingError{Kind: store.Group, IDs: []string{"x"}}, 1, false, "", ""},
		{"a userName taken for a moment", &store.UniqueError{Kind: store.User, Index: byUserName, Holder: "x"}, 1, false, "", ""},
		{"away", fmt.Errorf("redis: %w", store.ErrUnavailable), 1, false, "503", "nothing was changed"},
		{"uncertain, and applied", fmt.Errorf("redis: %w", store.ErrUncertain), 1, true, "503", "may have been applied"},
		{"uncertain, and not applied", fmt.Errorf("redis: %w", store.ErrUncertain), 1, false, "503", "may have been applied"},
		{"too large", store.ErrTooLarge, 1, false, "413", "several parts"},
		{"out of time", context.DeadlineExceeded, 1, false, "503", ""},
		{"something else", errors.New("boom"), 1, false, "untyped: boom", ""},
	} {
		for _, c := range changes {
			t.Run(f.name+", "+c.name, func(t *testing.T) {
				t.Parallel()
				e, s := seeded(t)
				failed := 0
				fail := func(int, *store.Batch) error {
					if failed++; failed <= f.times {
						return f.err
					}
					return nil
				}
				if f.after {
					e.store.after = fail
				} else {
					e.store.before = fail
				}
				want := f.want
				var u *store.UniqueError
				if errors.As(f.err, &u) && (c.name == "replace a user" || c.name == "patch a user") {
					want = "409 uniqueness" // a rename has nobody to adopt
				}
				_, err := c.do(e, s)
				if got := failure(err); got != want {
					t.Fatalf("error %q (%v), want %q", got, err, want)
				}
				var se *scimerr.Error
				if errors.As(err, &se) {
					if !strings.Contains(se.Detail, f.text) {
						t.Errorf("detail %q", se.Detail)
					}
					if (se.Status == 503) != (se.RetryAfter > 0) {
						t.Errorf("retry after %d with %d", se.RetryAfter, se.Status)
					}
				}
				e.store.before, e.store.after = nil, nil
				if done := c.done(e, s); done != (want == "" || f.after) {
					t.Errorf("applied: %t", done)
				}
				if f.want != "" && f.times == 1 && failed != 1 {
					t.Errorf("tried %d times", failed)
				}
			})
		}
	}
}

// The same, where the reads fail.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	for _, c := range append(changes, change{name: "get", do: func(e *env, s seed) (store.Record, error) {
		return e.d.Get(e.t.Context(), store.User, s.user)
	}}, change{name: "query", do: func(e *env, s seed) (store.Record, error) {
		_, err := e.d.Query(e.t.Context(), Query{Kinds: users(), SortBy: "userName"})
		return store.Record{}, err
	}}) {
		for n := 1; n <= 6; n++ {
			t.Run(fmt.Sprint(c.name, ", read ", n), func(t *testing.T) {
				t.Parallel()
				e, s := seeded(t)
				calls := 0
				e.store.reading = func(string) error {
					if calls++; calls == n {
						return fmt.Errorf("read: %w", store.ErrUnavailable)
					}
					return nil
				}
				from := e.revision()
				_, err := c.do(e, s)
				if calls < n {
					return // it needs fewer reads
				}
				wantFailure(t, err, "503")
				e.wantLog(from)
			})
		}
	}
}

// A request that is cut off while it waits for its turn ends.
func TestCancelledWhileRetrying(t *testing.T) {
	t.Parallel()
	e, s := seeded(t)
	ctx, cancel := context.WithCancel(t.Context())
	e.store.before = func(int, *store.Batch) error {
		cancel()
		return &store.ConflictError{Kind: store.User, ID: s.user}
	}
	_, err := e.d.PatchUser(ctx, e.call(), s.user, e.operations(`[{"op":"add","path":"locale","value":"x"}]`), limits)
	wantFailure(t, err, "503")
}

// A user who vanishes between look-up and read is decided on again.
func TestCreateMeetsDelete(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"a","active":false}`)
	lookups := 0
	e.store.reading = func(call string) error {
		if call == "lookup" {
			if lookups++; lookups == 2 { // the first is ours, in between comes the delete
				return nil
			}
		}
		if call == "get" && lookups == 1 {
			lookups++
			e.store.reading = nil
			e.delete(store.User, u.ID)
		}
		return nil
	}
	r := e.user(`{"userName":"a","active":true}`)
	if r.ID != u.ID {
		t.Errorf("created as %s", r.ID)
	}
	if log := e.log(0); !strings.HasPrefix(log[len(log)-1], "user.restored") {
		t.Errorf("log %q", log)
	}
}

// If-Match holds for the version that is written over, not for one before.
func TestPreconditionMeetsAChange(t *testing.T) {
	t.Parallel()
	e, s := seeded(t)
	was, _ := e.stored(store.User, s.user)
	process2 := e.other(tenant, with{})
	e.store.before = func(int, *store.Batch) error {
		e.store.before = nil
		_, err := process2.PatchUser(t.Context(), e.call(), s.user, e.operations(`[{"op":"add","path":"locale","value":"theirs"}]`), limits)
		return err
	}
	c := e.call()
	c.Match = func(v uint64) bool { return v == was.Version }
	_, err := e.d.PatchUser(t.Context(), c, s.user, e.operations(`[{"op":"add","path":"locale","value":"mine"}]`), limits)
	wantFailure(t, err, "412")
	if !has(e, store.User, s.user, "theirs") {
		t.Error("their change is gone")
	}
}

// A member who is archived while being added is not linked, and not revived.
func TestAddMeetsDelete(t *testing.T) {
	t.Parallel()
	for _, mode := range []MemberMode{MembersCreate, MembersPending, MembersIgnore} {
		e, s := seeded(t)
		e.reconfigure(with{set: Settings{Members: mode}})
		e.store.before = func(int, *store.Batch) error {
			e.store.before = nil
			e.delete(store.User, s.other)
			return nil
		}
		e.patch(store.Group, s.group, `[{"op":"add","path":"members","value":["`+s.other+`","p1"]}]`)
		if strings.Contains(e.members(s.group), s.other) {
			t.Errorf("%s: members %s", mode, e.members(s.group))
		}
		if _, live := e.stored(store.User, s.other); live {
			t.Errorf("%s: revived", mode)
		}
	}
}

// Within one process and between two, one of many creates of one userName wins,
// and no change is lost.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	d2 := e.other(tenant, with{})
	d2.now, e.d.now = time.Now, time.Now
	ds := []*Directory{e.d, d2}
	const n = 64
	var mu sync.Mutex
	outcomes := map[string]int{}
	parallel := func(f func(i int, d *Directory) error) {
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				err := f(i, ds[i%2])
				mu.Lock()
				defer mu.Unlock()
				outcomes[failure(err)]++
			})
		}
		wg.Wait()
	}
	parallel(func(_ int, d *Directory) error {
		_, err := d.CreateUser(t.Context(), Call{}, object(t, `{"userName":"one","active":true}`))
		return err
	})
	if outcomes[""] != 1 || outcomes["409 uniqueness"] != n-1 {
		t.Errorf("outcomes %v", outcomes)
	}
	clear(outcomes)
	g := e.group(`{"displayName":"g"}`)
	id := e.find(store.User, `userName eq "one"`)[0]
	parallel(func(i int, d *Directory) error {
		_, err := d.PatchGroup(t.Context(), Call{}, g.ID, e.operations(fmt.Sprintf(`[{"op":"add","path":"members","value":["p%d","%s"]}]`, i, id)), limits)
		return err
	})
	if got := len(strings.Fields(e.members(g.ID))); outcomes[""] != n || got != n+1 {
		t.Errorf("outcomes %v, %d members", outcomes, got)
	}
	clear(outcomes)
	parallel(func(i int, d *Directory) error {
		_, err := d.PatchUser(t.Context(), Call{}, id, e.operations(fmt.Sprintf(`[{"op":"add","path":"emails[type eq \"work\"].value","value":"m%d@x"},{"op":"add","path":"locale","value":"l%d"}]`, i, i)), limits)
		return err
	})
	if outcomes[""] != n {
		t.Errorf("outcomes %v", outcomes)
	}
	r, _ := e.stored(store.User, id)
	for i := range n {
		if strings.Contains(string(r.Body), fmt.Sprintf(`m%d@x"`, i)) != strings.Contains(string(r.Body), fmt.Sprintf(`"l%d"`, i)) {
			t.Errorf("half of two changes: %s", r.Body)
		}
	}
}
