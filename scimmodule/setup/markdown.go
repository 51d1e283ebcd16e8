package setup

import (
	"io"
	"strconv"
	"strings"
)

// Markdown writes the card as CommonMark with tables, with all that is not
// markup of its own escaped. An error is the writer's.
func (c Card) Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# " + escape(c.title()) + "\n\n")
	if c.Paused {
		b.WriteString("**Paused:** requests are answered with 503 until provisioning is resumed.\n\n")
	}
	address := escape(c.address())
	if c.URL != "" {
		address = code(c.URL)
	}
	b.WriteString("* **Tenant URL:** " + address + "\n* **Secret Token:** " + escape(c.Token) + "\n")
	for _, s := range c.sections() {
		b.WriteString(map[bool]string{false: "\n## ", true: "\n### "}[s.Sub] + escape(s.Title) + "\n\n")
		for _, p := range s.Text {
			b.WriteString(escape(p) + "\n\n")
		}
		for i, p := range s.Steps {
			b.WriteString(strconv.Itoa(i+1) + ". " + escape(p) + "\n")
		}
		for _, p := range s.Points {
			b.WriteString("* " + escape(p) + "\n")
		}
		if len(s.Kept) > 0 {
			b.WriteString("| of | attribute | |\n| --- | --- | --- |\n")
		}
		for _, a := range s.Kept {
			b.WriteString("| " + escape(a.ResourceType) + " | " + cell(a.Name) + " | " + escape(a.Remark()) + " |\n")
		}
		if len(s.Mappings) > 0 {
			b.WriteString("| | " + s.Provider + " | target | |\n| --- | --- | --- | --- |\n")
		}
		for _, m := range s.Mappings {
			b.WriteString("| " + escape(m.Action) + " | " + cell(m.Source) + " | " + cell(m.Target) + " | " + escape(m.Note) + " |\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `<`, `\<`, `>`, `\>`, `|`, `\|`, `#`, `\#`, `&`, `\&`, `~`, `\~`, `!`, `\!`)

// escape writes a text so that nothing in it is markup.
func escape(s string) string {
	// An address in running text would become a link.
	return strings.ReplaceAll(markdownEscapes.Replace(s), "://", `:\//`)
}

// code writes a text as a code span, whatever backticks it has.
func code(s string) string {
	fence, run := 1, 0
	for i := range len(s) {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		fence = max(fence, run+1)
	}
	marks := strings.Repeat("`", fence)
	if fence > 1 {
		return marks + " " + s + " " + marks
	}
	return marks + s + marks
}

// cell is code in a table cell, where a bar has to be escaped all the same.
func cell(s string) string { return strings.ReplaceAll(code(s), "|", `\|`) }
