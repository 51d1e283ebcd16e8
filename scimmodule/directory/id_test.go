package directory

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

func object(t *testing.T, text string) *attr.Members {
	t.Helper()
	o, err := attr.DecodeObject([]byte(text), nil, attr.Limits{})
	if err != nil {
		t.Error(err)
	}
	return o
}

func TestValidID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"a": true, "7": true, "Z": true, "a.b_c~d@e+f:g-h": true, strings.Repeat("a", 128): true,
		"2819c223-7f76-453a-919d-413861904646": true, "ann@example.com": true, "urn:x:y": true,
		"": false, strings.Repeat("a", 129): false, ".search": false, "-a": false, "_a": false, "@a": false, ":a": false, "~a": false, "+a": false,
		"a b": false, "a/b": false, "a\\b": false, "a%41": false, "a\x00": false, "ä": false, "a?": false, "a#": false, "a\"": false, "a{b}": false, "a*": false,
		"bulkId": false, "bulkId:1": false, "xbulkId": false, "bulkid": true,
	} {
		if ValidID(id) != want {
			t.Errorf("%q: %t", id, !want)
		}
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	last := ""
	for i := range 5000 {
		id := newID(time.Now().Add(time.Duration(i%7) * time.Millisecond))
		if !ValidID(id) || len(id) != 26 || seen[id] {
			t.Fatalf("id %q", id)
		}
		if id <= last {
			t.Fatalf("%s comes after %s", last, id)
		}
		seen[id], last = true, id
	}
}
