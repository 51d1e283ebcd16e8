package schema

import "strings"

// Resolve finds the attribute that a path names: [URN:]attribute[.sub], in any
// case. It accepts what clients send besides: "." in place of the last ":" after
// a URN, the URN alone (the whole extension, or for the base schema ok with a
// nil Attr and no Extension), and the bare name of an extension's attribute
// where the base schema has none of that name. ok is false where the view does
// not keep what is named, be it that no schema knows it.
func (v *View) Resolve(path string) (r Ref, ok bool) {
	urn, rest, qualified := v.cutURN(path)
	if qualified && rest == "" {
		if urn == v.Type.Schema.ID {
			return Ref{}, true
		}
		if x := v.extension(urn); x != nil {
			return Ref{Extension: x.ID}, true
		}
		return Ref{}, false
	}
	name, sub, dotted := strings.Cut(rest, ".")
	switch {
	case !qualified:
		r.Attr = v.base(name)
		for _, x := range v.Extensions {
			if r.Attr != nil || v.known(name) {
				break
			}
			if a := x.Schema.Find(name); a != nil {
				r = Ref{Extension: x.Schema.ID, Attr: a}
			}
		}
	case urn == v.Type.Schema.ID:
		r.Attr = v.base(name)
	default:
		if x := v.extension(urn); x != nil {
			r = Ref{Extension: x.ID, Attr: x.Find(name)}
		}
	}
	if r.Attr == nil {
		return Ref{}, false
	}
	if dotted {
		if r.Sub = r.Attr.Find(sub); r.Sub == nil {
			return Ref{}, false
		}
	}
	return r, true
}

// base finds an attribute of the base schema, or one of the common ones.
func (v *View) base(name string) *Attribute {
	if a := v.find(name); a != nil {
		return a
	}
	return findAttribute([]*Attribute{idAttribute, schemasAttribute, metaAttribute}, name)
}

// known tells whether the full base schema has an attribute of that name.
func (v *View) known(name string) bool {
	return findAttribute(v.catalog.attributes(v.Type.Schema), name) != nil
}

// cutURN splits a path after the longest URN of a schema of this resource type
// that it begins with. The URN is returned in canonical case.
func (v *View) cutURN(path string) (urn, rest string, ok bool) {
	if len(path) < 4 || !strings.EqualFold(path[:4], "urn:") {
		return "", path, false
	}
	try := func(id string) {
		if n := len(id); n > len(urn) && len(path) >= n && strings.EqualFold(path[:n], id) && (len(path) == n || path[n] == ':' || path[n] == '.') {
			urn, ok = id, true
			rest = strings.TrimLeft(path[n:], ":.")
		}
	}
	try(v.Type.Schema.ID)
	for _, x := range v.Type.Extensions {
		try(x.Schema.ID)
	}
	if !ok {
		return "", path, false
	}
	return urn, rest, true
}

// CanonicalName returns the name under which a path is reported that the view
// does not keep: in the schemas' case, without filters, and whether a schema
// knows it.
func (v *View) CanonicalName(path string) (name string, known bool) {
	path = withoutFilters(path)
	full := View{Type: v.Type, catalog: v.catalog, Core: v.catalog.attributes(v.Type.Schema), Extensions: v.Type.Extensions}
	if r, ok := full.Resolve(path); ok && (r.Attr != nil || r.Extension != "") {
		return r.Name(), true
	}
	if urn, rest, ok := v.cutURN(path); ok && urn == v.Type.Schema.ID && rest != "" {
		path = rest // as what the schema knows is named
	}
	if head, _, dotted := strings.Cut(path, "."); dotted && !strings.Contains(head, ":") {
		if r, ok := full.Resolve(head); ok && r.Attr != nil {
			return r.Name() + "." + path[len(head)+1:], false
		}
	}
	return path, false
}

func withoutFilters(path string) string {
	i := strings.IndexByte(path, '[')
	if i < 0 {
		return path
	}
	j := strings.LastIndexByte(path, ']')
	if j < i {
		return path[:i]
	}
	rest, _, _ := strings.Cut(path[j+1:], "[")
	return path[:i] + rest
}
