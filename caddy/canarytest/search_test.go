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
	for in, want := range map[where]bool{inStore: true, onWire: true, inRecords: true, inLogs: false, inMetrics: false, inAdmin: false, inReport: false, inSpans: false} {
		if got := m.allowed(place{in, "place", []byte(kept)}, 2); got != want {
			t.Errorf("kept in place %d: allowed %v, want %v", in, got, want)
		}
		if m.allowed(place{in, "place", []byte(drop)}, 0) {
			t.Errorf("dropped in place %d: allowed", in)
		}
	}
	// The entries of a report are known in all their forms, and nothing else is.
	record := func(name string) string {
		return fmt.Sprintf(`{"resource_type":"User","name":%q,"known":false,"kept":0,"dropped":12,"first":"2026-11-24T00:41:52.326Z","last":"2026-11-24T00:41:52.33Z"}`, name)
	}
	pretty := strings.NewReplacer("{", "{\n  ", ":\"", ": \"", ",", ",\n  ", "}", "\n}").Replace(record(counted))
	row := fmt.Sprintf("\nUser   %s *      0       12  2026-11-24  2026-11-24\n", counted)
	for _, c := range []struct {
		in         where
		file, text string
		want       bool // that the marker is in an entry
	}{
		{inStore, "dump.rdb", record(counted), true},
		{inRecords, "export", record("urn:example:" + counted + ":x y"), true},
		{inReport, "json", pretty, true},
		{inReport, "table", row, true},
		{inRecords, "table", row, false},
		{inStore, "dump.rdb", record(counted)[:80], false},
		{inStore, "scim.db", strings.Repeat("x", 4096-80) + record(counted)[:80] + "another page", true},
		{inStore, "scim.db", strings.Repeat("x", 4096) + record(counted)[30:] + `{"x":1}`, true},
		{inStore, "scim.db", strings.Repeat("x", 4000) + record(counted)[:80] + "{the same page", false},
		{inStore, "scim.db", `{"id":"` + counted + `"}`, false},
	} {
		rest, entries := withoutReport(place{c.in, c.file, []byte(c.text)})
		if in, out := len(m.hits(entries)) == 1, len(m.hits(rest)) == 1; in != c.want || out == c.want {
			t.Errorf("%s of %.100q: in an entry %v, besides %v, want %v", c.file, strings.TrimLeft(c.text, "x"), in, out, c.want)
		}
	}
	if lost := m.missing([][]byte{[]byte(drop)}, dropped, final); fmt.Sprint(lost) != "[number kept]" {
		t.Errorf("missing: %q", lost)
	}
}
