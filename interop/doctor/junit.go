package doctor

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     float64      `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report as JUnit's XML: a suite for each client, a case for each
// situation. Degraded situations pass, with the fault as their output; what was
// not supported or not reached is skipped.
func (r *Report) JUnit(out io.Writer) error {
	all := junitSuites{
		Name: "scim doctor " + r.URL, Time: r.Seconds, Failures: r.Counts.Failed,
		Tests: r.Counts.played() + r.Counts.NotReached, Skipped: r.Counts.NotSupported + r.Counts.NotReached,
	}
	for _, c := range r.Clients {
		s := junitSuite{Name: c.Name, Tests: len(c.Files), Failures: c.Counts.Failed, Skipped: c.Counts.NotSupported + c.Counts.NotReached}
		for i := range c.Files {
			f := &c.Files[i]
			jc := junitCase{Class: c.ID, Name: f.Title}
			message := junitMessage{Message: f.Reason}
			if f.Problem != nil {
				found := r.finding(f.Problem.Finding)
				message = junitMessage{Message: found.Title, Type: found.ID, Text: r.junitText(c, f)}
			}
			switch f.Outcome {
			case Failed:
				jc.Failure = &message
			case NotSupported, NotReached:
				jc.Skipped = &message
			case Degraded:
				jc.Out = message.Text
			}
			s.Cases = append(s.Cases, jc)
		}
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(out)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

// junitText is what the text report has of a situation.
func (r *Report) junitText(c Client, f *FileReport) string {
	var b strings.Builder
	r.textFile(&writer{w: &b}, &c, f)
	return strings.TrimSpace(b.String()) + "\n"
}
