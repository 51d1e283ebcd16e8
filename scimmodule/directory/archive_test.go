package directory

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func TestArchive(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	const body = `{"userName":"Ann","externalId":"1","active":false,"emails":[{"type":"work","value":"a@x"}]}`
	u := e.user(body)
	g := e.group(`{"displayName":"g","members":["` + u.ID + `"]}`)
	h := e.group(`{"displayName":"h","members":["` + u.ID + `"]}`)
	from := e.revision()
	e.delete(store.User, u.ID)
	e.wantLog(from, "user.archived "+u.ID, "group.members_changed "+g.ID+" -"+u.ID, "group.members_changed "+h.ID+" -"+u.ID)

	// Gone everywhere in SCIM.
	_, err := e.d.Get(t.Context(), store.User, u.ID)
	wantFailure(t, err, "404")
	_, err = e.tryPatch(store.User, u.ID, `[]`)
	wantFailure(t, err, "404")
	_, err = e.tryPut(store.User, u.ID, `{"userName":"Ann"}`)
	wantFailure(t, err, "404")
	wantFailure(t, e.d.DeleteUser(t.Context(), e.call(), u.ID), "404")
	for _, f := range []string{`userName eq "ann"`, `externalId eq "1"`, `emails.value eq "a@x"`, `id eq "` + u.ID + `"`, `userName pr`} {
		if got := e.find(store.User, f); len(got) > 0 {
			t.Errorf("%s finds %v", f, got)
		}
	}
	if e.members(g.ID)+e.members(h.ID) != "" {
		t.Error("memberships are left")
	}

	// Kept whole in the archive.
	r, ok := e.stored(store.Archived, u.ID)
	if !ok || r.ArchivedAt.IsZero() || !r.Created.Equal(u.Created) {
		t.Fatalf("archived %t: %+v", ok, r)
	}
	e.wantBody(r, body)

	// Both names are free.
	other := e.user(`{"userName":"ANN","externalId":"2"}`)
	if other.ID == u.ID {
		t.Error("another person was restored")
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"MARKER"}`)
	keep := e.user(`{"userName":"keep"}`)
	e.patch(store.User, u.ID, `[{"op":"add","path":"locale","value":"MARKER"}]`)
	e.group(`{"displayName":"g","members":["` + u.ID + `"]}`)
	wantFailure(t, e.d.Purge(t.Context(), e.call(), u.ID), "404") // it is live
	e.delete(store.User, u.ID)
	from := e.revision()
	if err := e.d.Purge(t.Context(), e.call(), u.ID); err != nil {
		t.Fatal(err)
	}
	e.wantLog(from, "user.purged "+u.ID)
	cs, err := e.store.Changes(t.Context(), tenant, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	kept := false
	for _, c := range cs {
		if c.Record != nil && strings.Contains(string(c.Record.Body), "MARKER") {
			t.Errorf("%s still has a body", c.Type)
		}
		kept = kept || c.ID == keep.ID && c.Record != nil
		if c.Type == store.UserPurged && (len(c.Changed) > 0 || c.Record != nil) {
			t.Errorf("user.purged carries %+v", c)
		}
	}
	if !kept {
		t.Error("somebody else's entry is gone")
	}
	if _, ok := e.stored(store.Archived, u.ID); ok {
		t.Error("still in the archive")
	}
	if r, ok := e.stored(store.Tombstone, u.ID); !ok || len(r.Body) > 0 {
		t.Errorf("tombstone %t with %q", ok, r.Body)
	}
	again := e.user(`{"userName":"marker"}`)
	if again.ID == u.ID {
		t.Error("a purged id is used again")
	}
	for _, id := range []string{u.ID, "nobody", "not an id", strings.Repeat("x", 500)} {
		wantFailure(t, e.d.Purge(t.Context(), e.call(), id), "404")
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	purge := func(want int) {
		t.Helper()
		n, err := e.d.PurgeExpired(t.Context(), e.call())
		if err != nil || n != want {
			t.Errorf("purged %d (%v), want %d", n, err, want)
		}
	}
	a, b := e.user(`{"userName":"a"}`), e.user(`{"userName":"b"}`)
	live := e.user(`{"userName":"live"}`)
	e.delete(store.User, a.ID)
	e.clock = e.clock.Add(10 * 24 * time.Hour)
	e.delete(store.User, b.ID)
	e.clock = e.clock.Add(1000 * 24 * time.Hour)
	purge(0) // the default keeps
	e.reconfigure(with{set: Settings{ArchiveRetention: 1005 * 24 * time.Hour}})
	purge(1)
	purge(0)
	if _, ok := e.stored(store.Archived, b.ID); !ok {
		t.Error("b is gone before its time")
	}
	e.clock = e.clock.Add(6 * 24 * time.Hour)
	purge(1)
	if _, ok := e.stored(store.User, live.ID); !ok {
		t.Error("a live user is gone")
	}
	// Restored in time, it is not purged with its old date.
	c := e.user(`{"userName":"c"}`)
	e.delete(store.User, c.ID)
	e.user(`{"userName":"c"}`)
	e.clock = e.clock.Add(2000 * 24 * time.Hour)
	purge(0)
}

// Somebody who comes back while being purged stays; the operator is not told
// that the user was erased.
func TestPurgeMeetsRestore(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"a"}`)
	e.delete(store.User, u.ID)
	e.store.before = func(_ int, b *store.Batch) error {
		if len(b.Events) == 1 && b.Events[0].Type == store.UserPurged {
			e.store.before = nil
			e.user(`{"userName":"a"}`)
		}
		return nil
	}
	err := e.d.Purge(t.Context(), e.call(), u.ID)
	if _, live := e.stored(store.User, u.ID); !live {
		t.Fatal("not restored")
	}
	if err == nil {
		t.Error("Purge tells of success, and the user is there")
	}
}

func TestPurgeOfManyOverPages(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{set: Settings{ArchiveRetention: time.Hour}})
	for i := range purgeAtOnce*2 + 7 {
		u := e.user(`{"userName":"u` + strconv.Itoa(i) + `"}`)
		e.delete(store.User, u.ID)
	}
	e.clock = e.clock.Add(2 * time.Hour)
	n, err := e.d.PurgeExpired(t.Context(), e.call())
	if err != nil || n != purgeAtOnce*2+7 {
		t.Errorf("purged %d (%v)", n, err)
	}
}

func TestArchiveList(t *testing.T) {
	t.Parallel()
	onStores(t, with{}, func(t *testing.T, e *env) {
		var all, anns []string
		for i := range 25 {
			body := fmt.Sprintf(`{"userName":"u%d","externalId":"x%d"}`, i, i%5)
			if i%10 == 0 {
				body = fmt.Sprintf(`{"userName":"Ann","externalId":"a%d"}`, i)
			}
			id := e.user(body).ID
			e.delete(store.User, id)
			all = append(all, id)
			if i%10 == 0 {
				anns = append(anns, id)
			}
		}
		e.user(`{"userName":"live","externalId":"x1"}`)
		pages := func(q ArchiveQuery) (ids []string, total int) {
			t.Helper()
			for {
				p, err := e.d.Archive(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if len(p.Records) > q.Limit {
					t.Errorf("%d records with the limit %d", len(p.Records), q.Limit)
				}
				total = p.Total
				for _, r := range p.Records {
					ids = append(ids, r.ID)
					if r.Kind != store.Archived || r.ArchivedAt.IsZero() {
						t.Errorf("listed %+v", r)
					}
				}
				if q.After = p.Next; q.After == "" {
					return ids, total
				}
			}
		}
		for _, c := range []struct {
			name string
			q    ArchiveQuery
			want []string
		}{
			{"all at once", ArchiveQuery{Limit: 1000}, all},
			{"one by one", ArchiveQuery{Limit: 1}, all},
			{"exactly", ArchiveQuery{Limit: 25}, all},
			{"in pages", ArchiveQuery{Limit: 7}, all},
			{"by userName", ArchiveQuery{Limit: 2, UserName: "aNN"}, anns},
			{"by externalId", ArchiveQuery{Limit: 2, ExternalID: "x1"}, []string{all[1], all[6], all[11], all[16], all[21]}},
			{"by externalId in another case", ArchiveQuery{Limit: 2, ExternalID: "X1"}, nil},
			{"by a live userName", ArchiveQuery{Limit: 2, UserName: "live"}, nil},
			{"by a very long one", ArchiveQuery{Limit: 2, UserName: strings.Repeat("x", 1<<20)}, nil},
			{"by what is no text", ArchiveQuery{Limit: 2, ExternalID: "\xff\x00"}, nil},
		} {
			t.Run(c.name, func(t *testing.T) {
				ids, total := pages(c.q)
				if diff := cmp.Diff(c.want, ids); diff != "" || total != len(c.want) {
					t.Errorf("total %d of %d; ids (-want +got):\n%s", total, len(c.want), diff)
				}
			})
		}
		for _, c := range []struct {
			name, want string
			q          ArchiveQuery
		}{
			{"no limit", "400 invalidCount", ArchiveQuery{}},
			{"a negative limit", "400 invalidCount", ArchiveQuery{Limit: -1}},
			{"a limit too high", "400 invalidCount", ArchiveQuery{Limit: 1001}},
			{"after what is no id", "400 invalidCursor", ArchiveQuery{Limit: 1, After: "a b"}},
			{"both", "400 invalidValue", ArchiveQuery{Limit: 1, UserName: "Ann", ExternalID: "x1"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				_, err := e.d.Archive(t.Context(), c.q)
				wantFailure(t, err, c.want)
			})
		}
		if p, err := e.d.Archive(t.Context(), ArchiveQuery{Limit: 5, After: "zzz"}); err != nil || len(p.Records) != 0 || p.Total != 25 || p.Next != "" {
			t.Errorf("after the end: %+v (%v)", p, err)
		}
		r, err := e.d.Archived(t.Context(), all[1])
		if err != nil {
			t.Fatal(err)
		}
		e.wantBody(r, `{"userName":"u1","externalId":"x1"}`)
	})
}
