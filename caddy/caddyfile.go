package caddy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("scim", parseGlobalOption)
	httpcaddyfile.RegisterHandlerDirective("scim", parseDirective)
	// Ahead of handle and route, so that a site's catch-all leaves SCIM alone.
	httpcaddyfile.RegisterDirectiveOrder("scim", httpcaddyfile.Before, "invoke")
}

// parseDirective reads the directive, which has no options:
//
//	scim [<matcher>]
func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	if h.NextArg() {
		return nil, h.Errf("scim takes no argument, but %q; its options are in the global scim block", h.Val())
	}
	for h.NextBlock(0) {
		return nil, h.Errf("scim takes no options here, but %q; they are in the global scim block", h.Val())
	}
	return new(Handler), nil
}

func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("there is a scim block already")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "scim", Value: caddyconfig.JSON(a, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from the global option. Syntax:
//
//	scim {
//	    public_url <address>
//	    base_path  <path>
//	    store bolt [<path>]
//	    store redis { … }
//	    store memory
//	    tenant <name> {
//	        token <secret>
//	        paused
//	        <settings>
//	    }
//	    <settings>
//	    extension users|groups [required] <file>
//	    limits {
//	        <name> <number>
//	    }
//	    change_log {
//	        entries <number>
//	        max_age <duration>
//	    }
//	}
//
// where settings, of a tenant or of all tenants that do not say otherwise, are
//
//	allow <attributes...>
//	required <attributes...>
//	members create|pending|ignore|reject
//	match userName [externalId]
//	duplicate_group_names on|off
//	archive_retention <duration>|forever
//	rate <requests per second> [<burst>]|off
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.ArgErr()
	}
	once := onlyOnce{}
	for d.NextBlock(0) {
		known, err := a.Settings.unmarshalOption(d, once)
		if err != nil {
			return err
		}
		if !known {
			if err := a.unmarshalOption(d, once); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *App) unmarshalOption(d *caddyfile.Dispenser, once onlyOnce) error {
	option := d.Val()
	if option != "tenant" && option != "extension" {
		if err := once.check(d); err != nil {
			return err
		}
	}
	switch option {
	case "public_url":
		return oneArg(d, &a.PublicURL)
	case "base_path":
		return oneArg(d, &a.BasePath)
	case "store":
		return a.unmarshalStore(d)
	case "tenant":
		return a.unmarshalTenant(d)
	case "extension":
		return a.unmarshalExtension(d)
	case "limits":
		a.Limits = new(Limits)
		return a.Limits.unmarshal(d)
	case "change_log":
		a.ChangeLog = new(ChangeLog)
		return a.ChangeLog.unmarshal(d)
	}
	return d.Errf("unrecognized scim option %q", option)
}

func (a *App) unmarshalStore(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	driver := d.Val()
	if !slices.ContainsFunc(caddy.GetModules("scim.stores"), func(m caddy.ModuleInfo) bool { return m.ID.Name() == driver }) {
		return d.Errf("unrecognized store %q: want bolt, redis or memory", driver)
	}
	m, err := caddyfile.UnmarshalModule(d, "scim.stores."+driver)
	if err != nil {
		return err
	}
	a.StoreRaw = caddyconfig.JSONModuleObject(m, "driver", driver, nil)
	return nil
}

func (a *App) unmarshalTenant(d *caddyfile.Dispenser) error {
	var t Tenant
	if err := oneArg(d, &t.Name); err != nil {
		return err
	}
	if !registry.ValidName(t.Name) {
		return d.Errf("tenant %q: a name has up to 63 of a-z, 0-9 and -, and starts with a letter or digit", t.Name)
	}
	if slices.ContainsFunc(a.Tenants, func(o Tenant) bool { return o.Name == t.Name }) {
		return d.Errf("tenant %s is declared twice", t.Name)
	}
	once := onlyOnce{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		known, err := t.Settings.unmarshalOption(d, once)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		switch d.Val() {
		case "token":
			var secret string
			if err := oneArg(d, &secret); err != nil {
				return err
			}
			t.Tokens = append(t.Tokens, Secret(secret))
		case "paused":
			if err := once.check(d); err != nil {
				return err
			}
			if d.NextArg() {
				return d.ArgErr()
			}
			t.Paused = true
		default:
			return d.Errf("unrecognized tenant option %q", d.Val())
		}
	}
	a.Tenants = append(a.Tenants, t)
	return nil
}

func (a *App) unmarshalExtension(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	of, args := args[0], args[1:]
	if of != "users" && of != "groups" {
		return d.Errf("extension %q: want \"extension users <file>\" or \"extension groups <file>\"", of)
	}
	var e Extension
	if len(args) == 2 && args[0] == "required" {
		e.Required, args = true, args[1:]
	}
	if len(args) != 1 {
		return d.ArgErr()
	}
	e.File = args[0]
	if a.Extensions == nil {
		a.Extensions = new(Extensions)
	}
	if of == "users" {
		a.Extensions.Users = append(a.Extensions.Users, e)
	} else {
		a.Extensions.Groups = append(a.Extensions.Groups, e)
	}
	return noBlock(d)
}

// unmarshalOption reads one of the settings; known is false for other options.
func (s *Settings) unmarshalOption(d *caddyfile.Dispenser, once onlyOnce) (known bool, err error) {
	switch d.Val() {
	case "allow", "required":
	case "members", "match", "duplicate_group_names", "archive_retention", "rate":
		if err := once.check(d); err != nil {
			return true, err
		}
	default:
		return false, nil
	}
	switch d.Val() {
	case "allow":
		return true, someArgs(d, &s.Allow)
	case "required":
		return true, someArgs(d, &s.Required)
	case "members":
		if err := oneArg(d, &s.Members); err != nil {
			return true, err
		}
		if !slices.Contains(memberModes, s.Members) {
			return true, d.Errf("members %q: want one of %s", s.Members, strings.Join(memberModes, ", "))
		}
	case "match":
		if err := someArgs(d, &s.Match); err != nil {
			return true, err
		}
		if _, err := (registry.Settings{Match: s.Match}).MatchExternalID(); err != nil {
			return true, d.WrapErr(err)
		}
	case "duplicate_group_names":
		var word string
		if err := oneArg(d, &word); err != nil {
			return true, err
		}
		if word != "on" && word != "off" {
			return true, d.Errf("duplicate_group_names %q: want on or off", word)
		}
		on := word == "on"
		s.DuplicateGroupNames = &on
	case "archive_retention":
		return true, retentionArg(d, &s.ArchiveRetention)
	case "rate":
		var words []string
		if err := someArgs(d, &words); err != nil {
			return true, err
		}
		r, err := registry.ParseRate(strings.Join(words, " "))
		if err != nil {
			return true, d.WrapErr(err)
		}
		s.Rate = &r
	}
	return true, nil
}

func (l *Limits) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	once := onlyOnce{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := once.check(d); err != nil {
			return err
		}
		name := d.Val()
		switch name {
		case "body":
			if err := bytesArg(d, &l.Body); err != nil {
				return err
			}
			continue
		case "filter_bytes", "string_bytes":
			var n int64
			if err := bytesArg(d, &n); err != nil {
				return err
			}
			if name == "filter_bytes" {
				l.FilterBytes = int(n)
			} else {
				l.StringBytes = int(n)
			}
			continue
		}
		field, ok := map[string]*int{
			"depth": &l.Depth, "patch_operations": &l.PatchOperations, "bulk_operations": &l.BulkOperations,
			"page": &l.Page, "default_page": &l.DefaultPage,
			"filter_depth": &l.FilterDepth, "filter_terms": &l.FilterTerms,
			"members_per_request": &l.MembersPerRequest, "creations_per_request": &l.CreationsPerRequest,
			"scan_budget": &l.ScanBudget,
		}[name]
		if !ok {
			return d.Errf("unrecognized limit %q", name)
		}
		if err := countArg(d, field); err != nil {
			return err
		}
	}
	return nil
}

func (c *ChangeLog) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	once := onlyOnce{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := once.check(d); err != nil {
			return err
		}
		var err error
		switch d.Val() {
		case "entries":
			err = countArg(d, &c.Entries)
		case "max_age":
			err = durationArg(d, &c.MaxAge)
		default:
			err = d.Errf("unrecognized change_log option %q", d.Val())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// onlyOnce refuses an option that is given twice in a block.
type onlyOnce map[string]bool

func (o onlyOnce) check(d *caddyfile.Dispenser) error {
	if o[d.Val()] {
		return d.Errf("%s is given twice", d.Val())
	}
	o[d.Val()] = true
	return nil
}

// noBlock refuses a block after an option that has none.
func noBlock(d *caddyfile.Dispenser) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		return d.Errf("%q: no block is wanted here", d.Val())
	}
	return nil
}

// oneArg reads the only argument of an option. A block may follow.
func oneArg(d *caddyfile.Dispenser, to *string) error {
	if !d.AllArgs(to) {
		return d.ArgErr()
	}
	if *to == "" {
		return d.Err("the argument is empty")
	}
	return nil
}

// someArgs appends the arguments of an option, of which there is at least one.
func someArgs(d *caddyfile.Dispenser, to *[]string) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	*to = append(*to, args...)
	return nil
}

func countArg(d *caddyfile.Dispenser, to *int) error {
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return d.Errf("%q is no number from 1", s)
	}
	*to = n
	return nil
}

func bytesArg(d *caddyfile.Dispenser, to *int64) error {
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	n, err := humanize.ParseBytes(s)
	if err != nil || n < 1 || n > 1<<40 {
		return d.Errf("%q is no size such as 4MiB", s)
	}
	*to = int64(n)
	return nil
}

// retentionArg reads a duration, or "forever", which is 0.
func retentionArg(d *caddyfile.Dispenser, to **caddy.Duration) error {
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	var v registry.Duration
	if err := v.UnmarshalText([]byte(s)); err != nil {
		return d.WrapErr(err)
	}
	kept := caddy.Duration(v)
	*to = &kept
	return nil
}

func durationArg(d *caddyfile.Dispenser, to *caddy.Duration) error {
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	v, err := caddy.ParseDuration(s)
	if err != nil || v < 0 {
		return d.Errf("%q is no duration such as 90d or 12h", s)
	}
	*to = caddy.Duration(v)
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*App)(nil)
