package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Reader reads an export line by line.
type Reader struct {
	scanner *bufio.Scanner
	lines   int
	ended   bool // the line that was read last is an export's last
	broken  bool // what was read last is no whole line
}

var endStart = []byte(`{"end":`)

// NewReader returns a reader that is at the first line.
func NewReader(r io.Reader) *Reader {
	d := &Reader{scanner: bufio.NewScanner(r)}
	d.scanner.Buffer(make([]byte, 0, 64<<10), MaxLine+1)
	d.scanner.Split(d.split)
	return d
}

// split is bufio.ScanLines but for what lacks its line feed: only the last line
// of an export may.
func (d *Reader) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if !atEOF || len(data) == 0 {
		return 0, nil, nil
	}
	d.broken = !bytes.HasPrefix(data, endStart) || !bytes.HasSuffix(data, []byte("}}"))
	return len(data), data, nil
}

// Next returns the next line without its line feed; it is valid until the next
// call. Errors: io.EOF behind the last line of an export, ErrCutOff where the
// file ends before it, *LineError for a line of more than MaxLine bytes or behind
// the last, and those of the file.
func (d *Reader) Next() ([]byte, error) {
	if !d.scanner.Scan() {
		err := d.scanner.Err()
		switch {
		case errors.Is(err, bufio.ErrTooLong):
			return nil, &LineError{Line: d.lines + 1, Reason: "it is longer than 2 MiB"}
		case err != nil:
			return nil, err
		case !d.ended:
			return nil, ErrCutOff
		}
		return nil, io.EOF
	}
	d.lines++
	switch {
	case d.broken && d.scanner.Err() != nil:
		return nil, d.scanner.Err()
	case d.broken:
		return nil, ErrCutOff
	case d.ended:
		return nil, &LineError{Line: d.lines, Reason: "it comes after the last line"}
	}
	data := d.scanner.Bytes()
	d.ended = bytes.HasPrefix(data, endStart)
	return data, nil
}
