package tenancy

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/report"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// furnish gives a tenant something of everything, and returns a token of it.
func furnish(t *testing.T, n *node, name string) (secret string) {
	t.Helper()
	secret, _ = n.mint(registry.Token{Tenant: name})
	n.mint(registry.Token{Tenant: name, Scope: registry.Read})
	n.user(name, `{"userName":"a"}`)
	n.user(name, `{"userName":"b"}`)
	n.archive(name, 1)
	n.Book().Add(name, time.Now(), report.Entry{Operation: "create", ResourceType: "User", Status: 201})
	if err := n.Book().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return secret
}

// leftOf counts what there is of a tenant, but for its own record.
func leftOf(t *testing.T, s store.Store, name string) (left int) {
	t.Helper()
	for _, k := range []store.Kind{store.User, store.Group, store.Archived, store.Tombstone} {
		left += total(t, s, name, k)
	}
	log, err := s.Changes(t.Context(), name, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	left += len(log)
	for _, k := range []store.Kind{store.Report, store.Sweep, store.Import} {
		rs, err := s.Get(t.Context(), store.SystemTenant, k, name)
		if err != nil {
			t.Fatal(err)
		}
		left += len(rs)
	}
	tokens, err := registry.New(s).CountTokens(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return left + tokens
}

func TestDelete(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n, other := newNode(t, s), newNode(t, s)
		n.create("made", registry.Settings{})
		n.create("kept", registry.Settings{})
		secret, kept := furnish(t, n, "made"), furnish(t, n, "kept")
		other.judgedAs(secret, home, "ok")
		before := leftOf(t, s, "kept")
		if leftOf(t, s, "made") != before || before < 8 {
			t.Fatalf("%d of one and %d of the other", leftOf(t, s, "made"), before)
		}
		n.start()
		synctest.Wait() // the first round is over

		began := time.Now()
		d, err := n.Delete(t.Context(), "made", 0)
		if err != nil || d.Done {
			t.Fatalf("%+v (%v)", d, err)
		}
		n.judgedAs(secret, home, "unknown")
		if tokens := total(t, s, store.SystemTenant, store.Token); tokens != 2 {
			t.Errorf("%d tokens are left", tokens)
		}
		_, err = n.Of(t.Context(), "made")
		want(t, "served", err, registry.ErrDeleting)
		want(t, "made anew", n.Create(t.Context(), "made", registry.Settings{}, false), registry.ErrDeleting)
		want(t, "set", n.Set(t.Context(), "made", registry.Settings{}, nil), registry.ErrDeleting)
		want(t, "paused", n.Pause(t.Context(), "made"), registry.ErrDeleting)
		for _, create := range []bool{false, true} {
			_, _, err = n.Mint(t.Context(), registry.Token{Tenant: "made"}, create)
			want(t, "a token", err, registry.ErrDeleting)
		}
		if e, err := n.Entry(t.Context(), "made"); err != nil || !e.Deleting {
			t.Errorf("listed as %+v (%v)", e, err)
		}
		if _, err := n.Explain(t.Context(), "made"); err != nil {
			t.Errorf("explained: %v", err)
		}
		// The other node still serves what it trusts; nothing is erased before it has learned.
		time.Sleep(freshFor)
		other.judgedAs(secret, home, "unknown")
		if users := total(t, s, "made", store.User); users != 2 {
			t.Errorf("%d users, before every node knows", users)
		}
		d, err = n.Delete(t.Context(), "made", time.Minute)
		if err != nil || !d.Done || d.Erased == 0 {
			t.Fatalf("%+v (%v)", d, err)
		}
		if took := time.Since(began); took != settleFor {
			t.Errorf("it took %v", took)
		}
		if left := leftOf(t, s, "made"); left != 0 {
			t.Errorf("%d are left", left)
		}
		if left := leftOf(t, s, "kept"); left < before {
			t.Errorf("%d are left of the other tenant, of %d", left, before)
		}
		n.judgedAs(kept, home, "ok")
		if d, err = n.Delete(t.Context(), "made", time.Minute); err != nil || !d.Done {
			t.Errorf("once more: %+v (%v)", d, err)
		}
		_, err = n.Of(t.Context(), "made")
		want(t, "served", err, registry.ErrUnknownTenant)
		n.create("made", registry.Settings{})
		if left := leftOf(t, s, "made"); left != 0 {
			t.Errorf("the new one begins with %d", left)
		}
		n.user("made", `{"userName":"a"}`)
		// Not even the last of a deletion touches the new one.
		time.Sleep(3 * time.Hour)
		if users := total(t, s, "made", store.User); users != 1 {
			t.Errorf("the new one has %d users", users)
		}
		if n.log.count("made") == 0 || n.log.count("tenant erased") != 1 || n.seen.failed() {
			t.Error("the log does not tell of the deletion, or housekeeping failed")
		}
	})
}

// After an hour the last of a deletion is erased, with what stragglers wrote.
func TestStragglers(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n := newNode(t, s)
		n.create("made", registry.Settings{})
		directory := n.standing("made").Directory
		n.start()
		if d, err := n.Delete(t.Context(), "made", time.Minute); err != nil || !d.Done {
			t.Fatalf("%+v (%v)", d, err)
		}
		n.standings["made"] = &Standing{Directory: directory, until: time.Now().Add(time.Second)}
		n.user("made", `{"userName":"late"}`)
		put(t, s, store.Report, "made", `{}`)
		time.Sleep(3 * time.Hour)
		if left := leftOf(t, s, "made"); left != 0 {
			t.Errorf("%d are left", left)
		}
		if k := total(t, s, store.SystemTenant, store.Tenant); k != 0 {
			t.Error("its record is left")
		}
		_, err := n.Delete(t.Context(), "made", 0)
		want(t, "once more", err, registry.ErrUnknownTenant)
	})
}

// Where the last of a deletion fails, the next rounds finish it.
func TestStragglersWithoutTheStore(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n := newNode(t, s)
		n.create("made", registry.Settings{})
		n.start()
		if d, err := n.Delete(t.Context(), "made", time.Minute); err != nil || !d.Done {
			t.Fatalf("%+v (%v)", d, err)
		}
		n.store.on(func(call, _ string) error {
			if call == "drop" {
				return store.ErrUnavailable
			}
			return nil
		})
		time.Sleep(3 * time.Hour)
		if !n.seen.failed() || total(t, s, store.SystemTenant, store.Tenant) != 1 {
			t.Error("the failure is not told, or the record is gone")
		}
		n.store.on(nil)
		time.Sleep(3 * time.Hour)
		if total(t, s, store.SystemTenant, store.Tenant) != 0 {
			t.Error("its record is left")
		}
	})
}

// Housekeeping lists tenants and comes to each of them later: one that was made
// anew meanwhile is not the one that was deleted.
func TestMadeAnewWhileARoundIsUnderWay(t *testing.T) {
	for _, erased := range []bool{false, true} {
		t.Run(map[bool]string{false: "listed before it was erased", true: "listed after it was erased"}[erased], func(t *testing.T) {
			timed(t, func(t *testing.T) {
				s := newStore()
				a, b := newNode(t, s), newNode(t, s)
				a.create("made", registry.Settings{})
				listed, err := registry.New(s).Update(t.Context(), "made", func(x *registry.Tenant) error {
					x.Deleted, x.Erased = time.Now().Add(-2*stragglersUntil), erased
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				a.forget("made")
				// Another node finishes it, and the name is taken again.
				if !erased {
					if err := b.erase(t.Context(), listed); err != nil {
						t.Fatal(err)
					}
				}
				b.create("made", registry.Settings{})
				secret := furnish(t, b, "made")
				before := leftOf(t, s, "made")
				if err := a.tend(t.Context(), listed); err != nil {
					t.Fatal(err)
				}
				if left := leftOf(t, s, "made"); left < before {
					t.Errorf("%d are left of the new tenant's %d", left, before)
				}
				a.judgedAs(secret, home, "ok")
			})
		})
	}
}

// The last of a deletion, and somebody who wants the name: whoever is second
// waits.
func TestNameIsNotFreeWhileTheLastIsErased(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		a, b := newNode(t, s), newNode(t, s)
		a.create("made", registry.Settings{})
		rec, err := registry.New(s).Update(t.Context(), "made", func(x *registry.Tenant) error {
			x.Deleted, x.Erased = time.Now().Add(-2*stragglersUntil), true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		a.store.on(func(call, _ string) error {
			if call == "drop" {
				want(t, "made anew", b.Create(t.Context(), "made", registry.Settings{}, false), registry.ErrDeleting)
			}
			return nil
		})
		if err := a.erase(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		b.create("made", registry.Settings{})
	})
}

func TestDeleteRefusals(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n := newNode(t, s)
		furnish(t, n, "acme")
		before := leftOf(t, s, "acme")
		for _, c := range []struct {
			name string
			is   error
		}{
			{"acme", registry.ErrInvalid}, {"nobody", registry.ErrUnknownTenant},
			{store.SystemTenant, registry.ErrInvalid}, {"", registry.ErrInvalid}, {"No", registry.ErrInvalid}, {strings.Repeat("a", 64), registry.ErrInvalid},
		} {
			_, err := n.Delete(t.Context(), c.name, time.Minute)
			want(t, c.name, err, c.is)
		}
		if left := leftOf(t, s, "acme"); left != before {
			t.Errorf("%d of %d are left", left, before)
		}
		if k := total(t, s, store.SystemTenant, store.Tenant); k != 0 {
			t.Errorf("%d records of tenants", k)
		}
		// Where nobody carries it out, it says so after the time.
		n.create("made", registry.Settings{})
		began := time.Now()
		if d, err := n.Delete(t.Context(), "made", time.Minute); err != nil || d.Done || time.Since(began) != time.Minute {
			t.Errorf("%+v after %v (%v)", d, time.Since(began), err)
		}
	})
}

// What the configuration no longer declares is deleted by its name.
func TestDeleteWhatIsNoLongerConfigured(t *testing.T) {
	for what, furnish := range map[string]func(t *testing.T, n *node){
		"everything": func(t *testing.T, n *node) { furnish(t, n, "acme") },
		"users":      func(_ *testing.T, n *node) { n.user("acme", `{"userName":"a"}`) },
		"a token":    func(_ *testing.T, n *node) { n.mint(registry.Token{Tenant: "acme"}) },
		"an archive": func(_ *testing.T, n *node) { n.archive("acme", 1) },
		"settings": func(t *testing.T, n *node) {
			if err := n.Pause(t.Context(), "acme"); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			timed(t, func(t *testing.T) {
				s := newStore()
				furnish(t, newNode(t, s))
				n := newNode(t, s, declares())
				n.start()
				d, err := n.Delete(t.Context(), "acme", time.Minute)
				if left := leftOf(t, s, "acme"); err != nil || !d.Done || left != 0 {
					t.Errorf("%+v, %d are left (%v)", d, left, err)
				}
				// Declared again, it is a new one at once.
				again := newNode(t, s)
				again.judgedAs(static, home, "ok")
				again.user("acme", `{"userName":"a"}`)
				if err := again.Set(t.Context(), "acme", registry.Settings{Members: "ignore"}, nil); err != nil {
					t.Error(err)
				}
				if got := again.standing("acme"); got.Paused || got.Settings.Members != "ignore" {
					t.Errorf("it stands as %+v", got)
				}
				time.Sleep(3 * time.Hour)
				if users := total(t, s, "acme", store.User); users != 1 {
					t.Errorf("%d users", users)
				}
			})
		})
	}
}

// A deletion that fails in the middle, wherever that is, is finished by another
// node that starts.
func TestDeleteFailsInTheMiddle(t *testing.T) {
	for _, where := range []string{"scan token", "commit token", "get report", "commit report", "drop", "get import", "commit tenant"} {
		t.Run(where, func(t *testing.T) {
			timed(t, func(t *testing.T) {
				s := newStore()
				a := newNode(t, s)
				a.create("made", registry.Settings{})
				secret := furnish(t, a, "made")
				stop := a.start()
				synctest.Wait()
				begun := false
				a.store.on(func(call, tenant string) error {
					// The deletion has begun with the first of these.
					if call == "commit tenant" && !begun {
						begun = true
						return nil
					}
					if begun && call == where {
						return store.ErrUnavailable
					}
					return nil
				})
				d, err := a.Delete(t.Context(), "made", time.Minute)
				if d.Done || err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("%+v (%v)", d, err)
				}
				time.Sleep(10 * time.Second)
				a.judgedAs(secret, home, "unknown")
				if a.log.count("could not be looked after") == 0 {
					t.Error("the log does not tell of it")
				}
				stop()
				b := newNode(t, s)
				b.start()
				time.Sleep(settleFor)
				synctest.Wait()
				if left := leftOf(t, s, "made"); left != 0 {
					t.Errorf("%d are left", left)
				}
				if d, err := b.Delete(t.Context(), "made", time.Minute); err != nil || !d.Done {
					t.Errorf("once more: %+v (%v)", d, err)
				}
				b.create("made", registry.Settings{})
			})
		})
	}
}
