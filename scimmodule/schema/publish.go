package schema

import (
	"slices"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

// Published returns the schemas of the view as /Schemas shows them: the base
// schema and the extensions, with what is kept and nothing else.
func (v *View) Published() []*Schema {
	base := *v.Type.Schema
	base.Attributes = nil
	for _, a := range v.Core {
		if a.Name != externalID.Name { // a common attribute, RFC 7643 §3.1
			base.Attributes = append(base.Attributes, v.demanded("", a))
		}
	}
	list := []*Schema{&base}
	for _, x := range v.Extensions {
		e := *x.Schema
		e.Attributes = nil
		for _, a := range x.Schema.Attributes {
			e.Attributes = append(e.Attributes, v.demanded(e.ID, a))
		}
		list = append(list, &e)
	}
	return list
}

// demanded returns the attribute as required where the operator requires it, or
// a part of it.
func (v *View) demanded(urn string, a *Attribute) *Attribute {
	for _, r := range v.required {
		if r.Extension != urn || r.Attr.Name != a.Name {
			continue
		}
		c := *a
		c.Sub = slices.Clone(a.Sub)
		c.Required = c.Required || r.Sub == nil
		for i, b := range c.Sub {
			if r.Sub != nil && b.Name == r.Sub.Name {
				s := *b
				s.Required = true
				c.Sub[i], c.Required = &s, true
			}
		}
		a = &c
	}
	return a
}

// Object returns the schema in the JSON form of RFC 7643 §7, without meta.
func (s *Schema) Object() *attr.Members {
	return attr.NewObject(
		attr.Member{Name: "schemas", Value: attr.OfStrings(SchemaURN)},
		attr.Member{Name: "id", Value: attr.Of(s.ID)},
		attr.Member{Name: "name", Value: attr.Of(s.Name)},
		attr.Member{Name: "description", Value: attr.Of(s.Description)},
		attr.Member{Name: "attributes", Value: attributeObjects(s.Attributes)},
	)
}

func attributeObjects(list []*Attribute) attr.Value {
	out := make([]attr.Value, len(list))
	for i, a := range list {
		o := attr.NewObject(
			attr.Member{Name: "name", Value: attr.Of(a.Name)},
			attr.Member{Name: "type", Value: attr.Of(string(a.Type))},
			attr.Member{Name: "multiValued", Value: attr.OfBool(a.MultiValued)},
			attr.Member{Name: "description", Value: attr.Of(a.Description)},
			attr.Member{Name: "required", Value: attr.OfBool(a.Required)},
		)
		if c := a.CanonicalValues; len(c) > 0 {
			o.Set("canonicalValues", attr.OfStrings(c...))
		}
		o.Set("caseExact", attr.OfBool(a.CaseExact))
		o.Set("mutability", attr.Of(a.Mutability))
		o.Set("returned", attr.Of(a.Returned))
		o.Set("uniqueness", attr.Of(a.Uniqueness))
		if len(a.ReferenceTypes) > 0 {
			o.Set("referenceTypes", attr.OfStrings(a.ReferenceTypes...))
		}
		if len(a.Sub) > 0 {
			o.Set("subAttributes", attributeObjects(a.withoutOtherTypes()))
		}
		out[i] = attr.OfObject(o)
	}
	return attr.OfList(out...)
}

// withoutOtherTypes returns the sub-attributes, with the canonical values of the
// one that the allow list filters by cut down to those that are kept.
func (a *Attribute) withoutOtherTypes() []*Attribute {
	if len(a.rules) == 0 {
		return a.Sub
	}
	kept := map[string][]string{}
	for _, r := range a.rules {
		if r.sub == "" {
			return a.Sub
		}
		kept[r.sub] = append(kept[r.sub], r.value)
	}
	if len(kept) != 1 {
		return a.Sub
	}
	out := make([]*Attribute, len(a.Sub))
	for i, b := range a.Sub {
		if values, ok := kept[b.Name]; ok && b.Type == String {
			c := *b
			c.CanonicalValues = values
			b = &c
		}
		out[i] = b
	}
	return out
}
