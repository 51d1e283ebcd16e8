// Package corpus is what real provisioning clients send, and what has to come
// back, as files that people read: one for each client and situation. It must
// not send anything, and knows nothing of the server that is asked.
//
// A file, `<client>/<situation>.txt`, looks like this:
//
//	client: entra
//	title: Test Connection
//	source: Microsoft's SCIM guide, "Getting started"; RFC 7644 §3.4.2
//	about: What the client is doing and why it matters. Longer text goes on in
//	  indented lines.
//	needs: patch, attribute:title
//
//	### A user who does not exist is an empty list
//	GET /Users?filter=userName+eq+"{{guid}}"
//	User-Agent:
//
//	---
//	200
//	Content-Type: application/scim+json
//	{"totalResults": 0}
//	else 404: no-match-404
//	else: test-connection
//
// The header: client, title and source are required; needs are words of the
// ServiceProviderConfig (patch, bulk, filter, sort, etag), `attribute:NAME` for
// an attribute that /Schemas has to publish, `allow:*` and `allow:default`, or `own`
// for the rules of caddy-scim that no other server is asked for.
//
// A step is a title, settings (`concurrently:` to be sent together with its
// neighbours, `names: any case`, `within: 600ms`, `repeat: 5`, `malformed:` for a
// body that is meant not to be JSON), the request line as on the wire after the
// base URL, headers (an empty value: not sent), a blank line and the body. After
// `---` (or `--- allow *` and `--- allow default`, where these differ) come the
// statuses, headers by their beginning, and the body's pattern. `else` lines say
// which finding a step is that went otherwise: the first whose condition holds.
//
// In requests and patterns `{{…}}` stands for a name, see [Names]; in patterns
// also for a kind of value, see [Pattern]. `{{times 3}}{"value": "{{id#}}"}{{end}}`
// is written three times with commas between, the # being 1, 2 and 3; in a step
// that repeats the # is the number of the turn.
package corpus
