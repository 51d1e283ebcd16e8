package scimmodule

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

func TestAuthenticationForms(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	mintedSecret, minted, err := e.svc.Tenancy().Mint(t.Context(), registry.Token{Tenant: "acme"}, false)
	if err != nil {
		t.Fatal(err)
	}
	const none, invalid = `Bearer realm="scim"`, `Bearer realm="scim", error="invalid_token"`
	for _, c := range []struct{ name, header, challenge string }{
		{"a static token", "Bearer " + secret, ""},
		{"a minted token", "Bearer " + mintedSecret, ""},
		{"the scheme in lower case", "bearer " + secret, ""},
		{"the scheme in capitals", "BEARER " + mintedSecret, ""},
		{"two spaces", "Bearer  " + secret, ""},
		{"a space behind", "Bearer " + secret + " ", ""},
		{"no header", "", none},
		{"no token", "Bearer", none},
		{"an empty token", "Bearer   ", none},
		{"another scheme", "Basic dXNlcjpwYXNz", none},
		{"the token alone", secret, none},
		{"a tab between", "Bearer\t" + secret, none},
		{"a wrong token", "Bearer " + secret + "x", invalid},
		{"a token in capitals", "Bearer " + strings.ToUpper(secret), invalid},
		{"a token that nobody minted", "Bearer " + token.Mint(), invalid},
		{"a token with a wrong checksum", "Bearer " + mintedSecret[:len(mintedSecret)-1] + "!", invalid},
		{"a part of a token", "Bearer " + mintedSecret[:20], invalid},
		{"the token's id", "Bearer " + minted.ID, invalid},
		{"the token's hash", "Bearer " + token.HashOf(mintedSecret).String(), invalid},
		{"two tokens", "Bearer " + secret + " " + mintedSecret, invalid},
		{"a very long token", "Bearer " + strings.Repeat("x", 1<<16), invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := *e
			e.t = t
			a := e.send("GET", "/Users", "", header{"Authorization", c.header})
			if c.challenge == "" {
				a.want(http.StatusOK)
				return
			}
			detail := a.wantError(http.StatusUnauthorized, "")
			if got := a.Header().Get("WWW-Authenticate"); got != c.challenge {
				t.Errorf("challenge %q, want %q", got, c.challenge)
			}
			if strings.Contains(detail, "acme") || strings.Contains(detail, secret) {
				t.Errorf("detail %q", detail)
			}
		})
	}
}

// unread fails the test if anybody reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read before the token is checked")
	return 0, io.EOF
}

// Without a valid token nothing is revealed, whatever is asked for.
func TestNothingBeforeAuthentication(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.create("/Users", `{"userName":"a"}`)
	for _, target := range []string{"", "/Users", "/Users/" + id, "/Users/nobody", "/Groups", "/Bulk", "/.search", "/Me", "/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/nowhere", "/Users?filter=((", "/Users?count=x", "/Users?a=%zz"} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"} {
			a := e.sendFrom(method, target, unread{t}, header{"Authorization", "Bearer wrong"}, header{"Content-Type", "text/html"}, header{"Content-Encoding", "br"})
			if a.Code != http.StatusUnauthorized || a.Header().Get("Allow") != "" {
				t.Errorf("%s %s: %d %v", method, target, a.Code, a.Header())
			}
		}
	}
	e.send("GET", "/Users/"+id, "").want(http.StatusOK)
}

func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.create("/Users", `{"userName":"a"}`)
	group := e.create("/Groups", `{"displayName":"g","members":["`+id+`"]}`)
	other := header{"Authorization", "Bearer umbrella-0123456789abcdef"}
	for _, target := range []string{"/Users/" + id, "/Groups/" + group} {
		e.send("GET", target, "", other).wantError(404, "")
		e.send("DELETE", target, "", other).wantError(404, "")
		e.send("PATCH", target, `{"Operations":[]}`, other).wantError(404, "")
	}
	for _, target := range []string{"", "/Users", "/Groups", `/Users?filter=userName+eq+"a"`} {
		if n := e.send("GET", target, "", other).want(200)["totalResults"]; n != 0.0 {
			t.Errorf("%s: %v results of another tenant", target, n)
		}
	}
	e.send("POST", "/Users", `{"userName":"a"}`, other).want(201)
}

func TestRevokedTokens(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	auth, m := e.mint(registry.Token{Tenant: "acme"})
	e.send("GET", "/Users", "", auth).want(200)
	if err := e.svc.Tenancy().Revoke(t.Context(), "umbrella", m.ID); !errors.Is(err, registry.ErrUnknownToken) {
		t.Errorf("another tenant's token: %v", err)
	}
	e.send("GET", "/Users", "", auth).want(200)
	if err := e.svc.Tenancy().Revoke(t.Context(), "acme", m.ID); err != nil {
		t.Fatal(err)
	}
	e.send("GET", "/Users", "", auth).wantError(401, "")
	if err := e.svc.Tenancy().Revoke(t.Context(), "acme", m.ID); !errors.Is(err, registry.ErrUnknownToken) {
		t.Errorf("revoked twice: %v", err)
	}
}

// A request that is being checked while its token is revoked does not leave
// behind that the token is valid.
func TestRevokedWhileBeingChecked(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	auth, m := e.mint(registry.Token{Tenant: "acme"})
	e.restart() // a node that does not know the token yet
	read, revoked := make(chan struct{}), make(chan struct{})
	inner := e.store.Store
	e.store.Store = slowToken{inner, read, revoked}
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.send("GET", "/ServiceProviderConfig", "", auth)
	}()
	<-read
	svc := e.svc
	e.store.Store = inner
	if err := svc.Tenancy().Revoke(t.Context(), "acme", m.ID); err != nil {
		t.Error(err)
	}
	close(revoked)
	<-done
	e.send("GET", "/ServiceProviderConfig", "", auth).wantError(401, "")
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	auth, m := e.mint(registry.Token{Tenant: "acme", Expires: time.Now().Add(150 * time.Millisecond)})
	e.send("GET", "/Users", "", auth).want(200) // and the verdict is remembered
	until := time.NewTimer(time.Until(m.Expires))
	<-until.C
	e.send("GET", "/Users", "", auth).wantError(401, "")
	if _, _, err := e.svc.Tenancy().Mint(t.Context(), registry.Token{Tenant: "acme", Expires: time.Now().Add(-time.Second)}, false); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("a token that has expired: %v", err)
	}
}

func TestStoreAwayDuringAuthentication(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	auth, _ := e.mint(registry.Token{Tenant: "acme"})
	e.restart() // a node that knows nothing yet
	e.store.onGet(func(store.Kind, []string) error { return store.ErrUnavailable })
	a := e.send("GET", "/ServiceProviderConfig", "", auth)
	a.wantError(503, "")
	if a.Header().Get("Retry-After") != "5" || a.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("headers %v", a.Header())
	}
	// A mistyped one needs no store.
	e.send("GET", "/Users", "", header{"Authorization", "Bearer nonsense"}).wantError(401, "")
	// What is known of a static one's tenant does: it may be paused.
	e.send("GET", "/ServiceProviderConfig", "").wantError(503, "")
	e.store.onGet(nil)
	e.send("GET", "/ServiceProviderConfig", "", auth).want(200)
	// What is known is not asked again.
	e.store.onGet(func(k store.Kind, _ []string) error {
		if k == store.Token || k == store.Tenant {
			return store.ErrUnavailable
		}
		return nil
	})
	e.send("GET", "/Users", "", auth).want(200)
}

// A tenant that only the configuration declared is gone with it; its data stay.
func TestTenantRemovedFromTheConfiguration(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	minted, _ := e.mint(registry.Token{Tenant: "acme"})
	made, _ := e.mint(registry.Token{Tenant: "made"})
	id := e.create("/Users", `{"userName":"a"}`)
	e.send("GET", "/Users/"+id, "", minted).want(200)
	all := e.options.Tenants
	e.options.Tenants = all[1:]
	e.restart()
	e.send("GET", "/Users/"+id, "", minted).wantError(401, "")
	e.send("GET", "/Users/"+id, "").wantError(401, "")
	e.send("GET", "/Users", "", made).want(200)
	if _, _, err := e.svc.Tenancy().Mint(t.Context(), registry.Token{Tenant: "acme"}, false); !errors.Is(err, registry.ErrUnknownTenant) {
		t.Errorf("a token of a tenant that is gone: %v", err)
	}
	e.options.Tenants = all
	e.restart()
	e.send("GET", "/Users/"+id, "", minted).want(200)
}

func TestCreateTokenRefusals(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, c := range []struct {
		name, tenant, label string
		create              bool
		want                error
	}{
		{"an unknown tenant", "nobody", "", false, registry.ErrUnknownTenant},
		{"a mistyped name makes no tenant", "Acme", "", true, registry.ErrInvalid},
		{"a name with a slash", "a/b", "", true, registry.ErrInvalid},
		{"the system's", store.SystemTenant, "", true, registry.ErrInvalid},
		{"no name", "", "", true, registry.ErrInvalid},
		{"a long name", strings.Repeat("a", 64), "", true, registry.ErrInvalid},
		{"a long label", "acme", strings.Repeat("ä", 101), false, registry.ErrInvalid},
		{"a label with a line break", "acme", "a\nb", false, registry.ErrInvalid},
	} {
		if _, _, err := e.svc.Tenancy().Mint(t.Context(), registry.Token{Tenant: c.tenant, Label: c.label}, c.create); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	auth, m := e.mint(registry.Token{Tenant: "acme", Label: strings.Repeat("ä", 100)})
	list, _, err := e.svc.Tenancy().Tokens(t.Context(), "acme")
	if err != nil || len(list) != 1 || list[0].ID != m.ID || list[0].Label != m.Label {
		t.Errorf("tokens %+v (%v)", list, err)
	}
	p, err := e.store.Scan(t.Context(), store.SystemTenant, store.Query{Kind: store.Token, Limit: 10})
	if err != nil || len(p.Records) != 1 || strings.Contains(string(p.Records[0].Body), strings.TrimPrefix(auth[1], "Bearer ")) {
		t.Error("the secret is stored")
	}
}

func TestServiceConfiguration(t *testing.T) {
	t.Parallel()
	ok, negative := []string{"0123456789-abcdef"}, registry.Duration(-1)
	for _, c := range []struct {
		name    string
		tenants []Tenant
		want    []string
	}{
		{"a bad name", []Tenant{{Name: "Acme"}}, []string{"tenant Acme", "cannot be a tenant's name"}},
		{"twice", []Tenant{{Name: "a"}, {Name: "a"}}, []string{"tenant a", "declared twice"}},
		{"a short token", []Tenant{{Name: "a", Tokens: []string{"short"}}}, []string{"tenant a", "token 1", "16 characters"}},
		{"a monotonous token", []Tenant{{Name: "a", Tokens: []string{ok[0], strings.Repeat("ab", 20)}}}, []string{"token 2", "different characters"}},
		{"one token for two", []Tenant{{Name: "a", Tokens: ok}, {Name: "b", Tokens: ok}}, []string{"tenant b", "tenant a", "names one tenant"}},
		{"a bad list", []Tenant{{Name: "a", Settings: Settings{Allow: []string{"default", "password"}}}}, []string{"tenant a", "password"}},
		{"a bad requirement", []Tenant{{Name: "a", Settings: Settings{Required: []string{"title"}}}}, []string{"tenant a", "required title"}},
		{"a bad mode", []Tenant{{Name: "a", Settings: Settings{Members: "maybe"}}}, []string{"tenant a", "members maybe"}},
		{"a negative retention", []Tenant{{Name: "a", Settings: Settings{ArchiveRetention: &negative}}}, []string{"archive_retention"}},
	} {
		_, err := New(Options{Store: &hooked{}, Tenants: c.tenants})
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %q does not say %q", c.name, err, w)
			}
		}
		if strings.Contains(err.Error(), ok[0]) {
			t.Errorf("%s: the error holds the token", c.name)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no store, and no error")
	}
}
