package command

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

func (c *cli) export() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "export [--tenant <name>]… [-o <file>] [flags]",
		Short: "Exports tenants with everything of theirs as NDJSON",
		Long: `
Exports tenants as NDJSON: users, groups, memberships, the archive, settings, the
report, and the hashes of tokens, so that after an import no customer needs a new
one. It is a backup, and the way from one store to another: see scim import.

The export is personal data. A file is readable for its owner only. It is written
under its name with .part behind it, and renamed when it is whole; without -o the
export goes to standard output.

The server goes on serving meanwhile. A warning names the tenants that changed
while they were exported; pause those and export again for a file that is whole
for certain.`,
		Example: `  caddy-scim scim export -o scim.ndjson
  caddy-scim scim export --tenant acme --tenant globex -o two.ndjson
  caddy-scim scim export | gzip > scim.ndjson.gz`,
		Args: noArgs,
	}, (*session).exportTenants)
	f := cmd.Flags()
	f.StringArrayP("tenant", "t", nil, "Name of a tenant to export; without it, all are (repeatable)")
	f.StringP("output", "o", "", "File to write instead of standard output")
	f.Bool("force", false, "Replace the file if it is there already")
	progressFlag(cmd)
	return cmd
}

// exported tells about an export; it is printed with --json.
type exported struct {
	File    string   `json:"file"`
	Tenants int      `json:"tenants"`
	Lines   int      `json:"lines"`
	Bytes   int64    `json:"bytes"`
	Changed []string `json:"changed,omitempty"` // tenants that changed meanwhile
}

func (s *session) exportTenants() error {
	file := s.text("output")
	if file == "-" {
		file = ""
	}
	if s.is("force") && file == "" {
		return wrongUse("--force goes with -o; see %s --help", s.cmd.CommandPath())
	}
	if err := s.checkFree(file); err != nil {
		return err
	}
	body, err := s.stream(admin.PathExport, admin.ExportRequest{Tenants: s.words("tenant")})
	if err != nil {
		return err
	}
	defer body.Close()
	var sum exported
	if file == "" {
		sum, err = s.copyExport(s.out, body)
	} else {
		sum, err = s.exportFile(file, body)
	}
	if err != nil {
		return err
	}
	for _, name := range sum.Changed {
		s.cmd.PrintErrf("Warning: tenant %s changed during its export, so what the file has of it may not fit together: pause it and export again.\n", clean(name))
	}
	switch {
	case file == "":
		return nil
	case s.is("json"):
		return s.json(sum)
	}
	return s.printf("%s has %s in %s.\n", file, counted(sum.Tenants, "tenant"), counted(sum.Lines, "line"))
}

// checkFree refuses a file that is there already.
func (s *session) checkFree(file string) error {
	if file == "" || s.is("force") {
		return nil
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s is there already: give another name, or --force to replace it", file)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// exportFile writes the file under another name, which it renames at the end.
func (s *session) exportFile(file string, body io.Reader) (sum exported, err error) {
	part := file + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sum, err
	}
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sum, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part) // half an export is of no use, and personal data
		}
	}()
	sum, err = s.copyExport(f, body)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = s.checkFree(file)
	}
	if err == nil {
		err = os.Rename(part, file)
	}
	sum.File = file
	return sum, err
}

var tenantEnd = []byte(`{"tenant_end":`)

// copyExport copies an export line by line, and sees that it is whole.
func (s *session) copyExport(w io.Writer, body io.Reader) (exported, error) {
	var sum exported
	p, begun := s.newProgress(), s.now()
	defer p.end()
	in, out := transfer.NewReader(body), bufio.NewWriterSize(w, 64<<10)
	for {
		line, err := in.Next()
		if errors.Is(err, io.EOF) {
			return sum, out.Flush()
		}
		if err != nil {
			return sum, s.exportError(err)
		}
		sum.Lines++
		sum.Bytes += int64(len(line)) + 1
		if bytes.HasPrefix(line, tenantEnd) {
			sum.Tenants++
			var l struct {
				End struct {
					Name    string `json:"name"`
					Changed bool   `json:"changed"`
				} `json:"tenant_end"`
			}
			if json.Unmarshal(line, &l) == nil && l.End.Changed {
				sum.Changed = append(sum.Changed, l.End.Name)
			}
		}
		if _, err := out.Write(line); err != nil {
			return sum, err
		}
		if err := out.WriteByte('\n'); err != nil {
			return sum, err
		}
		p.show("%s, %s, %s", counted(sum.Lines, "line"), megabytes(sum.Bytes), perSecond(sum.Lines, s.now().Sub(begun)))
	}
}

func (s *session) exportError(err error) error {
	var line *transfer.LineError
	switch {
	case s.ctx.Err() != nil:
		return errInterrupted
	case errors.Is(err, transfer.ErrCutOff):
		return errors.New("the server ended the export before its last line, so it is of no use: see the server's log, and try again")
	case errors.As(err, &line):
		return fmt.Errorf("the export is of no use: %w", err)
	}
	return fmt.Errorf("the server's answer broke off, so the export is of no use: %w", err)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// perSecond writes a rate of lines.
func perSecond(lines int, d time.Duration) string {
	if d < time.Millisecond {
		return "0 lines/s"
	}
	return strings.TrimSpace(grouped(int64(float64(lines)/d.Seconds()))) + " lines/s"
}
