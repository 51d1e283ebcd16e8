package schema

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

// Prune removes, in place, what the view does not keep: unknown attributes,
// elements of multi-valued attributes that match none of the allow list's value
// filters, and empty values. What is removed by the allow list is added to t. It
// also sees to it that at most one element of an attribute is primary: the first
// (RFC 7643 §2.4).
func (v *View) Prune(o *attr.Members, t *Tally) {
	v.prune(o, v.Core, "", t)
	for _, x := range v.Extensions {
		if e, ok := o.Get(x.Schema.ID); ok {
			v.prune(e.Object(), x.Schema.Attributes, x.Schema.ID, t)
			if e.Object().Len() == 0 {
				o.Delete(x.Schema.ID)
			}
		}
	}
}

func (v *View) prune(o *attr.Members, list []*Attribute, urn string, t *Tally) {
	if o == nil {
		return
	}
	var gone []string
	for name, val := range o.All() {
		a := findAttribute(list, name)
		if a == nil {
			if urn == "" && v.extension(name) != nil {
				continue
			}
			path := name
			if urn != "" {
				path = urn + ":" + name
			}
			v.Drop(t, path)
			gone = append(gone, name)
			continue
		}
		val = pruneValue(v, a, Ref{Extension: urn, Attr: a}.Name(), val, t)
		if val.IsEmpty() {
			gone = append(gone, name)
			continue
		}
		o.Set(name, val)
	}
	for _, name := range gone {
		o.Delete(name)
	}
}

func pruneValue(v *View, a *Attribute, path string, val attr.Value, t *Tally) attr.Value {
	if a.Type != Complex {
		return val
	}
	if !a.MultiValued {
		return pruneComplex(v, a, path, val, nil, t)
	}
	kept := make([]attr.Value, 0, len(val.List()))
	primary := false
	for _, e := range val.List() {
		rules, ok := a.matching(e.Object())
		if !ok {
			v.Drop(t, path)
			continue
		}
		e = pruneComplex(v, a, path, e, rules, t)
		if bare(a, e.Object()) {
			continue
		}
		if p, ok := e.Object().Get("primary"); ok && p.Bool() {
			if primary {
				e.Object().Set("primary", attr.OfBool(false))
				if _, ok := a.matching(e.Object()); !ok {
					v.Drop(t, path) // it was kept for being primary
					continue
				}
			}
			primary = true
		}
		kept = append(kept, e)
	}
	return attr.OfList(kept...)
}

// matching returns the rules that apply to an element; nil rules keep all that
// the view knows. ok is false where no rule matches.
func (a *Attribute) matching(e *attr.Members) (rules []elementRule, ok bool) {
	if len(a.rules) == 0 {
		return nil, true
	}
	for _, r := range a.rules {
		if r.sub == "" || r.matches(e) {
			rules = append(rules, r)
		}
	}
	return rules, len(rules) > 0
}

func (r *elementRule) matches(e *attr.Members) bool {
	got, ok := e.Get(r.sub)
	if !ok {
		return false
	}
	if got.Kind() == attr.Bool {
		want, ok := attr.ParseBool(attr.Of(r.value))
		return ok && want == got.Bool()
	}
	return strings.EqualFold(got.Text(), r.value)
}

func pruneComplex(v *View, a *Attribute, path string, val attr.Value, rules []elementRule, t *Tally) attr.Value {
	if val.Kind() != attr.Object {
		return attr.Value{}
	}
	o := val.Object()
	var gone []string
	for name, e := range o.All() {
		b := a.Find(name)
		keep := b != nil && rules == nil
		for i := range rules {
			keep = keep || b != nil && rules[i].keeps(b.Name)
		}
		if keep && !e.IsEmpty() {
			continue
		}
		if !keep {
			v.Drop(t, path+"."+name)
		}
		gone = append(gone, name)
	}
	for _, name := range gone {
		o.Delete(name)
	}
	return val
}

// bare tells whether nothing is left of an element but labels.
func bare(a *Attribute, e *attr.Members) bool {
	for name := range e.All() {
		if name != "type" && name != "primary" {
			return false
		}
	}
	return len(a.Sub) > 2 || e.Len() == 0
}
