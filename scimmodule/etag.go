package scimmodule

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// matches tells whether a list of entity tags, as in If-Match and If-None-Match
// (RFC 9110 §13.1, RFC 7644 §3.14), names the version. Tags compare weakly, and
// one without quotes is understood.
func matches(list string, version uint64) bool {
	want := strings.TrimPrefix(store.FormatVersion(version), "W/")
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" {
			return true
		}
		tag = strings.TrimPrefix(strings.TrimPrefix(tag, "W/"), "w/")
		if tag == want || tag == strings.Trim(want, `"`) {
			return true
		}
	}
	return false
}

// precondition makes a check of an If-Match header; nil where there is none.
func precondition(header string) func(uint64) bool {
	if strings.TrimSpace(header) == "" {
		return nil
	}
	return func(version uint64) bool { return matches(header, version) }
}
