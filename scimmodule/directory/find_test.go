package directory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// found lists matches: "state by id".
func (e *env) found(k store.Kind, key string) []string {
	e.t.Helper()
	fs, err := e.d.Find(e.t.Context(), k, key)
	if err != nil {
		e.t.Fatal(err)
	}
	var out []string
	for _, f := range fs {
		out = append(out, string(f.State)+" "+f.By+" "+f.Record.ID)
	}
	return out
}

func TestFind(t *testing.T) {
	t.Parallel()
	onStores(t, with{set: Settings{DuplicateGroupNames: true}}, func(t *testing.T, e *env) {
		long := strings.Repeat("Ä", 600)
		ann := e.user(`{"userName":"Ann@x","externalId":"E"}`).ID
		same := e.user(`{"userName":"E","externalId":"E"}`).ID
		old := e.user(`{"userName":"ANN@X2","externalId":"E"}`).ID
		e.delete(store.User, old)
		older := e.user(`{"userName":"both","externalId":"both"}`).ID
		e.delete(store.User, older)
		young := e.user(`{"userName":"Both","externalId":"other"}`).ID
		gone := e.user(`{"userName":"gone","externalId":"gone"}`).ID
		e.delete(store.User, gone)
		if err := e.d.Purge(t.Context(), e.call(), gone); err != nil {
			t.Fatal(err)
		}
		huge := e.user(`{"userName":"` + long + `"}`).ID
		g1 := e.group(`{"displayName":"Sales","externalId":"E","members":["p1"]}`).ID
		g2 := e.group(`{"displayName":"sales"}`).ID
		dead := e.group(`{"displayName":"Sales"}`).ID
		e.delete(store.Group, dead)
		for _, c := range []struct {
			name string
			kind store.Kind
			key  string
			want []string
		}{
			{"by id", store.User, ann, []string{"live id " + ann}},
			{"by userName, in any case", store.User, "aNN@x", []string{"live userName " + ann}},
			{"userName and externalId, each once", store.User, "E", []string{"live userName " + same, "live externalId " + ann, "archived externalId " + old}},
			{"an externalId in another case", store.User, "e", []string{"live userName " + same}},
			{"an archived id", store.User, old, []string{"archived id " + old}},
			{"an archived userName", store.User, "ann@x2", []string{"archived userName " + old}},
			{"live first", store.User, "both", []string{"live userName " + young, "archived userName " + older}},
			{"a purged id", store.User, gone, []string{"erased id " + gone}},
			{"a purged name", store.User, "gone", nil},
			{"a provisional user", store.User, "p1", []string{"live id p1"}},
			{"a long userName", store.User, strings.ToLower(long), []string{"live userName " + huge}},
			{"a longer one", store.User, long + "x", nil},
			{"a group's id among users", store.User, g1, nil},
			{"groups by name", store.Group, "SALES", []string{"live displayName " + g1, "live displayName " + g2}},
			{"a group by id", store.Group, g2, []string{"live id " + g2}},
			{"a group by externalId", store.Group, "E", []string{"live externalId " + g1}},
			{"a deleted group", store.Group, dead, []string{"erased id " + dead}},
			{"a user's name among groups", store.Group, "ann@x", nil},
			{"nothing", store.User, "", nil},
			{"nothing among groups", store.Group, "", nil},
			{"no id", store.User, "a}b{c *", nil},
			{"control characters", store.User, "a\x00\n", nil},
			{"no text", store.Group, "\xff\xfe", nil},
			{"very long", store.User, strings.Repeat("x", 1<<20), nil},
			{"a part", store.User, "ann", nil},
		} {
			t.Run(c.name, func(t *testing.T) {
				if diff := cmp.Diff(c.want, e.found(c.kind, c.key)); diff != "" {
					t.Errorf("found (-want +got):\n%s", diff)
				}
			})
		}
		fs, err := e.d.Find(t.Context(), store.User, gone)
		if err != nil || len(fs) != 1 || fs[0].Record.Modified.IsZero() || len(fs[0].Record.Body) > 0 {
			t.Errorf("erased: %+v (%v)", fs, err)
		}
		fs, err = e.d.Find(t.Context(), store.User, "ANN@X")
		if err != nil || len(fs) != 1 {
			t.Fatalf("found %+v (%v)", fs, err)
		}
		e.wantBody(fs[0].Record, `{"userName":"Ann@x","externalId":"E"}`)
	})
}

// What an allow list no longer keeps is neither shown nor found by.
func TestFindUnderANarrowerList(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"a","externalId":"SECRET"}`)
	v := e.user(`{"userName":"b","externalId":"SECRET"}`)
	e.delete(store.User, v.ID)
	e.reconfigure(with{allow: []string{"userName", "active", "displayName", "members"}})
	if got := e.found(store.User, "SECRET"); got != nil {
		t.Errorf("found %v", got)
	}
	for _, key := range []string{u.ID, "a", v.ID, "b"} {
		fs, err := e.d.Find(t.Context(), store.User, key)
		if err != nil || len(fs) != 1 || strings.Contains(string(fs[0].Record.Body), "SECRET") {
			t.Errorf("%s: found %+v (%v)", key, fs, err)
		}
	}
	p, err := e.d.Archive(t.Context(), ArchiveQuery{Limit: 10, ExternalID: "SECRET"})
	if err != nil || p.Total+len(p.Records) != 0 {
		t.Errorf("the archive has %+v (%v)", p, err)
	}
	p, err = e.d.Archive(t.Context(), ArchiveQuery{Limit: 10})
	if err != nil || len(p.Records) != 1 {
		t.Fatalf("the archive has %+v (%v)", p, err)
	}
	e.wantBody(p.Records[0], `{"userName":"b"}`)
	r, err := e.d.Archived(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.wantBody(r, `{"userName":"b"}`)
}

func TestFindIsBounded(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	last := e.user(`{"userName":"same","externalId":"x"}`)
	for i := range MaxFound + 5 {
		u := e.user(fmt.Sprintf(`{"userName":"u%d","externalId":"same"}`, i))
		if i%2 == 0 {
			e.delete(store.User, u.ID)
		}
	}
	got := e.found(store.User, "same")
	if len(got) != MaxFound || got[0] != "live userName "+last.ID {
		t.Errorf("%d found, first %s", len(got), got[0])
	}
	live := 0
	for i, f := range got {
		if strings.HasPrefix(f, "live ") {
			if live++; i != live-1 {
				t.Errorf("%s at %d", f, i)
			}
		}
	}
	if want := (MaxFound+5)/2 + 1; live != want {
		t.Errorf("%d live, want %d", live, want)
	}
}

// A user who is archived between two look-ups is there once, and one who gets
// another name in between is not found by the old one.
func TestFindMeetsChanges(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"a"}`)
	e.store.reading = func(call string) error {
		if call == "scan" {
			e.store.reading = nil
			e.delete(store.User, u.ID)
		}
		return nil
	}
	if diff := cmp.Diff([]string{"live userName " + u.ID}, e.found(store.User, "a")); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	v := e.user(`{"userName":"b"}`)
	looked := false
	e.store.reading = func(call string) error {
		if looked = looked || call == "lookup"; looked && call == "get" {
			e.store.reading = nil
			e.put(store.User, v.ID, `{"userName":"c"}`)
		}
		return nil
	}
	if got := e.found(store.User, "b"); got != nil {
		t.Errorf("found %v", got)
	}
}
