package canarytest

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// keptUser has everything that the default list keeps, marked by mark.
func keptUser(where string, mark func(string) string) M {
	return M{
		"schemas":           A{e2e.UserURN, e2e.EnterpriseURN},
		"userName":          mark(where+" userName") + "@x.example",
		"externalId":        mark(where + " externalId"),
		"active":            true,
		"name":              M{"givenName": mark(where + " givenName"), "familyName": mark(where + " familyName")},
		"emails":            A{M{"type": "work", "value": mark(where+" emails") + "@x.example", "primary": true}},
		"addresses":         A{M{"type": "work", "country": mark(where + " country")}},
		"phoneNumbers":      A{M{"type": "mobile", "value": mark(where + " phone")}},
		"preferredLanguage": mark(where + " language"), "locale": mark(where + " locale"),
		e2e.EnterpriseURN: M{"department": mark(where + " department"), "division": mark(where + " division"), "organization": mark(where + " organization")},
	}
}

// samePerson marks anew everything but what tells a user from others.
func (c *canary) samePerson(u M) func(string) string {
	return func(label string) string {
		for _, attribute := range []string{"userName", "externalId"} {
			if strings.HasSuffix(label, " "+attribute) {
				return strings.TrimSuffix(u[attribute].(string), "@x.example")
			}
		}
		return c.last(label)
	}
}

// tooLong is as much of an unknown name as is ever counted.
var tooLong = strings.Repeat("n", 64)

// full adds to a user every form of something that is not kept.
func (c *canary) full(where string, u M) M {
	d := func(label string) string { return c.drop(where + " " + label) }
	n := func(label string) string { return c.name(where + " " + label) }
	list := func(attribute string) []any { v, _ := u[attribute].([]any); return v }
	u["schemas"] = append(list("schemas"), "urn:example:"+d("schemas"))
	u["id"], u["meta"] = d("id"), M{"resourceType": d("meta"), "created": d("meta.created"), "version": d("meta.version"), "location": "https://" + d("meta.location")}
	for _, a := range []string{"displayName", "title", "nickName", "userType", "timezone", "profileUrl", "password"} {
		u[a] = d(a)
	}
	u["PASSWORD "], u["Groups"] = d("a password with a space"), A{M{"value": d("groups.value"), "display": d("groups.display")}}
	u["costCenter"], u["employeeNumber"] = d("costCenter at the top"), c.number(where+" a number")
	if m, ok := u["name"].(M); ok {
		m["formatted"], m["middleName"], m["honorificPrefix"], m[n("name.…")] = d("name.formatted"), d("name.middleName"), d("name.honorificPrefix"), d("name.…")
	}
	for _, e := range list("emails") {
		e.(M)["display"], e.(M)[n("emails.…")], e.(M)["$ref"] = d("emails.display"), M{"x": d("emails.…")}, d("emails.$ref")
	}
	for _, e := range list("addresses") {
		a := e.(M)
		a["locality"], a["streetAddress"], a["formatted"], a["postalCode"], a["region"] = d("locality"), d("streetAddress"), d("formatted"), c.number(where+" postalCode"), A{d("region")}
	}
	u["emails"] = append(list("emails"), M{"type": "home", "value": d("emails home")}, M{"value": d("emails without type")}, M{"type": d("emails.type"), "value": d("emails of that type")},
		d("emails as text"), M{"type": A{d("type in a list")}, "value": d("value of it")})
	u["phoneNumbers"] = append(list("phoneNumbers"), M{"type": "work", "value": d("phone work"), "primary": true}, M{"type": "fax", "value": "tel:" + d("phone fax")})
	u["addresses"] = append(list("addresses"), M{"type": "home", "country": d("country home"), "formatted": d("formatted home")})
	for _, a := range []string{"ims", "photos", "entitlements", "roles", "x509Certificates"} {
		u[a] = A{M{"value": d(a), "display": d(a + ".display"), "type": d(a + ".type")}, d(a + " as text")}
	}
	if x, ok := u[e2e.EnterpriseURN].(M); ok {
		x["costCenter"], x["employeeNumber"], x[n("enterprise:…")] = d("costCenter"), c.number(where+" employeeNumber"), d("enterprise:…")
		x["manager"] = M{"value": d("manager.value"), "$ref": "../Users/" + d("manager.$ref"), "displayName": d("manager.displayName")}
	}
	u["urn:example:"+n("unknown URN")+":2.0:User"] = M{"a": d("unknown URN"), d("a name in it"): A{M{"b": A{c.number(where + " deep")}}}}
	u[n("unknown")] = M{d("a name below"): A{d("unknown list"), M{"c": d("unknown object")}, true, nil}}
	u[n("unknown list")] = A{A{d("list in a list")}}
	u[tooLong+d("a name beyond its limit")] = d("value of a long name")
	u["manager"], u["department "] = d("manager at the top"), d("department with a space")
	return u
}

// users sends users by POST and PUT, among them one that is archived and one
// that is restored, and returns the ids of a live one and of the archived one.
func (c *canary) users() (live, dead string) {
	first := keptUser("POST /Users", c.keep)
	id := c.send(201, "POST", "/Users", c.full("POST /Users", first)).ID(c.t)
	c.send(200, "GET", "/Users/"+id, nil)
	c.send(200, "PUT", "/Users/"+id, c.full("PUT /Users", keptUser("PUT /Users", c.keep)))
	for _, q := range []string{"attributes=title,name.formatted,emails.display,password", "excludedAttributes=active", "attributes=" + e2e.EnterpriseURN + ":manager"} {
		c.send(200, "PUT", "/Users/"+id+"?"+q, c.full("PUT "+q, keptUser("PUT "+q, c.store)))
	}
	c.send(200, "PUT", "/Users/"+id, c.full("PUT /Users again", keptUser("PUT /Users again", c.last)))

	// An inactive user, an archived one, and those that come back.
	inactive := keptUser("inactive", c.keep)
	inactive["active"] = false
	inactiveID := c.send(201, "POST", "/Users", c.full("inactive", inactive)).ID(c.t)
	revived := keptUser("revived", c.samePerson(inactive))
	if got := c.send(201, "POST", "/Users", c.full("revived", revived)).ID(c.t); got != inactiveID {
		c.t.Errorf("a new user %s instead of the inactive %s", got, inactiveID)
	}
	archived := c.send(201, "POST", "/Users", c.full("archived", keptUser("archived", c.last))).ID(c.t)
	c.send(204, "DELETE", "/Users/"+archived, M{"title": c.drop("body of DELETE")})
	back := keptUser("before the restore", c.keep)
	backID := c.send(201, "POST", "/Users", c.full("before the restore", back)).ID(c.t)
	c.send(204, "DELETE", "/Users/"+backID, nil)
	restored := keptUser("restored", c.samePerson(back))
	if got := c.send(201, "POST", "/Users", c.full("restored", restored)).ID(c.t); got != backID {
		c.t.Errorf("a new user %s instead of the archived %s", got, backID)
	}

	c.send(200, "GET", "/Users/"+id, M{"title": c.drop("body of GET")})
	c.send(200, "HEAD", "/Users/"+id, nil)
	return id, archived
}

// patches sends every form of PATCH that leads to something that is not kept.
func (c *canary) patches(id string) {
	path, op, d := "/Users/"+id, e2e.Op, c.drop
	urn := e2e.EnterpriseURN
	for _, verb := range []string{"add", "replace", "Replace"} {
		w := func(label string) string { return d(verb + " " + label) }
		for _, o := range []M{
			op(verb, "title", w("title")),
			op(verb, "password", w("password")),
			op(verb, "urn:ietf:params:scim:schemas:core:2.0:User:displayName", w("displayName by URN")),
			op(verb, "name.middleName", w("name.middleName")),
			op(verb, "name", M{"formatted": w("formatted in name"), c.name("in name"): w("unknown in name")}),
			op(verb, urn+":costCenter", w("costCenter")),
			op(verb, urn+":manager", w("manager")),
			op(verb, urn+":manager", M{"value": w("manager.value"), "$ref": w("manager.$ref")}),
			op(verb, urn+":manager.displayName", w("manager.displayName")),
			op(verb, urn, M{"employeeNumber": w("employeeNumber"), c.name("in enterprise"): w("unknown in enterprise")}),
			op(verb, "urn:example:"+c.name("URN path")+":2.0:User:x", w("unknown URN path")),
			op(verb, c.name("path"), M{"x": A{w("unknown path")}}),
			op(verb, tooLong+w("a path beyond its limit"), w("value of a long path")),
			op(verb, c.name("dotted path")+".sub", w("unknown dotted path")),
			op(verb, `emails[type eq "home"].value`, w("emails home")),
			op(verb, `emails[type eq "`+w("literal")+`"].value`, w("emails of that type")),
			op(verb, `emails[type eq "work"].display`, w("emails.display")),
			op(verb, `emails[type eq "work" and display eq "`+w("display literal")+`"].display`, w("display of display")),
			op(verb, `emails[value eq "`+w("value literal")+`"].display`, w("display of a value")),
			op(verb, `addresses[type eq "work"].locality`, w("locality")),
			op(verb, `addresses[type eq "work"]`, M{"streetAddress": w("streetAddress"), c.name("in addresses"): w("unknown in addresses")}),
			op(verb, `phoneNumbers[type eq "work"].value`, w("phone work")),
			op(verb, `phoneNumbers[primary eq true].display`, w("phone display")),
			op(verb, `roles[primary eq "True"].value`, w("roles")),
			op(verb, `ims[type eq "`+w("ims literal")+`"]`, A{M{"value": w("ims")}}),
			op(verb, c.name("filtered path")+`[x eq "`+w("literal of an unknown path")+`"].y`, w("value of an unknown path")),
			op(verb, "emails", A{M{"type": "home", "value": w("emails list")}, M{"value": w("emails list without type")}, w("emails list of text")}),
			op(verb, "roles", `[{"value":"`+w("roles as JSON in a text")+`"}]`),
			op(verb, "groups", A{M{"value": w("groups")}}),
			op(verb, "meta", M{"location": w("meta")}),
			op(verb, "schemas", A{"urn:example:" + w("schemas")}),
			op(verb, "id", w("id")),
			op(verb, "", M{"title": w("path-less title"), "password": w("path-less password"), "name.formatted": w("dotted key"), "name": M{"middleName": w("path-less name")},
				urn + ":costCenter": w("URN key"), urn + ":manager": M{"value": w("URN key manager")}, urn: M{"employeeNumber": w("URN object")},
				"urn:example:" + c.name("URN key") + ":User": M{"x": w("unknown URN object")}, "urn:example:" + c.name("URN attribute key") + ":User:x": w("unknown URN key"),
				c.name("key"): M{"x": w("unknown key")}, c.name("dotted key") + ".sub": w("unknown dotted key"), c.name("key that is no path") + " !": w("key that is no path"),
				"emails": A{M{"type": "home", "value": w("path-less emails")}}, "schemas": A{w("path-less schemas")}, "meta": M{"version": w("path-less meta")}, "id": w("path-less id")}),
			op(verb, "", M{`emails[type eq "` + w("literal in a key") + `"].value`: w("key with a filter")}),
			op(verb, "", M{`emails[type eq "work"].display`: w("key with a filter to display")}),
			op(verb, "", M{c.name("filtered key") + `[a eq "` + w("literal in an unknown key") + `"].b`: w("unknown key with a filter")}),
		} {
			o["name"], o["comment"] = w("an operation's own name"), M{"x": w("an unknown member of an operation")}
			status := 200 // a no-op
			if o["path"] == "id" || o["path"] == "meta" {
				status = 400 // read-only
			}
			c.send(status, "PATCH", path, M{"schemas": A{e2e.PatchURN, w("schemas of PATCH")}, "Operations": A{o}, c.drop("a name in PATCH"): w("an unknown member of PATCH")})
		}
	}
	for _, o := range []M{
		op("remove", "title", d("value of remove")),
		op("remove", `emails[type eq "`+d("literal of remove")+`"]`, d("value of remove with a filter")),
		op("remove", `photos[value eq "`+d("literal of a dropped remove")+`"].display`, nil),
		op("remove", `emails[display sw "`+d("display literal of remove")+`"].value`, nil),
		op("remove", c.name("remove")+`[x eq "`+d("literal of an unknown remove")+`"]`, A{d("value of an unknown remove")}),
		op("remove", "name.formatted", M{"x": d("object of remove")}),
		op("remove", urn+":manager", M{"value": d("manager of remove")}),
		op("remove", "phoneNumbers", A{M{"value": d("phoneNumbers of remove"), "display": d("display of remove")}}),
	} {
		c.patch(0, path, o)
	}
	// What is kept among what is not.
	c.patch(200, path, op("replace", "title", d("title before")), op("replace", "name", M{"givenName": c.last("PATCH givenName"), "middleName": d("middleName beside")}),
		op("add", "", M{"locale": c.last("PATCH locale"), "nickName": d("nickName beside")}), op("add", `addresses[type eq "work"]`, M{"country": c.last("PATCH country"), "region": d("region beside")}),
		op("replace", urn, M{"department": c.last("PATCH department"), "costCenter": d("costCenter beside")}))
}
