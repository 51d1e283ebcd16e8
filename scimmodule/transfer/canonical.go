package transfer

import (
	"bufio"
	"errors"
	"io"
)

// Canonical checks an export and writes it without what differs between two
// exports of the same content: id and time of the export, versions, revisions
// and whether a tenant was written to meanwhile. Errors are those of Reader, a
// *LineError for a line that is damaged or out of order, and those of w.
func Canonical(r io.Reader, w io.Writer) error {
	in, out := NewReader(r), bufio.NewWriterSize(w, 64<<10)
	var c cursor
	var b []byte
	for n := 1; ; n++ {
		data, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return err
		}
		l, problem := decodeLine(data)
		if problem == "" {
			problem = c.advance(&l)
		}
		if problem != "" {
			return &LineError{Line: n, Reason: problem}
		}
		b = appendCanonical(b[:0], &l)
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
}

func appendCanonical(b []byte, l *line) []byte {
	switch {
	case l.Export != nil:
		return appendHeader(b, &headerLine{Format: l.Export.Format})
	case l.Tenant != nil:
		t := tenantLine{Name: l.Tenant.Name, Record: l.Tenant.Record}
		if t.Record != nil {
			t.Record.Version = 0
		}
		return appendTenant(b, &t)
	case l.Members != nil:
		return appendMembers(b, l.Members)
	case l.Close != nil:
		return appendClose(b, &closeLine{Name: l.Close.Name, Counts: l.Close.Counts})
	case l.End != nil:
		return appendEnd(b, l.End)
	}
	l.Version = 0
	return append(appendRecord(b, &l.recordLine), '\n')
}
