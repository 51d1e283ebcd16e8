package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseErrors(t *testing.T) {
	t.Parallel()
	one := func(attribute string) string { return `{"id":"urn:x:y","attributes":[` + attribute + `]}` }
	for _, c := range []struct{ name, text, want string }{
		{"no JSON", `nope`, "RFC 7643 section 7"},
		{"nothing", ``, "RFC 7643 section 7"},
		{"an array", `[]`, "RFC 7643 section 7"},
		{"an unknown member", `{"id":"urn:x:y","atributes":[]}`, "atributes"},
		{"an unknown member of an attribute", one(`{"name":"a","multivalue":true}`), "multivalue"},
		{"two schemas", one(`{"name":"a"}`) + one(`{"name":"a"}`), "goes on"},
		{"rubbish behind", one(`{"name":"a"}`) + `}`, "goes on"},
		{"no id", `{"attributes":[{"name":"a"}]}`, `id "" is not a URN`},
		{"an id that is no URN", `{"id":"https://x","attributes":[{"name":"a"}]}`, "not a URN"},
		{"an id with a space", `{"id":"urn:x y","attributes":[{"name":"a"}]}`, "not a URN"},
		{"an id with a bracket", `{"id":"urn:x[1]","attributes":[{"name":"a"}]}`, "not a URN"},
		{"an id with a quote", `{"id":"urn:x\"","attributes":[{"name":"a"}]}`, "not a URN"},
		{"no attributes", `{"id":"urn:x:y"}`, "no attributes"},
		{"empty attributes", `{"id":"urn:x:y","attributes":[]}`, "no attributes"},
		{"a null attribute", one(`null`), "attribute 1 of urn:x:y has no valid name"},
		{"no name", one(`{"type":"string"}`), "attribute 1 of urn:x:y has no valid name"},
		{"a name with a dot", one(`{"name":"a.b"}`), "no valid name"},
		{"a name with a colon", one(`{"name":"a:b"}`), "no valid name"},
		{"a name with a digit first", one(`{"name":"1a"}`), "no valid name"},
		{"a name that is not ASCII", one(`{"name":"größe"}`), "no valid name"},
		{"the second has no name", one(`{"name":"a"},{"name":""}`), "attribute 2 of urn:x:y has no valid name"},
		{"twice in another case", one(`{"name":"a"},{"name":"A"}`), "urn:x:y:A is defined twice"},
		{"an unknown type", one(`{"name":"a","type":"text"}`), `urn:x:y:a: type is "text"`},
		{"a type in another case", one(`{"name":"a","type":"String"}`), `type is "String"`},
		{"an unknown mutability", one(`{"name":"a","mutability":"rw"}`), `mutability is "rw"`},
		{"an unknown returned", one(`{"name":"a","returned":"sometimes"}`), `returned is "sometimes"`},
		{"an unknown uniqueness", one(`{"name":"a","uniqueness":"tenant"}`), `uniqueness is "tenant"`},
		{"complex without parts", one(`{"name":"a","type":"complex"}`), "complex attributes, and no others, have subAttributes"},
		{"parts without complex", one(`{"name":"a","type":"string","subAttributes":[{"name":"b"}]}`), "complex attributes, and no others"},
		{"complex within complex", one(`{"name":"a","type":"complex","subAttributes":[{"name":"b","type":"complex","subAttributes":[{"name":"c"}]}]}`), "a.b: a sub-attribute cannot be complex"},
		{"a part without a name", one(`{"name":"a","type":"complex","subAttributes":[{}]}`), "attribute 1 of urn:x:y:a. has no valid name"},
		{"a part twice", one(`{"name":"a","type":"complex","subAttributes":[{"name":"b"},{"name":"B"}]}`), "a.B is defined twice"},
		{"unique and multi-valued", one(`{"name":"a","multiValued":true,"uniqueness":"server"}`), "uniqueness is supported"},
		{"unique and a number", one(`{"name":"a","type":"integer","uniqueness":"global"}`), "uniqueness is supported"},
		{"a unique part", one(`{"name":"a","type":"complex","subAttributes":[{"name":"b","uniqueness":"server"}]}`), "a.b: uniqueness is supported"},
		{"multiValued is no boolean", one(`{"name":"a","multiValued":"true"}`), "RFC 7643 section 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := Parse([]byte(c.text))
			if err == nil {
				t.Fatalf("no error, but %+v", s)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not contain %q", err, c.want)
			}
		})
	}
}

// RFC 7643 §2.2 names the defaults.
func TestParseDefaults(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(`{"schemas":["` + SchemaURN + `"],"id":"urn:x:y","name":"N","meta":{"resourceType":"Schema"},"attributes":[
		{"name":"plain"},{"name":"ref","type":"reference"},{"name":"bin","type":"binary","caseExact":false},
		{"name":"c","type":"complex","subAttributes":[{"name":"$ref","type":"reference"}]},
		{"name":"derived","type":"integer","mutability":"readOnly","uniqueness":"server"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Attribute{Name: "plain", Type: String, Mutability: ReadWrite, Returned: Default, Uniqueness: NotUnique}
	if diff := cmp.Diff(want, *s.Attributes[0], cmp.AllowUnexported(Attribute{})); diff != "" {
		t.Errorf("plain attribute (-want +got):\n%s", diff)
	}
	for _, name := range []string{"ref", "bin"} {
		if !s.Find(name).CaseExact {
			t.Errorf("%s is not caseExact (RFC 7643 §2.3.6, §2.3.7)", name)
		}
	}
	if !s.Find("C").Find("$REF").CaseExact {
		t.Error("Find does not find in any case, or the sub-attribute's defaults are missing")
	}
}

func TestCoreSchemas(t *testing.T) {
	t.Parallel()
	c, err := NewCatalog(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for urn, s := range map[string]*Schema{
		UserURN: c.User.Schema, GroupURN: c.Group.Schema, EnterpriseUserURN: c.User.Extensions[0].Schema,
		ServiceProviderConfigURN: c.Service[0], ResourceTypeURN: c.Service[1], SchemaURN: c.Service[2],
	} {
		if s.ID != urn {
			t.Errorf("schema %s has the id %s", urn, s.ID)
		}
	}
	for _, c := range []struct {
		a    *Attribute
		want Attribute
	}{
		{c.User.Schema.Find("userName"), Attribute{Type: String, Required: true, Mutability: ReadWrite, Returned: Default, Uniqueness: ServerUnique}},
		{c.User.Schema.Find("password"), Attribute{Type: String, Mutability: WriteOnly, Returned: Never, Uniqueness: NotUnique}},
		{c.User.Schema.Find("active"), Attribute{Type: Boolean, Mutability: ReadWrite, Returned: Default, Uniqueness: NotUnique}},
		{c.User.Schema.Find("groups"), Attribute{Type: Complex, MultiValued: true, Mutability: ReadOnly, Returned: Default, Uniqueness: NotUnique}},
		{c.Group.Schema.Find("displayName"), Attribute{Type: String, Required: true, Mutability: ReadWrite, Returned: Default, Uniqueness: ServerUnique}},
	} {
		got := Attribute{Type: c.a.Type, MultiValued: c.a.MultiValued, Required: c.a.Required, CaseExact: c.a.CaseExact,
			Mutability: c.a.Mutability, Returned: c.a.Returned, Uniqueness: c.a.Uniqueness}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(Attribute{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.a.Name, diff)
		}
	}
}

func TestCatalogClashes(t *testing.T) {
	t.Parallel()
	x := func(id string) Extension {
		return Extension{Schema: mustParse(t, `{"id":"`+id+`","attributes":[{"name":"a"}]}`)}
	}
	for _, c := range []struct {
		name          string
		users, groups []Extension
		clash         bool
	}{
		{"the user schema", []Extension{x(UserURN)}, nil, true},
		{"the user schema in another case", []Extension{x(strings.ToUpper(UserURN))}, nil, true},
		{"the group schema for users", []Extension{x(GroupURN)}, nil, true},
		{"the enterprise extension", []Extension{x(EnterpriseUserURN)}, nil, true},
		{"a discovery schema", nil, []Extension{x(SchemaURN)}, true},
		{"twice among users", []Extension{x("urn:a:b"), x("urn:a:B")}, nil, true},
		{"of users and of groups", []Extension{x("urn:a:b")}, []Extension{x("urn:a:b")}, true},
		{"one inside another", []Extension{x("urn:a:b"), x("urn:a:b:c")}, nil, true},
		{"one around another", []Extension{x("urn:a:b:c"), x("urn:a:b")}, nil, true},
		{"inside the user schema", []Extension{x(UserURN + ":name")}, nil, true},
		{"a common beginning is none", []Extension{x("urn:a:b"), x("urn:a:bc"), x("urn:a:b.c")}, nil, false},
		{"different ones", []Extension{x("urn:a:b")}, []Extension{x("urn:a:c")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := NewCatalog(c.users, c.groups)
			if (err != nil) != c.clash {
				t.Fatalf("error %v, want a clash: %t", err, c.clash)
			}
			if err == nil && len(got.User.Extensions) != 1+len(c.users) {
				t.Errorf("%d extensions of users", len(got.User.Extensions))
			}
		})
	}
}
