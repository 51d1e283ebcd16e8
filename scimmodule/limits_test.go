package scimmodule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// Each limit on a body and a bulk request is met with its status (RFC 7644
// §3.7.4 for bulk) and carries its name, for the counters.
func TestLimitsAreNamed(t *testing.T) {
	t.Parallel()
	limits := Limits{Body: 300, Depth: 4, StringBytes: 20, BulkOperations: 2}.withDefaults()
	padded := `{"Operations":[]` + strings.Repeat(" ", 300) + `}`
	for _, c := range []struct {
		name     string
		body     io.Reader
		encoding string
		want     string // status and limit
	}{
		{"as large as may be", strings.NewReader(padded[:16] + strings.Repeat(" ", 283) + "}"), "", ""},
		{"a large body", strings.NewReader(padded), "", "413 body"},
		{"a large body of unknown length", io.MultiReader(strings.NewReader(padded)), "", "413 body"},
		{"a body that is large once it is unzipped", bytes.NewReader(zipped(t, padded)), "gzip", "413 body"},
		{"a body that breaks off", torn{strings.NewReader(`{`)}, "", "400 "},
		{"many operations", strings.NewReader(`{"Operations":[{},{},{}]}`), "", "413 bulk_operations"},
		{"depth", strings.NewReader(`{"Operations":[{"data":[[[]]]}]}`), "", "400 depth"},
		{"a long string", strings.NewReader(`{"Operations":[{"path":"` + strings.Repeat("x", 21) + `"}]}`), "", "400 string_bytes"},
		{"no limit", strings.NewReader(`{"Operations":{}}`), "", "400 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", c.body)
			r.Header.Set("Content-Encoding", c.encoding)
			x := &exchange{Service: &Service{limits: limits}, w: httptest.NewRecorder(), r: r}
			b, err := x.body()
			if err == nil {
				_, err = x.parseBulk(b)
			}
			got := ""
			var e *scimerr.Error
			if errors.As(err, &e) {
				got = fmt.Sprint(e.Status, " ", e.Limit)
			}
			if got != c.want {
				t.Errorf("got %q (%v), want %q", got, err, c.want)
			}
		})
	}
}
