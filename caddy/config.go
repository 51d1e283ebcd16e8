package caddy

import (
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// Settings are the rules for a tenant's users and groups.
type Settings struct {
	// The attributes that are stored and returned; all others are dropped.
	// Each is an attribute's path, such as `title`, `name.honorificPrefix` or
	// `emails[type eq "home"].value`, if need be with the URN of its schema in
	// front. `default` stands for the default list, `*` for everything that
	// the schemas define, but for what may not be read (`password`).
	// Default: `default`.
	Allow []string `json:"allow,omitempty"`

	// The attributes that a user must have, besides `userName`.
	Required []string `json:"required,omitempty"`

	// What is done with a member of a group that names no user:
	// `create` a provisional user, keep it `pending` until the user is made,
	// `ignore` it, or `reject` the request. Default: `create`.
	Members string `json:"members,omitempty"`

	// By which attributes a new user is matched with an inactive, provisional
	// or archived one: `userName`, or `userName` and `externalId`.
	// Default: `userName`.
	Match []string `json:"match,omitempty"`

	// Whether several groups may have the same `displayName`. Default: false.
	DuplicateGroupNames *bool `json:"duplicate_group_names,omitempty"`

	// How long deleted users are kept in the archive before they are erased.
	// Default: 0, for ever.
	ArchiveRetention *caddy.Duration `json:"archive_retention,omitempty"`

	// How many requests of a tenant each node answers a second, and for a moment
	// at once: `100 300`, or `off`. Default: `100`, and twice as many at once.
	Rate *registry.Rate `json:"rate,omitempty"`
}

// Tenant is one customer: a directory of its own, with its own tokens.
type Tenant struct {
	// The tenant's name: up to 63 of a-z, 0-9 and -, not starting with a -.
	Name string `json:"name"`

	// Bearer tokens of the tenant's identity provider, best as placeholders
	// such as `{env.ACME_SCIM_TOKEN}` or `{file./run/secrets/acme}`. Others can
	// be minted with `caddy-scim scim token create`. Default: none.
	Tokens []Secret `json:"tokens,omitempty"`

	// Whether the tenant's requests are answered with 503, so that its identity
	// provider comes back later. Default: false.
	Paused bool `json:"paused,omitempty"`

	Settings
}

// Extensions are schemas that extend those of RFC 7643.
type Extensions struct {
	// Extensions of users.
	Users []Extension `json:"users,omitempty"`
	// Extensions of groups.
	Groups []Extension `json:"groups,omitempty"`
}

// Extension is a schema in a file.
type Extension struct {
	// The file, a schema in the JSON form of RFC 7643 section 7.
	File string `json:"file"`
	// Whether each resource must have attributes of this schema.
	Required bool `json:"required,omitempty"`
}

// Limits bound what a request may ask for. What is left out, or 0, takes its
// default.
type Limits struct {
	// Bytes in a request's body. Default: 4194304.
	Body int64 `json:"body,omitempty"`
	// Nesting of a JSON document. Default: 16.
	Depth int `json:"depth,omitempty"`
	// Operations in a PATCH. Default: 1000.
	PatchOperations int `json:"patch_operations,omitempty"`
	// Operations in a bulk request. Default: 1000.
	BulkOperations int `json:"bulk_operations,omitempty"`
	// Resources on a page, whatever the client asks for. Default: 200.
	Page int `json:"page,omitempty"`
	// Resources on a page if the client does not say. Default: 100.
	DefaultPage int `json:"default_page,omitempty"`
	// Bytes in a filter. Default: 4096.
	FilterBytes int `json:"filter_bytes,omitempty"`
	// Nesting of a filter. Default: 20.
	FilterDepth int `json:"filter_depth,omitempty"`
	// Comparisons in a filter. Default: 50.
	FilterTerms int `json:"filter_terms,omitempty"`
	// Bytes in a string. Default: 65536.
	StringBytes int `json:"string_bytes,omitempty"`
	// Members of groups in one request. Default: 20000.
	MembersPerRequest int `json:"members_per_request,omitempty"`
	// Users that one request may create by naming them as members of a group.
	// Default: 5000.
	CreationsPerRequest int `json:"creations_per_request,omitempty"`
	// Resources that are read for a filter that no index serves. Default: 50000.
	ScanBudget int `json:"scan_budget,omitempty"`
}

// ChangeLog bounds the log of changes that is kept for each tenant.
type ChangeLog struct {
	// How many entries are kept. Default: 10000.
	Entries int `json:"entries,omitempty"`
	// How long an entry is kept at most. Default: 0, no limit.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
}

// memberModes are the values of Settings.Members.
var memberModes = []string{"create", "pending", "ignore", "reject"}

// core returns the settings for the service.
func (s Settings) core() (scimmodule.Settings, error) {
	out := scimmodule.Settings{
		Allow:               s.Allow,
		Required:            s.Required,
		Members:             s.Members,
		Match:               s.Match,
		DuplicateGroupNames: s.DuplicateGroupNames,
		ArchiveRetention:    (*registry.Duration)(s.ArchiveRetention),
		Rate:                s.Rate,
	}
	_, err := out.MatchExternalID()
	return out, err
}

// core returns the tenant for the service, with its tokens in clear.
func (t Tenant) core() (scimmodule.Tenant, error) {
	settings, err := t.Settings.core()
	if err != nil {
		return scimmodule.Tenant{}, fmt.Errorf("tenant %s: %w", t.Name, err)
	}
	out := scimmodule.Tenant{Name: t.Name, Settings: settings, Paused: t.Paused}
	for i, secret := range t.Tokens {
		clear, err := secret.reveal(fmt.Sprintf("token %d of tenant %s", i+1, t.Name))
		if err != nil {
			return scimmodule.Tenant{}, err
		}
		out.Tokens = append(out.Tokens, clear)
	}
	return out, nil
}

// catalog reads the extensions' files.
func (e Extensions) catalog() (*schema.Catalog, error) {
	users, err := readExtensions("users", e.Users)
	if err != nil {
		return nil, err
	}
	groups, err := readExtensions("groups", e.Groups)
	if err != nil {
		return nil, err
	}
	return schema.NewCatalog(users, groups)
}

func readExtensions(of string, list []Extension) ([]schema.Extension, error) {
	var out []schema.Extension
	for _, e := range list {
		option := "extension " + of
		file, err := replace(option, e.File)
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", option, err)
		}
		s, err := schema.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", option, file, err)
		}
		out = append(out, schema.Extension{Schema: s, Required: e.Required})
	}
	return out, nil
}

func (l Limits) core() scimmodule.Limits {
	return scimmodule.Limits{
		Body: l.Body, Depth: l.Depth,
		PatchOperations: l.PatchOperations, BulkOperations: l.BulkOperations,
		Page: l.Page, DefaultPage: l.DefaultPage,
		FilterBytes: l.FilterBytes, FilterDepth: l.FilterDepth, FilterTerms: l.FilterTerms,
		StringBytes: l.StringBytes, MembersPerRequest: l.MembersPerRequest,
		CreationsPerRequest: l.CreationsPerRequest, ScanBudget: l.ScanBudget,
	}
}
