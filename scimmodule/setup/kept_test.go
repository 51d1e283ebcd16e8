package setup

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

func TestKept(t *testing.T) {
	t.Parallel()
	const base = "userName active urn:ietf:params:scim:schemas:core:2.0:Group:displayName "
	for _, tt := range []struct {
		name, allow string
		known       bool // whether the card is told the list itself
		required    []string
		user, group []string // without userName, active; without displayName
	}{
		{name: "whole attributes", allow: "emails name title", user: []string{"name", "title", "emails"}},
		{name: "parts", allow: "emails.value name.givenName", user: []string{"name.givenName", "emails.value"}},
		{name: "all parts are the whole", allow: "emails.value emails.display emails.type emails.primary", user: []string{"emails"}},
		{name: "elements", allow: `emails[type eq "work"].value emails[type eq "home"].value emails[type eq "home"].display`,
			user: []string{`emails[type eq "work"].value`, `emails[type eq "home"]`}},
		{name: "whole elements", allow: `addresses[type eq "home"]`, user: []string{`addresses[type eq "home"]`}},
		{name: "a type of the operator's", allow: `emails[type eq "Blue"].value`, user: []string{`emails[type eq "blue"].value`}},
		{name: "primary", allow: `phoneNumbers[primary eq true].value`, user: []string{`phoneNumbers[primary eq true].value`}},
		{name: "a part of all and more of some", allow: `emails.value emails[type eq "work"].display`,
			user: []string{"emails.value", `emails[type eq "work"]`}},
		{name: "a part of all and labels of some", allow: `addresses.country addresses[type eq "work"].country`,
			user: []string{"addresses.country", `addresses[type eq "work"].country`}},
		{name: "only labels", allow: `emails[type eq "work"].type`, user: []string{`emails[type eq "work"].type`, `emails[type eq "work"].primary`}},
		{name: "several filters", allow: `emails[type eq "Blue"].value emails[primary eq true].display`, known: true,
			user: []string{`emails[type eq "Blue"].value`, `emails[primary eq true].display`}},
		{name: "what no canonical value tells", allow: `emails[type eq "blue"].value emails[primary eq true].display`,
			user: []string{`emails[primary eq true].display`, `emails.value (of certain elements only)`}},
		{name: "derived", allow: "groups", user: []string{"groups (made by this service, not to be sent)"}},
		{name: "extension", allow: badgeURN + " department " + unitURN + ":code",
			user: []string{
				schema.EnterpriseUserURN + ":department", badgeURN + ":badgeNumber",
				badgeURN + ":issuer (made by this service, not to be sent)", badgeURN + ":tags", badgeURN + ":desk", badgeURN + ":doors",
			},
			group: []string{unitURN + ":code!"}},
		{name: "elements of an extension", allow: badgeURN + `:doors[open eq "false"].until ` + badgeURN + ":desk.floor",
			user: []string{badgeURN + ":desk.floor", badgeURN + ":doors[open eq false].open", badgeURN + ":doors[open eq false].until"}},

		{name: "required", allow: "name title department", required: []string{"title", "name.familyName", "department"},
			user: []string{"name", "name.familyName!", "title!", schema.EnterpriseUserURN + ":department!"}},
		{name: "required, whole", allow: "name.givenName name.familyName", required: []string{"name"},
			user: []string{"name.familyName!", "name.givenName!"}},
		{name: "required, one of several", allow: `emails[type eq "work"].value emails[type eq "home"].value`, required: []string{"emails.value"},
			user: []string{`emails[type eq "work"].value! (one of emails is enough)`, `emails[type eq "home"].value! (one of emails is enough)`}},
		{name: "required of groups", allow: "externalId " + unitURN, required: []string{"note", "externalId"},
			user: []string{"externalId!"}, group: []string{"externalId", unitURN + ":code!", unitURN + ":note!"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := schema.Narrowing{Allow: words(base + tt.allow), Required: tt.required}
			in := Input{Views: views(t, n), Required: n.Required}
			if tt.known {
				in.Allow = n.Allow
			}
			c := New(in)
			gone := func(name string) bool { return slices.Contains([]string{"userName!", "active", "displayName!"}, name) }
			if diff := cmp.Diff(tt.user, slices.DeleteFunc(keptNames(c, "User"), gone)); diff != "" {
				t.Errorf("users (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.group, slices.DeleteFunc(keptNames(c, "Group"), gone)); diff != "" && len(tt.group) > 0 {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

// allowLists draws allow lists over the whole catalog.
func allowLists(c *schema.Catalog) *rapid.Generator[[]string] {
	var paths []string
	for _, ty := range []*schema.ResourceType{c.User, c.Group} {
		all := []*schema.Schema{ty.Schema}
		for _, x := range ty.Extensions {
			all = append(all, x.Schema)
		}
		for _, s := range all {
			for _, a := range s.Attributes {
				path := s.ID + ":" + a.Name
				filters := []string{""}
				if a.MultiValued && a.Find("type") != nil {
					filters = append(filters, `[type eq "`+append(a.Find("type").CanonicalValues, "blue")[0]+`"]`, `[type eq "other"]`)
				}
				if a.MultiValued && a.Find("primary") != nil {
					filters = append(filters, "[primary eq true]", "[primary eq false]")
				}
				for _, f := range filters {
					paths = append(paths, path+f)
					for _, b := range a.Sub {
						paths = append(paths, path+f+"."+b.Name)
					}
				}
			}
		}
	}
	// What cannot be kept is refused by the schema itself.
	paths = slices.DeleteFunc(append(paths, "externalId", "*", "default"), func(p string) bool {
		_, err := c.Narrow(schema.Narrowing{Allow: []string{"default", p}})
		return err != nil
	})
	must := []string{schema.UserURN + ":userName", schema.UserURN + ":active", schema.GroupURN + ":displayName"}
	return rapid.Custom(func(t *rapid.T) []string {
		return append(rapid.SliceOfN(rapid.SampledFrom(paths), 0, 12).Draw(t, "paths"), must...)
	})
}

// The list of what is kept, read as an allow list, keeps exactly what the
// tenant's own list keeps: nothing is missing on the card and nothing too much.
func TestKeptIsTheAllowList(t *testing.T) {
	t.Parallel()
	c := catalog(t)
	lists := allowLists(c)
	rapid.Check(t, func(t *rapid.T) {
		allow := lists.Draw(t, "allow")
		vs, err := c.Narrow(schema.Narrowing{Allow: allow})
		if err != nil {
			t.Fatal(err)
		}
		card := New(Input{Tenant: "acme", Views: vs, Allow: allow})
		var again []string
		for _, a := range card.Kept {
			name := a.Name
			if !strings.HasPrefix(name, "urn:") {
				name = map[string]string{"User": schema.UserURN, "Group": schema.GroupURN}[a.ResourceType] + ":" + name
			}
			again = append(again, name)
		}
		ws, err := c.Narrow(schema.Narrowing{Allow: again})
		if err != nil {
			t.Fatal(err)
		}
		for _, views := range [][2]*schema.View{{vs.User, ws.User}, {vs.Group, ws.Group}} {
			for _, doc := range documents(views[0].Type) {
				if want, got := pruned(t, views[0], doc), pruned(t, views[1], doc); got != want {
					t.Fatalf("the card keeps\n%s\nof the list\n%s\nand of the resource\n%s\nis left %s\nnot %s", strings.Join(again, "\n"), strings.Join(allow, "\n"), doc, got, want)
				}
			}
		}
		checkMappings(t, vs.User, card.Entra, "")
		checkMappings(t, vs.User, card.Okta, `"primary":true,`)
		checkMappings(t, vs.Group, append(card.EntraGroups, card.OktaGroups...), "")
		checkText(t, card)
	})
}

// pruned is what a view keeps of a resource.
func pruned(t rapid.TB, v *schema.View, doc string) string {
	t.Helper()
	o, err := attr.DecodeObject([]byte(doc), nil, attr.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	v.Prune(o, nil)
	return string(o.Append(nil))
}

// documents are resources with all attributes, with every combination of labels
// in the elements of lists.
func documents(ty *schema.ResourceType) []string {
	var docs []string
	for _, kind := range []string{"", "work", "home", "other", "mobile", "blue", "in", "aim"} {
		for _, flag := range []string{"", "true", "false"} {
			var members []string
			core := append([]*schema.Attribute{{Name: "externalId", Type: schema.String}}, ty.Schema.Attributes...)
			members = append(members, filled(core, kind, flag)...)
			for _, x := range ty.Extensions {
				members = append(members, `"`+x.Schema.ID+`":{`+strings.Join(filled(x.Schema.Attributes, kind, flag), ",")+"}")
			}
			docs = append(docs, "{"+strings.Join(members, ",")+"}")
		}
	}
	return docs
}

// filled writes attributes as JSON members with a value each.
func filled(list []*schema.Attribute, kind, flag string) []string {
	var members []string
	for _, a := range list {
		value := `"mark"`
		switch {
		case a.Type == schema.Complex:
			value = "{" + strings.Join(filled(a.Sub, kind, flag), ",") + "}"
		case a.Type == schema.Boolean:
			value = flag
		case a.Name == "type" && kind == "":
			value = ""
		case a.Name == "type":
			value = `"` + kind + `"`
		}
		if value == "" {
			continue
		}
		if a.MultiValued {
			value = "[" + value + "]"
		}
		members = append(members, `"`+a.Name+`":`+value)
	}
	return members
}

// checkMappings sends a value by each row's target, and looks whether it is left.
func checkMappings(t rapid.TB, v *schema.View, list []Mapping, more string) {
	t.Helper()
	for _, m := range list {
		text := `{"id":"x",` + document(v, m, more) + `}`
		o, err := attr.DecodeObject([]byte(text), v.Guide(nil), attr.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		v.Prune(o, nil)
		mark := "mark"
		if strings.HasSuffix(m.Target, `"].type`) {
			mark = `"type":"` // its value is told by the target
		}
		got := strings.Contains(string(o.Append(nil)), mark)
		if m.Target == "members" {
			got = v.Keeps("members") // a relation: it is not part of what is pruned
		}
		if got != m.Kept {
			t.Fatalf("%s: the card says kept %v, and what is left is %s", m.Target, m.Kept, o.Append(nil))
		}
		if want := m.Action == ActionKeep || m.Action == ActionChange || m.Action == ActionAdd; want != m.Kept {
			t.Fatalf("%s: action %s, kept %v", m.Target, m.Action, m.Kept)
		}
	}
}

// document is the JSON member by which a row sends the value "mark". Elements
// of lists that are a default of the provider's carry more.
func document(v *schema.View, m Mapping, more string) string {
	list, path := v.Type.Schema.Attributes, m.Target
	for _, x := range v.Type.Extensions {
		if rest, ok := strings.CutPrefix(path, x.Schema.ID+":"); ok {
			m.Target = rest
			return `"` + x.Schema.ID + `":{` + document(&schema.View{Type: &schema.ResourceType{Schema: x.Schema}}, m, more) + `}`
		}
	}
	name, sub, dotted := strings.Cut(path, ".")
	name, filter, filtered := strings.Cut(name, "[")
	by, value, _ := strings.Cut(strings.TrimSuffix(filter, "]"), " eq ")
	i := slices.IndexFunc(list, func(a *schema.Attribute) bool { return a.Name == name })
	switch {
	case filtered && sub == "type" && by == "type": // sent with the other parts
		flag := ""
		if more != "" {
			flag = "true"
		}
		return filled(list[i:i+1], strings.Trim(value, `"`), flag)[0]
	case filtered && m.Action == ActionAdd:
		more = ""
		fallthrough
	case filtered:
		return `"` + name + `":[{"` + by + `":` + value + `,` + more + `"` + sub + `":"mark"}]`
	case dotted:
		return `"` + name + `":{"` + sub + `":"mark"}`
	case i < 0 || list[i].Type == schema.Boolean: // nothing checks the type here
		return `"` + name + `":"mark"`
	}
	return filled(list[i:i+1], "mark", "")[0]
}

func checkText(t rapid.TB, c Card) {
	t.Helper()
	var b strings.Builder
	if err := c.Text(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(line) > columns || strings.HasSuffix(line, " ") {
			t.Fatalf("a bad line: %q", line)
		}
	}
}
