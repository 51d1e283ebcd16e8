package faulty

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// groups are faults with groups and their members.
var groups = map[Fault]func() plant{
	"remove-with-value-empties": stateless(func(x *exchange) {
		if x.endpoint() != "Groups" {
			return
		}
		for _, o := range x.operations() {
			if strings.EqualFold(word(o, "op"), "remove") && strings.EqualFold(word(o, "path"), "members") && len(ids(field(o, "value"))) > 0 {
				drop(o, "value")
				x.sends()
			}
		}
	}),
	"members-despite-exclusion": stateless(func(x *exchange) {
		keep := func(list []string) []string {
			return slices.DeleteFunc(list, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), "members") })
		}
		if v := x.query("excludedAttributes"); v != "" {
			x.with("excludedAttributes", strings.Join(keep(strings.Split(v, ",")), ","))
			if x.query("excludedAttributes") == "" {
				x.without("excludedAttributes")
			}
		}
		if list, ok := x.in["excludedAttributes"].([]any); ok {
			x.in["excludedAttributes"] = slices.DeleteFunc(list, func(v any) bool { return v == "members" })
			x.sends()
		}
	}),
	"lost-update": func() plant {
		var mu sync.Mutex
		busy := map[string]bool{}
		return func(x *exchange) {
			if !x.is(http.MethodPatch, "Groups") || !namesMembers(x) {
				return
			}
			mu.Lock()
			lost := busy[x.id()]
			busy[x.id()] = true
			mu.Unlock()
			if lost {
				// What came meanwhile is overwritten by the one under way.
				x.done()
				return
			}
			under := time.NewTimer(100 * time.Millisecond)
			defer under.Stop()
			select {
			case <-under.C:
			case <-x.r.Context().Done():
			}
			x.pass()
			mu.Lock()
			delete(busy, x.id())
			mu.Unlock()
		}
	},
	"members-absent-emptied": stateless(func(x *exchange) {
		if x.is(http.MethodPut, "Groups") && x.in != nil && field(x.in, "members") == nil {
			x.in["members"] = []any{}
			x.sends()
		}
	}),
	"duplicate-member-error": stateless(func(x *exchange) {
		if !x.is(http.MethodPatch, "Groups") {
			return
		}
		for _, o := range x.operations() {
			if !strings.EqualFold(word(o, "op"), "add") {
				continue
			}
			value := field(o, "value")
			if v, ok := value.(object); ok && word(o, "path") == "" {
				value = field(v, "members")
			} else if !strings.EqualFold(word(o, "path"), "members") {
				continue
			}
			now := ids(x.read(x.path)["members"])
			if slices.ContainsFunc(ids(value), func(id string) bool { return slices.Contains(now, id) }) {
				x.refuse(http.StatusConflict, "uniqueness", "the member is there already")
				return
			}
		}
	}),
	"group-patch-body": stateless(func(x *exchange) {
		if x.is(http.MethodPatch, "Groups") {
			x.pass()
			if o := x.read(x.path); x.status == http.StatusNoContent && o != nil {
				x.status, x.out = http.StatusOK, o
				x.header.Set("Content-Type", "application/scim+json")
				x.answers()
			}
		}
	}),
	"members-omitted": stateless(func(x *exchange) {
		x.pass()
		x.each(func(o object) {
			if len(ids(o["members"])) == 0 {
				delete(o, "members")
			}
		})
	}),
}

// ids returns the values of a list of members, an object, or strings.
func ids(v any) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case object:
		return ids(field(v, "value"))
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, ids(e)...)
		}
		return all
	}
	return nil
}

// namesMembers reports whether an operation is about members.
func namesMembers(x *exchange) bool {
	return slices.ContainsFunc(x.operations(), func(o object) bool {
		v, _ := field(o, "value").(object)
		return strings.HasPrefix(strings.ToLower(word(o, "path")), "members") || word(o, "path") == "" && field(v, "members") != nil
	})
}

// members returns what a request has as members.
func members(x *exchange) any {
	all, _ := field(x.in, "members").([]any)
	for _, o := range x.operations() {
		v, _ := field(o, "value").(object)
		switch path := strings.ToLower(word(o, "path")); {
		case path == "members":
			all = append(all, field(o, "value"))
		case path == "" && v != nil:
			all = append(all, field(v, "members"))
		}
	}
	return all
}
