package setup

import (
	"slices"
	"strings"
)

// section is a part of a card as all three forms show it. A card is a title and
// sections; a section's text comes first, then its list or table.
type section struct {
	Title    string
	Sub      bool // a part of the section before it
	Text     []string
	Steps    []string // numbered
	Points   []string
	Kept     []Attribute
	Mappings []Mapping
	Provider string // whose mappings these are
}

// meanings explains the actions, in the order in which they are explained.
var meanings = []struct{ action, text string }{
	{ActionKeep, "leave the row as it is."},
	{ActionChange, "give it the source that is named here."},
	{ActionAdd, "it is not among the defaults."},
	{ActionDelete, "what it sends is dropped here, so the row can go."},
	{ActionNone, "it cannot be deleted."},
}

// legend explains the actions that the mappings have.
func legend(list []Mapping) string {
	var b strings.Builder
	for _, m := range meanings {
		if slices.ContainsFunc(list, func(o Mapping) bool { return o.Action == m.action }) {
			b.WriteString(m.action + ": " + m.text + " ")
		}
	}
	return b.String() + "Other rows that you have can go too, unless their target is on the list of what is kept."
}

func (c Card) title() string { return "Provisioning of " + c.Tenant + ": setup card" }

// address is the Tenant URL, or what is to be said in its place.
func (c Card) address() string {
	if c.URL == "" {
		return c.URLNote
	}
	return c.URL
}

func (c Card) sections() []section {
	return []section{
		{Title: "Microsoft Entra ID", Steps: c.EntraSteps},
		{Title: "Entra ID: attribute mapping of users", Sub: true, Text: []string{legend(c.Entra)}, Mappings: c.Entra, Provider: "Entra ID"},
		{Title: "Entra ID: attribute mapping of groups", Sub: true, Mappings: c.EntraGroups, Provider: "Entra ID"},
		{Title: "Okta", Steps: c.OktaSteps},
		{Title: "Okta: attribute mapping of users", Sub: true, Text: []string{legend(c.Okta)}, Mappings: c.Okta, Provider: "Okta"},
		{Title: "Okta: groups", Sub: true, Mappings: c.OktaGroups, Provider: "Okta"},
		{Title: "How to test", Steps: c.Test},
		{Title: "What is kept", Kept: c.Kept},
		{Title: "When people leave and come back", Points: c.Leaving},
		{Title: "Good to know", Points: c.Notes},
	}
}

// Remark is what is said of a kept attribute besides its name.
func (a Attribute) Remark() string {
	if a.Required {
		return join("required", a.Note)
	}
	return a.Note
}
