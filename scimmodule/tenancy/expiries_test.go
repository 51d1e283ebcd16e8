package tenancy

import (
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// A probe that comes often does not look at all tokens each time, and what this
// process changes shows at once.
func TestWarningsAreRemembered(t *testing.T) {
	t.Parallel()
	n := newNode(t, newStore())
	warnings := func() int {
		t.Helper()
		list, err := n.Warnings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if got := warnings(); got != 0 {
		t.Errorf("%d warnings without a token", got)
	}
	_, tok := n.mint(registry.Token{Tenant: "acme", Expires: time.Now().Add(time.Hour)})
	if got := warnings(); got != 1 {
		t.Errorf("%d warnings of a token that was just minted", got)
	}
	n.store.on(func(string, string) error { return store.ErrUnavailable })
	if got := warnings(); got != 1 {
		t.Errorf("%d warnings, asked again", got)
	}
	n.store.on(nil)
	if err := n.Revoke(t.Context(), "acme", tok.ID); err != nil {
		t.Fatal(err)
	}
	if got := warnings(); got != 0 {
		t.Errorf("%d warnings of a token that was revoked", got)
	}
}
