package scimmodule

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// projection is what of a resource a client wants to see (RFC 7644 §3.9).
type projection struct {
	asked   bool // whether the client said anything
	only    bool // whether it named attributes, so that no others are returned
	include map[string]*selector
	exclude map[string]*selector
	// stored tells that the record's body can be returned as it is stored.
	stored bool
}

// selector is what is named of one attribute.
type selector struct {
	whole    bool
	subs     map[string]bool // canonical names
	elements []*filter.Element
}

// projection reads attributes and excludedAttributes from the request's URL.
func (x *exchange) projection(k store.Kind) (projection, error) {
	v, err := parameters(x.r.URL.RawQuery)
	if err != nil {
		return projection{}, err
	}
	return project(x.dir.View(k), names(v.Get("attributes")), names(v.Get("excludedAttributes"))), nil
}

// names splits a list of attribute names; commas inside value filters are part
// of a name.
func names(list string) []string {
	var out []string
	depth := 0
	for _, name := range strings.FieldsFunc(list, func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		return r == ',' && depth <= 0
	}) {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// project makes a projection for a view. Names that the view does not keep are
// ignored: there is nothing of them to return.
func project(v *schema.View, attributes, excluded []string) projection {
	p := projection{asked: len(attributes)+len(excluded) > 0, only: len(attributes) > 0}
	p.include, p.exclude = selectors(v, attributes), selectors(v, excluded)
	p.stored = v.AsStored() && !p.only
	for name, s := range p.exclude {
		if !s.whole || name != "members" && name != "groups" && name != "meta" {
			p.stored = false
		}
	}
	return p
}

// attributeKey names an attribute within a resource.
func attributeKey(extension, name string) string {
	if extension == "" {
		return name
	}
	return extension + ":" + name
}

func selectors(v *schema.View, list []string) map[string]*selector {
	m := map[string]*selector{}
	for _, name := range list {
		path, err := filter.ParsePath(name)
		if err != nil {
			continue
		}
		r, ok := v.Resolve(path.Attr)
		if !ok {
			continue
		}
		if r.Attr == nil { // a schema's URN: all of its attributes
			for _, x := range v.Extensions {
				if x.Schema.ID == r.Extension {
					for _, a := range x.Schema.Attributes {
						m[attributeKey(x.Schema.ID, a.Name)] = &selector{whole: true}
					}
				}
			}
			if r.Extension == "" {
				for _, a := range v.Core {
					m[a.Name] = &selector{whole: true}
				}
			}
			continue
		}
		key := attributeKey(r.Extension, r.Attr.Name)
		s := m[key]
		if s == nil {
			s = &selector{subs: map[string]bool{}}
			m[key] = s
		}
		if sub := r.Attr.Find(path.Sub); path.Sub != "" && sub != nil {
			r.Sub = sub
		}
		switch {
		case path.Filter != nil:
			e, err := filter.CompileElement(path.Filter, v, r)
			if err != nil {
				continue
			}
			s.elements = append(s.elements, e)
			if r.Sub != nil {
				s.subs[r.Sub.Name] = true
			}
		case r.Sub != nil:
			s.subs[r.Sub.Name] = true
		default:
			s.whole = true
		}
	}
	return m
}

// shows tells whether the attribute appears at all. It is asked for those that
// are not part of a record's body: members, groups, meta.
func (p projection) shows(name string) bool {
	if s := p.exclude[name]; s != nil && s.whole {
		return false
	}
	return !p.only || p.include[name] != nil
}

// partial tells whether only a part of the attribute's values appears.
func (p projection) partial(name string) bool {
	in, ex := p.include[name], p.exclude[name]
	return in != nil && !in.whole || ex != nil && !ex.whole
}

// apply returns the attributes of a decoded resource that are wanted. What is
// returned always stays, and what is returned on request has to be named (RFC
// 7643 §7).
func (p projection) apply(v *schema.View, o *attr.Members) *attr.Members {
	out := &attr.Members{}
	for name, val := range o.All() {
		if x, ok := v.Resolve(name); ok && x.Attr == nil && x.Extension != "" {
			e := &attr.Members{}
			for sub, w := range val.Object().All() {
				if r, ok := v.Resolve(x.Extension + ":" + sub); ok {
					p.keep(e, sub, w, r)
				}
			}
			if e.Len() > 0 {
				out.Set(name, attr.OfObject(e))
			}
			continue
		}
		if r, ok := v.Resolve(name); ok {
			p.keep(out, name, val, r)
		}
	}
	return out
}

func (p projection) keep(out *attr.Members, name string, val attr.Value, r schema.Ref) {
	if r.Attr.Returned == schema.Always {
		out.Set(name, val)
		return
	}
	key := attributeKey(r.Extension, r.Attr.Name)
	in, ex := p.include[key], p.exclude[key]
	if ex != nil && ex.whole || in == nil && (p.only || r.Attr.Returned == schema.OnRequest) {
		return
	}
	if val = narrowValue(val, r.Attr, in, ex); !val.IsEmpty() {
		out.Set(name, val)
	}
}

// narrowValue keeps the elements and sub-attributes of a value that are wanted.
func narrowValue(val attr.Value, a *schema.Attribute, in, ex *selector) attr.Value {
	switch val.Kind() {
	case attr.Array:
		var list []attr.Value
		for _, e := range val.List() {
			if in != nil && !in.whole && len(in.elements) > 0 && !anyMatch(in.elements, e) {
				continue
			}
			if ex != nil && len(ex.elements) > 0 && anyMatch(ex.elements, e) {
				if len(ex.subs) == 0 {
					continue
				}
			}
			if n := narrowValue(e, a, in, ex); !n.IsEmpty() {
				list = append(list, n)
			}
		}
		return attr.OfList(list...)
	case attr.Object:
		out := &attr.Members{}
		for name, w := range val.Object().All() {
			if wantSub(name, a, in, ex) {
				out.Set(name, w)
			}
		}
		return attr.OfObject(out)
	}
	return val
}

func wantSub(name string, a *schema.Attribute, in, ex *selector) bool {
	b := a.Find(name)
	switch {
	case b != nil && b.Returned == schema.Always:
		return true
	case ex != nil && ex.subs[name]:
		return false
	case in != nil && !in.whole && len(in.subs) > 0:
		return in.subs[name]
	case b != nil && b.Returned == schema.OnRequest:
		return false
	}
	return true
}

func anyMatch(list []*filter.Element, e attr.Value) bool {
	for _, f := range list {
		if f.Match(e) {
			return true
		}
	}
	return false
}
