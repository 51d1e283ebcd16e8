package filter

import (
	"slices"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// Element is a value filter that is ready to be evaluated on the elements of one
// attribute. It is immutable and safe for concurrent use.
type Element struct {
	root     node
	template *attr.Members
	values   []string
	finite   bool
}

// CompileElement resolves a value filter, whose names are sub-attributes of r.
// Errors are those of Compile; nothing makes a clause false instead.
func CompileElement(e Expr, v *schema.View, r schema.Ref) (*Element, error) {
	c, err := newElementCompiler(v, r)
	if err != nil {
		return nil, err
	}
	root, err := c.compile(e, context{})
	if err != nil {
		return nil, err
	}
	el := &Element{root: root}
	t := &attr.Members{}
	if c.describe(e, t) {
		el.template = t
	}
	el.values, el.finite = c.values(e)
	return el, nil
}

// newElementCompiler returns a compiler of filters over the elements of r.
func newElementCompiler(v *schema.View, r schema.Ref) (*compiler, error) {
	if r.Attr == nil || r.Sub != nil {
		return nil, refuse("A filter in brackets belongs after an attribute, not after a schema or a sub-attribute.")
	}
	return &compiler{view: v, of: &r}, nil
}

// Match tells whether the filter is true of an element. One that is not complex
// is its own "value".
func (f *Element) Match(element attr.Value) bool { return f.root.match(element) }

// Template returns the element that the filter describes, where it is a
// conjunction of equalities on different sub-attributes: {type:"work"} for
// type eq "work". Values have the types of their sub-attributes. The caller owns
// the result.
func (f *Element) Template() (*attr.Members, bool) {
	if f.template == nil {
		return nil, false
	}
	return f.template.Clone(), true
}

// Values returns the values of the sub-attribute "value" that an element can
// have to match, where it is compared with case, the filter is about nothing else
// and they are finitely many: value eq "a" or value eq "b". There may be none.
func (f *Element) Values() ([]string, bool) { return slices.Clone(f.values), f.finite }

// describe adds to t what a conjunction of equalities says, if it is one.
func (c *compiler) describe(e Expr, t *attr.Members) bool {
	switch e := e.(type) {
	case *Logical:
		return e.Op == And && !slices.ContainsFunc(e.Terms, func(x Expr) bool { return !c.describe(x, t) })
	case *Compare:
		f, err := c.resolve(e.Path)
		if err != nil || e.Op != Eq || e.Value.IsNull() {
			return false
		}
		literal := e.Value
		if f.def.Type != schema.Boolean && f.def.Type != schema.Integer && f.def.Type != schema.Decimal {
			literal = attr.Of(text(literal))
		}
		v, err := c.conform(f.def, literal)
		if err != nil || v.IsNull() {
			return false
		}
		if was, ok := t.Get(f.at.sub); ok {
			return was.Equal(v)
		}
		t.Set(f.at.sub, v)
		return true
	}
	return false
}

// conform gives a literal the type of a sub-attribute, or of the elements.
func (c *compiler) conform(def *schema.Attribute, literal attr.Value) (attr.Value, error) {
	if def == c.of.Attr {
		return c.view.ConformElement(*c.of, literal)
	}
	return c.view.Conform(schema.Ref{Extension: c.of.Extension, Attr: c.of.Attr, Sub: def}, literal)
}

// values returns the finite set of values that an expression allows.
func (c *compiler) values(e Expr) ([]string, bool) {
	switch e := e.(type) {
	case *Logical:
		var set []string
		for i, t := range e.Terms {
			s, ok := c.values(t)
			if !ok {
				return nil, false
			}
			switch {
			case i == 0:
				set = s
			case e.Op == Or:
				for _, x := range s {
					if !slices.Contains(set, x) {
						set = append(set, x)
					}
				}
			default:
				set = slices.DeleteFunc(set, func(x string) bool { return !slices.Contains(s, x) })
			}
		}
		return set, true
	case *Compare:
		f, err := c.resolve(e.Path)
		if err != nil || f.at.sub != "value" || e.Op != Eq || e.Value.IsNull() {
			return nil, false
		}
		t, err := newTest(f, e.Op, e.Value)
		if tt, ok := t.(*textTest); err == nil && ok && !tt.fold {
			return []string{tt.literal}, true
		}
	}
	return nil, false
}
