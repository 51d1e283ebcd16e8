package command

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// eachCommand calls f in a subtest with scim and every command below it.
func eachCommand(t *testing.T, f func(t *testing.T, cmd *cobra.Command)) {
	t.Helper()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		t.Run(strings.ReplaceAll(cmd.CommandPath(), " ", "-"), func(t *testing.T) { f(t, cmd) })
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRoot(newCLI()).Commands()[0])
}

func TestHelp(t *testing.T) {
	t.Parallel()
	n := 0
	eachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		n++
		o := run(t, invocation{args: append(strings.Fields(cmd.CommandPath())[1:], "--help")})
		if o.code != 0 || o.errOut != "" {
			t.Errorf("exit code %d, %s", o.code, o.errOut)
		}
		golden(t, "help/"+strings.ReplaceAll(cmd.CommandPath(), " ", "-"), o.out)
	})
	if n != 29 {
		t.Errorf("there are %d commands", n)
	}
}

// TestHelpTexts sees that whoever reads --help reads sentences.
func TestHelpTexts(t *testing.T) {
	t.Parallel()
	capital := func(s string) bool {
		r, _ := utf8.DecodeRuneInString(s)
		return unicode.IsUpper(r)
	}
	eachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if !capital(cmd.Short) || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("Short is not in Caddy's style: %q", cmd.Short)
		}
		long := strings.TrimSpace(cmd.Long)
		if !capital(long) || !strings.HasSuffix(long, ".") && !strings.HasSuffix(long, `?"`) {
			t.Errorf("Long has no sentences: %q", long)
		}
		for line := range strings.SplitSeq(long, "\n") {
			if width(line) > 84 {
				t.Errorf("a line of Long is too long: %q", line)
			}
		}
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			if !strings.Contains(line, cmd.CommandPath()) {
				t.Errorf("an example is not one of %s: %q", cmd.CommandPath(), line)
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !capital(f.Usage) || strings.HasSuffix(f.Usage, ".") || !strings.Contains(f.Usage, " ") {
				t.Errorf("--%s is not explained: %q", f.Name, f.Usage)
			}
		})
	})
}

func TestGroupsPrintHelp(t *testing.T) {
	t.Parallel()
	eachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if !cmd.HasSubCommands() {
			return
		}
		o := run(t, invocation{args: strings.Fields(cmd.CommandPath())[1:]})
		if o.code != 0 || !strings.Contains(o.out, "Available Commands:") {
			t.Errorf("exit code %d, %s%s", o.code, o.out, o.errOut)
		}
	})
}
