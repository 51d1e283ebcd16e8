package patch

import "testing"

const ent = `"` + enterprise + `"`

func TestSingleValued(t *testing.T) {
	t.Parallel()
	check(t, views(t, "*").User, []change{
		{name: "row 3: add sets a single value", before: `{"userName":"a","displayName":"x","active":true}`,
			ops:   `[{"op":"Add","path":"active","value":false},{"op":"Add","path":"displayName","value":"y"},{"op":"Add","path":"externalId","value":"e"}]`,
			after: `{"userName":"a","displayName":"y","active":false,"externalId":"e"}`},
		{name: "row 2: booleans as strings with a path", ops: `[{"op":"Replace","path":"active","value":"False"}]`, after: `{"userName":"a","active":false}`},
		{name: "row 2: booleans as strings without a path", ops: `[{"op":"replace","value":{"active":"tRuE"}}]`, after: `{"userName":"a","active":true}`},
		{name: "row 2: booleans as strings in an element", ops: `[{"op":"add","path":"emails","value":[{"value":"x","primary":"True"}]}]`, after: `{"userName":"a","emails":[{"value":"x","primary":true}]}`},
		{name: "row 2: other strings are refused", ops: `[{"op":"replace","path":"active","value":"yes"}]`, fails: "400 invalidValue"},
		{name: "active removed", before: `{"userName":"a","active":false}`, ops: `[{"op":"Remove","path":"active"}]`, after: `{"userName":"a"}`},
		{name: "active nulled", before: `{"userName":"a","active":false}`, ops: `[{"op":"replace","path":"active","value":null}]`, after: `{"userName":"a"}`},
		{name: "same value", before: `{"userName":"a","title":"x"}`, ops: `[{"op":"replace","path":"TITLE","value":"x"}]`},
		{name: "name in canonical case", ops: `[{"op":"add","path":"Name.GIVENNAME","value":"G"}]`, after: `{"userName":"a","name":{"givenName":"G"}}`},
		{name: "full URN", ops: `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:user:name.givenName","value":"G"}]`, after: `{"userName":"a","name":{"givenName":"G"}}`},
		{name: "sub-attribute leaves its siblings", before: `{"userName":"a","name":{"givenName":"G","familyName":"F"}}`, ops: `[{"op":"replace","path":"name.familyName","value":"H"}]`, after: `{"userName":"a","name":{"givenName":"G","familyName":"H"}}`},
		{name: "complex value merges", before: `{"userName":"a","name":{"givenName":"G","familyName":"F"}}`, ops: `[{"op":"replace","path":"name","value":{"familyName":"H","middleName":"M"}}]`, after: `{"userName":"a","name":{"givenName":"G","familyName":"H","middleName":"M"}}`},
		{name: "row 29: null in a complex value, with a path", before: `{"userName":"a","name":{"givenName":"G","familyName":"F"}}`, ops: `[{"op":"replace","path":"name","value":{"familyName":null}}]`, after: `{"userName":"a","name":{"givenName":"G"}}`},
		{name: "row 29: null in a complex value, without one", before: `{"userName":"a","name":{"givenName":"G","familyName":"F"}}`, ops: `[{"op":"replace","value":{"name":{"familyName":null}}}]`, after: `{"userName":"a","name":{"givenName":"G"}}`},
		{name: "row 29: null of the last sub-attribute", before: `{"userName":"a","name":{"familyName":"F"}}`, ops: `[{"op":"add","value":{"name":{"familyName":null}}}]`, after: `{"userName":"a"}`},
		{name: "row 29: null in an extension", before: `{"userName":"a",` + ent + `:{"department":"D","division":"V"}}`, ops: `[{"op":"replace","value":{` + ent + `:{"department":null}}}]`, after: `{"userName":"a",` + ent + `:{"division":"V"}}`},
		{name: "null of a dotted key", before: `{"userName":"a","name":{"givenName":"G","familyName":"F"}}`, ops: `[{"op":"replace","value":{"name.givenName":null}}]`, after: `{"userName":"a","name":{"familyName":"F"}}`},
		{name: "null of a key", before: `{"userName":"a","title":"x"}`, ops: `[{"op":"replace","value":{"title":null}}]`, after: `{"userName":"a"}`},
		{name: "empty complex value", before: `{"userName":"a","name":{"givenName":"G"}}`, ops: `[{"op":"replace","path":"name","value":{}}]`},
		{name: "complex value unassigned", before: `{"userName":"a","name":{"givenName":"G"}}`, ops: `[{"op":"replace","path":"name","value":null}]`, after: `{"userName":"a"}`},
		{name: "plain value for a complex attribute", ops: `[{"op":"replace","path":"name","value":"BATMAN"}]`, fails: "400 invalidValue"},
		{name: "object for a plain attribute", ops: `[{"op":"replace","path":"title","value":{"value":"x"}}]`, fails: "400 invalidValue"},
		{name: "several values for one", ops: `[{"op":"replace","path":"title","value":["x","y"]}]`, fails: "400 invalidValue"},
		{name: "remove", before: `{"userName":"a","title":"x"}`, ops: `[{"op":"remove","path":"title"}]`, after: `{"userName":"a"}`},
		{name: "remove ignores a value", before: `{"userName":"a","title":"x"}`, ops: `[{"op":"remove","path":"title","value":"y"}]`, after: `{"userName":"a"}`},
		{name: "remove what is not there", ops: `[{"op":"remove","path":"title"},{"op":"remove","path":"name.givenName"},{"op":"remove","path":"` + enterprise + `:department"}]`},
		{name: "remove the last sub-attribute", before: `{"userName":"a","name":{"givenName":"G"}}`, ops: `[{"op":"remove","path":"name.givenName"}]`, after: `{"userName":"a"}`},
		{name: "remove another sub-attribute", before: `{"userName":"a","name":{"givenName":"G"}}`, ops: `[{"op":"remove","path":"name.familyName"}]`},
		{name: "remove what is required is for the caller", ops: `[{"op":"remove","path":"userName"}]`, after: `{}`},
		{name: "nulled what is required is for the caller", ops: `[{"op":"replace","path":"userName","value":null}]`, after: `{}`},
		{name: "extension attribute", ops: `[{"op":"Add","path":"` + enterprise + `:department","value":"Retail"}]`, after: `{"userName":"a",` + ent + `:{"department":"Retail"}}`},
		{name: "last extension attribute removed", before: `{"userName":"a",` + ent + `:{"department":"D"}}`, ops: `[{"op":"remove","path":"` + enterprise + `:department"}]`, after: `{"userName":"a"}`},
		{name: "extension as a path merges", before: `{"userName":"a",` + ent + `:{"department":"D"}}`, ops: `[{"op":"replace","path":"` + enterprise + `","value":{"division":"V"}}]`, after: `{"userName":"a",` + ent + `:{"department":"D","division":"V"}}`},
		{name: "extension as a path removed", before: `{"userName":"a",` + ent + `:{"department":"D"}}`, ops: `[{"op":"remove","path":"` + enterprise + `"}]`, after: `{"userName":"a"}`},
		{name: "extension as a path nulled", before: `{"userName":"a",` + ent + `:{"department":"D"}}`, ops: `[{"op":"replace","path":"` + enterprise + `","value":null}]`, after: `{"userName":"a"}`},
		{name: "extension as a path with a plain value", ops: `[{"op":"add","path":"` + enterprise + `","value":"x"}]`, fails: "400 invalidValue"},
		{name: "extension attribute by its bare name", ops: `[{"op":"add","path":"department","value":"D"}]`, after: `{"userName":"a",` + ent + `:{"department":"D"}}`},
		{name: "number as a string", ops: `[{"op":"add","path":"urn:example:ext:1.0:User:level","value":"7"}]`, after: `{"userName":"a","urn:example:ext:1.0:User":{"level":7}}`},
		{name: "operator's complex attribute", ops: `[{"op":"add","path":"urn:example:ext:1.0:User:badge.color","value":"red"},{"op":"add","path":"urn:example:ext:1.0:User:badge","value":{"valid":"true"}}]`, after: `{"userName":"a","urn:example:ext:1.0:User":{"badge":{"color":"red","valid":true}}}`},
		{name: "value filter on a single value", ops: `[{"op":"replace","path":"name[familyName eq \"x\"].givenName","value":"y"}]`, fails: "400 invalidPath"},
		{name: "value filter on the resource", ops: `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User[type eq \"x\"]","value":{}}]`, fails: "400 invalidPath"},
		{name: "value filter on an extension", ops: `[{"op":"remove","path":"` + enterprise + `[type eq \"x\"]"}]`, fails: "400 invalidPath"},
		{name: "value filter on a sub-attribute", ops: `[{"op":"remove","path":"name.givenName[type eq \"x\"]"}]`, fails: "400 invalidPath"},
		{name: "wrong type of a sub-attribute", ops: `[{"op":"add","path":"name.givenName","value":[1,2]}]`, fails: "400 invalidValue"},
		{name: "value filter on a plain value", ops: `[{"op":"replace","path":"userName[value eq \"x\"]","value":"y"}]`, fails: "400 invalidPath"},
		{name: "operations in order", ops: `[{"op":"add","path":"title","value":"x"},{"op":"remove","path":"title"},{"op":"replace","path":"title","value":"y"}]`, after: `{"userName":"a","title":"y"}`},
	})
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	check(t, views(t, "*").User, []change{
		{name: "id by path", ops: `[{"op":"replace","path":"id","value":"x"}]`, fails: "400 mutability"},
		{name: "id removed", ops: `[{"op":"remove","path":"id"}]`, fails: "400 mutability"},
		{name: "meta by path", ops: `[{"op":"add","path":"meta","value":{}}]`, fails: "400 mutability"},
		{name: "meta.created by path", ops: `[{"op":"replace","path":"meta.created","value":"x"}]`, fails: "400 mutability"},
		{name: "groups by path", ops: `[{"op":"add","path":"groups","value":[{"value":"g"}]}]`, fails: "400 mutability"},
		{name: "groups by value", ops: `[{"op":"remove","path":"groups[value eq \"g\"]"}]`, fails: "400 mutability"},
		{name: "manager's name by path", ops: `[{"op":"add","path":"` + enterprise + `:manager.displayName","value":"x"}]`, fails: "400 mutability"},
		{name: "operator's by path", ops: `[{"op":"add","path":"urn:example:ext:1.0:User:origin","value":"x"}]`, fails: "400 mutability"},
		{name: "schemas by path are derived anyway", ops: `[{"op":"add","path":"schemas","value":["urn:x"]}]`},
		{name: "as keys", ops: `[{"op":"replace","value":{"id":"x","schemas":["urn:x"],"meta":{"created":"x"},"meta.version":"1","groups":[{"value":"g"}],"title":"t",` + ent + `:{"manager":{"value":"1","displayName":"N"}},"urn:example:ext:1.0:User:origin":"x"}}]`,
			after: `{"userName":"a","title":"t",` + ent + `:{"manager":{"value":"1"}}}`},
	})
	check(t, views(t).User, []change{
		{name: "groups where they are not kept", ops: `[{"op":"add","path":"groups","value":[{"value":"g"}]}]`, drops: "groups"},
	})
}

// TestManager is rule 8 of the client catalogue, and row 12.
func TestManager(t *testing.T) {
	t.Parallel()
	var cases []change
	for _, path := range []string{"manager", enterprise + ":manager", enterprise + ".manager"} {
		for _, c := range []struct{ name, value, after string }{
			{"a string", `"271"`, `{"value":"271"}`},
			{"an object", `{"value":"271"}`, `{"value":"271"}`},
			{"an object in capitals", `{"Value":"271"}`, `{"value":"271"}`},
			{"a list with a reference", `[{"$ref":"http://h/Users/271","value":"271"}]`, `{"value":"271","$ref":"http://h/Users/271"}`},
			{"an empty string", `""`, ``},
			{"null", `null`, ``},
			{"an empty list", `[]`, ``},
			{"an empty value", `{"value":""}`, ``},
			{"a null value", `{"value":null}`, ``},
		} {
			after := `{"userName":"a"}`
			if c.after != "" {
				after = `{"userName":"a",` + ent + `:{"manager":` + c.after + `}}`
			}
			for _, op := range []string{"Add", "Replace"} {
				cases = append(cases,
					change{name: op + " " + path + " " + c.name, ops: `[{"op":"` + op + `","path":"` + path + `","value":` + c.value + `}]`, after: after},
					change{name: op + " " + path + " " + c.name + " over another", before: `{"userName":"a",` + ent + `:{"manager":{"value":"1","$ref":"http://h/Users/1"}}}`,
						ops: `[{"op":"` + op + `","path":"` + path + `","value":` + c.value + `}]`, after: after},
					change{name: op + " key " + path + " " + c.name, ops: `[{"op":"` + op + `","value":{"` + path + `":` + c.value + `}}]`, after: after})
			}
		}
		for _, value := range []string{``, `,"value":""`, `,"value":"1"`} {
			cases = append(cases, change{name: "Remove " + path + value, before: `{"userName":"a",` + ent + `:{"manager":{"value":"1"}}}`,
				ops: `[{"op":"Remove","path":"` + path + `"` + value + `}]`, after: `{"userName":"a"}`})
		}
		cases = append(cases,
			change{name: path + ".value", ops: `[{"op":"Add","path":"` + path + `.value","value":"271"}]`, after: `{"userName":"a",` + ent + `:{"manager":{"value":"271"}}}`},
			change{name: path + ".value over another", before: `{"userName":"a",` + ent + `:{"manager":{"value":"1","$ref":"http://h/Users/1"}}}`, ops: `[{"op":"Replace","path":"` + path + `.value","value":"271"}]`, after: `{"userName":"a",` + ent + `:{"manager":{"value":"271"}}}`},
			change{name: path + ".value empty", before: `{"userName":"a",` + ent + `:{"manager":{"value":"1","$ref":"http://h/Users/1"}}}`, ops: `[{"op":"Replace","path":"` + path + `.value","value":""}]`, after: `{"userName":"a"}`},
			change{name: path + ".value removed", before: `{"userName":"a",` + ent + `:{"manager":{"value":"1","$ref":"http://h/Users/1"}}}`, ops: `[{"op":"Remove","path":"` + path + `.value"}]`, after: `{"userName":"a"}`},
			change{name: path + " is the same", before: `{"userName":"a",` + ent + `:{"manager":{"value":"1","$ref":"http://h/Users/1"}}}`, ops: `[{"op":"Replace","path":"` + path + `","value":"1"}]`},
			change{name: path + " several", ops: `[{"op":"Add","path":"` + path + `","value":[{"value":"1"},{"value":"2"}]}]`, fails: "400 invalidValue"})
	}
	check(t, views(t, "*").User, cases)
	check(t, views(t).User, []change{
		{name: "not kept", ops: `[{"op":"Add","path":"` + enterprise + `:manager","value":"271"},{"op":"Add","path":"manager","value":[{"value":"271"}]}]`, drops: enterprise + ":manager*2"},
	})
}

// TestPathless is rules 6 and 7 of the client catalogue, and row 6.
func TestPathless(t *testing.T) {
	t.Parallel()
	check(t, views(t, "*").User, []change{
		{name: "Entra's flagged dialect", before: `{"userName":"a","name":{"givenName":"G","middleName":"M"}}`,
			ops: `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@y"},{"op":"replace","value":{"displayName":"Bjfe","name.givenName":"Kkom","name.familyName":"Unua","` + enterprise + `:employeeNumber":"Aklq"}}]`,
			after: `{"userName":"a","name":{"givenName":"Kkom","middleName":"M","familyName":"Unua"},"displayName":"Bjfe",
				"emails":[{"type":"work","value":"x@y"}],` + ent + `:{"employeeNumber":"Aklq"}}`},
		{name: "value filters as keys", ops: `[{"op":"add","value":{"emails[type eq \"work\"].value":"x","emails[type eq \"work\"].primary":"True","phoneNumbers[type eq \"mobile\"].value":"1"}}]`,
			after: `{"userName":"a","emails":[{"type":"work","value":"x","primary":true}],"phoneNumbers":[{"type":"mobile","value":"1"}]}`},
		{name: "whole extension", before: `{"userName":"a",` + ent + `:{"department":"D"}}`, ops: `[{"op":"add","value":{` + ent + `:{"division":"V","Manager":"7"}}}]`,
			after: `{"userName":"a",` + ent + `:{"department":"D","division":"V","manager":{"value":"7"}}}`},
		{name: "paths within an extension", ops: `[{"op":"add","value":{` + ent + `:{"manager.value":"7"}}}]`, after: `{"userName":"a",` + ent + `:{"manager":{"value":"7"}}}`},
		{name: "base schema as a key", ops: `[{"op":"add","value":{"urn:ietf:params:scim:schemas:core:2.0:User":{"title":"T","name.givenName":"G","id":"x"}}}]`, after: `{"userName":"a","title":"T","name":{"givenName":"G"}}`},
		{name: "base schema as a key with null", ops: `[{"op":"replace","value":{"urn:ietf:params:scim:schemas:core:2.0:User":null}}]`},
		{name: "base schema as a path", ops: `[{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User","value":{"title":"T"}}]`, after: `{"userName":"a","title":"T"}`},
		{name: "base schema cannot be removed", ops: `[{"op":"remove","path":"urn:ietf:params:scim:schemas:core:2.0:User"}]`, fails: "400 noTarget"},
		{name: "extension nulled", before: `{"userName":"a",` + ent + `:{"department":"D"}}`, ops: `[{"op":"replace","value":{` + ent + `:null}}]`, after: `{"userName":"a"}`},
		{name: "empty value", ops: `[{"op":"replace","value":{}},{"op":"replace","path":"","value":{}}]`},
		{name: "replace replaces several values", before: `{"userName":"a","emails":[{"value":"x","type":"work"}]}`, ops: `[{"op":"replace","value":{"emails":[{"value":"y","type":"home"}]}}]`, after: `{"userName":"a","emails":[{"value":"y","type":"home"}]}`},
		{name: "add appends several values", before: `{"userName":"a","emails":[{"value":"x","type":"work"}]}`, ops: `[{"op":"add","value":{"emails":[{"value":"y","type":"home"}]}}]`, after: `{"userName":"a","emails":[{"value":"x","type":"work"},{"value":"y","type":"home"}]}`},
		{name: "replace with an empty list", before: `{"userName":"a","emails":[{"value":"x","type":"work"}]}`, ops: `[{"op":"replace","value":{"emails":[]}}]`, after: `{"userName":"a"}`},
		{name: "unknown keys", ops: `[{"op":"add","value":{"foo":1,"foo bar":{"x":1},"":2,"urn:other:User":{"x":1},"__proto__":{},"title":"t"}}]`, after: `{"userName":"a","title":"t"}`, drops: "foo foo bar  urn:other:User __proto__"},
		{name: "password", ops: `[{"op":"replace","value":{"password":"secret"}},{"op":"replace","path":"password","value":"secret"}]`, drops: "password*2"},
		{name: "empty key within an extension", ops: `[{"op":"add","value":{` + ent + `:{"":{"department":"D"}}}}]`, drops: enterprise},
		{name: "no object", ops: `[{"op":"add","value":"x"}]`, fails: "400 invalidValue"},
		{name: "a list", ops: `[{"op":"add","value":[{"title":"x"}]}]`, fails: "400 invalidValue"},
		{name: "null", ops: `[{"op":"replace","value":null}]`, fails: "400 invalidValue"},
		{name: "key that does not parse", ops: `[{"op":"add","value":{"emails[type eq].value":"x"}}]`, fails: "400 invalidPath"},
		{name: "the same key twice", ops: `[{"op":"add","value":{"title":"x","TITLE":"y"}}]`, fails: "400 invalidSyntax"},
		{name: "wrong type", ops: `[{"op":"add","value":{"active":"maybe"}}]`, fails: "400 invalidValue"},
		{name: "unsupported filter", ops: `[{"op":"add","value":{"emails[primary gt true].value":"x"}}]`, fails: "400 invalidFilter"},
	})
	check(t, views(t).User, []change{
		{name: "default list", ops: `[{"op":"replace","value":{"displayName":"Bjfe","name.givenName":"Kkom","name":{"formatted":"F"},"` + enterprise + `:employeeNumber":"Aklq",` + ent + `:{"department":"D","costCenter":"C"}}}]`,
			after: `{"userName":"a","name":{"givenName":"Kkom"},` + ent + `:{"department":"D"}}`,
			drops: "displayName " + enterprise + ":employeeNumber name.formatted " + enterprise + ":costCenter"},
	})
}
