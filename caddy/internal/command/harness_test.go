package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testNow is when the tests take place.
var testNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(hours float64) time.Time {
	return testNow.Add(time.Duration(hours * float64(time.Hour)))
}

func ptr[T any](v T) *T { return &v }

// answer is a canned answer of the admin API.
type answer struct {
	status int // 0 for 200
	body   any // string as it stands, else JSON
}

// fakeAPI is an admin API that answers what it was told to, in turn; the last
// answer of a path is repeated.
type fakeAPI struct {
	*httptest.Server
	mu       sync.Mutex
	answers  map[string][]answer
	handlers map[string]http.HandlerFunc
	requests []string
}

func newFakeAPI(t *testing.T, answers map[string][]answer) *fakeAPI {
	t.Helper()
	f := &fakeAPI{answers: answers, handlers: map[string]http.HandlerFunc{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := f.handlers[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+strings.TrimSpace(string(body))))
	list := f.answers[r.URL.Path]
	if len(list) == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if len(list) > 1 {
		f.answers[r.URL.Path] = list[1:]
	}
	if list[0].status != 0 {
		w.WriteHeader(list[0].status)
	}
	if text, ok := list[0].body.(string); ok {
		_, _ = io.WriteString(w, text)
		return
	}
	_ = json.NewEncoder(w).Encode(list[0].body)
}

func (f *fakeAPI) address() string { return strings.TrimPrefix(f.URL, "http://") }

// invocation is one run of a command.
type invocation struct {
	args     []string
	stdin    string
	terminal bool // a person is at all streams
	ctx      context.Context
	// elapse is called for each wait, with the clock.
	elapse func(*clock)
	tick   time.Duration // that passes with each look at the clock
}

// clock stands still but for the waiting.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// outcome is what a command left.
type outcome struct {
	code        int
	out, errOut string
}

func run(t *testing.T, i invocation) outcome {
	t.Helper()
	clk := &clock{now: testNow}
	c := &cli{
		terminal: func(any) bool { return i.terminal },
		now: func() time.Time {
			clk.Advance(i.tick)
			return clk.Now()
		},
		wait: func(ctx context.Context, d time.Duration) {
			clk.Advance(d)
			if i.elapse != nil {
				i.elapse(clk)
			}
		},
	}
	var out, errOut bytes.Buffer
	root := newRoot(c)
	root.SetArgs(i.args)
	root.SetIn(strings.NewReader(i.stdin))
	root.SetOut(&out)
	root.SetErr(&errOut)
	ctx := i.ctx
	if ctx == nil {
		ctx = t.Context()
	}
	err := root.ExecuteContext(ctx)
	code := 0
	if err != nil {
		code = 1
		if n, ok := strings.CutPrefix(err.Error(), "exiting with status "); ok { // of a type that Caddy keeps for itself
			code, _ = strconv.Atoi(n)
		}
	}
	return outcome{code, out.String(), errOut.String()}
}

// newRoot is the binary's command as far as ours needs it.
func newRoot(c *cli) *cobra.Command {
	spec := c.scim()
	cmd := &cobra.Command{Use: spec.Name + " " + spec.Usage, Short: spec.Short, Long: spec.Long}
	spec.CobraFunc(cmd)
	root := &cobra.Command{Use: "caddy-scim", SilenceUsage: true}
	root.AddCommand(cmd)
	return root
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%s is not there: run the tests with -update, and look at what they write", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// transcript is what a golden file shows of a run.
func transcript(f *fakeAPI, i invocation, o outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ caddy-scim %s\n", quotedArgs(i.args))
	for _, r := range f.requests {
		fmt.Fprintf(&b, "> %s\n", r)
	}
	fmt.Fprintf(&b, "exit code %d\n", o.code)
	section := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "--- %s\n%s", name, text)
			if !strings.HasSuffix(text, "\n") {
				b.WriteString("(no line feed)\n")
			}
		}
	}
	section("standard output", o.out)
	section("standard error", o.errOut)
	return strings.ReplaceAll(b.String(), f.address(), "ADDRESS")
}

func quotedArgs(args []string) string {
	var words []string
	for n := 0; n < len(args); n++ {
		if args[n] == "--address" {
			n++ // of the test
			continue
		}
		w := args[n]
		if w == "" || strings.ContainsAny(w, " \"*[]\x1b") {
			w = fmt.Sprintf("%q", w)
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// within80 reports lines of tables that are too long.
func within80(t *testing.T, text string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		if n := width(line); n > lineWidth {
			t.Errorf("a line takes %d columns: %s", n, line)
		}
	}
}

// noControl reports characters that would do something to a terminal.
func noControl(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e) {
			t.Errorf("%q has the control character %U", text, r)
			return
		}
	}
}
