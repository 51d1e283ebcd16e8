package patch

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, ops, after, edits, drops, fails string }{
		{name: "add", ops: `[{"op":"add","path":"members","value":[{"value":"1"},{"value":"2"}]}]`, edits: `add {"value":"1"} {"value":"2"}`},
		{name: "row 20: Entra's null reference", ops: `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"1"}]}]`, edits: `add {"value":"1"}`},
		{name: "Okta's display", ops: `[{"op":"add","path":"members","value":[{"value":"1","display":"u@x"},{"value":"2","display":null}]}]`, edits: `add {"value":"1","display":"u@x"} {"value":"2"}`, drops: "members.display*2"},
		{name: "Microsoft's bare strings and names", ops: `[{"op":"Add","path":"members","value":["string id 1",{"displayName":"new User","value":"2"}]}]`, edits: `add {"value":"string id 1"} {"value":"2"}`, drops: "members.displayName"},
		{name: "user information", ops: `[{"op":"add","path":"members","value":[{"value":"1","USERNAME":"u","emails":[{"value":"e"}],"type":"User"}]}]`, edits: `add {"value":"1","userName":"u","emails":[{"value":"e"}],"type":"User"}`, drops: "members.USERNAME members.emails"},
		{name: "WSO2: without a path", ops: `[{"op":"add","value":{"members":[{"display":"d","$ref":"https://h/Users/1","value":"1"}]}}]`, edits: `add {"display":"d","$ref":"https://h/Users/1","value":"1"}`, drops: "members.display"},
		{name: "one object", ops: `[{"op":"add","path":"members","value":{"value":"1"}}]`, edits: `add {"value":"1"}`},
		{name: "with the schema's URN", ops: `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:Group:members","value":[{"value":"1"}]}]`, edits: `add {"value":"1"}`},
		{name: "members.value", ops: `[{"op":"add","path":"members.value","value":"1"}]`, edits: `add {"value":"1"}`},
		{name: "add nobody", ops: `[{"op":"add","path":"members","value":[]},{"op":"add","path":"members","value":null},{"op":"add","value":{"members":[]}}]`},
		{name: "row 30: without a value", ops: `[{"op":"add","path":"members","value":[{"value":""},{"display":"x"},{"value":"1"}]}]`, edits: `add {"value":"1"}`, drops: "members.display members*2"},
		{name: "value of another type", ops: `[{"op":"add","path":"members","value":[{"value":7}]}]`, fails: "400 invalidValue"},

		{name: "replace", ops: `[{"op":"replace","path":"members","value":[{"value":"1"}]}]`, edits: `replace {"value":"1"}`},
		{name: "replace by nobody", ops: `[{"op":"replace","path":"members","value":[]}]`, edits: `replace`},
		{name: "replace by null", ops: `[{"op":"replace","path":"members","value":null}]`, edits: `replace`},
		{name: "replace by malformed members", ops: `[{"op":"replace","path":"members","value":[{}]}]`, fails: "400 invalidValue"},
		{name: "replace by an empty string", ops: `[{"op":"replace","path":"members","value":""}]`, fails: "400 invalidValue"},
		{name: "row 10: without a path and members", ops: `[{"op":"replace","value":{"id":"g","displayName":"n"}}]`, after: `{"displayName":"n"}`},
		{name: "row 11: without a path, nobody", ops: `[{"op":"replace","value":{"members":[],"id":"g","displayName":"n"}}]`, after: `{"displayName":"n"}`, edits: `replace`},
		{name: "without a path, null is as good as absent", ops: `[{"op":"replace","value":{"members":null,"displayName":"n"}}]`, after: `{"displayName":"n"}`},
		{name: "authentik: the whole group", ops: `[{"op":"replace","value":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"g","externalId":"e","displayName":"n"}}]`, after: `{"displayName":"n","externalId":"e"}`},

		{name: "row 7: remove listed", ops: `[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"1","display":"d"},{"value":"2"}]}]`, edits: `remove {"value":"1"} {"value":"2"}`, drops: "members.display"},
		{name: "remove a listed string", ops: `[{"op":"Remove","path":"members","value":"1"}]`, edits: `remove {"value":"1"}`},
		{name: "row 8: remove all", ops: `[{"op":"remove","path":"members"}]`, edits: `remove all`},
		{name: "row 8: a value of null is no value", ops: `[{"op":"remove","path":"members","value":null}]`, edits: `remove all`},
		{name: "row 8: empty and malformed lists remove nobody", ops: `[{"op":"remove","path":"members","value":[]},{"op":"remove","path":"members","value":[{}]},{"op":"remove","path":"members","value":""},{"op":"remove","path":"members","value":{}},{"op":"remove","path":"members","value":[{"value":""}]},{"op":"remove","path":"members","value":[{"value":null}]},{"op":"remove","path":"members","value":[null]},{"op":"remove","path":"members","value":[[]]},{"op":"remove","path":"members","value":false},{"op":"remove","path":"members","value":[{"id":"1"}]}]`, drops: "members.id"},
		{name: "row 9: by filter", ops: `[{"op":"remove","path":"members[value eq \"1\"]"}]`, edits: `remove {"value":"1"}`},
		{name: "row 9: by filter, with an empty value", ops: `[{"op":"remove","path":"members[value eq \"1\"]","value":""}]`, edits: `remove {"value":"1"}`},
		{name: "by filter, several", ops: `[{"op":"remove","path":"members[value eq \"1\" or value eq \"2\"]"}]`, edits: `remove {"value":"1"} {"value":"2"}`},
		{name: "by filter, none", ops: `[{"op":"remove","path":"members[value eq \"\"]"}]`},
		{name: "by another filter", ops: `[{"op":"remove","path":"members[type eq \"User\"]"}]`, edits: `remove matching`},
		{name: "by a filter on what is not kept", ops: `[{"op":"remove","path":"members[display eq \"x\"]"}]`, drops: "members.display"},
		{name: "the value by filter", ops: `[{"op":"remove","path":"members[value eq \"1\"].value"}]`, edits: `remove {"value":"1"}`},
		{name: "members.value listed", ops: `[{"op":"remove","path":"members.value","value":"1"}]`, edits: `remove {"value":"1"}`},
		{name: "members.value", ops: `[{"op":"remove","path":"members.value"}]`, fails: "400 mutability"},

		{name: "RFC: display by filter", ops: `[{"op":"replace","path":"members[value eq \"1\"].displayName","value":"x"},{"op":"add","path":"members[value eq \"1\"].display","value":"x"}]`, drops: "members.displayName members.display"},
		{name: "type by filter", ops: `[{"op":"replace","path":"members[value eq \"1\"].type","value":"Group"},{"op":"remove","path":"members[value eq \"1\"].type"},{"op":"remove","path":"members.$ref"}]`, drops: "members.type*2 members.$ref"},
		{name: "value by filter", ops: `[{"op":"replace","path":"members[value eq \"1\"].value","value":"2"}]`, fails: "400 mutability"},
		{name: "the same value by filter", ops: `[{"op":"replace","path":"members[value eq \"1\"].value","value":"1"}]`, edits: `add {"value":"1"}`},
		{name: "value of all", ops: `[{"op":"replace","path":"members.value","value":"2"}]`, fails: "400 mutability"},
		{name: "member by filter", ops: `[{"op":"add","path":"members[value eq \"1\"]","value":{"type":"User"}}]`, edits: `add {"value":"1","type":"User"}`},
		{name: "member by filter, another", ops: `[{"op":"replace","path":"members[value eq \"1\"]","value":{"value":"2"}}]`, fails: "400 mutability"},
		{name: "member by filter, several", ops: `[{"op":"replace","path":"members[value eq \"1\"]","value":[{"value":"1"},{"value":"2"}]}]`, fails: "400 invalidValue"},
		{name: "member by filter, nulled", ops: `[{"op":"replace","path":"members[value eq \"1\"]","value":null},{"op":"add","path":"members[value eq \"1\"]","value":null}]`, edits: `remove {"value":"1"}`},
		{name: "member by another filter", ops: `[{"op":"add","path":"members[type eq \"User\"]","value":{"value":"2"}}]`, fails: "400 noTarget"},

		{name: "Okta: in order", ops: `[{"op":"remove","path":"members[value eq \"1\"]"},{"op":"add","path":"members","value":[{"value":"2"}]},{"op":"replace","value":{"id":"g","displayName":"n"}}]`, after: `{"displayName":"n"}`, edits: "remove {\"value\":\"1\"}\nadd {\"value\":\"2\"}"},
		{name: "RFC 7644 §3.5.2.2: remove all, add some", ops: `[{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"1"},{"value":"2"}]}]`, edits: "remove all\nadd {\"value\":\"1\"} {\"value\":\"2\"}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.after == "" {
				c.after = `{"displayName":"g"}`
			}
			var d schema.Tally
			o, r, err := run(t, views(t).Group, `{"displayName":"g"}`, c.ops, &d)
			if got := failure(err); got != c.fails {
				t.Fatalf("error %q (%v), want %q", got, err, c.fails)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tree(t, c.after), tree(t, string(o.Append(nil)))); diff != "" {
				t.Errorf("after (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.edits, edits(r.Members)); diff != "" {
				t.Errorf("edits (-want +got):\n%s", diff)
			}
			if got := dropped(&d); got != c.drops {
				t.Errorf("dropped %q, want %q", got, c.drops)
			}
		})
	}
}

func TestRemoveMatching(t *testing.T) {
	t.Parallel()
	_, r, err := run(t, views(t).Group, `{"displayName":"g"}`, `[{"op":"remove","path":"members[type eq \"group\"]"}]`, nil)
	if err != nil || len(r.Members) != 1 {
		t.Fatalf("%v, %d edits", err, len(r.Members))
	}
	for text, want := range map[string]bool{`{"value":"1","type":"Group"}`: true, `{"value":"1","type":"User"}`: false, `{"value":"1"}`: false} {
		if got := r.Members[0].Filter.Match(attr.OfObject(object(t, text))); got != want {
			t.Errorf("%s matches: %t", text, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{`"members"`: true, `"Members.value"`: true, `"members[value eq \"1\"]"`: true, `"displayName"`: false, `null`: false, `"membersOf"`: false} {
		ops, err := Parse([]byte(`{"Operations":[{"op":"add","path":`+path+`,"value":{}}]}`), attr.Limits{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := ops[0].Names("members"); got != want {
			t.Errorf("%s names members: %t", path, got)
		}
	}
}

// TestMembersNotKept: an allow list may leave members out.
func TestMembersNotKept(t *testing.T) {
	t.Parallel()
	var d schema.Tally
	_, r, err := run(t, views(t, schema.UserURN, schema.GroupURN+":displayName").Group, `{"displayName":"g"}`,
		`[{"op":"add","path":"members","value":[{"value":"1"}]},{"op":"remove","path":"members"},{"op":"replace","value":{"members":[]}},{"op":"remove","path":"members[value eq \"1\"]"}]`, &d)
	if err != nil || len(r.Members) != 0 || dropped(&d) != "members*4" {
		t.Fatalf("%v, edits %q, dropped %q", err, edits(r.Members), dropped(&d))
	}
}

// TestOperationsAreReusable: a conflict applies the same operations once more.
func TestOperationsAreReusable(t *testing.T) {
	t.Parallel()
	v := views(t, "*").User
	ops, err := Parse([]byte(`{"Operations":[{"op":"add","path":"emails[type eq \"work\"].value","value":"x"},{"op":"add","path":"emails[type eq \"work\"].display","value":"d"},{"op":"replace","value":{"name":{"givenName":"G"}}}]}`), attr.Limits{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var out [3]*attr.Members
	for i := range out {
		out[i] = object(t, `{"userName":"a"}`)
		if _, err := Apply(v, out[i], ops, nil, attr.Limits{}); err != nil {
			t.Fatal(err)
		}
		if !out[i].Equal(out[0]) {
			t.Fatalf("%s, then %s", out[0].Append(nil), out[i].Append(nil))
		}
	}
}
