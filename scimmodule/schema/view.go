package schema

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

// Views are what one tenant's allow list makes of a catalog. They are immutable.
type Views struct {
	Catalog     *Catalog
	User, Group *View
	// Fingerprint changes whenever what is kept changes: 16 characters of
	// [A-Za-z0-9_-].
	Fingerprint string
}

// Narrowing says how to make Views.
type Narrowing struct {
	// Allow is the list of what is kept: "default", "*", a schema's URN, or
	// [URN:]attribute[[sub eq "value"]][.sub]. Empty means default.
	Allow []string
	// Required lists attributes, besides those that the schemas require, without
	// which a user is refused.
	Required []string
	// DuplicateGroupNames allows several groups of one displayName.
	DuplicateGroupNames bool
}

// View is one resource type as a tenant's allow list narrows it.
type View struct {
	Type *ResourceType // the full type
	// Core are the kept attributes of the base schema, with externalId but not
	// id, schemas and meta, which are always there.
	Core []*Attribute
	// Extensions are the kept parts of the extensions, by URN in the schema's
	// ID; an extension of which nothing is kept is left out.
	Extensions []Extension

	catalog  *Catalog
	required []Ref
	slow     bool
}

// Narrow makes the views of an allow list. Its errors are for whoever wrote the
// configuration: they name the word that is wrong.
func (c *Catalog) Narrow(n Narrowing) (*Views, error) {
	allow := n.Allow
	if len(allow) == 0 {
		allow = []string{"default"}
	}
	s, err := c.selectAttributes(allow)
	if err != nil {
		return nil, err
	}
	vs := &Views{Catalog: c, User: c.view(c.User, s), Group: c.view(c.Group, s)}
	if n.DuplicateGroupNames {
		name := vs.Group.find("displayName")
		name.Uniqueness = NotUnique
	}
	for _, path := range n.Required {
		if err := vs.require(path); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(append(vs.User.fingerprint(), vs.Group.fingerprint()...))
	vs.Fingerprint = base64.RawURLEncoding.EncodeToString(sum[:12])
	return vs, nil
}

func (vs *Views) require(path string) error {
	found := false
	for _, v := range []*View{vs.User, vs.Group} {
		r, ok := v.Resolve(path)
		if !ok || r.Attr == nil || r.Leaf().Mutability == ReadOnly || r.Attr.Name == "members" {
			continue // members are no part of the resource that is checked
		}
		if r.Extension == "" && v == vs.Group && found {
			continue // an unqualified name that users have is meant for users
		}
		v.required = append(v.required, r)
		found = true
	}
	if !found {
		return fmt.Errorf("required %s: the allow list does not keep this attribute, so it cannot be required", path)
	}
	return nil
}

func (c *Catalog) view(t *ResourceType, s selections) *View {
	v := &View{Type: t, catalog: c, Core: narrow(c.attributes(t.Schema), s[t.Schema.ID])}
	for _, x := range t.Extensions {
		if kept := narrow(x.Schema.Attributes, s[x.Schema.ID]); len(kept) > 0 {
			e := *x.Schema
			e.Attributes = kept
			v.Extensions = append(v.Extensions, Extension{Schema: &e, Required: x.Required})
		}
	}
	for _, a := range v.all() {
		v.slow = v.slow || a.Returned == OnRequest || slices.ContainsFunc(a.Sub, func(b *Attribute) bool { return b.Returned == OnRequest })
	}
	return v
}

// narrow copies the attributes that are selected, with the parts of them that
// are.
func narrow(list []*Attribute, s map[string]*selection) []*Attribute {
	var kept []*Attribute
	for _, a := range list {
		sel := s[a.Name]
		if sel == nil {
			continue
		}
		n := *a
		n.Sub = nil
		for _, b := range a.Sub {
			if !b.hidden() && sel.keeps(b) {
				c := *b
				n.Sub = append(n.Sub, &c)
			}
		}
		if !sel.whole && len(sel.rules) > 0 {
			n.rules = sel.elementRules()
		}
		if a.Type != Complex || len(n.Sub) > 0 {
			kept = append(kept, &n)
		}
	}
	return kept
}

// keeps tells whether a sub-attribute is kept in some element at least.
func (s *selection) keeps(b *Attribute) bool {
	if s.whole || s.subs[b.Name] {
		return true
	}
	for _, r := range s.rules {
		if r.keeps(b.Name) {
			return true
		}
	}
	return false
}

// elementRules returns the rules, one for each value, in an order of their own,
// and what is kept of every element as a rule without a value.
func (s *selection) elementRules() []elementRule {
	var rules []elementRule
	for _, r := range s.rules {
		r.value = attr.Fold(r.value)
		i := slices.IndexFunc(rules, func(o elementRule) bool { return o.sub == r.sub && o.value == r.value })
		if i < 0 {
			r.subs = maps.Clone(r.subs)
			rules = append(rules, r)
			continue
		}
		rules[i].whole = rules[i].whole || r.whole
		maps.Copy(rules[i].subs, r.subs)
	}
	if len(s.subs) > 0 {
		rules = append(rules, elementRule{subs: s.subs})
	}
	slices.SortFunc(rules, func(a, b elementRule) int {
		return cmp.Or(strings.Compare(a.sub, b.sub), strings.Compare(a.value, b.value))
	})
	return rules
}

func (v *View) all() []*Attribute {
	list := slices.Clone(v.Core)
	for _, x := range v.Extensions {
		list = append(list, x.Schema.Attributes...)
	}
	return list
}

func (v *View) find(name string) *Attribute { return findAttribute(v.Core, name) }

func (v *View) extension(urn string) *Schema {
	for _, x := range v.Extensions {
		if strings.EqualFold(x.Schema.ID, urn) {
			return x.Schema
		}
	}
	return nil
}

// Keeps tells whether a base attribute of that name is kept.
func (v *View) Keeps(name string) bool { return v.find(name) != nil }

// AsStored tells whether resources may be returned as they are stored: no
// attribute of the view is returned only on request (RFC 7643 §7 "returned").
func (v *View) AsStored() bool { return !v.slow }

// Unique returns the attributes of extensions whose values must be unique in
// the tenant, those that the view does not keep included: a resource that was
// stored under another list may have them.
func (v *View) Unique() []Ref {
	var refs []Ref
	for _, x := range v.Type.Extensions {
		for _, a := range x.Schema.Attributes {
			if a.Uniqueness != NotUnique && a.Mutability != ReadOnly && !a.MultiValued && a.Type != Complex {
				refs = append(refs, Ref{Extension: x.Schema.ID, Attr: a})
			}
		}
	}
	return refs
}

// fingerprint is a text that tells views apart by what they keep.
func (v *View) fingerprint() []byte {
	var b []byte
	add := func(prefix string, list []*Attribute) {
		for _, a := range list {
			b = fmt.Appendf(b, "%s:%s(", prefix, a.Name)
			for _, s := range a.Sub {
				b = fmt.Appendf(b, "%s ", s.Name)
			}
			for _, r := range a.rules {
				b = fmt.Appendf(b, "[%s=%q", r.sub, r.value)
				for _, s := range a.Sub {
					if r.keeps(s.Name) {
						b = fmt.Appendf(b, " %s", s.Name)
					}
				}
				b = append(b, ']')
			}
			b = append(b, ")\n"...)
		}
	}
	add(v.Type.Name, v.Core)
	for _, x := range v.Extensions {
		add(x.Schema.ID, x.Schema.Attributes)
	}
	return b
}
