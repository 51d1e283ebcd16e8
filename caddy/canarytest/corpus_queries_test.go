package canarytest

import (
	"net/url"
	"strings"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// queries asks by GET and by POST for what is not kept, and in ways that are
// refused.
func (c *canary) queries() {
	d := c.drop
	long := strings.Repeat("x", 5000)
	for _, f := range []struct {
		status int
		filter func() string
	}{
		{400, func() string { return `title eq "` + d("filter title") + `"` }},
		{400, func() string { return `emails.display co "` + d("filter emails.display") + `"` }},
		{400, func() string { return `emails[type eq "work" and display eq "` + d("filter of a value path") + `"]` }},
		{400, func() string { return `addresses.locality sw "` + d("filter locality") + `"` }},
		{400, func() string { return e2e.EnterpriseURN + `:manager eq "` + d("filter manager") + `"` }},
		{400, func() string { return e2e.EnterpriseURN + `:manager.value eq "` + d("filter manager.value") + `"` }},
		{400, func() string {
			return `urn:example:` + c.name("filter URN") + `:x eq "` + d("filter of an unknown URN") + `"`
		}},
		{400, func() string { return c.name("filter") + ` eq "` + d("filter unknown") + `"` }},
		{400, func() string { return `password eq "` + d("filter password") + `"` }},
		{400, func() string { return `not (nickName eq "` + d("filter not") + `")` }},
		{400, func() string { return `userName co "e" and title eq ` + d("filter bare word") }},
		{400, func() string { return `userName eq "` + d("filter not closed") }},
		{400, func() string { return `title ` + d("filter operator") + ` "` + d("filter of no operator") + `"` }},
		{400, func() string { return `active gt "` + d("filter boolean") + `"` }},
		{400, func() string { return `meta.created gt "` + d("filter date") + `"` }},
		{400, func() string { return `(title eq "` + d("filter parenthesis") + `"` }},
		{400, func() string { return `title eq "` + d("filter too long") + long + `"` }},
		{200, func() string {
			return `userName eq "` + c.ask("anchor") + `" and title eq "` + d("filter beside an anchor") + `"`
		}},
		{200, func() string { return `id eq "` + c.ask("id") + `" and manager eq "` + d("manager probe") + `"` }},
		{200, func() string { return `userName eq "` + c.ask("userName") + `"` }},
		{200, func() string { return `externalId eq ` + c.ask("externalId") }},
		{200, func() string { return `emails[type eq "work" and value eq "` + c.ask("address") + `@x.example"]` }},
	} {
		c.send(f.status, "GET", e2e.Filter("/Users", f.filter()), nil)
		c.send(f.status, "POST", "/Users/.search", M{"schemas": A{e2e.SearchURN, d(".search schemas")}, "filter": f.filter(), c.drop("a name in .search"): d("unknown in .search")})
		// Both types keep less than one does.
		c.send(0, "POST", "/.search", M{"schemas": A{e2e.SearchURN}, "filter": f.filter()})
		c.send(0, "GET", e2e.Filter("/Groups", f.filter()), nil)
	}
	for _, parameter := range []func() string{
		func() string { return "sortBy=" + c.name("sortBy") },
		func() string { return "attributes=" + c.name("attributes") + ",userName" },
		func() string { return "excludedAttributes=" + c.name("excludedAttributes") },
		func() string {
			return "attributes=" + url.QueryEscape(`emails[type eq "`+d("attributes with a filter")+`"]`)
		},
		func() string { return c.name("parameter") + "=" + d("unknown parameter") },
		func() string { return d("parameter without a value") },
		func() string { return "startIndex=" + d("startIndex") },
		func() string { return "count=" + d("count") },
		func() string { return "cursor=" + d("cursor") },
		func() string { return "sortOrder=" + d("sortOrder") },
		func() string { return "filter=" + url.QueryEscape(`title eq "`+d("filter twice")+`"`) + "&filter=x" },
		func() string { return "filter=" + d("broken escape") + "%zz" },
		func() string { return "filter=%ff" + d("filter not UTF-8") },
		func() string {
			return "FILTER=" + url.QueryEscape(`title eq "`+d("parameter in capitals")+`"`) + ";" + d("semicolon")
		},
	} {
		for _, path := range []string{"/Users", "/Groups", "/", "/Schemas", "/Users/.search"} {
			c.send(0, "GET", path+"?"+parameter(), nil)
		}
	}
	for _, body := range []M{
		{"filter": M{"x": d(".search filter object")}},
		{"filter": A{d(".search filter list")}},
		{"filter": c.number(".search filter number")},
		{"sortBy": c.name(".search sortBy")},
		{"sortBy": A{d(".search sortBy list")}},
		{"sortOrder": d(".search sortOrder")},
		{"attributes": A{c.name(".search attributes"), M{"x": d(".search attributes object")}}},
		{"excludedAttributes": c.name(".search excludedAttributes")},
		{"count": d(".search count")},
		{"startIndex": M{"x": d(".search startIndex")}},
		{"cursor": d(".search cursor")},
		{"Resources": A{M{"title": d(".search Resources")}}},
	} {
		c.send(0, "POST", "/.search", body)
	}
	c.send(400, "POST", "/Users/.search", `{"filter":"title eq \"`+d(".search broken")+`\"`)
	// Pages: a cursor may hold no value.
	r := c.send(200, "GET", "/Users?count=1&cursor=&sortBy=userName", nil)
	if next, _ := r.JSON["nextCursor"].(string); next != "" {
		c.send(200, "GET", "/Users?count=1&sortBy=userName&cursor="+url.QueryEscape(next), nil)
	} else {
		c.t.Errorf("no cursor for a second page\n%s", r)
	}
	c.send(200, "GET", "/Users?count=200", nil)
	c.send(200, "GET", "/Users?count=200&attributes=title,name,emails,userName,password&sortBy=name.familyName", nil)
	c.send(200, "GET", "/Groups?count=200", nil)
	c.send(200, "GET", "/?count=200", nil)
	c.send(200, "POST", "/.search", M{"schemas": A{e2e.SearchURN}, "count": 200})
	for _, path := range []string{"/Users/", "/Groups/", "//Groups//", "/users/", "/Users/x/"} {
		c.send(404, "GET", path+c.echo("in the path "+path), nil)
	}
	for _, path := range []string{"/Schemas/urn:example:", "/ResourceTypes/", "/nowhere-", "/Me/"} {
		c.send(0, "GET", path+c.route("in the path "+path), nil)
	}
}
