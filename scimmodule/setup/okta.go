package setup

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// okta has the mappings of an application with Okta's SCIM provisioning.
var okta = provider{
	userRows: []row{
		{source: "Application username", path: "userName", note: "set on the Sign On tab"},
		{source: "Okta's id of the person", path: "externalId", builtin: true, note: "sent by itself, there is no row for it"},
		{source: "Okta's status of the person", path: "active", builtin: true, note: "sent by itself, there is no row for it"},
		{source: "user.firstName", path: "name.givenName", builtin: true},
		{source: "user.lastName", path: "name.familyName", builtin: true},
		{source: "user.middleName", path: "name.middleName"},
		{source: "user.honorificPrefix", path: "name.honorificPrefix"},
		{source: "user.honorificSuffix", path: "name.honorificSuffix"},
		{source: "user.email", path: "emails.value", kind: "work", builtin: true},
		{source: "(user.email != null && user.email != '') ? 'work' : ''", path: "emails.type", kind: "work"},
		{source: "user.title", path: "title"},
		{source: "user.displayName", path: "displayName"},
		{source: "user.nickName", path: "nickName"},
		{source: "user.profileUrl", path: "profileUrl"},
		{source: "user.primaryPhone", path: "phoneNumbers.value", kind: "work"},
		{source: "(user.primaryPhone != null && user.primaryPhone != '') ? 'work' : ''", path: "phoneNumbers.type", kind: "work"},
		{source: "(user.streetAddress != null && user.streetAddress != '') ? 'work' : ''", path: "addresses.type", kind: "work", constant: "'work'",
			note: "the default leaves the type out for people without a street address, and the rest of their address would be dropped"},
		{source: "user.streetAddress", path: "addresses.streetAddress", kind: "work"},
		{source: "user.city", path: "addresses.locality", kind: "work"},
		{source: "user.state", path: "addresses.region", kind: "work"},
		{source: "user.zipCode", path: "addresses.postalCode", kind: "work"},
		{source: "user.countryCode", path: "addresses.country", kind: "work"},
		{source: "user.postalAddress", path: "addresses.formatted", kind: "work"},
		{source: "user.preferredLanguage", path: "preferredLanguage"},
		{source: "user.locale", path: "locale"},
		{source: "user.timezone", path: "timezone"},
		{source: "user.userType", path: "userType"},
		{source: "user.employeeNumber", path: enterprise + "employeeNumber"},
		{source: "user.costCenter", path: enterprise + "costCenter"},
		{source: "user.organization", path: enterprise + "organization"},
		{source: "user.division", path: enterprise + "division"},
		{source: "user.department", path: enterprise + "department"},
		{source: "user.managerId", path: enterprise + "manager.value"},
		{source: "user.manager", path: enterprise + "manager.displayName"},
	},
	groupRows: []row{
		{source: "name of the pushed group", path: "displayName", builtin: true, note: "sent by itself, there is no row for it"},
		{source: "members of the pushed group", path: "members", builtin: true, note: "sent by itself, there is no row for it"},
	},
	sources: map[string]string{
		`phoneNumbers[type eq "mobile"].value`: "user.mobilePhone",
		`emails[type eq "home"].value`:         "user.secondEmail",
		`emails[type eq "other"].value`:        "user.secondEmail",
	},
	primary: true,
	howToAdd: func(k kept, target string) string {
		namespace := k.ref.Extension
		if namespace == "" {
			namespace = schema.UserURN
		}
		return "external name " + oktaName(strings.TrimPrefix(target, printable(namespace)+":")) + ", external namespace " + printable(namespace)
	},
}

// oktaName writes a SCIM path as Okta wants it in an external name:
// phoneNumbers.^[type==mobile].value.
func oktaName(path string) string {
	name, rest, ok := strings.Cut(path, "[")
	filter, sub, closed := strings.Cut(rest, "]")
	sub2, value, compared := strings.Cut(filter, " eq ")
	if !ok || !closed || !compared {
		return path
	}
	return name + ".^[" + sub2 + "==" + strings.Trim(value, `"`) + "]" + sub
}

var oktaSteps = []string{
	"Applications > Create App Integration (SAML or SWA). Then General > App Settings > Provisioning: SCIM.",
	"Provisioning > Integration. SCIM connector base URL: the Tenant URL. Unique identifier field for users: userName. Supported actions: Push New Users, Push Profile Updates, Push Groups.",
	"Authentication mode: HTTP Header. Authorization: the Secret Token; it has to arrive with the word Bearer and a blank in front of it. Choose Test Connector Configuration, then Save.",
	"Provisioning > To App: enable Create Users, Update User Attributes and Deactivate Users.",
	"On the same page, Attribute Mappings: go through the table below. Deleting a mapping is enough; the attribute itself can stay in the profile. To add one: Go to Profile Editor > Add Attribute, with the external name and the external namespace that the table has, then map it under Mappings.",
	"Assign people under Assignments, and push groups under Push Groups. An assigned group does not send its members; pushing it does.",
}
