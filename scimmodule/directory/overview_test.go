package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func TestGroupsOf(t *testing.T) {
	t.Parallel()
	onStores(t, with{}, func(t *testing.T, e *env) {
		u, v := e.user(`{"userName":"u"}`).ID, e.user(`{"userName":"v"}`).ID
		var all []GroupRef
		for i := range 5 {
			g := e.group(fmt.Sprintf(`{"displayName":"g%d","members":["%s"]}`, i, u))
			all = append(all, GroupRef{ID: g.ID, DisplayName: fmt.Sprintf("g%d", i)})
		}
		outer := e.group(`{"displayName":"outer","members":[{"value":"` + all[0].ID + `","type":"Group"}]}`).ID
		for _, c := range []struct {
			name  string
			kind  store.Kind
			id    string
			limit int
			want  []GroupRef
			total int
		}{
			{"all of a user", store.User, u, 100, all, 5},
			{"some", store.User, u, 2, all[:2], 5},
			{"how many", store.User, u, 0, nil, 5},
			{"a negative limit", store.User, u, -1, nil, 5},
			{"a huge limit", store.User, u, 1 << 30, all, 5},
			{"none", store.User, v, 10, nil, 0},
			{"of a group", store.Group, all[0].ID, 10, []GroupRef{{ID: outer, DisplayName: "outer"}}, 1},
			{"a group taken for a user", store.User, all[0].ID, 10, nil, 0},
			{"nobody", store.User, "nobody", 10, nil, 0},
			{"no id", store.User, "a b", 10, nil, 0},
			{"empty", store.User, "", 10, nil, 0},
			{"overlong", store.Group, strings.Repeat("x", 5000), 10, nil, 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				got, total, err := e.d.GroupsOf(t.Context(), c.kind, c.id, c.limit)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" || total != c.total {
					t.Errorf("total %d, want %d; groups (-want +got):\n%s", total, c.total, diff)
				}
			})
		}
		e.delete(store.User, u)
		if got, total, err := e.d.GroupsOf(t.Context(), store.User, u, 10); len(got)+total > 0 || err != nil {
			t.Errorf("archived, and in %v, %d (%v)", got, total, err)
		}
	})
}

func TestMembersOf(t *testing.T) {
	t.Parallel()
	onStores(t, with{}, func(t *testing.T, e *env) {
		inner := e.group(`{"displayName":"inner"}`).ID
		want := []store.Member{{ID: "p1", Kind: store.User}, {ID: "p2", Kind: store.User}, {ID: "p3", Kind: store.User}, {ID: inner, Kind: store.Group}}
		g := e.group(`{"displayName":"g","members":["p3","p1","p2",{"value":"` + inner + `","type":"Group"}]}`).ID
		for _, limit := range []int{1, 2, 3, 4, 5, 1 << 30} {
			var got []store.Member
			for after := (store.Member{}); ; {
				p, err := e.d.MembersOf(t.Context(), g, after, limit)
				if err != nil || p.Total != 4 || len(p.Members) > limit {
					t.Fatalf("limit %d: %+v (%v)", limit, p, err)
				}
				got = append(got, p.Members...)
				if after = p.Next; after == (store.Member{}) {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("limit %d (-want +got):\n%s", limit, diff)
			}
		}
		if p, err := e.d.MembersOf(t.Context(), g, store.Member{}, 0); err != nil || p.Total != 4 || len(p.Members) > 0 {
			t.Errorf("limit 0: %+v (%v)", p, err)
		}
		for _, c := range []struct {
			name, group string
			after       store.Member
		}{
			{"no group", "nobody", store.Member{}},
			{"no id", "a b", store.Member{}},
			{"empty", "", store.Member{}},
			{"after what is no id", g, store.Member{ID: "a b", Kind: store.User}},
			{"after what is no member", g, store.Member{ID: "p1", Kind: store.Tombstone}},
			{"after a kind", g, store.Member{Kind: store.User}},
		} {
			t.Run(c.name, func(t *testing.T) {
				if p, err := e.d.MembersOf(t.Context(), c.group, c.after, 10); err != nil || len(p.Members) > 0 || p.Next != (store.Member{}) {
					t.Errorf("%+v (%v)", p, err)
				}
			})
		}
	})
}

func TestCounts(t *testing.T) {
	t.Parallel()
	onStores(t, with{}, func(t *testing.T, e *env) {
		want := func(w Counts) {
			t.Helper()
			got, err := e.d.Counts(t.Context())
			if err != nil || got != w {
				t.Errorf("counts %+v (%v), want %+v", got, err, w)
			}
		}
		want(Counts{})
		u := e.user(`{"userName":"u"}`).ID
		e.user(`{"userName":"v","active":false}`)
		e.group(`{"displayName":"g","members":["p1"]}`)
		want(Counts{Users: 3, Groups: 1})
		e.delete(store.User, u)
		want(Counts{Users: 2, Groups: 1, Archived: 1})
		if err := e.d.Purge(t.Context(), e.call(), u); err != nil {
			t.Fatal(err)
		}
		want(Counts{Users: 2, Groups: 1})
		clear(e.store.calls)
		want(Counts{Users: 2, Groups: 1})
		if diff := cmp.Diff(map[string]int{"scan": 3}, e.store.calls); diff != "" {
			t.Errorf("reads (-want +got):\n%s", diff)
		}
	})
}

// Another tenant's users and groups are unknown ones, and a store that is away is
// told as such.
func TestSupportKeepsTenantsApart(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"u","externalId":"x"}`).ID
	old := e.user(`{"userName":"old","externalId":"x"}`).ID
	e.delete(store.User, old)
	g := e.group(`{"displayName":"g","members":["` + u + `"]}`).ID
	d := e.other("other", with{})
	ctx := t.Context()
	calls := []struct {
		name string
		// do returns what there is to see.
		do func(d *Directory, id string) (any, error)
		of []string // the arguments under which the owner sees something
	}{
		{"find", func(d *Directory, id string) (any, error) {
			us, err := d.Find(ctx, store.User, id)
			if err != nil {
				return nil, err
			}
			gs, err := d.Find(ctx, store.Group, id)
			return slices.Concat(us, gs), err
		}, []string{u, old, g, "u", "old", "g", "x"}},
		{"groups", func(d *Directory, id string) (any, error) {
			gs, _, err := d.GroupsOf(ctx, store.User, id, 10)
			return gs, err
		}, []string{u}},
		{"members", func(d *Directory, id string) (any, error) {
			p, err := d.MembersOf(ctx, id, store.Member{}, 10)
			return p.Members, err
		}, []string{g}},
		{"archive", func(d *Directory, name string) (any, error) {
			p, err := d.Archive(ctx, ArchiveQuery{Limit: 10, UserName: name})
			return p.Records, err
		}, []string{"old", ""}},
	}
	for _, c := range calls {
		for _, arg := range c.of {
			if got, err := c.do(e.d, arg); err != nil || strings.HasSuffix(fmt.Sprint(got), "[]") {
				t.Errorf("%s %s: %v (%v)", c.name, arg, got, err)
			}
			if got, err := c.do(d, arg); err != nil || !strings.HasSuffix(fmt.Sprint(got), "[]") {
				t.Errorf("%s %s of another tenant: %v (%v)", c.name, arg, got, err)
			}
		}
	}
	if n, err := d.Counts(ctx); err != nil || n != (Counts{}) {
		t.Errorf("counts %+v (%v)", n, err)
	}
	_, err := d.Archived(ctx, old)
	wantFailure(t, err, "404")
	_, err = d.Restore(ctx, e.call(), old)
	wantFailure(t, err, "404")
	wantFailure(t, d.Purge(ctx, e.call(), old), "404")

	for n := 1; n <= 8; n++ {
		for _, c := range append(calls, []struct {
			name string
			do   func(d *Directory, id string) (any, error)
			of   []string
		}{
			{"counts", func(d *Directory, _ string) (any, error) { return d.Counts(ctx) }, []string{""}},
			{"archived", func(d *Directory, id string) (any, error) { return d.Archived(ctx, id) }, []string{old}},
		}...) {
			reads := 0
			e.store.reading = func(string) error {
				if reads++; reads == n {
					return fmt.Errorf("read: %w", store.ErrUnavailable)
				}
				return nil
			}
			_, err := c.do(e.d, c.of[0])
			if reads >= n {
				wantFailure(t, err, "503")
			}
		}
	}
}
