package scimmodule

import (
	"fmt"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// appendResource appends a resource as the client wants to see it. Where that is
// the whole of it, the stored body is copied, not decoded.
func (x *exchange) appendResource(s *stream, r store.Record, p projection) error {
	v := x.dir.View(r.Kind)
	if len(r.Body) < 2 {
		return fmt.Errorf("stored %s %s has no body", r.Kind, r.ID)
	}
	if p.stored {
		s.buf = append(s.buf, r.Body[:len(r.Body)-1]...)
	} else {
		o, err := attr.DecodeObject(r.Body, nil, attr.Limits{Depth: 32, String: 64 << 20, Elements: 1 << 20})
		if err != nil {
			return fmt.Errorf("stored %s %s is damaged: %s", r.Kind, r.ID, err.Error())
		}
		s.buf = p.apply(v, o).Append(s.buf)
		s.buf = s.buf[:len(s.buf)-1]
	}
	if err := x.appendEdges(s, v, r, p); err != nil {
		return err
	}
	if p.shows("meta") {
		s.buf = append(s.buf, `,"meta":`...)
		if p.partial("meta") {
			meta, _ := v.Resolve("meta")
			s.buf = narrowValue(x.dir.Meta(r, x.base), meta.Attr, p.include["meta"], p.exclude["meta"]).Append(s.buf)
		} else {
			s.buf = x.dir.AppendMeta(s.buf, r, x.base)
		}
	}
	s.buf = append(s.buf, '}')
	return s.flush()
}

// appendEdges appends a group's members, an empty list included: clients compare
// with it; or the groups of a user, where the tenant keeps them and there are
// any. They are read and sent in parts.
func (x *exchange) appendEdges(s *stream, v *schema.View, r store.Record, p projection) error {
	name, edges, endpoint := "members", x.dir.Members, "/Users/"
	if r.Kind == store.User {
		name, edges, endpoint = "groups", x.dir.Groups, "/Groups/"
	}
	if !v.Keeps(name) || !p.shows(name) {
		return nil
	}
	ref, _ := v.Resolve(name)
	partial := p.partial(name)
	start := len(s.buf)
	s.buf = append(s.buf, `,"`+name+`":[`...)
	first := true
	for m, err := range edges(x.r.Context(), r.ID) {
		if err != nil {
			return err
		}
		at, kind := endpoint, "direct"
		if r.Kind == store.Group {
			kind = "User"
			if m.Kind == store.Group {
				at, kind = "/Groups/", "Group"
			}
		}
		n := len(s.buf)
		if !first {
			s.buf = append(s.buf, ',')
		}
		if !partial && len(ref.Attr.Sub) == 3 {
			s.buf = append(s.buf, `{"value":`...)
			s.buf = attr.AppendString(s.buf, m.ID)
			s.buf = append(s.buf, `,"$ref":`...)
			s.buf = attr.AppendString(s.buf, x.base+at+m.ID)
			s.buf = append(s.buf, `,"type":"`+kind+`"}`...)
		} else {
			e := edgeValue(ref.Attr, m.ID, x.base+at+m.ID, kind)
			e = narrowValue(attr.OfList(e), ref.Attr, p.include[name], p.exclude[name])
			if len(e.List()) == 0 {
				s.buf = s.buf[:n]
				continue
			}
			s.buf = e.List()[0].Append(s.buf)
		}
		first = false
		if err := s.flush(); err != nil {
			return err
		}
	}
	if first && r.Kind == store.User {
		s.buf = s.buf[:start]
		return nil
	}
	s.buf = append(s.buf, ']')
	return nil
}

// edgeValue is a member or group with the sub-attributes that the view keeps.
func edgeValue(a *schema.Attribute, id, ref, kind string) attr.Value {
	o := &attr.Members{}
	for _, m := range []attr.Member{{Name: "value", Value: attr.Of(id)}, {Name: "$ref", Value: attr.Of(ref)}, {Name: "type", Value: attr.Of(kind)}} {
		if a.Find(m.Name) != nil {
			o.Set(m.Name, m.Value)
		}
	}
	return attr.OfObject(o)
}
