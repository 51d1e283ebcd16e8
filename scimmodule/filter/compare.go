package filter

import (
	"cmp"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// test is a comparison with a literal that was converted when it was compiled.
type test interface {
	holds(v attr.Value) bool
}

// newTest converts a literal, which is not null, to what the attribute's type
// compares with.
func newTest(f field, op Op, literal attr.Value) (test, error) {
	switch f.def.Type {
	case schema.Boolean:
		b, ok := attr.ParseBool(literal)
		switch {
		case op != Eq && op != Ne:
			return nil, unsupported(f, op)
		case !ok:
			return nil, incomparable(f, "true or false")
		}
		return boolTest{b, op == Eq}, nil
	case schema.Integer, schema.Decimal:
		switch {
		case op == Co || op == Sw || op == Ew:
			return nil, unsupported(f, op)
		case literal.Kind() == attr.Bool || !isNumber(literal.Text()):
			return nil, incomparable(f, "a number")
		}
		return &numberTest{op, parseNumber(literal.Text())}, nil
	case schema.DateTime:
		if op == Co || op == Sw || op == Ew {
			break
		}
		t, err := parseTime(literal.Text())
		if err != nil {
			return nil, incomparable(f, "a date and time such as 2026-01-31T09:30:00Z")
		}
		return &timeTest{op, t}, nil
	case schema.Binary:
		if op == Gt || op == Ge || op == Lt || op == Le {
			return nil, unsupported(f, op)
		}
	}
	t := &textTest{op: op, literal: text(literal), fold: f.def.Type == schema.String && !f.def.CaseExact}
	t.want = t.literal
	if t.fold {
		t.want = attr.Fold(t.want)
	}
	return t, nil
}

func unsupported(f field, op Op) error {
	return refuse("The attribute %s is of type %s, which has no comparison by %s.", f.name, f.def.Type, op)
}

func incomparable(f field, want string) error {
	return refuse("The attribute %s can only be compared with %s.", f.name, want)
}

// text returns a literal as it was written, so that a number or boolean without
// quotes matches a string.
func text(v attr.Value) string {
	if v.Kind() == attr.Bool {
		return strconv.FormatBool(v.Bool())
	}
	return v.Text()
}

// textTest compares strings, references, binaries, and parts of dates.
type textTest struct {
	op      Op
	literal string // as sent
	want    string // folded where fold is set
	fold    bool   // without case
}

func (t *textTest) holds(v attr.Value) bool {
	if v.Kind() != attr.String {
		return false
	}
	s := v.Text()
	switch {
	case t.op == Eq && t.fold:
		return strings.EqualFold(s, t.want)
	case t.op == Ne && t.fold:
		return !strings.EqualFold(s, t.want)
	case t.fold:
		s = attr.Fold(s)
	}
	switch t.op {
	case Co:
		return strings.Contains(s, t.want)
	case Sw:
		return strings.HasPrefix(s, t.want)
	case Ew:
		return strings.HasSuffix(s, t.want)
	}
	return ordered(t.op, cmp.Compare(s, t.want))
}

// ordered tells whether a comparison of a value with the literal, negative, zero
// or positive, satisfies the operator.
func ordered(op Op, c int) bool {
	switch op {
	case Eq:
		return c == 0
	case Ne:
		return c != 0
	case Gt:
		return c > 0
	case Ge:
		return c >= 0
	case Lt:
		return c < 0
	case Le:
		return c <= 0
	}
	return false
}

type boolTest struct{ want, equal bool }

func (t boolTest) holds(v attr.Value) bool {
	return v.Kind() == attr.Bool && (v.Bool() == t.want) == t.equal
}

type numberTest struct {
	op   Op
	want number
}

func (t *numberTest) holds(v attr.Value) bool {
	return v.Kind() == attr.Number && ordered(t.op, parseNumber(v.Text()).compare(t.want))
}

// number is a JSON number: exact up to a size at which exactness costs too much.
type number struct {
	i     int64
	whole bool     // i is it
	rat   *big.Rat // exact where not nil
	f     float64
}

func parseNumber(s string) number {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return number{i: i, whole: true}
	}
	n := number{}
	n.f, _ = strconv.ParseFloat(s, 64)
	exponent := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(s[i+1:]); err != nil {
			return n
		}
	}
	if len(s) <= 1024 && -1024 <= exponent && exponent <= 1024 {
		n.rat, _ = new(big.Rat).SetString(s)
	}
	return n
}

func (n number) compare(m number) int {
	if n.whole && m.whole {
		return cmp.Compare(n.i, m.i)
	}
	a, b := n.exact(), m.exact()
	if a == nil || b == nil {
		return cmp.Compare(n.float(), m.float())
	}
	return a.Cmp(b)
}

func (n number) exact() *big.Rat {
	if n.whole {
		return new(big.Rat).SetInt64(n.i)
	}
	return n.rat
}

func (n number) float() float64 {
	if n.whole {
		return float64(n.i)
	}
	return n.f
}

type timeTest struct {
	op   Op
	want time.Time
}

func (t *timeTest) holds(v attr.Value) bool {
	got, err := schema.ParseDateTime(v.Text())
	return err == nil && ordered(t.op, got.Compare(t.want))
}

// parseTime also reads a date alone, as its first instant in UTC.
func parseTime(s string) (time.Time, error) {
	t, err := schema.ParseDateTime(s)
	if err != nil {
		return time.Parse(time.DateOnly, s)
	}
	return t, nil
}

// presence is pr: the value is not empty, nor is all that is in it.
type presence struct{}

func (presence) holds(v attr.Value) bool { return present(v) }

func present(v attr.Value) bool {
	switch v.Kind() {
	case attr.Null:
		return false
	case attr.String:
		return v.Text() != ""
	case attr.Array:
		return slices.ContainsFunc(v.List(), present)
	case attr.Object:
		for _, e := range v.Object().All() {
			if present(e) {
				return true
			}
		}
		return false
	}
	return true
}
