package patch

import (
	"errors"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"x"}]}`,
		`{"operations":[{"OP":"remove","path":"members"},{"op":"add","value":{"name.givenName":"G"}}]}`,
		`{"Operations":[{"op":"add","path":"urn:x:2.0:User.manager","value":[{"value":"1","$ref":null}]}]}`,
		`{"Operations":null}`, `[]`, `{"Operations":[[]]}`, `{"Operations":[{"op":"add","path":"a[","value":1}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ops, err := Parse(body, attr.Limits{}, 20)
		if err != nil {
			typed(t, err)
			return
		}
		if len(ops) > 20 {
			t.Fatalf("%d operations", len(ops))
		}
		for _, op := range ops {
			if op.verb == remove && op.path == nil || op.verb != remove && op.value == "" {
				t.Fatalf("incomplete operation %+v", op)
			}
		}
	})
}

func typed(t *testing.T, err error) {
	t.Helper()
	var e *scimerr.Error
	if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 {
		t.Fatalf("untyped error %v", err)
	}
}

// FuzzApply checks that whatever is sent, the result is within the view: pruning
// and conforming it again, and a trip through JSON, change nothing.
func FuzzApply(f *testing.F) {
	user := `{"userName":"a","active":true,"name":{"givenName":"G"},"emails":[{"type":"work","value":"w","primary":true},{"type":"home","value":"h"}],` +
		`"addresses":[{"type":"work","country":"GB"}],"` + enterprise + `":{"department":"D","manager":{"value":"1"}}}`
	for _, s := range []string{
		`[{"op":"add","path":"emails[type eq \"work\"].value","value":"n"},{"op":"remove","path":"emails[type eq \"home\"]"}]`,
		`[{"op":"replace","value":{"name.givenName":"H","emails":[{"value":"x","primary":"True"}],"` + enterprise + `":{"manager":""}}}]`,
		`[{"op":"remove","path":"emails","value":[{"value":"w"},"h",{}]},{"op":"add","path":"emails.primary","value":true}]`,
		`[{"op":"add","path":"members","value":["1",{"value":"2","display":null}]},{"op":"replace","path":"members[value eq \"1\"]","value":{"type":"User"}}]`,
		`[{"op":"add","path":"urn:example:ext:1.0:User:owner[value eq \"1\"].kinds","value":["x"]},{"op":"add","path":"urn:example:ext:1.0:User:level","value":"07"}]`,
		`[{"op":"replace","path":"addresses[type eq \"work\"]","value":{"country":"US","primary":true}},{"op":"replace","path":"roles[primary eq \"True\"].value","value":"r"}]`,
		`[{"op":"add","path":"urn:example:ext:1.0:User:tags[value eq \"a\"]","value":"b"},{"op":"add","path":"x509Certificates","value":"AAAA"}]`,
		`[{"op":"add","path":"","value":{"urn:ietf:params:scim:schemas:core:2.0:User":{"emails[value eq \"q\"]":null}}}]`,
	} {
		f.Add(user, s)
		f.Add(`{}`, s)
	}
	vs := []*schema.Views{views(f), views(f, "*")}
	f.Fuzz(func(t *testing.T, before, operations string) {
		ops, err := Parse([]byte(`{"Operations":`+operations+`}`), attr.Limits{}, 50)
		if err != nil {
			typed(t, err)
			return
		}
		for _, views := range vs {
			for _, v := range []*schema.View{views.User, views.Group} {
				o, err := attr.DecodeObject([]byte(before), v.Guide(nil), attr.Limits{})
				if err != nil || v.ConformResource(o) != nil {
					return
				}
				o.Delete("members")
				v.Prune(o, nil)
				was := o.Clone()
				r, err := Apply(v, o, ops, nil, attr.Limits{})
				if err != nil {
					typed(t, err)
					continue
				}
				verify(t, v, o)
				if (len(Changed(was, o)) == 0) != was.Equal(o) {
					t.Fatalf("Changed is wrong about %s and %s", was.Append(nil), o.Append(nil))
				}
				for _, e := range r.Members {
					for _, m := range e.Values {
						if m.Object().Text("value") == "" {
							t.Fatalf("a member without value in %s", edits(r.Members))
						}
					}
					if (e.Kind == RemoveMatching) != (e.Filter != nil) || (e.Kind == AddMembers || e.Kind == RemoveMembers) && len(e.Values) == 0 {
						t.Fatalf("incomplete edit in %s", edits(r.Members))
					}
				}
			}
		}
	})
}

func verify(t *testing.T, v *schema.View, o *attr.Members) {
	t.Helper()
	text := string(o.Append(nil))
	if _, has := o.Get("members"); has {
		t.Fatalf("members in %s", text)
	}
	pruned := o.Clone()
	v.Prune(pruned, nil)
	if !pruned.Equal(o) {
		t.Fatalf("%s is pruned to %s", text, pruned.Append(nil))
	}
	again, err := attr.DecodeObject([]byte(text), v.Guide(nil), attr.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if err := v.ConformResource(again); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if !again.Equal(o) {
		t.Fatalf("%s is read back as %s", text, again.Append(nil))
	}
}
