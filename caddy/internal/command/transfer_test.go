package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// exportID is the id of the tests' exports.
const exportID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// exportText is an export with n users.
func exportText(n int, changed bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"export":{"format":1,"id":"%s","time":"2026-11-24T12:00:00.000Z"}}`+"\n", exportID)
	b.WriteString(`{"tenant":{"name":"acme","revision":7}}` + "\n")
	for i := range n {
		fmt.Fprintf(&b, `{"kind":"user","id":"u%06d","body":{"userName":"user%d@example.com"}}`+"\n", i, i)
	}
	end := ""
	if changed {
		end = `,"changed":true`
	}
	fmt.Fprintf(&b, `{"tenant_end":{"name":"acme","counts":{"users":%d}%s}}`+"\n", n, end)
	fmt.Fprintf(&b, `{"end":{"lines":%d}}`+"\n", n+4)
	return b.String()
}

func TestExport(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		args     string
		before   map[string]string // files that are there already
		answer   string
		status   int
		file     string // what is in x.ndjson in the end; empty for none
		terminal bool
	}{
		{name: "stdout", args: "export|--tenant|acme|--tenant|globex", answer: exportText(2, false)},
		{name: "stdout-dash", args: "export|-o|-", answer: exportText(1, true)},
		{name: "file", args: "export|-o|x.ndjson", answer: exportText(3, false), file: exportText(3, false)},
		{name: "file-progress", args: "export|-o|x.ndjson|--progress", answer: exportText(3, false), file: exportText(3, false)},
		{name: "file-changed", args: "export|-o|x.ndjson", answer: exportText(3, true), file: exportText(3, true)},
		{name: "file-json", args: "export|-o|x.ndjson|--json", answer: exportText(3, true), file: exportText(3, true)},
		{name: "file-there", args: "export|-o|x.ndjson", before: map[string]string{"x.ndjson": "old"}, answer: exportText(3, false), file: "old"},
		{name: "file-force", args: "export|-o|x.ndjson|--force", before: map[string]string{"x.ndjson": "old", "x.ndjson.part": "older"}, answer: exportText(3, false), file: exportText(3, false)},
		{name: "force-alone", args: "export|--force"},
		{name: "cut-off", args: "export|-o|x.ndjson", answer: strings.Join(strings.SplitAfter(exportText(3, false), "\n")[:4], "")},
		{name: "cut-off-within", args: "export|-o|x.ndjson", answer: exportText(3, false)[:300]},
		{name: "cut-off-stdout", args: "export", answer: exportText(1, false)[:100]},
		{name: "refused", args: "export|--tenant|amce|-o|x.ndjson", answer: `{"error":"there is no such tenant"}`, status: http.StatusNotFound},
		{name: "no-directory", args: "export|-o|no/such/x.ndjson", answer: exportText(1, false)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range tc.before {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			f := newFakeAPI(t, map[string][]answer{admin.PathExport: {{tc.status, tc.answer}}})
			i := invocation{args: append([]string{"scim"}, strings.Split(tc.args, "|")...)}
			for n, a := range i.args {
				if strings.HasSuffix(a, ".ndjson") {
					i.args[n] = filepath.Join(dir, a)
				}
			}
			i.args = append(i.args, "--address", f.address())
			if tc.name == "file-progress" {
				i.tick = 300 * time.Millisecond
			}
			o := run(t, i)
			golden(t, "export-"+tc.name, strings.ReplaceAll(transcript(f, i, o), dir+"/", ""))
			file := filepath.Join(dir, "x.ndjson")
			got, err := os.ReadFile(file)
			if tc.file != string(got) || (err == nil) != (tc.file != "") {
				t.Errorf("the file has %q, %v", got, err)
			}
			if info, err := os.Stat(file); err == nil && tc.file != "old" && info.Mode().Perm() != 0o600 {
				t.Errorf("the file's mode is %o", info.Mode().Perm())
			}
			if _, err := os.Stat(file + ".part"); err == nil {
				t.Error("the part is left")
			}
		})
	}
}

// TestExportBreaksOff has the connection end within an answer.
func TestExportBreaksOff(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t, nil)
	f.handlers[admin.PathExport] = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, exportText(1, false)[:100])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	o := run(t, invocation{args: []string{"scim", "export", "--address", f.address()}})
	if o.code != 1 || !strings.Contains(o.errOut, "broke off") {
		t.Errorf("exit code %d, %q", o.code, o.errOut)
	}
}

func TestExportInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	f := newFakeAPI(t, nil)
	f.handlers[admin.PathExport] = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see the client go
		_, _ = io.WriteString(w, exportText(1, false)[:100])
		_ = http.NewResponseController(w).Flush()
		interrupt()
		<-r.Context().Done()
	}
	file := filepath.Join(t.TempDir(), "x")
	o := run(t, invocation{ctx: ctx, args: []string{"scim", "export", "-o", file, "--address", f.address()}})
	if o.code != 1 || o.errOut != "Error: interrupted\n" {
		t.Errorf("exit code %d, %q", o.code, o.errOut)
	}
	if left, _ := filepath.Glob(file + "*"); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// importer is the server's side of an import.
type importer struct {
	t  *testing.T
	mu sync.Mutex
	// lines are those taken, the header included.
	lines  []string
	done   bool
	chunks []int // how many lines each chunk had
	begun  int
	// before is asked before a chunk is taken: how many of its lines are, and the
	// answer in place of the usual one, 0 for that.
	before func(n int, c admin.ImportChunk) (take, status int)
	// refuseBegin answers a begin with a status; 0 for the usual answer.
	refuseBegin func(n int) int
}

func (m *importer) serve(f *fakeAPI) {
	f.handlers[admin.PathImportBegin] = func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		var in admin.ImportBegin
		m.decode(r, &in)
		m.begun++
		if m.refuseBegin != nil {
			if status := m.refuseBegin(m.begun); status != 0 {
				m.fail(w, status)
				return
			}
		}
		if len(m.lines) == 0 {
			m.lines = []string{in.Header}
		}
		m.position(w, http.StatusOK)
	}
	f.handlers[admin.PathImportChunk] = func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		var in admin.ImportChunk
		m.decode(r, &in)
		if in.ID != exportID {
			m.t.Errorf("a chunk of %q", in.ID)
		}
		m.chunks = append(m.chunks, len(in.Lines))
		take, status := len(in.Lines), 0
		if m.before != nil {
			take, status = m.before(len(m.chunks), in)
		}
		if in.First != len(m.lines) && status == 0 {
			m.position(w, http.StatusConflict)
			return
		}
		for _, l := range in.Lines[:take] {
			m.lines = append(m.lines, l)
			m.done = strings.HasPrefix(l, `{"end":`)
		}
		if status != 0 {
			m.fail(w, status)
			return
		}
		m.position(w, http.StatusOK)
	}
}

func (m *importer) decode(r *http.Request, to any) {
	if err := json.NewDecoder(r.Body).Decode(to); err != nil {
		m.t.Error(err)
	}
}

func (m *importer) position(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(admin.ImportPosition{Next: len(m.lines), Done: m.done})
}

// fail with status 1 ends the connection without an answer.
func (m *importer) fail(w http.ResponseWriter, status int) {
	if status == 1 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(admin.ErrorAnswer{Error: "the server says no"})
}

func TestImport(t *testing.T) {
	t.Parallel()
	const users = 4500
	text := exportText(users, false)
	once := func(n, status, take int) func(int, admin.ImportChunk) (int, int) {
		return func(k int, c admin.ImportChunk) (int, int) {
			if k == n {
				return min(take, len(c.Lines)), status
			}
			return len(c.Lines), 0
		}
	}
	for _, tc := range []struct {
		name   string
		args   string // behind import
		stdin  bool
		text   string
		server *importer
		chunks []int
		cut    bool // the server has not got everything
	}{
		{name: "file", chunks: []int{2000, 2000, 503}},
		{name: "stdin", stdin: true, chunks: []int{2000, 2000, 503}},
		{name: "json", args: "--json", chunks: []int{2000, 2000, 503}},
		{name: "progress", args: "--progress", chunks: []int{2000, 2000, 503}},
		{name: "resumed", args: "--progress", server: &importer{lines: strings.Split(text, "\n")[:4001]}, chunks: []int{503}},
		{name: "done-before", server: &importer{lines: strings.Split(strings.TrimSpace(text), "\n"), done: true}},
		{name: "restart", server: &importer{before: once(2, 1, 0)}, chunks: []int{2000, 2000, 2000, 503}},
		{name: "restart-stdin", stdin: true, server: &importer{before: once(2, 503, 0)}, chunks: []int{2000, 2000, 2000, 503}},
		{name: "half-a-chunk", server: &importer{before: once(2, 503, 700)}, chunks: []int{2000, 2000, 1300, 503}},
		{name: "answer-lost", server: &importer{before: once(2, 1, 2000)}, chunks: []int{2000, 2000, 503}},
		{name: "away-for-long", args: "--progress", server: &importer{before: once(2, 503, 0), refuseBegin: func(n int) int {
			if n > 1 {
				return 503
			}
			return 0
		}}, chunks: []int{2000, 2000}, cut: true},
		{name: "away-with-chunks", server: &importer{before: func(n int, c admin.ImportChunk) (int, int) {
			if n > 1 {
				return 0, 503
			}
			return len(c.Lines), 0
		}}, cut: true},
		{name: "refused-at-first", server: &importer{refuseBegin: func(int) int { return 503 }}, cut: true},
		{name: "damaged-line", server: &importer{before: once(2, 400, 10)}, chunks: []int{2000, 2000}, cut: true},
		{name: "stands-still", server: &importer{before: once(2, 200, 0)}, chunks: []int{2000, 2000}, cut: true},
		{name: "cut-off", text: text[:len(text)-20], cut: true},
		{name: "cut-off-stdin", stdin: true, text: strings.Join(strings.SplitAfter(text, "\n")[:3000], ""), chunks: []int{2000}, cut: true},
		{name: "no-export", stdin: true, text: "hello\n", cut: true},
		{name: "empty", text: "", stdin: true, cut: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.text == "" && tc.name != "empty" {
				tc.text = text
			}
			f := newFakeAPI(t, nil)
			if tc.server == nil {
				tc.server = &importer{}
			}
			tc.server.t = t
			tc.server.serve(f)
			i := invocation{args: []string{"scim", "import", "-", "--address", f.address()}, stdin: tc.text}
			file := filepath.Join(t.TempDir(), "x.ndjson")
			if !tc.stdin {
				if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
					t.Fatal(err)
				}
				i.args[2], i.stdin = file, ""
			}
			i.args = append(i.args, strings.Fields(tc.args)...)
			if tc.name == "progress" {
				i.tick = 600 * time.Millisecond
			}
			o := run(t, i)
			out := strings.ReplaceAll(transcript(f, i, o), file, "x.ndjson")
			golden(t, "import-"+tc.name, out)
			if tc.chunks != nil {
				if diff := cmp.Diff(tc.chunks, tc.server.chunks); diff != "" {
					t.Errorf("chunks (-want +got):\n%s", diff)
				}
			}
			got := strings.Join(tc.server.lines, "\n") + "\n"
			if tc.cut == (got == tc.text) {
				t.Errorf("the server has %d lines", len(tc.server.lines))
			}
		})
	}
}

// TestImportRewinds has the server lose what it had.
func TestImportRewinds(t *testing.T) {
	t.Parallel()
	text := exportText(4500, false)
	for _, stdin := range []bool{false, true} {
		t.Run(fmt.Sprint("stdin ", stdin), func(t *testing.T) {
			t.Parallel()
			m := &importer{t: t}
			m.before = func(n int, c admin.ImportChunk) (int, int) {
				if n == 2 {
					m.lines = nil // another store
					return 0, 1
				}
				return len(c.Lines), 0
			}
			f := newFakeAPI(t, nil)
			m.serve(f)
			i := invocation{args: []string{"scim", "import", "-", "--address", f.address()}, stdin: text}
			if !stdin {
				i.args[2] = filepath.Join(t.TempDir(), "x")
				if err := os.WriteFile(i.args[2], []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			} else {
				i.args[2] = "-"
			}
			o := run(t, invocation{args: i.args, stdin: i.stdin})
			whole := strings.Join(m.lines, "\n")+"\n" == text
			// The harness' standard input can seek, as a file does.
			if o.code != 0 || !whole {
				t.Errorf("exit code %d, %s%s; whole: %v", o.code, o.out, o.errOut, whole)
			}
		})
	}
}

func TestLineSourceCannotGoBackInAPipe(t *testing.T) {
	t.Parallel()
	l := newLineSource(io.MultiReader(strings.NewReader(exportText(3, false))))
	if err := l.seek(3); err != nil {
		t.Fatal(err)
	}
	if err := l.seek(1); !errors.Is(err, errAgain) {
		t.Errorf("%v", err)
	}
}

// TestImportChunksFit has lines so long that few fit.
func TestImportChunksFit(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(exportText(6, false), "\n")
	for n := range 6 {
		lines[2+n] = strings.Replace(lines[2+n], "example.com", strings.Repeat("x", 200<<10), 1)
	}
	lines[4] = strings.Replace(lines[4], "user", strings.Repeat("y", 700<<10), 1)
	text := strings.Join(lines, "")
	m := &importer{t: t}
	f := newFakeAPI(t, nil)
	m.serve(f)
	o := run(t, invocation{args: []string{"scim", "import", "-", "--address", f.address()}, stdin: text})
	if o.code != 0 || strings.Join(m.lines, "\n")+"\n" != text {
		t.Errorf("exit code %d, %s", o.code, o.errOut)
	}
	if diff := cmp.Diff([]int{3, 1, 2, 3}, m.chunks); diff != "" {
		t.Errorf("chunks (-want +got):\n%s", diff)
	}
}

func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	m := &importer{t: t}
	m.before = func(n int, c admin.ImportChunk) (int, int) {
		if n == 2 {
			interrupt()
			<-ctx.Done()
			return 0, 503
		}
		return len(c.Lines), 0
	}
	f := newFakeAPI(t, nil)
	m.serve(f)
	o := run(t, invocation{ctx: ctx, args: []string{"scim", "import", "-", "--address", f.address()}, stdin: exportText(4500, false)})
	want := "Error: interrupted at line 2,001 of the import: the same command again goes on there\n"
	if o.code != 1 || o.errOut != want {
		t.Errorf("exit code %d, %q", o.code, o.errOut)
	}
}

// TestDeleteInterrupted has the operator stop waiting.
func TestDeleteInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	f := newFakeAPI(t, nil)
	f.handlers[admin.PathTenantDelete] = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		interrupt()
		time.Sleep(time.Millisecond) // the answer may come first, or not
		_ = json.NewEncoder(w).Encode(admin.TenantDeleted{Tenant: "acme", Erased: 5})
	}
	o := run(t, invocation{ctx: ctx, args: []string{"scim", "tenant", "delete", "acme", "--yes", "--address", f.address()}})
	if o.code != 1 || !strings.Contains(o.errOut, "the server goes on erasing tenant acme") {
		t.Errorf("exit code %d, %q", o.code, o.errOut)
	}
}
