package scimmodule

import (
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// projection is what of a resource a client wants to see (RFC 7644 §3.9).
type projection struct {
	asked   bool // whether the client said anything
	only    bool // whether it named attributes, so that no others are returned
	include map[string]selector
	exclude map[string]selector
	// stored tells that the record's body can be returned as it is stored.
	stored bool
}

// selector is what is named of one attribute.
type selector []part

// part is one naming of an attribute: of the elements that the filter matches,
// or of all, the sub-attribute, or everything.
type part struct {
	filter *filter.Element // nil for all elements
	sub    string          // canonical name; "" for everything
}

func (p part) matches(e attr.Value) bool { return p.filter == nil || p.filter.Match(e) }

// whole tells whether all of the attribute is named.
func (s selector) whole() bool {
	return slices.ContainsFunc(s, func(p part) bool { return p.filter == nil && p.sub == "" })
}

// names tells whether the selector names the sub-attribute of an element.
func (s selector) names(e attr.Value, sub string) bool {
	return slices.ContainsFunc(s, func(p part) bool { return p.sub == sub && p.matches(e) })
}

// projection reads attributes and excludedAttributes from the request's URL.
func (x *exchange) projection(k store.Kind) (projection, error) {
	v, err := parameters(x.r.URL.RawQuery)
	if err != nil {
		return projection{}, err
	}
	attributes, excluded := names(v.Get("attributes")), names(v.Get("excludedAttributes"))
	if err := checkNames(attributes, excluded); err != nil {
		return projection{}, err
	}
	return project(x.dir.View(k), attributes, excluded), nil
}

// The most names, and the most value filters among them, that attributes and
// excludedAttributes take together: each filter is tried on each element.
const (
	maxNames       = 200
	maxNameFilters = 10
)

func checkNames(attributes, excluded []string) error {
	filters := 0
	for _, list := range [][]string{attributes, excluded} {
		for _, name := range list {
			if strings.Contains(name, "[") {
				filters++
			}
		}
	}
	if len(attributes)+len(excluded) > maxNames || filters > maxNameFilters {
		return scimerr.BadRequest(scimerr.InvalidValue, "The parameters attributes and excludedAttributes take at most %d names, %d of them with filters.", maxNames, maxNameFilters).At("names")
	}
	return nil
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
		if !s.whole() || name != "members" && name != "groups" && name != "meta" {
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

func selectors(v *schema.View, list []string) map[string]selector {
	m := map[string]selector{}
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
			for _, a := range attributesOf(v, r.Extension) {
				key := attributeKey(r.Extension, a.Name)
				m[key] = append(m[key], part{})
			}
			continue
		}
		var p part
		if path.Filter != nil {
			if p.filter, err = filter.CompileElement(path.Filter, v, r); err != nil {
				continue
			}
		}
		if path.Sub != "" {
			r.Sub = r.Attr.Find(path.Sub)
			if r.Sub == nil {
				continue
			}
		}
		if r.Sub != nil {
			p.sub = r.Sub.Name
		}
		key := attributeKey(r.Extension, r.Attr.Name)
		m[key] = append(m[key], p)
	}
	return m
}

// attributesOf returns what a view keeps of the base schema (""), or of an
// extension.
func attributesOf(v *schema.View, extension string) []*schema.Attribute {
	if extension == "" {
		return v.Core
	}
	for _, x := range v.Extensions {
		if x.Schema.ID == extension {
			return x.Schema.Attributes
		}
	}
	return nil
}

// shows tells whether the attribute appears at all. It is asked for those that
// are not part of a record's body: members, groups, meta.
func (p projection) shows(name string) bool {
	if p.exclude[name].whole() {
		return false
	}
	return !p.only || p.include[name] != nil
}

// partial tells whether only a part of the attribute's values appears.
func (p projection) partial(name string) bool {
	in, ex := p.include[name], p.exclude[name]
	return in != nil && !in.whole() || ex != nil && !ex.whole()
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
	if ex.whole() || in == nil && (p.only || r.Attr.Returned == schema.OnRequest) {
		return
	}
	if val = narrowValue(val, r.Attr, in, ex); !val.IsEmpty() {
		out.Set(name, val)
	}
}

// narrowValue keeps the elements and sub-attributes of a value that are wanted.
func narrowValue(val attr.Value, a *schema.Attribute, in, ex selector) attr.Value {
	switch val.Kind() {
	case attr.Array:
		var list []attr.Value
		for _, e := range val.List() {
			if in != nil && !slices.ContainsFunc(in, func(p part) bool { return p.matches(e) }) || ex.names(e, "") {
				continue
			}
			if n := narrowValue(e, a, in, ex); !n.IsEmpty() {
				list = append(list, n)
			}
		}
		return attr.OfList(list...)
	case attr.Object:
		out := &attr.Members{}
		for name, w := range val.Object().All() {
			if wanted(val, a.Find(name), in, ex) {
				out.Set(name, w)
			}
		}
		return attr.OfObject(out)
	}
	return val
}

// wanted tells whether a sub-attribute of an element appears.
func wanted(e attr.Value, b *schema.Attribute, in, ex selector) bool {
	switch {
	case b == nil:
		return false
	case b.Returned == schema.Always:
		return true
	case ex.names(e, b.Name):
		return false
	case in.names(e, b.Name):
		return true
	}
	return b.Returned != schema.OnRequest && (in == nil || in.names(e, ""))
}
