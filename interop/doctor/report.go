package doctor

import (
	"slices"
	"time"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

// Outcome is how a situation went.
type Outcome string

// The outcomes. NotReached is what was not played, and says nothing of the server.
const (
	Passed       Outcome = "passed"
	Failed       Outcome = "failed"
	Degraded     Outcome = "degraded"
	NotSupported Outcome = "not supported"
	NotReached   Outcome = "not reached"
)

var outcomes = map[corpus.Severity]Outcome{corpus.Failed: Failed, corpus.Degraded: Degraded, corpus.Unsupported: NotSupported}

// Report is what a run found.
type Report struct {
	Run      string    `json:"run"`
	URL      string    `json:"url"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	Requests int       `json:"requests"`
	// Own tells that the server is caddy-scim.
	Own bool `json:"caddy_scim"`
	// Allow is the allow list, "default" or "*", whose expectations were used.
	Allow       string     `json:"allow"`
	ReadOnly    bool       `json:"read_only"`
	Interrupted bool       `json:"interrupted"`
	Stopped     string     `json:"stopped,omitzero"` // why the run ended early
	Counts      Counts     `json:"counts"`
	Clients     []Client   `json:"clients"`
	Findings    []Finding  `json:"findings"`
	Leftovers   []Leftover `json:"leftovers"`
	// Archived tells that deleted probes are in the server's archive.
	Archived bool `json:"archived"`
}

// Counts counts situations by how they went.
type Counts struct {
	Passed       int `json:"passed"`
	Failed       int `json:"failed"`
	Degraded     int `json:"degraded"`
	NotSupported int `json:"not_supported"`
	NotReached   int `json:"not_reached"`
}

func (c *Counts) add(o Outcome) {
	switch o {
	case Passed:
		c.Passed++
	case Failed:
		c.Failed++
	case Degraded:
		c.Degraded++
	case NotSupported:
		c.NotSupported++
	default:
		c.NotReached++
	}
}

// played is how many situations say something of the server.
func (c *Counts) played() int { return c.Passed + c.Failed + c.Degraded + c.NotSupported }

// Client is what became of the situations of one client.
type Client struct {
	ID     string       `json:"client"`
	Name   string       `json:"name"`
	Counts Counts       `json:"counts"`
	Files  []FileReport `json:"situations"`
}

// FileReport is what became of one situation.
type FileReport struct {
	Name    string   `json:"name"`
	Client  string   `json:"-"`
	Title   string   `json:"title"`
	Source  string   `json:"source"`
	Outcome Outcome  `json:"outcome"`
	Reason  string   `json:"reason,omitzero"` // why it was not played, or not to its end
	Steps   int      `json:"steps"`
	Played  int      `json:"played"`
	Problem *Problem `json:"problem,omitzero"`
}

// Problem is a step that went otherwise than it must.
type Problem struct {
	Finding     string   `json:"finding"`
	Step        string   `json:"step"`
	Line        int      `json:"line"` // of the step in its file
	Sent        Message  `json:"sent"`
	Received    *Message `json:"received"` // nil where nothing came
	Differences []string `json:"differences"`
}

// Message is a request or an answer. Tokens, and values of resources that the
// doctor did not create, are not in it.
type Message struct {
	Line   string   `json:"line"` // the request line, or the status
	Header []string `json:"headers"`
	Body   string   `json:"body,omitzero"`
}

// Finding is a fault of the server with what it means.
type Finding struct {
	ID          string   `json:"id"`
	Severity    string   `json:"severity"`
	Title       string   `json:"title"`
	Consequence string   `json:"consequence"`
	Source      string   `json:"source"`
	Config      string   `json:"config,omitzero"` // what changes it, on caddy-scim
	Situations  []string `json:"situations"`
}

// gather sorts what was played into the report.
func (r *Report) gather(c *corpus.Corpus, played []FileReport) {
	r.Clients, r.Findings = []Client{}, []Finding{}
	for _, id := range c.Clients {
		cl := Client{ID: id.ID, Name: id.Name}
		for _, f := range played {
			if f.Client == id.ID {
				cl.Files = append(cl.Files, f)
				cl.Counts.add(f.Outcome)
				r.Counts.add(f.Outcome)
			}
		}
		if len(cl.Files) > 0 {
			r.Clients = append(r.Clients, cl)
		}
	}
	for _, cl := range r.Clients {
		for _, f := range cl.Files {
			if f.Problem != nil {
				r.found(c.Findings[f.Problem.Finding], f.Name)
			}
		}
	}
}

func (r *Report) found(f *corpus.Finding, situation string) {
	i := slices.IndexFunc(r.Findings, func(g Finding) bool { return g.ID == f.ID })
	if i < 0 {
		g := Finding{ID: f.ID, Severity: string(f.Severity), Title: f.Title, Consequence: f.Consequence, Source: f.Source}
		if r.Own {
			g.Config = f.Config
		}
		r.Findings = append(r.Findings, g)
		i = len(r.Findings) - 1
	}
	r.Findings[i].Situations = append(r.Findings[i].Situations, situation)
}

// finding returns one of the report's findings by its id.
func (r *Report) finding(id string) Finding {
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.ID == id })
	return r.Findings[i] // gather put it there
}

// Good reports whether every client works, if with a loss, and the run came to
// its end and left nothing.
func (r *Report) Good() bool {
	return r.Counts.Failed == 0 && !r.Interrupted && r.Stopped == "" && len(r.Leftovers) == 0
}
