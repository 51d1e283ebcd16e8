package transfer

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// good is an export, every line of which is right.
var good = []string{
	`{"export":{"format":1,"id":"ABCDEFGHIJKLMNOPQRSTUVWXYZ","time":"2024-01-01T00:00:00.000Z"}}`,
	`{"tenant":{"name":"acme","revision":7,"record":{"kind":"tenant","id":"acme","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.001Z","version":1,"body":{}}}}`,
	`{"kind":"user","id":"u1","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.001Z","allow":"l","provisional":true,"version":1,"body":{"id":"u1","userName":"s3cr3t"}}`,
	`{"kind":"group","id":"g1","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.001Z","version":2,"body":{"id":"g1"}}`,
	`{"members":{"group":"g1","add":[{"id":"u1","kind":"user"},{"id":"u2","kind":"user"},{"id":"g1","kind":"group"}]}}`,
	`{"kind":"archived","id":"a1","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.001Z","archived_at":"2024-01-02T00:00:00.000Z","version":3,"body":{"id":"a1"}}`,
	`{"kind":"tombstone","id":"t1","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.001Z","version":4}`,
	`{"kind":"report","id":"acme","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.001Z","version":5,"body":{}}`,
	`{"kind":"token","id":"k1","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.001Z","version":6,"body":{"hash":"s3cr3t"}}`,
	`{"tenant_end":{"name":"acme","counts":{"users":1,"groups":1,"members":3,"archived":1,"tombstones":1,"reports":1,"tokens":1}}}`,
	`{"end":{"lines":11}}`,
}

const (
	header, tenantAt, userAt, groupAt, membersAt, archivedAt, tombstoneAt, reportAt, tokenAt, closeAt, endAt = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
)

func TestRefusedLines(t *testing.T) {
	t.Parallel()
	replace := func(line int, from, to string) func([]string) []string {
		return func(lines []string) []string {
			if !strings.Contains(lines[line], from) {
				panic(from)
			}
			lines[line] = strings.Replace(lines[line], from, to, 1)
			return lines
		}
	}
	swap := func(i, j int) func([]string) []string {
		return func(lines []string) []string { lines[i], lines[j] = lines[j], lines[i]; return lines }
	}
	insert := func(at int, line string) func([]string) []string {
		return func(lines []string) []string {
			return append(append(append([]string{}, lines[:at]...), line), lines[at:]...)
		}
	}
	drop := func(at int) func([]string) []string {
		return func(lines []string) []string { return append(lines[:at:at], lines[at+1:]...) }
	}
	const damaged = "it is damaged: it is not a line of an export of format 1"
	second := `{"tenant":{"name":"aaa"}}`
	tests := []struct {
		name   string
		change func([]string) []string
		line   int // counted from 1
		reason string
	}{
		{"no JSON", replace(userAt, `{`, `s3cr3t`), 3, damaged},
		{"no object", insert(2, `"s3cr3t"`), 3, damaged},
		{"empty line", insert(2, ``), 3, damaged},
		{"empty object", insert(2, `{}`), 3, damaged},
		{"cut off", replace(userAt, `"}}`, ``), 3, damaged},
		{"two values", insert(2, good[userAt]+good[userAt]), 3, damaged},
		{"unknown member", replace(userAt, `{`, `{"s3cr3t":1,`), 3, damaged},
		{"two kinds of lines", replace(membersAt, `{`, `{"id":"s3cr3t",`), 5, damaged},
		{"not UTF-8", replace(userAt, `s3cr3t`, "s3cr3t\xff"), 3, "it is damaged: it is not UTF-8"},
		{"too long", replace(userAt, `s3cr3t`, strings.Repeat("s3cr3t", MaxLine/6)), 3, "it is longer than 2 MiB"},
		{"no kind", replace(userAt, `"kind":"user",`, ``), 3, "its record has no kind"},
		{"unknown kind", replace(userAt, `"user"`, `"s3cr3t"`), 3, "its record is of a kind that is not exported"},
		{"kind of other lines", replace(userAt, `"user"`, `"sweep"`), 3, "its record is of a kind that is not exported"},
		{"tenant's record alone", insert(2, `{"kind":"tenant","id":"acme","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.001Z","body":{}}`), 3, "its record is of a kind that is not exported"},
		{"no id", replace(userAt, `"id":"u1"`, `"id":""`), 3, noID},
		{"bad id", replace(userAt, `"id":"u1"`, `"id":"s3cr3t/"`), 3, noID},
		{"other id in the body", replace(userAt, `{"id":"u1"`, `{"id":"s3cr3t"`), 3, "its body is that of another id"},
		{"no id in the body", replace(userAt, `{"id":"u1"`, `{"x":"s3cr3t"`), 3, "its body is that of another id"},
		{"body with meta", replace(userAt, `"userName"`, `"meta"`), 3, "its body is damaged"},
		{"no body", replace(userAt, `,"body":{"id":"u1","userName":"s3cr3t"}`, ``), 3, "its body is damaged"},
		{"body is no object", replace(userAt, `{"id":"u1","userName":"s3cr3t"}`, `["s3cr3t"]`), 3, "its body is damaged"},
		{"body is null", replace(userAt, `{"id":"u1","userName":"s3cr3t"}`, `null`), 3, "its body is damaged"},
		{"no time", replace(userAt, `"created":"2024-01-01T00:00:00.000Z",`, ``), 3, "its record has no time"},
		{"bad time", replace(userAt, `2024-01-01T00:00:00.001Z`, `s3cr3t`), 3, damaged},
		{"time with microseconds", replace(userAt, `00:00.001Z`, `00:00.001002Z`), 3, damaged},
		{"bad allow list", replace(userAt, `"allow":"l"`, `"allow":"s3cr3t "`), 3, "its record has a bad fingerprint of the allow list"},
		{"provisional group", replace(groupAt, `"version"`, `"provisional":true,"version"`), 4, "only a user can be provisional"},
		{"archived without a time", replace(archivedAt, `"archived_at":"2024-01-02T00:00:00.000Z",`, ``), 6, "archived users have a time of archiving, and nothing else has"},
		{"user with a time of archiving", replace(userAt, `"version"`, `"archived_at":"2024-01-02T00:00:00.000Z","version"`), 3, "archived users have a time of archiving, and nothing else has"},
		{"tombstone with a body", replace(tombstoneAt, `}`, `,"body":{"x":"s3cr3t"}}`), 7, "a tombstone has no body"},
		{"member of no kind", replace(membersAt, `"kind":"user"`, `"kind":"s3cr3t"`), 5, "one of its members is neither a user nor a group"},
		{"member of no id", replace(membersAt, `"id":"u2"`, `"id":"s3cr3t "`), 5, "one of its members is neither a user nor a group"},
		{"no members", insert(4, `{"members":{"group":"g1","add":[]}}`), 5, "it must have 1 to 1,000 members"},
		{"members of a bad id", replace(membersAt, `"g1"`, `""`), 5, noID},
		{"bad tenant", replace(tenantAt, `"acme"`, `"S3cr3t"`), 2, noTenant},
		{"bad tenant at the end", replace(closeAt, `"acme"`, `"_s3cr3t"`), 10, noTenant},
		{"record of another tenant", replace(tenantAt, `"id":"acme"`, `"id":"s3cr3t"`), 2, "its record is not the tenant's"},
		{"record of another kind", replace(tenantAt, `"kind":"tenant"`, `"kind":"token"`), 2, "its record is not the tenant's"},
		{"damaged record of the tenant", replace(tenantAt, `"body":{}`, `"body":7`), 2, "its body is damaged"},
		{"report of another tenant", replace(reportAt, `"acme"`, `"s3cr3t"`), 8, "its record is not the tenant's"},

		{"header again", insert(2, good[header]), 3, "the first line, and no other, is the header of the export"},
		{"record before the tenant", swap(tenantAt, userAt), 2, "it is out of order: a tenant's lines are between its first and its end"},
		{"tenant in a tenant", insert(2, second), 3, "it is out of order: a tenant's lines are between its first and its end"},
		{"tenants out of order", insert(10, second), 11, "it is out of order: tenants come by name"},
		{"tenant again", insert(10, good[tenantAt]), 11, "it is out of order: tenants come by name"},
		{"kinds out of order", swap(archivedAt, tombstoneAt), 7, "it is out of order: records come by kind and id, each once"},
		{"record again", insert(3, good[userAt]), 4, "it is out of order: records come by kind and id, each once"},
		{"members before the group", swap(groupAt, membersAt), 4, "it is out of order: members come behind their group"},
		{"members of another group", replace(membersAt, `"g1"`, `"g2"`), 5, "it is out of order: members come behind their group"},
		{"members again", insert(5, good[membersAt]), 6, "it is out of order: members come by kind and id, each once"},
		{"members out of order", replace(membersAt, `"u2"`, `"u0"`), 5, "it is out of order: members come by kind and id, each once"},
		{"line is missing", drop(userAt), 9, "lines of the tenant are missing: the counts at its end are others"},
		{"members are missing", drop(membersAt), 9, "lines of the tenant are missing: the counts at its end are others"},
		{"end of the tenant is missing", drop(closeAt), 10, "it is out of order: a tenant's lines are between its first and its end"},
		{"end of another tenant", replace(closeAt, `"acme"`, `"globex"`), 10, "lines of the tenant are missing: the counts at its end are others"},
		{"wrong count of lines", replace(endAt, `11`, `12`), 11, "the export has not as many lines as its end says"},
		{"line after the end", insert(11, good[endAt]), 12, "it comes after the last line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lines := tt.change(append([]string{}, good...))
			want := LineError{tt.line, tt.reason}
			check := func(what string, err error) {
				t.Helper()
				var bad *LineError
				if !errors.As(err, &bad) || *bad != want {
					t.Errorf("%s: error = %v, want %v", what, err, &want)
				} else if strings.Contains(strings.ToLower(err.Error()), "s3cr3t") {
					t.Errorf("%s: error %q tells a value", what, err)
				}
			}
			check("Canonical", Canonical(strings.NewReader(strings.Join(lines, "\n")+"\n"), io.Discard))

			to := newMem(t)
			before := dumpOf(t, to)
			raw := make([][]byte, len(lines))
			for i, l := range lines {
				raw[i] = []byte(l)
			}
			check("one chunk", importFrom(t.Context(), to, raw, always(len(raw))))
			if after := dumpOf(t, to); len(after["acme user"]) != len(before["acme user"]) {
				t.Errorf("a chunk with a bad line was applied in part")
			}
			if tt.line <= len(good) { // else it has ended before, and the reader says so
				check("chunks of a line", importFrom(t.Context(), newMem(t), raw, always(1)))
			}
		})
	}
}

func TestRefusedHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, header, want string }{
		{"other format", strings.Replace(good[header], `"format":1`, `"format":2`, 1), "line 1: the export has a format that this version does not know: use the version that wrote it, or a newer one"},
		{"no id", strings.Replace(good[header], `ABC`, `abc`, 1), "line 1: the export has no id"},
		{"other line", good[userAt], "line 1: it is not the first line of an export"},
		{"no line", "s3cr3t", "line 1: it is damaged: it is not a line of an export of format 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewImporter(newMem(t), testKeys).Begin(t.Context(), []byte(tt.header))
			if err == nil || err.Error() != tt.want {
				t.Errorf("error = %v, want %s", err, tt.want)
			}
		})
	}
}

// TestGood proves that the lines that the tests spoil are right, and that the
// canonical form leaves out only what it must.
func TestGood(t *testing.T) {
	t.Parallel()
	raw := make([][]byte, len(good))
	for i, l := range good {
		raw[i] = []byte(l)
	}
	s := newMem(t)
	if err := importFrom(t.Context(), s, raw, always(3)); err != nil {
		t.Fatal(err)
	}
	want := strings.Join(good, "\n") + "\n"
	for _, part := range []string{`,"id":"ABCDEFGHIJKLMNOPQRSTUVWXYZ","time":"2024-01-01T00:00:00.000Z"`, `,"revision":7`, `,"version":1`, `,"version":1`, `,"version":2`, `,"version":3`, `,"version":4`, `,"version":5`, `,"version":6`} {
		want = strings.Replace(want, part, "", 1)
	}
	for name, file := range map[string][]byte{"the file": []byte(strings.Join(good, "\n") + "\n"), "an export": export(t, s, "acme")} {
		if got := canonical(t, file); got != want {
			t.Errorf("canonical form of %s:\n%s\nwant:\n%s", name, got, want)
		}
	}
	// White space is nobody's loss.
	loose := strings.ReplaceAll(strings.Join(good, "\r\n"), `{"id":"u1"`, `{ "id" :  "u1"`)
	if got := canonical(t, []byte(loose)); got != want {
		t.Errorf("canonical form of a loose file:\n%s", got)
	}
}

func TestCutOff(t *testing.T) {
	t.Parallel()
	file := []byte(strings.Join(good, "\n") + "\n")
	for n := range len(file) - 1 {
		if err := Canonical(bytes.NewReader(file[:n]), io.Discard); !errors.Is(err, ErrCutOff) {
			t.Fatalf("cut off after %d bytes: error = %v", n, err)
		}
	}
	if err := Canonical(bytes.NewReader(file[:len(file)-1]), io.Discard); err != nil {
		t.Errorf("without the last line feed: %v", err)
	}
	broken := io.MultiReader(bytes.NewReader(file[:200]), failing{})
	if err := Canonical(broken, io.Discard); !errors.Is(err, errCrash) {
		t.Errorf("a reader that fails: error = %v", err)
	}
	long := append(append([]byte{}, file[:100]...), bytes.Repeat([]byte{'x'}, MaxLine+2)...)
	var bad *LineError
	if err := Canonical(bytes.NewReader(long), io.Discard); !errors.As(err, &bad) || bad.Line != 2 {
		t.Errorf("a very long line: error = %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCrash }
