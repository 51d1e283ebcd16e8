package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func testRaceClaim(e *env) {
	const n = 32
	for round := range 5 {
		key := userName(fmt.Sprint("name", round))
		errs := make([]error, n)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range n {
			wg.Go(func() {
				<-start
				id := fmt.Sprintf("u%d-%d", round, i)
				_, errs[i] = e.try(&store.Batch{Put: []store.Put{{Record: user(id)}}, Claim: []store.Claim{claim(key, id)}})
			})
		}
		close(start)
		wg.Wait()
		won := slices.Index(errs, nil)
		if won < 0 {
			e.Fatalf("nobody won: %v", errs)
		}
		winner := fmt.Sprintf("u%d-%d", round, won)
		for i, err := range errs {
			if i != won {
				e.unique(err, store.UniqueError{Kind: store.User, Index: "userName", Holder: winner})
			}
		}
		e.equal("holder", e.holder(store.User, key), winner)
		e.equal("users", e.scan(store.Query{Kind: store.User}).Total, round+1)
	}
}

// testRaceMembers adds and removes members of one group in parallel, while the
// group is renamed without regard to its version.
func testRaceMembers(e *env) {
	const writers, each = 12, 6
	e.commit(&store.Batch{
		Put: []store.Put{{Record: group("g1")}}, Events: []store.Event{{Type: store.GroupCreated, Kind: store.Group, ID: "g1"}},
	})
	var want []string
	b := &store.Batch{}
	for w := range writers {
		for i := range each {
			id := fmt.Sprintf("u%02d-%d", w, i)
			b.Put = append(b.Put, store.Put{Record: user(id)})
			b.Events = append(b.Events, store.Event{Type: store.UserCreated, Kind: store.User, ID: id})
			if i%2 == 0 {
				want = append(want, id)
			}
		}
	}
	e.commit(b)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("u%02d-%d", w, i)
				res, err := e.try(&store.Batch{Members: []store.MemberChange{{Group: "g1", Add: []store.Member{userMember(id)}}}})
				if err != nil || res.Added["g1"] != 1 {
					e.Errorf("add: %+v, %v", res, err)
					return
				}
				if i%2 == 0 {
					continue
				}
				res, err = e.try(&store.Batch{Members: []store.MemberChange{{Group: "g1", Remove: []string{id}}}})
				if err != nil || res.Removed["g1"] != 1 {
					e.Errorf("remove: %+v, %v", res, err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 10 {
			r := group("g1")
			r.Body = fmt.Appendf(nil, `{"name":"%d"}`, i)
			_, err := e.try(&store.Batch{
				Put:    []store.Put{{Record: r, Expect: store.Any}},
				Events: []store.Event{{Type: store.GroupUpdated, Kind: store.Group, ID: "g1"}},
			})
			if err != nil {
				e.Errorf("rename: %v", err)
				return
			}
		}
	})
	wg.Wait()
	e.equal("members", memberIDs(e.membersOf("g1")), want)
	e.equal("body", string(e.get(store.Group, "g1").Body), `{"name":"9"}`)
	if err := CheckInvariants(e.ctx, e.s, acme, Options{Logged: true}); err != nil {
		e.Fatal(err)
	}
}

func testRaceUpdates(e *env) {
	const writers, each = 6, 10
	r := user("u1")
	r.Body = []byte(`{"n":0}`)
	e.create(r)
	increment := func() error {
		for range 10_000 {
			records, err := e.s.Get(e.ctx, acme, store.User, "u1")
			if err != nil {
				return err
			}
			var body struct{ N int }
			if err := json.Unmarshal(records[0].Body, &body); err != nil {
				return err
			}
			records[0].Body = fmt.Appendf(nil, `{"n":%d}`, body.N+1)
			_, err = e.try(&store.Batch{Put: []store.Put{{Record: records[0], Expect: records[0].Version}}})
			if conflict := new(store.ConflictError); !errors.As(err, &conflict) {
				return err
			}
		}
		return errors.New("10,000 conflicts")
	}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := increment(); err != nil {
					e.Errorf("increment: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	e.equal("counter", string(e.get(store.User, "u1").Body), fmt.Sprintf(`{"n":%d}`, writers*each))
}

func testRaceDelete(e *env) {
	e.create(group("g1"))
	for round := range 30 {
		id := fmt.Sprint("u", round)
		e.create(user(id))
		var added, deleted error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, added = e.try(&store.Batch{Members: []store.MemberChange{{Group: "g1", Add: []store.Member{userMember(id)}}}})
		})
		wg.Go(func() {
			_, deleted = e.try(&store.Batch{Delete: []store.Delete{{Kind: store.User, ID: id, Expect: store.Any}}})
		})
		wg.Wait()
		switch {
		case added == nil:
			e.conflict(deleted, store.User, id)
		case deleted == nil:
			e.missing(added, "", id)
		default:
			e.Fatalf("both failed: %v, %v", added, deleted)
		}
	}
	e.checkInvariants(false)
}
