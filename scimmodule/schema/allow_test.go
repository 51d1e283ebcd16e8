package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kept lists what a view keeps: "name", "name.sub", and rules as "name[sub=value]: subs".
func kept(v *View) []string {
	var out []string
	list := func(prefix string, as []*Attribute) {
		for _, a := range as {
			name := prefix + a.Name
			out = append(out, name)
			for _, b := range a.Sub {
				out = append(out, name+"."+b.Name)
			}
			for _, r := range a.rules {
				var subs []string
				for _, b := range a.Sub {
					if r.keeps(b.Name) {
						subs = append(subs, b.Name)
					}
				}
				out = append(out, fmt.Sprintf("%s[%s=%s]: %s", name, r.sub, r.value, strings.Join(subs, " ")))
			}
		}
	}
	list("", v.Core)
	for _, x := range v.Extensions {
		list(x.Schema.ID+":", x.Schema.Attributes)
	}
	slices.Sort(out)
	return out
}

// The default list is the first row of the product's rules.
func TestDefaultAllowList(t *testing.T) {
	t.Parallel()
	e := EnterpriseUserURN + ":"
	want := []string{
		"active",
		"addresses", "addresses.country", "addresses.primary", "addresses.type", "addresses[type=work]: country type primary",
		"emails", "emails.primary", "emails.type", "emails.value", "emails[type=work]: value type primary",
		"externalId", "locale", "name", "name.familyName", "name.givenName",
		"phoneNumbers", "phoneNumbers.primary", "phoneNumbers.type", "phoneNumbers.value", "phoneNumbers[type=mobile]: value type primary",
		"preferredLanguage",
		e + "department", e + "division", e + "organization",
		"userName",
	}
	slices.Sort(want)
	for name, allow := range map[string][]string{"no list": nil, "the word default": {"default"}, "default twice": {"default", "default"}} {
		vs := narrowTo(t, allow...)
		got := kept(vs.User)
		if name == "default twice" {
			got = slices.Compact(got) // whether rules repeat is TestFingerprint's
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff([]string{"displayName", "externalId", "members", "members.$ref", "members.type", "members.value"}, kept(vs.Group)); diff != "" {
			t.Errorf("%s, groups (-want +got):\n%s", name, diff)
		}
	}
}

func TestAllowEverything(t *testing.T) {
	t.Parallel()
	vs := narrowTo(t, "*")
	for _, a := range vs.User.all() {
		if a.hidden() {
			t.Errorf("* keeps %s", a.Name)
		}
		for _, b := range a.Sub {
			if b.hidden() {
				t.Errorf("* keeps %s.%s", a.Name, b.Name)
			}
		}
	}
	for _, name := range []string{"displayName", "groups", "nickName", "x509Certificates", "externalId"} {
		if !vs.User.Keeps(name) {
			t.Errorf("* does not keep %s", name)
		}
	}
	for _, name := range []string{"password", "id", "meta", "schemas"} {
		if vs.User.find(name) != nil {
			t.Errorf("* keeps %s as an attribute of the schema", name)
		}
	}
	for _, urn := range []string{EnterpriseUserURN, extURN, dotURN} {
		if vs.User.extension(urn) == nil {
			t.Errorf("* does not keep %s", urn)
		}
	}
	if vs.Group.extension(groupURN) == nil {
		t.Error("* does not keep the extension of groups")
	}
	if narrowTo(t).User.Keeps("groups") {
		t.Error("default keeps groups")
	}
}

// Each case adds words to "default"; want are the additions to users and groups.
func TestAllowWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		words []string
		user  []string
		group []string
	}{
		{"a plain attribute", []string{"title"}, []string{"title"}, nil},
		{"a base attribute hides the extension's", []string{"TITLE"}, []string{"title"}, nil},
		{"one name for users and groups", []string{"displayName"}, []string{"displayName"}, nil},
		{"a sub-attribute", []string{"name.formatted"}, []string{"name.formatted"}, nil},
		{"in any case", []string{"NAME.FORMATTED"}, []string{"name.formatted"}, nil},
		{"an extension's bare name", []string{"level"}, []string{extURN + ":level"}, nil},
		{"a bare name of two extensions is the first's", []string{"badge"}, []string{extURN + ":badge"}, nil},
		{"a bare name of the enterprise extension", []string{"manager.value"}, []string{EnterpriseUserURN + ":manager", EnterpriseUserURN + ":manager.value"}, nil},
		{"qualified", []string{extURN + ":title"}, []string{extURN + ":title"}, nil},
		{"qualified in any case", []string{strings.ToUpper(dotURN) + ":NICK"}, []string{dotURN + ":nick"}, nil},
		{"a whole extension", []string{dotURN}, []string{dotURN + ":badge", dotURN + ":nick"}, nil},
		{"a whole extension of groups", []string{groupURN}, nil, []string{groupURN + ":code", groupURN + ":note"}},
		{"groups' extension by name", []string{"note"}, nil, []string{groupURN + ":note"}},
		{"without what is hidden", []string{extURN + ":desk"}, []string{extURN + ":desk", extURN + ":desk.code", extURN + ":desk.floor"}, nil},
		{"a value filter with a sub-attribute", []string{`ims[type eq "aim"].value`}, []string{"ims", "ims.value", "ims.type", "ims.primary", "ims[type=aim]: value type primary"}, nil},
		{"a value filter alone", []string{`ims[type eq "aim"]`}, []string{"ims", "ims.value", "ims.display", "ims.type", "ims.primary", "ims[type=aim]: value display type primary"}, nil},
		{"a value filter, unquoted, in any case", []string{`IMS[TYPE EQ aim].VALUE`}, []string{"ims", "ims.value", "ims.type", "ims.primary", "ims[type=aim]: value type primary"}, nil},
		{"a filter by another sub-attribute", []string{`roles[primary eq "true"].value`}, []string{"roles", "roles.value", "roles.type", "roles.primary", "roles[primary=true]: value type primary"}, nil},
		{"a sub-attribute of all elements", []string{"ims.value"}, []string{"ims", "ims.value"}, nil},
		{"all elements and some", []string{"ims.value", `ims[type eq "aim"].display`},
			[]string{"ims", "ims.value", "ims.display", "ims.type", "ims.primary", "ims[type=aim]: display type primary", "ims[=]: value"}, nil},
		{"the whole takes in the part", []string{`ims[type eq "aim"].value`, "ims"}, []string{"ims", "ims.value", "ims.display", "ims.type", "ims.primary"}, nil},
		{"the derived groups", []string{"groups.value"}, []string{"groups", "groups.value"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base, vs := narrowTo(t), narrowTo(t, append([]string{"default"}, c.words...)...)
			added := func(v, w *View) []string {
				return slices.DeleteFunc(kept(v), func(s string) bool { return slices.Contains(kept(w), s) })
			}
			slices.Sort(c.user)
			if diff := cmp.Diff(c.user, added(vs.User, base.User)); diff != "" && len(c.user)+len(added(vs.User, base.User)) > 0 {
				t.Errorf("users (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.group, added(vs.Group, base.Group)); diff != "" && len(c.group)+len(added(vs.Group, base.Group)) > 0 {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllowErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, word, want string }{
		{"nobody defines it", "shoeSize", "no schema defines"},
		{"id is not the list's to give", "id", "no schema defines"},
		{"nothing", "", "not an attribute path"},
		{"an unknown URN", "urn:example:nobody:x", "no schema has this URN"},
		{"an unknown attribute of a URN", UserURN + ":shoeSize", "no schema defines"},
		{"password", "password", "never returned"},
		{"password, qualified", UserURN + ":PassWord", "never returned"},
		{"writeOnly", extURN + ":pin", "never returned"},
		{"returned never", "whisper", "never returned"},
		{"a part returned never", extURN + ":desk.secret", "never returned"},
		{"an unknown part", "name.nick", "name has no sub-attribute nick"},
		{"a part of a plain attribute", "title.x", "title has no sub-attribute x"},
		{"two dots", "name.givenName.x", "not an attribute path"},
		{"a dot at the end", "name.", "not an attribute path"},
		{"a dot first", ".name", "not an attribute path"},
		{"a filter not closed", `emails[type eq "work"`, "not closed"},
		{"a filter closed before it opens", `emails]type eq "work"[`, "not closed"},
		{"an empty filter", "emails[]", "has to be of the form"},
		{"a filter of another operator", `emails[type ne "work"]`, "has to be of the form"},
		{"a filter without a value", `emails[type eq ""]`, "has to be of the form"},
		{"a filter without an operator", `emails[type pr]`, "has to be of the form"},
		{"a filter of two clauses", `emails[type eq "work" and primary eq true].value`, "has to be of the form"},
		{"something behind the filter", `emails[type eq "work"]value`, "after the filter"},
		{"a filter on a single value", `name[givenName eq "x"]`, "cannot be filtered"},
		{"a filter by an unknown part", `emails[kind eq "work"]`, "cannot be filtered by kind"},
		{"a filter on plain values", `tags[value eq "x"]`, "cannot be filtered"},
		{"default is one word", "Default", "no schema defines"},
		{"not a prefix", "title*", "not an attribute path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := testCatalog(t).Narrow(Narrowing{Allow: []string{"default", c.word}})
			if err == nil {
				t.Fatal("no error")
			}
			if got := err.Error(); !strings.Contains(got, c.want) || !strings.Contains(got, c.word) {
				t.Errorf("error %q does not name the word %q and say %q", got, c.word, c.want)
			}
		})
	}
}

func TestEssentialAttributes(t *testing.T) {
	t.Parallel()
	all := []string{UserURN + ":userName", UserURN + ":active", GroupURN + ":displayName"}
	if _, err := testCatalog(t).Narrow(Narrowing{Allow: all}); err != nil {
		t.Errorf("what is essential is not enough: %v", err)
	}
	for i, missing := range all {
		_, err := testCatalog(t).Narrow(Narrowing{Allow: slices.Delete(slices.Clone(all), i, i+1)})
		name := missing[strings.LastIndexByte(missing, ':')+1:]
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: error %v", missing, err)
		}
	}
	// A user's displayName is not a group's.
	_, err := testCatalog(t).Narrow(Narrowing{Allow: []string{all[0], all[1], UserURN + ":displayName"}})
	if err == nil {
		t.Error("a user's displayName passes for a group's")
	}
}
