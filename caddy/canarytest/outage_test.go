package canarytest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// TestStoreErrors makes Redis fail in every way that it has, and looks for the
// values of the requests at hand, kept ones included, in what is told about it:
// an error of a database or of its client may quote keys and values.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	m, r := newMarkers(), canaryRedis(t)
	s := e2e.StartServerOn(t, r, e2e.Config{Site: published(t)})
	c := newCanary(t, m, s, s.Client)
	id := c.send(201, "POST", "/Users", c.full("first", keptUser("first", c.last))).ID(t)
	group := c.send(201, "POST", "/Groups", M{"schemas": A{}, "displayName": c.last("group"), "members": A{M{"value": id}}}).ID(t)

	// try sends what writes and what reads. Each has to be answered with the
	// status, unless that is 0.
	try := func(what string, writes, reads int) {
		t.Helper()
		w := func(label string) string { return what + ": " + label }
		send := func(status int, method, path string, body any) {
			t.Helper()
			if r := c.any(method, path, body); status != 0 && r.Status != status {
				t.Errorf("%s: status %d, want %d\n%s", what, r.Status, status, r)
			}
		}
		send(writes, "POST", "/Users", c.full(w("POST"), keptUser(w("POST"), c.store)))
		send(writes, "PUT", "/Users/"+id, c.full(w("PUT"), keptUser(w("PUT"), c.store)))
		send(writes, "PATCH", "/Users/"+id, e2e.PatchBody(e2e.Op("replace", "userName", c.store(w("PATCH userName"))), e2e.Op("add", "title", c.drop(w("PATCH title")))))
		send(writes, "PATCH", "/Groups/"+group, e2e.PatchBody(e2e.Op("add", "members", A{M{"value": c.store(w("member")), "display": c.drop(w("display"))}})))
		send(reads, "GET", e2e.Filter("/Users", fmt.Sprintf(`userName eq "%s"`, c.ask(w("filter userName")))), nil)
		send(reads, "GET", e2e.Filter("/Users", fmt.Sprintf(`externalId eq "%s"`, c.ask(w("filter externalId")))), nil)
		send(reads, "POST", "/.search", M{"schemas": A{e2e.SearchURN}, "filter": fmt.Sprintf(`emails.value co "%s"`, c.ask(w("search emails")))})
		send(0, "POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": A{M{"method": "POST", "path": "/Users", "data": c.full(w("bulk"), keptUser(w("bulk"), c.store))}}})
	}
	back := func() {
		t.Helper()
		e2e.Eventually(t, 30*time.Second, "that the store is back", func() bool {
			res, err := c.client.Send("GET", "/Users?count=0", nil)
			return err == nil && res.Status == 200
		})
	}

	r.Do(t, "CONFIG", "SET", "maxmemory", "1")
	try("out of memory", 503, 0)
	r.Do(t, "CONFIG", "SET", "maxmemory", "0")

	r.Do(t, "REPLICAOF", "127.0.0.1", "1")
	try("a replica", 503, 0)
	r.Do(t, "REPLICAOF", "NO", "ONE")
	back()

	r.Do(t, "ACL", "SETUSER", "default", "resetkeys", "~other:*")
	try("no permission", 0, 0)
	r.Do(t, "ACL", "SETUSER", "default", "allkeys")
	back()

	r.Do(t, "SCRIPT", "FLUSH")
	r.Do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	back()

	prefix := "scim:{" + s.Tenant + "}:"
	r.Do(t, "RENAME", prefix+"users", "kept-users")
	r.Do(t, "SET", prefix+"users", "no sorted set")
	try("a key of another type", 0, 0)
	r.Do(t, "RENAME", "kept-users", prefix+"users")

	// A record that somebody else has damaged.
	for _, text := range []string{
		`{"schemas":[],"id":"x","userName":"%s","title":"%s`,
		`{"schemas":[],"userName":"%s","userName":"%s"}`,
		`{"schemas":[],"userName":{"x":"%s"},"active":"%s","meta":{}}`,
		`%s %s`,
	} {
		r.Do(t, "SET", prefix+"user:"+id, fmt.Sprintf(text, c.drop("damaged userName "+text), c.drop("damaged title "+text)))
		c.damaged(id)
	}
	r.Do(t, "DEL", prefix+"user:"+id)

	r.Stop(t)
	try("away", 503, 503)
	o := &operator{t: t, caddy: s.Caddy}
	o.health(503)
	o.look(503, s.Tenant, []string{id}, []string{group})
	o.commands(1, s.Tenant, id, group, id)
	o.post(inAdmin, 503, "/scim/tokens/create", M{"tenant": s.Tenant})
	o.run(inAdmin, 1, "export", "--tenant", s.Tenant)
	r.Start(t)
	back()

	s.Caddy.Stop(t)
	for _, p := range append(append(o.places, spans.place()), files(t, inStore, s.Caddy.Dir)...) {
		m.check(t, p)
	}
	if log := string(s.Caddy.Log(t)); !strings.Contains(log, `"msg":"request failed"`) {
		t.Error("no failure was logged")
	}
}

// any sends a request and checks its answer, which may be a failure.
func (c *canary) any(method, path string, body any, headers ...string) *e2e.Response {
	c.t.Helper()
	r := c.client.Do(c.t, method, path, body, headers...)
	c.checkAnswer(c.t, method+" "+path, c.sent, r.Status, c.dumps[len(c.dumps)-1])
	return r
}

// damaged asks for a record in every way.
func (c *canary) damaged(id string) {
	for _, request := range [][2]string{{"GET", "/Users/" + id}, {"GET", "/Users?count=200"}, {"GET", "/Users?sortBy=userName"}, {"PATCH", "/Users/" + id}, {"DELETE", "/Users/" + id}} {
		var body any
		if request[0] == "PATCH" {
			body = e2e.PatchBody(e2e.Op("replace", "locale", c.store("locale of a damaged record")), e2e.Op("replace", "title", c.drop("title of a damaged record")))
		}
		c.any(request[0], request[1], body)
	}
}
