package patch

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

const (
	workAndHome = `{"userName":"a","emails":[{"value":"w","type":"work","primary":true},{"value":"h","type":"home"}]}`
	workMail    = `{"userName":"a","emails":[{"value":"w","type":"work"}]}`
	ext         = `"urn:example:ext:1.0:User"`
)

func TestMultiValuedAdd(t *testing.T) {
	t.Parallel()
	check(t, views(t, "*").User, []change{
		{name: "appends", before: workMail, ops: `[{"op":"add","path":"emails","value":[{"value":"h","type":"home"}]}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work"},{"value":"h","type":"home"}]}`},
		{name: "one object", before: workMail, ops: `[{"op":"add","path":"emails","value":{"value":"h","type":"home"}}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work"},{"value":"h","type":"home"}]}`},
		{name: "a plain string", ops: `[{"op":"add","path":"emails","value":"w"}]`, after: `{"userName":"a","emails":[{"value":"w"}]}`},
		{name: "what is there", before: workMail, ops: `[{"op":"add","path":"emails","value":[{"type":"Work","value":"w"}]}]`, after: `{"userName":"a","emails":[{"value":"w","type":"Work"}]}`},
		{name: "what is there, exactly", before: workAndHome, ops: `[{"op":"add","path":"emails","value":[{"type":"work","value":"w"},{"type":"home","value":"h"}]}]`},
		{name: "same value of another type", before: workMail, ops: `[{"op":"add","path":"emails","value":[{"type":"home","value":"w"}]}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work"},{"value":"w","type":"home"}]}`},
		{name: "twice in one list", ops: `[{"op":"add","path":"emails","value":[{"value":"w"},{"value":"w"}]}]`, after: `{"userName":"a","emails":[{"value":"w"}]}`},
		{name: "without value, the same", before: `{"userName":"a","addresses":[{"type":"work","country":"GB"}]}`, ops: `[{"op":"add","path":"addresses","value":[{"country":"GB","type":"work"}]}]`},
		{name: "without value, another", before: `{"userName":"a","addresses":[{"type":"work","country":"GB"}]}`, ops: `[{"op":"add","path":"addresses","value":[{"country":"US","type":"work"}]}]`, after: `{"userName":"a","addresses":[{"type":"work","country":"GB"},{"type":"work","country":"US"}]}`},
		{name: "a new primary takes it from the others", before: workAndHome, ops: `[{"op":"add","path":"emails","value":[{"value":"n","primary":true}]}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work","primary":false},{"value":"h","type":"home"},{"value":"n","primary":true}]}`},
		{name: "a present one made primary", before: workAndHome, ops: `[{"op":"add","path":"emails","value":[{"value":"h","type":"home","primary":true}]}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work","primary":false},{"value":"h","type":"home","primary":true}]}`},
		{name: "null, nothing and empty", before: workMail, ops: `[{"op":"add","path":"emails","value":null},{"op":"add","path":"emails","value":[]},{"op":"add","path":"emails","value":[{}]},{"op":"add","path":"emails","value":""}]`},
		{name: "row 20: nulls in an element", ops: `[{"op":"add","path":"emails","value":[{"value":"w","display":null,"type":null}]}]`, after: `{"userName":"a","emails":[{"value":"w"}]}`},
		{name: "row 30: elements without value", ops: `[{"op":"add","path":"emails","value":[{"type":"work","primary":true},{"type":"home","value":null},{"type":"other","value":""}]}]`},
		{name: "rule 17: unknown sub-attribute", ops: `[{"op":"add","path":"emails","value":[{"value":"w","foo":"x"}]}]`, after: `{"userName":"a","emails":[{"value":"w"}]}`, drops: "emails.foo"},
		{name: "roles as JSON in a string", ops: `[{"op":"Add","path":"roles","value":[{"value":"{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"Admin\"}"}]}]`, after: `{"userName":"a","roles":[{"value":"{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"Admin\"}"}]}`},
		{name: "plain values", before: `{"userName":"a",` + ext + `:{"tags":["x"]}}`, ops: `[{"op":"add","path":"urn:example:ext:1.0:User:tags","value":["y","x"]},{"op":"add","path":"urn:example:ext:1.0:User:tags","value":"z"}]`, after: `{"userName":"a",` + ext + `:{"tags":["x","y","z"]}}`},
		{name: "plain values of a wrong type", ops: `[{"op":"add","path":"urn:example:ext:1.0:User:tags","value":[{"value":"x"}]}]`, fails: "400 invalidValue"},
		{name: "elements of a wrong type", ops: `[{"op":"add","path":"emails","value":[{"value":5}]}]`, fails: "400 invalidValue"},
		{name: "a list in a list", ops: `[{"op":"add","path":"emails","value":[[{"value":"x"}]]}]`, fails: "400 invalidValue"},
	})
}

func TestMultiValuedReplace(t *testing.T) {
	t.Parallel()
	check(t, views(t, "*").User, []change{
		{name: "replaces all", before: workAndHome, ops: `[{"op":"replace","path":"emails","value":[{"value":"n"}]}]`, after: `{"userName":"a","emails":[{"value":"n"}]}`},
		{name: "one object", before: workAndHome, ops: `[{"op":"replace","path":"emails","value":{"value":"n"}}]`, after: `{"userName":"a","emails":[{"value":"n"}]}`},
		{name: "the same", before: workAndHome, ops: `[{"op":"replace","path":"emails","value":[{"primary":true,"value":"w","type":"work"},{"value":"h","type":"home"}]}]`},
		{name: "of what is not there", ops: `[{"op":"replace","path":"emails","value":[{"value":"n"}]}]`, after: `{"userName":"a","emails":[{"value":"n"}]}`},
		{name: "with an empty list", before: workAndHome, ops: `[{"op":"replace","path":"emails","value":[]}]`, after: `{"userName":"a"}`},
		{name: "with null", before: workAndHome, ops: `[{"op":"replace","path":"emails","value":null}]`, after: `{"userName":"a"}`},
		{name: "first of two primaries", ops: `[{"op":"replace","path":"emails","value":[{"value":"x","primary":true},{"value":"y","primary":true}]}]`, after: `{"userName":"a","emails":[{"value":"x","primary":true},{"value":"y","primary":false}]}`},
		{name: "plain values", before: `{"userName":"a",` + ext + `:{"tags":["x","y"]}}`, ops: `[{"op":"replace","path":"urn:example:ext:1.0:User:tags","value":["z"]}]`, after: `{"userName":"a",` + ext + `:{"tags":["z"]}}`},
		{name: "last of an extension", before: `{"userName":"a",` + ext + `:{"tags":["x","y"]}}`, ops: `[{"op":"replace","path":"urn:example:ext:1.0:User:tags","value":[]}]`, after: `{"userName":"a"}`},
		{name: "a sub-attribute of all", before: workAndHome, ops: `[{"op":"replace","path":"emails.display","value":"D"}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work","primary":true,"display":"D"},{"value":"h","type":"home","display":"D"}]}`},
		{name: "a sub-attribute where there is none", ops: `[{"op":"replace","path":"emails.value","value":"n"}]`, after: `{"userName":"a","emails":[{"value":"n"}]}`},
		{name: "a null sub-attribute where there is none", ops: `[{"op":"replace","path":"emails.value","value":null}]`},
		{name: "assertive roles", before: `{"userName":"a","roles":[{"value":"x"}]}`, ops: `[{"op":"replace","path":"roles","value":[{"primary":"False","type":"WindowsAzureActiveDirectoryRole","display":"d","value":"y"}]}]`, after: `{"userName":"a","roles":[{"value":"y","type":"WindowsAzureActiveDirectoryRole","display":"d","primary":false}]}`},
	})
}

func TestValueFilter(t *testing.T) {
	t.Parallel()
	var cases []change
	for _, op := range []string{"Add", "Replace"} {
		for _, c := range []change{
			{name: "row 4: creates what is not there", ops: `[{"op":"OP","path":"emails[type eq \"work\"].value","value":"n"}]`, after: `{"userName":"a","emails":[{"type":"work","value":"n"}]}`},
			{name: "row 4: keeps the others", before: `{"userName":"a","emails":[{"value":"h","type":"home"}]}`, ops: `[{"op":"OP","path":"emails[type eq \"work\"].value","value":"n"}]`, after: `{"userName":"a","emails":[{"value":"h","type":"home"},{"type":"work","value":"n"}]}`},
			{name: "sets what is there", before: workAndHome, ops: `[{"op":"OP","path":"emails[type eq \"WORK\"].value","value":"n"}]`, after: `{"userName":"a","emails":[{"value":"n","type":"work","primary":true},{"value":"h","type":"home"}]}`},
			{name: "row 5: finds what was created", ops: `[{"op":"OP","path":"emails[type eq \"home\"].value","value":"n"},{"op":"OP","path":"emails[type eq \"home\"].display","value":"D"},{"op":"OP","path":"emails[type eq \"home\"].primary","value":false}]`, after: `{"userName":"a","emails":[{"type":"home","value":"n","display":"D","primary":false}]}`},
			{name: "row 5: in another order", ops: `[{"op":"OP","path":"emails[type eq \"home\"].primary","value":"False"},{"op":"OP","path":"emails[type eq \"home\"].value","value":"n"}]`, after: `{"userName":"a","emails":[{"type":"home","primary":false,"value":"n"}]}`},
			{name: "labels alone are no element", ops: `[{"op":"OP","path":"emails[type eq \"home\"].primary","value":false}]`},
			{name: "addresses", ops: `[{"op":"OP","path":"addresses[type eq \"work\"].country","value":"GB"},{"op":"OP","path":"addresses[type eq \"work\"].locality","value":"L"}]`, after: `{"userName":"a","addresses":[{"type":"work","country":"GB","locality":"L"}]}`},
			{name: "conjunction", ops: `[{"op":"OP","path":"emails[type eq \"work\" and primary eq true].value","value":"n"}]`, after: `{"userName":"a","emails":[{"type":"work","primary":true,"value":"n"}]}`},
			{name: "created primary takes it from the others", before: workAndHome, ops: `[{"op":"OP","path":"emails[type eq \"other\" and primary eq true].value","value":"n"}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work","primary":false},{"value":"h","type":"home"},{"type":"other","primary":true,"value":"n"}]}`},
			{name: "a present one made primary", before: workAndHome, ops: `[{"op":"OP","path":"emails[type eq \"home\"].primary","value":true}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work","primary":false},{"value":"h","type":"home","primary":true}]}`},
			{name: "row 13: boolean as a string in the filter", before: `{"userName":"a","roles":[{"value":"x","primary":true}]}`, ops: `[{"op":"OP","path":"roles[primary eq \"True\"].value","value":"y"}]`, after: `{"userName":"a","roles":[{"value":"y","primary":true}]}`},
			{name: "row 13: created", ops: `[{"op":"OP","path":"roles[primary eq \"True\"].value","value":"y"}]`, after: `{"userName":"a","roles":[{"value":"y","primary":true}]}`},
			{name: "value renamed by its value", before: workMail, ops: `[{"op":"OP","path":"emails[value eq \"w\"].value","value":"n"}]`, after: `{"userName":"a","emails":[{"value":"n","type":"work"}]}`},
			{name: "no match and no conjunction of eq", before: workMail, ops: `[{"op":"OP","path":"emails[type eq \"x\" or type eq \"y\"].value","value":"n"}]`, fails: "400 noTarget"},
			{name: "no match and another operator", ops: `[{"op":"OP","path":"emails[value ew \"x\"].type","value":"n"}]`, fails: "400 noTarget"},
			{name: "disjunction that matches", before: workAndHome, ops: `[{"op":"OP","path":"emails[type eq \"work\" or type eq \"home\"].display","value":"D"}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work","primary":true,"display":"D"},{"value":"h","type":"home","display":"D"}]}`},
			{name: "null removes the sub-attribute", before: workAndHome, ops: `[{"op":"OP","path":"emails[type eq \"work\"].primary","value":null}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work"},{"value":"h","type":"home"}]}`},
			{name: "an empty value removes the element", before: workAndHome, ops: `[{"op":"OP","path":"emails[type eq \"work\"].value","value":""}]`, after: `{"userName":"a","emails":[{"value":"h","type":"home"}]}`},
			{name: "null creates nothing", ops: `[{"op":"OP","path":"emails[type eq \"work\"].value","value":null},{"op":"OP","path":"emails[type eq \"work\"]","value":null},{"op":"OP","path":"emails[type eq \"work\"]","value":{}}]`},
			{name: "element created", ops: `[{"op":"OP","path":"emails[type eq \"work\"]","value":{"value":"n","display":"D"}}]`, after: `{"userName":"a","emails":[{"type":"work","value":"n","display":"D"}]}`},
			{name: "element created from a string", ops: `[{"op":"OP","path":"emails[type eq \"work\"]","value":"n"}]`, after: `{"userName":"a","emails":[{"type":"work","value":"n"}]}`},
			{name: "element created from a list of one", ops: `[{"op":"OP","path":"emails[type eq \"work\"]","value":[{"value":"n"}]}]`, after: `{"userName":"a","emails":[{"type":"work","value":"n"}]}`},
			{name: "element from a list of two", ops: `[{"op":"OP","path":"emails[type eq \"work\"]","value":[{"value":"n"},{"value":"m"}]}]`, fails: "400 invalidValue"},
			{name: "element of a wrong type", before: workMail, ops: `[{"op":"OP","path":"emails[type eq \"work\"]","value":5}]`, fails: "400 invalidValue"},
			{name: "unknown sub-attribute", before: workMail, ops: `[{"op":"OP","path":"emails[type eq \"work\"].foo","value":5}]`, drops: "emails.foo"},
			{name: "unknown attribute", before: workMail, ops: `[{"op":"OP","path":"foos[type eq \"work\"].foo","value":5}]`, drops: "foos.foo"},
			{name: "filter on an unknown sub-attribute", before: workMail, ops: `[{"op":"OP","path":"emails[foo eq \"work\"].value","value":"x"}]`, drops: "emails.foo"},
			{name: "plain value created", ops: `[{"op":"OP","path":"urn:example:ext:1.0:User:tags[value eq \"x\"]","value":"y"}]`, after: `{"userName":"a",` + ext + `:{"tags":["y"]}}`},
			{name: "plain value set", before: `{"userName":"a",` + ext + `:{"tags":["x","z"]}}`, ops: `[{"op":"OP","path":"urn:example:ext:1.0:User:tags[value eq \"x\"]","value":"y"}]`, after: `{"userName":"a",` + ext + `:{"tags":["y","z"]}}`},
			{name: "reference goes with its value", before: `{"userName":"a",` + ext + `:{"owner":[{"value":"1","$ref":"http://h/1"}]}}`, ops: `[{"op":"OP","path":"urn:example:ext:1.0:User:owner[value eq \"1\"].value","value":"2"}]`, after: `{"userName":"a",` + ext + `:{"owner":[{"value":"2"}]}}`},
		} {
			c.name = op + ": " + c.name
			c.ops = strings.ReplaceAll(c.ops, "OP", op)
			cases = append(cases, c)
		}
	}
	check(t, views(t, "*").User, append(cases,
		change{name: "filter on several things", before: workMail, ops: `[{"op":"remove","path":"emails[type eq \"work\" and not (foo eq \"x\" or BAR pr)]"},{"op":"remove","path":"urn:example:ext:1.0:User:tags[value eq \"x\" or foo eq \"y\"]"}]`, drops: "emails.foo emails.BAR urn:example:ext:1.0:User:tags.foo"},
		change{name: "add merges into the element", before: workAndHome, ops: `[{"op":"add","path":"emails[type eq \"work\"]","value":{"display":"D","primary":null}}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work","display":"D"},{"value":"h","type":"home"}]}`},
		change{name: "add of null changes nothing", before: workAndHome, ops: `[{"op":"add","path":"emails[type eq \"work\"]","value":null},{"op":"add","path":"emails[type eq \"work\"]","value":[]}]`},
		change{name: "replace keeps what the filter names", before: workAndHome, ops: `[{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"n","display":"D"}}]`, after: `{"userName":"a","emails":[{"type":"work","value":"n","display":"D"},{"value":"h","type":"home"}]}`},
		change{name: "replace with a string", before: workAndHome, ops: `[{"op":"replace","path":"emails[type eq \"work\"]","value":"n"}]`, after: `{"userName":"a","emails":[{"type":"work","value":"n"},{"value":"h","type":"home"}]}`},
		change{name: "replace changes what the filter names", before: workMail, ops: `[{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"n","type":"other"}}]`, after: `{"userName":"a","emails":[{"type":"other","value":"n"}]}`},
		change{name: "replace with null removes", before: workAndHome, ops: `[{"op":"replace","path":"emails[type eq \"work\"]","value":null}]`, after: `{"userName":"a","emails":[{"value":"h","type":"home"}]}`},
		change{name: "several values of a sub-attribute added", before: `{"userName":"a",` + ext + `:{"owner":[{"value":"1","kinds":["x"]}]}}`, ops: `[{"op":"add","path":"urn:example:ext:1.0:User:owner[value eq \"1\"].kinds","value":["x","y"]}]`, after: `{"userName":"a",` + ext + `:{"owner":[{"value":"1","kinds":["x","y"]}]}}`},
		change{name: "several values of a sub-attribute replaced", before: `{"userName":"a",` + ext + `:{"owner":[{"value":"1","kinds":["x"]}]}}`, ops: `[{"op":"replace","path":"urn:example:ext:1.0:User:owner[value eq \"1\"].kinds","value":["y"]}]`, after: `{"userName":"a",` + ext + `:{"owner":[{"value":"1","kinds":["y"]}]}}`},
	))
}

func TestMultiValuedRemove(t *testing.T) {
	t.Parallel()
	check(t, views(t, "*").User, []change{
		{name: "all", before: workAndHome, ops: `[{"op":"remove","path":"emails"}]`, after: `{"userName":"a"}`},
		{name: "all, with a null value", before: workAndHome, ops: `[{"op":"remove","path":"emails","value":null}]`, after: `{"userName":"a"}`},
		{name: "row 7: listed ones", before: workAndHome, ops: `[{"op":"Remove","path":"emails","value":[{"value":"W"}]}]`, after: `{"userName":"a","emails":[{"value":"h","type":"home"}]}`},
		{name: "listed as one object", before: workAndHome, ops: `[{"op":"Remove","path":"emails","value":{"value":"w","display":"?"}}]`, after: `{"userName":"a","emails":[{"value":"h","type":"home"}]}`},
		{name: "listed as a string", before: workAndHome, ops: `[{"op":"Remove","path":"emails","value":"w"}]`, after: `{"userName":"a","emails":[{"value":"h","type":"home"}]}`},
		{name: "listed with another type", before: workAndHome, ops: `[{"op":"Remove","path":"emails","value":[{"value":"w","type":"home"}]}]`},
		{name: "listed but absent", before: workAndHome, ops: `[{"op":"Remove","path":"emails","value":[{"value":"x"}]}]`},
		{name: "all listed", before: workAndHome, ops: `[{"op":"Remove","path":"emails","value":[{"value":"w"},"h"]}]`, after: `{"userName":"a"}`},
		{name: "row 8: empty and malformed lists", before: workAndHome, ops: `[{"op":"remove","path":"emails","value":[]},{"op":"remove","path":"emails","value":[{}]},{"op":"remove","path":"emails","value":""},{"op":"remove","path":"emails","value":{}},{"op":"remove","path":"emails","value":[null]},{"op":"remove","path":"emails","value":5},{"op":"remove","path":"emails","value":[[{"value":"w"}]]},{"op":"remove","path":"emails","value":[{"value":{}}]}]`},
		{name: "listed without value, in full", before: `{"userName":"a","addresses":[{"type":"work","country":"GB"}]}`, ops: `[{"op":"remove","path":"addresses","value":[{"country":"GB","type":"work"}]}]`, after: `{"userName":"a"}`},
		{name: "listed without value, in part", before: `{"userName":"a","addresses":[{"type":"work","country":"GB"}]}`, ops: `[{"op":"remove","path":"addresses","value":[{"type":"work"}]}]`},
		{name: "plain values", before: `{"userName":"a",` + ext + `:{"tags":["x","Y"],"codes":["a","B"]}}`, ops: `[{"op":"remove","path":"urn:example:ext:1.0:User:tags","value":["y"]},{"op":"remove","path":"urn:example:ext:1.0:User:codes","value":["b","a"]}]`, after: `{"userName":"a",` + ext + `:{"tags":["x"],"codes":["B"]}}`},
		{name: "by filter", before: workAndHome, ops: `[{"op":"remove","path":"emails[type eq \"work\"]"}]`, after: `{"userName":"a","emails":[{"value":"h","type":"home"}]}`},
		{name: "by filter, the last", before: workMail, ops: `[{"op":"remove","path":"emails[type eq \"work\"]","value":"x"}]`, after: `{"userName":"a"}`},
		{name: "by filter, no match", before: workAndHome, ops: `[{"op":"remove","path":"emails[type eq \"other\"]"},{"op":"remove","path":"emails[type eq \"other\"].value"},{"op":"remove","path":"photos[type eq \"x\"]"}]`},
		{name: "plain value by filter", before: `{"userName":"a",` + ext + `:{"tags":["x","y"]}}`, ops: `[{"op":"remove","path":"urn:example:ext:1.0:User:tags[value eq \"x\"]"}]`, after: `{"userName":"a",` + ext + `:{"tags":["y"]}}`},
		{name: "Entra: a value that does not match is removed all the same", before: workAndHome, ops: `[{"op":"Remove","path":"emails[type eq \"work\"].value","value":"old"}]`, after: `{"userName":"a","emails":[{"value":"h","type":"home"}]}`},
		{name: "sub-attribute by filter", before: workAndHome, ops: `[{"op":"remove","path":"emails[type eq \"work\"].primary"}]`, after: `{"userName":"a","emails":[{"value":"w","type":"work"},{"value":"h","type":"home"}]}`},
		{name: "sub-attribute of all", before: workAndHome, ops: `[{"op":"remove","path":"emails.type"}]`, after: `{"userName":"a","emails":[{"value":"w","primary":true},{"value":"h"}]}`},
		{name: "value of all", before: workAndHome, ops: `[{"op":"remove","path":"emails.value"}]`, after: `{"userName":"a"}`},
		{name: "removed and set again", before: workAndHome, ops: `[{"op":"remove","path":"emails[type eq \"work\"].value"},{"op":"add","path":"emails[type eq \"work\"].value","value":"n"}]`, after: `{"userName":"a","emails":[{"type":"work","primary":true,"value":"n"},{"value":"h","type":"home"}]}`},
		{name: "validator: remove, add, replace of one attribute", before: workMail, ops: `[{"op":"Remove","path":"emails[type eq \"work\"].value"},{"op":"Add","path":"emails[type eq \"work\"].value","value":"x"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"y"}]`, after: `{"userName":"a","emails":[{"type":"work","value":"y"}]}`},
		{name: "listed, unreadable", before: workAndHome, ops: `[{"op":"remove","path":"emails","value":[{"value":"w","VALUE":"w"}]}]`, fails: "400 invalidSyntax"},
	})
}

// TestDefaultList shows what the default allow list makes of the usual traffic.
func TestDefaultList(t *testing.T) {
	t.Parallel()
	check(t, views(t).User, []change{
		{name: "Entra's update", ops: `[{"op":"Replace","path":"displayName","value":"Pvlo"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"x@y"},{"op":"Add","path":"` + enterprise + `:department","value":"Retail"},{"op":"Replace","path":"name.familyName","value":"Pqkf"}]`,
			after: `{"userName":"a","emails":[{"type":"work","value":"x@y"}],` + ent + `:{"department":"Retail"},"name":{"familyName":"Pqkf"}}`, drops: "displayName"},
		{name: "kept elements", ops: `[{"op":"add","path":"addresses[type eq \"work\"].country","value":"GB"},{"op":"add","path":"addresses[type eq \"work\"].locality","value":"L"},{"op":"add","path":"phoneNumbers[type eq \"mobile\"].value","value":"1"},{"op":"add","path":"phoneNumbers[type eq \"work\"].value","value":"2"}]`,
			after: `{"userName":"a","addresses":[{"type":"work","country":"GB"}],"phoneNumbers":[{"type":"mobile","value":"1"}]}`, drops: "addresses.locality phoneNumbers"},
		{name: "elements that no rule keeps", before: workMail, ops: `[{"op":"add","path":"emails","value":[{"type":"home","value":"h"},{"value":"n"}]}]`, drops: "emails*2"},
		{name: "sub-attributes that no rule keeps", before: workMail, ops: `[{"op":"add","path":"emails[type eq \"work\"]","value":{"display":"D"}}]`, drops: "emails.display"},
		{name: "filter on what is not kept", before: workMail, ops: `[{"op":"replace","path":"emails[display eq \"D\"].value","value":"n"},{"op":"remove","path":"emails[display eq \"D\"]"}]`, drops: "emails.display*2"},
		{name: "complex value of which nothing is kept", before: `{"userName":"a","name":{"givenName":"G"}}`, ops: `[{"op":"replace","path":"name","value":{"formatted":"F"}}]`, drops: "name.formatted"},
		{name: "removal of what is not kept", ops: `[{"op":"remove","path":"title"},{"op":"remove","path":"name.formatted"},{"op":"remove","path":"photos[type eq \"x\"]"}]`, drops: "title name.formatted photos"},
		{name: "listed in more detail than is kept", before: `{"userName":"a","addresses":[{"type":"work","country":"GB"}]}`, ops: `[{"op":"remove","path":"addresses","value":[{"type":"work","country":"GB","locality":"L"}]}]`, after: `{"userName":"a"}`, drops: "addresses.locality"},
		{name: "only listed by what is not kept", before: `{"userName":"a","addresses":[{"type":"work","country":"GB"}]}`, ops: `[{"op":"remove","path":"addresses","value":[{"type":"work","locality":"L"}]}]`, drops: "addresses.locality"},
		{name: "whole extension that is not kept", ops: `[{"op":"add","path":"urn:example:ext:1.0:User","value":{"tags":["x"]}},{"op":"add","value":{` + ext + `:{"tags":["x"]}}}]`, drops: "urn:example:ext:1.0:User*2"},
		{name: "wrong type of what is not kept", ops: `[{"op":"add","path":"title","value":{"a":[1]}},{"op":"add","value":{"nickName":[true]}}]`, drops: "title nickName"},
	})
}

// TestLimits: all values of all operations together count.
func TestLimits(t *testing.T) {
	t.Parallel()
	vs := views(t, "*")
	apply := func(body string) error {
		ops, err := Parse([]byte(body), attr.Limits{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Apply(vs.Group, &attr.Members{}, ops, nil, attr.Limits{Elements: 4})
		return err
	}
	two := `{"op":"add","path":"members","value":[{"value":"a"},{"value":"b"}]}`
	if err := apply(`{"Operations":[` + two + `,` + two + `,{"op":"add","path":"displayName","value":"g"}]}`); err != nil {
		t.Fatalf("four members: %v", err)
	}
	if got := failure(apply(`{"Operations":[` + two + `,` + two + `,{"op":"remove","path":"members","value":"c"}]}`)); got != "413" {
		t.Fatalf("five members: %q", got)
	}
	if got := failure(apply(`{"Operations":[{"op":"add","path":"members","value":["a","b","c","d","e"]}]}`)); got != "413" {
		t.Fatalf("five members in a list: %q", got)
	}
	var keys strings.Builder
	for i := range maxKeys + 1 {
		keys.WriteString(`,"emails[value eq \"` + strings.Repeat("x", i+1) + `\"].type":"t"`)
	}
	ops, err := Parse([]byte(`{"Operations":[{"op":"add","value":{`+keys.String()[1:]+`}}]}`), attr.Limits{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Apply(vs.User, &attr.Members{}, ops, nil, attr.Limits{}); failure(err) != "413" {
		t.Fatalf("too many keys: %v", err)
	}
}
