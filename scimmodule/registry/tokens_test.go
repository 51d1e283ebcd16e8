package registry

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

func TestMint(t *testing.T) {
	t.Parallel()
	s := newSpy()
	r := New(s)
	in := Token{
		Tenant: "acme", Label: strings.Repeat("ä", 100), Scope: Read, Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond),
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
	}
	secret, made := mustMint(t, r, in)
	h := token.HashOf(secret)
	if !token.WellFormed(secret) || made.ID != h.ID() || made.Created.IsZero() || made.hash != h.String() {
		t.Errorf("minted %+v", made)
	}
	got, found, err := r.Token(t.Context(), h)
	if diff := cmp.Diff(made, got, exact, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || !found || err != nil {
		t.Errorf("found %t (%v, -want +got):\n%s", found, err, diff)
	}
	in.ID, in.Created = made.ID, made.Created
	if diff := cmp.Diff(in, made, cmpopts.IgnoreUnexported(Token{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("it says something else than was asked for (-want +got):\n%s", diff)
	}
	if rs, err := s.Get(t.Context(), store.SystemTenant, store.Token, made.ID); err != nil || len(rs) != 1 || strings.Contains(string(rs[0].Body), secret[len(token.Prefix):]) {
		t.Errorf("%d records with the secret in them (%v)", len(rs), err)
	}
	if _, found, err := r.Token(t.Context(), token.HashOf(token.Mint())); found || err != nil {
		t.Errorf("a token that nobody minted is found (%v)", err)
	}
	// The id is a part of the hash; the whole has to be right.
	h[len(h)-1]++
	if _, found, err := r.Token(t.Context(), h); found || err != nil {
		t.Errorf("half a hash will do (%v)", err)
	}
	if _, plain := mustMint(t, r, Token{Tenant: "acme"}); plain.Scope != Provision || !plain.Expires.IsZero() || !plain.Used.IsZero() {
		t.Errorf("a token of no more than a tenant: %+v", plain)
	}
}

func TestMintRefusals(t *testing.T) {
	t.Parallel()
	s := newSpy()
	s.onCommit(func(*store.Batch) error { t.Error("something is written"); return nil })
	soon := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name string
		tok  Token
		want string
	}{
		{"no tenant", Token{}, "cannot be a tenant's name"},
		{"a name that cannot be", Token{Tenant: "Acme"}, "cannot be a tenant's name"},
		{"the system's", Token{Tenant: store.SystemTenant}, "cannot be a tenant's name"},
		{"a long label", Token{Tenant: "acme", Label: strings.Repeat("x", 101)}, "100 characters"},
		{"a line break", Token{Tenant: "acme", Label: "a\nb"}, "control characters"},
		{"an escape", Token{Tenant: "acme", Label: "\x1b[31m"}, "control characters"},
		{"a label that is no text", Token{Tenant: "acme", Label: "\xff"}, "label"},
		{"expired", Token{Tenant: "acme", Expires: time.Now().Add(-time.Second)}, "in the future"},
		{"expires now", Token{Tenant: "acme", Expires: time.Now()}, "in the future"},
		{"a scope that there is not", Token{Tenant: "acme", Scope: "admin", Expires: soon}, `"admin"`},
		{"addresses without end", Token{Tenant: "acme", Addresses: make([]netip.Prefix, maxAddresses+1)}, "200 ranges"},
	} {
		if secret, _, err := New(s).Mint(t.Context(), c.tok); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) || secret != "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	s.onCommit(func(*store.Batch) error { return store.ErrUncertain })
	if secret, _, err := New(s).Mint(t.Context(), Token{Tenant: "acme"}); !errors.Is(err, store.ErrUncertain) || secret != "" {
		t.Errorf("the store does not say: %v, and a secret of %d bytes", err, len(secret))
	}
}

// More tokens than one page of the store holds, of two tenants.
func TestTokens(t *testing.T) {
	t.Parallel()
	r := New(newSpy())
	want := map[string][]string{}
	for i := range 1010 {
		tenant := "acme"
		if i%101 == 0 {
			tenant = "umbrella"
		}
		_, tok := mustMint(t, r, Token{Tenant: tenant})
		want[tenant] = append(want[tenant], tok.ID)
		want[""] = append(want[""], tok.ID)
	}
	for tenant, ids := range want {
		slices.Sort(ids)
		if diff := cmp.Diff(ids, idsOf(t, r, tenant)); diff != "" {
			t.Errorf("of %q (-want +got):\n%s", tenant, diff)
		}
		if n, err := r.CountTokens(t.Context(), tenant); tenant != "" && (n != len(ids) || err != nil) {
			t.Errorf("%d of %q, want %d (%v)", n, tenant, len(ids), err)
		}
	}
	var all []string
	if err := r.TokenIDs(t.Context(), func(id string) { all = append(all, id) }); err != nil || !slices.Equal(all, want[""]) {
		t.Errorf("%d ids, want %d (%v)", len(all), len(want[""]), err)
	}
	if ids := idsOf(t, r, "nobody"); ids != nil {
		t.Errorf("of nobody: %v", ids)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	s := newSpy()
	r := New(s)
	secret, tok := mustMint(t, r, Token{Tenant: "acme"})
	_, other := mustMint(t, r, Token{Tenant: "acme"})
	for _, c := range []struct{ tenant, id string }{
		{"umbrella", tok.ID}, {"", tok.ID}, {"acme", ""}, {"acme", "nobody"}, {"acme", strings.Repeat("0", 16)},
		{"acme", strings.ToUpper(tok.ID) + "0"}, {"acme", token.HashOf(secret).String()}, {"acme", strings.Repeat("ab", 500)}, {"acme", secret},
	} {
		err := r.Revoke(t.Context(), c.tenant, c.id)
		if !errors.Is(err, ErrUnknownToken) || len(err.Error()) > 200 {
			t.Errorf("%q of %q: %v", c.id, c.tenant, err)
		}
	}
	// A use that is noted meanwhile does not save it.
	s.onCommit(once(func() error { return New(s.Store).Touch(t.Context(), tok.ID, time.Now()) }))
	if err := r.Revoke(t.Context(), "acme", tok.ID); err != nil {
		t.Fatal(err)
	}
	if _, found, err := r.Token(t.Context(), token.HashOf(secret)); found || err != nil {
		t.Errorf("revoked, and still found (%v)", err)
	}
	if diff := cmp.Diff([]string{other.ID}, idsOf(t, r, "acme")); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	if err := r.Revoke(t.Context(), "acme", tok.ID); !errors.Is(err, ErrUnknownToken) {
		t.Errorf("once more: %v", err)
	}
	s.onCommit(func(*store.Batch) error { return store.ErrUnavailable })
	if err := r.Revoke(t.Context(), "acme", other.ID); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the store is away: %v", err)
	}
}

func TestTouch(t *testing.T) {
	t.Parallel()
	s := newSpy()
	r := New(s)
	secret, tok := mustMint(t, r, Token{Tenant: "acme", Label: "l", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	at := time.Now().Add(time.Minute)
	used := at.UTC().Truncate(time.Second)
	for range 2 {
		if err := r.Touch(t.Context(), tok.ID, at); err != nil {
			t.Fatal(err)
		}
	}
	got, found, err := r.Token(t.Context(), token.HashOf(secret))
	tok.Used = used
	if diff := cmp.Diff(tok, got, cmpopts.IgnoreUnexported(Token{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || !found || err != nil {
		t.Errorf("used: found %t (%v, -want +got):\n%s", found, err, diff)
	}
	if ids := idsOf(t, r, "acme"); len(ids) != 1 {
		t.Errorf("the tenant has %d tokens", len(ids))
	}
	// An earlier use, as another node may bring it late, is not written.
	s.onCommit(func(*store.Batch) error { t.Error("something is written"); return nil })
	if err := r.Touch(t.Context(), tok.ID, used.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"", "nobody", strings.Repeat("0", 16)} {
		if err := r.Touch(t.Context(), id, at.Add(time.Hour)); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	// One that is revoked meanwhile does not come back.
	s.onCommit(once(func() error { return New(s.Store).Revoke(t.Context(), "acme", tok.ID) }))
	if err := r.Touch(t.Context(), tok.ID, at.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if _, found, err := r.Token(t.Context(), token.HashOf(secret)); found || err != nil {
		t.Errorf("the use brought back what was revoked (%v)", err)
	}
	_, tok = mustMint(t, r, Token{Tenant: "acme"})
	s.onCommit(func(*store.Batch) error { return store.ErrUncertain })
	if err := r.Touch(t.Context(), tok.ID, at); !errors.Is(err, store.ErrUncertain) {
		t.Errorf("the store does not say: %v", err)
	}
}

func TestTouchByMany(t *testing.T) {
	t.Parallel()
	r := New(newSpy())
	secret, tok := mustMint(t, r, Token{Tenant: "acme"})
	start := time.Now().UTC().Truncate(time.Second)
	const writers, each = 8, 25
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				if err := r.Touch(t.Context(), tok.ID, start.Add(time.Duration(i*writers+w)*time.Second)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	got, _, err := r.Token(t.Context(), token.HashOf(secret))
	if want := start.Add((writers*each - 1) * time.Second); !got.Used.Equal(want) || err != nil {
		t.Errorf("last used %v, want %v (%v)", got.Used, want, err)
	}
}

func TestDamagedTokens(t *testing.T) {
	t.Parallel()
	s := newSpy()
	r := New(s)
	h := token.HashOf(token.Mint())
	for _, body := range []string{`[]`, `{"hash":7}`, `{"hash":"x","addresses":["nowhere"]}`, `{"hash":"x","expires":"soon"}`} {
		put(t, s, store.Token, h.ID(), body)
		_, found, terr := r.Token(t.Context(), h)
		var listed error
		if err := r.Tokens(t.Context(), "", func(tok Token) { listed = tok.Damaged }); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		for _, err := range []error{terr, r.Touch(t.Context(), h.ID(), time.Now()), listed} {
			if found || err == nil || !strings.Contains(err.Error(), h.ID()+" is damaged") {
				t.Errorf("%s: found %t, %v", body, found, err)
			}
		}
	}
	if err := r.Revoke(t.Context(), "acme", h.ID()); err != nil {
		t.Errorf("revoked: %v", err)
	}
	if err := r.Revoke(t.Context(), "acme", h.ID()); !errors.Is(err, ErrUnknownToken) {
		t.Errorf("revoked again: %v", err)
	}
	// What is JSON but no hash is nobody's token.
	for _, body := range []string{`{}`, `{"hash":"","tenant":"acme"}`, `{"hash":"` + h.ID() + `","tenant":"acme"}`, `{"hash":"` + strings.Repeat("zz", 32) + `","tenant":"acme"}`} {
		put(t, s, store.Token, h.ID(), body)
		if _, found, err := r.Token(t.Context(), h); found || err != nil {
			t.Errorf("%s: found %t (%v)", body, found, err)
		}
	}
	// One that was written before there were scopes may provision.
	put(t, s, store.Token, h.ID(), `{"hash":"`+h.String()+`","tenant":"acme"}`)
	if tok, found, err := r.Token(t.Context(), h); !found || err != nil || tok.Scope != Provision {
		t.Errorf("%+v, found %t (%v)", tok, found, err)
	}
}

// The store's errors reach whoever asks.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	s := newSpy()
	r := New(s)
	_, tok := mustMint(t, r, Token{Tenant: "acme"})
	s.fail(store.ErrUnavailable)
	ctx := t.Context()
	for call, f := range map[string]func() error{
		"Tenant":      func() error { _, err := r.Tenant(ctx, "acme"); return err },
		"Tenants":     func() error { _, _, err := r.Tenants(ctx, "", 1); return err },
		"Forget":      func() error { return r.Forget(ctx, "acme") },
		"Token":       func() error { _, _, err := r.Token(ctx, token.HashOf("x")); return err },
		"Tokens":      func() error { return r.Tokens(ctx, "", func(Token) {}) },
		"TokenIDs":    func() error { return r.TokenIDs(ctx, func(string) {}) },
		"CountTokens": func() error { _, err := r.CountTokens(ctx, "acme"); return err },
		"Revoke":      func() error { return r.Revoke(ctx, "acme", tok.ID) },
		"Touch":       func() error { return r.Touch(ctx, tok.ID, time.Now()) },
	} {
		if err := f(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", call, err)
		}
	}
}
