package tenancy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	s := newStore()
	n := newNode(t, s)
	n.create("made", registry.Settings{Members: "ignore"})
	want(t, "one that there is", n.Create(t.Context(), "made", registry.Settings{}, false), registry.ErrExists)
	want(t, "one of the configuration", n.Create(t.Context(), "acme", registry.Settings{}, false), registry.ErrExists)
	for _, name := range []string{"", "Made", store.SystemTenant, "a/b", strings.Repeat("a", 64)} {
		want(t, fmt.Sprintf("%q", name), n.Create(t.Context(), name, registry.Settings{}, false), registry.ErrInvalid)
	}
	put(t, s, store.Tenant, "going", `{"deleted":"2024-01-01T00:00:00Z"}`)
	want(t, "one that is being deleted", n.Create(t.Context(), "going", registry.Settings{}, false), registry.ErrDeleting)
	n.store.on(func(call, _ string) error {
		if call == "commit tenant" {
			return store.ErrUnavailable
		}
		return nil
	})
	want(t, "the store is away", n.Create(t.Context(), "other", registry.Settings{}, false), store.ErrUnavailable)
	n.store.on(nil)
	if s := n.standing("made"); s.Settings.Members != "ignore" || s.Paused {
		t.Errorf("made with %+v", s.Settings)
	}
	if err := n.Create(t.Context(), "other", registry.Settings{}, false); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"nobody", "going"} {
		_, err := n.Of(t.Context(), name)
		want(t, name, err, registry.ErrUnknownTenant, registry.ErrDeleting)
	}
}

// A tenant that was erased may be made again, and begins with nothing of what a
// straggler wrote.
func TestCreateAfterErasure(t *testing.T) {
	t.Parallel()
	for _, failing := range []bool{false, true} {
		t.Run(fmt.Sprintf("store fails %t", failing), func(t *testing.T) {
			t.Parallel()
			s := newStore()
			n := newNode(t, s)
			n.create("made", registry.Settings{Members: "ignore"})
			n.user("made", `{"userName":"straggler"}`)
			put(t, s, store.Report, "made", `{}`)
			if _, err := registry.New(s).Update(t.Context(), "made", func(x *registry.Tenant) error {
				x.Deleted, x.Erased, x.Paused = time.Now(), true, true
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			n.forget("made")
			_, err := n.Of(t.Context(), "made")
			want(t, "erased", err, registry.ErrUnknownTenant)
			_, err = n.Entry(t.Context(), "made")
			want(t, "erased, in the list", err, registry.ErrUnknownTenant)
			if failing {
				n.store.on(func(call, _ string) error {
					if call == "drop" {
						return store.ErrUnavailable
					}
					return nil
				})
				want(t, "the store is away", n.Create(t.Context(), "made", registry.Settings{}, false), store.ErrUnavailable)
				_, err = n.Of(t.Context(), "made")
				want(t, "not made", err, registry.ErrUnknownTenant)
				n.store.on(nil)
			}
			began := time.Now().Add(-time.Millisecond)
			n.create("made", registry.Settings{})
			if s := n.standing("made"); s.Paused || s.Settings.Members != "create" {
				t.Errorf("it has something of the tenant before: %+v", s)
			}
			if e, err := n.Entry(t.Context(), "made"); err != nil || e.Created.Before(began) || e.Deleting {
				t.Errorf("listed as %+v (%v)", e, err)
			}
			if users := total(t, s, "made", store.User); users != 0 {
				t.Errorf("%d users of a straggler", users)
			}
			if reports := total(t, s, store.SystemTenant, store.Report); reports != 0 {
				t.Error("the report of the tenant before is the new one's")
			}
		})
	}
}

func TestPause(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		list := declares(Tenant{Name: "acme", Tokens: []string{static}}, Tenant{Name: "halted", Paused: true})
		a, b := newNode(t, s, list), newNode(t, s, list)
		b.standing("acme")
		if err := a.Pause(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		// A token of a paused tenant is valid: that it is paused is said after.
		a.judgedAs(static, home, "ok")
		if !a.standing("acme").Paused {
			t.Error("not paused at once")
		}
		time.Sleep(freshFor)
		if !b.standing("acme").Paused {
			t.Errorf("not paused on the other node after %v", freshFor)
		}
		for range 2 {
			if err := b.Resume(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(freshFor)
		if a.standing("acme").Paused || b.standing("acme").Paused {
			t.Error("still paused")
		}
		if !a.standing("halted").Paused {
			t.Error("the configuration pauses it, and it is not paused")
		}
		want(t, "the end of a pause of the configuration", a.Resume(t.Context(), "halted"), registry.ErrInvalid)
		if err := a.Pause(t.Context(), "halted"); err != nil || !a.standing("halted").Paused {
			t.Errorf("paused twice: %v", err)
		}
		// What run time said holds where the configuration no longer pauses it.
		if c := newNode(t, s, declares(Tenant{Name: "halted"})); !c.standing("halted").Paused {
			t.Error("the pause of run time has ended")
		}
		for _, f := range []func() error{
			func() error { return a.Pause(t.Context(), "nobody") },
			func() error { return a.Resume(t.Context(), "nobody") },
		} {
			want(t, "a tenant that there is not", f(), registry.ErrUnknownTenant)
		}
	})
}

func TestEntries(t *testing.T) {
	t.Parallel()
	s := newStore()
	var declared []Tenant
	for i := range 10 {
		declared = append(declared, Tenant{Name: fmt.Sprintf("t%02d", 3*i), Paused: i == 1})
	}
	n := newNode(t, s, declares(declared...))
	for i := range 10 {
		if i%3 != 0 {
			n.create(fmt.Sprintf("t%02d", i), registry.Settings{})
		}
	}
	for _, name := range []string{"t00", "t01"} {
		if err := n.Pause(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, store.Tenant, "t50", `{"deleted":"2024-01-01T00:00:00Z"}`)
	put(t, s, store.Tenant, "t51", `{"deleted":"2024-01-01T00:00:00Z","erased":true}`)
	whole, next, err := n.Entries(t.Context(), "", 1000)
	if err != nil || next != "" {
		t.Fatalf("next %q (%v)", next, err)
	}
	var names []string
	for _, e := range whole {
		names = append(names, e.Name)
		var i int
		_, _ = fmt.Sscanf(e.Name, "t%d", &i)
		if e.Configured != (i%3 == 0 && i < 30) || e.Paused != (i == 0 || i == 1 || i == 3) || e.Deleting != (i == 50) || e.Created.IsZero() != (i%3 == 0 && i > 0 || i == 50) {
			t.Errorf("%+v", e)
		}
		one, err := n.Entry(t.Context(), e.Name)
		if diff := cmp.Diff(e, one); diff != "" || err != nil {
			t.Errorf("alone (-want +got, %v):\n%s", err, diff)
		}
	}
	if len(names) != 17 || !slices.IsSorted(names) {
		t.Errorf("%v", names)
	}
	for _, limit := range []int{1, 2, 3, 5} {
		var got []Entry
		for after := ""; ; {
			list, next, err := n.Entries(t.Context(), after, limit)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, list...)
			if after = next; after == "" {
				break
			}
		}
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Errorf("%d at a time (-want +got):\n%s", limit, diff)
		}
	}
	for _, name := range []string{"t51", "nobody", ""} {
		_, err := n.Entry(t.Context(), name)
		want(t, name, err, registry.ErrUnknownTenant)
	}
}

// While an import is under way into a tenant, nobody else changes or serves it.
func TestImporting(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n := newNode(t, s)
		importing(t, s, "acme")
		importing(t, s, "fresh")
		_, err := n.Of(t.Context(), "acme")
		want(t, "served", err, ErrImporting)
		n.judgedAs(static, home, "unavailable")
		want(t, "set", n.Set(t.Context(), "acme", registry.Settings{Members: "ignore"}, nil), ErrImporting)
		want(t, "paused", n.Pause(t.Context(), "acme"), ErrImporting)
		want(t, "resumed", n.Resume(t.Context(), "acme"), ErrImporting)
		_, _, err = n.Mint(t.Context(), registry.Token{Tenant: "acme"}, false)
		want(t, "a token", err, ErrImporting)
		want(t, "created", n.Create(t.Context(), "fresh", registry.Settings{}, false), registry.ErrExists)
		_, _, err = n.Mint(t.Context(), registry.Token{Tenant: "fresh"}, true)
		want(t, "created with a token", err, registry.ErrExists)
		if k := total(t, s, store.SystemTenant, store.Tenant) + total(t, s, store.SystemTenant, store.Token); k != 0 {
			t.Errorf("%d records were written", k)
		}
		// Housekeeping leaves it alone, and does not fail.
		n.start()
		time.Sleep(time.Minute)
		if _, rounds, _ := n.seen.told(); rounds == 0 || n.seen.failed() {
			t.Errorf("%d rounds, one of which failed", rounds)
		}
		// A deletion ends the import.
		d, err := n.Delete(t.Context(), "fresh", time.Minute)
		if err != nil || !d.Done || total(t, s, store.SystemTenant, store.Import) != 1 {
			t.Errorf("deleted: %+v (%v)", d, err)
		}
		n.create("fresh", registry.Settings{})
	})
}

// Nobody gets the users of an earlier tenant of the name without asking for them.
func TestCreateOverLeavings(t *testing.T) {
	t.Parallel()
	s := newStore()
	earlier := newNode(t, s)
	secret, _ := earlier.mint(registry.Token{Tenant: "acme"})
	earlier.user("acme", `{"userName":"a"}`)
	n := newNode(t, s, declares())
	err := n.Create(t.Context(), "acme", registry.Settings{}, false)
	want(t, "made over what is left", err, registry.ErrExists)
	_, _, err = n.Mint(t.Context(), registry.Token{Tenant: "acme"}, true)
	want(t, "made with a token", err, registry.ErrExists)
	n.judgedAs(secret, home, "unknown")
	if err := n.Create(t.Context(), "acme", registry.Settings{}, true); err != nil {
		t.Fatal(err)
	}
	n.judgedAs(secret, home, "ok")
	if users := total(t, s, "acme", store.User); users != 1 {
		t.Errorf("%d users", users)
	}
	// With a token for one that there is, nothing is made.
	if _, _, err := n.Mint(t.Context(), registry.Token{Tenant: "acme"}, true); err != nil {
		t.Error(err)
	}
}
