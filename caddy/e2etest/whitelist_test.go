package e2etest

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// fullUser has a value for everything that the default list keeps, and for much
// that it does not, each dropped value with "drop" in it.
func fullUser(userName string) M {
	return M{
		"schemas": A{e2e.UserURN, e2e.EnterpriseURN}, "userName": userName, "externalId": "ext", "active": true,
		"name":              M{"givenName": "Given", "familyName": "Family", "formatted": "drop", "middleName": "drop", "honorificPrefix": "drop"},
		"emails":            A{M{"type": "work", "value": "w@x", "primary": true, "display": "drop"}, M{"type": "home", "value": "drop@home"}, M{"value": "drop@none"}},
		"addresses":         A{M{"type": "work", "country": "NL", "locality": "drop", "primary": true}, M{"type": "home", "country": "drop"}},
		"phoneNumbers":      A{M{"type": "mobile", "value": "1"}, M{"type": "work", "value": "drop"}, M{"type": "fax", "value": "drop"}},
		"preferredLanguage": "en_gb", "locale": "nl-NL", "title": "drop", "displayName": "drop", "nickName": "drop", "password": "drop", "timezone": "drop",
		"photos": A{M{"value": "https://drop"}}, "roles": A{M{"value": "drop"}}, "groups": A{M{"value": "drop"}}, "unheardOf": M{"drop": A{"drop"}},
		e2e.EnterpriseURN:             M{"department": "D", "division": "V", "organization": "O", "costCenter": "drop", "manager": M{"value": "drop"}},
		"urn:example:custom:2.0:User": M{"x": "drop"},
	}
}

const keptByDefault = `{"schemas":["` + e2e.UserURN + `","` + e2e.EnterpriseURN + `"],"id":"{{id}}","userName":"{{name}}","externalId":"ext","active":true,
	"name":{"givenName":"Given","familyName":"Family"},"emails":[{"type":"work","value":"w@x","primary":true}],"addresses":[{"type":"work","country":"NL","primary":true}],
	"phoneNumbers":[{"type":"mobile","value":"1"}],"preferredLanguage":"en_gb","locale":"nl-NL",
	"` + e2e.EnterpriseURN + `":{"department":"D","division":"V","organization":"O"},
	"meta":{"resourceType":"User","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Users/{{self}}"}}`

func TestWhitelistDefault(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		created := s.Do(t, "POST", "/Users", fullUser("full@x")).Want(t, 201)
		id := created.ID(t)
		vars := []string{"base", s.Location, "self", id, "name", "full@x"}
		created.WantGolden(t, keptByDefault, vars...)
		s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantGolden(t, keptByDefault, vars...)
		s.Do(t, "PUT", "/Users/"+id, fullUser("full@x")).Want(t, 200).WantGolden(t, keptByDefault, vars...)

		// PATCH cannot bring anything else in, in any form, and is no error.
		for name, op := range map[string]M{
			"path":                         e2e.Op("add", "title", "drop"),
			"sub-attribute":                e2e.Op("replace", "name.middleName", "drop"),
			"extension":                    e2e.Op("replace", e2e.EnterpriseURN+":costCenter", "drop"),
			"unknown extension":            e2e.Op("replace", "urn:example:custom:2.0:User:x", "drop"),
			"unknown attribute":            e2e.Op("add", "unheardOf", M{"drop": "drop"}),
			"value path of another type":   e2e.Op("replace", `emails[type eq "home"].value`, "drop@x"),
			"dropped sub of a kept type":   e2e.Op("add", `emails[type eq "work"].display`, "drop"),
			"element of another type":      e2e.Op("add", "emails", A{M{"type": "home", "value": "drop@x"}}),
			"element without a type":       e2e.Op("add", "emails", A{M{"value": "drop@x"}}),
			"dropped attribute with value": e2e.Op("add", `ims[type eq "aim"].value`, "drop"),
			"password":                     e2e.Op("replace", "password", "drop"),
			"remove":                       e2e.Op("remove", "title", nil),
			"remove with filter":           e2e.Op("remove", `photos[type eq "photo"]`, nil),
			"path-less":                    e2e.Op("replace", "", M{"title": "drop", "displayName": "drop", "name.formatted": "drop", "unheardOf": 1}),
			"path-less extension":          e2e.Op("add", "", M{e2e.EnterpriseURN: M{"costCenter": "drop"}, "urn:example:x": M{"y": "drop"}}),
			"path-less value path":         e2e.Op("add", "", M{`phoneNumbers[type eq "work"].value`: "drop"}),
		} {
			before := s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)
			r := s.Patch(t, "/Users/"+id, op)
			if r.Status != 200 || r.ETag() != before.ETag() || bytes.Contains(r.Body, []byte("drop")) {
				t.Errorf("%s: not a no-op\n%s", name, r)
			}
		}
		// A request that changes something kept applies, without the rest.
		s.Patch(t, "/Users/"+id, e2e.Op("replace", "", M{"name": M{"givenName": "Other", "middleName": "drop"}, "title": "drop"})).Want(t, 200).
			WantField(t, M{"givenName": "Other", "familyName": "Family"}, "name").WantField(t, nil, "title")

		// What a path cannot be read as is still an error.
		s.Patch(t, "/Users/"+id, e2e.Op("add", "emails[type eq", "x")).WantError(t, 400, "invalidPath")

		// Groups.
		g := s.Do(t, "POST", "/Groups", M{"schemas": A{e2e.GroupURN}, "displayName": "G", "externalId": "ge", "description": "drop", "members": A{M{"value": id, "display": "drop", "type": "User"}}}).Want(t, 201)
		g.WantGolden(t, `{"schemas":["`+e2e.GroupURN+`"],"id":"{{id}}","displayName":"G","externalId":"ge","members":[{"value":"{{user}}","$ref":"{{base}}/Users/{{user}}","type":"User"}],
			"meta":{"resourceType":"Group","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Groups/{{self}}"}}`, "base", s.Location, "self", g.ID(t), "user", id)
		// A user's groups are derived, and not in the default list.
		s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, nil, "groups")
		s.Do(t, "GET", "/Users/"+id+"?attributes=groups", nil).Want(t, 200).WantField(t, nil, "groups")
	})
}

// A filter on what is not kept would silently find nothing, and its client would
// create duplicates: it is an error that says why.
func TestFilterOnDroppedAttribute(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "f@x")
		g := s.CreateGroup(t, "F", id)
		for _, filter := range []string{`title eq "x"`, "displayName pr", `emails.display eq "x"`, `name.formatted co "x"`, e2e.EnterpriseURN + `:costCenter eq "1"`,
			`nickName eq "x" or userName eq "f@x"`, `manager eq "x"`, `not (title pr)`, `userName co "f" and title eq "x"`} {
			r := s.Do(t, "GET", e2e.Filter("/Users", filter), nil)
			if r.Status != 400 || r.JSON["scimType"] != "invalidFilter" {
				t.Errorf("%s: status %d %v, want 400 invalidFilter", filter, r.Status, r.JSON["scimType"])
			}
		}
		s.Do(t, "GET", e2e.Filter("/Users", `title eq "x"`), nil).WantError(t, 400, "invalidFilter", "title")
		for _, key := range []string{eq("id", id), eq("userName", "f@x"), eq("externalId", "none")} {
			s.Do(t, "GET", e2e.Filter("/Users", key+` and manager eq "x"`), nil).WantList(t, 0)
			s.Do(t, "GET", e2e.Filter("/Users", `title eq "x" and `+key), nil).WantList(t, 0)
		}
		s.Do(t, "GET", e2e.Filter("/Groups", eq("displayName", "F")+` and description eq "x"`), nil).WantList(t, 0)
		// Over several types it is an error only where no type keeps it.
		s.Do(t, "GET", e2e.Filter("/", `displayName eq "F"`), nil).WantIDs(t, g)
		s.Do(t, "GET", e2e.Filter("/", `userName eq "f@x"`), nil).WantIDs(t, id)
		s.Do(t, "GET", e2e.Filter("/", `nickName eq "F"`), nil).WantError(t, 400, "invalidFilter")
	})
}

// What is dropped is counted by its name, never by its value.
func TestDroppedNamesAreCounted(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		s.Do(t, "POST", "/Users", M{"schemas": A{}, "userName": "metric@x", "nickName": "metricMarker", "zebraMarker": "metricMarker"}).Want(t, 201)
		metrics := s.Caddy.Admin(t, "GET", "/metrics", "").Want(t, 200).Body
		if !regexp.MustCompile(`(?m)^caddy_scim_\w*dropped\w*\{[^}]*"nickName"[^}]*\} [1-9]`).Match(metrics) {
			t.Error("no metric counts the dropped nickName")
		}
		for _, marker := range []string{"metricMarker", "zebraMarker", "metric@x"} {
			if bytes.Contains(metrics, []byte(marker)) {
				t.Errorf("the metrics contain %s, which is no name of the RFC's schemas", marker)
			}
		}
	})
}

func schemaAttributes(t *testing.T, c *e2e.Client, urn string) map[string]M {
	t.Helper()
	out := map[string]M{}
	list, _ := c.Do(t, "GET", "/Schemas/"+urn, nil).Want(t, 200).JSON["attributes"].([]any)
	for _, a := range list {
		m, _ := a.(map[string]any)
		name, _ := m["name"].(string)
		out[name] = m
	}
	return out
}

func names(attributes map[string]M) []string {
	var list []string
	for n := range attributes {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

func subNames(a M) []string {
	var list []string
	subs, _ := a["subAttributes"].([]any)
	for _, s := range subs {
		list = append(list, s.(map[string]any)["name"].(string))
	}
	slices.Sort(list)
	return list
}

// /Schemas publishes what is kept, so that a client that discovers it maps
// nothing else.
func TestSchemasAreNarrowed(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		user := schemaAttributes(t, s.Client, e2e.UserURN)
		same(t, "the User schema", []string{"active", "addresses", "emails", "locale", "name", "phoneNumbers", "preferredLanguage", "userName"}, names(user))
		same(t, "name", []string{"familyName", "givenName"}, subNames(user["name"]))
		same(t, "emails", []string{"primary", "type", "value"}, subNames(user["emails"]))
		same(t, "addresses", []string{"country", "primary", "type"}, subNames(user["addresses"]))
		same(t, "the enterprise schema", []string{"department", "division", "organization"}, names(schemaAttributes(t, s.Client, e2e.EnterpriseURN)))
		same(t, "the Group schema", []string{"displayName", "members"}, names(schemaAttributes(t, s.Client, e2e.GroupURN)))
		s.Do(t, "GET", "/Schemas", nil).Want(t, 200).WantList(t, 6)
	})
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		user := schemaAttributes(t, s.Client, e2e.UserURN)
		same(t, "the User schema", []string{"active", "addresses", "displayName", "emails", "entitlements", "groups", "ims", "locale", "name", "nickName", "phoneNumbers", "photos",
			"preferredLanguage", "profileUrl", "roles", "timezone", "title", "userName", "userType", "x509Certificates"}, names(user))
		same(t, "emails", []string{"display", "primary", "type", "value"}, subNames(user["emails"]))
		same(t, "the enterprise schema", []string{"costCenter", "department", "division", "employeeNumber", "manager", "organization"}, names(schemaAttributes(t, s.Client, e2e.EnterpriseURN)))
	})
}

// Lists are a tenant's own: "default" and more, single sub-attributes, several
// types, whole extensions.
func TestWhitelistPerTenant(t *testing.T) {
	tenants := map[string]struct{ allow, want string }{
		"plus":    {"default title displayName", `{"title":"drop","displayName":"drop","name":{"givenName":"Given","familyName":"Family"},"emails":[{"type":"work","value":"w@x","primary":true}],"addresses":[{"type":"work","country":"NL","primary":true}],"phoneNumbers":[{"type":"mobile","value":"1"}],"preferredLanguage":"en_gb","locale":"nl-NL","` + e2e.EnterpriseURN + `":{"department":"D","division":"V","organization":"O"},"externalId":"ext"}`},
		"few":     {"userName active displayName members name.givenName", `{"name":{"givenName":"Given"},"displayName":"drop"}`},
		"types":   {"userName active displayName members `emails[type eq \"work\"].display` `emails[type eq \"home\"]`", `{"displayName":"drop","emails":[{"type":"work","display":"drop","primary":true},{"type":"home","value":"drop@home"}]}`},
		"whole":   {"userName active displayName members emails " + e2e.EnterpriseURN, `{"displayName":"drop","emails":[{"type":"work","value":"w@x","primary":true,"display":"drop"},{"type":"home","value":"drop@home"},{"value":"drop@none"}],"` + e2e.EnterpriseURN + `":{"department":"D","division":"V","organization":"O","costCenter":"drop","manager":{"value":"drop"}}}`},
		"default": {"default", `{"name":{"givenName":"Given","familyName":"Family"},"emails":[{"type":"work","value":"w@x","primary":true}],"addresses":[{"type":"work","country":"NL","primary":true}],"phoneNumbers":[{"type":"mobile","value":"1"}],"preferredLanguage":"en_gb","locale":"nl-NL","` + e2e.EnterpriseURN + `":{"department":"D","division":"V","organization":"O"},"externalId":"ext"}`},
	}
	var blocks strings.Builder
	for name, x := range tenants {
		blocks.WriteString("\t\ttenant " + name + " {\n\t\t\ttoken token-of-the-tenant-" + name + "\n\t\t\tallow " + x.allow + "\n\t\t}\n")
	}
	cfg := e2e.Config{Scim: sortedLines(blocks.String())}
	e2e.ForEachStore(t, cfg, func(t *testing.T, s *e2e.Server) {
		for name, x := range tenants {
			c := s.Named(name, "token-of-the-tenant-"+name)
			r := c.Do(t, "POST", "/Users", fullUser("u@x")).Want(t, 201)
			for _, common := range []string{"schemas", "id", "meta", "userName", "active"} {
				delete(r.JSON, common)
			}
			if m, ok := r.Field(e2e.EnterpriseURN, "manager").(map[string]any); ok {
				delete(m, "$ref")
			}
			r.Body = nil
			var want any
			unmarshal(t, x.want, &want)
			same(t, "tenant "+name, want, any(r.JSON))
		}
	})
}

// password can neither be kept by "*" nor be allowed by name.
func TestPasswordIsNeverKept(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		r := s.Do(t, "POST", "/Users", M{"schemas": A{}, "userName": "p@x", "password": "hunter2hunter2"}).Want(t, 201).WantField(t, nil, "password")
		s.Patch(t, "/Users/"+r.ID(t), e2e.Op("replace", "password", "hunter2hunter2")).Want(t, 200).WantField(t, nil, "password")
		s.Do(t, "GET", "/Users/"+r.ID(t)+"?attributes=password", nil).Want(t, 200).WantField(t, nil, "password")
		s.Do(t, "GET", e2e.Filter("/Users", `password eq "hunter2hunter2"`), nil).WantError(t, 400, "invalidFilter")
	})
	s := e2e.NewServer(t, nil, e2e.Config{Allow: []string{"default", "password"}})
	if err := s.Caddy.TryStart(); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("allow password: %v, want an error at start that names it", err)
	}
}

// The groups of a user are derived: returned where allowed, as value, $ref and
// type, and not part of the user's version.
func TestGroupsOfAUser(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "u@x")
		before := s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, nil, "groups")
		g := s.CreateGroup(t, "G", id)
		want := A{M{"value": g, "$ref": s.Location + "/Groups/" + g, "type": "direct"}}
		after := s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, want, "groups")
		same(t, "the user's version", before.ETag(), after.ETag())
		s.Do(t, "GET", "/Users/"+id+"?attributes=groups", nil).Want(t, 200).WantField(t, want, "groups").WantField(t, nil, "userName")
		s.Do(t, "GET", "/Users/"+id+"?excludedAttributes=groups", nil).Want(t, 200).WantField(t, nil, "groups")
		s.Do(t, "GET", "/Users?filter=userName+eq+%22u%40x%22", nil).Want(t, 200).WantField(t, want, "Resources", 0, "groups")
		// A client cannot write them.
		s.Do(t, "PUT", "/Users/"+id, e2e.UserBody("u@x", M{"groups": A{M{"value": "other"}}})).Want(t, 200).WantField(t, want, "groups")
		s.Do(t, "DELETE", "/Groups/"+g, nil).Want(t, 204)
		s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, nil, "groups")
	})
}
