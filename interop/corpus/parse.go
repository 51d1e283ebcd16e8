package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parser reads one file and gathers what is wrong with it.
type parser struct {
	name     string
	lines    []string
	first    int // how many lines of the file are before these
	at       int // index of the next line
	problems []error
}

func (p *parser) wrong(line int, format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("%s.txt:%d: %s", p.name, p.first+line, fmt.Sprintf(format, args...)))
}

// Parse reads a file; name is its folder and its name without .txt. The error has
// everything that is wrong, with lines.
func Parse(name, text string) (*File, error) {
	p := &parser{name: name, lines: strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")}
	f := &File{Name: name}
	p.header(f)
	for p.skipBlank(); p.at < len(p.lines); p.skipBlank() {
		if !strings.HasPrefix(p.lines[p.at], "### ") {
			p.wrong(p.at+1, "%q is outside a step: a step begins with `### ` and a sentence", p.lines[p.at])
			for p.at < len(p.lines) && !strings.HasPrefix(p.lines[p.at], "### ") {
				p.at++
			}
			continue
		}
		f.Steps = append(f.Steps, p.steps()...)
	}
	if len(f.Steps) == 0 {
		p.wrong(len(p.lines), "the file has no step: one begins with `### ` and a sentence")
	}
	p.checkNames(f)
	return f, errors.Join(p.problems...)
}

func (p *parser) skipBlank() {
	for p.at < len(p.lines) && strings.TrimSpace(p.lines[p.at]) == "" {
		p.at++
	}
}

var needForm = regexp.MustCompile(`^(patch|bulk|filter|sort|etag|allow:\*|allow:default|own|attribute:[^\s,]+)$`)

func (p *parser) header(f *File) {
	list, taken, err := entries(p.lines, 1)
	if err != nil {
		p.problems = append(p.problems, fmt.Errorf("%s.txt:%w", p.name, err))
	}
	p.at = taken
	for _, e := range list {
		switch e.key {
		case "client":
			f.Client = e.value
		case "title":
			f.Title = e.value
		case "source":
			f.Source = e.value
		case "about":
			f.About = e.value
		case "needs":
			for n := range strings.SplitSeq(e.value, ",") {
				if n = strings.TrimSpace(n); !needForm.MatchString(n) {
					p.wrong(e.line, "need %q is none of patch, bulk, filter, sort, etag, allow:*, allow:default, own, attribute:NAME (with commas between)", n)
				}
				f.Needs = append(f.Needs, n)
			}
		default:
			p.wrong(e.line, "unknown word %q: there are client, title, source, about and needs", e.key)
		}
	}
	if f.Title == "" || f.Source == "" {
		p.wrong(1, "the header lacks title or source")
	}
	if folder := path.Dir(p.name); f.Client != folder {
		p.wrong(1, "client is %q, but the file is in the folder %q", f.Client, folder)
	}
}

var (
	requestForm = regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) ((?:/|\?)(?:\{\{(?:upper|raw) |\S)*)$`)
	requestBare = regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)$`) // the base URL itself
	fieldForm   = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*):(?: +(.*))?$`)
	statusLine  = regexp.MustCompile(`^[1-5][0-9][0-9]( [1-5][0-9][0-9])*$`)
)

var repeatForm = regexp.MustCompile(`(?m)^repeat:(.*)$`)

// steps reads a step, which is several where it repeats.
func (p *parser) steps() []*Step {
	begin, end := p.at, p.at+1
	for end < len(p.lines) && !strings.HasPrefix(p.lines[end], "### ") {
		end++
	}
	p.at = end
	text := strings.Join(p.lines[begin:end], "\n")
	request, _, _ := strings.Cut(text, "\n---")
	m := repeatForm.FindStringSubmatch(request)
	if m == nil {
		q := &parser{name: p.name, lines: p.lines[begin:end], first: p.first + begin}
		s := q.step()
		p.problems = append(p.problems, q.problems...)
		return []*Step{s}
	}
	n, err := strconv.Atoi(strings.TrimSpace(m[1]))
	if err != nil || n < 1 || n > 300 {
		p.wrong(begin+1, "repeat: %q is not a number from 1 to 300", m[1])
		return nil
	}
	var all []*Step
	for i := 1; i <= n; i++ {
		q := &parser{name: p.name, lines: strings.Split(turn(strings.Replace(text, m[0], "", 1), i), "\n"), first: p.first + begin}
		all = append(all, q.step())
		if p.problems = append(p.problems, q.problems...); len(q.problems) > 0 {
			break
		}
	}
	return all
}

var hashName = regexp.MustCompile(`\{\{((?:upper |raw |not )?[a-z][A-Za-z0-9_]*)#\}\}`)

// turn writes the number of the turn for each #.
func turn(text string, i int) string {
	return hashName.ReplaceAllString(text, "{{${1}"+strconv.Itoa(i)+"}}")
}

// step reads all lines as one step.
func (p *parser) step() *Step {
	s := &Step{Line: p.first + 1, Title: strings.TrimSpace(strings.TrimPrefix(p.lines[0], "### "))}
	end := len(p.lines)
	p.at = 1
	if s.Title == "" {
		p.wrong(1, "the step has no sentence after `### `")
	}
	malformed := p.settings(s, end)
	p.request(s, end)
	if !malformed && s.Body != "" && !json.Valid([]byte(nameForm.ReplaceAllString(s.Body, "x"))) {
		p.wrong(1, "the body of the request is not JSON: correct it, or put `malformed:` below the title")
	}
	for p.at < end && strings.HasPrefix(p.lines[p.at], "---") {
		p.expectation(s, end)
	}
	for ; p.at < end; p.at++ {
		if strings.TrimSpace(p.lines[p.at]) != "" {
			p.wrong(p.at+1, "%q is not expected here: after the `else` lines comes the next `---` or `### `", p.lines[p.at])
		}
	}
	p.complete(s)
	return s
}

// settings reads the lines between the title and the request.
func (p *parser) settings(s *Step, end int) (malformed bool) {
	for ; p.at < end; p.at++ {
		key, value, ok := strings.Cut(p.lines[p.at], ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.TrimSpace(p.lines[p.at]) == "":
		case !ok:
			return malformed
		case key == "concurrently" && value == "":
			s.Concurrent = true
		case key == "names" && value == "any case":
			s.AnyCase = true
		case key == "malformed" && value == "":
			malformed = true
		case key == "within":
			d, err := time.ParseDuration(value)
			if err != nil || d <= 0 {
				p.wrong(p.at+1, "%q is not a time such as 600ms", value)
			}
			s.Within = d
		default:
			return malformed
		}
	}
	return malformed
}

func (p *parser) request(s *Step, end int) {
	if p.at >= end {
		p.wrong(1, "the step has no request")
		return
	}
	line := strings.TrimRight(p.lines[p.at], " ")
	switch m := requestForm.FindStringSubmatch(line); {
	case m != nil:
		s.Method, s.Target = m[1], m[2]
	case requestBare.MatchString(line):
		s.Method = line
	default:
		p.wrong(p.at+1, "%q is not a request line such as GET /Users?filter=userName+eq+\"x\" (no spaces: write them as the client encodes them), nor a setting (concurrently:, names: any case, within: 600ms, repeat: 5, malformed:)", p.lines[p.at])
	}
	sent := nameForm.ReplaceAllString(s.Target, "x")
	for i := range len(sent) {
		if c := sent[i]; c < 0x21 || c > 0x7e {
			p.wrong(p.at+1, "the request line has the character %q, which cannot be sent: encode it", c)
			break
		}
	}
	p.at++
	s.Header = p.fields(end)
	if p.at < end && strings.TrimSpace(p.lines[p.at]) != "" && !strings.HasPrefix(p.lines[p.at], "---") {
		p.wrong(p.at+1, "%q is not a header `Name: value`: put a blank line before the body", p.lines[p.at])
	}
	from := p.at
	for p.at < end && !strings.HasPrefix(p.lines[p.at], "---") {
		p.at++
	}
	s.Body = p.times(strings.TrimSpace(strings.Join(p.lines[from:p.at], "\n")), from+1)
	if p.at >= end {
		p.wrong(1, "the step has no `---` with what must come back")
	}
	rest := nameForm.ReplaceAllString(s.Target+s.Body, "")
	if i := strings.Index(rest, "{{"); i >= 0 {
		p.wrong(1, "%.30q in the request is not understood: a name is {{lower1}}, {{upper name}} or {{raw name}}", rest[i:])
	}
}

func (p *parser) fields(end int) []Field {
	var list []Field
	for ; p.at < end; p.at++ {
		m := fieldForm.FindStringSubmatch(p.lines[p.at])
		if m == nil || m[1] == "else" {
			break
		}
		list = append(list, Field{m[1], strings.TrimSpace(m[2])})
	}
	return list
}

var timesForm = regexp.MustCompile(`(?s)\{\{times ([0-9]+)\}\}(.*?)\{\{end\}\}`)

// times writes out what is to be repeated with commas between.
func (p *parser) times(text string, line int) string {
	return timesForm.ReplaceAllStringFunc(text, func(match string) string {
		m := timesForm.FindStringSubmatch(match)
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 1 || n > 300 {
			p.wrong(line, "{{times %s}} is not a number from 1 to 300", m[1])
			return ""
		}
		var all []string
		for i := 1; i <= n; i++ {
			all = append(all, turn(m[2], i))
		}
		return strings.Join(all, ", ")
	})
}

// expectation reads a block from `---` to its last else line.
func (p *parser) expectation(s *Step, end int) {
	e := &Expectation{Line: p.first + p.at + 1}
	switch words := strings.Fields(p.lines[p.at]); {
	case len(words) == 1 && words[0] == "---":
	case len(words) == 3 && words[0] == "---" && words[1] == "allow" && (words[2] == "*" || words[2] == "default"):
		e.Allow = words[2]
	default:
		p.wrong(p.at+1, "%q is none of `---`, `--- allow *` and `--- allow default`", p.lines[p.at])
	}
	s.Expect = append(s.Expect, e)
	p.at++
	if p.at >= end || !statusLine.MatchString(strings.TrimSpace(p.lines[p.at])) {
		p.wrong(e.Line-p.first+1, "after `---` comes the status, such as 200, or several: 200 204")
		p.at = end
		return
	}
	for w := range strings.FieldsSeq(p.lines[p.at]) {
		n, _ := strconv.Atoi(w) // digits by statusLine
		e.Status = append(e.Status, n)
	}
	p.at++
	e.Header = p.fields(end)
	from := p.at
	for p.at < end && !strings.HasPrefix(p.lines[p.at], "else") && !strings.HasPrefix(p.lines[p.at], "---") {
		p.at++
	}
	if text := strings.TrimSpace(strings.Join(p.lines[from:p.at], "\n")); text != "" {
		var err error
		if e.Body, err = ParsePattern(p.times(text, from+1)); err != nil {
			p.wrong(from+1, "%v", err)
		}
	}
	for ; p.at < end; p.at++ {
		line := strings.TrimSpace(p.lines[p.at])
		switch {
		case line == "":
			continue
		case strings.HasPrefix(line, "else"):
			p.elseLine(e, line)
			continue
		}
		return
	}
}

func (p *parser) elseLine(e *Expectation, line string) {
	i := strings.LastIndex(line, ":")
	if i < 0 || !idForm.MatchString(strings.TrimSpace(line[i+1:])) {
		p.wrong(p.at+1, "%q is neither `else: finding` nor `else condition: finding`", line)
		return
	}
	o := Else{Line: p.first + p.at + 1, Finding: strings.TrimSpace(line[i+1:])}
	if text := strings.TrimSpace(strings.TrimPrefix(line[:i], "else")); text != "" {
		c, err := ParseCondition(text)
		if err != nil {
			p.wrong(p.at+1, "%v", err)
			return
		}
		o.Condition = c
	}
	if n := len(e.Else); n > 0 && e.Else[n-1].Condition == nil {
		p.wrong(p.at+1, "this line is behind `else: %s`, which takes everything", e.Else[n-1].Finding)
	}
	e.Else = append(e.Else, o)
}

// complete gives blocks without else lines those of the next one, and looks for
// what a step must have.
func (p *parser) complete(s *Step) {
	for i := range slices.Backward(s.Expect) {
		if len(s.Expect[i].Else) == 0 && i+1 < len(s.Expect) {
			s.Expect[i].Else = s.Expect[i+1].Else
		}
		if n := len(s.Expect[i].Else); n == 0 || s.Expect[i].Else[n-1].Condition != nil {
			p.wrong(s.Expect[i].Line-p.first, "%v", errNoElse)
		}
	}
	switch len(s.Expect) {
	case 0:
		return // said already
	case 1:
		if s.Expect[0].Allow != "" {
			p.wrong(s.Expect[0].Line-p.first, "there is only `--- allow %s`: the other allow list needs a block too, or write `---`", s.Expect[0].Allow)
		}
	case 2:
		if s.Expect[0].Allow == "" || s.Expect[1].Allow == "" || s.Expect[0].Allow == s.Expect[1].Allow {
			p.wrong(s.Expect[1].Line-p.first, "two blocks are one `--- allow *` and one `--- allow default`")
		}
	default:
		p.wrong(s.Expect[2].Line-p.first, "a step has at most two blocks of what must come back")
	}
}

// checkNames finds names that are used before something binds them.
func (p *parser) checkNames(f *File) {
	if len(p.problems) > 0 {
		return
	}
	bound, pending := map[string]bool{}, map[string]bool{}
	unknown := func(line int, names ...string) {
		for _, n := range names {
			if !predefined(n) && !bound[n] {
				p.wrong(line, "{{%s}} is used before a pattern binds it: an earlier step must have \"{{%s}}\" in each of its blocks", n, n)
			}
		}
	}
	for _, s := range f.Steps {
		if !s.Concurrent {
			for n := range pending {
				bound[n] = true
			}
		}
		unknown(s.Line, namesIn(s.Target+s.Body)...)
		for _, h := range s.Header {
			unknown(s.Line, namesIn(h.Value)...)
		}
		var inAll []string
		for i, e := range s.Expect {
			binds, refers := e.names()
			for _, n := range refers {
				if !slices.Contains(binds, n) {
					unknown(e.Line, n)
				}
			}
			if i == 0 {
				inAll = binds
			}
			inAll = slices.DeleteFunc(inAll, func(n string) bool { return !slices.Contains(binds, n) })
		}
		for _, n := range inAll {
			if s.Concurrent {
				pending[n] = true
			} else {
				bound[n] = true
			}
		}
	}
}

// names returns what the block binds and what it refers to.
func (e *Expectation) names() (binds, refers []string) {
	if e.Body != nil {
		binds, refers = e.Body.names()
	}
	for _, h := range e.Header {
		b, r := (&Pattern{value: h.Value}).names()
		binds, refers = append(binds, b...), append(refers, r...)
	}
	return binds, refers
}
