package filter

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// ErrNotKept is the cause, for errors.Is, of the 400 invalidFilter about an
// attribute that the view does not keep, be it that no schema has it.
var ErrNotKept = errors.New("attribute not kept")

// Filter is a filter that is ready to be evaluated on resources of one view. It
// is immutable and safe for concurrent use.
type Filter struct {
	root   node
	uses   map[string]int // how often each base attribute is named
	equals []Equality
	exact  bool
}

// Compile resolves a filter's attributes against a view and its literals against
// their types. Errors are *scimerr.Error, 400 invalidFilter: for an attribute
// that the view does not keep (see ErrNotKept), and for a comparison that the
// attribute's type does not have.
//
// A clause about an attribute that is not kept is false instead of an error
// where the filter as a whole demands, with and, an equality on id, userName,
// externalId or displayName, because then the answer is about one resource that
// the client knows already, as when Entra ID probes for a manager.
//
// Comparisons follow RFC 7644 §3.4.2.2 by the attribute's type: strings by
// caseExact, numbers by value, dates by instant; booleans and numbers also match
// literals in quotes, strings also literals without. A comparison is true if any
// value of the attribute satisfies it. Of an attribute without values only "ne"
// and "eq null" are true. A complex attribute is compared by its "value".
func Compile(e Expr, v *schema.View) (*Filter, error) {
	c := &compiler{view: v, uses: map[string]int{}}
	root, err := c.compile(e, context{})
	if err != nil {
		return nil, err
	}
	f := &Filter{root: root, uses: c.uses}
	f.equals, f.exact = equalities(root)
	return f, nil
}

// Match tells whether the filter is true of a resource. The resource has to be
// complete: with id and meta, and with members and groups where the filter Uses
// them.
func (f *Filter) Match(o *attr.Members) bool { return f.root.match(attr.OfObject(o)) }

// Uses tells whether the filter's outcome depends on the base attribute of that
// name, in any case.
func (f *Filter) Uses(name string) bool {
	for used := range f.uses {
		if strings.EqualFold(used, name) {
			return true
		}
	}
	return false
}

// Probe returns the values that the filter compares with the "value" of the base
// attribute of that name, in canonical case, where all that it asks of the
// attribute is to have them: then no other element of it matters.
func (f *Filter) Probe(name string) (values []string, ok bool) {
	values, uses := probes(f.root, name)
	return values, uses > 0 && uses == f.uses[name]
}

// Equals returns the equalities that every match satisfies; there may be none.
func (f *Filter) Equals() []Equality { return slices.Clone(f.equals) }

// Exact tells whether the filter is one equality and nothing else, so that an
// index which compares as the attribute does answers it without Match.
func (f *Filter) Exact() bool { return f.exact }

// compiler compiles a filter over resources, or over the elements of an attribute.
type compiler struct {
	view *schema.View
	of   *schema.Ref // the attribute whose elements are filtered, or nil
	uses map[string]int
}

// context is what the expressions around a clause say about it.
type context struct {
	negated  bool // an odd number of negations
	anchored bool // and-ed with an equality on an identifying attribute
}

func (c *compiler) compile(e Expr, in context) (node, error) {
	switch e := e.(type) {
	case *Logical:
		return c.logical(e, in)
	case *Not:
		x, err := c.compile(e.X, context{!in.negated, in.anchored})
		if err != nil {
			return nil, err
		}
		return not{x}, nil
	case *Compare:
		n, err := c.compare(e)
		return orFalse(n, err, in)
	case *ValuePath:
		n, err := c.valuePath(e, in)
		return orFalse(n, err, in)
	}
	return nil, refuse("The filter is empty.")
}

// orFalse replaces the refusal of an attribute that is not kept by what makes
// its clause false, negated or not.
func orFalse(n node, err error, in context) (node, error) {
	if in.anchored && errors.Is(err, ErrNotKept) {
		return constant(in.negated), nil
	}
	return n, err
}

func (c *compiler) logical(e *Logical, in context) (node, error) {
	if e.Op == And && !in.negated {
		in.anchored = in.anchored || slices.ContainsFunc(e.Terms, c.anchors)
	}
	nodes := make([]node, 0, len(e.Terms))
	for _, t := range e.Terms {
		n, err := c.compile(t, in)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	if e.Op == Or {
		return anyOf(nodes), nil
	}
	return allOf(nodes), nil
}

// anchors tells whether a term of a conjunction pins it to a resource that the
// client identifies.
func (c *compiler) anchors(e Expr) bool {
	switch e := e.(type) {
	case *Logical:
		return e.Op == And && slices.ContainsFunc(e.Terms, c.anchors)
	case *Compare:
		if c.of != nil || e.Op != Eq || e.Value.IsNull() {
			return false
		}
		r, ok := c.view.Resolve(e.Path)
		return ok && slices.Contains([]string{"id", "userName", "externalId", "displayName"}, r.Name())
	}
	return false
}

// field is a resolved attribute: where its values are and what they are.
type field struct {
	at   locator
	def  *schema.Attribute // nil for a whole extension
	ref  schema.Ref        // of what at.attr leads to
	name string            // canonical path
}

func (c *compiler) resolve(path string) (field, error) {
	if c.of != nil {
		return c.resolveInElement(path)
	}
	r, ok := c.view.Resolve(path)
	if !ok {
		name, _ := c.view.CanonicalName(path)
		return field{}, notKept(name)
	}
	if r.Attr == nil && r.Extension == "" {
		return field{}, refuse("The filter names the schema %s where an attribute is needed.", clip(path))
	}
	f := field{def: r.Leaf(), ref: r, name: r.Name()}
	if r.Attr == nil {
		f.at.attr = r.Extension
		return f, nil
	}
	f.at = locator{extension: r.Extension, attr: r.Attr.Name}
	if r.Sub != nil {
		f.at.sub = r.Sub.Name
	}
	if r.Extension == "" && c.uses != nil {
		c.uses[r.Attr.Name]++
	}
	return f, nil
}

// resolveInElement resolves the name of a sub-attribute; an element that is not
// complex is its own "value".
func (c *compiler) resolveInElement(name string) (field, error) {
	leaf := c.of.Attr
	if leaf.Type != schema.Complex {
		if !strings.EqualFold(name, "value") {
			return field{}, notKept(c.of.Name() + "." + name)
		}
		return field{at: locator{sub: "value"}, def: leaf, name: c.of.Name()}, nil
	}
	b := leaf.Find(name)
	if b == nil {
		full, _ := c.view.CanonicalName(c.of.Name() + "." + name)
		return field{}, notKept(full)
	}
	return field{at: locator{sub: b.Name}, def: b, name: c.of.Name() + "." + b.Name}, nil
}

func (c *compiler) compare(e *Compare) (node, error) {
	f, err := c.resolve(e.Path)
	if err != nil {
		return nil, err
	}
	return c.compareField(f, e)
}

func (c *compiler) compareField(f field, e *Compare) (node, error) {
	present := &leaf{at: f.at, test: presence{}}
	switch {
	case e.Op == Pr || e.Op == Ne && e.Value.IsNull():
		return present, nil
	case e.Op == Eq && e.Value.IsNull():
		return not{present}, nil
	case e.Value.IsNull():
		return nil, refuse("The attribute %s can be compared with null only by eq and ne.", f.name)
	case f.def == nil:
		return nil, refuse("The filter compares the schema extension %s as a whole; name one of its attributes.", f.name)
	case f.def.Type == schema.Complex:
		var err error
		if f, err = c.valueOf(f); err != nil {
			return nil, err
		}
	}
	t, err := newTest(f, e.Op, e.Value)
	if err != nil {
		return nil, err
	}
	n := &leaf{at: f.at, test: t, absent: e.Op == Ne}
	if tt, ok := t.(*textTest); ok && e.Op == Eq {
		n.equality = &Equality{Name: f.name, Value: tt.literal}
	}
	return n, nil
}

// valueOf returns the "value" of a complex attribute, for which the attribute's
// own name stands (emails eq "x").
func (c *compiler) valueOf(f field) (field, error) {
	b := f.def.Find("value")
	if b == nil {
		name, known := c.view.CanonicalName(f.name + ".value")
		if known {
			return field{}, notKept(name)
		}
		return field{}, refuse("The attribute %s is complex; compare one of its sub-attributes.", f.name)
	}
	f.def, f.at.sub, f.name = b, b.Name, f.name+"."+b.Name
	return f, nil
}

func (c *compiler) valuePath(e *ValuePath, in context) (node, error) {
	f, err := c.resolve(e.Path)
	if err != nil {
		return nil, err
	}
	inner, err := newElementCompiler(c.view, f.ref)
	if err != nil {
		return nil, err
	}
	n := &elements{at: f.at}
	if n.filter, err = inner.compile(e.Filter, in); err != nil {
		return nil, err
	}
	if e.Then == nil {
		return n, nil
	}
	if e.Then.Path != "" {
		n.then, err = inner.compare(e.Then)
	} else {
		// An element is complex, or the plain value of its attribute.
		n.then, err = inner.compareField(field{def: f.def, name: f.name}, e.Then)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

func refuse(format string, args ...any) *scimerr.Error {
	return scimerr.BadRequest(scimerr.InvalidFilter, format, args...)
}

func notKept(name string) *scimerr.Error {
	e := refuse("The filter uses the attribute %s, which this service does not keep, so nothing can be found by it.", clip(name))
	e.Cause = ErrNotKept
	return e
}

// clip keeps a client's name from flooding an error text.
func clip(name string) string {
	if len(name) <= 128 {
		return name
	}
	n := 128
	for !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n] + "…"
}
