package faulty

import (
	"net/http"
	"slices"
	"strings"
)

// values are faults with what becomes of values, names and references.
var values = map[Fault]func() plant{
	"primary-invented": stateless(func(x *exchange) {
		x.pass()
		x.each(func(o object) {
			list, _ := o["emails"].([]any)
			for _, v := range list {
				if e, ok := v.(object); ok && e["primary"] == nil {
					e["primary"] = false
				}
			}
		})
	}),
	"encoding-misread": stateless(func(x *exchange) {
		if strings.Contains(x.query("filter"), "+") {
			x.with("filter", strings.ReplaceAll(x.query("filter"), "+", " "))
		}
	}),
	"remove-absent-refused": stateless(func(x *exchange) {
		if !x.is(http.MethodPatch, "Groups") {
			return
		}
		now := ids(x.read(x.path)["members"])
		for _, o := range x.operations() {
			gone := func(id string) bool { return !slices.Contains(now, id) }
			if strings.EqualFold(word(o, "op"), "remove") && strings.EqualFold(word(o, "path"), "members") && slices.ContainsFunc(ids(field(o, "value")), gone) {
				x.refuse(http.StatusBadRequest, "noTarget", "the member is not there")
				return
			}
		}
	}),
	"empty-removal-empties": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			list, ok := field(o, "value").([]any)
			if ok && len(ids(list)) == 0 && x.endpoint() == "Groups" && strings.EqualFold(word(o, "op"), "remove") && strings.EqualFold(word(o, "path"), "members") {
				drop(o, "value")
				x.sends()
			}
		}
	}),
	"remove-by-path": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			if x.endpoint() == "Groups" && strings.HasPrefix(strings.ToLower(word(o, "path")), "members[") && field(o, "value") == nil {
				x.refuse(http.StatusBadRequest, "invalidPath", "the path is not understood")
			}
		}
	}),
	"remove-by-path-and-value": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			if x.endpoint() == "Groups" && strings.HasPrefix(strings.ToLower(word(o, "path")), "members[") && field(o, "value") != nil {
				x.refuse(http.StatusBadRequest, "invalidPath", "the path is not understood")
			}
		}
	}),
	"remove-all-refused": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			if x.endpoint() == "Groups" && strings.EqualFold(word(o, "op"), "remove") && strings.EqualFold(word(o, "path"), "members") && field(o, "value") == nil {
				x.refuse(http.StatusBadRequest, "noTarget", "a value is missing")
			}
		}
	}),
	"manager-object-refused": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			_, ok := field(o, "value").(object)
			if ok && strings.EqualFold(word(o, "path"), enterprise+":manager") {
				x.refuse(http.StatusBadRequest, "invalidValue", "the manager is a string")
			}
		}
	}),
	"manager-not-cleared": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			path := strings.ToLower(word(o, "path"))
			if strings.HasPrefix(path, strings.ToLower(enterprise)+":manager") && (strings.EqualFold(word(o, "op"), "remove") || field(o, "value") == "") {
				x.status, x.header, x.out = http.StatusOK, http.Header{"Content-Type": {"application/scim+json"}}, x.read(x.path)
				x.answers()
			}
		}
	}),
	"nested-group-refused": stateless(func(x *exchange) {
		if x.endpoint() == "Groups" && slices.ContainsFunc(ids(members(x)), func(id string) bool { return x.read("/Groups/"+id) != nil }) {
			x.refuse(http.StatusBadRequest, "invalidValue", "a group cannot be a member")
		}
	}),
	"own-name-conflict": stateless(func(x *exchange) {
		if !x.is(http.MethodPatch, "Users") {
			return
		}
		own := word(x.read(x.path), "userName")
		for _, o := range x.operations() {
			if n, ok := field(o, "value").(string); ok && strings.EqualFold(word(o, "path"), "userName") && n != own && strings.EqualFold(n, own) {
				x.refuse(http.StatusConflict, "uniqueness", "the name is taken")
			}
		}
	}),
	"put-taken-name-accepted": stateless(func(x *exchange) {
		if !x.is(http.MethodPut, "Users") {
			return
		}
		x.pass()
		if x.status == http.StatusConflict {
			x.status, x.out = http.StatusOK, x.in
			x.answers()
		}
	}),
	"large-group-cut": stateless(func(x *exchange) {
		if !x.is(http.MethodGet, "Groups") {
			return
		}
		x.pass()
		if list, ok := x.out["members"].([]any); ok && len(list) > 100 {
			x.out["members"] = list[:100]
			x.answers()
		}
	}),
	"root-query": stateless(func(x *exchange) {
		if strings.Trim(x.path, "/") == "" && x.query("filter") != "" {
			x.refuse(http.StatusNotFound, "", "there is nothing here")
		}
	}),
	"membership-probe": stateless(func(x *exchange) {
		if x.is(http.MethodGet, "Groups") && strings.Contains(x.query("filter"), " and members") {
			x.refuse(http.StatusBadRequest, "invalidFilter", "the filter is not understood")
		}
	}),
	"manager-probe": stateless(func(x *exchange) {
		if x.is(http.MethodGet, "Users") && strings.Contains(x.query("filter"), " and manager") {
			x.refuse(http.StatusBadRequest, "invalidFilter", "the filter is not understood")
		}
	}),
}
