package filter

import (
	"strings"
	"unicode/utf8"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// Limits bound what is read as a filter or path. A zero field takes the default.
type Limits struct {
	Length int // bytes; default 4 KiB
	Depth  int // nesting of parentheses, brackets and not; default 20
	Terms  int // comparisons; default 50
}

func (l Limits) withDefaults() Limits {
	if l.Length == 0 {
		l.Length = 4 << 10
	}
	if l.Depth == 0 {
		l.Depth = 20
	}
	if l.Terms == 0 {
		l.Terms = 50
	}
	return l
}

// Parse reads a filter (RFC 7644 §3.4.2.2) within the default Limits. Besides the
// grammar it accepts what clients send: literals without quotes, up to the next
// space or closing bracket; not without parentheses; a comparison after a value
// filter. Errors are *scimerr.Error, 400 invalidFilter: they tell the position in
// characters and what was expected there, and repeat nothing of the filter.
func Parse(s string) (Expr, error) { return Limits{}.Parse(s) }

// Parse is the function Parse with other limits.
func (l Limits) Parse(s string) (Expr, error) {
	p, err := l.parser(s, "filter", scimerr.InvalidFilter)
	if err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(s) {
		return nil, p.expected(`"and", "or" or the end`)
	}
	return e, nil
}

// parser is a recursive descent over text. What a word means depends on where it
// stands, as attributes may be named like operators, so there are no tokens.
type parser struct {
	text     string
	at       int // offset of the next byte
	limits   Limits
	depth    int
	terms    int
	brackets bool // within a value filter
	noun     string
	typ      scimerr.Type
}

func (l Limits) parser(s, noun string, t scimerr.Type) (*parser, error) {
	p := &parser{text: s, limits: l.withDefaults(), noun: noun, typ: t}
	if len(s) > p.limits.Length {
		return nil, scimerr.BadRequest(t, "The %s is longer than the %d bytes that are accepted.", noun, p.limits.Length).At("filter_bytes")
	}
	if !utf8.ValidString(s) {
		return nil, scimerr.BadRequest(t, "The %s is not valid UTF-8.", noun)
	}
	return p, nil
}

func (p *parser) expected(what string) error {
	return scimerr.BadRequest(p.typ, "The %s cannot be read at character %d: expected %s.", p.noun, utf8.RuneCountInString(p.text[:p.at])+1, what)
}

func (p *parser) enter() error {
	if p.depth++; p.depth > p.limits.Depth {
		return scimerr.BadRequest(p.typ, "The %s nests deeper than the %d levels that are accepted.", p.noun, p.limits.Depth).At("filter_depth")
	}
	return nil
}

func (p *parser) or() (Expr, error)  { return p.chain(Or, p.and) }
func (p *parser) and() (Expr, error) { return p.chain(And, p.term) }

// chain reads operands that are joined by one connective.
func (p *parser) chain(c Connective, operand func() (Expr, error)) (Expr, error) {
	var terms []Expr
	for {
		e, err := operand()
		if err != nil {
			return nil, err
		}
		if l, ok := e.(*Logical); ok && l.Op == c {
			terms = append(terms, l.Terms...)
		} else {
			terms = append(terms, e)
		}
		p.space()
		w := p.word(p.at)
		if !strings.EqualFold(w, string(c)) {
			break
		}
		p.at += len(w)
	}
	if len(terms) == 1 {
		return terms[0], nil
	}
	return &Logical{Op: c, Terms: terms}, nil
}

func (p *parser) term() (Expr, error) {
	p.space()
	switch {
	case p.next('('):
		if err := p.enter(); err != nil {
			return nil, err
		}
		return p.closed(')')
	case p.negates():
		p.at += len("not")
		if err := p.enter(); err != nil {
			return nil, err
		}
		p.space()
		var x Expr
		var err error
		if p.next('(') {
			x, err = p.closed(')')
		} else {
			x, err = p.term()
			p.depth--
		}
		if err != nil {
			return nil, err
		}
		return &Not{x}, nil
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if p.next('[') {
		return p.valuePath(name)
	}
	return p.comparison(name)
}

// closed reads the rest of a group that was entered.
func (p *parser) closed(end byte) (Expr, error) {
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); !p.next(end) {
		return nil, p.expected(`"and", "or" or "` + string(end) + `"`)
	}
	p.depth--
	return e, nil
}

// negates tells whether a negation follows, and not an attribute named "not": it
// is one unless a comparison follows whose left side it could be.
func (p *parser) negates() bool {
	if !strings.EqualFold(p.word(p.at), "not") {
		return false
	}
	i := p.skip(p.at + len("not"))
	if i < len(p.text) && p.text[i] == '(' {
		return true
	}
	second := p.word(i)
	if _, ok := operator(second); !ok {
		return second != ""
	}
	_, ok := operator(p.word(p.skip(i + len(second))))
	return ok
}

// valuePath reads on after the opening bracket.
func (p *parser) valuePath(name string) (Expr, error) {
	f, err := p.valueFilter()
	if err != nil {
		return nil, err
	}
	e := &ValuePath{Path: name, Filter: f}
	sub := ""
	if p.next('.') {
		if sub, err = p.subAttribute(); err != nil {
			return nil, err
		}
	} else if _, ok := operator(p.word(p.skip(p.at))); !ok {
		return e, nil
	}
	e.Then, err = p.comparison(sub)
	return e, err
}

func (p *parser) valueFilter() (Expr, error) {
	if p.brackets {
		p.at--
		return nil, p.expected("an operator, as value filters cannot be nested")
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	p.brackets = true
	f, err := p.closed(']')
	p.brackets = false
	return f, err
}

// comparison reads an operator and its literal.
func (p *parser) comparison(name string) (*Compare, error) {
	if p.terms++; p.terms > p.limits.Terms {
		return nil, scimerr.BadRequest(p.typ, "The %s has more than the %d comparisons that are accepted.", p.noun, p.limits.Terms).At("filter_terms")
	}
	p.space()
	w := p.word(p.at)
	op, ok := operator(w)
	if !ok {
		return nil, p.expected("one of the operators eq, ne, co, sw, ew, pr, gt, ge, lt, le")
	}
	p.at += len(w)
	c := &Compare{Path: name, Op: op}
	if op == Pr {
		return c, nil
	}
	p.space()
	var err error
	c.Value, err = p.literal()
	return c, err
}

func operator(word string) (Op, bool) {
	if len(word) != 2 {
		return "", false
	}
	op, ok := operators[strings.ToLower(word)]
	return op, ok
}

// literal reads a JSON literal, or a bare word as a string.
func (p *parser) literal() (attr.Value, error) {
	rest := p.text[p.at:]
	if strings.HasPrefix(rest, `"`) {
		n := quoted(rest)
		v, err := attr.Decode([]byte(rest[:n]), nil, attr.Limits{})
		if err != nil {
			return v, p.expected("a value in double quotes, with JSON's escapes")
		}
		p.at += n
		return v, nil
	}
	n := strings.IndexAny(rest, " \t\r\n)]")
	if n < 0 {
		n = len(rest)
	}
	w := rest[:n]
	// A value in single quotes would be compared quotes and all, and an answer
	// without matches makes clients create what they did not find.
	if w == "" || w[0] == '\'' || strings.Contains(w, `"`) {
		return attr.Value{}, p.expected("a value in double quotes, a number, true, false or null")
	}
	p.at += n
	switch w {
	case "null":
		return attr.Value{}, nil
	case "true", "false":
		return attr.OfBool(w == "true"), nil
	}
	if isNumber(w) {
		return attr.OfNumber(w), nil
	}
	return attr.Of(w), nil
}

// quoted returns the length of the quoted string that s begins with, or of s
// where the closing quote is missing.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// isNumber tells whether s is a number in JSON.
func isNumber(s string) bool {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return false
	}
	v, err := attr.Decode([]byte(s), nil, attr.Limits{})
	return err == nil && v.Kind() == attr.Number && v.Text() == s
}

func (p *parser) skip(i int) int {
	for i < len(p.text) && strings.IndexByte(" \t\r\n", p.text[i]) >= 0 {
		i++
	}
	return i
}

func (p *parser) space() { p.at = p.skip(p.at) }

// next consumes the byte c if it is next.
func (p *parser) next(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// word returns what stands at i up to the next space, bracket or quote.
func (p *parser) word(i int) string {
	s := p.text[i:]
	if n := strings.IndexAny(s, " \t\r\n()[]\""); n >= 0 {
		return s[:n]
	}
	return s
}
