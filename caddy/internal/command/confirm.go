package command

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
)

// errNotConfirmed refuses what somebody did not confirm.
var errNotConfirmed = errors.New("nothing was done: what was typed is something else")

// yesFlag adds --yes to a command that confirm guards.
func yesFlag(f interface {
	BoolP(string, string, bool, string) *bool
}) {
	f.BoolP("yes", "y", false, "Do not ask for confirmation, for scripts")
}

// confirm has the operator type a word before something is erased: question says
// what will happen. Scripts say --yes.
func (s *session) confirm(question, word string) error {
	if s.is("yes") {
		return nil
	}
	in, errs := s.cmd.InOrStdin(), s.cmd.ErrOrStderr()
	refuse := errors.New("nothing was done: nobody is at a terminal to confirm it; scripts confirm with --yes")
	if !s.terminal(in) {
		return refuse
	}
	_, err := fmt.Fprintf(errs, "%s\nType %s to confirm: ", cleanLines(question), clean(word))
	if err != nil {
		return err
	}
	type answer struct {
		text string
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		typed <- answer{text, err}
	}()
	select {
	case <-s.ctx.Done():
		return errInterrupted
	case a := <-typed:
		switch text := strings.TrimSpace(a.text); {
		case text == word:
			return nil
		case text == "" && a.err != nil:
			_, _ = fmt.Fprintln(errs) // nobody pressed Enter
			return refuse
		}
		return errNotConfirmed
	}
}
