package command

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

// lineSource gives an export's lines by their number.
type lineSource struct {
	raw   io.Reader
	lines *transfer.Reader
	kept  []byte // a line put back; nil for none
	line  int    // of the line that next returns
	bytes int64  // that were read
	size  int64  // in bytes; 0 where it is not known
}

func newLineSource(r io.Reader) *lineSource {
	return &lineSource{raw: r, lines: transfer.NewReader(r)}
}

// measure finds the size of a regular file, and refuses one without the last
// line of an export.
func (l *lineSource) measure() error {
	f, ok := l.raw.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	l.size = info.Size()
	end := make([]byte, min(l.size, 200))
	if _, err := f.ReadAt(end, l.size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	end = bytes.TrimSuffix(end, []byte("\n"))
	last := end[bytes.LastIndexByte(end, '\n')+1:]
	if !bytes.HasPrefix(last, []byte(`{"end":`)) {
		return transfer.ErrCutOff
	}
	return nil
}

// next returns the next line, valid until the next call; the errors are those of
// transfer.Reader.
func (l *lineSource) next() ([]byte, error) {
	line, err := l.kept, error(nil)
	if l.kept = nil; line == nil {
		line, err = l.lines.Next()
	}
	if err == nil {
		l.line++
		l.bytes += int64(len(line)) + 1
	}
	return line, err
}

// unread puts the line that was read last back.
func (l *lineSource) unread(line []byte) {
	l.kept = line
	l.line--
	l.bytes -= int64(len(line)) + 1
}

// seek goes to a line, back to the beginning where need be.
func (l *lineSource) seek(n int) error {
	if n < l.line {
		s, ok := l.raw.(io.Seeker)
		if !ok {
			return errAgain
		}
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return errAgain
		}
		*l = lineSource{raw: l.raw, lines: transfer.NewReader(l.raw), size: l.size}
	}
	for l.line < n {
		if _, err := l.next(); err != nil && !errors.Is(err, io.EOF) {
			return err
		} else if err != nil {
			return nil // chunk finds nothing
		}
	}
	return nil
}

// errAgain is for input that cannot be read twice.
var errAgain = errors.New("the server stands at an earlier line than before, and standard input cannot be read twice: run the same command again")
