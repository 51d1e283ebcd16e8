package edgetest

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httputil"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// firstRequests does what somebody does who has just minted a token, and returns
// the answers as text, without what differs from run to run.
func firstRequests(t *testing.T, tok e2e.Token) string {
	t.Helper()
	h := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer h.CloseIdleConnections()
	c := &e2e.Client{Tenant: tok.Tenant, Token: tok.Token, Base: tok.TenantURL, Location: tok.TenantURL, HTTP: h}
	var all strings.Builder
	send := func(method, path string, body any, headers ...string) *e2e.Response {
		r := c.Do(t, method, path, body, headers...)
		for _, noise := range []string{"Date", "Content-Length"} {
			r.Header.Del(noise)
		}
		head, err := httputil.DumpResponse(&http.Response{StatusCode: r.Status, ProtoMajor: 1, ProtoMinor: 1, Header: r.Header}, false)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(method + " " + path + "\n" + string(head) + string(r.Body) + "\n")
		return r
	}
	send("GET", "/Users", nil, "Authorization: Bearer not-the-token").Want(t, 401)
	send("GET", "/ServiceProviderConfig", nil).Want(t, 200)
	send("GET", e2e.Filter("/Users", `userName eq "alice@example.com"`), nil).WantList(t, 0)
	// As the README has it.
	id := send("POST", "/Users", `{"userName": "alice@example.com", "name": {"givenName": "Alice"}, "nickName": "Al"}`).Want(t, 201).WantField(t, nil, "nickName").ID(t)
	send("GET", "/Users/"+id, nil).Want(t, 200).WantField(t, tok.TenantURL+"/Users/"+id, "meta", "location")
	send("PATCH", "/Users/"+id, e2e.PatchBody(e2e.Op("Replace", "active", "False"))).Want(t, 200).WantField(t, false, "active")
	send("POST", "/Groups", e2e.GroupBody("engineering", id)).Want(t, 201)
	send("DELETE", "/Users/"+id, nil).Want(t, 204)
	send("GET", "/nowhere", nil).Want(t, 404)

	// The published site compresses what SCIM answers, and leaves its version alone.
	plain := c.Do(t, "GET", "/Schemas", nil).Want(t, 200)
	packed, err := c.Send("GET", "/Schemas", nil, "Accept-Encoding: gzip")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(strings.NewReader(string(packed.Body)))
	if err != nil {
		t.Fatalf("asked for gzip: %v\n%s", err, packed)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if string(unpacked) != string(plain.Body) {
		t.Errorf("compressed: %s\nplain: %s", unpacked, plain.Body)
	}
	text := all.String()
	for _, n := range []struct{ form, name string }{
		{regexp.QuoteMeta(tok.TenantURL), "{base}"},
		{`[0-9a-z]{26}`, "{id}"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`, "{time}"},
	} {
		text = regexp.MustCompile(n.form).ReplaceAllString(text, n.name)
	}
	return text
}
