package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration
}

// json returns the body's value; it is false where the body is not JSON.
func (a *Answer) json() (any, bool) {
	v, err := decode(a.Body)
	return v, err == nil
}

// Condition decides whether an answer is a certain fault. The forms, which `and`
// joins:
//
//	404                      the status is one of these; 4xx is a class
//	not 200 204              the status is none of these
//	body.a[0].b == PATTERN   also != ; body["urn:x:y"].b, or body alone
//	body.a > 1               also < >= <=, for numbers
//	count body.a == 0        how many elements an array has, 0 where it is not there
//	body.a is string         or number, boolean, object, array, null
//	missing body.a           no such member, or null
//	header Location == "h"   how a header begins; also !=
//	missing header ETag
//	not json                 the body is not JSON
//	late                     it took longer than `within`
//
// Attribute names are in any case.
type Condition struct {
	Text  string
	tests []test
}

type test func(s *Step, a *Answer, n *Names) bool

// ParseCondition reads a condition.
func ParseCondition(text string) (*Condition, error) {
	c := &Condition{Text: text}
	for _, part := range splitAnd(text) {
		t, err := parseTest(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		c.tests = append(c.tests, t)
	}
	return c, nil
}

// Holds reports whether the condition holds for the answer to a step.
func (c *Condition) Holds(s *Step, a *Answer, n *Names) bool {
	for _, t := range c.tests {
		if !t(s, a, n) {
			return false
		}
	}
	return true
}

// splitAnd splits at the word and, but not within strings.
func splitAnd(text string) []string {
	var parts []string
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(text[i:], " and "):
			parts = append(parts, text[from:i])
			from = i + len(" and ")
		}
	}
	return append(parts, text[from:])
}

var (
	statusForm  = regexp.MustCompile(`^(not )?([1-5][0-9x][0-9x]( [1-5][0-9x][0-9x])*)$`)
	bodyForm    = regexp.MustCompile(`^(count )?body((?:\.[^\s.\[\]]+|\[[0-9]+\]|\["[^"]+"\])*) (==|!=|>=|<=|>|<|is) (.+)$`)
	missingForm = regexp.MustCompile(`^missing body((?:\.[^\s.\[\]]+|\[[0-9]+\]|\["[^"]+"\])+)$`)
	headerForm  = regexp.MustCompile(`^header ([A-Za-z-]+) (==|!=) "([^"]*)"$`)
	noHeader    = regexp.MustCompile(`^missing header ([A-Za-z-]+)$`)
	pathForm    = regexp.MustCompile(`\.([^\s.\[\]]+)|\[([0-9]+)\]|\["([^"]+)"\]`)
)

func parseTest(text string) (test, error) {
	switch text {
	case "not json":
		return func(_ *Step, a *Answer, _ *Names) bool { _, ok := a.json(); return !ok }, nil
	case "late":
		return func(s *Step, a *Answer, _ *Names) bool { return s.Within > 0 && a.Took > s.Within }, nil
	}
	if m := statusForm.FindStringSubmatch(text); m != nil {
		return func(_ *Step, a *Answer, _ *Names) bool {
			return slices.ContainsFunc(strings.Fields(m[2]), func(s string) bool { return isStatus(a.Status, s) }) == (m[1] == "")
		}, nil
	}
	if m := missingForm.FindStringSubmatch(text); m != nil {
		return func(_ *Step, a *Answer, _ *Names) bool { v, ok := a.at(m[1]); return !ok || v == nil }, nil
	}
	if m := noHeader.FindStringSubmatch(text); m != nil {
		return func(_ *Step, a *Answer, _ *Names) bool { return a.Header.Get(m[1]) == "" }, nil
	}
	if m := headerForm.FindStringSubmatch(text); m != nil {
		return func(_ *Step, a *Answer, _ *Names) bool {
			return strings.HasPrefix(a.Header.Get(m[1]), m[3]) == (m[2] == "==")
		}, nil
	}
	if m := bodyForm.FindStringSubmatch(text); m != nil {
		return bodyTest(m[1] != "", m[2], m[3], m[4])
	}
	return nil, fmt.Errorf("the condition %q is not understood: see the forms in the package's documentation", text)
}

func bodyTest(count bool, path, op, value string) (test, error) {
	if op == "is" {
		if count || !slices.Contains(kinds, value) {
			return nil, fmt.Errorf("body%s is %q: it is one of %s", path, value, strings.Join(kinds, ", "))
		}
		return func(_ *Step, a *Answer, _ *Names) bool { v, ok := a.at(path); return ok && kindOf(v) == value }, nil
	}
	if !count && (op == "==" || op == "!=") {
		p, err := ParsePattern(value)
		if err != nil {
			return nil, err
		}
		return func(_ *Step, a *Answer, n *Names) bool {
			v, ok := a.at(path)
			m := &matcher{n.Clone(), true}
			return (len(m.match(p.value, v, ok, "", nil)) == 0) == (op == "==")
		}, nil
	}
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a number", value)
	}
	return func(_ *Step, a *Answer, _ *Names) bool {
		v, ok := a.at(path)
		var got float64
		if count {
			list, _ := v.([]any)
			got = float64(len(list))
		} else {
			n, isNumber := v.(json.Number)
			if got, err = n.Float64(); !ok || !isNumber || err != nil {
				return false
			}
		}
		switch op {
		case "==":
			return got == number
		case "!=":
			return got != number
		case ">":
			return got > number
		case "<":
			return got < number
		case ">=":
			return got >= number
		}
		return got <= number
	}, nil
}

// at returns the value at a path of the body.
func (a *Answer) at(path string) (any, bool) {
	v, ok := a.json()
	if !ok {
		return nil, false
	}
	for _, m := range pathForm.FindAllStringSubmatch(path, -1) {
		switch {
		case m[2] != "":
			i, err := strconv.Atoi(m[2])
			list, _ := v.([]any)
			if err != nil || i >= len(list) {
				return nil, false
			}
			v = list[i]
		default:
			o, _ := v.(map[string]any)
			if v, ok = fold(o, m[1]+m[3]); !ok {
				return nil, false
			}
		}
	}
	return v, true
}

func isStatus(status int, form string) bool {
	text := strconv.Itoa(status)
	for i := range form {
		if len(text) != len(form) || form[i] != 'x' && form[i] != text[i] {
			return false
		}
	}
	return true
}

// Compare returns where an answer differs from what must come back, and binds the
// pattern's names.
func (e *Expectation) Compare(s *Step, a *Answer, n *Names) []Mismatch {
	if !slices.Contains(e.Status, a.Status) {
		return []Mismatch{{"status", nil, statuses(e.Status), strconv.Itoa(a.Status)}}
	}
	var all []Mismatch
	m := &matcher{n, s.AnyCase}
	for _, f := range e.Header {
		got := a.Header.Get(f.Name)
		if strings.HasPrefix(f.Value, "{{") && strings.HasSuffix(f.Value, "}}") {
			if said := m.matchString(f.Value, got, got != ""); said != "" {
				all = append(all, Mismatch{"header " + f.Name, nil, said, strconv.Quote(got)})
			}
			continue
		}
		want, err := n.expand(f.Value, asIs)
		if err != nil || got == "" || len(got) < len(want) || !strings.EqualFold(got[:len(want)], want) {
			all = append(all, Mismatch{"header " + f.Name, nil, strconv.Quote(want), strconv.Quote(got)})
		}
	}
	if e.Body != nil && a.Status != http.StatusNoContent {
		v, err := decode(a.Body)
		if err != nil {
			all = append(all, Mismatch{"body", nil, "JSON", cut(a.Body)})
		} else {
			all = append(all, m.match(e.Body.value, v, true, "body", nil)...)
		}
	}
	if s.Within > 0 && a.Took > s.Within {
		all = append(all, Mismatch{"time", nil, "at most " + s.Within.String(), a.Took.Round(time.Millisecond).String()})
	}
	return all
}

// Classify returns the finding of an answer that differs.
func (e *Expectation) Classify(s *Step, a *Answer, n *Names) string {
	for _, o := range e.Else {
		if o.Condition == nil || o.Condition.Holds(s, a, n) {
			return o.Finding
		}
	}
	return "" // not reached: the last has no condition
}

func statuses(list []int) string {
	var words []string
	for _, s := range list {
		words = append(words, strconv.Itoa(s))
	}
	return strings.Join(words, " or ")
}

func cut(body []byte) string {
	if len(body) == 0 {
		return "an empty body"
	}
	text := []rune(strings.ToValidUTF8(string(body), "�"))
	if len(text) > 80 {
		text = append(text[:79], '…')
	}
	return strconv.Quote(string(text))
}

var errNoElse = errors.New("the step lacks a last line `else: finding`")
