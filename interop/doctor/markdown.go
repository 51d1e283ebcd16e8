package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report as a compatibility table; see [Markdown].
func (r *Report) Markdown(out io.Writer) error { return Markdown(out, r) }

// Markdown writes reports of the same server as one table for people who choose
// it: a row for each client, then for each situation, and a column for each
// report's allow list. Times, addresses and run ids are left out, so that equal
// results are equal text.
func Markdown(out io.Writer, reports ...*Report) error {
	w := &writer{w: out}
	head, rule := "| Client |", "| --- |"
	for _, r := range reports {
		head += fmt.Sprintf(" `allow %s` |", r.Allow)
		rule += " --- |"
	}
	w.line("%s\n%s", head, rule)
	for i, c := range reports[0].Clients {
		cells := []string{c.Name}
		for _, r := range reports {
			cells = append(cells, r.Clients[i].Counts.String())
		}
		w.row(cells)
	}
	for i, c := range reports[0].Clients {
		w.line("\n## %s\n\n%s\n%s", c.Name, strings.Replace(head, "Client", "Situation", 1), rule)
		for j, f := range c.Files {
			cells := []string{f.Title}
			for _, r := range reports {
				cells = append(cells, r.Clients[i].Files[j].cell())
			}
			w.row(cells)
		}
	}
	var titles []string
	for _, r := range reports {
		for _, f := range r.Findings {
			if line := fmt.Sprintf("* `%s`: %s %s", f.ID, f.Title, f.Consequence); !strings.Contains(strings.Join(titles, "\n"), "`"+f.ID+"`") {
				titles = append(titles, line)
			}
		}
	}
	if titles != nil {
		w.line("\n## Findings\n\n%s", strings.Join(titles, "\n"))
	}
	return w.err
}

func (f *FileReport) cell() string {
	switch {
	case f.Problem != nil:
		return fmt.Sprintf("%s (`%s`)", f.Outcome, f.Problem.Finding)
	case f.Reason != "":
		return fmt.Sprintf("%s: %s", f.Outcome, f.Reason)
	}
	return string(f.Outcome)
}

// cell keeps text within a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// row writes a row of a table.
func (w *writer) row(cells []string) {
	for i, c := range cells {
		cells[i] = cell(c)
	}
	w.line("| %s |", strings.Join(cells, " | "))
}
