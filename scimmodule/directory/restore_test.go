package directory

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func TestRestore(t *testing.T) {
	t.Parallel()
	onStores(t, with{}, func(t *testing.T, e *env) {
		for _, body := range []string{
			`{"userName":"Ann","externalId":"1","active":true,"emails":[{"type":"work","value":"a@x"}]}`,
			`{"userName":"Bob","externalId":"1","active":false}`,
			`{"userName":"Cy"}`,
		} {
			u := e.user(body)
			g := e.group(`{"displayName":"of ` + u.ID + `","members":["` + u.ID + `"]}`)
			e.delete(store.User, u.ID)
			from := e.revision()
			r, err := e.d.Restore(t.Context(), e.call(), u.ID)
			if err != nil {
				t.Fatal(err)
			}
			e.wantLog(from, "user.restored "+u.ID)
			e.wantBody(r, body)
			live, ok := e.stored(store.User, u.ID)
			if !ok || live.Version != r.Version || !live.Modified.Equal(r.Modified) || !live.Created.Equal(u.Created) || !live.ArchivedAt.IsZero() || live.Provisional {
				t.Errorf("stored %t: %+v, returned %+v", ok, live, r)
			}
			e.wantBody(live, body)
			if _, ok := e.stored(store.Archived, u.ID); ok {
				t.Error("still in the archive")
			}
			if m := e.members(g.ID); m != "" {
				t.Errorf("members %s", m)
			}
			cs, err := e.store.Changes(t.Context(), tenant, from, 10)
			if err != nil || len(cs) != 1 || cs[0].Actor != "tok" || cs[0].Record == nil || cs[0].Record.Kind != store.User {
				t.Errorf("log %+v (%v)", cs, err)
			}
			_, err = e.d.Restore(t.Context(), e.call(), u.ID)
			wantFailure(t, err, "404")
		}
		for _, f := range []string{`userName eq "ann"`, `emails.value eq "a@x"`} {
			if got := e.find(store.User, f); len(got) != 1 {
				t.Errorf("%s finds %v", f, got)
			}
		}
		// Whoever was inactive is still to be revived by a create.
		b := e.find(store.User, `userName eq "bob"`)[0]
		if r := e.user(`{"userName":"BOB","active":true}`); r.ID != b {
			t.Errorf("created %s beside %s", r.ID, b)
		}
		_, err := e.tryUser(`{"userName":"ANN"}`)
		wantFailure(t, err, "409 uniqueness")
		e.invariants()
	})
}

func TestRestoreNobody(t *testing.T) {
	t.Parallel()
	onStores(t, with{}, func(t *testing.T, e *env) {
		live, purged := e.user(`{"userName":"a"}`), e.user(`{"userName":"b"}`)
		e.delete(store.User, purged.ID)
		if err := e.d.Purge(t.Context(), e.call(), purged.ID); err != nil {
			t.Fatal(err)
		}
		from := e.revision()
		for _, id := range []string{live.ID, purged.ID, "nobody", "", "not an id", "a}b", strings.Repeat("x", 5000)} {
			_, err := e.d.Restore(t.Context(), e.call(), id)
			wantFailure(t, err, "404")
			if strings.Contains(fmt.Sprint(err), strings.Repeat("x", 200)) {
				t.Error("the error repeats a long id")
			}
			_, err = e.d.Archived(t.Context(), id)
			wantFailure(t, err, "404")
			wantFailure(t, e.d.Purge(t.Context(), e.call(), id), "404")
		}
		e.wantLog(from)
	})
}

// What a live user has by now is not taken away, and the answer says which
// attribute it is, but nothing of that user.
func TestRestoreMeetsALiveUser(t *testing.T) {
	t.Parallel()
	const ext = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + extURN + `"],"` + extURN + `"`
	for _, c := range []struct{ name, was, is, attribute string }{
		{"userName", `{"userName":"MARKER","locale":"x"}`, `{"userName":"marker","externalId":"MARKER2","locale":"MARKER3"}`, "userName"},
		{"an extension's unique attribute", `{` + ext + `:{"badge":"MARKER"},"userName":"a"}`, `{` + ext + `:{"badge":"marker"},"userName":"MARKER2"}`, extURN + ":badge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onStores(t, with{allow: []string{"*"}}, func(t *testing.T, e *env) {
				u := e.user(strings.Replace(c.was, `"userName"`, `"externalId":"1","userName"`, 1))
				e.delete(store.User, u.ID)
				other := e.user(c.is)
				if other.ID == u.ID {
					t.Fatal("another person was restored")
				}
				from := e.revision()
				_, err := e.d.Restore(t.Context(), e.call(), u.ID)
				wantFailure(t, err, "409 uniqueness")
				if text := fmt.Sprint(err); strings.Contains(strings.ToLower(text), "marker") || strings.Contains(text, other.ID) || !strings.Contains(text, " "+c.attribute+" ") {
					t.Errorf("error %s", text)
				}
				e.wantLog(from)
				if _, ok := e.stored(store.Archived, u.ID); !ok {
					t.Error("no longer in the archive")
				}
				e.delete(store.User, other.ID)
				if _, err := e.d.Restore(t.Context(), e.call(), u.ID); err != nil {
					t.Error(err)
				}
				e.invariants()
			})
		})
	}
}

// Somebody only known from a group stays so: the create that follows adopts.
func TestRestoreOfAProvisionalUser(t *testing.T) {
	t.Parallel()
	onStores(t, with{}, func(t *testing.T, e *env) {
		e.group(`{"displayName":"g","members":["p1"]}`)
		e.delete(store.User, "p1")
		if _, err := e.d.Restore(t.Context(), e.call(), "p1"); err != nil {
			t.Fatal(err)
		}
		if r, _ := e.stored(store.User, "p1"); !r.Provisional {
			t.Error("no longer provisional")
		}
		if r := e.user(`{"userName":"p","externalId":"p1"}`); r.ID != "p1" {
			t.Errorf("created %s beside p1", r.ID)
		}
		e.invariants()
	})
}

func TestRestoreUnderANarrowerList(t *testing.T) {
	t.Parallel()
	onStores(t, with{allow: []string{"*"}}, func(t *testing.T, e *env) {
		u := e.user(`{"userName":"a","externalId":"1","title":"MARKER","emails":[{"type":"work","value":"m@x"}],"active":false}`)
		e.delete(store.User, u.ID)
		e.reconfigure(with{allow: []string{"userName", "active", "displayName", "members"}, required: []string{"active"}})
		from := e.revision()
		r, err := e.d.Restore(t.Context(), e.call(), u.ID)
		if err != nil {
			t.Fatal(err)
		}
		e.wantBody(r, `{"userName":"a","active":false}`)
		live, _ := e.stored(store.User, u.ID)
		e.wantBody(live, `{"userName":"a","active":false}`)
		cs, err := e.store.Changes(t.Context(), tenant, from, 10)
		if err != nil || len(cs) != 1 || strings.Contains(string(cs[0].Record.Body), "MARKER") {
			t.Errorf("log %+v (%v)", cs, err)
		}
		e.invariants()
		p, err := e.store.Scan(t.Context(), tenant, store.Query{Kind: store.Archived, Key: &store.Key{Index: byExternalID, Value: "1"}})
		if err != nil || p.Total != 0 {
			t.Errorf("%d left in the archive's index (%v)", p.Total, err)
		}
	})
}

func TestRestoreErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		// applied tells whether the commit went through before the error.
		applied bool
		want    string
	}{
		{"a conflict", &store.ConflictError{Kind: store.Archived, ID: "x"}, false, ""},
		{"away", fmt.Errorf("redis: %w", store.ErrUnavailable), false, "503"},
		{"uncertain", fmt.Errorf("redis: %w", store.ErrUncertain), true, "503"},
	} {
		for _, do := range []struct {
			name string
			f    func(e *env, id string) error
		}{
			{"restore", func(e *env, id string) error { _, err := e.d.Restore(e.t.Context(), e.call(), id); return err }},
			{"purge", func(e *env, id string) error { return e.d.Purge(e.t.Context(), e.call(), id) }},
		} {
			t.Run(c.name+", "+do.name, func(t *testing.T) {
				t.Parallel()
				e, s := seeded(t)
				once := func(int, *store.Batch) error {
					e.store.before, e.store.after = nil, nil
					return c.err
				}
				if c.applied {
					e.store.after = once
				} else {
					e.store.before = once
				}
				wantFailure(t, do.f(e, s.archived), c.want)
				if _, ok := e.stored(store.Archived, s.archived); ok == (c.applied || c.want == "") {
					t.Errorf("in the archive: %t", ok)
				}
				e.invariants()
			})
		}
	}
}

// A purge that comes too late leaves in the log what tells of the return.
func TestPurgeLeavesTheReturnInTheLog(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"redact", "commit"} {
		t.Run("before the "+moment, func(t *testing.T) {
			t.Parallel()
			onStores(t, with{}, func(t *testing.T, e *env) {
				u := e.user(`{"userName":"a"}`)
				e.delete(store.User, u.ID)
				rs, err := e.store.Store.Get(t.Context(), tenant, store.Archived, u.ID)
				if err != nil {
					t.Fatal(err)
				}
				back := func() {
					if _, err := e.other(tenant, with{}).Restore(t.Context(), e.call(), u.ID); err != nil {
						t.Error(err)
					}
				}
				if moment == "redact" {
					back()
				} else {
					e.store.before = func(_ int, b *store.Batch) error {
						if b.Events[0].Type == store.UserPurged {
							e.store.before = nil
							back()
						}
						return nil
					}
				}
				if n, err := e.d.purge(t.Context(), e.call(), rs); n != 0 || err != nil {
					t.Errorf("purged %d (%v)", n, err)
				}
				e.wantLog(0, "user.restored "+u.ID)
				e.invariants()
			})
		})
	}
}

// Of everything that wants one archived user at once, one gets it; nobody is
// there twice, half, or under a name that another holds.
func TestRestoreConcurrency(t *testing.T) {
	t.Parallel()
	onStores(t, with{}, func(t *testing.T, e *env) {
		d2 := e.other(tenant, with{})
		e.d.now, d2.now = time.Now, time.Now
		ds := []*Directory{e.d, d2} // as two processes have them
		create := func(d *Directory, body string) (string, error) {
			r, err := d.CreateUser(t.Context(), Call{}, object(t, body))
			return r.ID, err
		}
		for _, c := range []struct {
			name string
			// work maps what is done to the failures that it may meet.
			work map[string]string
		}{
			{"restores", map[string]string{"restore": "404"}},
			{"restores and creates", map[string]string{"restore": "404", "create": "409 uniqueness"}},
			{"restores and purges", map[string]string{"restore": "404", "purge": "404"}},
			{"restores, creates and purges", map[string]string{"restore": "404 409 uniqueness", "create": "409 uniqueness", "purge": "404"}},
			{"restores and creates of another", map[string]string{"restore": "404 409 uniqueness", "another": "409 uniqueness"}},
		} {
			for round := range 6 {
				name := fmt.Sprintf("%s %d", c.name, round)
				id, err := create(e.d, `{"userName":"`+name+`","externalId":"mine","active":true}`)
				if err != nil {
					t.Fatal(err)
				}
				e.delete(store.User, id)
				from := e.revision()
				var mu sync.Mutex
				won := map[string]int{}
				ids := map[string]bool{}
				var wg sync.WaitGroup
				for kind, allowed := range c.work {
					for i := range 6 {
						wg.Go(func() {
							d, got := ds[i%2], id
							var err error
							switch kind {
							case "restore":
								_, err = d.Restore(t.Context(), Call{}, id)
							case "create":
								got, err = create(d, `{"userName":"`+name+`","active":true}`)
							case "another":
								got, err = create(d, `{"userName":"`+name+`","externalId":"theirs","active":true}`)
							case "purge":
								err = d.Purge(t.Context(), Call{}, id)
							}
							mu.Lock()
							defer mu.Unlock()
							switch f := failure(err); {
							case f == "":
								won[kind]++
								if kind != "purge" {
									ids[got] = true
								}
							case !strings.Contains(allowed, f):
								t.Errorf("%s: %s fails with %s (%v)", name, kind, f, err)
							}
						})
					}
				}
				wg.Wait()
				// One got the archived user, unless somebody else took the name first;
				// where it was a purge, a create may have won besides.
				got := won["restore"] + won["purge"]
				if got > 1 || got == 0 && won["create"]+won["another"] != 1 || won["create"] > 1 || won["another"] > 1 || won["restore"]+won["another"] > 1 {
					t.Errorf("%s: won %v", name, won)
				}
				if won["restore"]+won["create"]+won["another"] != len(ids) {
					t.Errorf("%s: won %v, with the ids %v", name, won, ids)
				}
				var restored, purged int
				for _, line := range e.log(from) {
					switch line {
					case "user.restored " + id, "user.restored " + id + ": externalId":
						restored++
					case "user.purged " + id:
						purged++
					}
				}
				_, live := e.stored(store.User, id)
				_, archived := e.stored(store.Archived, id)
				_, erased := e.stored(store.Tombstone, id)
				if live != ids[id] || erased != (won["purge"] == 1) || live && (archived || erased) || archived && erased || !live && !archived && !erased {
					t.Errorf("%s: won %v, live %t, archived %t, erased %t", name, won, live, archived, erased)
				}
				if want := ids[id]; (restored == 1) != want || purged != won["purge"] {
					t.Errorf("%s: restored %d and purged %d times in the log", name, restored, purged)
				}
				if holders := e.find(store.User, `userName eq "`+name+`"`); len(holders) != len(ids) || len(holders) == 1 && !ids[holders[0]] {
					t.Errorf("%s: the userName finds %v of %v", name, holders, ids)
				}
			}
		}
		e.invariants()
	})
}

// A restore and a create for somebody else of the same name meet in the commit.
func TestRestoreMeetsCreate(t *testing.T) {
	t.Parallel()
	onStores(t, with{}, func(t *testing.T, e *env) {
		u := e.user(`{"userName":"a","externalId":"1"}`)
		e.delete(store.User, u.ID)
		e.store.before = func(int, *store.Batch) error {
			e.store.before = nil
			e.user(`{"userName":"A","externalId":"2"}`)
			return nil
		}
		_, err := e.d.Restore(t.Context(), e.call(), u.ID)
		wantFailure(t, err, "409 uniqueness")
		e.invariants()

		v := e.user(`{"userName":"b","externalId":"1"}`)
		e.delete(store.User, v.ID)
		e.store.before = func(int, *store.Batch) error {
			e.store.before = nil
			_, err := e.d.Restore(t.Context(), e.call(), v.ID)
			return err
		}
		_, err = e.d.CreateUser(t.Context(), e.call(), attr.NewObject(
			attr.Member{Name: "userName", Value: attr.Of("B")}, attr.Member{Name: "externalId", Value: attr.Of("2")}))
		wantFailure(t, err, "409 uniqueness")
		e.invariants()
	})
}
