package faulty

import (
	"net/http"
	"strings"
)

// protocol are faults with discovery, versions, bulk requests and lists.
var protocol = map[Fault]func() plant{
	"etag-ignored":    stateless(func(x *exchange) { x.r.Header.Del("If-Match") }),
	"etag-none-match": stateless(func(x *exchange) { x.r.Header.Del("If-None-Match") }),
	"etag-missing": stateless(func(x *exchange) {
		x.pass()
		x.header.Del("ETag")
		x.each(func(o object) {
			if m, ok := o["meta"].(object); ok {
				delete(m, "version")
			}
		})
	}),
	"bulk-refused": stateless(func(x *exchange) {
		if x.endpoint() == "Bulk" {
			x.refuse(http.StatusNotImplemented, "", "there is no bulk")
		}
	}),
	"bulk-fail-on-errors": stateless(func(x *exchange) {
		if x.endpoint() == "Bulk" && x.in != nil {
			drop(x.in, "failOnErrors")
			x.sends()
		}
	}),
	"bulk-status-form": stateless(func(x *exchange) {
		x.pass()
		list, _ := x.out["Operations"].([]any)
		for _, v := range list {
			o, _ := v.(object)
			if s, ok := o["status"].(string); ok {
				o["status"] = object{"code": s}
				x.answers()
			}
		}
	}),
	"search-not-supported": stateless(func(x *exchange) {
		if strings.HasSuffix(x.path, "/.search") {
			x.refuse(http.StatusNotFound, "", "there is no search")
		}
	}),
	"me-error": stateless(func(x *exchange) {
		if x.endpoint() == "Me" {
			x.refuse(http.StatusInternalServerError, "", "there is nobody")
		}
	}),
	"unknown-path-not-404": stateless(func(x *exchange) {
		switch x.endpoint() {
		case "", "Users", "Groups", "Bulk", "Me", "Schemas", "ResourceTypes", "ServiceProviderConfig", ".search":
			return
		}
		x.pass()
		if x.status == http.StatusNotFound {
			x.status, x.header, x.body = http.StatusOK, http.Header{"Content-Type": {"text/html"}}, []byte("<h1>Welcome</h1>")
		}
	}),
	"base-query": stateless(func(x *exchange) {
		if strings.Trim(x.path, "/") == "" && x.query("filter") == "" {
			x.refuse(http.StatusNotFound, "", "there is nothing here")
		}
	}),
	"count-ignored":      stateless(func(x *exchange) { ignore(x, "count") }),
	"attributes-ignored": stateless(func(x *exchange) { ignore(x, "attributes") }),
	"sorting":            stateless(func(x *exchange) { ignore(x, "sortBy") }),
	"meta-missing": stateless(func(x *exchange) {
		x.pass()
		x.each(func(o object) {
			if m, ok := o["meta"].(object); ok {
				delete(m, "resourceType")
			}
		})
	}),
	"discovery-of-one-missing": stateless(func(x *exchange) {
		if (x.endpoint() == "Schemas" || x.endpoint() == "ResourceTypes") && x.id() != "" {
			x.refuse(http.StatusNotFound, "", "there is nothing here")
		}
	}),
	"userName-case": stateless(func(x *exchange) {
		x.pass()
		_, want, ok := strings.Cut(x.query("filter"), `userName eq "`)
		list, _ := x.out["Resources"].([]any)
		if !ok || len(list) != 1 {
			return
		}
		o, _ := list[0].(object)
		got := word(x.read("/Users/"+word(o, "id")), "userName")
		if want, _, _ = strings.Cut(want, `"`); strings.EqualFold(got, want) && got != want {
			x.out["totalResults"], x.out["Resources"] = 0, []any{}
			x.answers()
		}
	}),
	"stray-query": stateless(func(x *exchange) {
		if strings.HasSuffix(x.r.URL.RawQuery, "&") || x.r.URL.ForceQuery {
			x.refuse(http.StatusBadRequest, "invalidValue", "the query cannot be read")
		}
	}),
	"unknown-id-not-404": stateless(func(x *exchange) {
		x.pass()
		if x.status == http.StatusNotFound && (x.endpoint() == "Users" || x.endpoint() == "Groups") {
			x.refuse(http.StatusInternalServerError, "", "nothing was found")
		}
	}),
	"group-name-case": stateless(func(x *exchange) {
		x.pass()
		_, want, ok := strings.Cut(x.query("filter"), `displayName eq "`)
		list, _ := x.out["Resources"].([]any)
		if !ok || len(list) != 1 || x.endpoint() != "Groups" {
			return
		}
		o, _ := list[0].(object)
		got := word(x.read("/Groups/"+word(o, "id")), "displayName")
		if want, _, _ = strings.Cut(want, `"`); strings.EqualFold(got, want) && got != want {
			x.out["totalResults"], x.out["Resources"] = 0, []any{}
			x.answers()
		}
	}),
}

// ignore takes a parameter out of a list's query.
func ignore(x *exchange, name string) {
	if x.r.Method == http.MethodGet && x.r.URL.Query().Has(name) {
		x.without(name)
	}
}
