package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// progressFlag adds --progress to a command that may take long.
func progressFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("progress", false, "Print progress to standard error, also where that is no terminal")
}

// progress prints how far something is, at most once a second: over and over on
// one line of a terminal, else a line each.
type progress struct {
	s     *session
	w     io.Writer // nil to print nothing
	line  bool      // rewrite the line
	last  time.Time
	width int // of the line on the terminal
}

func (s *session) newProgress() *progress {
	w := s.cmd.ErrOrStderr()
	p := &progress{s: s, line: s.terminal(w) && !s.is("progress"), last: s.now()}
	if p.line || s.is("progress") {
		p.w = w
	}
	return p
}

// show prints a line unless the last is less than a second old. That it cannot
// be printed does not matter.
func (p *progress) show(format string, args ...any) {
	if p.w == nil || p.s.now().Sub(p.last) < time.Second {
		return
	}
	p.last = p.s.now()
	text := cut(clean(fmt.Sprintf(format, args...)), lineWidth-1, false)
	if !p.line {
		_, _ = fmt.Fprintln(p.w, text)
		return
	}
	_, _ = fmt.Fprintf(p.w, "\r%s%s", text, strings.Repeat(" ", max(0, p.width-width(text))))
	p.width = width(text)
}

// say prints a line of its own, at once, where progress is printed at all.
func (p *progress) say(format string, args ...any) {
	p.end()
	if p.w != nil {
		_, _ = fmt.Fprintln(p.w, clean(fmt.Sprintf(format, args...)))
	}
}

// end clears the line.
func (p *progress) end() {
	if p.w != nil && p.line && p.width > 0 {
		_, _ = fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
	}
}
