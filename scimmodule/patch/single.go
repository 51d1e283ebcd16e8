package patch

import (
	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// assign sets a single-valued attribute or a sub-attribute of one. Of a complex
// attribute, the sub-attributes that are not given stay as they are (RFC 7644
// §3.5.2.3); null unassigns.
func (p *patcher) assign(r schema.Ref, val attr.Value) error {
	if r.Sub != nil {
		return p.mergeSingle(r, attr.NewObject(attr.Member{Name: r.Sub.Name, Value: val}))
	}
	if r.Attr.Type == schema.Complex {
		if l := val.List(); len(l) == 1 {
			val = l[0] // Entra ID sends a manager as a list of one
		}
		if val.Kind() == attr.Object {
			return p.mergeSingle(r, val.Object())
		}
	}
	val, err := p.v.Conform(r, val)
	switch {
	case err != nil:
		return err
	case val.IsNull():
		p.unassign(r)
		return nil
	case val.Kind() == attr.Object:
		return p.mergeSingle(r, val.Object())
	}
	r.Holder(p.o, true).Set(r.Attr.Name, val)
	p.take(r)
	return nil
}

// mergeSingle merges sub-attributes into a single-valued complex attribute.
func (p *patcher) mergeSingle(r schema.Ref, given *attr.Members) error {
	old, _ := r.Get(p.o)
	o := old.Object()
	if o == nil {
		o = &attr.Members{}
	}
	if err := p.merge(r, o, given); err != nil {
		return err
	}
	// What is said about a value goes with it: a manager without a value is
	// none, whatever $ref is left.
	_, has := o.Get("value")
	_, named := given.Get("value")
	if o.Len() == 0 || named && !has {
		p.unassign(schema.Ref{Extension: r.Extension, Attr: r.Attr})
		return nil
	}
	r.Holder(p.o, true).Set(r.Attr.Name, attr.OfObject(o))
	return nil
}

// merge sets the given sub-attributes in o, an element or the object of a
// complex attribute; null removes one, and so does "" a value.
func (p *patcher) merge(r schema.Ref, o, given *attr.Members) error {
	was, _ := o.Get("value")
	for name, val := range given.All() {
		sub := r.Attr.Find(name)
		if sub == nil {
			continue
		}
		part := schema.Ref{Extension: r.Extension, Attr: r.Attr, Sub: sub}
		val, err := p.v.Conform(part, val)
		if err != nil {
			return err
		}
		if val.IsEmpty() || sub.Name == "value" && val.Kind() == attr.String && val.Text() == "" {
			o.Delete(sub.Name)
			continue
		}
		o.Set(sub.Name, val)
		p.taken = append(p.taken, place{part, o})
	}
	// A reference that was kept with another value would point to the wrong one.
	if is, _ := o.Get("value"); !was.IsNull() && !is.Equal(was) {
		if _, given := given.Get("$ref"); !given {
			o.Delete("$ref")
		}
	}
	return nil
}

// unassign removes a single-valued attribute or a sub-attribute of one.
func (p *patcher) unassign(r schema.Ref) {
	h := r.Holder(p.o, false)
	if h == nil {
		return
	}
	if r.Sub != nil {
		val, _ := h.Get(r.Attr.Name)
		o := val.Object()
		if o == nil || !o.Delete(r.Sub.Name) || o.Len() > 0 && r.Sub.Name != "value" {
			return
		}
	}
	h.Delete(r.Attr.Name)
}
