package schema

import (
	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// CheckRequired tells which required attribute a resource lacks: those of the
// base schema, those of an extension that the resource has or must have, and
// those that the operator requires. The error is a 400 invalidValue.
func (v *View) CheckRequired(o *attr.Members) error {
	if err := v.CheckIdentity(o); err != nil {
		return err
	}
	for _, x := range v.Extensions {
		e, present := o.Get(x.Schema.ID)
		if !present && !x.Required {
			continue
		}
		if !present {
			return missing(x.Schema.ID)
		}
		for _, a := range x.Schema.Attributes {
			if err := requireAttribute(e.Object(), Ref{Extension: x.Schema.ID, Attr: a}); err != nil {
				return err
			}
		}
	}
	for _, r := range v.required {
		if !present(o, r) {
			return missing(r.Name())
		}
	}
	return nil
}

func requireAttribute(o *attr.Members, r Ref) error {
	val, ok := o.Get(r.Attr.Name)
	if !ok || blank(val) {
		if r.Attr.Required && r.Attr.Mutability != ReadOnly {
			return missing(r.Name())
		}
		return nil
	}
	elements := val.List()
	if !r.Attr.MultiValued {
		elements = []attr.Value{val}
	}
	for _, b := range r.Attr.Sub {
		if !b.Required || b.Mutability == ReadOnly {
			continue
		}
		for _, e := range elements {
			if s, ok := e.Object().Get(b.Name); !ok || blank(s) {
				return missing(r.Name() + "." + b.Name)
			}
		}
	}
	return nil
}

// present tells whether some value of the path is assigned.
func present(o *attr.Members, r Ref) bool {
	val, ok := r.Get(o)
	if !ok || blank(val) {
		return false
	}
	if r.Sub == nil {
		return true
	}
	elements := val.List()
	if val.Kind() != attr.Array {
		elements = []attr.Value{val}
	}
	for _, e := range elements {
		if s, ok := e.Object().Get(r.Sub.Name); ok && !blank(s) {
			return true
		}
	}
	return false
}

func blank(v attr.Value) bool {
	return v.IsEmpty() || v.Kind() == attr.String && v.Text() == ""
}

func missing(name string) error {
	return scimerr.BadRequest(scimerr.InvalidValue, "The attribute %s is required and has no value.", name)
}

// CheckImmutable refuses a change of an attribute that is immutable and has a
// value (RFC 7643 §7 "mutability"). The error is a 400 mutability.
func (v *View) CheckImmutable(old, now *attr.Members) error {
	check := func(r Ref) error {
		was, had := r.Get(old)
		if !had || was.IsEmpty() {
			return nil
		}
		is, has := r.Get(now)
		if r.Attr.Mutability == Immutable && (!has || !is.Equal(was)) {
			return scimerr.BadRequest(scimerr.Mutability, "The attribute %s cannot be changed once it has a value.", r.Name())
		}
		if r.Attr.MultiValued || !has {
			return nil
		}
		for _, b := range r.Attr.Sub {
			w, had := was.Object().Get(b.Name)
			i, has := is.Object().Get(b.Name)
			if b.Mutability == Immutable && had && (!has || !i.Equal(w)) {
				return scimerr.BadRequest(scimerr.Mutability, "The attribute %s.%s cannot be changed once it has a value.", r.Name(), b.Name)
			}
		}
		return nil
	}
	for _, a := range v.Core {
		if err := check(Ref{Attr: a}); err != nil {
			return err
		}
	}
	for _, x := range v.Extensions {
		for _, a := range x.Schema.Attributes {
			if err := check(Ref{Extension: x.Schema.ID, Attr: a}); err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckIdentity demands only what the base schema requires: userName of a user,
// displayName of a group. The error is a 400 invalidValue.
func (v *View) CheckIdentity(o *attr.Members) error {
	for _, a := range v.Core {
		if err := requireAttribute(o, Ref{Attr: a}); err != nil {
			return err
		}
	}
	return nil
}
