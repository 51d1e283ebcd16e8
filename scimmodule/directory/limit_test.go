package directory

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Each limit's error carries its name, for the counters.
func TestLimitsAreNamed(t *testing.T) {
	t.Parallel()
	query := func(e *env, q Query) error {
		q.Kinds = users()
		_, err := e.d.Query(e.t.Context(), q)
		return err
	}
	for _, c := range []struct {
		name string
		do   func(e *env) error
		want string // the failure and the limit
	}{
		{"creations", func(e *env) error {
			_, err := e.tryGroup(`{"displayName":"g","members":["p1","p2","p3","p4"]}`)
			return err
		}, "413 creations_per_request"},
		{"a large resource", func(e *env) error {
			_, err := e.tryUser(`{"userName":"` + strings.Repeat("u", 2000) + `"}`)
			return err
		}, "413 resource_bytes"},
		{"a resource that a PATCH makes large", func(e *env) error {
			u := e.user(`{"userName":"u"}`)
			_, err := e.tryPatch(store.User, u.ID, `[{"op":"add","path":"locale","value":"`+strings.Repeat("l", 2000)+`"}]`)
			return err
		}, "413 resource_bytes"},
		{"a scan", func(e *env) error {
			e.people(4)
			return query(e, Query{Filter: parse(e.t, `locale co "x"`)})
		}, "400 tooMany scan_budget"},
		{"an order", func(e *env) error {
			e.people(4)
			return query(e, Query{SortBy: "userName"})
		}, "400 tooMany scan_budget"},
		{"a page with a cursor", func(e *env) error {
			count, cursor := 6, ""
			return query(e, Query{Count: &count, Cursor: &cursor})
		}, "400 invalidCount page"},
		{"a page by index is cut", func(e *env) error {
			count := 6
			return query(e, Query{Count: &count})
		}, ""},
		{"a commit", func(e *env) error {
			e.store.before = func(int, *store.Batch) error { return fmt.Errorf("test: %w", store.ErrTooLarge) }
			_, err := e.tryUser(`{"userName":"u"}`)
			return err
		}, "413 commit"},
		{"members compared with filters", func(e *env) error {
			g := e.group(`{"displayName":"g"}`)
			for i := range 10_000 {
				e.store.members = append(e.store.members, store.Member{Kind: store.User, ID: fmt.Sprint("m", i)})
			}
			ops := strings.Repeat(`,{"op":"remove","path":"members[value sw \"x\"]"}`, maxComparisons/10_000+1)
			_, err := e.tryPatch(store.Group, g.ID, "["+ops[1:]+"]")
			return err
		}, "413 member_comparisons"},
		{"no limit", func(e *env) error {
			_, err := e.tryUser(`{}`)
			return err
		}, "400 invalidValue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, with{allow: []string{"*"}, set: Settings{MaxCreations: 3, MaxResource: 1000, MaxScan: 3, MaxPage: 5}})
			err := c.do(e)
			got := failure(err)
			var se *scimerr.Error
			if errors.As(err, &se) && se.Limit != "" {
				got += " " + se.Limit
			}
			if got != c.want {
				t.Errorf("got %q (%v), want %q", got, err, c.want)
			}
		})
	}
}
