package setup

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

var update = flag.Bool("update", false, "write the golden files")

func TestGolden(t *testing.T) {
	t.Parallel()
	const url = "https://scim.example.com/scim/v2"
	for _, tt := range []struct {
		name  string
		allow string
		in    Input
	}{
		{"default", "default", Input{TenantURL: url, Members: "create"}},
		{"everything", "*", Input{TenantURL: url, Members: "pending", ArchiveRetention: 36 * time.Hour}},
		{"narrow", `userName active urn:ietf:params:scim:schemas:core:2.0:Group:displayName emails[type eq "work"].value name.familyName preferredLanguage ` + badgeURN + ":badgeNumber",
			Input{TenantURL: url, Members: "reject", Required: []string{"emails", "name.familyName", badgeURN + ":badgeNumber"}, ArchiveRetention: 90 * 24 * time.Hour}},
		{"unknown-url", "default", Input{Members: "ignore", Paused: true, ArchiveRetention: 24 * time.Hour}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.in.Tenant = "acme"
			tt.in.Allow = words(tt.allow)
			tt.in.Views = views(t, schema.Narrowing{Allow: tt.in.Allow, Required: tt.in.Required})
			c := New(tt.in)
			asJSON := func(w io.Writer) error {
				e := json.NewEncoder(w)
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				return e.Encode(c)
			}
			for ext, render := range map[string]func(io.Writer) error{"txt": c.Text, "md": c.Markdown, "html": c.HTML, "json": asJSON} {
				var b bytes.Buffer
				if err := render(&b); err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join("testdata", tt.name+"."+ext), b.Bytes())
			}
			checkText(t, c)
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; go test -update writes it anew):\n%s", file, diff)
	}
}

// hostile is the card of a tenant whose address and extension are markup.
func hostile(t *testing.T) Card {
	t.Helper()
	text, err := json.Marshal(map[string]any{"id": hostileURN, "attributes": []map[string]any{{"name": "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.NewCatalog([]schema.Extension{{Schema: mustParse(t, string(text))}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := schema.Narrowing{Allow: []string{"default", hostileURN + ":a"}, Required: []string{hostileURN + ":a"}}
	vs, err := c.Narrow(n)
	if err != nil {
		t.Fatal(err)
	}
	return New(Input{
		Tenant: "a|b\n# c", Views: vs, Required: n.Required,
		TenantURL: "https://x/\"'><img src=x onerror=alert(1)>`` | \n# h\x1b[2J [l](javascript:alert(1))",
	})
}

func TestHostileText(t *testing.T) {
	t.Parallel()
	c := hostile(t)
	checkText(t, c)
	var b strings.Builder
	if err := c.Text(&b); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && r < ' ' || r == '\u202e' }); i >= 0 {
		t.Errorf("a character that does not print: %q", b.String()[i:min(i+20, b.Len())])
	}
	if strings.Contains(b.String(), "\n# ") {
		t.Error("a line break came through")
	}
}

func TestHostileHTML(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := hostile(t).HTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "onerror=alert(1)>", "\x1b", "\u202e", "href"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(b.String(), "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("the extension's name is not on the page")
	}
	// No element is open at the end, and there are none but the template's own.
	tags := map[string]int{}
	for _, m := range regexp.MustCompile(`<(/?)([a-z0-9]+)`).FindAllStringSubmatch(b.String(), -1) {
		if m[1] == "" {
			tags[m[2]]++
		} else {
			tags[m[2]]--
		}
	}
	maps.DeleteFunc(tags, func(_ string, open int) bool { return open == 0 })
	if diff := cmp.Diff(map[string]int{"meta": 3}, tags); diff != "" {
		t.Errorf("open elements (-want +got):\n%s", diff)
	}
}

func TestHostileMarkdown(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := hostile(t).Markdown(&b); err != nil {
		t.Fatal(err)
	}
	columns := 0
	for line := range strings.Lines(b.String()) {
		plain := outsideCode(line)
		if strings.ContainsAny(plain, "<>`[]") || strings.Contains(plain, "**b") || strings.Contains(plain, "_d_") {
			t.Errorf("markup came through outside of code: %q", line)
		}
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		// What is left of bars separates columns.
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if columns == 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("%d columns in a table of %d: %q", n-1, columns-1, line)
		}
	}
	if strings.Contains(b.String(), "\x1b") || strings.Contains(b.String(), "\n# c") || strings.Contains(b.String(), "\n# h") {
		t.Error("a control character came through")
	}
}

// outsideCode returns a line of Markdown without its code spans and escapes.
func outsideCode(line string) string {
	var b strings.Builder
	for line != "" {
		switch line[0] {
		case '\\':
			line = line[2:]
		case '`':
			n := len(line) - len(strings.TrimLeft(line, "`"))
			fence, rest := line[:n], line[n:]
			for {
				i := strings.Index(rest, fence)
				if i < 0 {
					return b.String() + line
				}
				j := i
				for j < len(rest) && rest[j] == '`' {
					j++
				}
				rest = rest[j:]
				if j-i == n {
					break
				}
			}
			line = rest
		default:
			b.WriteByte(line[0])
			line = line[1:]
		}
	}
	return b.String()
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		24 * time.Hour:      "1 day",
		90 * 24 * time.Hour: "90 days",
		time.Hour:           "1 hour",
		36 * time.Hour:      "36 hours",
		90 * time.Minute:    "1h30m0s",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is written %q, want %q", d, got, want)
		}
	}
}

// The lists of a card are its own: who changes them changes no other card.
func TestCardsShareNothing(t *testing.T) {
	t.Parallel()
	in := Input{Tenant: "acme", Views: views(t, schema.Narrowing{})}
	one := New(in)
	for _, list := range [][]string{one.EntraSteps, one.OktaSteps, one.Test, one.Leaving, one.Notes} {
		clear(list)
	}
	clear(one.Entra)
	clear(one.Kept)
	var b strings.Builder
	if err := New(in).Text(&b); err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile(filepath.Join("testdata", "default.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if want := string(golden[bytes.Index(golden, []byte("Microsoft")):]); !strings.HasSuffix(b.String(), want) {
		t.Error(cmp.Diff(want, b.String()))
	}
}
