package canarytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// operator is whoever runs a server: what the admin API and the commands tell is
// collected as places to search.
type operator struct {
	t      *testing.T
	caddy  *e2e.Caddy
	places []place
}

// post asks the admin API, and returns the answer. A status of 0 takes any.
func (o *operator) post(in where, status int, path string, body M) *e2e.Response {
	o.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.ask(in, status, "POST", path, string(text))
}

func (o *operator) ask(in where, status int, method, path, body string) *e2e.Response {
	o.t.Helper()
	r := o.caddy.Admin(o.t, method, path, body)
	if status != 0 && r.Status != status {
		o.t.Errorf("admin %s %s %s: status %d, want %d\n%.500s", method, path, body, r.Status, status, r.Body)
	}
	o.places = append(o.places, place{in, "admin " + path, fmt.Appendf(nil, "%v\n%s", r.Header, r.Body)})
	return r
}

// run runs a command of `caddy-scim scim`. A code of -1 takes any.
func (o *operator) run(in where, code int, args ...string) e2e.Result {
	o.t.Helper()
	r := o.caddy.CLI(o.t, append(append([]string{"scim"}, args...), "--address", o.caddy.AdminAddress())...)
	if code >= 0 && r.Code != code {
		o.t.Errorf("scim %v: exit %d, want %d\n%.500s%.500s", args, r.Code, code, r.Stdout, r.Stderr)
	}
	o.places = append(o.places, place{in, "scim " + strings.Join(args, " "), []byte(r.Stdout + r.Stderr)})
	return r
}

// health asks for what is about the server itself. The status of ready is given.
func (o *operator) health(ready int) {
	o.t.Helper()
	o.ask(inMetrics, 200, "GET", "/metrics", "")
	for _, path := range []string{"/config/", "/scim/health/live", "/debug/vars", "/debug/pprof/goroutine?debug=1", "/reverse_proxy/upstreams"} {
		o.ask(inAdmin, 200, "GET", path, "")
	}
	o.ask(inAdmin, ready, "GET", "/scim/health/ready", "")
	o.run(inAdmin, -1, "health")
}

// look asks the API everything that changes nothing about a tenant. The status
// is 200, or that of a store that is away; then settings may be known still.
func (o *operator) look(status int, tenant string, users, groups []string) {
	o.t.Helper()
	o.post(inAdmin, status, "/scim/tenants/list", M{})
	o.post(inAdmin, status, "/scim/tokens/list", M{"tenant": tenant})
	o.post(inReport, status, "/scim/report", M{"tenant": tenant})
	for _, path := range []string{"/scim/tenants/show", "/scim/tenants/setup"} {
		if r := o.post(inAdmin, 0, path, M{"tenant": tenant}); r.Status != 200 && r.Status != status {
			o.t.Errorf("admin %s: status %d\n%.500s", path, r.Status, r.Body)
		}
	}
	for _, key := range users {
		o.post(inRecords, status, "/scim/users/show", M{"tenant": tenant, "key": key})
	}
	for _, key := range groups {
		o.post(inRecords, status, "/scim/groups/show", M{"tenant": tenant, "key": key})
		o.post(inRecords, status, "/scim/groups/members", M{"tenant": tenant, "group": key, "limit": 1000})
	}
	archive := o.post(inRecords, status, "/scim/archive/list", M{"tenant": tenant, "limit": 1000})
	list, _ := archive.Field("users").([]any)
	for _, u := range list {
		o.post(inRecords, status, "/scim/archive/show", M{"tenant": tenant, "id": e2e.Field(u, "id")})
	}
}

// commands runs every command that changes nothing; as JSON it prints what look
// has seen, so that of some is enough. The exit code is 0, or 1 where the store is
// away.
func (o *operator) commands(code int, tenant, user, group, archived string) {
	o.t.Helper()
	for _, c := range []struct {
		in   where
		args []string
	}{
		{inRecords, []string{"user", "show", user, "--tenant", tenant}},
		{inRecords, []string{"user", "show", user, "--tenant", tenant, "--json"}},
		{inRecords, []string{"group", "show", group, "--tenant", tenant, "--members"}},
		{inRecords, []string{"archive", "list", "--tenant", tenant}},
		{inRecords, []string{"archive", "show", archived, "--tenant", tenant}},
		{inReport, []string{"report", "--tenant", tenant}},
		{inReport, []string{"report", "--tenant", tenant, "--json"}},
		{inAdmin, []string{"tenant", "list"}},
		{inAdmin, []string{"tenant", "show", tenant}},
		{inAdmin, []string{"token", "list", "--tenant", tenant}},
	} {
		o.run(c.in, code, c.args...)
	}
	for _, format := range []string{"text", "markdown", "html"} {
		if r := o.run(inAdmin, -1, "tenant", "show", tenant, "--setup", "--format", format); r.Code != 0 && r.Code != code {
			o.t.Errorf("scim tenant show --setup: exit %d\n%.500s", r.Code, r.Stderr)
		}
	}
}

// support does for one tenant what changes something: a token is minted, tried
// and revoked, a user restored and another purged, the tenant set, paused and
// resumed.
func (c *canary) support(o *operator) {
	c.t.Helper()
	tenant := c.client.Tenant
	o.post(inAdmin, 200, "/scim/tenants/set", M{"tenant": tenant, "set": M{"match": A{"userName"}}})
	o.run(inAdmin, 0, "tenant", "set", tenant, "--unset", "match")

	for _, way := range []func(purge, restore string){
		func(purge, restore string) {
			o.post(inRecords, 200, "/scim/archive/restore", M{"tenant": tenant, "id": restore})
			o.post(inAdmin, 400, "/scim/archive/purge", M{"tenant": tenant, "id": purge, "confirm": "x"})
			o.post(inAdmin, 200, "/scim/archive/purge", M{"tenant": tenant, "id": purge, "confirm": purge})
		},
		func(purge, restore string) {
			o.run(inRecords, 0, "archive", "restore", restore, "--tenant", tenant)
			o.run(inAdmin, 0, "archive", "purge", purge, "--tenant", tenant, "--yes")
			o.post(inRecords, 200, "/scim/users/show", M{"tenant": tenant, "key": purge})
		},
	} {
		ids := []string{}
		for range 2 {
			// The bytes of a purged user stay in the free pages of a bbolt file, and
			// in an append-only file, until these are written anew.
			id := c.send(201, "POST", "/Users", c.full("support", keptUser("support", c.store))).ID(c.t)
			c.send(204, "DELETE", "/Users/"+id, nil)
			o.post(inRecords, 200, "/scim/archive/show", M{"tenant": tenant, "id": id})
			ids = append(ids, id)
		}
		way(ids[0], ids[1])
		c.send(404, "GET", "/Users/"+ids[0], nil)
		c.send(200, "GET", "/Users/"+ids[1], nil)
	}

	// Tokens that are not worth what they seem to be.
	mint := func(label string, args ...string) (secret, id string) {
		tok := c.server.Caddy.Mint(c.t, tenant, args...)
		return c.secret(label, tok.Token), tok.ID
	}
	valid := c.client.Token
	reader, readerID := mint("the token to read", "--scope", "read")
	elsewhere, _ := mint("the token for another address", "--from", "192.0.2.0/24")
	revoked, revokedID := mint("the revoked token", "--expires", "20d", "--label", "ends soon")
	c.client.Token = revoked
	c.send(200, "GET", "/Users?count=1", nil)
	o.run(inAdmin, 0, "token", "list", "--tenant", tenant)
	o.run(inAdmin, 0, "token", "revoke", "--tenant", tenant, "--id", revokedID)
	c.client.Token = reader
	c.send(200, "GET", "/Users?count=1", nil)
	c.send(200, "POST", "/.search", M{"schemas": A{e2e.SearchURN}, "count": 1})
	for _, request := range [][2]string{{"POST", "/Users"}, {"PUT", "/Users/x"}, {"PATCH", "/Users/x"}, {"DELETE", "/Groups/x"}, {"POST", "/Bulk"}} {
		c.refused(403, request, reader)
	}
	o.post(inAdmin, 200, "/scim/tokens/revoke", M{"tenant": tenant, "id": readerID})
	for _, secret := range []string{revoked, reader, elsewhere, strings.ToUpper(valid), valid[:len(valid)-1], c.secret("a token that is nearly one", nearly(elsewhere))} {
		for _, request := range [][2]string{{"GET", "/Users"}, {"POST", "/Users"}, {"POST", "/Bulk"}} {
			c.refused(401, request, secret)
		}
	}
	c.client.Token = valid

	// A token where it does not belong.
	for _, secret := range []string{reader, valid} {
		c.send(400, "GET", e2e.Filter("/Users", `title eq "`+secret+`"`), nil)
		c.send(200, "GET", "/Users?count=1&access_token="+secret, nil)
		c.send(400, "POST", "/Users", M{"title": secret, "token": secret, "userName": M{"x": secret}})
	}

	o.run(inAdmin, 0, "tenant", "pause", tenant)
	c.refused(503, [2]string{"POST", "/Users"}, valid)
	c.refused(503, [2]string{"GET", "/Users?count=1"}, valid)
	o.post(inAdmin, 200, "/scim/tenants/show", M{"tenant": tenant})
	o.post(inAdmin, 200, "/scim/tenants/resume", M{"tenant": tenant})

	// What is refused.
	for _, request := range []struct{ path, body string }{
		{"/scim/tenants/show", `{"tenant":"nobody"}`},
		{"/scim/users/show", `{"tenant":"nobody","key":"x"}`},
		{"/scim/archive/show", fmt.Sprintf(`{"tenant":%q,"id":"nobody"}`, tenant)},
		{"/scim/tenants/delete", fmt.Sprintf(`{"tenant":%q,"confirm":"another"}`, tenant)},
		{"/scim/report", `{"tenant":"` + tenant},
		{"/scim/export", `{"tenants":["nobody"]}`},
		{"/scim/import/chunk", `{"id":"x","first":1,"lines":["{"]}`},
	} {
		if r := o.ask(inAdmin, 0, "POST", request.path, request.body); r.Status < 400 || r.Status >= 500 {
			c.t.Errorf("admin %s %s: status %d", request.path, request.body, r.Status)
		}
	}
	o.run(inAdmin, 1, "tenant", "show", "nobody")
	o.run(inAdmin, 1, "user", "show", "nobody", "--tenant", tenant)
	o.run(inAdmin, 1, "archive", "purge", "nobody", "--tenant", tenant, "--yes")
	o.run(inAdmin, 1, "token", "revoke", "--tenant", tenant, "--id", "nobody")
}

// nearly is a token with another letter at its end: its checksum is wrong.
func nearly(secret string) string {
	last := byte('a')
	if secret[len(secret)-1] == last {
		last = 'b'
	}
	return secret[:len(secret)-1] + string(last)
}

// refused sends a request, with what is not kept in its body, with a token that
// is not good for it; 429 stands for 401 where the address is throttled.
func (c *canary) refused(status int, request [2]string, secret string) {
	c.t.Helper()
	var body any
	if request[0] != "GET" && request[0] != "DELETE" {
		body = M{"userName": c.drop("userName of a refused token"), "title": c.drop("title of a refused token")}
	}
	r := c.any(request[0], request[1], body, "Authorization: Bearer "+secret)
	if r.Status != status && (r.Status != http.StatusTooManyRequests || status != http.StatusUnauthorized) {
		c.t.Errorf("status %d, want %d\n%s", r.Status, status, r)
	}
}

// export exports tenants by the API and by the command, which writes a file.
func (o *operator) export(tenants ...string) (file string) {
	o.t.Helper()
	o.post(inRecords, 200, "/scim/export", M{"tenants": tenants})
	file = filepath.Join(o.t.TempDir(), "export.ndjson")
	args := []string{"export", "-o", file, "--progress"}
	for _, name := range tenants {
		args = append(args, "--tenant", name)
	}
	o.run(inAdmin, 0, args...)
	data, err := os.ReadFile(file)
	if err != nil {
		o.t.Fatal(err)
	}
	o.places = append(o.places, place{inRecords, "the exported file", data})
	return file
}

// imported imports a file into a fresh server on the other store, where the
// minted token works and the report goes on. It returns what that server left.
func (c *canary) imported(file string, on *e2e.Redis, secret string) []place {
	t := c.t
	t.Helper()
	s := e2e.StartServerOn(t, on, e2e.Config{Site: published(t)})
	o := &operator{t: t, caddy: s.Caddy}
	o.run(inAdmin, 0, "import", file, "--progress")
	there := newCanary(t, c.markers, s, s.Named(c.client.Tenant, secret))
	for _, path := range []string{"/Users?count=200", "/Groups?count=200"} {
		want, got := c.hits(c.send(200, "GET", path, nil).Body), c.hits(there.send(200, "GET", path, nil).Body)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" || len(want) == 0 {
			t.Errorf("the markers of %s after the import (-want +got):\n%s", path, diff)
		}
	}
	wantReport(t, s.Caddy, c.client.Tenant, c.counts)
	there.send(201, "POST", "/Users", there.full("after the import", keptUser("after the import", func(string) string { return "imported" })))
	both := counts{}
	both.plus(c.counts)
	both.plus(there.counts)
	wantReport(t, s.Caddy, c.client.Tenant, both)
	o.look(200, c.client.Tenant, nil, nil)
	o.health(200)
	if on != nil {
		on.Do(t, "SAVE")
	}
	s.Caddy.Stop(t)
	o.places = append(o.places, files(t, inStore, s.Caddy.Dir)...)
	if on != nil {
		o.places = append(o.places, files(t, inStore, on.Dir)...)
	}
	c.dumps = append(c.dumps, there.dumps...)
	return o.places
}
