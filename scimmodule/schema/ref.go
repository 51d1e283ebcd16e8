package schema

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

// Ref is an attribute path that was resolved against a view: an attribute, a
// sub-attribute of it, or a whole extension.
type Ref struct {
	// Extension is the URN of the extension that holds the attribute; empty for
	// the attributes of the base schema.
	Extension string
	// Attr is nil for a whole extension.
	Attr *Attribute
	// Sub is nil where the path names no sub-attribute.
	Sub *Attribute
}

// Name returns the path in canonical case: "name.givenName", or with the URN of
// its extension before it.
func (r Ref) Name() string {
	var b strings.Builder
	b.WriteString(r.Extension)
	if r.Attr != nil {
		if r.Extension != "" {
			b.WriteByte(':')
		}
		b.WriteString(r.Attr.Name)
	}
	if r.Sub != nil {
		b.WriteByte('.')
		b.WriteString(r.Sub.Name)
	}
	return b.String()
}

// Leaf returns the definition that the path ends at: Sub or Attr.
func (r Ref) Leaf() *Attribute {
	if r.Sub != nil {
		return r.Sub
	}
	return r.Attr
}

// Holder returns the object of root that has (or would have) the attribute as a
// member: root itself or the extension's object. With create, a missing
// extension object is made; else nil stands for it.
func (r Ref) Holder(root *attr.Members, create bool) *attr.Members {
	if r.Extension == "" {
		return root
	}
	if v, ok := root.Get(r.Extension); ok && v.Kind() == attr.Object {
		return v.Object()
	}
	if !create {
		return nil
	}
	o := &attr.Members{}
	root.Set(r.Extension, attr.OfObject(o))
	return o
}

// Get returns the attribute's value in root, without regard to Sub; of a whole
// extension, its object.
func (r Ref) Get(root *attr.Members) (attr.Value, bool) {
	if r.Attr == nil {
		return root.Get(r.Extension)
	}
	return r.Holder(root, false).Get(r.Attr.Name)
}
