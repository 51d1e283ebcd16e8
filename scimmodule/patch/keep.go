package patch

import (
	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// place is where the operations put a value: in the resource, an extension's
// object, the object of a complex attribute or an element of one.
type place struct {
	schema.Ref
	holder *attr.Members
}

// take notes that a value was put in an attribute that is not complex.
func (p *patcher) take(r schema.Ref) {
	p.taken = append(p.taken, place{r, r.Holder(p.o, true)})
}

// untake forgets, of the places noted after the first n, those of
// sub-attributes that were not given.
func (p *patcher) untake(n int, given *attr.Members) {
	kept := p.taken[:n]
	for _, t := range p.taken[n:] {
		if _, ok := given.Get(t.Leaf().Name); ok {
			kept = append(kept, t)
		}
	}
	p.taken = kept
}

// keep counts the places that are part of the pruned resource and still have a
// value, each once: a later operation may have gone over it.
func (p *patcher) keep() {
	if p.t == nil {
		return
	}
	there := map[*attr.Members]bool{}
	reach(p.o, there)
	type leaf struct {
		holder *attr.Members
		name   string
	}
	counted := map[leaf]bool{}
	for _, t := range p.taken {
		l := leaf{t.holder, t.Leaf().Name}
		if _, has := t.holder.Get(l.name); !has || !there[t.holder] || counted[l] {
			continue
		}
		counted[l] = true
		p.v.Keep(p.t, t.Ref, 1)
	}
}

// reach adds an object and those below it to there.
func reach(o *attr.Members, there map[*attr.Members]bool) {
	there[o] = true
	for _, v := range o.All() {
		if v.Kind() == attr.Object {
			reach(v.Object(), there)
		}
		for _, e := range v.List() {
			if e.Kind() == attr.Object {
				reach(e.Object(), there)
			}
		}
	}
}
