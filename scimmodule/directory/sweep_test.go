package directory

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// dump is everything of the tenant that could hold a value, as text.
func (e *env) dump() string {
	e.t.Helper()
	var b strings.Builder
	for _, k := range []store.Kind{store.User, store.Group, store.Archived, store.Tombstone} {
		p, err := e.store.Store.Scan(e.t.Context(), tenant, store.Query{Kind: k, Limit: 10_000})
		if err != nil {
			e.t.Fatal(err)
		}
		for _, r := range p.Records {
			b.WriteString(string(k) + " " + string(r.Body) + "\n")
		}
	}
	cs, err := e.store.Changes(e.t.Context(), tenant, 0, 10_000)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, c := range cs {
		if c.Record != nil {
			b.WriteString(string(c.Type) + " " + string(c.Record.Body) + "\n")
		}
	}
	return b.String()
}

// under returns the ids that the store has under a key of an index.
func (e *env) under(k store.Kind, key store.Key) []string {
	e.t.Helper()
	p, err := e.store.Store.Scan(e.t.Context(), tenant, store.Query{Kind: k, Key: &key, Limit: 100})
	if err != nil {
		e.t.Fatal(err)
	}
	var ids []string
	for _, r := range p.Records {
		ids = append(ids, r.ID)
	}
	return ids
}

const full = `{"userName":"a","externalId":"MARKER-x","title":"MARKER","name":{"givenName":"g","formatted":"MARKER"},` +
	`"emails":[{"type":"work","value":"w@x"},{"type":"home","value":"MARKER@home"}],"` + extURN + `":{"badge":"MARKER-b","level":1}}`

const narrowBody = `{"userName":"a","name":{"givenName":"g"},"emails":[{"type":"work","value":"w@x"}]}`

var narrowList = []string{`userName`, `active`, `name.givenName`, `emails[type eq "work"].value`, "urn:ietf:params:scim:schemas:core:2.0:Group:displayName", "members"}

// A list that was narrowed holds at once for what is read, found, sorted and
// changed, and after a sweep for what is stored.
func TestNarrowedList(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	u := e.user(full)
	gone := e.user(strings.ReplaceAll(strings.ReplaceAll(full, `"a"`, `"b"`), "MARKER", "MARKER2"))
	g := e.group(`{"displayName":"g","externalId":"MARKER","members":["` + u.ID + `"]}`)
	e.delete(store.User, gone.ID)
	e.reconfigure(with{allow: narrowList})

	t.Run("before the sweep", func(t *testing.T) {
		r, err := e.d.Get(t.Context(), store.User, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		e.wantBody(r, narrowBody)
		_, a := e.ids(Query{Kinds: []store.Kind{store.User, store.Group}})
		for _, r := range a.Records {
			if strings.Contains(string(r.Body), "MARKER") {
				t.Errorf("a list answers %s", r.Body)
			}
		}
		for _, f := range []string{`emails.value eq "MARKER@home"`, `emails[value eq "marker@home"]`, `emails.value co "MARKER"`, `emails eq "marker@home" and userName pr`} {
			if got := e.find(store.User, f); len(got) > 0 {
				t.Errorf("%s finds what is no longer kept", f)
			}
		}
		if got := e.find(store.User, `emails.value eq "W@x"`); len(got) != 1 {
			t.Errorf("what is kept is found as %v", got)
		}
		_, err = e.d.Query(t.Context(), Query{Kinds: []store.Kind{store.User}, Filter: parse(t, `externalId eq "MARKER-x"`)})
		wantFailure(t, err, "400 invalidFilter")
		_, err = e.d.Query(t.Context(), Query{Kinds: []store.Kind{store.User}, SortBy: "title"})
		wantFailure(t, err, "400 invalidPath")
	})
	n, err := e.d.Sweep(t.Context(), e.call())
	if err != nil || n != 3 {
		t.Fatalf("swept %d (%v), want 3", n, err)
	}
	t.Run("after the sweep", func(t *testing.T) {
		if d := e.dump(); strings.Contains(d, "MARKER") {
			t.Errorf("still stored:\n%s", d)
		}
		r, _ := e.stored(store.User, u.ID)
		e.wantBody(r, narrowBody)
		if r.Allow != e.d.set.Views.Fingerprint || !r.Created.Equal(u.Created) {
			t.Errorf("record %+v", r)
		}
		for _, x := range []struct {
			kind store.Kind
			key  store.Key
			want int
		}{
			{store.User, folded(byEmail, "marker@home"), 0}, {store.User, folded(byEmail, "w@x"), 1},
			{store.User, exact(byExternalID, "MARKER-x"), 0}, {store.Group, exact(byExternalID, "MARKER"), 0},
			{store.Archived, exact(byExternalID, "MARKER2-x"), 0}, {store.Archived, folded(byUserName, "b"), 1},
		} {
			if got := e.under(x.kind, x.key); len(got) != x.want {
				t.Errorf("%s index %s: %v", x.kind, x.key.Index, got)
			}
		}
		if e.members(g.ID) != u.ID {
			t.Error("the membership is gone")
		}
		if r, ok := e.stored(store.Archived, gone.ID); !ok || r.ArchivedAt.IsZero() {
			t.Error("the archived user is not in the archive any more")
		}
	})
	from := e.revision()
	if n, err := e.d.Sweep(t.Context(), e.call()); n != 0 || err != nil || e.revision() != from {
		t.Errorf("swept again: %d (%v)", n, err)
	}
	// A badge that is not kept is free.
	e.reconfigure(with{allow: []string{"*"}})
	e.user(`{"userName":"c","` + extURN + `":{"badge":"marker-B"}}`)
	// The archived one comes back as what is left.
	if r := e.user(`{"userName":"b"}`); r.ID != gone.ID {
		t.Errorf("restored as %s", r.ID)
	}
}

// A change of a record under a narrower list takes what is not kept along.
func TestChangeNarrows(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	u := e.user(full)
	e.reconfigure(with{allow: narrowList})
	from := e.revision()
	e.patch(store.User, u.ID, `[{"op":"replace","path":"name.givenName","value":"h"}]`)
	e.wantLog(from, "user.updated "+u.ID+": name")
	r, _ := e.stored(store.User, u.ID)
	e.wantBody(r, strings.Replace(narrowBody, `"g"`, `"h"`, 1))
	for _, key := range []store.Key{folded(byEmail, "marker@home"), exact(byExternalID, "MARKER-x")} {
		if got := e.under(store.User, key); len(got) > 0 {
			t.Errorf("index %s: %v", key.Index, got)
		}
	}
	e.reconfigure(with{allow: []string{"*"}})
	e.user(`{"userName":"b","` + extURN + `":{"badge":"marker-b"}}`) // its claim was released
}

// A record under a narrower list is archived, restored and deleted with all of
// its keys.
func TestNarrowedListLeavesNoKeys(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	u := e.user(full)
	g := e.group(`{"displayName":"g","externalId":"MARKER"}`)
	e.reconfigure(with{allow: narrowList})
	e.delete(store.User, u.ID)
	e.delete(store.Group, g.ID)
	for _, x := range []struct {
		kind store.Kind
		key  store.Key
	}{
		{store.User, folded(byEmail, "marker@home")}, {store.User, folded(byEmail, "w@x")}, {store.User, exact(byExternalID, "MARKER-x")},
		{store.Archived, exact(byExternalID, "MARKER-x")}, {store.Group, exact(byExternalID, "MARKER")},
	} {
		if got := e.under(x.kind, x.key); len(got) > 0 {
			t.Errorf("%s index %s: %v", x.kind, x.key.Index, got)
		}
	}
	if r := e.user(`{"userName":"a"}`); r.ID != u.ID {
		t.Error("not restored")
	}
	e.reconfigure(with{allow: []string{"*"}})
	e.user(`{"userName":"b","` + extURN + `":{"badge":"marker-b"}}`)
}

func TestWidenedList(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: narrowList})
	u := e.user(full)
	e.reconfigure(with{allow: []string{"*"}})
	from := e.revision()
	if n, err := e.d.Sweep(t.Context(), e.call()); n != 0 || err != nil {
		t.Errorf("swept %d (%v)", n, err)
	}
	e.wantLog(from)
	r, err := e.d.Get(t.Context(), store.User, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.wantBody(r, narrowBody)
}

func TestSweepIsRepeatedDaily(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: narrowList})
	if _, err := e.d.Sweep(t.Context(), e.call()); err != nil {
		t.Fatal(err)
	}
	// Another node still has the wider list, and writes under it.
	e.reconfigure(with{allow: []string{"*"}})
	e.user(full)
	e.reconfigure(with{allow: narrowList})
	if n, err := e.d.Sweep(t.Context(), e.call()); n != 0 || err != nil {
		t.Errorf("swept %d (%v) within the day", n, err)
	}
	e.clock = e.clock.Add(25 * time.Hour)
	if n, err := e.d.Sweep(t.Context(), e.call()); n != 1 || err != nil || strings.Contains(e.dump(), "MARKER") {
		t.Errorf("swept %d (%v) a day later", n, err)
	}
}

// A sweep that fails is not marked as done.
func TestSweepFails(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	e.user(full)
	e.reconfigure(with{allow: narrowList})
	e.store.before = func(int, *store.Batch) error { return store.ErrUnavailable }
	if _, err := e.d.Sweep(t.Context(), e.call()); err == nil {
		t.Fatal("no error")
	}
	e.store.before = nil
	if n, err := e.d.Sweep(t.Context(), e.call()); n != 1 || err != nil {
		t.Errorf("swept %d (%v)", n, err)
	}
}

// A user who was changed while the sweep was at it: the change narrowed it.
func TestSweepMeetsAChange(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	u := e.user(full)
	e.reconfigure(with{allow: narrowList})
	e.store.before = func(_ int, b *store.Batch) error {
		e.store.before = nil
		e.patch(store.User, u.ID, `[{"op":"replace","path":"name.givenName","value":"new"}]`)
		return nil
	}
	if _, err := e.d.Sweep(t.Context(), e.call()); err != nil {
		t.Fatal(err)
	}
	r, _ := e.stored(store.User, u.ID)
	e.wantBody(r, strings.Replace(narrowBody, `"g"`, `"new"`, 1))
	if strings.Contains(e.dump(), "MARKER") {
		t.Error("still stored")
	}
}
