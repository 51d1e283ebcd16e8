package schema

import (
	"regexp"
	"strings"
	"testing"
)

// The fingerprint changes if, and only if, what is kept changes: a change costs
// a pass over all that is stored.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	of := func(allow ...string) string { return narrowTo(t, allow...).Fingerprint }
	base := of("default")
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{16}$`).MatchString(base) {
		t.Errorf("fingerprint %q", base)
	}
	same := map[string][]string{
		"no list":                     nil,
		"default twice":               {"default", "default"},
		"what is in it already":       {"default", "userName", "externalId"},
		"a rule that is in already":   {"default", `emails[type eq "work"].value`},
		"a rule in another case":      {"default", `emails[TYPE eq "WORK"].value`},
		"a label that a rule implies": {"default", `emails[type eq "work"].type`},
		"its own words in reverse":    reversed(DefaultAllow),
	}
	for name, allow := range same {
		if of(allow...) != base {
			t.Errorf("%s: the fingerprint changes although nothing else is kept", name)
		}
	}
	if of("default", `ims[type eq "a"].value`, `ims[type eq "b"].value`) != of(`ims[type eq "b"].value`, `ims[type eq "a"].value`, "default") {
		t.Error("the order of rules changes the fingerprint")
	}
	if of("default", `emails[type eq "work"].display`) != of("default", `emails[type eq "work"]`) {
		t.Error("all parts of a type, one by one, are not the whole")
	}
	if of("default", "ims", `ims[type eq "b"].value`) != of("default", "ims") {
		t.Error("a rule about what is kept whole changes the fingerprint")
	}
	seen := map[string]string{base: "default"}
	for name, allow := range map[string][]string{
		"an attribute":                 {"default", "title"},
		"the other title":              {"default", extURN + ":title"},
		"a sub-attribute":              {"default", "name.formatted"},
		"another type":                 {"default", `emails[type eq "home"].value`},
		"more of one type":             {"default", `emails[type eq "work"].display`},
		"all of one type":              {"default", `addresses[type eq "work"]`},
		"a part of all":                {"default", "emails.value"},
		"all":                          {"default", "emails"},
		"filtered by primary":          {"default", `emails[primary eq "true"].value`},
		"an attribute of groups":       {"default", "note"},
		"everything":                   {"*"},
		"a user's displayName":         {"default", UserURN + ":displayName"},
		"two rules of which one more":  {"default", `emails[type eq "home"].value`, `emails[type eq "work"].display`},
		"two rules the other way":      {"default", `emails[type eq "home"].display`, `emails[type eq "work"].display`},
		"an extension's badge":         {"default", extURN + ":badge"},
		"the other extension's badge":  {"default", dotURN + ":badge"},
		"a type with a quote's letter": {"default", `emails[type eq "work]"].value`},
	} {
		f := of(allow...)
		if other, ok := seen[f]; ok {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		seen[f] = name
	}
	// What is required or may repeat is not what is kept.
	if f := narrowing(t, Narrowing{Required: []string{"emails"}, DuplicateGroupNames: true}).Fingerprint; f != base {
		t.Error("settings that keep nothing else change the fingerprint")
	}
}

func reversed(words []string) []string {
	var out []string
	for i := range words {
		out = append(out, words[len(words)-1-i])
	}
	return out
}

func TestNarrowRequired(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path  string
		user, group string // what is required of each in addition
		fails       bool
	}{
		{"an attribute", "emails", "emails", "", false},
		{"a sub-attribute", "NAME.familyname", "name.familyName", "", false},
		{"of the extension", EnterpriseUserURN + ":department", EnterpriseUserURN + ":department", "", false},
		{"of the extension, bare", "department", EnterpriseUserURN + ":department", "", false},
		{"a name that groups have too is meant for users", "externalId", "externalId", "", false},
		{"qualified for groups", GroupURN + ":externalId", "", "externalId", false},
		{"not kept", "title", "", "", true},
		{"a part that is not kept", "name.formatted", "", "", true},
		{"unknown", "shoeSize", "", "", true},
		{"the server's own", "id", "", "", true},
		{"the server's own part", "meta.created", "", "", true},
		{"a whole extension", EnterpriseUserURN, "", "", true},
		{"the members of a group are never part of the resource that is checked", "members", "", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			vs, err := testCatalog(t).Narrow(Narrowing{Required: []string{c.path}})
			if c.fails {
				if err == nil || !strings.Contains(err.Error(), c.path) {
					t.Errorf("error %v does not name %s", err, c.path)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			names := func(v *View) string {
				var out []string
				for _, r := range v.required {
					out = append(out, r.Name())
				}
				return strings.Join(out, " ")
			}
			if got := names(vs.User); got != c.user {
				t.Errorf("required of users %q, want %q", got, c.user)
			}
			if got := names(vs.Group); got != c.group {
				t.Errorf("required of groups %q, want %q", got, c.group)
			}
		})
	}
}

func TestDuplicateGroupNamesAreNotUnique(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	twice, err := c.Narrow(Narrowing{DuplicateGroupNames: true})
	if err != nil {
		t.Fatal(err)
	}
	once, err := c.Narrow(Narrowing{})
	if err != nil {
		t.Fatal(err)
	}
	if got := twice.Group.find("displayName").Uniqueness; got != NotUnique {
		t.Errorf("uniqueness %s where names may repeat", got)
	}
	if got := once.Group.find("displayName").Uniqueness; got != ServerUnique {
		t.Errorf("uniqueness %s for another tenant: narrowing changed the catalog", got)
	}
}

func TestUnique(t *testing.T) {
	t.Parallel()
	// Also where the list does not keep it: older records may have it.
	for _, vs := range []*Views{narrowTo(t), narrowTo(t, "*")} {
		refs := vs.User.Unique()
		if len(refs) != 1 || refs[0].Name() != extURN+":badge" {
			t.Errorf("unique attributes %v", refs)
		}
		if len(vs.Group.Unique()) != 0 {
			t.Error("groups have unique attributes of extensions")
		}
	}
}

func TestAsStored(t *testing.T) {
	t.Parallel()
	x := mustParse(t, `{"id":"urn:x:y","attributes":[{"name":"quiet","returned":"request"},{"name":"c","type":"complex","subAttributes":[{"name":"a"},{"name":"b","returned":"request"}]}]}`)
	c, err := NewCatalog([]Extension{{Schema: x}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		word string
		want bool
	}{{"default", true}, {"urn:x:y:quiet", false}, {"urn:x:y:c", false}, {"urn:x:y:c.a", true}, {"*", false}} {
		vs, err := c.Narrow(Narrowing{Allow: []string{"default", tc.word}})
		if err != nil {
			t.Fatal(err)
		}
		if got := vs.User.AsStored(); got != tc.want {
			t.Errorf("%s: as stored %t", tc.word, got)
		}
	}
}
