package tenancy

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Two nodes share the housekeeping: each user is purged once, and told of once.
func TestHousekeepingOnTwoNodes(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		list := declares(Tenant{Name: "acme"}, Tenant{Name: "forever"})
		a, b := newNode(t, s, list), newNode(t, s, list)
		if err := a.Set(t.Context(), "acme", registry.Settings{ArchiveRetention: ref(registry.Duration(24 * time.Hour))}, nil); err != nil {
			t.Fatal(err)
		}
		const users = 20
		a.archive("acme", users)
		a.archive("forever", users)
		a.start()
		b.start()
		time.Sleep(24*time.Hour - time.Minute)
		_, before, early := a.seen.told()
		_, beforeB, earlyB := b.seen.told()
		if early+earlyB != 0 || total(t, s, "acme", store.Archived) != users {
			t.Fatalf("%d are purged before their time", early+earlyB)
		}
		// One round an hour, and the first of each node.
		if n := before + beforeB; n < 24 || n > 26 || before == 0 || beforeB == 0 {
			t.Errorf("%d and %d rounds in a day", before, beforeB)
		}
		time.Sleep(2 * time.Hour)
		_, _, pa := a.seen.told()
		_, _, pb := b.seen.told()
		if pa+pb != users || total(t, s, "acme", store.Archived) != 0 {
			t.Errorf("%d users are said to be purged, %d are left", pa+pb, total(t, s, "acme", store.Archived))
		}
		events := 0
		log, err := s.Changes(t.Context(), "acme", 0, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range log {
			if c.Type == store.UserPurged {
				events++
			}
		}
		if events != users || total(t, s, "forever", store.Archived) != users {
			t.Errorf("%d are purged, want %d; %d of those that are kept for ever are there", events, users, total(t, s, "forever", store.Archived))
		}
		if a.seen.failed() || b.seen.failed() {
			t.Error("a round failed")
		}
	})
}

// What is narrowed at run time is brought in line at once, not by the next round.
func TestNarrowedAtRunTime(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n := newNode(t, s)
		n.create("made", registry.Settings{Allow: []string{"default", "title"}})
		id := n.user("made", `{"userName":"a","title":"s3cr3t"}`)
		n.start()
		synctest.Wait()
		if err := n.Set(t.Context(), "made", registry.Settings{}, []string{"allow"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		rs, err := s.Get(t.Context(), "made", store.User, id)
		if err != nil || len(rs) != 1 || strings.Contains(string(rs[0].Body), "s3cr3t") {
			t.Errorf("what is no longer kept is still there (%v)", err)
		}
	})
}

// Housekeeping that fails is tried again soon, and told of.
func TestHousekeepingFails(t *testing.T) {
	timed(t, func(t *testing.T) {
		n := newNode(t, newStore())
		n.store.on(func(call, _ string) error {
			if call == "scan tenant" {
				return store.ErrUnavailable
			}
			return nil
		})
		n.start()
		synctest.Wait()
		if !n.seen.failed() || n.log.count("housekeeping failed") != 1 {
			t.Error("nothing is told of the failure")
		}
		n.store.on(nil)
		time.Sleep(againAfter)
		synctest.Wait()
		if _, rounds, _ := n.seen.told(); rounds != 2 || n.log.count("housekeeping failed") != 1 {
			t.Errorf("%d rounds", rounds)
		}
	})
}

func TestExpiryWarnings(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n := newNode(t, s)
		n.create("made", registry.Settings{})
		in := func(d time.Duration) registry.Token {
			_, tok := n.mint(registry.Token{Tenant: "made", Expires: time.Now().Add(d)})
			return tok
		}
		day := 24 * time.Hour
		gone, soon, later := in(time.Minute), in(10*day), in(40*day)
		n.mint(registry.Token{Tenant: "made"})
		if err := n.Pause(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		for id, want := range map[string]string{gone.ID: "has expired", soon.ID: "in 9 days", later.ID: ""} {
			list, _, err := n.Tokens(t.Context(), "made")
			i := slices.IndexFunc(list, func(tok registry.Token) bool { return tok.ID == id })
			if err != nil || i < 0 {
				t.Fatalf("%d tokens (%v)", len(list), err)
			}
			if got := Warning(list[i], time.Now()); !strings.Contains(got, want) || (got == "") != (want == "") {
				t.Errorf("warning %q, want %q", got, want)
			}
		}
		list, err := n.Warnings(t.Context())
		if err != nil || len(list) != 1 || !strings.Contains(list[0], soon.ID) || !strings.Contains(list[0], "made") {
			t.Errorf("%q (%v)", list, err)
		}
		n.start()
		time.Sleep(23 * time.Hour)
		if a, b, c := n.log.count(soon.ID), n.log.count(later.ID), n.log.count(gone.ID); a != 2 || b != 1 || c != 1 { // the first is that it was minted
			t.Errorf("in a day the log tells of them %d, %d and %d times", a, b, c)
		}
		got, _, _ := n.seen.told()
		if diff := cmp.Diff(counts{Tenants: 2, Paused: 1, Expiring: 1, Expired: 1, Next: soon.Expires}, got, cmp.Comparer(time.Time.Equal)); diff != "" {
			t.Errorf("the observer is told (-want +got):\n%s", diff)
		}
		time.Sleep(3 * time.Hour)
		if a := n.log.count(soon.ID); a != 3 {
			t.Errorf("in another day the log tells of it %d times", a-2)
		}
	})
}

// The last use is seen at once where it was, and written at most once a minute.
func TestLastUse(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n, other := newNode(t, s), newNode(t, s)
		secret, tok := n.mint(registry.Token{Tenant: "acme"})
		n.mint(registry.Token{Tenant: "acme"}) // that nobody uses
		used := func(n *node) time.Time {
			t.Helper()
			list, static, err := n.Tokens(t.Context(), "acme")
			if err != nil || len(list) != 2 || len(static) != 1 {
				t.Fatalf("%d tokens, %d of the configuration (%v)", len(list), len(static), err)
			}
			for _, x := range list {
				if x.ID == tok.ID {
					return x.Used
				} else if !x.Used.IsZero() {
					t.Error("a token that nobody used was used")
				}
			}
			return time.Time{}
		}
		if !used(n).IsZero() {
			t.Error("used before it was")
		}
		time.Sleep(time.Second)
		n.judgedAs(secret, home, "ok")
		if !used(n).Equal(time.Now()) || !used(other).IsZero() {
			t.Errorf("used %v, and on the other node %v", used(n), used(other))
		}
		stop := n.start()
		synctest.Wait()
		if !used(other).Equal(time.Now()) {
			t.Error("the first use is not written at once")
		}
		n.store.since()
		const minutes = 10
		for range minutes * 60 {
			time.Sleep(time.Second)
			n.judgedAs(secret, home, "ok")
		}
		synctest.Wait()
		writes := 0
		for _, c := range n.store.since() {
			if c == "commit token" {
				writes++
			}
		}
		if writes < minutes-1 || writes > minutes {
			t.Errorf("written %d times in %d minutes", writes, minutes)
		}
		if !used(n).Equal(time.Now()) || time.Since(used(other)) > time.Minute {
			t.Errorf("used %v, and on the other node %v", used(n), used(other))
		}
		// What is not written yet is so at the end.
		stop()
		if !used(other).Equal(time.Now()) {
			t.Errorf("at the end: %v", used(other))
		}
	})
}

// While the store is away, the last use waits, and is tried once a minute.
func TestLastUseWithoutTheStore(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n := newNode(t, s)
		secret, tok := n.mint(registry.Token{Tenant: "acme"})
		n.start()
		synctest.Wait()
		n.store.on(func(call, _ string) error {
			if call == "commit token" {
				return store.ErrUnavailable
			}
			return nil
		})
		n.judgedAs(secret, home, "ok")
		at := time.Now()
		time.Sleep(5*time.Minute + time.Second)
		if tries := n.log.count("could not be noted"); tries < 5 || tries > 6 {
			t.Errorf("tried %d times in five minutes", tries)
		}
		n.store.on(nil)
		time.Sleep(time.Minute)
		var kept registry.Token
		if err := registry.New(s).Tokens(t.Context(), "acme", func(x registry.Token) { kept = x }); err != nil || kept.ID != tok.ID || !kept.Used.Equal(at) {
			t.Errorf("used %v, want %v (%v)", kept.Used, at, err)
		}
		// An idle token is forgotten here.
		time.Sleep(3 * time.Hour)
		if !n.uses.last(tok.ID).IsZero() {
			t.Error("an idle token is remembered")
		}
	})
}
