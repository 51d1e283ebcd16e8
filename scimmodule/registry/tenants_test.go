package registry

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func TestUpdate(t *testing.T) {
	t.Parallel()
	r := New(newSpy())
	none, err := r.Tenant(t.Context(), "acme")
	if err != nil || none.Live() || none.Name != "acme" || !none.Deleted.IsZero() {
		t.Fatalf("a tenant that there is not: %+v (%v)", none, err)
	}
	made, err := r.Update(t.Context(), "acme", func(x *Tenant) error {
		if diff := cmp.Diff(none, *x, exact); diff != "" {
			t.Errorf("what is changed (-want +got):\n%s", diff)
		}
		x.Settings, x.Paused = full(), true
		return nil
	})
	if err != nil || !made.Live() || made.Created.IsZero() || made.Same(none) {
		t.Fatalf("made %+v (%v)", made, err)
	}
	read, err := r.Tenant(t.Context(), "acme")
	if diff := cmp.Diff(made, read, exact); diff != "" || err != nil || !read.Same(made) {
		t.Errorf("read (-want +got, %v):\n%s", err, diff)
	}
	changed, err := r.Update(t.Context(), "acme", func(x *Tenant) error {
		x.Settings, x.Deleted, x.Erased = Settings{Required: []string{}}, time.Date(2024, 1, 2, 3, 4, 5, 6e6, time.UTC), true
		return nil
	})
	if err != nil || changed.Live() || changed.Same(made) || !changed.Created.Equal(made.Created) {
		t.Errorf("changed %+v (%v)", changed, err)
	}
	read, err = r.Tenant(t.Context(), "acme")
	if diff := cmp.Diff(changed, read, exact); diff != "" || err != nil {
		t.Errorf("read again (-want +got, %v):\n%s", err, diff)
	}
	if err := r.Remove(t.Context(), made); err != nil {
		t.Errorf("a record that has changed: %v", err)
	}
	if read, err = r.Tenant(t.Context(), "acme"); !read.Erased || err != nil {
		t.Error("a record that has changed was removed")
	}
	for range 2 {
		if err := r.Remove(t.Context(), read); err != nil {
			t.Error(err)
		}
	}
	if read, err = r.Tenant(t.Context(), "acme"); read.version != 0 || err != nil {
		t.Errorf("removed, and still %+v (%v)", read, err)
	}
}

func TestUpdateErrors(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		hook func(s *spy)
		f    func(x *Tenant) error
		want error
	}{
		{"of the change", nil, func(*Tenant) error { return boom }, boom},
		{"settings that cannot be", nil, func(x *Tenant) error { x.Settings.Allow = []string{}; return nil }, ErrInvalid},
		{"the store is away for the look", func(s *spy) { s.fail(store.ErrUnavailable) }, nil, store.ErrUnavailable},
		{"the store is away for the commit", func(s *spy) { s.onCommit(func(*store.Batch) error { return store.ErrUnavailable }) }, nil, store.ErrUnavailable},
		{"the store does not say", func(s *spy) { s.onCommit(func(*store.Batch) error { return store.ErrUncertain }) }, nil, store.ErrUncertain},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSpy()
			if c.hook != nil {
				c.hook(s)
			}
			f := c.f
			if f == nil {
				f = func(*Tenant) error { return nil }
			}
			if _, err := New(s).Update(t.Context(), "acme", f); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			s.fail(nil)
			if x, err := New(s).Tenant(t.Context(), "acme"); x.Live() || err != nil {
				t.Errorf("it was written: %+v (%v)", x, err)
			}
		})
	}
}

// A change that meets another's is made again, upon what the other wrote.
func TestUpdateMeetsAnother(t *testing.T) {
	t.Parallel()
	s := newSpy()
	other := New(s.Store)
	s.onCommit(once(func() error {
		_, err := other.Update(t.Context(), "acme", func(x *Tenant) error { x.Paused = true; return nil })
		return err
	}))
	calls := 0
	got, err := New(s).Update(t.Context(), "acme", func(x *Tenant) error {
		calls++
		x.Settings.Members = "ignore"
		return nil
	})
	if err != nil || calls != 2 || !got.Paused || got.Settings.Members != "ignore" {
		t.Errorf("%d calls, %+v (%v)", calls, got, err)
	}
}

func TestUpdateByMany(t *testing.T) {
	t.Parallel()
	s := newSpy()
	const writers, each = 8, 20
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			r := New(s)
			for i := range each {
				word := fmt.Sprintf("w%d.%d", w, i)
				got, err := r.Update(t.Context(), "acme", func(x *Tenant) error {
					x.Settings.Allow = append(x.Settings.Allow, word)
					return nil
				})
				if err != nil || got.Settings.Allow[len(got.Settings.Allow)-1] != word {
					t.Errorf("%s: %v", word, err)
				}
			}
		})
	}
	group.Wait()
	x, err := New(s).Tenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	met := map[string]bool{}
	for _, word := range x.Settings.Allow {
		met[word] = true
	}
	if len(met) != writers*each || len(x.Settings.Allow) != writers*each {
		t.Errorf("%d of %d changes are left, %d words", len(met), writers*each, len(x.Settings.Allow))
	}
}

func TestTenants(t *testing.T) {
	t.Parallel()
	r := New(newSpy())
	const n = 25
	for i := range n {
		if _, err := r.Update(t.Context(), name(i), func(x *Tenant) error {
			if i%5 == 0 {
				x.Deleted = time.Now()
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{1, 7, n, 1000} {
		var got []string
		for after := ""; ; {
			list, next, err := r.Tenants(t.Context(), after, limit)
			if err != nil || len(list) > limit {
				t.Fatalf("%d at once where %d were asked for (%v)", len(list), limit, err)
			}
			for _, x := range list {
				got = append(got, x.Name)
			}
			if after = next; after == "" {
				break
			}
		}
		if len(got) != n || got[0] != name(0) || got[n-1] != name(n-1) {
			t.Errorf("%d at a time: %v", limit, got)
		}
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	s := newSpy()
	r := New(s)
	for _, k := range []store.Kind{store.Report, store.Sweep, store.Tenant, store.Lease} {
		put(t, s, k, "acme", `{}`)
		put(t, s, k, "umbrella", `{}`)
	}
	for range 2 {
		if err := r.Forget(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	for k, left := range map[store.Kind]int{store.Report: 1, store.Sweep: 1, store.Tenant: 2, store.Lease: 2} {
		if rs, err := s.Get(t.Context(), store.SystemTenant, k, "acme", "umbrella"); err != nil || len(rs) != left {
			t.Errorf("%d records of kind %s are left, want %d (%v)", len(rs), k, left, err)
		}
	}
}

// The errors of damaged records name them, and nothing is written over one.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"settings":{"members":7}}`, `{"settings":{"rate":"s3cr3t"}}`, `{"paused":"s3cr3t"}`, `["s3cr3t"]`} {
		s := newSpy()
		r := New(s)
		put(t, s, store.Tenant, "acme", body)
		_, terr := r.Tenant(t.Context(), "acme")
		list, _, lerr := r.Tenants(t.Context(), "", 10)
		if lerr != nil || len(list) != 1 || list[0].Name != "acme" || list[0].Live() {
			t.Errorf("%s: listed as %+v (%v)", body, list, lerr)
			continue
		}
		lerr = list[0].Damaged
		_, uerr := r.Update(t.Context(), "acme", func(*Tenant) error { t.Error("it is changed"); return nil })
		_, serr := SettingsOf([]byte(body))
		for _, err := range []error{terr, lerr, uerr} {
			if err == nil || !strings.Contains(err.Error(), "acme is damaged") {
				t.Errorf("%s: error %v", body, err)
			}
		}
		if serr == nil || IsErased([]byte(body)) {
			t.Errorf("%s: settings without an error (%v), or erased", body, serr)
		}
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body   string
		want   Settings
		erased bool
	}{
		{``, Settings{}, false},
		{`{}`, Settings{}, false},
		{`{"settings":{"required":[]},"paused":true}`, Settings{Required: []string{}}, false},
		{`{"deleted":"2024-01-01T00:00:00Z"}`, Settings{}, false},
		{`{"deleted":"2024-01-01T00:00:00Z","erased":true}`, Settings{}, true},
	} {
		body := []byte(c.body)
		if c.body == "" {
			body = nil
		}
		got, err := SettingsOf(body)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s (%v):\n%s", c.body, err, diff)
		}
		if IsErased(body) != c.erased {
			t.Errorf("%s: erased %t", c.body, !c.erased)
		}
	}
}
