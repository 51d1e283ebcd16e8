package faulty

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// lifecycle are faults with what is created, changed, deleted and comes back.
var lifecycle = map[Fault]func() plant{
	"restored-with-another-id": func() plant {
		var gone sync.Map // ids
		a, n := aliases{}, 0
		return func(x *exchange) {
			a.ask(x, func(id string) string {
				if _, ok := gone.Load(id); !ok {
					return ""
				}
				n++
				return fmt.Sprintf("again%021d", n)
			})
			if x.r.Method == http.MethodDelete && x.status == http.StatusNoContent {
				gone.Store(x.id(), true)
			}
		}
	},
	"created-inactive": stateless(func(x *exchange) {
		if x.is(http.MethodPost, "Users") && x.id() == "" && x.in != nil && !stringIs(field(x.in, "active"), "false") {
			drop(x.in, "active")
			x.in["active"] = false
			x.sends()
		}
	}),
	"created-active": stateless(func(x *exchange) {
		if x.is(http.MethodPost, "Users") && x.id() == "" && x.in != nil && stringIs(field(x.in, "active"), "false") {
			drop(x.in, "active")
			x.in["active"] = true
			x.sends()
		}
	}),
	"disable-without-effect": stateless(func(x *exchange) {
		for _, o := range x.operations() {
			v, _ := field(o, "value").(object)
			switch {
			case strings.EqualFold(word(o, "path"), "active") && stringIs(field(o, "value"), "false"):
				drop(o, "value")
				o["value"] = true
			case word(o, "path") == "" && stringIs(field(v, "active"), "false"):
				drop(v, "active")
				v["active"] = true
			default:
				continue
			}
			x.sends()
		}
		if x.is(http.MethodPut, "Users") && x.in != nil && stringIs(field(x.in, "active"), "false") {
			drop(x.in, "active")
			x.in["active"] = true
			x.sends()
		}
	}),
	"deleted-still-visible": func() plant {
		var gone sync.Map
		return func(x *exchange) {
			if x.r.Method == http.MethodDelete {
				o := x.read(x.path)
				x.pass()
				if x.status == http.StatusNoContent {
					gone.Store(x.path, o)
				}
				return
			}
			if x.endpoint() == "Groups" {
				// What a group makes of the deleted is another finding's.
				for _, id := range ids(members(x)) {
					gone.Delete("/Users/" + id)
				}
			}
			x.pass()
			if o, ok := gone.Load(x.path); ok && x.r.Method == http.MethodGet && x.status == http.StatusNotFound {
				x.status, x.out = http.StatusOK, o.(object)
				x.answers()
			}
		}
	},
	"delete-error": stateless(func(x *exchange) {
		if !x.is(http.MethodDelete, "Users") {
			return
		}
		q := url.Values{"filter": {enterprise + `:manager.value eq "` + x.id() + `"`}}
		_, _, people := x.ask(http.MethodGet, &url.URL{Path: Path + "/Users", RawQuery: q.Encode()}, nil)
		if decode(people)["totalResults"] != 0.0 {
			x.refuse(http.StatusInternalServerError, "", "foreign key constraint")
		}
	}),
	"delete-refused": stateless(func(x *exchange) {
		if x.is(http.MethodDelete, "Users") && x.read(x.path) != nil {
			x.refuse(http.StatusMethodNotAllowed, "", "users cannot be deleted")
		}
	}),
	"group-delete-refused": stateless(func(x *exchange) {
		if x.is(http.MethodDelete, "Groups") && x.read(x.path) != nil {
			x.refuse(http.StatusMethodNotAllowed, "", "groups cannot be deleted")
		}
	}),
	"put-not-supported": stateless(func(x *exchange) {
		if x.r.Method == http.MethodPut {
			x.refuse(http.StatusNotImplemented, "", "there is no PUT")
		}
	}),
	"put-merges": stateless(func(x *exchange) {
		if !x.is(http.MethodPut, "Users") || x.in == nil {
			return
		}
		for k, v := range x.read(x.path) {
			if field(x.in, k) == nil && k != "active" {
				x.in[k] = v
				x.sends()
			}
		}
	}),
	"put-answer-differs": stateless(func(x *exchange) { stale(x, http.MethodPut) }),
	"patch-answer-differs": stateless(func(x *exchange) {
		stale(x, http.MethodPatch)
	}),
	"put-creates": func() plant {
		var gone sync.Map
		return func(x *exchange) {
			if unknown(x, &gone, http.MethodPut) {
				x.serve(http.MethodPost, &url.URL{Path: Path + "/Users"}, x.raw)
			}
		}
	},
	"patch-creates": func() plant {
		var gone sync.Map
		return func(x *exchange) {
			if unknown(x, &gone, http.MethodPatch) {
				x.done()
			}
		}
	},
	"client-id-taken": func() plant {
		a := aliases{}
		return func(x *exchange) {
			want := ""
			if x.is(http.MethodPost, "Users") {
				want = word(x.in, "id")
			}
			a.ask(x, func(id string) string { return want })
		}
	},
	"duplicate-group-created": func() plant {
		// The second group is another one in the store.
		return func(x *exchange) {
			if !x.is(http.MethodPost, "Groups") || x.in == nil {
				return
			}
			x.pass()
			if x.status == http.StatusConflict {
				n := word(x.in, "displayName")
				drop(x.in, "displayName")
				x.in["displayName"] = n + " (2)"
				x.sends()
				x.again()
			}
		}
	},
	"externalId-conflict": stateless(func(x *exchange) {
		ext := word(x.in, "externalId")
		if !x.is(http.MethodPost, "Users") || ext == "" {
			return
		}
		q := url.Values{"filter": {`externalId eq "` + ext + `"`}}
		_, _, found := x.ask(http.MethodGet, &url.URL{Path: Path + "/Users", RawQuery: q.Encode()}, nil)
		list, _ := decode(found)["Resources"].([]any)
		for _, v := range list {
			if !strings.EqualFold(word(v.(object), "userName"), word(x.in, "userName")) {
				x.refuse(http.StatusConflict, "uniqueness", "the externalId is taken")
			}
		}
	}),
}

// stringIs reports whether a value is a boolean, or the string of one.
func stringIs(v any, flag string) bool {
	switch v := v.(type) {
	case bool:
		return v == (flag == "true")
	case string:
		return strings.EqualFold(v, flag)
	}
	return false
}

// stale answers a change of a user with what was before it, but for active.
func stale(x *exchange, method string) {
	if !x.is(method, "Users") {
		return
	}
	before := x.read(x.path)
	x.pass()
	if x.status == http.StatusOK && before != nil && x.r.Header.Get("If-Match") == "" {
		before["active"] = x.out["active"]
		x.out = before
		x.answers()
	}
}

// aliases are other ids for the service's own.
type aliases struct {
	mu  sync.Mutex
	ids [][2]string // the service's, the client's
}

func (a *aliases) swap(text []byte, from, to int) []byte {
	for _, p := range a.ids {
		text = bytes.ReplaceAll(text, []byte(p[from]), []byte(p[to]))
	}
	return text
}

// ask passes the request on, and gives what a POST answers with the id that
// alias says; empty leaves it.
func (a *aliases) ask(x *exchange, alias func(id string) string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x.raw = a.swap(x.raw, 1, 0)
	u := *x.r.URL
	u.Path, u.RawPath = string(a.swap([]byte(u.Path), 1, 0)), ""
	u.RawQuery = string(a.swap([]byte(u.RawQuery), 1, 0))
	x.r.URL, x.path = &u, strings.TrimPrefix(u.Path, Path)
	x.pass()
	if id := word(x.out, "id"); x.r.Method == http.MethodPost && x.status < 300 && id != "" {
		if to := alias(id); to != "" {
			for i, p := range a.ids {
				if p[0] == id {
					a.ids = append(a.ids[:i], a.ids[i+1:]...)
					break
				}
			}
			a.ids = append(a.ids, [2]string{id, to})
		}
	}
	x.body = a.swap(x.body, 0, 1)
	x.out = decode(x.body)
	for name, values := range x.header {
		for i, v := range values {
			x.header[name][i] = string(a.swap([]byte(v), 0, 1))
		}
	}
}

// unknown reports whether a request is for a user whom there has never been.
func unknown(x *exchange, gone *sync.Map, method string) bool {
	x.pass()
	if x.r.Method == http.MethodDelete {
		gone.Store(x.id(), true)
	}
	_, was := gone.Load(x.id())
	return x.is(method, "Users") && x.status == http.StatusNotFound && !was
}
