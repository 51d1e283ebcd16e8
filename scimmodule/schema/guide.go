package schema

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

// Guide returns the decoding guide for whole resources of the view: names come
// out in canonical case, what is not kept is skipped and its name added to t,
// and what only the server may write (id, meta, groups …) is skipped silently
// (RFC 7644 §3.5.1).
func (v *View) Guide(t *Tally) attr.Guide { return rootGuide{v, t} }

// ValueGuide returns the decoding guide for the value of one attribute.
func (v *View) ValueGuide(r Ref, t *Tally) attr.Guide {
	switch {
	case r.Attr == nil && r.Extension != "":
		return extensionGuide{v, v.extension(r.Extension), t}
	case r.Attr == nil:
		return rootGuide{v, t}
	case r.Sub != nil || r.Attr.Type != Complex:
		return nothingGuide{}
	}
	return v.below(r, t)
}

func (v *View) below(r Ref, t *Tally) attr.Guide {
	if r.Attr.Type != Complex {
		return nothingGuide{}
	}
	if r.Attr.Name == "members" && v.Type.Schema.ID == GroupURN && r.Extension == "" {
		return memberGuide{complexGuide{v, r, t}}
	}
	return complexGuide{v, r, t}
}

type rootGuide struct {
	v *View
	t *Tally
}

func (g rootGuide) Member(name string) (string, attr.Guide, attr.Action) {
	if a := g.v.find(name); a != nil {
		if a.Mutability == ReadOnly {
			return "", nil, attr.Drop
		}
		return a.Name, g.v.below(Ref{Attr: a}, g.t), attr.Keep
	}
	if x := g.v.extension(name); x != nil {
		return x.ID, extensionGuide{g.v, x, g.t}, attr.Keep
	}
	if findAttribute([]*Attribute{idAttribute, schemasAttribute, metaAttribute}, name) == nil {
		if a := g.v.Type.Schema.Find(name); a == nil || a.Mutability != ReadOnly {
			g.v.Drop(g.t, name)
		}
	}
	return "", nil, attr.Drop
}

type extensionGuide struct {
	v *View
	x *Schema
	t *Tally
}

func (g extensionGuide) Member(name string) (string, attr.Guide, attr.Action) {
	a := g.x.Find(name)
	if a == nil {
		g.v.Drop(g.t, g.x.ID+":"+name)
		return "", nil, attr.Drop
	}
	if a.Mutability == ReadOnly {
		return "", nil, attr.Drop
	}
	return a.Name, g.v.below(Ref{Extension: g.x.ID, Attr: a}, g.t), attr.Keep
}

type complexGuide struct {
	v *View
	r Ref
	t *Tally
}

func (g complexGuide) Member(name string) (string, attr.Guide, attr.Action) {
	b := g.r.Attr.Find(name)
	if b == nil {
		g.v.Drop(g.t, g.r.Name()+"."+name)
		return "", nil, attr.Drop
	}
	if b.Mutability == ReadOnly {
		return "", nil, attr.Drop
	}
	return b.Name, nothingGuide{}, attr.Keep
}

// memberGuide lets through, besides what is kept of a member, the user
// information from which a provisional user's userName is taken. It is counted
// as dropped all the same: nothing stores it with the member.
type memberGuide struct{ complexGuide }

func (g memberGuide) Member(name string) (string, attr.Guide, attr.Action) {
	as, below, action := g.complexGuide.Member(name)
	if action == attr.Drop {
		for _, info := range []string{"userName", "display", "emails"} {
			if strings.EqualFold(name, info) {
				return info, nil, attr.Keep
			}
		}
	}
	return as, below, action
}

// nothingGuide skips every member: where a plain value belongs, an object has
// no part that could be kept.
type nothingGuide struct{}

func (nothingGuide) Member(string) (string, attr.Guide, attr.Action) { return "", nil, attr.Drop }
