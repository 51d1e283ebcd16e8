package canarytest

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// groups sends groups and their members in every form.
func (c *canary) groups(user string) {
	op, d := e2e.Op, c.drop
	group := func(where string, members ...any) M {
		return M{
			"schemas":     A{e2e.GroupURN, "urn:example:" + d(where+" schemas")},
			"displayName": c.last(where + " displayName"), "externalId": c.last(where + " externalId"),
			"id": d(where + " id"), "meta": M{"location": d(where + " meta")},
			"description": d(where + " description"), c.name(where + " unknown"): M{"x": A{d(where + " unknown")}},
			"urn:example:" + c.name(where+" URN") + ":Group": M{"x": d(where + " URN")},
			"members": append(A{
				M{"value": user, "display": d(where + " display"), "displayName": d(where + " member displayName"), "type": d(where + " type"), "$ref": "https://" + d(where+" $ref") + "/x",
					"emails": A{M{"value": d(where+" emails of a known member") + "@x.example"}}, "userName": d(where + " userName of a known member"), c.name(where + " member"): d(where + " unknown in a member")},
				M{"display": d(where + " display without value"), "$ref": "https://" + d(where+" foreign $ref") + "/scim/v2/Users/" + d(where+" id in a foreign $ref")},
				M{"value": c.ask(where+" an id") + " that cannot be one, and might be a userName", "display": d(where + " display of no id")},
				M{"value": c.ask(where + " unknown group"), "type": "Group", "display": d(where+" display of a group") + "@x.example"},
			}, members...),
		}
	}
	// Members whom nobody knows become users, by what tells their userName.
	provisional := c.last("provisional id")
	g := c.send(201, "POST", "/Groups", group("POST /Groups",
		M{"value": provisional, "display": d("display without an address"), "displayName": d("displayName of a stranger"), "type": d("type of a stranger"), "title": d("title of a stranger"), "password": d("password of a stranger"),
			"emails": A{M{"type": d("type of an address"), "value": c.last("emails of a stranger") + "@x.example", "display": d("display of an address")}}, "name": M{"familyName": d("name of a stranger")}},
		M{"value": c.last("id of another"), "display": c.last("display with an address") + "@x.example", "externalId": d("externalId of a stranger")},
		M{"value": c.last("id of a third"), "userName": c.last("userName of a stranger"), "display": d("display beside a userName")},
		c.last("bare id"),
	)).ID(c.t)
	c.members(5, 3)
	c.send(200, "GET", "/Users/"+provisional, nil)
	path := "/Groups/" + g
	c.send(200, "GET", path, nil)
	c.send(200, "PUT", path, group("PUT /Groups"))
	c.members(1, 3)
	for _, verb := range []string{"add", "replace"} {
		w := func(label string) string { return d("group " + verb + " " + label) }
		member := M{"value": user, "display": w("display"), "displayName": w("displayName"), c.name("member of " + verb): w("unknown"), "$ref": w("$ref"), "type": w("type")}
		for _, o := range []M{
			op(verb, "members", A{member, M{"value": ""}, M{"display": w("display without value")}}),
			op(verb, "", M{"members": A{member}, "description": w("description"), c.name("group key of " + verb): w("unknown key")}),
			op(verb, `members[value eq "`+user+`"]`, M{"display": w("display of one member")}),
			op(verb, `members[value eq "`+user+`"].display`, w("path to display")),
			op(verb, "members.display", w("members.display")),
			op(verb, "description", w("description by path")),
			op(verb, "urn:example:"+c.name("group URN of "+verb)+":Group:x", w("unknown URN")),
			op(verb, "", M{e2e.GroupURN + ":description": w("URN key"), "externalId": c.store("externalId of " + verb)}),
		} {
			c.patch(0, path, o)
			c.patch(0, path+"?attributes=members,displayName", o)
		}
		c.members(2*(1+1+1), 2*2) // with the list, without a path and by its value; two without a value
	}
	for _, o := range []M{
		op("remove", `members[display eq "`+d("display literal")+`"]`, nil),
		op("remove", `members[`+c.name("member filter")+` eq "`+d("unknown literal")+`"]`, nil),
		op("remove", `members[value eq "`+c.ask("value literal")+`" and display eq "`+d("literal beside a value")+`"]`, nil),
		op("remove", `members[value eq "`+c.ask("member who is none")+`"]`, nil),
		op("remove", "members", A{M{"value": c.ask("listed member who is none"), "display": d("display of a removed member"), "$ref": d("$ref of a removed member")}}),
		op("remove", "description", d("value of a group's remove")),
	} {
		c.patch(0, path, o)
	}
	other := c.send(201, "POST", "/Groups", M{"schemas": A{}, "displayName": c.keep("deleted group"), "description": d("deleted description")}).ID(c.t)
	c.patch(204, path, op("add", "members", A{M{"value": other, "display": d("display of a nested group")}}))
	c.members(1, 0)
	c.send(204, "DELETE", "/Groups/"+other, nil)

	// A member who became a user is adopted by a POST of the same name.
	adopted := c.last("adopted id")
	address := c.last("adopted userName") + "@x.example"
	u := keptUser("adoption", c.samePerson(M{"userName": address, "externalId": adopted}))
	c.patch(204, path, op("add", "members", A{M{"value": adopted, "display": address}}))
	c.members(1, 0)
	if got := c.send(201, "POST", "/Users", c.full("adoption", u)).ID(c.t); got != adopted {
		c.t.Errorf("a new user %s instead of the provisional one", got)
	}
}

// mode sends unknown members to a tenant that does not create them.
func (c *canary) mode(mode string) {
	known := c.send(201, "POST", "/Users", M{"schemas": A{}, "userName": c.last(mode + " member")}).ID(c.t)
	status, displayName, stranger, group := 201, final, asked, asked
	switch mode {
	case "reject": // the answer names who is refused
		status, displayName, stranger = 400, asked, echo
	case "pending": // the ids are kept until such members appear
		stranger, group = final, final
	}
	g := c.send(status, "POST", "/Groups", M{"schemas": A{}, "displayName": c.new(displayName, mode+" displayName"), "members": A{
		M{"value": known, "display": c.drop(mode + " display")},
		M{"value": c.new(stranger, mode+" stranger"), "display": c.drop(mode+" display of a stranger") + "@x.example", "userName": c.drop(mode + " userName of a stranger"),
			"emails": A{c.drop(mode+" emails of a stranger") + "@x.example"}, "type": "User"},
	}})
	switch mode {
	case "ignore":
		c.members(1, 1+1)
	case "pending":
		c.members(2+1, 0)
	}
	if status != 201 {
		return
	}
	path := "/Groups/" + g.ID(c.t)
	c.send(200, "GET", path, nil)
	c.patch(204, path, e2e.Op("add", "members", A{M{"value": c.new(group, mode+" a group"), "type": "Group", "display": c.drop(mode + " display of a group")}}))
	c.send(200, "GET", path, nil)
}

// bulk sends operations in bulk, good and bad.
func (c *canary) bulk(user string) {
	d := c.drop
	u, bulkID := keptUser("bulk POST", c.last), c.echo("bulkId")
	ops := A{
		M{"method": "POST", "path": "/Users", "bulkId": bulkID, "data": c.full("bulk POST", u), "comment": d("unknown in an operation"), c.drop("a name in an operation"): A{d("unknown object in an operation")}},
		M{"method": "PATCH", "path": "/Users/" + user, "data": e2e.PatchBody(e2e.Op("replace", "title", d("bulk PATCH title")), e2e.Op("add", "", M{"nickName": d("bulk path-less"), c.name("bulk key"): d("bulk unknown key")}),
			e2e.Op("add", `emails[type eq "`+d("bulk literal")+`"].value`, d("bulk emails")))},
		M{"method": "PUT", "path": "/Users/" + user, "version": `W/"0000000000000001"`, "data": c.full("bulk PUT that is refused", keptUser("bulk PUT that is refused", c.ask))},
		M{"method": "PUT", "path": "/Users/" + c.echo("bulk id"), "data": c.full("bulk PUT of nobody", keptUser("bulk PUT of nobody", c.ask))},
		M{"method": "POST", "path": "/Users", "bulkId": c.echo("second bulkId"), "data": M{"userName": u["userName"], "title": d("bulk conflict")}},
		M{"method": "POST", "path": "/Users", "data": M{"userName": M{"x": d("bulk wrong type")}, "title": d("beside a bulk wrong type")}},
		M{"method": "POST", "path": "/Groups", "bulkId": c.echo("group's bulkId"), "data": M{"schemas": A{}, "displayName": c.last("bulk group"), "description": d("bulk description"),
			"members": A{M{"value": "bulkId:" + bulkID, "display": d("bulk display")}}}},
		M{"method": "PATCH", "path": "/Users/" + user, "data": e2e.PatchBody(e2e.Op(d("bulk op"), "title", d("bulk value")))},
		M{"method": "PATCH", "path": "/Users/" + user, "data": d("bulk data as text")},
		M{"method": d("bulk method") + "x", "path": "/Users", "data": M{"title": d("data of a bad method")}},
		M{"method": "POST", "path": "/" + d("bulk path"), "data": M{"title": d("data of a bad path")}},
		M{"method": "DELETE", "path": "/Users/" + c.echo("bulk DELETE"), "data": M{"title": d("data of DELETE")}},
	}
	// The method is the one thing of a bad operation that RFC 7644 §3.7.3 has the
	// answer repeat.
	ops[9].(M)["method"] = c.echo("bulk method")
	c.send(200, "POST", "/Bulk", M{"schemas": A{e2e.BulkURN, d("bulk schemas")}, c.drop("a name in bulk"): d("unknown in bulk"), "Operations": ops})
	c.members(1, 0)
	for _, body := range []any{
		M{"Operations": d("Operations as text")},
		M{"Operations": A{d("an operation as text")}},
		M{"Operations": A{}, "failOnErrors": d("failOnErrors")},
		`{"Operations":[{"method":"POST","path":"/Users","data":{"userName":"` + d("broken bulk") + `","title":"` + d("broken bulk title") + `"`,
		M{"Operations": A{M{"method": "POST", "path": "/Users", "bulkId": "twice", "data": M{"title": d("bulkId twice")}}, M{"method": "POST", "path": "/Users", "bulkId": "twice", "data": M{"title": d("bulkId twice again")}}}},
	} {
		c.send(400, "POST", "/Bulk", body)
	}
	c.send(413, "POST", "/Bulk", M{"Operations": A{M{"method": "POST", "path": "/Users", "data": M{"title": d("oversized bulk"), "x": strings.Repeat("x", 5<<20)}}}})
}
