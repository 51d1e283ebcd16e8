package command

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/interop/simulate"
)

func (c *cli) simulate() *cobra.Command {
	return group(&cobra.Command{
		Use:   "simulate",
		Short: "Plays an identity provider with a made-up company",
		Long: `
Plays an identity provider's provisioning with a made-up company, so that you see
a realistic stream of users, groups and changes on your own machine.`,
		Example: `  caddy-scim scim simulate entra --url http://localhost:8080/scim/v2
  caddy-scim scim simulate entra --url http://localhost:8080/scim/v2 --size 2000 --groups 50`,
	}, c.simulateEntra())
}

func (c *cli) simulateEntra() *cobra.Command {
	cmd := c.apart(&cobra.Command{
		Use:   "entra --url <url> [--token-file <file>] [--users <file> | --size <n> --groups <n>] [--json]",
		Short: "Runs provisioning cycles as Microsoft Entra ID does",
		Long: `
Runs an initial and some incremental provisioning cycles as Microsoft Entra ID
does, with joiners, movers, leavers and re-hires between them, so that you see a
realistic stream of changes on your own machine. At the end it reads everything
back and compares it with the company that it made up. The same seed makes the
same company and the same changes.

Use a tenant of its own: the people stay in it, so that you can look at them.
Whoever is there under a name of the company and was not made by this run is left
alone, and ends it: a second run takes another --seed, or an empty tenant.

--users takes a CSV file whose first line names its columns: userName, and
givenName, familyName, department, title, mobile, country and groups, which has
the names of groups with semicolons between. The people of later cycles are made
up in any case.

The token is read from --token-file ('-' is standard input), from the environment
variable SCIM_TOKEN, or asked for at a terminal.

The exit code is 0 when the server is as the company, 1 when it is not or a
request was refused, 2 when the command was used wrongly.`,
		Example: `  caddy-scim scim simulate entra --url http://localhost:8080/scim/v2 --token-file token.txt
  caddy-scim scim simulate entra --url http://localhost:8080/scim/v2 --size 2000 --groups 50 --rate 25
  caddy-scim scim simulate entra --url http://localhost:8080/scim/v2 --users users.csv --cycles 1`,
		Args: noArgs,
	}, (*session).simulateEntra)
	f := cmd.Flags()
	f.String("url", "", "Tenant URL of the server, up to and without /Users (required)")
	f.String("token-file", "", "File with the token; '-' is standard input")
	f.String("users", "", "CSV file with the users, instead of --size")
	f.Int("size", 100, "How many users are made up for the first cycle")
	f.Int("groups", 10, "How many groups are made up")
	f.Int("cycles", 5, "How many cycles run, the initial one included")
	f.Uint64("seed", 1, "Number that makes two runs alike")
	f.Int("rate", 25, "Requests per second at most; 0 for as many as can be")
	f.Duration("wait", 0, "Time between two cycles; Entra ID waits about 40m")
	f.Bool("flag", false, "Send PATCH as with the flag aadOptscim062020")
	f.Bool("json", false, "Print the report as JSON, for scripts")
	return cmd
}

func (s *session) simulateEntra() (err error) {
	f := s.cmd.Flags()
	o := simulate.Options{BaseURL: s.text("url"), Flag: s.is("flag")}
	o.Users, _ = f.GetInt("size")
	o.Groups, _ = f.GetInt("groups")
	o.Cycles, _ = f.GetInt("cycles")
	o.Seed, _ = f.GetUint64("seed")
	o.Rate, _ = f.GetInt("rate")
	o.Wait, _ = f.GetDuration("wait")
	switch {
	case o.BaseURL == "":
		return wrongUse("--url is required; see %s --help", s.cmd.CommandPath())
	case s.given("users") && (s.given("size") || s.given("groups")):
		return wrongUse("--users is given instead of --size and --groups")
	case o.Users < 1 || o.Groups < 0 || o.Cycles < 1 || o.Rate < 0 || o.Rate > 10_000 || o.Wait < 0:
		return wrongUse("--size and --cycles have to be at least 1, --groups, --rate and --wait not negative, --rate at most 10,000")
	}
	if file := s.text("users"); file != "" {
		in, err := os.Open(file)
		if err != nil {
			return err
		}
		defer in.Close()
		o.CSV = in
	}
	if o.Token, err = s.secret(); err != nil {
		return err
	}
	lines := lineWriter{s.cmd.ErrOrStderr()}
	o.Progress = func(line string) { _, _ = fmt.Fprintln(lines, line) } // progress that cannot be shown is no loss
	began := time.Now()
	r, err := simulate.Run(s.ctx, o)
	if err != nil && s.ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return errors.New(cleanLines(err.Error()))
	}
	if s.is("json") {
		err = s.json(r)
	} else {
		err = s.simulated(r, time.Since(began))
	}
	if err == nil && len(r.Differences) > 0 {
		err = fmt.Errorf("the server is not as the company: %s", counted(len(r.Differences), "difference"))
	}
	return err
}

func (s *session) simulated(r simulate.Report, took time.Duration) error {
	t := &table{columns: []column{
		{head: "CYCLE", right: true}, {head: "JOINERS", right: true}, {head: "MOVERS", right: true}, {head: "LEAVERS", right: true},
		{head: "DELETED", right: true}, {head: "RE-HIRED", right: true}, {head: "MEMBERSHIPS", right: true},
	}}
	for i, e := range r.Cycles {
		t.row(fmt.Sprint(i+1), fmt.Sprint(e.Joiners), fmt.Sprint(e.Movers), fmt.Sprint(e.Leavers), fmt.Sprint(e.Purged), fmt.Sprint(e.Rehired), fmt.Sprint(e.Regroup))
	}
	if err := t.flush(s.out); err != nil {
		return err
	}
	if err := s.printf("\n%s and %s, %s in %s.\n", counted(r.Users, "user"), counted(r.Groups, "group"), counted(r.Requests, "request"), took.Round(time.Second)); err != nil {
		return err
	}
	if len(r.Differences) > 0 {
		if err := s.printf("\nDifferences, at most 20; --json has all:\n"); err != nil {
			return err
		}
	}
	for _, d := range r.Differences[:min(len(r.Differences), 20)] {
		if err := s.printf("%s\n", cut(clean(d), lineWidth, false)); err != nil {
			return err
		}
	}
	return nil
}
