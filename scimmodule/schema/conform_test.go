package schema

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// What real clients send for a value; fails names the keyword of the error.
func TestConform(t *testing.T) {
	t.Parallel()
	vs := narrowTo(t, "*")
	const bad = "!"
	for _, c := range []struct{ name, path, sent, want string }{
		{"a boolean", "active", `false`, `false`},
		{"Entra's False", "active", `"False"`, `false`},
		{"in any case", "active", `"tRuE"`, `true`},
		{"another word", "active", `"yes"`, bad},
		{"a number for a boolean", "active", `1`, bad},
		{"an empty boolean is unassigned", "active", `""`, `null`},
		{"null is unassigned", "active", `null`, `null`},
		{"a boolean in a list of one", "active", `["True"]`, `true`},
		{"a boolean as an object", "active", `{}`, bad},
		{"a boolean deep inside", "emails", `[{"value":"a","primary":"True"}]`, `[{"value":"a","primary":true}]`},

		{"a string", "userName", `"a"`, `"a"`},
		{"an empty string stays", "title", `""`, `""`},
		{"a number for a string", "userName", `1`, bad},
		{"an object for a string", "userName", `{}`, bad},
		{"a list of one string", "userName", `["a"]`, `"a"`},
		{"an empty list is unassigned", "userName", `[]`, `null`},
		{"two values for one", "userName", `["a","b"]`, bad},

		{"an integer", "level", `7`, `7`},
		{"an integer as a string", "level", `"7"`, `7`},
		{"a negative one", "level", `"-7"`, `-7`},
		{"zeros in front", "level", `"007"`, `7`},
		{"a fraction", "level", `7.5`, bad},
		{"a word", "level", `"seven"`, bad},
		{"a boolean for an integer", "level", `true`, bad},
		{"too large", "level", `9223372036854775808`, bad},
		{"an empty integer is unassigned", "level", `""`, `null`},

		{"a decimal", "ratio", `1.50`, `1.50`},
		{"a decimal as a string", "ratio", `"1.5e3"`, `1.5e3`},
		{"a decimal that is JSON of another kind", "ratio", `"true"`, bad},
		{"a decimal that is no JSON", "ratio", `"1,5"`, bad},
		{"a decimal that would be an object", "ratio", `"{}"`, bad},
		{"an empty decimal is unassigned", "ratio", `""`, `null`},

		{"a date", "hired", `"2026-01-31T09:30:00Z"`, `"2026-01-31T09:30:00Z"`},
		{"a date with an offset and a fraction", "hired", `"2026-01-31T09:30:00.123+01:00"`, `"2026-01-31T09:30:00.123+01:00"`},
		{"a date without a zone", "hired", `"2026-01-31T09:30:00"`, `"2026-01-31T09:30:00"`},
		{"a day", "hired", `"2026-01-31"`, bad},
		{"an impossible day", "hired", `"2026-02-30T00:00:00Z"`, bad},
		{"a number for a date", "hired", `1769851800`, bad},
		{"an empty date is unassigned", "hired", `""`, `null`},

		{"binary", "photo", `"TWFu"`, `"TWFu"`},
		{"binary without padding, for URLs", "photo", `"_-8"`, `"_-8"`},
		{"binary with line breaks", "photo", `"TW\r\nFu"`, `"TW\r\nFu"`},
		{"no base64", "photo", `"!!"`, bad},
		{"half a character", "photo", `"A"`, bad},
		{"an empty binary is unassigned", "photo", `""`, `null`},
		{"a reference", "link", `"https://x/y"`, `"https://x/y"`},
		{"a number for a reference", "link", `1`, bad},

		{"several values", "tags", `["a","b"]`, `["a","b"]`},
		{"one where there may be several", "tags", `"a"`, `["a"]`},
		{"null among several", "tags", `["a",null]`, `["a"]`},
		{"null for all", "tags", `null`, `null`},
		{"none", "tags", `[]`, `[]`},
		{"a number among strings", "tags", `["a",1]`, bad},
		{"a list in a list", "tags", `[["a"]]`, bad},

		{"an object", "name", `{"givenName":"g"}`, `{"givenName":"g"}`},
		{"null inside unassigns", "name", `{"givenName":"g","familyName":null}`, `{"givenName":"g"}`},
		{"nothing left inside is unassigned", "name", `{"familyName":null}`, `null`},
		{"an empty object is unassigned", "name", `{}`, `null`},
		{"a string for an object without value", "name", `"Jo"`, bad},
		{"an empty string for an object", "name", `""`, `null`},
		{"a list of one object", "name", `[{"givenName":"g"}]`, `{"givenName":"g"}`},
		{"a list of two objects", "name", `[{"givenName":"g"},{"givenName":"h"}]`, bad},
		{"a number inside", "name", `{"givenName":1}`, bad},

		{"a manager", "manager", `{"value":"1","$ref":"../Users/1"}`, `{"value":"1","$ref":"../Users/1"}`},
		{"a manager as a bare id", "manager", `"1"`, `{"value":"1"}`},
		{"a manager in a list", "manager", `[{"value":"1"}]`, `{"value":"1"}`},
		{"no manager", "manager", `""`, `null`},
		{"no manager inside", "manager", `{"value":"","$ref":"x"}`, `null`},
		{"no manager in a list", "manager", `[]`, `null`},
		{"a manager as a number", "manager", `1`, bad},

		{"elements", "emails", `[{"value":"a","type":"work"}]`, `[{"value":"a","type":"work"}]`},
		{"one element", "emails", `{"value":"a"}`, `[{"value":"a"}]`},
		{"plain elements", "emails", `["a","b"]`, `[{"value":"a"},{"value":"b"}]`},
		{"a null inside an element", "emails", `[{"value":"a","display":null}]`, `[{"value":"a"}]`},
		{"empty elements", "emails", `[{},null,"",{"value":null}]`, `[]`},
		{"several values of a part", "assets", `[{"value":"a","labels":"x"}]`, `[{"value":"a","labels":["x"]}]`},
		{"an element as a list", "emails", `[["a"]]`, bad},
		{"a plain element without value", "addresses", `["a"]`, bad},

		{"a part", "name.givenName", `"g"`, `"g"`},
		{"a part as a list of one", "name.givenName", `["g"]`, `"g"`},
		{"a part's boolean", "emails.primary", `"True"`, `true`},
		{"an extension", extURN, `{"level":"1","vip":"False","title":null}`, `{"level":1,"vip":false}`},
		{"an extension of nothing", extURN, `{"title":null}`, `null`},
		{"an extension that is null", extURN, `null`, `null`},
		{"an extension as a list", extURN, `[]`, bad},
		{"a bad value in an extension", extURN, `{"level":"x"}`, bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, ok := vs.User.Resolve(c.path)
			if !ok {
				t.Fatal("not resolved")
			}
			got, err := vs.User.Conform(r, value(t, c.sent))
			if c.want == bad {
				var e *scimerr.Error
				if failure(err) != "400 invalidValue" || !errors.As(err, &e) {
					t.Fatalf("got %s and error %v, want a 400 invalidValue", got.Append(nil), err)
				}
				if !strings.Contains(e.Detail, r.Name()) {
					t.Errorf("detail %q does not name %s", e.Detail, r.Name())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := string(got.Append(nil)); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

// The detail of an error is shown in portals: it has no values.
func TestConformErrorsHoldNoValues(t *testing.T) {
	t.Parallel()
	v := narrowTo(t, "*").User
	for _, sent := range []string{
		`{"active":"MARKER"}`, `{"userName":["MARKER","MARKER2"]}`, `{"name":{"givenName":{"x":"MARKER"}}}`,
		`{"` + extURN + `":{"level":"MARKER"}}`, `{"` + extURN + `":{"hired":"MARKER"}}`, `{"emails":[{"primary":"MARKER"}]}`,
		`{"` + extURN + `":"MARKER"}`, `{"` + extURN + `":{"photo":"MARKER!"}}`,
	} {
		o, err := attr.DecodeObject([]byte(sent), v.Guide(nil), attr.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		err = v.ConformResource(o)
		if err == nil {
			t.Errorf("%s is accepted", sent)
			continue
		}
		if strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: %v", sent, err)
		}
	}
}

func TestConformResource(t *testing.T) {
	t.Parallel()
	v := narrowTo(t, "*").User
	o := object(t, `{"userName":"a","active":"True","title":null,"nickName":"n","emails":{"value":"x"},"`+extURN+`":{"vip":""},"`+EnterpriseUserURN+`":{"manager":"7"}}`)
	if err := v.ConformResource(o); err != nil {
		t.Fatal(err)
	}
	want := `{"userName":"a","active":true,"nickName":"n","emails":[{"value":"x"}],"` + EnterpriseUserURN + `":{"manager":{"value":"7"}}}`
	if diff := cmp.Diff(want, jsonOf(o)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
