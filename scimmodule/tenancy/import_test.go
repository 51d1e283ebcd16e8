package tenancy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

const importTime = `"2026-01-02T03:04:05.000Z"`

// importLine is a record line of an export.
func importLine(kind, id, body string) string {
	return fmt.Sprintf(`{"kind":%q,"id":%q,"created":%s,"modified":%s,"allow":"x","version":1,"body":%s}`, kind, id, importTime, importTime, body)
}

// importInto hands an export of the tenant moved with the lines to a node.
func importInto(t *testing.T, n *node, tenantBody string, lines ...string) error {
	t.Helper()
	id := strings.Repeat("A", 26)
	head := []string{
		`{"export":{"format":1,"id":"` + id + `","time":` + importTime + `}}`,
		fmt.Sprintf(`{"tenant":{"name":"moved","record":{"kind":"tenant","id":"moved","created":%s,"modified":%s,"body":%s}}}`, importTime, importTime, tenantBody),
	}
	if _, err := n.Importer().Begin(t.Context(), []byte(head[0])); err != nil {
		t.Fatal(err)
	}
	var in [][]byte
	for _, l := range append(head[1:], lines...) {
		in = append(in, []byte(l))
	}
	_, err := n.Import(t.Context(), id, 1, in)
	return err
}

// What an import brings of tokens, reports and the tenant is only taken if the
// tenant can have it.
func TestForgedImports(t *testing.T) {
	t.Parallel()
	h := token.HashOf(token.Mint())
	body := func(hash, tenant, more string) string {
		return `{"hash":"` + hash + `","tenant":"` + tenant + `"` + more + `}`
	}
	for _, c := range []struct{ name, tenant, line, want string }{
		{"a token of another tenant", `{}`, importLine("token", h.ID(), body(h.String(), "victim", "")), "another tenant"},
		{"a token that is no token", `{}`, importLine("token", h.ID(), `{"hash":5}`), "damaged"},
		{"a token under another id", `{}`, importLine("token", "0123456789abcdef", body(h.String(), "moved", "")), "id"},
		{"a token of another scope", `{}`, importLine("token", h.ID(), body(h.String(), "moved", `,"scope":"everything"`)), "scope"},
		{"a report that is no report", `{}`, importLine("report", "moved", `{"v":1,"more":true}`), "line"},
		{"a deleted tenant", `{"deleted":"2026-01-01T00:00:00Z"}`, importLine("user", "u1", `{"id":"u1","userName":"u1"}`), "deleted"},
		{"settings that cannot be", `{"settings":{"members":"sometimes"}}`, importLine("user", "u1", `{"id":"u1","userName":"u1"}`), "members"},
		{"a user whose active is an object", `{}`, importLine("user", "u1", `{"id":"u1","userName":"u1","active":{"a":1}}`), "body"},
		{"a user without a name", `{}`, importLine("user", "u1", `{"id":"u1","active":true}`), "body"},
		{"a user whose name is an object", `{}`, importLine("user", "u1", `{"id":"u1","userName":{"a":1}}`), "body"},
		{"a group without a name", `{}`, importLine("group", "g1", `{"id":"g1","externalId":"e"}`), "body"},
		{"a user under another id", `{}`, importLine("user", "u1", `{"id":"u2","userName":"u1"}`), "body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, newStore())
			err := importInto(t, n, c.tenant, c.line)
			var line *transfer.LineError
			if !errors.As(err, &line) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), h.String()) {
				t.Errorf("error %v, want one of a line with %q", err, c.want)
			}
			if tokens := total(t, n.Store(), store.SystemTenant, store.Token); tokens != 0 {
				t.Errorf("%d tokens", tokens)
			}
		})
	}
}

// An import does not get around the allow list, whatever list its records claim to
// be written under.
func TestImportKeepsToTheAllowList(t *testing.T) {
	t.Parallel()
	n := newNode(t, newStore())
	n.create("other", registry.Settings{})
	set := n.standing("other").Directory.Settings()
	user := strings.Replace(importLine("user", "u1", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"u1","userName":"ada","password":"s3cr3t","nickName":"s3cr3t","active":true}`),
		`"allow":"x"`, `"allow":"`+set.Views.Fingerprint+`"`, 1)
	archived := strings.Replace(importLine("archived", "u2", `{"schemas":[],"id":"u2","userName":"bob","nickName":"s3cr3t"}`), `"version"`, `"archived_at":`+importTime+`,"version"`, 1)
	if err := importInto(t, n, `{}`, user, archived); err != nil {
		t.Fatal(err)
	}
	for _, k := range []store.Kind{store.User, store.Archived} {
		p, err := n.Store().Scan(t.Context(), "moved", store.Query{Kind: k, Limit: 10})
		if err != nil || len(p.Records) != 1 {
			t.Fatalf("%d of kind %s (%v)", len(p.Records), k, err)
		}
		if body := string(p.Records[0].Body); strings.Contains(body, "s3cr3t") || !strings.Contains(body, `"userName"`) {
			t.Errorf("kept: %s", body)
		}
	}
}
