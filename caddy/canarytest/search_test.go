package canarytest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestSearch shows that the search finds a marker in whatever form it comes, and
// lets pass what may be there.
func TestSearch(t *testing.T) {
	t.Parallel()
	m := newMarkers()
	drop, number, kept, counted := m.new(dropped, "drop"), m.number("number"), m.new(final, "kept"), m.new(name, "name")
	for _, text := range []string{drop, strings.ToUpper(drop), "x" + drop + "y", m.text + "00", number.String()} {
		if len(m.hits([]byte("before "+text+" after"))) != 1 {
			t.Errorf("%s is not found", text)
		}
	}
	for shift := range 6 {
		text := strings.Repeat("x", shift) + drop + "xyz"
		for _, form := range []string{base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)), hex.EncodeToString([]byte(text))} {
			if _, found := m.disguised([]byte("before" + form)); !found {
				t.Errorf("%s is not found in %s", text, form)
			}
		}
	}
	if _, found := m.disguised([]byte("before" + drop)); found {
		t.Error("a plain marker is taken for an encoded one")
	}
	line := func(entry string) []byte { return fmt.Appendf(nil, "{\"msg\":\"other\"}\n"+entry+"\n", counted) }
	for entry, want := range map[string]bool{
		`{"logger":"scim","msg":"request","dropped":["%s"]}`:            true,
		`{"logger":"scim","msg":"request","dropped":["x"],"x":"%s"}`:    false,
		`{"logger":"scim","msg":"unexpected error","dropped":["%s"]}`:   false,
		`{"logger":"http.log.access","msg":"request","dropped":["%s"]}`: false,
		`request dropped %s`: false,
	} {
		if got := m.allowed(place{inLogs, "log", line(entry)}, 3); got != want {
			t.Errorf("%s: allowed %v, want %v", entry, got, want)
		}
	}
	for in, want := range map[where]bool{inStore: true, onWire: true, inLogs: false, inMetrics: false, inAdmin: false} {
		if got := m.allowed(place{in, "place", []byte(kept)}, 2); got != want {
			t.Errorf("kept in place %d: allowed %v, want %v", in, got, want)
		}
		if m.allowed(place{in, "place", []byte(drop)}, 0) {
			t.Errorf("dropped in place %d: allowed", in)
		}
	}
	if lost := m.missing([][]byte{[]byte(drop)}, dropped, final); fmt.Sprint(lost) != "[number kept]" {
		t.Errorf("missing: %q", lost)
	}
}
