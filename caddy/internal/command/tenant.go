package command

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/report"
	"github.com/caddy-scim/caddy-scim/scimmodule/setup"
)

var tenantName = oneArg("the tenant's name")

func (c *cli) tenant() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tenant",
		Short: "Manages tenants and their settings",
		Long: `
Manages the tenants: the customers whose identity providers reach the SCIM
service, each with users, groups, tokens and settings of their own.

Tenants can also be declared in the configuration. Those cannot be deleted here,
only paused.`,
		Example: `  caddy-scim scim tenant list
  caddy-scim scim tenant create acme --allow default --allow title
  caddy-scim scim tenant pause acme`,
	}
	return group(cmd, c.tenantList(), c.tenantShow(), c.tenantCreate(), c.tenantSet(), c.tenantPause(), c.tenantResume(), c.tenantDelete())
}

func (c *cli) tenantList() *cobra.Command {
	return c.command(&cobra.Command{
		Use:   "list [--json]",
		Short: "Lists the tenants and whether their provisioning works",
		Long: `
Lists the tenants by name: whether they are active, paused or being deleted, how
many users, groups and tokens they have, how many requests failed within the last
24 hours, and when their identity provider last asked for something.`,
		Example: `  caddy-scim scim tenant list
  caddy-scim scim tenant list --json`,
		Args: noArgs,
	}, func(s *session) error {
		all := admin.TenantPage{Tenants: []admin.Tenant{}}
		err := pages(func(after string) (string, error) {
			var p admin.TenantPage
			_, err := s.call(admin.PathTenantList, admin.PageRequest{After: after, Limit: pageSize}, &p)
			all.Tenants = append(all.Tenants, p.Tenants...)
			return p.Next, err
		})
		if err != nil {
			return err
		}
		if s.is("json") {
			return s.json(all)
		}
		if len(all.Tenants) == 0 {
			return s.printf("There is no tenant. Create one with: caddy-scim scim tenant create NAME\n")
		}
		t := &table{columns: []column{{head: "NAME", min: 12}, {head: "STATE"}, {head: "USERS", right: true}, {head: "GROUPS", right: true},
			{head: "TOKENS", right: true}, {head: "ERRORS", right: true}, {head: "LAST REQUEST"}}}
		for _, x := range all.Tenants {
			t.row(x.Name, x.State, strconv.Itoa(x.Users), strconv.Itoa(x.Groups), strconv.Itoa(x.Tokens), strconv.FormatInt(x.Errors, 10), momentOr(x.LastRequest, "never"))
		}
		return t.flush(s.out)
	})
}

func (c *cli) tenantShow() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "show <name> [--setup [--format text|markdown|html]] [--json]",
		Short: "Shows a tenant, its settings and its activity, or its setup card",
		Long: `
Shows all about a tenant: how many users and groups it has, whether its
provisioning works, each setting in force and where it comes from.

With --setup it prints the setup card instead: what the customer's administrator
needs to connect an identity provider, such as the Tenant URL, where the token
goes, the attribute mappings that match what this tenant keeps, and how to test.
The card holds no secret; hand the token over on another way.`,
		Example: `  caddy-scim scim tenant show acme
  caddy-scim scim tenant show acme --setup
  caddy-scim scim tenant show acme --setup --format html > acme.html`,
		Args: tenantName,
	}, func(s *session) error {
		if s.is("setup") {
			return s.setupCard()
		}
		if s.given("format") {
			return wrongUse("--format goes with --setup; see %s --help", s.cmd.CommandPath())
		}
		var d admin.TenantDetail
		raw, err := s.call(admin.PathTenantShow, admin.TenantRequest{Tenant: s.args[0]}, &d)
		if err != nil {
			return err
		}
		return s.answer(raw, func() error { return s.tenantDetail(d) })
	})
	cmd.Flags().Bool("setup", false, "Print the setup card for the customer's administrator")
	cmd.Flags().String("format", "text", "Format of the setup card: text, markdown or html")
	return cmd
}

func (s *session) setupCard() error {
	var card setup.Card
	format := s.text("format")
	switch format {
	case "text", "markdown", "html":
	default:
		return wrongUse("--format %q: want text, markdown or html", format)
	}
	raw, err := s.call(admin.PathTenantSetup, admin.TenantRequest{Tenant: s.args[0]}, &card)
	if err != nil {
		return err
	}
	if s.is("json") {
		return s.json(raw)
	}
	var b bytes.Buffer
	switch format {
	case "text":
		err = card.Text(&b)
	case "markdown":
		err = card.Markdown(&b)
	case "html":
		err = card.HTML(&b)
	}
	if err != nil {
		return err
	}
	_, err = s.out.Write([]byte(cleanLines(b.String())))
	return err
}

func (s *session) tenantDetail(d admin.TenantDetail) error {
	origin := ""
	if d.Configured {
		origin = "in the configuration"
	}
	err := fields(s.out,
		"Tenant", d.Name,
		"State", d.State,
		"Tenant URL", d.TenantURL,
		"Declared", origin,
		"Created", momentOr(d.Created, ""),
		"Users", grouped(int64(d.Users))+", and "+grouped(int64(d.Archived))+" archived",
		"Groups", grouped(int64(d.Groups)),
		"Tokens", grouped(int64(d.Tokens)),
		"Last request", momentOr(d.LastRequest, "never"),
		"Last change", momentOr(d.LastChange, "never"),
		"Errors", grouped(d.Errors)+" within 24 hours",
		"Last error", lastError(d),
	)
	if err != nil {
		return err
	}
	return s.settingsAndNotes(d)
}

// lastError tells of the last failure in a tenant's activity, if there was one.
func lastError(d admin.TenantDetail) string {
	raw, err := json.Marshal(d.Activity)
	var a report.Activity
	if err != nil || json.Unmarshal(raw, &a) != nil || a.LastError.Time.IsZero() {
		return ""
	}
	return failure(a.LastError)
}

func (s *session) settingsAndNotes(d admin.TenantDetail) error {
	if len(d.Settings) > 0 {
		if err := s.printf("\n"); err != nil {
			return err
		}
		if err := s.settingsTable(d.Settings); err != nil {
			return err
		}
	}
	if len(d.Notes) > 0 {
		if err := s.printf("\n"); err != nil {
			return err
		}
	}
	return s.notes("Note", d.Notes)
}

func (c *cli) tenantCreate() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "create <name> [settings] [--adopt] [--json]",
		Short: "Creates a tenant",
		Long: `
Creates a tenant. Its name has 1 to 63 characters of a-z, 0-9 and -, and begins
with a letter or digit. It has no access before a token is minted for it.

Where users, groups or tokens of an earlier tenant of the name are stored, such
as one that the configuration declared, the tenant is only created with --adopt,
and has them then.

` + settingsHelp,
		Example: `  caddy-scim scim tenant create acme
  caddy-scim scim tenant create acme --allow default --allow title --archive-retention 90d`,
		Args: tenantName,
	}, func(s *session) error {
		set, err := s.settings()
		if err != nil {
			return err
		}
		var d admin.TenantDetail
		raw, err := s.call(admin.PathTenantCreate, admin.TenantCreate{Tenant: s.args[0], Settings: set, Adopt: s.is("adopt")}, &d)
		if err != nil {
			return err
		}
		return s.answer(raw, func() error {
			if err := s.printf("Tenant %s is created.\n", s.args[0]); err != nil {
				return err
			}
			return s.notes("Note", d.Notes)
		})
	})
	settingsFlags(cmd)
	cmd.Flags().Bool("adopt", false, "Take over what is stored of an earlier tenant of the name")
	return cmd
}

func (c *cli) tenantSet() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "set <name> [settings] [--unset <setting>,…] [--json]",
		Short: "Changes the settings of a tenant",
		Long: `
Changes the settings of a tenant, also of one that the configuration declares.
What is not named stays as it is. --unset takes settings back, so that the
configuration's defaults hold again: ` + strings.Join(registry.Names[:4], ", ") + `,
` + strings.Join(registry.Names[4:], ", ") + `.

` + settingsHelp + `

A shorter list of --allow holds for what is stored already, too: what it no
longer names is erased.`,
		Example: `  caddy-scim scim tenant set acme --rate "200 400"
  caddy-scim scim tenant set acme --required emails --members reject
  caddy-scim scim tenant set acme --unset rate,required`,
		Args: tenantName,
	}, func(s *session) error {
		set, err := s.settings()
		if err != nil {
			return err
		}
		unset, err := s.unset(set)
		if err != nil {
			return err
		}
		var d admin.TenantDetail
		raw, err := s.call(admin.PathTenantSet, admin.TenantSet{Tenant: s.args[0], Set: set, Unset: unset}, &d)
		if err != nil {
			return err
		}
		return s.answer(raw, func() error {
			if err := s.printf("The settings of tenant %s are changed.\n", s.args[0]); err != nil {
				return err
			}
			return s.settingsAndNotes(d)
		})
	})
	settingsFlags(cmd)
	cmd.Flags().StringSlice("unset", nil, "Settings to take back, with commas between them (repeatable)")
	return cmd
}

// unset reads --unset, and refuses a command that changes nothing or one setting
// in two ways.
func (s *session) unset(set registry.Settings) ([]string, error) {
	list, err := s.cmd.Flags().GetStringSlice("unset")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, word := range list {
		names = append(names, settingName(strings.TrimSpace(word)))
	}
	if _, err := set.Without(names); err != nil {
		return nil, wrongUse("--unset: %v", err)
	}
	said := len(names) > 0
	for _, name := range registry.Names {
		said = said || set.Has(name)
	}
	if !said {
		return nil, wrongUse("nothing to change: name a setting; see %s --help", s.cmd.CommandPath())
	}
	for _, name := range names {
		if set.Has(name) {
			return nil, wrongUse("%s cannot be set and unset at once", name)
		}
	}
	return names, nil
}

func (c *cli) tenantPause() *cobra.Command {
	return c.command(&cobra.Command{
		Use:   "pause <name> [--json]",
		Short: "Pauses a tenant: its identity provider is told to come back later",
		Long: `
Pauses a tenant. Requests with a valid token are answered with status 503 and
Retry-After, on every node within five seconds, so that identity providers try
again later and lose nothing. Nothing stored is changed.`,
		Example: `  caddy-scim scim tenant pause acme`,
		Args:    tenantName,
	}, func(s *session) error {
		return s.switchTenant(admin.PathTenantPause, "Tenant %s is paused.\n")
	})
}

func (c *cli) tenantResume() *cobra.Command {
	return c.command(&cobra.Command{
		Use:     "resume <name> [--json]",
		Short:   "Resumes a paused tenant",
		Long:    "\nResumes a paused tenant: its requests are served again, on every node within\nfive seconds.",
		Example: `  caddy-scim scim tenant resume acme`,
		Args:    tenantName,
	}, func(s *session) error {
		return s.switchTenant(admin.PathTenantResume, "Tenant %s is resumed.\n")
	})
}

func (s *session) switchTenant(path, sentence string) error {
	var d admin.TenantDetail
	raw, err := s.call(path, admin.TenantRequest{Tenant: s.args[0]}, &d)
	if err != nil {
		return err
	}
	return s.answer(raw, func() error {
		if err := s.printf(sentence, s.args[0]); err != nil {
			return err
		}
		return s.notes("Note", d.Notes)
	})
}
