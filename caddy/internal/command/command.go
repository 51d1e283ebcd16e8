package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// Scim returns the command `scim`, to be registered with Caddy.
func Scim() caddycmd.Command {
	return newCLI().scim()
}

// cli is what the commands share: the outside world, as far as tests replace it.
type cli struct {
	terminal func(stream any) bool // whether a person is at the stream
	now      func() time.Time
	wait     func(context.Context, time.Duration) // until a time has passed or the context ended
}

func newCLI() *cli {
	return &cli{terminal: isTerminal, now: time.Now, wait: wait}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null) // where cron and others have their commands read from
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (c *cli) scim() caddycmd.Command {
	return caddycmd.Command{
		Name:  "scim",
		Usage: "<command>",
		Short: "Manages the SCIM service of a running server",
		Long: `
Manages the SCIM service of a running server: its tenants and their tokens, what
is stored of their users and groups, the archive, the report of what arrives,
export and import. The doctor tries a SCIM server, this one or another, with what
real identity providers send.

The other commands go through the admin API of the running server at
'` + caddy.DefaultAdminListen + `'. If that is elsewhere, give --address, or --config to read
the address from your configuration.

Results are printed to standard output, errors and progress to standard error.
With --json a command prints the answer of the admin API, for scripts.

The exit code is 0 when the command did what was asked, 1 when it was refused or
failed or nothing was found, and 2 when it was used wrongly: an unknown command
or flag, an argument too many or too few, a value that cannot be read.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Example = `  caddy-scim scim tenant create acme
  caddy-scim scim token create --tenant acme --label "Entra, production"
  caddy-scim scim tenant show acme --setup`
			cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
				if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
					return fail(cmd, noCommand(cmd, args[0])) // whose flag it would be
				}
				return fail(cmd, wrongUse("%v; see %s --help", err, cmd.CommandPath()))
			})
			cmd.Use = "scim"
			group(cmd, c.tenant(), c.token(), c.user(), c.group(), c.archive(), c.report(), c.health(), c.export(), c.importing(), c.doctor(), c.simulate())
		},
	}
}

// group makes cmd a command that only has others below it.
func group(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.DisableFlagsInUseLine = true
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return fail(cmd, noCommand(cmd, args[0]))
	}
	cmd.AddCommand(children...)
	return cmd
}

func noCommand(cmd *cobra.Command, word string) error {
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return wrongUse("%s has no command %q: did you mean %q?", cmd.CommandPath(), word, near[0])
	}
	return wrongUse("%s has no command %q; see %[1]s --help", cmd.CommandPath(), word)
}

// command completes a command that asks the admin API: the common flags, and a
// run whose error is printed as one sentence and becomes the exit code.
func (c *cli) command(cmd *cobra.Command, run func(*session) error) *cobra.Command {
	cmd = c.apart(cmd, run)
	f := cmd.Flags()
	f.Bool("json", false, "Print the answer as JSON, for scripts")
	f.String("address", "", "Address of the administration API listener (if --config is not used)")
	f.StringP("config", "c", "", "Configuration file (if --address is not used)")
	f.StringP("adapter", "a", "", "Name of config adapter to apply (if --config is used)")
	return cmd
}

// apart is command for one that does not ask the admin API, and has its own flags.
func (c *cli) apart(cmd *cobra.Command, run func(*session) error) *cobra.Command {
	cmd.DisableFlagsInUseLine = true
	args := cmd.Args
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		defer stop()
		context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
		s := &session{cli: c, cmd: cmd, ctx: ctx, args: given, out: cmd.OutOrStdout()}
		err := args(cmd, given)
		if err == nil {
			err = run(s)
		}
		if err != nil {
			return fail(cmd, err)
		}
		return nil
	}
	return cmd
}

// usageError is a command used wrongly.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func wrongUse(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// awayError is a server, other than the one of the admin API, that cannot be
// asked.
type awayError struct{ text string }

func (e *awayError) Error() string { return e.text }

// Exit codes; see the help of scim, and of doctor.
const (
	exitUsage = 2
	exitAway  = 3
)

// fail prints an error, and returns one that makes Caddy exit with the code of
// it. Caddy's own wrapper would log it, as JSON where nobody is at a terminal.
func fail(cmd *cobra.Command, err error) error {
	cmd.SilenceErrors = true
	cmd.PrintErrln("Error:", clean(err.Error()))
	code := 0
	switch err.(type) { //nolint:errorlint // made here, and never wrapped
	case *usageError:
		code = exitUsage
	case *awayError:
		code = exitAway
	default:
		return err
	}
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(cmd, nil)
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUse("unexpected argument %q; see %s --help", args[0], cmd.CommandPath())
	}
	return nil
}

// oneArg demands one argument; what says which.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || args[0] == "":
			return wrongUse("give %s; see %s --help", what, cmd.CommandPath())
		case len(args) > 1:
			return noArgs(cmd, args[1:])
		}
		return nil
	}
}

// session is one run of a command.
type session struct {
	*cli
	cmd  *cobra.Command
	ctx  context.Context // ends when the operator interrupts
	args []string
	out  io.Writer
}

func (s *session) text(flag string) string {
	v, _ := s.cmd.Flags().GetString(flag)
	return v
}

func (s *session) is(flag string) bool {
	v, _ := s.cmd.Flags().GetBool(flag)
	return v
}

func (s *session) words(flag string) []string {
	v, _ := s.cmd.Flags().GetStringArray(flag)
	return v
}

func (s *session) given(flag string) bool { return s.cmd.Flags().Changed(flag) }

// required returns the value of a flag that may not be left out.
func (s *session) required(flag string) (string, error) {
	v := s.text(flag)
	if v == "" {
		return "", wrongUse("--%s is required; see %s --help", flag, s.cmd.CommandPath())
	}
	return v, nil
}

// tenantFlag adds --tenant to a command that works within one.
func tenantFlag(cmd *cobra.Command) {
	cmd.Flags().StringP("tenant", "t", "", "Name of the tenant (required)")
}

// printf prints for people; what comes from the server passes through clean.
func (s *session) printf(format string, args ...any) error {
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = clean(text)
		}
	}
	_, err := fmt.Fprintf(s.out, format, args...)
	return err
}

// notes prints sentences to be noticed, such as "Note: …".
func (s *session) notes(heading string, sentences []string) error {
	for _, n := range sentences {
		if err := s.printf("%s: %s\n", heading, n); err != nil {
			return err
		}
	}
	return nil
}

// counted returns a number with its noun: "1 user", "2 users".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(int64(n)) + " " + noun + "s"
}

// grouped writes a number with commas between thousands.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	var b strings.Builder
	for i, r := range text {
		if i > 0 && (len(text)-i)%3 == 0 && text[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}
