package filter

import (
	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

// Op is a comparison operator in lower case (RFC 7644 §3.4.2.2 table 3).
type Op string

// The comparison operators.
const (
	Eq Op = "eq"
	Ne Op = "ne"
	Co Op = "co"
	Sw Op = "sw"
	Ew Op = "ew"
	Pr Op = "pr"
	Gt Op = "gt"
	Ge Op = "ge"
	Lt Op = "lt"
	Le Op = "le"
)

// operators are the words that Op can be.
var operators = map[string]Op{"eq": Eq, "ne": Ne, "co": Co, "sw": Sw, "ew": Ew, "pr": Pr, "gt": Gt, "ge": Ge, "lt": Lt, "le": Le}

// Connective is a logical operator in lower case (RFC 7644 §3.4.2.2 table 4).
type Connective string

// The connectives of a Logical.
const (
	And Connective = "and"
	Or  Connective = "or"
)

// Expr is a parsed filter: *Logical, *Not, *Compare or *ValuePath. String prints
// it in canonical form, literals included, which Parse reads back as an equal
// expression. Expressions are immutable.
type Expr interface {
	String() string
	append(dst []byte) []byte
}

// Logical is two or more terms joined by one connective. The parser never puts a
// Logical directly into another of the same connective.
type Logical struct {
	Op    Connective
	Terms []Expr
}

// Not is the negation of an expression.
type Not struct{ X Expr }

// Compare is a comparison of an attribute with a literal.
type Compare struct {
	Path  string     // [URN:]attribute[.sub] as sent
	Op    Op         // lower case
	Value attr.Value // Null, Bool, Number or String; Null for Pr
}

// ValuePath is a filter on the elements of an attribute: emails[type eq "work"].
type ValuePath struct {
	Path   string // [URN:]attribute[.sub] as sent
	Filter Expr   // over the sub-attributes of one element
	// Then, if not nil, is compared in the elements that the filter selects. Its
	// Path is the sub-attribute after the brackets, or empty for the element
	// itself: emails[type eq "work"] eq "x", which stands for its "value".
	Then *Compare
}

// String implements Expr.
func (e *Logical) String() string { return string(e.append(nil)) }

// String implements Expr.
func (e *Not) String() string { return string(e.append(nil)) }

// String implements Expr.
func (e *Compare) String() string { return string(e.append(nil)) }

// String implements Expr.
func (e *ValuePath) String() string { return string(e.append(nil)) }

func (e *Logical) append(dst []byte) []byte {
	for i, t := range e.Terms {
		if i > 0 {
			dst = append(dst, ' ')
			dst = append(dst, e.Op...)
			dst = append(dst, ' ')
		}
		if l, ok := t.(*Logical); ok && e.Op == And && l.Op == Or {
			dst = append(dst, '(')
			dst = append(l.append(dst), ')')
			continue
		}
		dst = t.append(dst)
	}
	return dst
}

func (e *Not) append(dst []byte) []byte {
	dst = append(dst, "not ("...)
	return append(e.X.append(dst), ')')
}

func (e *Compare) append(dst []byte) []byte {
	dst = append(dst, e.Path...)
	dst = append(dst, ' ')
	dst = append(dst, e.Op...)
	if e.Op == Pr {
		return dst
	}
	return e.Value.Append(append(dst, ' '))
}

func (e *ValuePath) append(dst []byte) []byte {
	dst = append(dst, e.Path...)
	dst = append(dst, '[')
	dst = append(e.Filter.append(dst), ']')
	if e.Then == nil {
		return dst
	}
	if e.Then.Path != "" {
		dst = append(dst, '.')
	}
	return e.Then.append(dst)
}
