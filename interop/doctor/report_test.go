package doctor_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/interop/doctor"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// ill is a report with every outcome, of a server that has another person.
func ill(t *testing.T) *doctor.Report {
	t.Helper()
	c := newCorpus(t, map[string]string{
		"failed": header + `### Whoever is there has another name
GET /Users?count=1
X-Probe: {{run}}

---
200
{"totalResults": 1, "Resources": [{"userName": "nobody", "name": {"familyName": "Nobody"}}]}
else body.Resources[0].userName != "nobody": wrong
else: poor
`,
		"degraded": header + `### A user is created
POST /Users
Authorization: Bearer static-0123456789abcdef

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "{{user1}}"}
---
201
{"id": "{{a}}"}
else: wrong

### It has a nick name
GET /Users/{{a}}

---
200
{"nickName": "{{*}}", "userName": "{{user1}}"}
else missing body.nickName: poor
else: wrong
`,
		"lost":  "client: one\ntitle: Not for this server\nsource: RFC 7644\nneeds: allow:default\n\n### A query\nGET /Users?count=0\n\n---\n200\nelse: wrong\n",
		"quiet": header + "### A query that is not answered\nGET /Users?quiet\n\n---\n200\nelse: wrong\n",
	})
	s := newServer(t, "*")
	s.hook = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.RawQuery == "quiet" {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	s.ask(t, "POST", "/Users", somebody)
	r := play(t, options(s, c))
	// What is new in each run.
	r.URL, r.Seconds, r.Started = "https://scim.example.com/scim/v2", 1.5, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ids := regexp.MustCompile(`[0-9a-z]{26}`)
	stamps := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	hosts := regexp.MustCompile(`http://127\.0\.0\.1:\d+|127\.0\.0\.1:\d+(->127\.0\.0\.1:\d+)?`)
	plain := func(text *string) {
		*text = hosts.ReplaceAllString(stamps.ReplaceAllString(ids.ReplaceAllString(*text, "ID"), "TIME"), "HOST")
	}
	for i := range r.Clients {
		for j := range r.Clients[i].Files {
			p := r.Clients[i].Files[j].Problem
			if p == nil {
				continue
			}
			messages := []*doctor.Message{&p.Sent}
			if p.Received != nil {
				messages = append(messages, p.Received)
			}
			for _, m := range messages {
				plain(&m.Line)
				plain(&m.Body)
				for k := range m.Header {
					plain(&m.Header[k])
				}
			}
			for k := range p.Differences {
				plain(&p.Differences[k])
				p.Differences[k] = regexp.MustCompile(`the connection broke: .*`).ReplaceAllString(p.Differences[k], "the connection broke: EOF")
			}
		}
	}
	return r
}

func TestReportForms(t *testing.T) {
	t.Parallel()
	r := ill(t)
	r.Leftovers = []doctor.Leftover{{Endpoint: "Users", ID: "ID", Name: "doctor-" + runID + "-x-1@probe.invalid", Reason: "the server answers DELETE with 405"}}
	forms := map[string]func(io.Writer) error{
		"report.txt": r.Text, "report.xml": r.JUnit, "report.md": r.Markdown,
		"report.json": func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			return e.Encode(r)
		},
	}
	for name, form := range forms {
		var b bytes.Buffer
		if err := form(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
		for _, secret := range []string{"Hopper", "hopper", "Admiral", token} {
			if strings.Contains(b.String(), secret) {
				t.Errorf("%s tells %q", name, secret)
			}
		}
		if err := xml.Unmarshal(b.Bytes(), new(struct{})); name == "report.xml" && err != nil {
			t.Error(err)
		}
	}
	for _, f := range []string{"one/failed failed", "one/degraded degraded", "one/lost not supported", "one/quiet failed", "one/always passed"} {
		name, want, _ := strings.Cut(f, " ")
		if got := situation(t, r, name).Outcome; string(got) != want {
			t.Errorf("%s is %s", f, got)
		}
	}
}

// The table has a column for each report, and nothing that differs between runs.
func TestMarkdownOfTwo(t *testing.T) {
	t.Parallel()
	c := newCorpus(t, map[string]string{"lost": "client: one\ntitle: For | all\nsource: RFC 7644\nneeds: allow:*\n\n### A query\nGET /Users?count=0\n\n---\n200\nelse: wrong\n"})
	table := func() string {
		var reports []*doctor.Report
		for _, allow := range []string{"default", "*"} {
			reports = append(reports, play(t, options(newServer(t, allow), c)))
		}
		var b strings.Builder
		if err := doctor.Markdown(&b, reports...); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const want = "| Client | `allow default` | `allow *` |\n| --- | --- | --- |\n| The One | 1 passed, 1 not supported | 2 passed |\n" +
		"\n## The One\n\n| Situation | `allow default` | `allow *` |\n| --- | --- | --- |\n| Title | passed | passed |\n" +
		"| For \\| all | not supported: it is for the allow list * | passed |\n"
	if got := table(); got != want || table() != got {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	o := doctor.Options{Corpus: newCorpus(t, map[string]string{"writing": writing}), RunID: runID}
	plan, err := doctor.Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	want := doctor.Step{File: "one/writing", Title: "It is renamed", Method: "PATCH", Target: "/Users/{{a}}", Writes: true,
		Body: `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "path": "userName", "value": "o'neil+doctor-k3x9q2ab-one-writing-2@probe.invalid"}]}`}
	if len(plan) != 9 {
		t.Fatalf("%d steps", len(plan))
	}
	if diff := cmp.Diff(want, plan[4]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	o.ReadOnly = true
	if plan, err = doctor.Plan(o); err != nil || len(plan) != 1 {
		t.Errorf("read-only: %v %v", plan, err)
	}
}
