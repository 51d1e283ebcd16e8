package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
	"github.com/caddy-scim/caddy-scim/interop/doctor"
)

// tokenVariable is the environment variable with the token of a SCIM server.
const tokenVariable = "SCIM_TOKEN"

func (c *cli) doctor() *cobra.Command {
	cmd := c.apart(&cobra.Command{
		Use:   "doctor <url> [--token-file <file>] [--client <name>]... [--read-only] [--json]",
		Short: "Tries a SCIM server with what real identity providers send",
		Long: `
Plays what real identity providers send against any SCIM server, this one or
another, and reports for each of them what works, and what does not: what was
sent, what came back, and what the identity provider would do with it. The URL is
the one that an identity provider is given, up to and without /Users.

The token is read from --token-file ('-' is standard input), from the environment
variable SCIM_TOKEN, or asked for at a terminal.

Users and groups are made under names that begin with "doctor-" and the run's id,
and are deleted again, also after Ctrl-C. Nothing else on the server is changed.
If the process is killed, --cleanup with the run's id removes what it left. A
caddy-scim server keeps deleted users in its archive until they are purged. Where
a server does not delete what was made, the run ends, unless --play-on is given.

The exit code is 0 when everything passed, if with a loss; 1 when something
failed, was left or was not reached; 2 when the command was used wrongly; and 3
when the server could not be reached or refused the token.`,
		Example: `  caddy-scim scim doctor https://scim.example.com/scim/v2 --token-file token.txt
  caddy-scim scim doctor https://scim.example.com/scim/v2 --client entra --read-only
  caddy-scim scim doctor https://scim.example.com/scim/v2 --cleanup k3x9q2ab
  caddy-scim scim doctor --list`,
		Args: atMostOneArg,
	}, (*session).doctor)
	f := cmd.Flags()
	f.String("token-file", "", "File with the token; '-' is standard input")
	f.StringArray("client", nil, "Play only this client; may be given several times")
	f.Bool("play-on", false, "Play on although what is made cannot be deleted, and stays")
	f.Bool("read-only", false, "Play only what changes nothing on the server")
	f.Bool("list", false, "List the clients and situations, and send nothing")
	f.Bool("dry-run", false, "Print what would be sent, and send nothing")
	f.String("cleanup", "", "Delete what the run of this id left, and play nothing")
	f.Bool("json", false, "Print the report as JSON, for scripts")
	f.String("junit", "", "Write the report to this file too, as JUnit's XML")
	f.Float64("rate", doctor.DefaultRate, "Requests per second at most")
	f.Int("max-requests", doctor.DefaultMaxRequests, "Requests at most")
	f.Duration("timeout", doctor.DefaultTimeout, "How long an answer may take")
	return cmd
}

// atMostOneArg refuses a second argument.
func atMostOneArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return noArgs(cmd, args[1:])
	}
	return nil
}

func (s *session) doctor() error {
	o := doctor.Options{Clients: s.words("client"), ReadOnly: s.is("read-only"), PlayOn: s.is("play-on"), Progress: lineWriter{s.cmd.ErrOrStderr()}}
	f := s.cmd.Flags()
	o.Rate, _ = f.GetFloat64("rate")
	o.MaxRequests, _ = f.GetInt("max-requests")
	o.Timeout, _ = f.GetDuration("timeout")
	if o.Rate <= 0 || o.MaxRequests <= 0 || o.Timeout <= 0 {
		return wrongUse("--rate, --max-requests and --timeout have to be above 0")
	}
	if len(s.args) > 0 {
		o.BaseURL = s.args[0]
	}
	var err error
	if o.Corpus, err = corpus.Embedded(); err != nil {
		return err
	}
	switch {
	case s.is("list"):
		return s.listCorpus(o)
	case s.is("dry-run"):
		return s.planDoctor(o)
	case o.BaseURL == "":
		return wrongUse("give the URL of the server; see %s --help", s.cmd.CommandPath())
	case s.given("cleanup") && s.text("cleanup") == "":
		return wrongUse("--cleanup wants the id of a run, which the run printed at its start")
	}
	if o.Token, err = s.secret(); err != nil {
		return err
	}
	if s.given("cleanup") {
		o.RunID = s.text("cleanup")
		return s.cleanDoctor(o)
	}
	return s.runDoctor(o)
}

func (s *session) runDoctor(o doctor.Options) error {
	r, err := doctor.Run(s.ctx, o)
	if err != nil {
		return s.doctorError(err)
	}
	if s.is("json") {
		err = s.json(r)
	} else {
		err = s.cleanly(r.Text)
	}
	if file := s.text("junit"); file != "" && err == nil {
		err = writeJUnit(file, r)
	}
	switch {
	case err != nil:
		return err
	case len(r.Leftovers) > 0:
		return fmt.Errorf("%s could not be deleted: try --cleanup %s", counted(len(r.Leftovers), "probe"), r.Run)
	case r.Interrupted:
		return errInterrupted
	case r.Counts.Failed > 0:
		return fmt.Errorf("%s failed", counted(r.Counts.Failed, "situation"))
	case r.Stopped != "":
		return fmt.Errorf("not everything was played: %s", r.Stopped)
	}
	return nil
}

func (s *session) cleanDoctor(o doctor.Options) error {
	c, err := doctor.Cleanup(s.ctx, o)
	if err != nil {
		return s.doctorError(err)
	}
	if s.is("json") {
		err = s.json(c)
	} else {
		err = s.cleanly(c.Text)
	}
	if err == nil && len(c.Leftovers) > 0 {
		err = fmt.Errorf("%s could not be deleted", counted(len(c.Leftovers), "probe"))
	}
	return err
}

// doctorError gives the doctor's errors their exit codes.
func (s *session) doctorError(err error) error {
	var used *doctor.UsageError
	var away *doctor.UnreachableError
	switch {
	case s.ctx.Err() != nil && !s.given("cleanup"):
		return errInterrupted // before anything was played
	case errors.As(err, &used):
		return wrongUse("%v", used)
	case errors.As(err, &away):
		return &awayError{away.Error()}
	}
	return err
}

func writeJUnit(file string, r *doctor.Report) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	return r.JUnit(f)
}

// cleanly prints text that has in it what a server sent.
func (s *session) cleanly(text func(io.Writer) error) error {
	var b strings.Builder
	if err := text(&b); err != nil {
		return err
	}
	_, err := io.WriteString(s.out, cleanLines(b.String()))
	return err
}

// lineWriter passes lines on without control characters.
type lineWriter struct{ w io.Writer }

func (l lineWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(l.w, cleanLines(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// listCorpus prints which situations of which clients there are.
func (s *session) listCorpus(o doctor.Options) error {
	files, err := o.Corpus.Of(o.Clients...)
	if err != nil {
		return wrongUse("%v", err)
	}
	type situation struct {
		Name   string   `json:"name"`
		Client string   `json:"client"`
		Title  string   `json:"title"`
		About  string   `json:"about,omitzero"`
		Source string   `json:"source"`
		Needs  []string `json:"needs,omitzero"`
		Steps  int      `json:"steps"`
		Writes bool     `json:"writes"`
	}
	list := []situation{}
	for _, f := range files {
		if !o.ReadOnly || !f.Writes() {
			list = append(list, situation{f.Name, f.Client, f.Title, f.About, f.Source, f.Needs, len(f.Steps), f.Writes()})
		}
	}
	if s.is("json") {
		return s.json(list)
	}
	for _, c := range o.Corpus.Clients {
		heading := false
		for _, f := range list {
			if f.Client != c.ID {
				continue
			}
			if !heading {
				if err := s.printf("%s (--client %s)\n", c.Name, c.ID); err != nil {
					return err
				}
				heading = true
			}
			if err := s.printf("  %s\n", f.Title); err != nil {
				return err
			}
		}
	}
	return nil
}

// planDoctor prints what would be sent.
func (s *session) planDoctor(o doctor.Options) error {
	plan, err := doctor.Plan(o)
	if err != nil {
		return s.doctorError(err)
	}
	if s.is("json") {
		return s.json(plan)
	}
	file := ""
	for _, step := range plan {
		if step.File != file {
			file = step.File
			if err := s.printf("# %s\n", file); err != nil {
				return err
			}
		}
		if err := s.printf("%s %s\n", step.Method, step.Target); err != nil {
			return err
		}
		if step.Body != "" {
			if _, err := fmt.Fprintf(s.out, "%s\n", cleanLines(step.Body)); err != nil {
				return err
			}
		}
	}
	return s.printf("\n%s; deleting what they make takes about as many again.\n", counted(len(plan), "request"))
}

// secret returns the token for a SCIM server: of a file, the environment or a
// terminal.
func (s *session) secret() (string, error) {
	if file := s.text("token-file"); file != "" {
		var text []byte
		var err error
		if file == "-" {
			text, err = io.ReadAll(io.LimitReader(s.cmd.InOrStdin(), maxToken))
		} else {
			text, err = os.ReadFile(file)
		}
		if err != nil {
			return "", fmt.Errorf("the token could not be read: %w", err)
		}
		token := strings.TrimSpace(string(text))
		if token == "" {
			if file == "-" {
				file = "standard input"
			}
			return "", wrongUse("there is no token in %s", file)
		}
		return token, nil
	}
	if token := strings.TrimSpace(os.Getenv(tokenVariable)); token != "" {
		return token, nil
	}
	if !s.terminal(s.cmd.InOrStdin()) {
		return "", wrongUse("give the token with --token-file, or in the environment variable %s", tokenVariable)
	}
	return s.askSecret()
}

// maxToken is how much is read of a token.
const maxToken = 64 << 10

// askSecret has a person type the token, which is not shown.
func (s *session) askSecret() (string, error) {
	in, errs := s.cmd.InOrStdin(), s.cmd.ErrOrStderr()
	if _, err := fmt.Fprint(errs, "Token (not shown while you type): "); err != nil {
		return "", err
	}
	type answer struct {
		text string
		err  error
	}
	typed := make(chan answer, 1)
	restore := func() {}
	f, isFile := in.(*os.File)
	if isFile {
		if state, err := term.GetState(int(f.Fd())); err == nil {
			restore = func() { _ = term.Restore(int(f.Fd()), state) }
		}
	}
	go func() {
		if isFile {
			text, err := term.ReadPassword(int(f.Fd()))
			typed <- answer{string(text), err}
			return
		}
		text, err := bufio.NewReader(in).ReadString('\n')
		typed <- answer{text, err}
	}()
	select {
	case <-s.ctx.Done():
		restore() // or the terminal would stay silent
		_, _ = fmt.Fprintln(errs)
		return "", errInterrupted
	case a := <-typed:
		_, _ = fmt.Fprintln(errs)
		token := strings.TrimSpace(a.text)
		if token == "" {
			return "", wrongUse("no token was typed")
		}
		return token, nil
	}
}
