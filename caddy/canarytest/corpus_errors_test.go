package canarytest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// errors sends bodies that are refused, each with values that nobody may repeat.
func (c *canary) errors(user, taken string) {
	d := c.drop
	// Values of another type than the schema's.
	for _, body := range []func() M{
		func() M { return M{"userName": M{"x": d("userName object")}} },
		func() M { return M{"userName": A{d("userName list"), d("userName list")}} },
		func() M { return M{"userName": d("userName with a control character") + "\u0007"} },
		func() M { return M{"userName": "", "externalId": d("beside an empty userName")} },
		func() M { return M{"externalId": d("no userName"), "title": d("title without userName")} },
		func() M { return M{"userName": d("beside active"), "active": d("active")} },
		func() M { return M{"userName": d("beside an active number"), "active": c.number("active number")} },
		func() M { return M{"userName": d("beside name"), "name": d("name as text")} },
		func() M { return M{"userName": d("beside name list"), "name": A{d("name as list"), d("name as list")}} },
		func() M {
			return M{"userName": d("beside givenName"), "name": M{"givenName": M{"x": d("givenName object")}}}
		},
		func() M { return M{"userName": d("beside locale"), "locale": A{d("locale list"), d("locale list")}} },
		func() M {
			return M{"userName": d("beside emails"), "emails": A{M{"type": "work", "value": M{"x": d("emails.value object")}}}}
		},
		func() M {
			return M{"userName": d("beside primary"), "emails": A{M{"type": "work", "value": d("value beside primary"), "primary": d("primary")}}}
		},
		func() M {
			return M{"userName": d("beside two primaries"), "emails": A{M{"type": "work", "value": d("first primary"), "primary": true}, M{"type": "work", "value": d("second primary"), "primary": M{"x": d("primary object")}}}}
		},
		func() M {
			return M{"userName": d("beside enterprise"), e2e.EnterpriseURN: M{"department": A{d("department list"), d("department list")}}}
		},
		func() M {
			return M{"userName": d("beside enterprise text"), e2e.EnterpriseURN: d("enterprise as text")}
		},
		func() M { return M{"userName": d("too long") + strings.Repeat("x", 70<<10)} },
		func() M { return M{"userName": d("beside too deep"), "x": deep(d("too deep"))} },
	} {
		for _, request := range [][2]string{{"POST", "/Users"}, {"PUT", "/Users/" + user}} {
			c.send(400, request[0], request[1], body())
		}
	}
	// What is not kept may be of any length.
	c.send(201, "POST", "/Users", M{"userName": c.last("beside too long"), "title": d("title too long") + strings.Repeat("x", 70<<10)})
	for _, body := range []func() M{
		func() M { return M{"displayName": M{"x": d("displayName object")}, "description": d("description")} },
		func() M { return M{"externalId": d("group without displayName")} },
		func() M {
			return M{"displayName": d("beside members"), "members": A{M{"value": M{"x": d("member value object")}}}}
		},
		func() M { return M{"displayName": d("beside member type"), "members": A{A{d("member list")}}} },
	} {
		c.send(400, "POST", "/Groups", body())
	}

	// JSON that is none.
	for label, text := range map[string]string{
		"cut off":          `{"userName":"%s","title":"%s","name":{"givenName":"x"`,
		"in a string":      `{"userName":"%s","title":"%s`,
		"no colon":         `{"userName" "%s","title":"%s"}`,
		"stray word":       `{"userName":"%s","title":%s}`,
		"stray text after": `{"userName":"%s"} "%s"`,
		"two objects":      `{"userName":"%s"}{"title":"%s"}`,
		"a string":         `"%s%s"`,
		"a list":           `["%s","%s"]`,
		"twice":            `{"title":"%s","title":"%s"}`,
		"twice in case":    `{"userName":"%s","USERNAME":"%s"}`,
		"twice below":      `{"userName":"%s","x":{"y":1,"y":"%s"}}`,
		"invalid UTF-8":    "{\"userName\":\"%s\",\"title\":\"%s\xff\"}",
		"lone surrogate":   `{"userName":"%s","title":"%s\ud800"}`,
		"bad escape":       `{"userName":"%s","title":"%s\q"}`,
		"comment":          `{"userName":"%s" /* %s */}`,
	} {
		for _, request := range [][2]string{{"POST", "/Users"}, {"PUT", "/Users/" + user}, {"PATCH", "/Users/" + user}, {"POST", "/Groups"}, {"POST", "/.search"}} {
			if label == "twice in case" && request[1] == "/.search" {
				continue // not a name that a search has: skipped both times
			}
			body := fmt.Sprintf(text, d(label), d(label+" title"))
			r := c.send(0, request[0], request[1], body)
			if r.Status != 400 {
				c.t.Errorf("%s: status %d, want 400\n%s", label, r.Status, r)
			}
		}
	}
	name := c.name("name twice")
	c.send(400, "POST", "/Users", fmt.Sprintf(`{"userName":"%s","%s":1,"%s":2}`, d("beside a name twice"), name, name))

	// PATCH that cannot be read or applied.
	path, op := "/Users/"+user, e2e.Op
	for _, o := range []func() any{
		func() any { return op(d("unknown op"), "title", d("value of an unknown op")) },
		func() any { return M{"op": A{d("op list")}, "path": "title", "value": d("value of an op list")} },
		func() any { return M{"op": "add", "path": A{d("path list")}, "value": d("value of a path list")} },
		func() any { return d("operation as text") },
		func() any { return op("add", `emails[type eq "`+d("path not closed"), d("value of a path not closed")) },
		func() any { return op("add", "title "+d("path with a space"), d("value of a path with a space")) },
		func() any { return op("add", `userName[x eq "`+d("filter on userName")+`"]`, d("value of it")) },
		func() any { return op("add", "", d("path-less text")) },
		func() any { return op("add", "", A{d("path-less list")}) },
		func() any { return op("remove", "", d("remove without a path")) },
		func() any { return op("replace", "userName", M{"x": d("userName object in PATCH")}) },
		func() any {
			return op("replace", "userName", A{d("userName list in PATCH"), d("userName list in PATCH")})
		},
		func() any { return op("replace", "active", d("active in PATCH")) },
		func() any { return op("replace", "name", d("name as text in PATCH")) },
		func() any { return op("replace", "name.givenName", M{"x": d("givenName object in PATCH")}) },
		func() any {
			return op("replace", "userName", d("userName too long in PATCH")+strings.Repeat("x", 70<<10))
		},
		func() any { return op("replace", "", M{"emails[": d("broken key in PATCH")}) },
		func() any {
			return op("replace", `emails[type eq "work" or value eq "`+d("no target")+`"].value`, M{"x": d("value of no target")})
		},
	} {
		c.send(400, "PATCH", path, M{"schemas": A{e2e.PatchURN}, "Operations": A{op("replace", "locale", d("an operation before")), o()}})
	}
	c.send(400, "PATCH", path, M{"schemas": A{e2e.PatchURN}, "title": d("PATCH without Operations")})
	c.send(400, "PATCH", path, M{"Operations": M{"x": d("Operations object")}})

	// 401 is below; then 404, 405, 409, 412, 413, 415 and 501.
	body := func(label string) M { return c.full(label, keptUser(label, c.ask)) }
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		c.send(404, method, "/Users/"+c.echo(method+" of nobody"), withOperations(body(method+" of nobody")))
		c.send(404, method, "/Groups/"+c.echo(method+" of no group"), withOperations(M{"displayName": d(method + " of no group")}))
		c.send(405, method, "/Users", body(method+" of /Users"))
		c.send(405, method, "/Bulk", body(method+" of /Bulk"))
	}
	c.send(404, "POST", "/nowhere-"+c.route("route"), body("unknown route"))
	c.send(405, "POST", "/Schemas", body("POST /Schemas"))
	c.send(405, "POST", "/Users/"+user, body("POST of a user"))
	if r := c.client.Do(c.t, "POST", "/Me", body("/Me")); r.Status != 501 {
		c.t.Errorf("status %d, want 501\n%s", r.Status, r)
	}
	c.checkAnswer(c.t, "POST /Me", c.sent, 501, c.dumps[len(c.dumps)-1])
	conflict := body("409")
	conflict["userName"] = taken
	c.send(409, "POST", "/Users", conflict)
	c.send(409, "PUT", path, conflict)
	c.patch(409, path, op("replace", "locale", c.ask("409 locale")), op("replace", "title", d("409 title")), op("replace", "userName", taken))
	c.send(412, "PUT", path, body("412 PUT"), `If-Match: W/"0000000000000001"`)
	c.send(412, "PATCH", path, e2e.PatchBody(op("replace", "locale", c.ask("412 PATCH")), op("add", "title", d("412 title"))), `If-Match: W/"0000000000000001"`)
	c.send(412, "DELETE", path, body("412 DELETE"), `If-Match: W/"0000000000000001"`)
	c.send(415, "POST", "/Users", `userName=`+d("415"), "Content-Type: application/x-www-form-urlencoded")
	c.send(415, "POST", "/Users", M{"userName": d("415 XML")}, "Content-Type: text/xml")
	c.send(415, "POST", "/Users", M{"userName": d("415 encoding")}, "Content-Encoding: br")
	c.send(400, "POST", "/Users", M{"userName": d("no gzip")}, "Content-Encoding: gzip")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprintf(z, `{"userName":{"x":"%s"},"title":"%s"`, d("gzip"), d("gzip title"))
	if err := z.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.send(400, "POST", "/Users", packed.Bytes(), "Content-Encoding: gzip")
	c.send(413, "POST", "/Users", `{"title":"`+d("413")+`","x":[`+strings.Repeat(`"`+d("413 element")+`",`, 240_000)+`0]}`)

	// Requests that break off, and what is no HTTP.
	c.raw("a body that is shorter than it said", c.head("POST", "/Users", "Content-Length: 1000")+`{"userName":"`+d("cut body")+`","title":"`+d("cut title")+`"`)
	c.raw("a broken chunk", c.head("POST", "/Users", "Transfer-Encoding: chunked")+"5\r\n{\"use\r\nzz\r\n"+d("broken chunk"))
	c.raw("a path that is not escaped right", c.head("GET", "/Users/%zz"+d("bad path")))
	c.raw("a path with a NUL", c.head("GET", "/Users/"+c.echo("NUL path")+"%00"))
}

// escapes asks for users under addresses that only look different. What the
// server takes for SCIM's, the access log has to take for SCIM's as well; what it
// leaves to the site is no concern of this test.
func (c *canary) escapes() {
	client := *c.client
	client.Base = c.server.Caddy.Root()
	defer func(before *e2e.Client) { c.client = before }(c.client)
	c.client = &client
	for _, path := range []string{"/scim/v2/%55sers", "/scim/v2//Users", "/scim/v2%2FUsers", "/scim%2Fv2/Users", "/%73cim/v2/Users", "/scim/v2/./Users", "/scim/v2/x/../Users"} {
		for _, rest := range []string{"/%s", "%%2f%s", "?filter=title+eq+%%22%s%%22", "%%3Ffilter=title+eq+%%22%s%%22"} {
			n := len(c.all)
			r, err := c.client.Send("GET", path+fmt.Sprintf(rest, c.echo(path+" with "+rest)), nil)
			if err != nil {
				c.t.Fatal(err)
			}
			c.checkAnswer(c.t, "GET "+path, c.sent, max(400, r.Status), c.dumps[len(c.dumps)-1])
			if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/scim+json") {
				c.all[n].class = route
			}
		}
	}
}

func withOperations(m M) M {
	m["Operations"] = A{}
	return m
}

// deep wraps a text in more objects than are accepted.
func deep(text string) any {
	var v any = text
	for range 20 {
		v = M{"x": v}
	}
	return v
}

// tokens tries what is no token of anybody. It ends with 429: the address has
// failed too often by then.
func (c *canary) tokens() {
	d, refused := c.drop, map[int]int{}
	send := func(method, path string, body any, headers ...string) {
		refused[c.send(0, method, path, body, headers...).Status]++
	}
	for _, value := range []string{
		"Bearer " + d("token"),
		"bearer " + d("token in lower case"),
		"Bearer scim_" + d("token with the prefix"),
		"Bearer " + c.secret("a token that nobody was given", token.Mint()),
		"Bearer " + c.client.Token + d("a token with more"),
		"Bearer " + d("two words") + " " + c.client.Token,
		"Basic " + base64.StdEncoding.EncodeToString([]byte(d("user")+":"+d("password"))),
		"Digest username=" + d("digest"),
		d("no scheme"),
		"Bearer " + strings.Repeat(d("long token"), 500),
	} {
		for _, request := range []struct{ method, path string }{{"GET", "/Users"}, {"POST", "/Users"}, {"POST", "/Bulk"}, {"GET", "/ServiceProviderConfig"}, {"PATCH", "/Users/x"}} {
			var body any
			if request.method != "GET" {
				body = M{"userName": d("userName without a token"), "title": d("title without a token")}
			}
			send(request.method, request.path, body, "Authorization: "+value)
		}
	}
	send("POST", "/Users", `{"userName":"`+d("no token at all"), "Authorization:")
	send("GET", "/Users?access_token="+d("token in the query"), nil, "Authorization:")
	send("GET", "/Users", nil, "Authorization:", "Cookie: session="+d("cookie"), "Proxy-Authorization: Bearer "+d("token for a proxy"))
	if refused[401] == 0 || refused[429] == 0 || len(refused) > 2 {
		c.t.Errorf("answers by status: %v, want 401 and 429", refused)
	}
}
