package setup

// entra has Entra ID's mappings for an application that is not from the gallery.
var entra = provider{
	userRows: []row{
		{source: "userPrincipalName", path: "userName", note: "the matching attribute, precedence 1"},
		{source: `Switch([IsSoftDeleted], , "False", "True", "True", "False")`, path: "active"},
		{source: "displayName", path: "displayName"},
		{source: "jobTitle", path: "title"},
		{source: "mail", path: "emails.value", kind: "work"},
		{source: "preferredLanguage", path: "preferredLanguage", seldom: true},
		{source: "givenName", path: "name.givenName"},
		{source: "surname", path: "name.familyName"},
		{source: `Join(" ", [givenName], [surname])`, path: "name.formatted"},
		{source: "physicalDeliveryOfficeName", path: "addresses.formatted", kind: "work"},
		{source: "streetAddress", path: "addresses.streetAddress", kind: "work"},
		{source: "city", path: "addresses.locality", kind: "work"},
		{source: "state", path: "addresses.region", kind: "work"},
		{source: "postalCode", path: "addresses.postalCode", kind: "work"},
		{source: "country", path: "addresses.country", kind: "work", seldom: true},
		{source: "telephoneNumber", path: "phoneNumbers.value", kind: "work"},
		{source: "mobile", path: "phoneNumbers.value", kind: "mobile"},
		{source: "facsimileTelephoneNumber", path: "phoneNumbers.value", kind: "fax"},
		{source: "mailNickname", path: "externalId", better: "objectId", note: "the default is mailNickname, which two people can share; objectId is unique and stays"},
		{source: "employeeId", path: enterprise + "employeeNumber"},
		{source: "department", path: enterprise + "department"},
		{source: "manager", path: enterprise + "manager"},
	},
	groupRows: []row{
		{source: "displayName", path: "displayName", note: "the matching attribute, precedence 1"},
		{source: "objectId", path: "externalId"},
		{source: "members", path: "members"},
	},
	sources: map[string]string{
		enterprise + "organization": "companyName",
		"locale":                    "preferredLanguage",
		"userType":                  "userType",
	},
	howToAdd: func(kept, string) string { return "" },
}

var entraSteps = []string{
	"Enterprise apps > New application > Create your own application. Give it a name and choose the kind that is not in the gallery.",
	"In it open Provisioning and make a new configuration (older portals: set the mode to Automatic). Enter the Tenant URL and the Secret Token, choose Test Connection, then Create or Save.",
	"Attribute mapping > Provision Microsoft Entra ID Users: go through the table below, then Save. If a target is not offered, choose Show advanced options > Edit attribute list and add it there as it is written here.",
	"Attribute mapping > Provision Microsoft Entra ID Groups: the same. If you do not want to send groups, switch them off there.",
	"Settings > Scope: Sync only assigned users and groups. Then assign some under Users and groups. Members of nested groups are not sent: assign their group itself.",
	"Provision on demand: try one person. Then Start provisioning. The first cycle begins at once, further ones about every 40 minutes.",
}
