package schema

import (
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	all, some := narrowTo(t, "*"), narrowTo(t)
	for _, c := range []struct {
		name string
		v    *View
		path string
		want string // Ref.Name, or "!" for not ok; "." for the resource itself
	}{
		{"a base attribute", all.User, "userName", "userName"},
		{"in any case", all.User, "USERNAME", "userName"},
		{"a sub-attribute", all.User, "NAME.familyname", "name.familyName"},
		{"a reference", all.User, "manager.$REF", EnterpriseUserURN + ":manager.$ref"},
		{"a common attribute", all.User, "ID", "id"},
		{"a common sub-attribute", all.User, "meta.lastmodified", "meta.lastModified"},
		{"a common attribute, qualified", all.User, UserURN + ":schemas", "schemas"},
		{"externalId, qualified", all.Group, GroupURN + ":EXTERNALID", "externalId"},
		{"a base attribute, qualified", all.User, UserURN + ":name.givenName", "name.givenName"},
		{"qualified in capitals", all.User, strings.ToUpper(UserURN) + ":active", "active"},
		{"a dot for the last colon", all.User, UserURN + ".active", "active"},
		{"a dot for the last colon of an extension", all.User, EnterpriseUserURN + ".manager.value", EnterpriseUserURN + ":manager.value"},
		{"the base schema", all.User, UserURN, "."},
		{"the base schema with a colon behind", all.User, UserURN + ":", "."},
		{"an extension", all.User, EnterpriseUserURN, EnterpriseUserURN},
		{"an extension in any case", all.User, strings.ToUpper(extURN), extURN},
		{"an extension's attribute", all.User, extURN + ":LEVEL", extURN + ":level"},
		{"a URN with a dot in it", all.User, dotURN + ":nick", dotURN + ":nick"},
		{"a URN that begins as another does", all.User, "urn:example:ext:2.0:Users:level", "!"},
		{"a bare name of an extension", all.User, "level", extURN + ":level"},
		{"a bare name of two extensions", all.User, "badge", extURN + ":badge"},
		{"a bare name with a part", all.User, "desk.floor", extURN + ":desk.floor"},
		{"the base schema's name comes first", all.User, "title", "title"},
		{"an extension's name that the base has too", all.User, extURN + ":title", extURN + ":title"},
		{"the base of another type", all.User, GroupURN + ":displayName", "!"},
		{"the extension of another type", all.User, groupURN + ":code", "!"},
		{"a bare name of another type's extension", all.User, "code", "!"},
		{"the bare name for groups", all.Group, "code", groupURN + ":code"},
		{"the enterprise extension of groups", all.Group, EnterpriseUserURN, "!"},
		{"unknown", all.User, "shoeSize", "!"},
		{"an unknown part", all.User, "name.nick", "!"},
		{"a part of a plain attribute", all.User, "userName.value", "!"},
		{"two dots", all.User, "name.givenName.x", "!"},
		{"a dot at the end", all.User, "name.", "!"},
		{"an unknown URN", all.User, "urn:nobody:x", "!"},
		{"a short word that could be a URN", all.User, "urn", "!"},
		{"nothing", all.User, "", "!"},
		{"hidden", all.User, "password", "!"},
		{"hidden in an extension", all.User, extURN + ":whisper", "!"},

		{"not kept", some.User, "title", "!"},
		{"not kept in the base hides the extension's", narrowTo(t, "default", extURN+":title").User, "title", "!"},
		{"a part that is not kept", some.User, "name.formatted", "!"},
		{"an extension of which nothing is kept", some.User, extURN, "!"},
		{"an attribute of such an extension", some.User, extURN + ":level", "!"},
		{"what is always there", some.User, "meta.version", "meta.version"},
		{"kept of the extension, bare", some.User, "department", EnterpriseUserURN + ":department"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, ok := c.v.Resolve(c.path)
			got := r.Name()
			switch {
			case !ok:
				got = "!"
			case got == "":
				got = "."
			}
			if got != c.want {
				t.Errorf("%q resolves to %q, want %q", c.path, got, c.want)
			}
			if !ok && r != (Ref{}) {
				t.Errorf("not ok, but %+v", r)
			}
			// The canonical name leads to the same.
			if ok && c.want != "." {
				if again, ok := c.v.Resolve(c.want); !ok || again != r {
					t.Errorf("%q resolves to something else than %q", c.want, c.path)
				}
			}
		})
	}
}

func TestRefReachesIntoTrees(t *testing.T) {
	t.Parallel()
	v := narrowTo(t, "*").User
	o := object(t, `{"userName":"a","`+EnterpriseUserURN+`":{"department":"d"}}`)
	for path, want := range map[string]string{
		"userName": `"a"`, "department": `"d"`, EnterpriseUserURN: `{"department":"d"}`, "title": "", extURN + ":level": "", extURN: "",
	} {
		r, _ := v.Resolve(path)
		got := ""
		if val, ok := r.Get(o); ok {
			got = string(val.Append(nil))
		}
		if got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	r, _ := v.Resolve(extURN + ":level")
	if r.Holder(o, false) != nil {
		t.Error("a holder that is not there")
	}
	r.Holder(o, true).Set("level", value(t, "1"))
	if want := `{"userName":"a","` + EnterpriseUserURN + `":{"department":"d"},"` + extURN + `":{"level":1}}`; jsonOf(o) != want {
		t.Errorf("got %s", jsonOf(o))
	}
}

func TestCanonicalName(t *testing.T) {
	t.Parallel()
	v := narrowTo(t).User
	for _, c := range []struct {
		path, want string
		known      bool
	}{
		{"TITLE", "title", true},
		{"NAME.FORMATTED", "name.formatted", true},
		{"manager", EnterpriseUserURN + ":manager", true},
		{strings.ToUpper(EnterpriseUserURN) + ":MANAGER.VALUE", EnterpriseUserURN + ":manager.value", true},
		{strings.ToUpper(extURN), extURN, true},
		{"PASSWORD", "password", true},
		{"shoeSize", "shoeSize", false},
		{"NAME.nick", "name.nick", false},
		{"MANAGER.nick", EnterpriseUserURN + ":manager.nick", false},
		{"urn:nobody:X:y", "urn:nobody:X:y", false},
		{strings.ToUpper(UserURN) + ":TITLE", "title", true},
		{strings.ToUpper(UserURN) + ":shoeSize", "shoeSize", false},
		{UserURN + ":NAME.nick", "name.nick", false},
		{EnterpriseUserURN + ":shoeSize", EnterpriseUserURN + ":shoeSize", false},
		{`EMAILS[type eq "marker"].DISPLAY`, "emails.display", true},
		{`emails[type eq "marker"]`, "emails", true},
		{`emails[type eq "marker`, "emails", true},
		{`x]y[marker`, "x]y", false},
		{`x[a]y[marker`, "xy", false},
		{`x[a]y[marker]z`, "xz", false},
	} {
		name, known := v.CanonicalName(c.path)
		if name != c.want || known != c.known {
			t.Errorf("%s is named %q (known %t), want %q (%t)", c.path, name, known, c.want, c.known)
		}
	}
}
