package edgetest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// existing is an operator's site as it was before: the body of each, by host.
func existing(hash, app, port string) map[string]string {
	common := "\tbind 127.0.0.1\n\ttls internal\n\tencode zstd gzip\n\theader X-Edge on\n\theader /app/* Cache-Control max-age=60\n\theader -Server\n\tbasic_auth /private/* {\n\t\tada " + hash + "\n\t}\n"
	return map[string]string{
		"plain.test":  common + "\treverse_proxy " + app + "\n",
		"handle.test": common + "\thandle /static/* {\n\t\trespond \"a file\"\n\t}\n\thandle {\n\t\treverse_proxy " + app + "\n\t}\n",
		"route.test":  common + "\troute /* {\n\t\trequest_header X-Route yes\n\t\treverse_proxy " + app + "\n\t}\n",
		"path.test":   common + "\thandle_path /static/* {\n\t\trespond \"a file\"\n\t}\n\thandle_errors {\n\t\trespond \"error {err.status_code}\"\n\t}\n\t@post method POST\n\treverse_proxy @post " + app + "\n\treverse_proxy " + app + "\n",
	}
}

// TestExistingEdge adds the line `scim` to sites that serve an application:
// nothing that the application's clients get changes, byte by byte, and SCIM is
// served beside it over each version of HTTP.
func TestExistingEdge(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	app := application(t)
	hash := e.CLI(t, "hash-password", "--plaintext", "a-password", "--bcrypt-cost", "4")
	if hash.Code != 0 {
		t.Fatal(hash.Stderr)
	}
	port := fmt.Sprint(e.Port)
	bodies := existing(strings.TrimSpace(hash.Stdout), app.Listener.Addr().String(), port)
	log := func(host, state string) string { return filepath.Join(e.Dir, host+"."+state+".json") }
	var before, after strings.Builder
	for host, body := range bodies {
		site := "https://" + host + ":" + port
		fmt.Fprintf(&before, "%s {\n%s\tlog {\n\t\toutput file %s\n\t}\n}\n", site, body, log(host, "before"))
		fmt.Fprintf(&after, "%s {\n%s%s\tscim\n}\n", site, body, published(t, log(host, "after")))
	}
	store := "\tscim {\n\t\tstore bolt " + e.BoltFile + "\n\t\ttenant acme {\n\t\t\ttoken " + token + "\n\t\t}\n\t}\n"

	e.run(t, e.caddyfile("", before.String()))
	trust := e.trust(t)
	clients := map[string]*http.Client{}
	for _, p := range protocols {
		clients[p] = client(t, p, "127.0.0.1", trust)
	}
	for host := range bodies {
		awaitTLS(t, clients["HTTP/1.1"], "https://"+host+":"+port+"/")
	}
	was := everyAnswer(t, e, clients, trust, bodies)
	for host := range bodies {
		if got := exchange(t, clients["HTTP/1.1"], "HTTP/1.1", "GET", "https://"+host+":"+port+"/scim/v2/Users", ""); !strings.Contains(got, "X-Application: yes") {
			t.Errorf("%s: the application does not get what is not SCIM's yet\n%s", host, got)
		}
	}
	if err := e.Reload(e.caddyfile(store, after.String())); err != nil {
		t.Fatal(err)
	}
	is := everyAnswer(t, e, clients, trust, bodies)
	if len(was) < 500 {
		t.Errorf("only %d answers were compared", len(was))
	}
	for what, answer := range was {
		if d := cmp.Diff(answer, is[what]); d != "" {
			t.Errorf("%s has changed (-before +after):\n%s", what, d)
		}
	}
	for host := range bodies {
		for _, p := range protocols {
			t.Run(host+" "+p, func(t *testing.T) { provision(t, clients[p], p, "https://"+host+":"+port, host+p) })
		}
		compareLogs(t, log(host, "before"), log(host, "after"))
	}
	if warning := []byte("shows in full which users"); bytes.Contains(e.Log(t), warning) {
		t.Error("loading warns of an access log that has the published format")
	}
}

// everyAnswer collects the application's answers, by host, version and request.
func everyAnswer(t *testing.T, e *edge, clients map[string]*http.Client, trust *tls.Config, hosts map[string]string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for host := range hosts {
		root := fmt.Sprintf("https://%s:%d", host, e.Port)
		for i, r := range requests() {
			what := fmt.Sprintf("%s %s %d %s %s", host, "%s", i, r.method, r.path)
			for _, p := range protocols {
				all[fmt.Sprintf(what, p)] = exchange(t, clients[p], p, r.method, root+r.path, r.body, r.headers...)
			}
			text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s", r.method, r.path, host, e.Port, len(r.body), strings.Join(append(r.headers, ""), "\r\n"), r.body)
			all[fmt.Sprintf(what, "raw")] = rawExchange(t, e.Port, trust, host, text)
		}
		all[host+" upgrade"] = rawExchange(t, e.Port, trust, host, fmt.Sprintf("GET /app/upgrade HTTP/1.1\r\nHost: %s:%d\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n", host, e.Port))
		if !strings.HasSuffix(all[host+" upgrade"], "you said hello\n") {
			t.Errorf("%s does not pass an upgraded connection on: %q", host, all[host+" upgrade"])
		}
	}
	return all
}

// provision does what an identity provider does first, and checks that every
// location is the public one.
func provision(t *testing.T, h *http.Client, protocol, root, unique string) {
	t.Helper()
	c := scim(h, root)
	if got := exchange(t, h, protocol, "GET", root+"/scim/v2/Users", ""); !strings.Contains(got, "401 Unauthorized") || strings.Contains(got, "X-Application") {
		t.Errorf("without a token: %s", got)
	}
	name := strings.NewReplacer("/", "-", ".", "-").Replace(unique) + "@x.example"
	c.Do(t, "GET", e2e.Filter("/Users", fmt.Sprintf("userName eq %q", name)), nil).WantList(t, 0)
	u := c.Do(t, "POST", "/Users", e2e.UserBody(name, M{"name": M{"givenName": "Ada"}})).Want(t, 201)
	id := u.ID(t)
	want := root + "/scim/v2/Users/" + id
	u.WantField(t, want, "meta", "location")
	if got := u.Header.Get("Location"); got != want {
		t.Errorf("Location %s, want %s", got, want)
	}
	c.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, want, "meta", "location")
	c.Do(t, "GET", "/Users/"+id, nil, "If-None-Match: "+u.ETag()).Want(t, 304)
	c.Patch(t, "/Users/"+id, e2e.Op("replace", "name.givenName", "Grace")).Want(t, 200).WantField(t, want, "meta", "location")
	g := c.CreateGroup(t, "group of "+name, id)
	group := root + "/scim/v2/Groups/" + g
	c.Do(t, "GET", "/Groups/"+g, nil).Want(t, 200).WantField(t, group, "meta", "location").WantField(t, want, "members", 0, "$ref")
	for _, m := range c.Do(t, "GET", "/?count=200", nil).List(t) {
		location, _ := e2e.Field(m, "meta", "location").(string)
		if !strings.HasPrefix(location, root+"/scim/v2/") {
			t.Errorf("location %q in a list, want it below %s", location, root)
		}
	}
	bulk := c.Do(t, "POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": A{M{"method": "PATCH", "path": "/Users/" + id, "data": e2e.PatchBody(e2e.Op("replace", "active", false))}}}).Want(t, 200)
	bulk.WantField(t, want, "Operations", 0, "location")
	for path, from := range map[string][]any{"/ServiceProviderConfig": {"meta", "location"}, "/ResourceTypes/User": {"meta", "location"}, "/Schemas/" + e2e.UserURN: {"meta", "location"}} {
		c.Do(t, "GET", path, nil).Want(t, 200).WantField(t, root+"/scim/v2"+path, from...)
	}
	if got := exchange(t, h, protocol, "GET", root+"/scim/v2", "", "Authorization: Bearer "+token); !strings.Contains(got, `"totalResults"`) {
		t.Errorf("the base path: %s", got)
	}
}

// entry is a line of an access log as far as it may not change.
type entry struct {
	Method, URI, Host, Proto string
	Status, Size             int
}

func readLog(t *testing.T, file string) (app, scim []entry) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var raw struct {
			Request struct {
				Method, URI, Host, Proto string
				ClientIP                 string `json:"client_ip"`
			}
			Status, Size int
		}
		if err := json.Unmarshal(line, &raw); err != nil {
			t.Fatalf("%s: %v: %s", file, err, line)
		}
		e := entry{raw.Request.Method, raw.Request.URI, raw.Request.Host, raw.Request.Proto, raw.Status, raw.Size}
		if strings.HasPrefix(e.URI, "/scim/v2/") || e.URI == "/scim/v2" {
			scim = append(scim, e)
			continue
		}
		app = append(app, e)
	}
	return app, scim
}

// compareLogs checks that the application's requests are logged as before, and
// SCIM's without what they ask for.
func compareLogs(t *testing.T, before, after string) {
	t.Helper()
	count := func(list []entry) map[entry]int {
		n := map[entry]int{}
		for _, e := range list {
			n[e]++
		}
		return n
	}
	was, _ := readLog(t, before)
	var is, scim []entry
	e2e.Eventually(t, 10*time.Second, "as many entries as before", func() bool { // they are written after the answer
		is, scim = readLog(t, after)
		return len(is) >= len(was)-1
	})
	first := entry{}
	if len(was) > 0 {
		first = was[0] // the look whether the certificate is there
	}
	a, b := count(was), count(is)
	a[first]--
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("the access log of the application has changed (-before +after):\n%s", d)
	}
	if len(scim) < 30 {
		t.Errorf("%s has %d SCIM requests", after, len(scim))
	}
	for _, e := range scim {
		if _, query, has := strings.Cut(e.URI, "?"); has && query != "REDACTED" || strings.Contains(e.URI, "/Users/") && !strings.HasSuffix(e.URI, "/Users/-") {
			t.Errorf("the access log shows %s", e.URI)
		}
	}
}
