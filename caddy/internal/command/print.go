package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// errInterrupted ends a command that the operator interrupted.
var errInterrupted = errors.New("interrupted")

// answer prints what the API answered, or the same in words.
func (s *session) answer(raw json.RawMessage, words func() error) error {
	if s.is("json") {
		return s.json(raw)
	}
	return words()
}

// json prints v, which may be an answer as it came.
func (s *session) json(v any) error {
	raw, err := marshal(v)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(raw), "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, cleanJSON(b.String()))
	return err
}

// clean escapes what would move a terminal's cursor or hide other text.
func clean(s string) string { return escape(s, "", plainEscape) }

// cleanLines is clean for text of several lines.
func cleanLines(s string) string { return escape(s, "\n", plainEscape) }

// cleanJSON is clean without a change to what the JSON means: such characters are
// in strings only.
func cleanJSON(s string) string {
	return escape(s, "\n", func(r rune, _ string) string {
		if a, b := utf16.EncodeRune(r); a != utf8.RuneError {
			return fmt.Sprintf(`\u%04x\u%04x`, a, b)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

func plainEscape(r rune, raw string) string {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return fmt.Sprintf(`\x%02x`, raw[0])
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

func escape(s, except string, how func(r rune, raw string) string) string {
	var b strings.Builder
	for i, r := range s {
		size := utf8.RuneLen(r)
		broken := false
		if r == utf8.RuneError {
			_, size = utf8.DecodeRuneInString(s[i:])
			broken = size == 1
		}
		if !broken && (unicode.IsPrint(r) || strings.ContainsRune(except, r)) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(how(r, s[i:i+size]))
	}
	return b.String()
}

// moment writes a time for tables.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// momentOr is moment, or other where there was no such time.
func momentOr(t *time.Time, other string) string {
	if t == nil || t.IsZero() {
		return other
	}
	return moment(*t)
}
