package tenancy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/guard"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	n := newNode(t, newStore())
	secret, tok := n.mint(registry.Token{Tenant: "acme"})
	reader, readTok := n.mint(registry.Token{Tenant: "acme", Scope: registry.Read})
	for _, c := range []struct {
		name, secret, want string
		is                 Principal
	}{
		{"a static one", static, "ok", Principal{Tenant: "acme", Token: "static-" + token.HashOf(static).ID()}},
		{"one that may provision", secret, "ok", Principal{Tenant: "acme", Token: tok.ID}},
		{"one that may read", reader, "ok", Principal{Tenant: "acme", Token: readTok.ID, ReadOnly: true}},
		{"none", "", "missing", Principal{}},
		{"one that cannot be", "nonsense", "malformed", Principal{}},
		{"a typing error", secret[:len(secret)-1] + "!", "malformed", Principal{}},
		{"a static one in capitals", strings.ToUpper(static), "malformed", Principal{}},
		{"an id", tok.ID, "malformed", Principal{}},
		{"one that nobody minted", token.Mint(), "unknown", Principal{}},
	} {
		if got := n.judgedAs(c.secret, home, c.want); got != c.is {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	_, _, none := n.Authenticate(t.Context(), "", home)
	want(t, "none", none, ErrNoToken)
	_, _, wrong := n.Authenticate(t.Context(), "nonsense", home)
	_, _, unknown := n.Authenticate(t.Context(), token.Mint(), home)
	if !errors.Is(wrong, ErrInvalidToken) || wrong.Error() != unknown.Error() {
		t.Errorf("errors that tell them apart: %v, %v", wrong, unknown)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	n := newNode(t, newStore())
	secret, _ := n.mint(registry.Token{Tenant: "acme", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28"), netip.MustParsePrefix("2001:db8::/32")}})
	free, _ := n.mint(registry.Token{Tenant: "acme"})
	for client, ok := range map[string]bool{
		"192.0.2.0": true, "192.0.2.15": true, "192.0.2.16": false, "::ffff:192.0.2.7": true, "::ffff:192.0.3.7": false,
		"2001:db8:ffff::1": true, "2001:db9::": false, "::192.0.2.7": false, "": false,
	} {
		addr := netip.Addr{}
		if client != "" {
			addr = netip.MustParseAddr(client)
		}
		n.judgedAs(secret, addr, map[bool]string{true: "ok", false: "address"}[ok])
		n.judgedAs(free, addr, "ok")
	}
}

func TestExpiry(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		a, b := newNode(t, s), newNode(t, s)
		secret, _ := a.mint(registry.Token{Tenant: "acme", Expires: time.Now().Add(time.Hour)})
		time.Sleep(time.Hour - time.Nanosecond)
		a.judgedAs(secret, home, "ok")
		b.judgedAs(secret, home, "ok")
		time.Sleep(time.Nanosecond)
		for _, n := range []*node{a, b} { // at once, although the verdict is fresh
			n.judgedAs(secret, home, "expired")
			_, _, err := n.Authenticate(t.Context(), secret, home)
			want(t, "expired", err, ErrInvalidToken)
		}
	})
}

func TestRevokeOnTwoNodes(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		a, b := newNode(t, s), newNode(t, s)
		secret, tok := a.mint(registry.Token{Tenant: "acme"})
		kept, _ := a.mint(registry.Token{Tenant: "acme"})
		a.judgedAs(secret, home, "ok")
		b.judgedAs(secret, home, "ok")
		if err := a.Revoke(t.Context(), "acme", tok.ID); err != nil {
			t.Fatal(err)
		}
		a.judgedAs(secret, home, "unknown")
		a.judgedAs(kept, home, "ok")
		time.Sleep(freshFor - time.Millisecond)
		b.judgedAs(secret, home, "ok") // that is the price of not asking each time
		time.Sleep(time.Millisecond)
		b.judgedAs(secret, home, "unknown")
		b.judgedAs(kept, home, "ok")

		for _, c := range []struct {
			tenant, id string
			is         error
		}{
			{"acme", tok.ID, registry.ErrUnknownToken}, {"acme", "nobody", registry.ErrUnknownToken}, {"nobody", "0123456789abcdef", registry.ErrUnknownToken},
			{"acme", "static-" + token.HashOf(static).ID(), registry.ErrInvalid},
		} {
			want(t, "revoke "+c.id, a.Revoke(t.Context(), c.tenant, c.id), c.is)
		}
	})
}

// Where the store's answer to a revocation is lost, the verdict is asked for anew.
func TestRevokeUncertain(t *testing.T) {
	t.Parallel()
	s := newStore()
	n := newNode(t, s)
	secret, tok := n.mint(registry.Token{Tenant: "acme"})
	n.store.on(func(call, _ string) error {
		if call != "commit token" {
			return nil
		}
		if err := registry.New(s).Revoke(t.Context(), "acme", tok.ID); err != nil {
			t.Error(err)
		}
		return store.ErrUncertain
	})
	want(t, "revoke", n.Revoke(t.Context(), "acme", tok.ID), store.ErrUncertain)
	n.store.on(nil)
	n.judgedAs(secret, home, "unknown")
}

func TestAuthenticateWithoutTheStore(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n := newNode(t, s)
		secret, _ := newNode(t, s).mint(registry.Token{Tenant: "acme"})
		away := func(string, string) error { return store.ErrUnavailable }
		n.store.on(away)
		n.judgedAs(secret, home, "unavailable")
		n.judgedAs(static, home, "unavailable")
		n.judgedAs("nonsense", home, "malformed")
		n.store.on(nil)
		n.judgedAs(secret, home, "ok")
		n.judgedAs(static, home, "ok")
		n.store.on(away)
		time.Sleep(freshFor - time.Millisecond)
		n.judgedAs(secret, home, "ok")
		n.judgedAs(static, home, "ok")
		time.Sleep(time.Millisecond)
		n.judgedAs(secret, home, "unavailable")
		n.judgedAs(static, home, "unavailable")
	})
}

// throttle has an address fail until it is throttled.
func (n *node) throttle(client netip.Addr) {
	n.t.Helper()
	for range guard.DefaultFailures {
		if _, _, err := n.Authenticate(n.t.Context(), "nonsense", client); err == nil {
			n.t.Fatal("nonsense is valid")
		}
	}
	n.judgedAs("nonsense", client, "throttled")
	var wait *ThrottledError
	if _, _, err := n.Authenticate(n.t.Context(), "nonsense", client); !errors.As(err, &wait) || wait.RetryAfter <= 0 || wait.RetryAfter > guard.DefaultEvery {
		n.t.Errorf("error %v", err)
	}
}

func TestThrottle(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		other := newNode(t, s)
		known, _ := other.mint(registry.Token{Tenant: "acme"})
		first, _ := other.mint(registry.Token{Tenant: "acme"})
		expired, _ := other.mint(registry.Token{Tenant: "acme", Expires: time.Now().Add(time.Minute)})
		n := newNode(t, s)
		n.judgedAs(known, home, "ok")
		n.judgedAs(expired, home, "ok")
		time.Sleep(2 * time.Minute)
		n.store.since()

		n.throttle(home)
		if calls := n.store.since(); calls != nil {
			t.Errorf("malformed tokens: %v", calls)
		}
		n.judgedAs(known, home, "ok")
		n.judgedAs(static, home, "ok")
		n.judgedAs(expired, home, "throttled")
		n.judgedAs("", home, "missing")
		n.judgedAs(first, home, "ok") // which this node has never met
		n.store.since()
		for range 100 {
			n.judgedAs(token.Mint(), home, "throttled")
		}
		if calls := n.store.since(); calls != nil {
			t.Errorf("unknown tokens: %v", calls)
		}
		// The roll is read once each time that it is too old, whatever is tried.
		time.Sleep(freshFor)
		n.throttle(home)
		for range 100 {
			n.judgedAs(token.Mint(), home, "throttled")
		}
		if calls := n.store.since(); !slices.Equal(calls, []string{"scan token"}) {
			t.Errorf("unknown tokens, later: %v", calls)
		}
		// One that is minted elsewhere meanwhile is on the roll when that is read again.
		second, _ := other.mint(registry.Token{Tenant: "acme"})
		n.judgedAs(second, netip.MustParseAddr("192.0.2.8"), "ok") // and from elsewhere at once
		third, tok := other.mint(registry.Token{Tenant: "acme"})
		time.Sleep(freshFor)
		n.throttle(home)
		n.judgedAs(third, home, "ok")
		if err := other.Revoke(t.Context(), "acme", tok.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(freshFor)
		n.throttle(home)
		n.judgedAs(third, home, "throttled")
		// It ends.
		time.Sleep(guard.DefaultEvery)
		n.judgedAs("nonsense", home, "malformed")
		n.judgedAs(token.Mint(), netip.MustParseAddr("192.0.2.9"), "unknown")
	})
}

// A token that was just minted here passes from a throttled address at once.
func TestMintedWhileThrottled(t *testing.T) {
	timed(t, func(t *testing.T) {
		n := newNode(t, newStore())
		n.throttle(home)
		n.judgedAs(token.Mint(), home, "throttled") // the roll is fresh
		secret, _ := n.mint(registry.Token{Tenant: "acme"})
		n.judgedAs(secret, home, "ok")
	})
}

// While the roll is read for the first time, a valid token waits for it; and
// whoever is the reason that it is read cannot have it come to nothing.
func TestRollIsBeingRead(t *testing.T) {
	t.Parallel()
	s := newStore()
	secret, _ := newNode(t, s).mint(registry.Token{Tenant: "acme"})
	n := newNode(t, s)
	n.throttle(home)
	reading, release := make(chan struct{}), make(chan struct{})
	n.store.on(func(call, _ string) error {
		if call == "scan token" {
			close(reading)
			<-release
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := n.Authenticate(ctx, token.Mint(), home)
		first <- err
	}()
	<-reading
	cancel()
	go func() {
		_, _, err := n.Authenticate(t.Context(), secret, home)
		second <- err
	}()
	select {
	case err := <-second:
		t.Errorf("it does not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
		close(release)
		if err := <-second; err != nil {
			t.Errorf("a valid token, meanwhile: %v", err)
		}
	}
	var throttled *ThrottledError
	if err := <-first; !errors.As(err, &throttled) {
		t.Errorf("an unknown token: %v", err)
	}
}

// A roll that cannot be read is tried again when it would be too old, and what
// was on it stays.
func TestRollWithoutTheStore(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		one, _ := newNode(t, s).mint(registry.Token{Tenant: "acme"})
		n := newNode(t, s)
		n.throttle(home)
		n.store.on(func(call, _ string) error {
			if call == "scan token" {
				return store.ErrUnavailable
			}
			return nil
		})
		n.judgedAs(one, home, "throttled")
		n.judgedAs(token.Mint(), home, "throttled")
		if n.log.count("the list of tokens could not be read") != 1 {
			t.Error("it is tried for each token, or the log tells nothing of it")
		}
		n.store.on(nil)
		time.Sleep(freshFor)
		n.throttle(home)
		n.judgedAs(one, home, "ok")
	})
}

// The memory for verdicts is bounded, and stays right.
func TestVerdictsAreBounded(t *testing.T) {
	t.Parallel()
	n := newNode(t, newStore())
	n.mu.Lock()
	for i := range maxValid {
		n.verdicts.keep(token.HashOf(fmt.Sprint(i)), registry.Token{Tenant: "acme"}, time.Now().Add(time.Hour))
	}
	for i := range maxUnknown {
		n.verdicts.unknown[token.HashOf(fmt.Sprint("u", i))] = time.Now().Add(time.Hour)
	}
	n.mu.Unlock()
	for i := range 50 {
		secret, _ := n.mint(registry.Token{Tenant: "acme"})
		n.judgedAs(secret, home, "ok")
		n.judgedAs(token.Mint(), netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), "unknown")
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if valid, unknown := len(n.verdicts.valid), len(n.verdicts.unknown); valid > maxValid || unknown > maxUnknown || unknown == 0 {
		t.Errorf("%d valid ones and %d unknown ones are remembered", valid, unknown)
	}
}

// A token that is not known is asked for once while the answer is fresh, and one
// that is known as well.
func TestVerdictsAreFresh(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		n := newNode(t, s)
		secret, _ := newNode(t, s).mint(registry.Token{Tenant: "acme"})
		unknown := token.Mint()
		asked := func(want int) {
			t.Helper()
			n.store.since()
			for range 10 {
				n.judgedAs(secret, home, "ok")
				n.judgedAs(unknown, netip.MustParseAddr("192.0.2.9"), "unknown")
			}
			gets := 0
			for _, c := range n.store.since() {
				if c == "get token" {
					gets++
				}
			}
			if gets != want {
				t.Errorf("asked %d times, want %d", gets, want)
			}
		}
		asked(2)
		asked(0)
		time.Sleep(freshFor)
		n.failures = guard.NewFailures(0, 0, 0)
		asked(2)
	})
}

func TestTake(t *testing.T) {
	timed(t, func(t *testing.T) {
		n := newNode(t, newStore())
		n.create("slow", registry.Settings{Rate: &registry.Rate{Requests: 2, Burst: 3}})
		n.create("free", registry.Settings{Rate: &registry.Rate{}})
		taken := func(name string) (passed int) {
			t.Helper()
			for range 1000 {
				wait, ok := n.Take(name, n.standing(name))
				if !ok {
					if wait <= 0 || wait > 500*time.Millisecond {
						t.Errorf("%s: to wait for %v", name, wait)
					}
					break
				}
				passed++
			}
			return passed
		}
		for name, want := range map[string]int{"slow": 3, "free": 1000, "acme": 200} {
			if got := taken(name); got != want {
				t.Errorf("%s: %d pass, want %d", name, got, want)
			}
		}
		time.Sleep(time.Second)
		if got := taken("slow"); got != 2 {
			t.Errorf("%d pass in a second", got)
		}
		if err := n.Set(t.Context(), "slow", registry.Settings{Rate: &registry.Rate{}}, nil); err != nil {
			t.Fatal(err)
		}
		if got := taken("slow"); got != 1000 {
			t.Errorf("%d pass without a limit", got)
		}
	})
}
