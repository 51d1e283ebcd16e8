package canarytest

import (
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// The names that RFC 7643 §4 and §8.7 know, and those of the default list; "*"
// marks a multi-valued attribute.
var (
	schemaNames = map[string][]string{
		"User": {"userName", "externalId", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone", "active", "password", "groups",
			"name", "name.formatted", "name.familyName", "name.givenName", "name.middleName", "name.honorificPrefix", "name.honorificSuffix",
			"emails", "emails.value", "emails.display", "emails.type", "emails.primary", "phoneNumbers", "phoneNumbers.value", "phoneNumbers.display", "phoneNumbers.type", "phoneNumbers.primary",
			"ims", "ims.value", "ims.display", "ims.type", "ims.primary", "photos", "photos.value", "photos.display", "photos.type", "photos.primary",
			"addresses", "addresses.formatted", "addresses.streetAddress", "addresses.locality", "addresses.region", "addresses.postalCode", "addresses.country", "addresses.type", "addresses.primary",
			"entitlements", "entitlements.value", "roles", "roles.value", "roles.display", "roles.type", "roles.primary", "x509Certificates", "x509Certificates.value"},
		"Group":    {"displayName", "externalId", "members", "members.value", "members.$ref", "members.type"},
		enterprise: {"employeeNumber", "costCenter", "organization", "division", "department", "manager", "manager.value", "manager.$ref", "manager.displayName"},
	}
	keptNames = map[string][]string{
		"User":     {"userName", "externalId", "active", "preferredLanguage", "locale", "name", "name.givenName", "name.familyName", "emails*", "addresses*", "phoneNumbers*"},
		"Group":    {"displayName", "externalId", "members*", "members.value", "members.$ref", "members.type"},
		enterprise: {"organization", "division", "department"},
	}
	// keptElements are the type of the elements that are kept, and what is kept of
	// them besides type and primary.
	keptElements = map[string][2]string{"emails": {"work", "value"}, "addresses": {"work", "country"}, "phoneNumbers": {"mobile", "value"}}
)

const enterprise = "enterprise" // users' other schema, in the tables

// reported is the name of a path in a report: without filters and the URN of the
// base schema, in the case of the schema that knows it.
func reported(of, path string) (name string, known bool) {
	if i := strings.IndexByte(path, '['); i >= 0 {
		path = path[:i] + path[strings.LastIndexByte(path, ']')+1:]
	}
	if rest, ok := cutFold(path, e2e.EnterpriseURN); ok && of == "User" {
		if rest == "" {
			return e2e.EnterpriseURN, true
		}
		if i := indexFold(schemaNames[enterprise], rest); i >= 0 {
			return e2e.EnterpriseURN + ":" + schemaNames[enterprise][i], true
		}
		return path, false
	}
	if rest, ok := cutFold(path, map[string]string{"User": e2e.UserURN, "Group": e2e.GroupURN}[of]); ok {
		path = rest
	}
	if i := indexFold(schemaNames[of], path); i >= 0 {
		return schemaNames[of][i], true
	}
	// Clients leave an extension's URN out.
	if i := indexFold(schemaNames[enterprise], path); i >= 0 && of == "User" {
		return e2e.EnterpriseURN + ":" + schemaNames[enterprise][i], true
	}
	return path, false
}

// cutFold cuts a URN off, and the colon behind it.
func cutFold(path, urn string) (rest string, ok bool) {
	if len(path) < len(urn) || !strings.EqualFold(path[:len(urn)], urn) {
		return path, false
	}
	rest = path[len(urn):]
	return strings.TrimPrefix(rest, ":"), rest == "" || rest[0] == ':'
}

func indexFold(list []string, s string) int {
	return slices.IndexFunc(list, func(x string) bool { return strings.EqualFold(x, s) })
}

// isKept tells whether the default list keeps a name, and whether it has several
// values.
func isKept(of, path string) (kept, several bool) {
	name, _ := reported(of, path)
	if rest, ok := cutFold(name, e2e.EnterpriseURN); ok {
		return rest == "" || slices.Contains(keptNames[enterprise], rest), false
	}
	head, sub, _ := strings.Cut(name, ".")
	if e, ok := keptElements[head]; ok && sub != "" {
		return sub == e[1] || sub == "type" || sub == "primary", false
	}
	if slices.Contains(keptNames[of], name+"*") {
		return true, true
	}
	return slices.Contains(keptNames[of], name), false
}

// common are the names that every resource has: nobody counts them.
func common(name string) bool {
	return slices.Contains([]string{"id", "schemas", "meta"}, strings.ToLower(name))
}
