package schema

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

func TestCheckRequired(t *testing.T) {
	t.Parallel()
	required := func(paths ...string) *Views { return narrowing(t, Narrowing{Allow: []string{"*"}, Required: paths}) }
	x := mustParse(t, `{"id":"urn:x:y","attributes":[{"name":"code","required":true},{"name":"own","required":true,"mutability":"readOnly"}]}`)
	c, err := NewCatalog([]Extension{{Schema: x, Required: true}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	must, err := c.Narrow(Narrowing{Allow: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	all := required()
	for _, tc := range []struct {
		name, resource string
		v              *View
		missing        string
	}{
		{"userName", `{"active":true}`, all.User, "userName"},
		{"an empty userName", `{"userName":""}`, all.User, "userName"},
		{"userName is there", `{"userName":"a"}`, all.User, ""},
		{"displayName", `{"externalId":"x"}`, all.Group, "displayName"},
		{"an extension that is there lacks something", `{"displayName":"g","` + groupURN + `":{"note":"n"}}`, all.Group, groupURN + ":code"},
		{"an extension that is not there lacks nothing", `{"displayName":"g"}`, all.Group, ""},
		{"an extension that must be there", `{"userName":"a"}`, must.User, "urn:x:y"},
		{"what it must have", `{"userName":"a","urn:x:y":{}}`, must.User, "urn:x:y:code"},
		{"what is the server's is not asked for", `{"userName":"a","urn:x:y":{"code":"c"}}`, must.User, ""},
		{"a part of an extension's object", `{"userName":"a","` + extURN + `":{"desk":{"code":"c"}}}`, all.User, extURN + ":desk.floor"},
		{"a part of each element", `{"userName":"a","` + extURN + `":{"assets":[{"value":"v"},{"type":"t"}]}}`, all.User, extURN + ":assets.value"},
		{"the operator's", `{"userName":"a"}`, required("title").User, "title"},
		{"the operator's, blank", `{"userName":"a","title":""}`, required("title").User, "title"},
		{"the operator's, there", `{"userName":"a","title":"t"}`, required("title").User, ""},
		{"false is a value", `{"userName":"a","active":false}`, required("active").User, ""},
		{"a part", `{"userName":"a","name":{"givenName":"g"}}`, required("name.familyName").User, "name.familyName"},
		{"a part of one element is enough", `{"userName":"a","emails":[{"type":"x"},{"value":"v"}]}`, required("emails.value").User, ""},
		{"a part of no element", `{"userName":"a","emails":[{"type":"x"}]}`, required("emails.value").User, "emails.value"},
		{"an empty list", `{"userName":"a","emails":[]}`, required("emails").User, "emails"},
		{"of an extension", `{"userName":"a"}`, required("department").User, EnterpriseUserURN + ":department"},
		{"several", `{"userName":"a","title":"t"}`, required("title", "department").User, EnterpriseUserURN + ":department"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := tc.v.CheckRequired(object(t, tc.resource))
			if tc.missing == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *scimerr.Error
			if failure(err) != "400 invalidValue" || !errors.As(err, &e) || !strings.Contains(e.Detail, " "+tc.missing+" ") {
				t.Errorf("error %v, want a 400 invalidValue that names %s", err, tc.missing)
			}
		})
	}
	if err := required("title").User.CheckIdentity(object(t, `{"userName":"a"}`)); err != nil {
		t.Errorf("the identity needs what only the operator requires: %v", err)
	}
	if err := all.User.CheckIdentity(object(t, `{"title":"a"}`)); failure(err) != "400 invalidValue" {
		t.Errorf("an identity without a userName: %v", err)
	}
}

func TestCheckImmutable(t *testing.T) {
	t.Parallel()
	v := narrowTo(t, "*").User
	ext := func(s string) string { return `{"userName":"a","` + extURN + `":` + s + `}` }
	for _, c := range []struct {
		name, old, now, refused string
	}{
		{"set for the first time", `{"userName":"a"}`, ext(`{"hireId":"1"}`), ""},
		{"the same", ext(`{"hireId":"1"}`), ext(`{"hireId":"1","level":2}`), ""},
		{"changed", ext(`{"hireId":"1"}`), ext(`{"hireId":"2"}`), extURN + ":hireId"},
		{"removed", ext(`{"hireId":"1"}`), ext(`{"level":1}`), extURN + ":hireId"},
		{"removed with its extension", ext(`{"hireId":"1"}`), `{"userName":"a"}`, extURN + ":hireId"},
		{"a part changed", ext(`{"desk":{"floor":1,"code":"a"}}`), ext(`{"desk":{"floor":1,"code":"b"}}`), extURN + ":desk.code"},
		{"a part set", ext(`{"desk":{"floor":1}}`), ext(`{"desk":{"floor":1,"code":"b"}}`), ""},
		{"another part changed", ext(`{"desk":{"floor":1,"code":"a"}}`), ext(`{"desk":{"floor":2,"code":"a"}}`), ""},
		{"a part removed", ext(`{"desk":{"floor":1,"code":"a"}}`), ext(`{"desk":{"floor":1}}`), extURN + ":desk.code"},
		{"all else may change", `{"userName":"a","title":"t"}`, `{"userName":"b"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := v.CheckImmutable(object(t, c.old), object(t, c.now))
			if c.refused == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if failure(err) != "400 mutability" || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("error %v, want a 400 mutability that names %s", err, c.refused)
			}
		})
	}
}
