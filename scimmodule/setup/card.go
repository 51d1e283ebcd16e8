package setup

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// Input is what a card is made of.
type Input struct {
	Tenant string
	// TenantURL is the address that identity providers use; empty where it is
	// not known here.
	TenantURL string
	// Views are the tenant's allow list.
	Views *schema.Views
	// Allow is that list as it was given to schema.Narrowing. The card is made
	// from Views; only the values in value filters are looked up here. Without
	// it, those that are no canonical values of the schema may be missed where
	// one attribute is filtered in several ways.
	Allow []string
	// Members is the member mode: create, pending, ignore or reject; empty is
	// create.
	Members string
	// Required lists what users must have besides what the schemas require, as
	// it was given to schema.Narrowing.
	Required []string
	// ArchiveRetention is how long deleted users stay in the archive; 0 is for
	// ever.
	ArchiveRetention time.Duration
	Paused           bool
}

// Card is a setup card as plain data: no markup, no characters that do not
// print.
type Card struct {
	Tenant string `json:"tenant"`
	// URL is the Tenant URL; where it is empty, URLNote says what it looks like.
	URL     string `json:"tenant_url"`
	URLNote string `json:"tenant_url_note,omitzero"`
	// Token says where the token is to be had; it is never the token itself.
	Token  string `json:"token"`
	Paused bool   `json:"paused"`
	// Kept is all that is stored of users and groups, in the schemas' order.
	Kept []Attribute `json:"kept"`
	// The steps and the attribute mappings of each identity provider.
	EntraSteps  []string  `json:"entra_steps"`
	Entra       []Mapping `json:"entra"`
	EntraGroups []Mapping `json:"entra_groups"`
	OktaSteps   []string  `json:"okta_steps"`
	Okta        []Mapping `json:"okta"`
	OktaGroups  []Mapping `json:"okta_groups"`
	// Test says how to try the connection, Leaving what becomes of people who
	// leave and come back, Notes what else is worth knowing.
	Test    []string `json:"test"`
	Leaving []string `json:"leaving"`
	Notes   []string `json:"notes"`
}

// Attribute is an entry of what a tenant keeps.
type Attribute struct {
	// ResourceType is "User" or "Group".
	ResourceType string `json:"resource_type"`
	// Name is a path in the form of the allow list, such as
	// emails[type eq "work"].value.
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Note     string `json:"note,omitzero"`
}

// What is to be done with a row of a provider's attribute mappings.
const (
	ActionKeep   = "keep"   // it is there and is fine
	ActionChange = "change" // it is there with another source
	ActionAdd    = "add"    // it is not there
	ActionDelete = "delete" // it is there, and what it sends is dropped
	ActionNone   = "none"   // it cannot be deleted; what it sends is dropped
)

// Mapping is a row of a provider's attribute mappings.
type Mapping struct {
	// Source is the provider's attribute or expression.
	Source string `json:"source"`
	// Target is the SCIM path.
	Target string `json:"target"`
	// Kept tells whether this tenant stores what the row sends.
	Kept bool `json:"kept"`
	// Action is one of the constants above.
	Action string `json:"action"`
	Note   string `json:"note,omitzero"`
}

// New makes the card of a tenant.
func New(in Input) Card {
	kept := in.kept()
	c := Card{
		Tenant:      printable(in.Tenant),
		URL:         printable(in.TenantURL),
		Token:       "The Secret Token that you got separately. It is a password: it is not on this card and belongs in no mail or ticket.",
		Paused:      in.Paused,
		EntraSteps:  slices.Clone(entraSteps),
		Entra:       entra.users(in.Views.User, kept),
		EntraGroups: entra.groups(in.Views.Group, kept),
		OktaSteps:   slices.Clone(oktaSteps),
		Okta:        okta.users(in.Views.User, kept),
		OktaGroups:  okta.groups(in.Views.Group, kept),
		Test:        slices.Clone(testSteps),
		Leaving:     leaving(in.ArchiveRetention),
		Notes:       notes(in, kept),
	}
	if c.URL == "" {
		c.URLNote = "The people who gave you this card know it. It looks like https://scim.example.com/scim/v2."
	}
	for _, k := range kept {
		c.Kept = append(c.Kept, k.Attribute)
	}
	return c
}

// printable replaces what could move a terminal's cursor or turn the direction
// of a text: addresses and URNs come from configuration.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
