package patch

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, fails string }{
		{"plain", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"title","value":"x"}]}`, ""},
		{"row 1: Entra's capital letters", `{"Operations":[{"op":"Replace","path":"title","value":"x"},{"op":"REMOVE","path":"title"}]}`, ""},
		{"other capital letters", `{"OPERATIONS":[{"OP":"add","Path":"title","Value":"x"}]}`, ""},
		{"lower case operations", `{"operations":[]}`, ""},
		{"row 14: no operations", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[]}`, ""},
		{"odd schemas", `{"schemas":"whatever","Operations":[]}`, ""},
		{"rule 17: extra keys", `{"x":1,"Operations":[{"name":"addMember","op":"add","path":"title","value":"x"}]}`, ""},
		{"null path and empty path", `{"Operations":[{"op":"add","path":null,"value":{}},{"op":"add","path":"","value":{}}]}`, ""},
		{"null value", `{"Operations":[{"op":"replace","path":"title","value":null}]}`, ""},
		{"three operations", `{"Operations":[` + strings.Repeat(`{"op":"remove","path":"title"},`, 2) + `{"op":"remove","path":"title"}]}`, ""},
		{"too many operations", `{"Operations":[` + strings.Repeat(`{"op":"remove","path":"title"},`, 3) + `{"op":"remove","path":"title"}]}`, "413"},
		{"not JSON", `{"Operations":[`, "400 invalidSyntax"},
		{"no object", `[]`, "400 invalidSyntax"},
		{"no operations at all", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`, "400 invalidSyntax"},
		{"null operations", `{"Operations":null}`, "400 invalidSyntax"},
		{"operations that are no list", `{"Operations":{"op":"add"}}`, "400 invalidSyntax"},
		{"an operation that is no object", `{"Operations":["add"]}`, "400 invalidSyntax"},
		{"operations given twice", `{"Operations":[],"operations":[]}`, "400 invalidSyntax"},
		{"no op", `{"Operations":[{"path":"title","value":"x"}]}`, "400 invalidSyntax"},
		{"unknown op", `{"Operations":[{"op":"move","path":"title","value":"x"}]}`, "400 invalidSyntax"},
		{"op of another type", `{"Operations":[{"op":["add"],"path":"title","value":"x"}]}`, "400 invalidSyntax"},
		{"path of another type", `{"Operations":[{"op":"add","path":["title"],"value":"x"}]}`, "400 invalidSyntax"},
		{"path that does not parse", `{"Operations":[{"op":"add","path":"emails[type eq","value":"x"}]}`, "400 invalidPath"},
		{"path with an index", `{"Operations":[{"op":"add","path":"emails[0].value","value":"x"}]}`, "400 invalidPath"},
		{"path of a space", `{"Operations":[{"op":"remove","path":" "}]}`, "400 invalidPath"},
		{"remove without path", `{"Operations":[{"op":"remove","value":{"title":"x"}}]}`, "400 noTarget"},
		{"add without value", `{"Operations":[{"op":"add","path":"title"}]}`, "400 invalidValue"},
		{"replace without value", `{"Operations":[{"op":"replace","path":"title"}]}`, "400 invalidValue"},
		{"replace without path and value", `{"Operations":[{"op":"replace"}]}`, "400 invalidValue"},
		{"too deep", `{"Operations":[{"op":"add","path":"title","value":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}]}`, "400 invalidSyntax"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(c.body), attr.Limits{}, 3)
			if got := failure(err); got != c.fails {
				t.Fatalf("got %q (%v), want %q", got, err, c.fails)
			}
		})
	}
}
