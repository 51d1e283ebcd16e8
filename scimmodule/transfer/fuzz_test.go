package transfer

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecodeLine: what is read can be written, and is then read as the same; and
// what is refused is refused without its values.
func FuzzDecodeLine(f *testing.F) {
	for _, l := range good {
		f.Add([]byte(l))
	}
	f.Add([]byte(`{"kind":"user","id":"u1","created":"2024-01-01T00:00:00.000Z","modified":"0001-01-01T00:00:00.000Z","body":{"ID":"u1"}}`))
	f.Add([]byte(`{"members":null,"end":{"lines":-1},"Kind":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, problem := decodeLine(data)
		if problem != "" {
			if len(problem) > 150 || strings.Contains(problem, "\x00") {
				t.Fatalf("problem %q", problem)
			}
			return
		}
		b := appendLine(&l)
		again, problem := decodeLine(b)
		if problem != "" {
			t.Fatalf("%s is written as %s: %s", data, b, problem)
		}
		if c := appendLine(&again); !bytes.Equal(b, c) {
			t.Fatalf("written differently:\n%s", cmp.Diff(string(b), string(c)))
		}
	})
}

// appendLine writes a line as an export does.
func appendLine(l *line) []byte {
	switch {
	case l.Export != nil:
		return appendHeader(nil, l.Export)
	case l.Tenant != nil:
		return appendTenant(nil, l.Tenant)
	case l.Members != nil:
		return appendMembers(nil, l.Members)
	case l.Close != nil:
		return appendClose(nil, l.Close)
	case l.End != nil:
		return appendEnd(nil, l.End)
	}
	return append(appendRecord(nil, &l.recordLine), '\n')
}

// FuzzCanonical: the canonical form of a file is whole.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(strings.Join(good, "\n") + "\n"))
	f.Add([]byte(good[0] + "\n" + `{"end":{"lines":2}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var once, twice bytes.Buffer
		if Canonical(bytes.NewReader(data), &once) != nil {
			return
		}
		again := canonicalHeader(once.String())
		if err := Canonical(strings.NewReader(again), &twice); err != nil || once.String() != twice.String() {
			t.Fatalf("error %v:\n%s", err, cmp.Diff(once.String(), twice.String()))
		}
	})
}
