package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

const (
	// A chunk fits the time within which Caddy's admin API wants to have read a
	// request, on a slow line too.
	chunkLines = 2000
	chunkBytes = 512 << 10

	// retryFor is how long the import goes on trying while the server is away.
	retryFor   = time.Minute
	retryPause = time.Second
)

func (c *cli) importing() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "import <file> [--progress] [--json]",
		Short: "Imports tenants from an export",
		Long: `
Imports the tenants of an export, with everything of theirs. A tenant that is
there already is not touched, and ends the import: delete it first. Tokens keep
working; static tokens are in the configuration, and have to be there.

The import goes in chunks, and survives a restart of the server within a minute.
If it is interrupted, run the same command again: it goes on where it stopped.
A file of - is standard input.`,
		Example: `  caddy-scim scim import scim.ndjson
  zcat scim.ndjson.gz | caddy-scim scim import -`,
		Args: oneArg("the file to import, or - for standard input"),
	}, (*session).importFile)
	progressFlag(cmd)
	return cmd
}

func (s *session) importFile() error {
	in, closeFile, err := s.openImport()
	if err != nil {
		return err
	}
	defer closeFile()
	im := &importRun{s: s, in: in, progress: s.newProgress(), begun: s.now()}
	defer im.progress.end()
	answer, err := im.run()
	im.progress.end()
	switch {
	case s.ctx.Err() != nil && im.at.Next == 0:
		return errInterrupted
	case s.ctx.Err() != nil:
		return fmt.Errorf("interrupted at line %s of the import: the same command again goes on there", grouped(int64(im.at.Next)))
	case err != nil:
		return err
	}
	return s.answer(answer, func() error { return s.printf("The import is complete: %s.\n", counted(im.at.Next, "line")) })
}

// openImport opens the file and sees early whether it was cut off.
func (s *session) openImport() (in *lineSource, closeFile func(), err error) {
	if s.args[0] == "-" {
		return newLineSource(s.cmd.InOrStdin()), func() {}, nil
	}
	f, err := os.Open(s.args[0])
	if err != nil {
		return nil, nil, err
	}
	in = newLineSource(f)
	if err := in.measure(); err != nil {
		f.Close()
		return nil, nil, err
	}
	return in, func() { f.Close() }, nil
}

// importRun is an import under way.
type importRun struct {
	s        *session
	in       *lineSource
	header   string
	id       string
	at       admin.ImportPosition // as the server told last
	progress *progress
	begun    time.Time
	from     int       // the position in the beginning
	moved    time.Time // when the position last was another
}

// run imports, and returns the API's last answer.
func (im *importRun) run() (json.RawMessage, error) {
	header, err := im.in.next()
	if err != nil {
		return nil, err
	}
	h, err := transfer.ReadHeader(header)
	if err != nil {
		return nil, err
	}
	im.header, im.id = string(header), h.ID
	answer, err := im.begin()
	if err != nil {
		return nil, err
	}
	im.from, im.moved = im.at.Next, im.s.now()
	if im.from > 1 {
		im.progress.say("The import goes on at line %s.", grouped(int64(im.from)))
	}
	var lines []string // read, and not known to be in; they end where im.in is
	for !im.at.Done {
		lines, err = im.chunk(lines)
		if err != nil {
			return nil, err
		}
		before := im.at
		if answer, err = im.send(lines); err != nil {
			return nil, err
		}
		if im.at != before {
			im.moved = im.s.now()
		}
		im.tell()
	}
	return answer, nil
}

// chunk returns the lines from the server's position on, of which have were read
// before.
func (im *importRun) chunk(have []string) ([]string, error) {
	first := im.in.line - len(have)
	if im.at.Next >= first && im.at.Next < im.in.line {
		return have[im.at.Next-first:], nil // the rest of a chunk
	}
	if err := im.in.seek(im.at.Next); err != nil {
		return nil, err
	}
	var lines []string
	for size := 0; len(lines) < chunkLines; {
		line, err := im.in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if size += len(line) + 1; size > chunkBytes && len(lines) > 0 {
			im.in.unread(line)
			break
		}
		lines = append(lines, string(line))
	}
	if len(lines) == 0 {
		return nil, errors.New("the server waits for more lines than the file has: it is not the file with which the import began")
	}
	return lines, nil
}

// send hands a chunk over, and has the position in the end. While the server is
// away it asks for the position, until that has not moved for a minute.
func (im *importRun) send(lines []string) (json.RawMessage, error) {
	before := im.at
	answer, err := im.s.call(admin.PathImportChunk, admin.ImportChunk{ID: im.id, First: before.Next, Lines: lines}, &im.at)
	var r *refusal
	if errors.As(err, &r) && r.status == http.StatusConflict {
		var at admin.ImportPosition
		if json.Unmarshal(r.body, &at) == nil && (at.Next > 0 || at.Done) && at != before {
			im.at = at
			return r.body, nil
		}
	}
	if err == nil && im.at == before {
		return nil, errors.New("the server does not take the lines of the import: see its log")
	}
	if !passing(err) {
		return answer, err
	}
	im.progress.say("The server is away: trying again.")
	for passing(err) && im.s.now().Sub(im.moved) < retryFor && im.s.ctx.Err() == nil {
		im.s.wait(im.s.ctx, retryPause)
		answer, err = im.begin()
	}
	if err != nil {
		return nil, fmt.Errorf("the import stands at line %s, and the same command again goes on there: %w", grouped(int64(im.at.Next)), err)
	}
	return answer, nil
}

// passing tells whether an error may go away by waiting.
func passing(err error) bool {
	var away *unreachable
	var r *refusal
	return errors.As(err, &away) || errors.As(err, &r) && (r.status == http.StatusServiceUnavailable || r.status == http.StatusTooManyRequests)
}

// begin asks for the position, and begins the import where it is not.
func (im *importRun) begin() (json.RawMessage, error) {
	return im.s.call(admin.PathImportBegin, admin.ImportBegin{Header: im.header}, &im.at)
}

func (im *importRun) tell() {
	share := ""
	if im.in.size > 0 {
		share = fmt.Sprintf(", %d %%", 100*im.in.bytes/im.in.size)
	}
	im.progress.show("%s%s, %s", counted(im.at.Next, "line"), share, perSecond(im.at.Next-im.from, im.s.now().Sub(im.begun)))
}
