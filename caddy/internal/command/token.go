package command

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

func (c *cli) token() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Manages the tokens of a tenant",
		Long: `
Mints, lists and revokes the bearer tokens with which a tenant's identity provider
reaches the SCIM service.

A token is rotated without an outage by minting a second one, entering it at the
identity provider, and revoking the first once the second was used.`,
		Example: `  caddy-scim scim token create --tenant acme
  caddy-scim scim token list --tenant acme`,
	}
	return group(cmd, c.tokenCreate(), c.tokenList(), c.tokenRevoke())
}

func (c *cli) tokenCreate() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "create --tenant <name> [flags]",
		Short: "Mints a token and prints it, once",
		Long: `
Mints a bearer token for a tenant, and prints the Tenant URL and the Secret Token
as an identity provider asks for them. The token is stored as a hash, so it can
never be shown again.

--expires takes a duration such as 90d or 720h, a date such as 2027-01-31, or a
time such as 2027-01-31T12:00:00Z. Without it the token is valid until it is
revoked.

--from bounds the addresses that requests with the token may come from: an
address such as 192.0.2.7, or a range such as 192.0.2.0/24. Others are answered as
if there were no such token. --address, as always, is where the admin API is.`,
		Example: `  caddy-scim scim token create --tenant acme
  caddy-scim scim token create --tenant newcustomer --create --expires 365d --json
  caddy-scim scim token create --tenant acme --scope read --from 192.0.2.0/24`,
		Args: noArgs,
	}, (*session).createToken)
	tenantFlag(cmd)
	f := cmd.Flags()
	f.Bool("create", false, "Create the tenant if there is none of that name")
	f.String("label", "", "A note to recognize the token by")
	f.String("expires", "", "When the token ends: a duration, a date or a time")
	f.String("scope", "", "What the token may do: provision (everything, the default) or read")
	f.StringArray("from", nil, "An address or range that requests with the token may come from (repeatable)")
	return cmd
}

func (s *session) createToken() error {
	tenant, err := s.required("tenant")
	if err != nil {
		return err
	}
	var t admin.TokenCreated
	raw, err := s.call(admin.PathTokenCreate, admin.TokenCreate{
		Tenant: tenant, Label: s.text("label"), Expires: s.text("expires"), Scope: s.text("scope"), Addresses: s.words("from"), Create: s.is("create"),
	}, &t)
	if err != nil {
		return err
	}
	return s.answer(raw, func() error {
		url := t.TenantURL
		if url == "" {
			url = "(your site's address, followed by the base path, such as https://scim.example.com/scim/v2; set public_url in the scim options to see it here)"
		}
		if err := s.printf("Tenant URL    %s\nSecret Token  %s\n\nToken id      %s\n", url, t.Token, t.ID); err != nil {
			return err
		}
		if t.Expires != nil {
			if err := s.printf("Expires       %s\n", moment(*t.Expires)); err != nil {
				return err
			}
		}
		if t.Scope == "read" {
			if err := s.printf("Scope         read: it may not change anything\n"); err != nil {
				return err
			}
		}
		if len(t.Addresses) > 0 {
			if err := s.printf("Only from     %s\n", strings.Join(t.Addresses, ", ")); err != nil {
				return err
			}
		}
		return s.printf("\nKeep the secret token now: it cannot be shown again.\n")
	})
}

func (c *cli) tokenList() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "list --tenant <name> [--json]",
		Short: "Lists the tokens of a tenant, without their secrets",
		Long: `
Lists the tokens of a tenant: those that were minted, and the static ones of the
configuration. When a token was last used is known to the minute.`,
		Example: `  caddy-scim scim token list --tenant acme
  caddy-scim scim token list --tenant acme --json`,
		Args: noArgs,
	}, (*session).listTokens)
	tenantFlag(cmd)
	return cmd
}

func (s *session) listTokens() error {
	tenant, err := s.required("tenant")
	if err != nil {
		return err
	}
	var list admin.TokenList
	raw, err := s.call(admin.PathTokenList, admin.TenantRequest{Tenant: tenant}, &list)
	if err != nil {
		return err
	}
	return s.answer(raw, func() error {
		if len(list.Tokens) == 0 {
			return s.printf("Tenant %s has no tokens. Mint one with:\n  caddy-scim scim token create --tenant %[1]s\n", tenant)
		}
		t := &table{columns: []column{{head: "ID"}, {head: "SCOPE"}, {head: "LAST USED"}, {head: "EXPIRES"}}}
		for _, k := range list.Tokens {
			t.row(k.ID, k.Scope, momentOr(k.LastUsed, "never"), momentOr(k.Expires, "never"))
			var about []string
			if k.Static {
				about = append(about, "static, of the configuration")
			}
			if k.Label != "" {
				about = append(about, k.Label)
			}
			if k.Created != nil {
				about = append(about, "created "+moment(*k.Created))
			}
			if len(k.Addresses) > 0 {
				about = append(about, "only from "+strings.Join(k.Addresses, ", "))
			}
			if len(about) > 0 {
				t.line(strings.Join(about, "; "))
			}
			if k.Warning != "" {
				t.line("Warning: " + k.Warning)
			}
		}
		return t.flush(s.out)
	})
}

func (c *cli) tokenRevoke() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "revoke --tenant <name> --id <token id> [--json]",
		Short: "Ends a minted token at once",
		Long: `
Ends a minted token: this node refuses it at once, every other node within five
seconds. Static tokens end when they are taken out of the configuration.`,
		Example: `  caddy-scim scim token revoke --tenant acme --id c1cc47a775947f11`,
		Args:    noArgs,
	}, func(s *session) error {
		tenant, err := s.required("tenant")
		if err != nil {
			return err
		}
		id, err := s.required("id")
		if err != nil {
			return err
		}
		raw, err := s.call(admin.PathTokenRevoke, admin.TokenRevoke{Tenant: tenant, ID: id}, nil)
		if err != nil {
			return err
		}
		return s.answer(raw, func() error { return s.printf("Token %s of tenant %s is revoked.\n", id, tenant) })
	})
	tenantFlag(cmd)
	cmd.Flags().String("id", "", "The token's id, as in the list (required)")
	return cmd
}
