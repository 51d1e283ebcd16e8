package faulty

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// users are faults with what users are and become.
var users = map[Fault]func() plant{
	"conflict-after-delete": func() plant {
		var gone sync.Map
		return func(x *exchange) {
			switch {
			case x.r.Method == http.MethodDelete:
				o := x.read(x.path)
				x.pass()
				if x.status == http.StatusNoContent {
					gone.Store(x.endpoint()+strings.ToLower(word(o, name[x.endpoint()])), true)
				}
			case x.r.Method == http.MethodPost && x.in != nil && name[x.endpoint()] != "":
				if _, ok := gone.Load(x.endpoint() + strings.ToLower(word(x.in, name[x.endpoint()]))); ok {
					x.refuse(http.StatusConflict, "uniqueness", "the name is taken")
				}
			}
		}
	},
	"manager-as-string": stateless(func(x *exchange) {
		x.pass()
		x.each(func(o object) {
			e, _ := o[enterprise].(object)
			if m, ok := e["manager"].(object); ok {
				e["manager"] = m["value"]
			}
		})
	}),
	"inactive-hidden": stateless(func(x *exchange) {
		if x.r.Method != http.MethodGet || x.endpoint() != "Users" {
			return
		}
		x.pass()
		if x.out["active"] == false {
			x.refuse(http.StatusNotFound, "", "there is no such user")
			return
		}
		list, _ := x.out["Resources"].([]any)
		list = slices.DeleteFunc(list, func(e any) bool {
			o, ok := e.(object)
			if !ok || x.read("/Users/" + word(o, "id"))["active"] != false {
				return false
			}
			x.out["totalResults"] = x.out["totalResults"].(float64) - 1
			return true
		})
		if x.out["Resources"] != nil {
			x.out["Resources"] = list
			x.answers()
		}
	}),
	"null-stored": func() plant {
		var mu sync.Mutex
		nulls := map[string]map[string]bool{} // by id: attributes
		return func(x *exchange) {
			x.pass()
			mu.Lock()
			defer mu.Unlock()
			id := x.id()
			if id == "" {
				id = word(x.out, "id")
			}
			if x.status < 300 && x.in != nil && x.endpoint() == "Users" {
				values := []object{x.in}
				for _, o := range x.operations() {
					v, _ := field(o, "value").(object)
					if path := word(o, "path"); path != "" {
						v = object{path: field(o, "value")}
					}
					values = append(values, v)
				}
				if nulls[id] == nil {
					nulls[id] = map[string]bool{}
				}
				for _, o := range values {
					for k, v := range o {
						if v == nil && plain.MatchString(k) {
							nulls[id][k] = true
						}
					}
				}
			}
			x.each(func(o object) {
				for k := range nulls[word(o, "id")] {
					if field(o, k) == nil {
						o[k] = nil
					}
				}
			})
		}
	},
	"pathless-dotted-keys": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			v, ok := field(o, "value").(object)
			if word(o, "path") != "" || !ok {
				continue
			}
			for k := range v {
				if dotted.MatchString(k) {
					delete(v, k)
					x.sends()
				}
			}
		}
	}),
	"valuepath-not-created": stateless(func(x *exchange) {
		if !x.is(http.MethodPatch, "Users") {
			return
		}
		now := x.read(x.path)
		for _, o := range x.operations() {
			m := valuePath.FindStringSubmatch(word(o, "path"))
			if m == nil || strings.EqualFold(word(o, "op"), "remove") {
				continue
			}
			list, _ := field(now, m[1]).([]any)
			if !slices.ContainsFunc(list, func(e any) bool {
				o, _ := e.(object)
				return strings.EqualFold(fmt.Sprint(field(o, m[2])), m[3])
			}) {
				x.refuse(http.StatusBadRequest, "noTarget", "no element matches the path")
				return
			}
		}
	}),
}

// name is what has to be unique, by endpoint.
var name = map[string]string{"Users": "userName", "Groups": "displayName"}

var (
	plain     = regexp.MustCompile(`^[A-Za-z]+$`)
	dotted    = regexp.MustCompile(`^[A-Za-z]+\.[A-Za-z]+$`)
	valuePath = regexp.MustCompile(`^(\w+)\[(\w+) eq "?([^"\]]*)"?\]\.\w+$`)
)
