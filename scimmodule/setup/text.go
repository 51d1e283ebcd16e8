package setup

import (
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// columns is the width of the text form.
const columns = 80

// Text writes the card for a terminal, in lines of at most 80 characters. An
// error is the writer's.
func (c Card) Text(w io.Writer) error {
	var t textWriter
	t.heading(c.title(), "=")
	if c.Paused {
		t.paragraph("", "", "Paused: requests are answered with 503 until provisioning is resumed.")
		t.WriteByte('\n')
	}
	t.paragraph("Tenant URL    ", "              ", c.address())
	t.paragraph("Secret Token  ", "              ", c.Token)
	for _, s := range c.sections() {
		t.WriteByte('\n')
		t.heading(s.Title, map[bool]string{false: "-", true: ""}[s.Sub])
		for _, p := range s.Text {
			t.paragraph("", "", p)
			t.WriteByte('\n')
		}
		for i, p := range s.Steps {
			t.paragraph(strconv.Itoa(i+1)+". ", "   ", p)
		}
		for _, p := range s.Points {
			t.paragraph("* ", "  ", p)
		}
		for _, a := range s.Kept {
			t.kept(a)
		}
		for _, m := range s.Mappings {
			t.mapping(m)
		}
	}
	_, err := io.WriteString(w, t.String())
	return err
}

type textWriter struct{ strings.Builder }

func (t *textWriter) heading(title, underline string) {
	lines := wrap(title, columns)
	for _, l := range lines {
		t.WriteString(l + "\n")
	}
	if underline != "" {
		t.WriteString(strings.Repeat(underline, utf8.RuneCountInString(lines[0])) + "\n")
	}
	t.WriteByte('\n')
}

// paragraph writes a text behind first, and its further lines behind rest, which
// has to be as long.
func (t *textWriter) paragraph(first, rest, text string) {
	for _, l := range wrap(text, columns-len(first)) {
		t.WriteString(first + l + "\n")
		first = rest
	}
}

func (t *textWriter) kept(a Attribute) {
	head, text := a.ResourceType+strings.Repeat(" ", max(0, 7-len(a.ResourceType))), a.Name
	if e := a.Remark(); e != "" {
		text += " (" + e + ")"
	}
	t.paragraph(head, strings.Repeat(" ", len(head)), text)
}

// mapping writes source and target on a line if they fit, else on two.
func (t *textWriter) mapping(m Mapping) {
	head := m.Action + strings.Repeat(" ", max(1, 8-len(m.Action)))
	indent := strings.Repeat(" ", len(head))
	if line := m.Source + " -> " + m.Target; utf8.RuneCountInString(line) <= columns-len(head) {
		t.WriteString(head + line + "\n")
	} else {
		t.paragraph(head, indent, m.Source)
		t.paragraph("    -> ", "       ", m.Target)
	}
	if m.Note != "" {
		t.paragraph(indent, indent, "("+m.Note+")")
	}
}

// wrap breaks a text into lines of at most width characters: between words, and
// within a word that is longer than a line.
func wrap(text string, width int) []string {
	var lines []string
	line, length := "", 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		if length > 0 && length+1+n > width {
			lines = append(lines, line)
			line, length = "", 0
		}
		if length > 0 {
			line, length = line+" ", length+1
		}
		for n > width {
			cut := breakAt(word, width)
			lines = append(lines, word[:cut])
			word = word[cut:]
			n = utf8.RuneCountInString(word)
		}
		line, length = line+word, length+n
	}
	return append(lines, line)
}

// breakAt returns where to break a word that is longer than width characters:
// behind the last ":", "." or "/" of its second half, if there is one. The
// result is an offset in bytes.
func breakAt(word string, width int) int {
	end, n := len(word), 0
	for i := range word {
		if n == width {
			end = i
			break
		}
		n++
	}
	if i := strings.LastIndexAny(word[:end], ":./"); i >= end/2 {
		return i + 1
	}
	return end
}
