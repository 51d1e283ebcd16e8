package command

import (
	"io"
	"slices"
	"strings"
	"unicode"
)

// lineWidth is what a terminal has at least.
const lineWidth = 80

// column is a column of a table.
type column struct {
	head string
	// min is the width below which the column is not cut to make the table fit;
	// 0 for a column that is never cut.
	min   int
	right bool // numbers
	tail  bool // what is cut away is the beginning, since the end tells more
}

// table prints rows under headings within lineWidth columns, longer values cut
// with an ellipsis.
type table struct {
	columns []column
	rows    []tableRow
	printed bool
	widths  []int
}

// tableRow is a row's cells, or a line of its own.
type tableRow struct {
	cells []string
	line  string
}

func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	t.rows = append(t.rows, tableRow{cells: cells})
}

// line adds an indented line that belongs to the row before.
func (t *table) line(text string) {
	t.rows = append(t.rows, tableRow{line: "  " + clean(text)})
}

// flush prints the rows so far; later ones follow under the same headings.
func (t *table) flush(w io.Writer) error {
	var b strings.Builder
	if !t.printed {
		t.layout()
		heads := make([]string, len(t.columns))
		for i, c := range t.columns {
			heads[i] = c.head
		}
		t.write(&b, heads)
		t.printed = true
	}
	for _, r := range t.rows {
		if r.cells == nil {
			b.WriteString(cut(r.line, lineWidth, false) + "\n")
			continue
		}
		t.write(&b, r.cells)
	}
	t.rows = nil
	_, err := io.WriteString(w, b.String())
	return err
}

// layout finds the columns' widths: as wide as their widest value, and where
// that is too wide, the widest of those that may be cut give way.
func (t *table) layout() {
	t.widths = make([]int, len(t.columns))
	total := 2 * (len(t.columns) - 1)
	for i, c := range t.columns {
		t.widths[i] = width(c.head)
		for _, r := range t.rows {
			if r.cells != nil {
				t.widths[i] = max(t.widths[i], width(r.cells[i]))
			}
		}
		total += t.widths[i]
	}
	for ; total > lineWidth; total-- {
		widest := -1
		for i, c := range t.columns {
			if c.min > 0 && t.widths[i] > max(c.min, width(c.head)) && (widest < 0 || t.widths[i] > t.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		t.widths[widest]--
	}
}

func (t *table) write(b *strings.Builder, cells []string) {
	var line strings.Builder
	for i, c := range t.columns {
		text := cells[i]
		if c.min > 0 {
			text = cut(text, t.widths[i], c.tail)
		}
		gap := strings.Repeat(" ", max(0, t.widths[i]-width(text)))
		if i > 0 {
			line.WriteString("  ")
		}
		if c.right {
			line.WriteString(gap + text)
		} else {
			line.WriteString(text + gap)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// cut shortens text to n columns: its end goes, or its beginning.
func cut(text string, n int, beginning bool) string {
	if width(text) <= n {
		return text
	}
	room := n - 1 // for the ellipsis
	if beginning {
		runes := []rune(text)
		i := len(runes)
		for ; i > 0 && room >= runeWidth(runes[i-1]); i-- {
			room -= runeWidth(runes[i-1])
		}
		return "…" + string(runes[i:])
	}
	for i, r := range text {
		if room -= runeWidth(r); room < 0 {
			return text[:i] + "…"
		}
	}
	return text
}

// width returns how many columns text takes on a terminal.
func width(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana),
		0x3000 <= r && r <= 0x303f, 0xff01 <= r && r <= 0xff60, 0x1f300 <= r && r <= 0x1faff:
		return 2
	}
	return 1
}

// fields prints a list of names and values, whose values begin in one column.
// An empty value is left out.
func fields(w io.Writer, pairs ...string) error {
	wide := 0
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			wide = max(wide, width(pair[0]))
		}
	}
	var b strings.Builder
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			name := pair[0] + strings.Repeat(" ", wide+2-width(pair[0]))
			b.WriteString(name + cut(clean(pair[1]), lineWidth-wide-2, false) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
