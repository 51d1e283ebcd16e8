package faulty

import (
	"net/http"
	"slices"
	"strings"
)

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// requests are faults in how any request is taken.
var requests = map[Fault]func() plant{
	"op-case": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			if op := word(o, "op"); op != strings.ToLower(op) {
				x.refuse(http.StatusBadRequest, "invalidSyntax", "the operation is not known")
			}
		}
	}),
	"string-boolean": stateless(func(x *exchange) {
		if x.endpoint() == "Users" && stringBoolean(x.in, "") {
			x.refuse(http.StatusBadRequest, "invalidValue", "a boolean is expected")
		}
	}),
	"patch-empty-operations": stateless(func(x *exchange) {
		if list, ok := field(x.in, "Operations").([]any); ok && len(list) == 0 && x.r.Method == http.MethodPatch {
			x.refuse(http.StatusBadRequest, "invalidSyntax", "there is no operation")
		}
	}),
	"content-type-refused": stateless(func(x *exchange) {
		if len(x.raw) > 0 && x.r.Header.Get("Content-Type") != "application/scim+json" {
			x.refuse(http.StatusUnsupportedMediaType, "", "the body is not application/scim+json")
		}
	}),
	"user-agent-demanded": stateless(func(x *exchange) {
		if x.r.Header.Get("User-Agent") == "" {
			x.status, x.header, x.body = http.StatusForbidden, http.Header{"Content-Type": {"text/html"}}, []byte("<h1>Forbidden</h1>")
		}
	}),
	"double-slash-404": stateless(func(x *exchange) {
		if strings.Contains(x.r.URL.Path, "//") {
			x.refuse(http.StatusNotFound, "", "there is nothing here")
		}
	}),
	"unknown-parameter": stateless(func(x *exchange) {
		known := []string{"", "filter", "attributes", "excludedattributes", "startindex", "count", "sortby", "sortorder", "cursor"}
		for name := range x.r.URL.Query() {
			if !slices.Contains(known, strings.ToLower(name)) {
				x.refuse(http.StatusBadRequest, "invalidValue", "a parameter is not known")
			}
		}
	}),
	"raw-quotes-refused": stateless(func(x *exchange) {
		if strings.Contains(x.r.URL.RawQuery, `"`) {
			x.refuse(http.StatusBadRequest, "invalidFilter", "the query is not encoded")
		}
	}),
	"filter-ignored": stateless(func(x *exchange) {
		x.pass()
		if x.r.Method == http.MethodGet && x.status == http.StatusOK && x.query("filter") != "" {
			x.without("filter")
			x.again()
		}
	}),
	"token-not-refused": stateless(func(x *exchange) {
		x.r.Header.Set("Authorization", "Bearer "+Token)
	}),
}

// stringBoolean reports whether a boolean comes as a string.
func stringBoolean(v any, name string) bool {
	switch v := v.(type) {
	case string:
		flag := strings.EqualFold(v, "true") || strings.EqualFold(v, "false")
		return flag && (strings.EqualFold(name, "active") || strings.EqualFold(name, "primary"))
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return stringBoolean(e, name) })
	case object:
		if path := word(v, "path"); path != "" && field(v, "op") != nil {
			return stringBoolean(field(v, "value"), path[strings.LastIndexAny(path, ".:")+1:])
		}
		for k, e := range v {
			if stringBoolean(e, k[strings.LastIndexAny(k, ".:")+1:]) {
				return true
			}
		}
	}
	return false
}
