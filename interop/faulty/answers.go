package faulty

import (
	"net/http"
	"strconv"
	"sync"
)

// answers are faults in how answers of all kinds are written.
var answers = map[Fault]func() plant{
	"no-match-404": stateless(func(x *exchange) {
		x.pass()
		if x.r.Method == http.MethodGet && x.query("filter") != "" && x.status == http.StatusOK && x.out["totalResults"] == 0.0 {
			x.refuse(http.StatusNotFound, "", "nothing matches")
		}
	}),
	"error-not-scim": stateless(func(x *exchange) {
		x.pass()
		if x.status >= 400 {
			x.header.Set("Content-Type", "text/html")
			x.body, x.out = []byte("<h1>"+http.StatusText(x.status)+"</h1>"), nil
		}
	}),
	"error-without-detail": stateless(func(x *exchange) {
		x.pass()
		if x.status >= 400 && x.out != nil {
			delete(x.out, "detail")
			x.answers()
		}
	}),
	"status-as-number": stateless(func(x *exchange) {
		x.pass()
		if s, ok := x.out["status"].(string); ok && x.status >= 400 {
			n, err := strconv.Atoi(s)
			if err != nil {
				panic(err) // RFC 7644 §3.12
			}
			x.out["status"] = n
			x.answers()
		}
	}),
	"no-www-authenticate": stateless(func(x *exchange) {
		x.pass()
		x.header.Del("WWW-Authenticate")
	}),
	"content-type": stateless(func(x *exchange) {
		x.pass()
		if len(x.body) > 0 {
			x.header.Set("Content-Type", "text/plain")
		}
	}),
	"numbers-as-strings": stateless(func(x *exchange) {
		x.pass()
		for _, name := range []string{"totalResults", "itemsPerPage", "startIndex"} {
			if n, ok := x.out[name].(float64); ok {
				x.out[name] = strconv.Itoa(int(n))
				x.answers()
			}
		}
	}),
	"location-missing": stateless(func(x *exchange) {
		x.pass()
		x.header.Del("Location")
		x.each(func(o object) {
			if m, ok := o["meta"].(object); ok {
				delete(m, "location")
			}
		})
	}),
	"conflict-without-scimtype": stateless(func(x *exchange) {
		x.pass()
		if x.status == http.StatusConflict {
			delete(x.out, "scimType")
			x.answers()
		}
	}),
	"conflict-not-409": stateless(func(x *exchange) {
		x.pass()
		if x.status == http.StatusConflict {
			x.refuse(http.StatusBadRequest, "uniqueness", "the name is taken")
		}
	}),
	"delete-twice-not-404": func() plant {
		var gone sync.Map
		return func(x *exchange) {
			if x.r.Method != http.MethodDelete {
				return
			}
			x.pass()
			if x.status == http.StatusNoContent {
				gone.Store(x.path, true)
			} else if _, ok := gone.Load(x.path); ok {
				x.done()
			}
		}
	},
}
