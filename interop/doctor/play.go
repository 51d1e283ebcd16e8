package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

// player plays files against one server.
type player struct {
	options Options
	wire    *wire
	server  *server
	estate  *estate

	silent       int    // requests in a row that were not answered
	stopped      string // why nothing more is played
	left         []Leftover
	deletedUsers int
}

// tolerated is how many requests in a row may stay without an answer before the
// run ends.
const tolerated = 3

func newPlayer(o Options) *player {
	return &player{options: o, wire: newWire(o), estate: newEstate(o.RunID)}
}

// file plays one file, and deletes what it made.
func (p *player) file(ctx context.Context, f *corpus.File) FileReport {
	r := FileReport{Name: f.Name, Client: f.Client, Title: f.Title, Source: f.Source, Steps: len(f.Steps), Outcome: Passed}
	switch lack := p.server.lacks(f); {
	case ctx.Err() != nil:
		return r.not(NotReached, "the run was interrupted")
	case p.stopped != "":
		return r.not(NotReached, p.stopped)
	case lack != "":
		return r.not(NotSupported, lack)
	case p.options.ReadOnly && f.Writes():
		return r.not(NotReached, "it changes the server, and the run is read-only")
	}
	names := corpus.NewNames(p.options.RunID, f.Name, p.options.BaseURL)
	g := &game{player: p, file: f, names: names, report: &r}
	for _, guid := range f.Made(names).Users {
		if !p.estate.ours(guid) {
			p.estate.guids[guid] = true
		}
	}
	for i := 0; i < len(f.Steps); {
		group := together(f.Steps[i:])
		if !g.steps(ctx, group) {
			break
		}
		i += len(group)
	}
	left := len(p.left)
	p.cleanFile(ctx, g)
	if len(p.left) > left && p.stopped == "" && !p.options.PlayOn {
		// What further files make would stay as well.
		p.stopped = "what was made cannot be deleted again: " + p.left[left].Reason
	}
	return r
}

func (r FileReport) not(o Outcome, reason string) FileReport {
	r.Outcome, r.Reason = o, reason
	return r
}

// together returns the first step with those that are sent along with it.
func together(steps []*corpus.Step) []*corpus.Step {
	n := 1
	for steps[0].Concurrent && n < len(steps) && steps[n].Concurrent {
		n++
	}
	return steps[:n]
}

// game is a file being played.
type game struct {
	*player
	file   *corpus.File
	names  *corpus.Names
	report *FileReport
	wrote  []corpus.Request // what was sent that writes
	lost   bool             // an answer to a write is not known
}

// shot is one request of a step.
type shot struct {
	step    *corpus.Step
	names   *corpus.Names
	request corpus.Request
	answer  *corpus.Answer
	err     error
}

// steps plays steps that belong together, and reports whether to go on.
func (g *game) steps(ctx context.Context, group []*corpus.Step) bool {
	if ctx.Err() != nil {
		return g.end(NotReached, "the run was interrupted")
	}
	if g.wire.count()+len(group)+g.reserve(len(group)) > g.options.MaxRequests {
		g.stopped = fmt.Sprintf("the bound of %d requests is reached", g.options.MaxRequests)
		return g.end(NotReached, g.stopped)
	}
	shots := make([]*shot, len(group))
	for i, s := range group {
		names := g.names.Clone()
		r, err := s.Request(names)
		if err != nil {
			return g.end(NotReached, err.Error())
		}
		if err := g.estate.may(&r); err != nil {
			return g.fail(&shot{step: s, request: r, err: err}, corpus.ForeignResource, nil)
		}
		shots[i] = &shot{step: s, names: names, request: r}
	}
	if g.wire.turn(ctx, len(group)) != nil {
		return g.end(NotReached, "the run was interrupted")
	}
	g.fire(ctx, shots)
	good := true
	for _, s := range shots {
		good = g.judge(s) && good // all of them: each may have made something
	}
	return good && g.stopped == ""
}

// reserve is how many requests it may take to delete everything, after n more.
func (g *game) reserve(n int) int {
	open := map[string]bool{}
	for _, r := range g.wrote {
		for _, v := range r.Used {
			open[v] = true
		}
	}
	for _, r := range g.estate.made {
		if !r.deleted {
			open[r.id] = true
		}
	}
	return perResource * (n + len(open))
}

// fire sends the requests at once.
func (g *game) fire(ctx context.Context, shots []*shot) {
	var wg sync.WaitGroup
	for _, s := range shots {
		wg.Go(func() {
			s.answer, s.err = g.wire.send(ctx, &s.request)
			s.answer, s.err = g.wire.again(ctx, &s.request, s.answer, s.err, s.step.Under(g.server.allow).Status)
		})
	}
	wg.Wait()
}

// judge compares what came back, and reports whether to go on.
func (g *game) judge(s *shot) bool {
	writes := s.step.Writes()
	if writes {
		g.wrote = append(g.wrote, s.request)
	}
	if s.err != nil {
		g.lost = g.lost || writes
		if g.silent++; g.silent >= tolerated {
			g.stopped = "the server stopped answering"
		}
		return g.fail(s, corpus.NoAnswer, nil)
	}
	g.silent = 0
	g.lost = g.lost || writes && s.answer.Status >= 500
	if !g.estate.learn(&s.request, s.answer) {
		return g.fail(s, corpus.ForeignResource, nil)
	}
	g.report.Played++
	expect := s.step.Under(g.server.allow)
	differs := expect.Compare(s.step, s.answer, s.names)
	g.names.Merge(s.names)
	if len(differs) == 0 {
		return true
	}
	if g.notKept(s.step, differs) {
		if g.report.Outcome == Passed {
			g.report.Outcome = Degraded
			g.report.Problem = g.problem(s, corpus.AttributeNotKept, differs)
		}
		return true
	}
	return g.fail(s, expect.Classify(s.step, s.answer, s.names), differs)
}

// notKept reports whether only attributes are missing that the schemas do not have.
func (g *game) notKept(s *corpus.Step, differs []corpus.Mismatch) bool {
	segments, err := split(s.Target)
	if err != nil || len(segments) == 0 || canonical(segments[0]) == "" {
		return false
	}
	return !slices.ContainsFunc(differs, func(m corpus.Mismatch) bool {
		return m.Got != corpus.Nothing || g.server.keeps(canonical(segments[0]), m.Attr)
	})
}

// fail ends the file with a finding.
func (g *game) fail(s *shot, finding string, differs []corpus.Mismatch) bool {
	if g.report.Problem != nil && g.report.Outcome != Degraded {
		return false // of steps that belong together the first one counts
	}
	f := g.options.Corpus.Findings[finding]
	g.report.Outcome = outcomes[f.Severity]
	g.report.Problem = g.problem(s, finding, differs)
	return false
}

// end ends the file without a finding.
func (g *game) end(o Outcome, reason string) bool {
	g.report.Outcome, g.report.Reason = o, reason
	return false
}

// problem tells what was sent and what came back.
func (g *game) problem(s *shot, finding string, differs []corpus.Mismatch) *Problem {
	p := &Problem{Finding: finding, Step: s.step.Title, Line: s.step.Line, Sent: g.sent(s)}
	switch {
	case errors.Is(s.err, errForeign):
		p.Differences = []string{s.err.Error()}
	case s.err != nil && timedOut(s.err):
		p.Differences = []string{fmt.Sprintf("no answer within %s", g.options.Timeout)}
	case s.err != nil:
		p.Differences = []string{"the connection broke: " + g.secretless(s.err.Error())}
	default:
		body, hidden := g.estate.withoutOthers(s.answer.Status, s.answer.Body)
		p.Received = &Message{Line: fmt.Sprint(s.answer.Status), Body: g.secretless(body)}
		for _, name := range []string{"Content-Type", "Location", "ETag", "Retry-After"} {
			if v := s.answer.Header.Get(name); v != "" {
				p.Received.Header = append(p.Received.Header, name+": "+g.secretless(v))
			}
		}
		for _, m := range differs {
			if hidden && strings.HasPrefix(m.Path, "body") && strings.IndexAny(m.Got, `"{[`) == 0 {
				m.Got = "something of a resource that the doctor did not create"
			}
			p.Differences = append(p.Differences, g.secretless(m.String()))
		}
	}
	return p
}

func (g *game) sent(s *shot) Message {
	m := Message{Line: s.request.Method + " " + g.wire.base.EscapedPath() + s.request.Target(), Body: s.request.Body}
	for _, h := range s.request.Header {
		switch {
		case h.Value == "":
		case strings.EqualFold(h.Name, "Authorization"):
			m.Header = append(m.Header, h.Name+": (not shown)")
		default:
			m.Header = append(m.Header, h.Name+": "+h.Value)
		}
	}
	return m
}

// secretless returns text without the token, which a server may send back.
func (p *player) secretless(text string) string {
	if p.options.Token == "" {
		return text
	}
	return strings.ReplaceAll(text, p.options.Token, "(the token)")
}
