package scimmodule

import (
	"net/url"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// parameters reads a query string: split at "&" and at nothing else, each part
// unescaped once with "+" as a space. Empty and unknown parts are passed over;
// names are taken in any case. A part that cannot be unescaped is refused: a
// filter that is lost would answer everything.
func parameters(raw string) (url.Values, error) {
	v := url.Values{}
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, known := canonicalParameter[strings.ToLower(name)]
		if !known {
			continue
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			return nil, scimerr.BadRequest(scimerr.InvalidValue, "The query parameter %s is not correctly percent-encoded.", name)
		}
		if v.Has(name) {
			return nil, scimerr.BadRequest(scimerr.InvalidValue, "The query parameter %s is given twice.", name)
		}
		v.Set(name, value)
	}
	return v, nil
}

var canonicalParameter = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{"attributes", "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex", "count", "cursor"} {
		m[strings.ToLower(name)] = name
	}
	return m
}()
