package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain, Ünïcödé 全 👍": "plain, Ünïcödé 全 👍",
		"a\x1b[2Jb":          `a\x1b[2Jb`,
		"a\nb\tc\rd":         `a\x0ab\x09c\x0dd`,
		"\x7f\u009b":         `\x7f\u009b`,
		"a\u202eb\u2066":     `a\u202eb\u2066`,
		"\xff\xc3":           `\xff\xc3`,
		"\uFFFD":             "\uFFFD",
		"\U000e0001":         `\U000e0001`,
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) is %q, want %q", in, got, want)
		}
	}
	if got := cleanLines("a\n\x1bb"); got != "a\n\\x1bb" {
		t.Errorf("cleanLines: %q", got)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "a\x1b[2Jb", "\u202e\u009b", "\xff\xc3(", "\U000e0001", "全"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		noControl(t, clean(s))
		if !utf8.ValidString(clean(s)) {
			t.Errorf("clean(%q) is not UTF-8", s)
		}
		raw, err := marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		shown := cleanJSON(string(raw))
		noControl(t, shown)
		var before, after string
		if json.Unmarshal(raw, &before) != nil || json.Unmarshal([]byte(shown), &after) != nil || before != after {
			t.Errorf("%q became %q", before, shown)
		}
		for _, n := range []int{1, 2, 7, 80} {
			for _, beginning := range []bool{false, true} {
				if got := cut(clean(s), n, beginning); width(got) > n {
					t.Errorf("cut to %d: %q", n, got)
				}
			}
		}
	})
}

func TestTable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 9)
	table := &table{columns: []column{{head: "A", min: 5}, {head: "B", min: 5, tail: true}, {head: "N", right: true}}}
	table.row(long, long, "1")
	table.row("", "e\u0301全", "12345")
	table.line(long)
	var b bytes.Buffer
	if err := table.flush(&b); err != nil {
		t.Fatal(err)
	}
	table.row("next page", long, "123456789")
	if err := table.flush(&b); err != nil {
		t.Fatal(err)
	}
	want := `A                                    B                                         N
01234567890123456789012345678901234…  …5678901234567890123456789012345678901      1
                                      ` + "e\u0301全" + `                                    12345
  0123456789012345678901234567890123456789012345678901234567890123456789012345…
next page                             …5678901234567890123456789012345678901  123456789
`
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines[:4] {
		if width(line) > lineWidth {
			t.Errorf("line %d takes %d columns", i, width(line))
		}
	}
	if strings.Count(b.String(), "A ") != 1 {
		t.Errorf("the headings are there more than once:\n%s", b.String())
	}
	for i, line := range strings.Split(want, "\n") {
		if i > 0 && line != "" && len(strings.Fields(line)) != len(strings.Fields(lines[i])) {
			t.Errorf("line %d is %q", i, lines[i])
		}
	}
	if !strings.HasPrefix(lines[1], "0123456789") || !strings.Contains(lines[1], "…  …") || !strings.HasSuffix(lines[1], "      1") {
		t.Errorf("cut wrongly: %s", lines[1])
	}
}

func TestFlatten(t *testing.T) {
	t.Parallel()
	var got []string
	err := flatten(json.RawMessage(`{"z":1.50,"a":{"b":null,"c":[true,{"d":"x"}]},"urn:x:2.0:User":{"m":{"n":"y"}},"e":[],"f":{}}`), func(cells ...string) {
		got = append(got, strings.Join(cells, " = "))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"z = 1.50", "a.b = <nil>", "a.c[0] = true", "a.c[1].d = x", "urn:x:2.0:User:m.n = y"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "{", `{"a"`, `{"a":[`, `{"a":1`} {
		if err := flatten(json.RawMessage(bad), func(...string) {}); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

func TestGrouped(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
	if got := counted(1, "user") + counted(0, "user"); got != "1 user0 users" {
		t.Error(got)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		terminal bool
		flag     bool
		want     string
	}{
		{"neither", false, false, ""},
		{"terminal", true, false, "\rtwo\x1b\rthree is long\r             \rsaid\n\rfour\r    \r"},
		{"flag", false, true, "two\nthree is long\nsaid\nfour\n"},
		{"both", true, true, "two\nthree is long\nsaid\nfour\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			clk := &clock{now: testNow}
			c := &cli{terminal: func(any) bool { return tc.terminal }, now: clk.Now}
			cmd := newRoot(c)
			progressFlag(cmd)
			if tc.flag {
				if err := cmd.Flags().Set("progress", "true"); err != nil {
					t.Fatal(err)
				}
			}
			var b bytes.Buffer
			cmd.SetErr(&b)
			p := (&session{cli: c, cmd: cmd}).newProgress()
			p.show("one") // too early
			clk.Advance(time.Second)
			p.show("two")
			p.show("not now")
			clk.Advance(time.Second)
			p.show("three is %s", "long")
			p.say("said")
			clk.Advance(time.Second)
			p.show("four")
			p.end()
			p.end()
			if diff := cmp.Diff(strings.ReplaceAll(tc.want, "\x1b", ""), b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestIsTerminal(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	zero, err := os.Open("/dev/zero") // a character device, as terminals are
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	if isTerminal(r) || isTerminal(w) || isTerminal(io.Discard) || isTerminal(null) || !isTerminal(zero) {
		t.Error("character devices but for /dev/null are terminals, and nothing else")
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	wait(t.Context(), time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	wait(ctx, time.Hour)
	if time.Since(begun) > time.Minute {
		t.Error("it did not end with the context")
	}
}

func TestConfirmInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := &cli{terminal: func(any) bool { return true }, now: time.Now}
	cmd := newRoot(c)
	r, w := io.Pipe()
	defer w.Close()
	cmd.SetIn(r)
	cmd.SetErr(io.Discard)
	cancel()
	if err := (&session{cli: c, cmd: cmd, ctx: ctx}).confirm("It is erased.", "acme"); !errors.Is(err, errInterrupted) {
		t.Errorf("%v", err)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, want string
		code       int
		args       []string
	}{
		{"nobody there", "no server answers at unix//nobody/there: start it with", 1, []string{"--address", "unix//nobody/there"}},
		{"not an address", "invalid admin address", 2, []string{"--address", "localhost:1-5"}},
		{"no such file", "the admin address could not be determined", 1, []string{"--config", "/no/such/file.json"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := run(t, invocation{args: append([]string{"scim", "health"}, tc.args...)})
			if o.code != tc.code || !strings.Contains(o.errOut, tc.want) || strings.Count(o.errOut, "\n") != 1 {
				t.Errorf("exit code %d, %q", o.code, o.errOut)
			}
		})
	}
}
