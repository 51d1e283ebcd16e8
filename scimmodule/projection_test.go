package scimmodule

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// What a client sees of a resource, in every form of asking (RFC 7644 §3.9).
func TestProjections(t *testing.T) {
	t.Parallel()
	e := newEnv(t, allow("*"))
	group := e.create("/Groups", `{"displayName":"g"}`)
	user := e.create("/Users", `{"userName":"a","name":{"givenName":"g","familyName":"f"},"emails":[{"value":"w","type":"work","display":"W"},{"value":"h","type":"home","display":"H","primary":true}],`+
		`"`+ent+`":{"department":"d","manager":{"value":"m"}},"`+extURN+`":{"quiet":"q","loud":"l","plain":"p","desk":{"floor":"1","code":"c","tag":"t"}}}`)
	e.send("PATCH", "/Groups/"+group, `{"Operations":[{"op":"add","path":"members","value":["`+user+`","`+group+`"]}]}`).want(204)

	name := `"name":{"givenName":"g","familyName":"f"}`
	emails := `"emails":[{"value":"w","type":"work","display":"W"},{"value":"h","type":"home","display":"H","primary":true}]`
	enterprise := `"` + ent + `":{"department":"d","manager":{"value":"m","$ref":"../Users/m"}}`
	groups := `"groups":[{"value":"` + group + `","$ref":"` + base + `/Groups/` + group + `","type":"direct"}]`
	own := `"` + extURN + `":{"loud":"l","plain":"p","desk":{"floor":"1","tag":"t"}}`
	always := `"` + extURN + `":{"loud":"l"}`
	members := `"members":[{"value":"` + user + `","$ref":"` + base + `/Users/` + user + `","type":"User"},{"value":"` + group + `","$ref":"` + base + `/Groups/` + group + `","type":"Group"}]`
	for _, c := range []struct {
		name                 string
		target               string
		attributes, excluded string
		want                 string // without id and schemas, which are always there, and meta but where "meta" is in it
		meta                 bool
	}{
		{"everything", "U", "", "", `"userName":"a",` + name + `,` + emails + `,` + enterprise + `,` + own + `,` + groups, true},
		{"one", "U", "userName", "", `"userName":"a",` + always, false},
		{"one, in any case", "U", "USERNAME", "", `"userName":"a",` + always, false},
		{"one, qualified", "U", "urn:ietf:params:scim:schemas:core:2.0:User:userName", "", `"userName":"a",` + always, false},
		{"several", "U", "userName, name.givenName ,,", "", `"userName":"a","name":{"givenName":"g"},` + always, false},
		{"unknown ones alone", "U", "shoeSize,urn:nobody:x,password", "", always, false},
		{"one that does not parse", "U", "2x..,userName", "", `"userName":"a",` + always, false},
		{"id alone", "U", "id", "", always, false},
		{"meta", "U", "meta", "", always, true},
		{"a part of meta", "U", "meta.resourceType", "", always + `,"meta":{"resourceType":"User"}`, false},
		{"a part of elements", "U", "emails.value", "", `"emails":[{"value":"w"},{"value":"h"}],` + always, false},
		{"some elements", "U", `emails[type eq "work"]`, "", `"emails":[{"value":"w","type":"work","display":"W"}],` + always, false},
		{"a part of some elements", "U", `emails[type eq "work"].value`, "", `"emails":[{"value":"w"}],` + always, false},
		{"some elements by a list of clauses", "U", `emails[type eq "work" or type eq "x,y"].value,userName`, "", `"userName":"a","emails":[{"value":"w"}],` + always, false},
		{"a part of all elements, and another of some", "U", `emails.display,emails[type eq "work"].value`, "", `"emails":[{"value":"w","display":"W"},{"display":"H"}],` + always, false},
		{"an extension", "U", ent, "", enterprise + `,` + always, false},
		{"the base schema", "U", "urn:ietf:params:scim:schemas:core:2.0:User", "", `"userName":"a",` + name + `,` + emails + `,` + groups + `,` + always, false},
		{"of an extension", "U", ent + ":department", "", `"` + ent + `":{"department":"d"},` + always, false},
		{"of an extension, bare", "U", "department", "", `"` + ent + `":{"department":"d"},` + always, false},
		{"a part of an extension's", "U", "manager.value", "", `"` + ent + `":{"manager":{"value":"m"}},` + always, false},
		{"on request", "U", extURN + ":quiet", "", `"` + extURN + `":{"quiet":"q","loud":"l"}`, false},
		{"a part on request", "U", "desk.code", "", `"` + extURN + `":{"loud":"l","desk":{"code":"c","tag":"t"}}`, false},
		{"the whole and its part on request", "U", "desk,desk.code", "", `"` + extURN + `":{"loud":"l","desk":{"floor":"1","code":"c","tag":"t"}}`, false},
		{"never", "U", extURN + ":never", "", always, false},
		{"groups", "U", "groups", "", groups + `,` + always, false},
		{"a part of groups", "U", "groups.value", "", `"groups":[{"value":"` + group + `"}],` + always, false},

		{"without one", "U", "", "emails", `"userName":"a",` + name + `,` + enterprise + `,` + own + `,` + groups, true},
		{"without unknown ones", "U", "", "shoeSize", `"userName":"a",` + name + `,` + emails + `,` + enterprise + `,` + own + `,` + groups, true},
		{"without what is always there", "U", "", "id,schemas," + extURN + ":loud,groups", `"userName":"a",` + name + `,` + emails + `,` + enterprise + `,` + own, true},
		{"without meta", "U", "", "meta", `"userName":"a",` + name + `,` + emails + `,` + enterprise + `,` + own + `,` + groups, false},
		{"without a part", "U", "", "name.familyName,groups,emails," + ent, `"userName":"a","name":{"givenName":"g"},` + own, true},
		{"without all parts", "U", "", "name.familyName,name.givenName,groups,emails," + ent, `"userName":"a",` + own, true},
		{"without a part of elements", "U", "", "emails.display,emails.primary,name,groups," + ent, `"userName":"a","emails":[{"value":"w","type":"work"},{"value":"h","type":"home"}],` + own, true},
		{"without some elements", "U", "", `emails[type eq "work"],name,groups,` + ent, `"userName":"a","emails":[{"value":"h","type":"home","display":"H","primary":true}],` + own, true},
		{"without a part of some elements", "U", "", `emails[type eq "work"].display,name,groups,` + ent, `"userName":"a","emails":[{"value":"w","type":"work"},{"value":"h","type":"home","display":"H","primary":true}],` + own, true},
		{"without groups", "U", "", "groups", `"userName":"a",` + name + `,` + emails + `,` + enterprise + `,` + own, true},
		{"without a part that is always there", "U", "", "desk.tag,desk.floor,name,groups,emails," + ent, `"userName":"a","` + extURN + `":{"loud":"l","plain":"p","desk":{"tag":"t"}}`, true},
		{"some without others", "U", "userName,name", "name.givenName", `"userName":"a","name":{"familyName":"f"},` + always, false},

		{"a group", "G", "", "", `"displayName":"g",` + members, true},
		{"without members", "G", "", "members", `"displayName":"g"`, true},
		{"without members, in any case", "G", "", "MEMBERS", `"displayName":"g"`, true},
		{"without a part of members", "G", "", "members.$ref,members.type", `"displayName":"g","members":[{"value":"` + user + `"},{"value":"` + group + `"}]`, true},
		{"a name alone", "G", "displayName", "", `"displayName":"g"`, false},
		{"members alone", "G", "members", "", members, false},
		{"a part of members", "G", "members.value", "", `"members":[{"value":"` + user + `"},{"value":"` + group + `"}]`, false},
		{"one member", "G", `members[value eq "` + user + `"].type`, "", `"members":[{"type":"User"}]`, false},
		{"members of one type", "G", `members[type eq "Group"].value`, "", `"members":[{"value":"` + group + `"}]`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := *e
			e.t = t
			id, path := user, "/Users"
			if c.target == "G" {
				id, path = group, "/Groups"
			}
			q := url.Values{}
			if c.attributes != "" {
				q.Set("attributes", c.attributes)
			}
			if c.excluded != "" {
				q.Set("excludedAttributes", c.excluded)
			}
			var want map[string]any
			if err := json.Unmarshal([]byte(`{`+strings.TrimSuffix(c.want, ",")+`}`), &want); err != nil {
				t.Fatalf("%s: %v", c.want, err)
			}
			check := func(way string, got map[string]any) {
				t.Helper()
				if got["id"] != id || got["schemas"] == nil {
					t.Errorf("%s: without id or schemas: %v", way, got)
				}
				delete(got, "id")
				delete(got, "schemas")
				if m, ok := got["meta"].(map[string]any); ok && c.meta {
					if len(m) != 5 {
						t.Errorf("%s: meta %v", way, m)
					}
					delete(got, "meta")
				} else if c.meta {
					t.Errorf("%s: no meta", way)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", way, diff)
				}
			}
			check("read", e.send("GET", path+"/"+id+"?"+q.Encode(), "").want(200))
			o := e.send("GET", path+"?"+q.Encode()+"&filter="+url.QueryEscape(`id eq "`+id+`"`), "").want(200)
			check("query", o["Resources"].([]any)[0].(map[string]any))
			body, err := json.Marshal(map[string]any{"filter": `id eq "` + id + `"`, "attributes": []string{c.attributes}, "excludedAttributes": []string{c.excluded}})
			if err != nil {
				t.Fatal(err)
			}
			o = e.send("POST", path+"/.search", string(body)).want(200)
			check("search", o["Resources"].([]any)[0].(map[string]any))
		})
	}
	// Without members, no edges are read.
	e.store.pages = 0
	e.send("GET", "/Groups?excludedAttributes=members", "").want(200)
	e.send("GET", "/Groups/"+group+"?attributes=displayName", "").want(200)
	if e.store.pages > 0 {
		t.Errorf("%d pages of edges were read", e.store.pages)
	}
}

// The answer to a change is projected, too, and what is written is not.
func TestProjectionOfChanges(t *testing.T) {
	t.Parallel()
	e := newEnv(t, allow("default", "title"))
	o := e.send("POST", "/Users?attributes=userName", `{"userName":"a","title":"t"}`).want(201)
	id, _ := o["id"].(string)
	if diff := cmp.Diff(map[string]bool{"id": true, "schemas": true, "userName": true}, keys(o)); diff != "" {
		t.Errorf("POST (-want +got):\n%s", diff)
	}
	o = e.send("PUT", "/Users/"+id+"?excludedAttributes=title,meta", `{"userName":"a","title":"t2"}`).want(200)
	if diff := cmp.Diff(map[string]bool{"id": true, "schemas": true, "userName": true}, keys(o)); diff != "" {
		t.Errorf("PUT (-want +got):\n%s", diff)
	}
	o = e.send("PATCH", "/Users/"+id+"?attributes=title", `{"Operations":[{"op":"add","path":"locale","value":"de"}]}`).want(200)
	if diff := cmp.Diff(map[string]bool{"id": true, "schemas": true, "title": true}, keys(o)); diff != "" || o["title"] != "t2" {
		t.Errorf("PATCH (-want +got):\n%s", diff)
	}
}

// An empty group shows its empty list; a user without groups shows none; and a
// list that keeps a part of members shows that.
func TestEmptyEdges(t *testing.T) {
	t.Parallel()
	e := newEnv(t, allow("*"))
	user := e.create("/Users", `{"userName":"a"}`)
	group := e.create("/Groups", `{"displayName":"g"}`)
	if o := e.send("GET", "/Groups/"+group, "").want(200); !cmp.Equal(o["members"], []any{}) {
		t.Errorf("members %v", o["members"])
	}
	if o := e.send("GET", "/Users/"+user, "").want(200); o["groups"] != nil {
		t.Errorf("groups %v", o["groups"])
	}
	e.send("PATCH", "/Groups/"+group, `{"Operations":[{"op":"add","path":"members","value":"`+user+`"}]}`).want(204)
	e.options.Tenants[0].Settings.Allow = []string{"userName", "active", "displayName", "members.value", "groups.$ref"}
	e.restart()
	if o := e.send("GET", "/Groups/"+group, "").want(200); !cmp.Equal(o["members"], []any{map[string]any{"value": user}}) {
		t.Errorf("members %v", o["members"])
	}
	if o := e.send("GET", "/Users/"+user, "").want(200); !cmp.Equal(o["groups"], []any{map[string]any{"$ref": base + "/Groups/" + group}}) {
		t.Errorf("groups %v", o["groups"])
	}
}
