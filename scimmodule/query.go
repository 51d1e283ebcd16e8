package scimmodule

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// queryURL answers a query whose parameters are in the URL (RFC 7644 §3.4.2).
func (x *exchange) queryURL(kinds ...store.Kind) error {
	x.operation = "query"
	v, err := parameters(x.r.URL.RawQuery)
	if err != nil {
		return err
	}
	q := directory.Query{Kinds: kinds, SortBy: v.Get("sortBy")}
	if q.Start, err = number("startIndex", v.Get("startIndex"), 1); err != nil {
		return err
	}
	if v.Get("count") != "" {
		n, err := number("count", v.Get("count"), 0)
		if err != nil {
			return err
		}
		q.Count = &n
	}
	if v.Has("cursor") {
		c := v.Get("cursor")
		q.Cursor = &c
	}
	return x.query(q, v.Get("filter"), v.Get("sortOrder"), names(v.Get("attributes")), names(v.Get("excludedAttributes")))
}

func number(name, value string, fallback int) (int, error) {
	if value == "" {
		return fallback, nil
	}
	n, ok := wholeNumber(value)
	if !ok {
		return 0, scimerr.BadRequest(scimerr.InvalidValue, "The query parameter %s has to be a whole number.", name)
	}
	return n, nil
}

// wholeNumber reads a number. One beyond what can be counted here is as large as
// can be, and paging clamps it.
func wholeNumber(text string) (n int, ok bool) {
	n, err := strconv.Atoi(text)
	return min(max(n, -math.MaxInt32), math.MaxInt32), err == nil || errors.Is(err, strconv.ErrRange)
}

// querySearch answers a query whose parameters are in the body (RFC 7644
// §3.4.3).
func (x *exchange) querySearch(kinds ...store.Kind) error {
	x.operation = "query"
	b, err := x.body()
	if err != nil {
		return err
	}
	o, err := attr.DecodeObject(b, searchGuide{}, x.limits.json())
	if err != nil {
		return err
	}
	q := directory.Query{Kinds: kinds, Start: 1}
	text := func(name string) string {
		v, _ := o.Get(name)
		if v.Kind() != attr.String && v.Kind() != attr.Null {
			err = scimerr.BadRequest(scimerr.InvalidValue, "The search parameter %s has to be a string.", name)
		}
		return v.Text()
	}
	list := func(name string) []string {
		v, _ := o.Get(name)
		if v.Kind() == attr.String {
			return names(v.Text())
		}
		var out []string
		for _, e := range v.List() {
			out = append(out, names(e.Text())...)
		}
		return out
	}
	integer := func(name string) (*int, bool) {
		v, ok := o.Get(name)
		if !ok || v.IsNull() {
			return nil, false
		}
		n, ok := wholeNumber(v.Text())
		if !ok {
			err = scimerr.BadRequest(scimerr.InvalidValue, "The search parameter %s has to be a whole number.", name)
		}
		return &n, true
	}
	if n, ok := integer("startIndex"); ok {
		q.Start = *n
	}
	q.Count, _ = integer("count")
	q.SortBy = text("sortBy")
	if v, ok := o.Get("cursor"); ok && !v.IsNull() {
		c := text("cursor")
		q.Cursor = &c
	}
	filter, order := text("filter"), text("sortOrder")
	if err != nil {
		return err
	}
	return x.query(q, filter, order, list("attributes"), list("excludedAttributes"))
}

// searchGuide keeps the members of a SearchRequest that are defined.
type searchGuide struct{}

func (searchGuide) Member(name string) (string, attr.Guide, attr.Action) {
	if as, known := canonicalParameter[strings.ToLower(name)]; known {
		return as, nil, attr.Keep
	}
	return "", nil, attr.Drop
}

// query runs a query and answers with a ListResponse (RFC 7644 §3.4.2).
func (x *exchange) query(q directory.Query, filter, order string, attributes, excluded []string) error {
	if err := checkNames(attributes, excluded); err != nil {
		return err
	}
	switch {
	case order == "", strings.EqualFold(order, "ascending"):
	case strings.EqualFold(order, "descending"):
		q.Descending = true
	default:
		return scimerr.BadRequest(scimerr.InvalidValue, "The parameter sortOrder has to be ascending or descending.")
	}
	if strings.TrimSpace(filter) != "" {
		e, err := x.limits.filter().Parse(filter)
		if err != nil {
			return err
		}
		q.Filter = e
	}
	q.Base = x.base
	a, err := x.dir.Query(x.r.Context(), q)
	if err != nil {
		return err
	}
	shown := map[store.Kind]projection{}
	for _, k := range q.Kinds {
		shown[k] = project(x.dir.View(k), attributes, excluded)
	}
	s := &stream{x: x, status: http.StatusOK}
	s.buf = append(s.buf, `{"schemas":["`+listResponseURN+`"],"totalResults":`...)
	s.buf = strconv.AppendInt(s.buf, int64(a.Total), 10)
	if q.Cursor == nil {
		s.buf = append(s.buf, `,"startIndex":`...)
		s.buf = strconv.AppendInt(s.buf, int64(a.Start), 10)
	} else if a.Next != "" {
		s.buf = append(s.buf, `,"nextCursor":`...)
		s.buf = attr.AppendString(s.buf, a.Next)
	}
	s.buf = append(s.buf, `,"itemsPerPage":`...)
	s.buf = strconv.AppendInt(s.buf, int64(len(a.Records)), 10)
	s.buf = append(s.buf, `,"Resources":[`...)
	for i, r := range a.Records {
		if i > 0 {
			s.buf = append(s.buf, ',')
		}
		if err := x.appendResource(s, r, shown[r.Kind]); err != nil {
			return err
		}
	}
	s.buf = append(s.buf, "]}"...)
	s.end()
	return nil
}
