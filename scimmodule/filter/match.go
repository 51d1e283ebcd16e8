package filter

import "github.com/caddy-scim/caddy-scim/scimmodule/attr"

// node is a compiled expression over a resource, as an object, or over one
// element of an attribute.
type node interface {
	match(subject attr.Value) bool
}

type (
	constant bool
	not      struct{ x node }
	allOf    []node
	anyOf    []node
)

func (n constant) match(attr.Value) bool { return bool(n) }

func (n not) match(s attr.Value) bool { return !n.x.match(s) }

func (n allOf) match(s attr.Value) bool {
	for _, x := range n {
		if !x.match(s) {
			return false
		}
	}
	return true
}

func (n anyOf) match(s attr.Value) bool {
	for _, x := range n {
		if x.match(s) {
			return true
		}
	}
	return false
}

// locator says where in a subject the values of an attribute are.
type locator struct {
	extension string // empty for the subject itself
	attr      string // empty where the subject is an element
	sub       string // empty for the attribute as a whole
}

// attribute returns the attribute's value without regard to sub; Null if absent.
func (l *locator) attribute(s attr.Value) attr.Value {
	if l.attr == "" {
		return s
	}
	o := s.Object()
	if l.extension != "" {
		v, _ := o.Get(l.extension)
		o = v.Object()
	}
	v, _ := o.Get(l.attr)
	return v
}

// within returns what sub means in one value of the attribute: a plain value is
// its own "value".
func (l *locator) within(v attr.Value) attr.Value {
	switch {
	case l.sub == "":
		return v
	case v.Kind() == attr.Object:
		v, _ = v.Object().Get(l.sub)
		return v
	case l.sub == "value":
		return v
	}
	return attr.Value{}
}

// leaf is a comparison. It is true if any value passes the test, or, where
// absent is set, if there are none.
type leaf struct {
	at       locator
	test     test
	absent   bool
	equality *Equality // what it demands, where it is an equality of text
}

func (n *leaf) match(s attr.Value) bool {
	v := n.at.attribute(s)
	found := false
	if v.Kind() != attr.Array {
		return n.any(n.at.within(v), &found) || n.absent && !found
	}
	for _, e := range v.List() {
		if n.any(n.at.within(e), &found) {
			return true
		}
	}
	return n.absent && !found
}

// any tests a value, or each of an array, and sets found if there is one.
func (n *leaf) any(v attr.Value, found *bool) bool {
	switch v.Kind() {
	case attr.Null:
		return false
	case attr.Array:
		for _, e := range v.List() {
			if n.any(e, found) {
				return true
			}
		}
		return false
	}
	*found = true
	return n.test.holds(v)
}

// elements is a value path: true if the filter, and then the comparison after
// it, holds of one and the same element.
type elements struct {
	at     locator
	filter node
	then   node // nil for none
}

func (n *elements) match(s attr.Value) bool {
	v := n.at.attribute(s)
	if v.Kind() != attr.Array {
		return n.one(n.at.within(v))
	}
	for _, e := range v.List() {
		if n.one(n.at.within(e)) {
			return true
		}
	}
	return false
}

func (n *elements) one(e attr.Value) bool {
	return !e.IsNull() && n.filter.match(e) && (n.then == nil || n.then.match(e))
}
