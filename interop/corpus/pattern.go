package corpus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Pattern is JSON that an answer is compared with. An object matches when all its
// members do; others may be there. An array matches exactly these elements in any
// order, unless its first element is "{{...}}" (at least these) or "{{in order}}".
// Numbers and booleans match equal ones, null a null. A string matches an equal
// one with its names replaced, or is:
//
//   - "{{name}}", not bound yet: any non-empty string, which it binds
//   - "{{*}}": any non-empty string; "{{~expression}}": one that the regular
//     expression finds something in, where names stand for themselves
//   - "{{not name}}": a string other than what the name stands for
//   - "{{absent}}": no value, that is no member, null or [] (RFC 7643 §2.5)
//   - "{{missing}}": no such member
//   - "{{anything}}": a member that is not null
//   - "{{string}}", "{{number}}", "{{boolean}}", "{{object}}", "{{array}}"
//   - "{{>= 5}}": a number of at least 5
type Pattern struct {
	Text  string
	value any
}

// Nothing is what was got where there is no value.
const Nothing = "nothing"

// Mismatch is a place where an answer differs from what must come back.
type Mismatch struct {
	Path string   // "status", "header ETag", "body.Resources[0].active"
	Attr []string // the names of the path below a resource; nil outside one
	Want string
	Got  string
}

func (m Mismatch) String() string { return fmt.Sprintf("%s: want %s, got %s", m.Path, m.Want, m.Got) }

// ParsePattern reads a pattern.
func ParsePattern(text string) (*Pattern, error) {
	v, err := decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("the pattern is not JSON: %w", err)
	}
	if err := checkPattern(v); err != nil {
		return nil, err
	}
	return &Pattern{text, v}, nil
}

// decode reads one JSON value.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty")
		}
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows its end")
	}
	return v, nil
}

const (
	more    = "{{...}}"
	inOrder = "{{in order}}"
)

var kinds = []string{"string", "number", "boolean", "object", "array", "null"}

var (
	atLeastForm = regexp.MustCompile(`^\{\{>= (-?[0-9]+)\}\}$`)
	notForm     = regexp.MustCompile(`^\{\{not ([a-z][A-Za-z0-9_]*)\}\}$`)
	wholeName   = regexp.MustCompile(`^\{\{([a-z][A-Za-z0-9_]*)\}\}$`)
)

// reserved words are no names.
func reserved(word string) bool {
	return word == "absent" || word == "missing" || word == "anything" || slices.Contains(kinds, word)
}

func checkPattern(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if err := checkPattern(e); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
	case []any:
		for i, e := range v {
			if i == 0 && (e == more || e == inOrder) {
				continue
			}
			if err := checkPattern(e); err != nil {
				return err
			}
		}
	case string:
		rest := v
		switch {
		case v == "{{*}}", atLeastForm.MatchString(v), notForm.MatchString(v):
			return nil
		case strings.HasPrefix(v, "{{~"):
			if !strings.HasSuffix(v, "}}") {
				return fmt.Errorf("%q does not end with }}", v)
			}
			rest = v[3 : len(v)-2]
			if _, err := regexp.Compile(nameForm.ReplaceAllString(rest, "x")); err != nil {
				return err
			}
			return nil
		}
		if rest = nameForm.ReplaceAllString(rest, ""); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
			return fmt.Errorf("%q is not understood: see the words for patterns in the package's documentation", v)
		}
	}
	return nil
}

// names returns which names the pattern binds on its first use, and which it may
// only refer to.
func (p *Pattern) names() (binds, refers []string) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case string:
			if m := wholeName.FindStringSubmatch(v); m != nil && !reserved(m[1]) {
				binds = append(binds, m[1])
			} else if m := notForm.FindStringSubmatch(v); m != nil {
				refers = append(refers, m[1])
			} else if m == nil {
				for _, n := range namesIn(v) {
					if !reserved(n) {
						refers = append(refers, n)
					}
				}
			}
		}
	}
	walk(p.value)
	return binds, refers
}

// matcher compares with the names of a file.
type matcher struct {
	names   *Names
	anyCase bool
}

// match returns where got differs; present is whether there is a value at all.
func (m *matcher) match(want, got any, present bool, path string, attr []string) []Mismatch {
	differs := func(w string) []Mismatch {
		g := Nothing
		if present {
			g = show(got)
		}
		return []Mismatch{{path, attr, w, g}}
	}
	switch w := want.(type) {
	case string:
		if said := m.matchString(w, got, present); said != "" {
			return differs(said)
		}
		return nil
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return differs("an object")
		}
		var all []Mismatch
		for _, k := range sortedKeys(w) {
			v, ok := m.member(g, k)
			all = append(all, m.match(w[k], v, ok, path+"."+k, below(attr, k))...)
		}
		return all
	case []any:
		g, ok := got.([]any)
		if !ok {
			return differs("an array")
		}
		return m.matchArray(w, g, path, attr)
	case json.Number:
		if g, ok := got.(json.Number); ok && equalNumbers(w, g) {
			return nil
		}
	case bool:
		if g, ok := got.(bool); ok && g == w {
			return nil
		}
	default: // null
		if present && got == nil {
			return nil
		}
	}
	return differs(show(want))
}

// messageMembers are the members of messages that are no attributes (RFC 7644
// §3.4.2, §3.12, RFC 9865 §2).
var messageMembers = []string{"resources", "totalresults", "startindex", "itemsperpage", "nextcursor", "previouscursor", "operations", "detail", "status", "scimtype"}

// below extends the names of an attribute; what a ListResponse holds begins anew.
func below(attr []string, name string) []string {
	if len(attr) == 0 && slices.Contains(messageMembers, strings.ToLower(name)) {
		return nil
	}
	return append(slices.Clone(attr), name)
}

func (m *matcher) member(o map[string]any, name string) (any, bool) {
	v, ok := o[name]
	if !ok && m.anyCase {
		return fold(o, name)
	}
	return v, ok
}

func fold(o map[string]any, name string) (any, bool) {
	for k, v := range o {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return nil, false
}

// matchString returns what was wanted, or nothing where got matches.
func (m *matcher) matchString(want string, got any, present bool) string {
	text, isText := got.(string)
	switch want {
	case "{{absent}}":
		if list, ok := got.([]any); !present || got == nil || ok && len(list) == 0 {
			return ""
		}
		return "no value"
	case "{{missing}}":
		if !present {
			return ""
		}
		return "no such member"
	case "{{anything}}":
		if present && got != nil {
			return ""
		}
		return "a value"
	case "{{*}}":
		if isText && text != "" {
			return ""
		}
		return "a string"
	}
	if f := atLeastForm.FindStringSubmatch(want); f != nil {
		least, _ := strconv.ParseFloat(f[1], 64)
		if n, ok := got.(json.Number); ok {
			if v, err := n.Float64(); err == nil && v >= least {
				return ""
			}
		}
		return "a number of at least " + f[1]
	}
	if f := notForm.FindStringSubmatch(want); f != nil {
		v, _ := m.names.Value(f[1])
		if isText && text != v {
			return ""
		}
		return "a string other than " + strconv.Quote(v)
	}
	if expr, ok := strings.CutPrefix(want, "{{~"); ok {
		expr, err := m.names.expand(strings.TrimSuffix(expr, "}}"), regexp.QuoteMeta)
		if err == nil && isText {
			if r, err := regexp.Compile(expr); err == nil && r.MatchString(text) {
				return ""
			}
		}
		return "a string like " + expr
	}
	if f := wholeName.FindStringSubmatch(want); f != nil {
		if slices.Contains(kinds, f[1]) {
			if present && kindOf(got) == f[1] {
				return ""
			}
			return "a value of kind " + f[1]
		}
		if _, bound := m.names.Value(f[1]); !bound {
			if isText && text != "" {
				m.names.Bind(f[1], text)
				return ""
			}
			return "a string"
		}
	}
	v, err := m.names.expand(want, asIs)
	if err == nil && isText && text == v {
		return ""
	}
	return strconv.Quote(v)
}

// matchArray pairs elements. Those of the pattern that bind nothing are paired so
// that as many as possible match; the others then take the first that is left.
func (m *matcher) matchArray(want, got []any, path string, attr []string) []Mismatch {
	open := len(want) > 0 && want[0] == more
	ordered := len(want) > 0 && want[0] == inOrder
	if open || ordered {
		want = want[1:]
	}
	pairs := make([]int, len(want)) // of the pattern's elements, the index in got
	for i := range pairs {
		pairs[i] = -1
		if ordered && i < len(got) {
			pairs[i] = i
		}
	}
	if !ordered {
		m.pair(want, got, pairs)
	}
	var all []Mismatch
	taken := make([]bool, len(got))
	for _, j := range pairs {
		if j >= 0 {
			taken[j] = true
		}
	}
	for i, w := range want {
		j := pairs[i]
		if j < 0 && !open {
			if j = slices.Index(taken, false); j >= 0 {
				taken[j] = true
			}
		}
		if j < 0 {
			all = append(all, Mismatch{path, attr, "an element " + m.shown(w), fmt.Sprintf("%d elements without it", len(got))})
			continue
		}
		all = append(all, m.match(w, got[j], true, fmt.Sprintf("%s[%d]", path, j), attr)...)
	}
	if !open && len(got) > len(want) {
		all = append(all, Mismatch{path, attr, fmt.Sprintf("%d elements", len(want)), fmt.Sprintf("%d elements", len(got))})
	}
	return all
}

// pair finds for each element of the pattern one of got that matches it.
func (m *matcher) pair(want, got []any, pairs []int) {
	owner := make([]int, len(got))
	for j := range owner {
		owner[j] = -1
	}
	fits := func(i, j int) bool {
		probe := &matcher{m.names.Clone(), m.anyCase}
		return len(probe.match(want[i], got[j], true, "", nil)) == 0
	}
	var seen []bool
	var place func(i int) bool
	place = func(i int) bool {
		for j := range got {
			if seen[j] || !fits(i, j) {
				continue
			}
			seen[j] = true
			if owner[j] < 0 || place(owner[j]) {
				owner[j], pairs[i] = i, j
				return true
			}
		}
		return false
	}
	for i := range want {
		if !m.binds(want[i]) {
			seen = make([]bool, len(got))
			place(i)
		}
	}
	for i := range want {
		if !m.binds(want[i]) {
			continue
		}
		for j := range got {
			if owner[j] < 0 && fits(i, j) {
				owner[j], pairs[i] = i, j
				m.match(want[i], got[j], true, "", nil) // to bind for the next one
				break
			}
		}
	}
}

// binds reports whether an element of a pattern would bind a name.
func (m *matcher) binds(v any) bool {
	binds, _ := (&Pattern{value: v}).names()
	return slices.ContainsFunc(binds, func(n string) bool { _, bound := m.names.Value(n); return !bound })
}

func (m *matcher) shown(v any) string {
	text, err := m.names.expand(show(v), jsonEscape)
	if err != nil {
		return show(v)
	}
	return text
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "boolean"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return "null"
}

func equalNumbers(a, b json.Number) bool {
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && x == y
}

// show writes a value in one line that is not too long.
func show(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	text := []rune(strings.TrimSpace(b.String()))
	if len(text) > 200 {
		return string(text[:199]) + "…"
	}
	return string(text)
}

func sortedKeys(o map[string]any) []string {
	var keys []string
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
