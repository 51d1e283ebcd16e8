package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is what the text fits, but for what was sent and came back.
const width = 80

// writer remembers the first error.
type writer struct {
	w   io.Writer
	err error
}

func (w *writer) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.w, format+"\n", args...)
	}
}

// para writes text broken at spaces, its first line behind label and the others
// as far in.
func (w *writer) para(label, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(label))
	line, empty := label, true
	for word := range strings.FieldsSeq(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			w.line("%s", line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	w.line("%s", line)
}

// Text writes the report for people: each client with what went wrong, and what
// that means.
func (r *Report) Text(out io.Writer) error {
	w := &writer{w: out}
	what := "a SCIM server"
	if r.Own {
		what = "caddy-scim, allow list " + r.Allow
	}
	w.line("%s (%s)", r.URL, what)
	w.line("Run %s, %d requests in %.1f s", r.Run, r.Requests, r.Seconds)
	w.line("")
	for _, c := range r.Clients {
		w.line("%-40s %s", c.Name, c.Counts)
	}
	w.line("%-40s %s", "Together", r.Counts)
	for _, c := range r.Clients {
		for i := range c.Files {
			r.textFile(w, &c, &c.Files[i])
		}
	}
	r.textEnd(w)
	return w.err
}

// String lists the counts that are not 0.
func (c Counts) String() string {
	var words []string
	for _, n := range []struct {
		n    int
		what Outcome
	}{{c.Passed, Passed}, {c.Failed, Failed}, {c.Degraded, Degraded}, {c.NotSupported, NotSupported}, {c.NotReached, NotReached}} {
		if n.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n.n, n.what))
		}
	}
	if words == nil {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

func (r *Report) textFile(w *writer, c *Client, f *FileReport) {
	if f.Problem == nil {
		return
	}
	found, p := r.finding(f.Problem.Finding), f.Problem
	w.line("")
	w.para(strings.ToUpper(string(f.Outcome))+"  ", c.Name+": "+f.Title)
	w.para("  Step:   ", p.Step)
	w.para("  Fault:  ", found.Title+" ["+found.ID+"]")
	w.para("  Means:  ", found.Consequence)
	for _, d := range p.Differences {
		w.para("  Saw:    ", d)
	}
	w.message("  Sent:   ", &p.Sent)
	if p.Received != nil {
		w.message("  Got:    ", p.Received)
	}
	w.para("  Source: ", f.Source+"; "+found.Source)
	if found.Config != "" {
		w.para("  Config: ", found.Config)
	}
	w.para("  File:   ", fmt.Sprintf("%s.txt, line %d", f.Name, p.Line))
}

func (w *writer) message(label string, m *Message) {
	w.line("%s%s", label, m.Line)
	indent := strings.Repeat(" ", len(label))
	for _, h := range m.Header {
		w.line("%s%s", indent, h)
	}
	if m.Body != "" {
		for l := range strings.SplitSeq(strings.TrimSpace(m.Body), "\n") {
			w.line("%s%s", indent, l)
		}
	}
}

func (r *Report) textEnd(w *writer) {
	reasons := map[string]int{}
	var order []string
	for _, c := range r.Clients {
		for _, f := range c.Files {
			if f.Reason == "" {
				continue
			}
			key := string(f.Outcome) + ": " + f.Reason
			if reasons[key] == 0 {
				order = append(order, key)
			}
			reasons[key]++
		}
	}
	if len(order) > 0 {
		w.line("")
	}
	for _, key := range order {
		w.para(fmt.Sprintf("%d ", reasons[key]), key+".")
	}
	for _, l := range r.Leftovers {
		w.line("")
		w.para("LEFT OVER  ", l.String())
	}
	if len(r.Leftovers) > 0 {
		w.para("", fmt.Sprintf("Try again with --cleanup %s, or delete these by hand.", r.Run))
	}
	if r.Archived {
		w.line("")
		w.para("", "The users that the doctor made are deleted, and stay in the tenant's archive until its retention ends or you purge them: \"scim archive list\" shows them, \"scim archive purge\" erases them. Their names begin with doctor-"+r.Run+"-.")
	}
}

func (l Leftover) String() string {
	what := strings.TrimSuffix(l.Endpoint, "s")
	if l.Name != "" {
		what += " " + l.Name
	}
	if l.ID != "" {
		what += " (id " + l.ID + ")"
	}
	return what + ": " + l.Reason + "."
}

// Text writes what a clean-up did.
func (c *Cleaned) Text(out io.Writer) error {
	w := &writer{w: out}
	w.line("Run %s: %d users and %d groups deleted.", c.Run, c.Users, c.Groups)
	for _, l := range c.Leftovers {
		w.para("LEFT OVER  ", l.String())
	}
	if c.Archived {
		w.para("", "The users stay in the tenant's archive until its retention ends or you purge them: \"scim archive list\" shows them, \"scim archive purge\" erases them.")
	}
	return w.err
}
