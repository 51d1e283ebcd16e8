package e2etest

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func testdata(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func example(t *testing.T, name string) M {
	t.Helper()
	m := M{}
	unmarshal(t, string(testdata(t, name)), &m)
	return m
}

const metaOfUser = `{"resourceType":"User","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Users/{{self}}"}`

// The users of RFC 7643 §8.1 to §8.3 are created, and come back but for what
// the server decides: id, meta, groups and (never) the password.
func TestRFC7643Users(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		for _, name := range []string{"rfc7643-minimal.json", "rfc7643-full.json", "rfc7643-enterprise.json"} {
			c := s.NewTenant(t)
			sent := example(t, name)
			r := c.Do(t, "POST", "/Users", sent).Want(t, 201)
			id := r.ID(t)
			want := maps.Clone(sent)
			delete(want, "password")
			delete(want, "groups")
			want["id"] = id
			if m, ok := e2e.Field(want, e2e.EnterpriseURN, "manager").(map[string]any); ok {
				delete(m, "displayName") // readOnly, RFC 7643 §4.3
			}
			meta := M{}
			unmarshal(t, strings.NewReplacer("{{base}}", c.Location, "{{self}}", id).Replace(metaOfUser), &meta)
			want["meta"] = meta
			for _, r := range []*e2e.Response{r, c.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)} {
				r.WantGolden(t, marshal(t, want))
			}
			// The same as a PUT of what GET gave changes nothing.
			unchanged(t, c, "/Users/"+id, func() {
				c.Do(t, "PUT", "/Users/"+id, c.Do(t, "GET", "/Users/"+id, nil).Body).Want(t, 200)
			})
		}
	})
}

// The group of RFC 7643 §8.4.
func TestRFC7643Group(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		sent := example(t, "rfc7643-group.json")
		r := s.Do(t, "POST", "/Groups", sent).Want(t, 201)
		r.WantGolden(t, `{"schemas":["`+e2e.GroupURN+`"],"id":"{{self}}","displayName":"Tour Guides",
			"members":[{"value":"2819c223-7f76-453a-919d-413861904646","$ref":"{{base}}/Users/2819c223-7f76-453a-919d-413861904646","type":"User"},
				{"value":"902c246b-6245-4190-8e05-00816be7344a","$ref":"{{base}}/Users/902c246b-6245-4190-8e05-00816be7344a","type":"User"}],
			"meta":{"resourceType":"Group","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Groups/{{self}}"}}`,
			"self", r.ID(t), "base", s.Location)
		// Mode create: the members became users, by the display they came with.
		s.Do(t, "GET", "/Users/2819c223-7f76-453a-919d-413861904646", nil).Want(t, 200)
	})
}

// The service provider configuration of RFC 7643 §8.5, true for this server,
// with RFC 9865's pagination.
func TestServiceProviderConfig(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		r := s.Do(t, "GET", "/ServiceProviderConfig", nil).Want(t, 200)
		want := example(t, "rfc7643-spc.json")
		want["bulk"] = M{"supported": true, "maxOperations": 1000, "maxPayloadSize": 4 << 20}
		want["changePassword"] = M{"supported": false}
		for _, name := range []string{"schemas", "patch", "bulk", "filter", "changePassword", "sort", "etag"} {
			r.WantField(t, want[name], name)
		}
		pagination, _ := r.JSON["pagination"].(map[string]any)
		delete(pagination, "cursorTimeout")
		same(t, "pagination", M{"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100.0, "maxPageSize": 200.0}, pagination)
		schemes, _ := r.JSON["authenticationSchemes"].([]any)
		if len(schemes) != 1 {
			t.Fatalf("%d authentication schemes, want 1", len(schemes))
		}
		r.WantField(t, "oauthbearertoken", "authenticationSchemes", 0, "type").WantField(t, true, "authenticationSchemes", 0, "primary")
		for _, name := range []string{"name", "description", "specUri"} {
			if v, _ := r.Field("authenticationSchemes", 0, name).(string); v == "" {
				t.Errorf("the authentication scheme has no %s", name)
			}
		}
		r.WantField(t, "ServiceProviderConfig", "meta", "resourceType").WantField(t, s.Location+"/ServiceProviderConfig", "meta", "location")
		for k := range r.JSON {
			if _, ok := want[k]; !ok && k != "pagination" {
				t.Errorf("a member %s that neither RFC defines", k)
			}
		}
	})
}

// The resource types of RFC 7643 §8.6.
func TestResourceTypes(t *testing.T) {
	e2e.ForEachStore(t, defaults, func(t *testing.T, s *e2e.Server) {
		const user = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],"id":"User","name":"User","endpoint":"/Users","schema":"` + e2e.UserURN + `",
			"schemaExtensions":[{"schema":"` + e2e.EnterpriseURN + `","required":false}],"meta":{"location":"{{base}}/ResourceTypes/User","resourceType":"ResourceType"}}`
		const group = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],"id":"Group","name":"Group","endpoint":"/Groups","schema":"` + e2e.GroupURN + `",
			"meta":{"location":"{{base}}/ResourceTypes/Group","resourceType":"ResourceType"}}`
		list := s.Do(t, "GET", "/ResourceTypes", nil).Want(t, 200).WantList(t, 2)
		for i, want := range []string{user, group} {
			name, _ := list[i]["name"].(string)
			r := s.Do(t, "GET", "/ResourceTypes/"+name, nil).Want(t, 200)
			same(t, "in the list and alone", any(r.JSON), any(list[i]))
			delete(r.JSON, "description") // words are the server's own
			r.Body = []byte(marshal(t, r.JSON))
			r.WantGolden(t, want, "base", s.Location)
		}
		s.Do(t, "GET", "/ResourceTypes/Device", nil).WantError(t, 404, "")
		s.Do(t, "GET", "/Schemas/urn:example:nothing", nil).WantError(t, 404, "")
	})
}

// departures are where the schemas differ from RFC 7643 §8.7.1 on purpose.
var departures = map[string]string{
	"User.password":              "can never be kept",
	"User.groups.display":        "a user's groups come as value, $ref and type",
	"User.addresses.primary":     "RFC 7643 §2.4 gives every multi-valued attribute one, and RFC 7644 §3.5.2.3 uses it",
	"Group.displayName required": "RFC 7643 §4.2 says REQUIRED in words",
}

// The schemas of RFC 7643 §8.7.1, attribute by attribute, under allow *.
func TestRFC7643Schemas(t *testing.T) {
	var want []M
	unmarshal(t, string(testdata(t, "rfc7643-schemas.json")), &want)
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		list := s.Do(t, "GET", "/Schemas", nil).Want(t, 200).WantList(t, 6)
		byID := map[any]M{}
		for _, m := range list {
			byID[m["id"]] = m
			if e2e.Field(m, "meta", "location") != s.Location+"/Schemas/"+m["id"].(string) || e2e.Field(m, "meta", "resourceType") != "Schema" {
				t.Errorf("meta of %v: %v", m["id"], m["meta"])
			}
		}
		for _, w := range want {
			name, _ := w["name"].(string)
			g := byID[w["id"]]
			if g == nil {
				t.Errorf("no schema %v", w["id"])
				continue
			}
			compareAttributes(t, strings.ReplaceAll(name, "Enterprise User", "EnterpriseUser"), w["attributes"], g["attributes"])
		}
	})
}

func compareAttributes(t *testing.T, path string, want, got any) {
	t.Helper()
	byName := func(v any) map[string]M {
		out := map[string]M{}
		list, _ := v.([]any)
		for _, a := range list {
			m, _ := a.(map[string]any)
			out[m["name"].(string)] = m
		}
		return out
	}
	w, g := byName(want), byName(got)
	for name := range g {
		if w[name] == nil && departures[path+"."+name] == "" {
			t.Errorf("%s.%s: the RFC has none", path, name)
		}
	}
	for name, a := range w {
		at := path + "." + name
		b := g[name]
		if b == nil {
			if departures[at] == "" {
				t.Errorf("%s is missing", at)
			}
			continue
		}
		for _, k := range []string{"type", "multiValued", "required", "mutability", "returned"} {
			if d := cmp.Diff(a[k], b[k]); d != "" && departures[at+" "+k] == "" {
				t.Errorf("%s %s (-RFC +got):\n%s", at, k, d)
			}
		}
		for _, k := range []string{"name", "type", "multiValued", "description", "required", "mutability", "returned", "uniqueness"} {
			if b[k] == nil {
				t.Errorf("%s has no %s", at, k)
			}
		}
		compareAttributes(t, at, a["subAttributes"], b["subAttributes"])
	}
}

// Extension schemas of the operator's own: published, kept where allowed,
// filterable, patchable, and required where said.
func TestExtensionSchemas(t *testing.T) {
	const badge, cost = "urn:example:params:scim:schemas:extension:badge:2.0:User", "urn:example:params:scim:schemas:extension:cost:2.0:Group"
	schema := func(urn, attributes string) string {
		return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Schema"],"id":"` + urn + `","name":"X","description":"An extension.","attributes":[` + attributes + `]}`
	}
	attribute := func(name, kind, more string) string {
		return `{"name":"` + name + `","type":"` + kind + `","multiValued":false,"description":"` + name + `","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"` + more + `}`
	}
	cfg := e2e.Config{Allow: []string{"*"}, Extensions: []e2e.Extension{
		{Type: "users", Schema: schema(badge, strings.Join([]string{attribute("badge", "string", ""), attribute("floor", "integer", ""), attribute("issued", "dateTime", ""),
			attribute("hidden", "string", ""), attribute("serial", "string", "")}, ","))},
		{Type: "groups", Required: true, Schema: schema(cost, strings.Replace(attribute("centre", "string", ""), `"required":false`, `"required":true`, 1))},
	}}
	cfg.Extensions[0].Schema = strings.Replace(cfg.Extensions[0].Schema, `"description":"serial","required":false,"caseExact":false,"mutability":"readWrite"`, `"description":"serial","required":false,"caseExact":true,"mutability":"immutable"`, 1)
	cfg.Extensions[0].Schema = strings.Replace(cfg.Extensions[0].Schema, `"description":"hidden","required":false,"caseExact":false,"mutability":"readWrite","returned":"default"`, `"description":"hidden","required":false,"caseExact":false,"mutability":"writeOnly","returned":"never"`, 1)
	e2e.ForEachStore(t, cfg, func(t *testing.T, s *e2e.Server) {
		same(t, "the published extension", []string{"badge", "floor", "issued", "serial"}, names(schemaAttributes(t, s.Client, badge)))
		s.Do(t, "GET", "/ResourceTypes/User", nil).Want(t, 200).WantField(t, A{M{"schema": e2e.EnterpriseURN, "required": false}, M{"schema": badge, "required": false}}, "schemaExtensions")
		s.Do(t, "GET", "/ResourceTypes/Group", nil).Want(t, 200).WantField(t, A{M{"schema": cost, "required": true}}, "schemaExtensions")

		// Entra does not list the URN in schemas: the body's key counts.
		r := s.Do(t, "POST", "/Users", e2e.UserBody("u", M{badge: M{"BADGE": "B1", "floor": 3, "issued": "2026-01-31T09:30:00Z", "hidden": "h", "serial": "S", "other": 1}})).Want(t, 201)
		id := r.ID(t)
		r.WantField(t, M{"badge": "B1", "floor": 3, "issued": "2026-01-31T09:30:00Z", "serial": "S"}, badge).WantField(t, A{e2e.UserURN, badge}, "schemas")
		s.Do(t, "GET", find(badge+":badge", "b1"), nil).WantIDs(t, id)
		s.Do(t, "GET", e2e.Filter("/Users", badge+":floor gt 2"), nil).WantIDs(t, id)
		s.Do(t, "GET", e2e.Filter("/Users", badge+":floor gt 3"), nil).WantIDs(t)
		s.Patch(t, "/Users/"+id, e2e.Op("replace", badge+":floor", 4), e2e.Op("add", "", M{badge + ":badge": "B2"})).Want(t, 200).WantField(t, 4, badge, "floor").WantField(t, "B2", badge, "badge")
		s.Patch(t, "/Users/"+id, e2e.Op("replace", badge+":floor", "high")).WantError(t, 400, "invalidValue", "floor")
		s.Patch(t, "/Users/"+id, e2e.Op("replace", badge+":serial", "other")).WantError(t, 400, "mutability", "serial")
		s.Do(t, "GET", "/Users/"+id+"?attributes="+badge+":badge", nil).Want(t, 200).WantField(t, M{"badge": "B2"}, badge).WantField(t, nil, "userName")
		s.Patch(t, "/Users/"+id, e2e.Op("remove", badge, nil)).WantError(t, 400, "mutability", "serial")

		s.Do(t, "POST", "/Groups", e2e.GroupBody("G")).WantError(t, 400, "invalidValue", cost)
		s.Do(t, "POST", "/Groups", M{"schemas": A{}, "displayName": "G", cost: M{"centre": "C"}}).Want(t, 201).WantField(t, M{"centre": "C"}, cost)
	})
}
