package faulty

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// bodies are faults with what clients put into bodies and filters.
var bodies = map[Fault]func() plant{
	"null-refused": stateless(func(x *exchange) {
		if x.endpoint() == "Users" && x.r.Method != http.MethodPatch && hasNull(x.in) {
			x.refuse(http.StatusBadRequest, "invalidValue", "null is no value")
		}
	}),
	"password-returned": stateless(func(x *exchange) {
		x.pass()
		if p := word(x.in, "password"); p != "" && x.status < 300 && x.out != nil {
			x.out["password"] = p
			x.answers()
		}
	}),
	"schema-urn-refused": stateless(func(x *exchange) {
		known := []string{"urn:ietf:params:scim:schemas:core:2.0:User", enterprise}
		list, _ := field(x.in, "schemas").([]any)
		for _, v := range list {
			if s, ok := v.(string); ok && x.is(http.MethodPost, "Users") && !slices.Contains(known, s) && x.id() == "" {
				x.refuse(http.StatusBadRequest, "invalidValue", "a schema is not known")
			}
		}
	}),
	"create-without-id": stateless(func(x *exchange) {
		x.pass()
		if x.r.Method == http.MethodPost && x.status == http.StatusCreated {
			delete(x.out, "id")
			x.answers()
		}
	}),
	"unquoted-refused": stateless(func(x *exchange) {
		if unquoted.MatchString(x.query("filter")) {
			x.refuse(http.StatusBadRequest, "invalidFilter", "a value is not in quotes")
		}
	}),
	"filter-operator-case": stateless(func(x *exchange) {
		if capitals.MatchString(x.query("filter")) {
			x.refuse(http.StatusBadRequest, "invalidFilter", "an operator is not known")
		}
	}),
	"broken-filter-ignored": stateless(func(x *exchange) {
		x.pass()
		if x.r.Method == http.MethodGet && x.status == http.StatusBadRequest && word(x.out, "scimType") == "invalidFilter" {
			x.without("filter")
			x.again()
		}
	}),
	"manager-string-refused": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			if s, ok := field(o, "value").(string); ok && s != "" && strings.EqualFold(word(o, "path"), enterprise+":manager") {
				x.refuse(http.StatusBadRequest, "invalidValue", "the manager is no object")
			}
		}
	}),
	"member-as-string": stateless(func(x *exchange) {
		if _, ok := membersValue(x).(string); ok && x.endpoint() == "Groups" {
			x.refuse(http.StatusBadRequest, "invalidValue", "members are a list")
		}
	}),
	"member-as-object": stateless(func(x *exchange) {
		if _, ok := membersValue(x).(object); ok && x.endpoint() == "Groups" {
			x.refuse(http.StatusBadRequest, "invalidValue", "members are a list")
		}
	}),
	"empty-list-ignored": stateless(func(x *exchange) {
		if list, ok := field(x.in, "members").([]any); ok && len(list) == 0 && x.is(http.MethodPut, "Groups") {
			drop(x.in, "members")
			x.in["members"] = x.read(x.path)["members"]
			x.sends()
		}
	}),
	"excluded-attributes-ignored": stateless(func(x *exchange) {
		if v := x.query("excludedAttributes"); v != "" && !strings.Contains(strings.ToLower(v), "members") {
			ignore(x, "excludedAttributes")
		}
	}),
	"inactive-revived": stateless(func(x *exchange) {
		if !x.is(http.MethodPatch, "Users") || field(x.read(x.path), "active") != false || len(x.operations()) == 0 {
			return
		}
		for _, o := range x.operations() {
			v, _ := field(o, "value").(object)
			if strings.EqualFold(word(o, "path"), "active") || field(v, "active") != nil {
				return
			}
		}
		list, _ := field(x.in, "Operations").([]any)
		drop(x.in, "Operations")
		x.in["Operations"] = append(list, object{"op": "replace", "path": "active", "value": true})
		x.sends()
	}),
	"membership-lost-by-disabling": stateless(func(x *exchange) {
		if !x.is(http.MethodPatch, "Users") {
			return
		}
		was := x.read(x.path)["active"]
		x.pass()
		if was != true || x.read(x.path)["active"] != false {
			return
		}
		q := url.Values{"filter": {`members.value eq "` + x.id() + `"`}}
		_, _, found := x.ask(http.MethodGet, &url.URL{Path: Path + "/Groups", RawQuery: q.Encode()}, nil)
		list, _ := decode(found)["Resources"].([]any)
		for _, g := range list {
			body := `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "remove", "path": "members[value eq \"` + x.id() + `\"]"}]}`
			x.ask(http.MethodPatch, &url.URL{Path: Path + "/Groups/" + word(g.(object), "id")}, []byte(body))
		}
	}),
	"taken-name-accepted": stateless(func(x *exchange) {
		if !x.is(http.MethodPatch, "Users") {
			return
		}
		x.pass()
		if x.status == http.StatusConflict {
			x.done()
		}
	}),
}

var (
	unquoted = regexp.MustCompile(`(?i: eq )[a-z]+-[^"\s]+$`)
	capitals = regexp.MustCompile(` (EQ|AND|OR|SW|CO|EW|PR)( |$)`)
)

// hasNull reports whether an attribute or a part of one is null; elements of
// lists are another matter.
func hasNull(o object) bool {
	for _, v := range o {
		part, _ := v.(object)
		if v == nil || hasNull(part) {
			return true
		}
	}
	return false
}

// membersValue returns the first value that an operation has for members.
func membersValue(x *exchange) any {
	for _, o := range x.operations() {
		if strings.EqualFold(word(o, "path"), "members") {
			return field(o, "value")
		}
	}
	return nil
}
