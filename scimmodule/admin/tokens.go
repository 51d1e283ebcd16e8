package admin

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/tenancy"
)

func (c *call) createToken(in TokenCreate) (any, error) {
	expires, err := parseExpiry(in.Expires, time.Now())
	if err != nil {
		return nil, err
	}
	addresses, err := parseAddresses(in.Addresses)
	if err != nil {
		return nil, err
	}
	secret, tok, err := c.tenancy.Mint(c.ctx, registry.Token{
		Tenant: in.Tenant, Label: in.Label, Expires: expires, Scope: registry.Scope(in.Scope), Addresses: addresses,
	}, in.Create)
	if err != nil {
		return nil, err
	}
	return TokenCreated{
		Tenant: tok.Tenant, TenantURL: c.TenantURL, Token: secret, ID: tok.ID, Label: tok.Label,
		Expires: when(tok.Expires), Scope: string(tok.Scope), Addresses: texts(tok.Addresses),
	}, nil
}

// parseExpiry reads a duration from now, a date or a time; empty is never.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := registry.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, strings.ToUpper(text)); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, refuse(http.StatusBadRequest, "expires %.50q: want a duration such as 90d, a date such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z", text)
}

// parseAddresses reads addresses and ranges in CIDR notation.
func parseAddresses(words []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, w := range words {
		p, err := netip.ParsePrefix(w)
		if addr, aerr := netip.ParseAddr(w); err != nil && aerr == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() || strings.Contains(w, "%") {
			return nil, refuse(http.StatusBadRequest, "address %.50q: want an address such as 192.0.2.7, or a range such as 192.0.2.0/24 or 2001:db8::/32", w)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

func texts(list []netip.Prefix) []string {
	var out []string
	for _, p := range list {
		if p.IsSingleIP() {
			out = append(out, p.Addr().String())
		} else {
			out = append(out, p.String())
		}
	}
	return out
}

func (c *call) listTokens(in TenantRequest) (any, error) {
	if err := registry.CheckName(in.Tenant); err != nil {
		return nil, err
	}
	minted, static, err := c.tenancy.Tokens(c.ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	list := TokenList{Tenant: in.Tenant, Tokens: []Token{}}
	for _, id := range static {
		list.Tokens = append(list.Tokens, Token{ID: id, Scope: string(registry.Provision), Static: true})
	}
	for _, t := range minted {
		list.Tokens = append(list.Tokens, Token{
			ID: t.ID, Label: t.Label, Scope: string(t.Scope), Created: when(t.Created), Expires: when(t.Expires), LastUsed: when(t.Used),
			Addresses: texts(t.Addresses), Warning: tenancy.Warning(t, time.Now()),
		})
	}
	return list, nil
}

func (c *call) revokeToken(in TokenRevoke) (any, error) {
	if in.ID == "" {
		return nil, refuse(http.StatusBadRequest, "id: say which token; the list of the tenant's tokens has the ids")
	}
	if err := c.tenancy.Revoke(c.ctx, in.Tenant, in.ID); err != nil {
		return nil, err
	}
	return in, nil
}
