package patch

import (
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// values returns the elements of a multi-valued attribute.
func (p *patcher) values(r schema.Ref) []attr.Value {
	val, _ := r.Get(p.o)
	return val.List()
}

// setValues stores the elements of a multi-valued attribute; without any it is
// unassigned. Of the touched elements (by index) the first that is primary takes
// that from all others (RFC 7644 §3.5.2).
func (p *patcher) setValues(r schema.Ref, list []attr.Value, touched ...int) {
	for _, i := range touched {
		if !primary(list[i]) {
			continue
		}
		for j, e := range list {
			if j != i && primary(e) {
				e.Object().Set("primary", attr.OfBool(false))
			}
		}
		break
	}
	list = slices.DeleteFunc(list, func(e attr.Value) bool { return e.IsEmpty() })
	if len(list) > 0 {
		r.Holder(p.o, true).Set(r.Attr.Name, attr.OfList(list...))
		return
	}
	if h := r.Holder(p.o, false); h != nil {
		h.Delete(r.Attr.Name)
	}
}

func primary(e attr.Value) bool {
	v, _ := e.Object().Get("primary")
	return v.Bool()
}

// element conforms one element that a client sent; Null stands for none.
func (p *patcher) element(r schema.Ref, val attr.Value) (attr.Value, error) {
	if r.Attr.Type != schema.Complex || val.Kind() != attr.Object {
		var err error
		if val, err = p.v.ConformElement(r, val); err != nil || val.Kind() != attr.Object {
			return val, err
		}
	}
	o := &attr.Members{}
	if err := p.merge(r, o, val.Object()); err != nil || o.Len() == 0 {
		return attr.Value{}, err
	}
	return attr.OfObject(o), nil
}

// listOf reads a value as a list: of one, where it is none.
func listOf(val attr.Value) []attr.Value {
	switch val.Kind() {
	case attr.Array:
		return val.List()
	case attr.Null:
		return nil
	}
	return []attr.Value{val}
}

// append adds elements. One that is there already, or has the value and type of
// one that is, is no second one (RFC 7643 §2.4): what it says besides is merged.
func (p *patcher) append(r schema.Ref, val attr.Value) error {
	r.Sub = nil
	list := p.values(r)
	at := make(map[string]int, len(list))
	for i, e := range list {
		at[identity(e)] = i
	}
	var touched []int
	plain := false
	for _, given := range listOf(val) {
		e, err := p.element(r, given)
		if err != nil {
			return err
		}
		if e.IsNull() {
			continue
		}
		key := identity(e)
		i, present := at[key]
		if e.Kind() != attr.Object {
			plain = true
		}
		switch {
		case !present:
			i = len(list)
			at[key] = i
			list = append(list, e)
		case e.Kind() == attr.Object:
			if err := p.merge(r, list[i].Object(), e.Object()); err != nil {
				return err
			}
		}
		touched = append(touched, i)
	}
	p.setValues(r, list, touched...)
	if plain {
		p.take(r)
	}
	return nil
}

// identity is equal for elements that must not both be there.
func identity(e attr.Value) string {
	o := e.Object()
	if o == nil {
		return string(e.Append(nil))
	}
	if v, ok := o.Get("value"); ok {
		return string(v.Append(nil)) + " " + attr.Fold(o.Text("type"))
	}
	parts := make([]string, 0, o.Len())
	for name, v := range o.All() {
		parts = append(parts, name+":"+string(v.Append(nil)))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ",")
}

// replaceAll replaces all elements; null and an empty list unassign.
func (p *patcher) replaceAll(r schema.Ref, val attr.Value) error {
	if h := r.Holder(p.o, false); h != nil {
		h.Delete(r.Attr.Name)
	}
	return p.append(r, val)
}

// setEach sets a sub-attribute in each element, or in a new one where there is
// none.
func (p *patcher) setEach(t target, do verb, val attr.Value) error {
	list := p.values(t.Ref)
	if len(list) == 0 {
		if val.IsEmpty() {
			return nil
		}
		list = []attr.Value{attr.OfObject(&attr.Members{})}
	}
	all := make([]int, len(list))
	for i := range list {
		all[i] = i
	}
	return p.setSub(t, do, list, all, val)
}

// setSub sets the sub-attribute of the target in the elements with the given
// indices.
func (p *patcher) setSub(t target, do verb, list []attr.Value, which []int, val attr.Value) error {
	for _, i := range which {
		o, now := list[i].Object(), val
		if old, _ := o.Get(t.Sub.Name); do == add && t.Sub.MultiValued {
			now = attr.OfList(union(old.List(), listOf(val))...)
		}
		if err := p.merge(t.Ref, o, attr.NewObject(attr.Member{Name: t.Sub.Name, Value: now})); err != nil {
			return err
		}
	}
	p.setValues(t.Ref, list, which...)
	return nil
}

// union returns the plain values of both lists, without repetitions.
func union(a, b []attr.Value) []attr.Value {
	seen := map[string]bool{}
	var out []attr.Value
	for _, e := range slices.Concat(a, b) {
		if key := string(e.Append(nil)); !seen[key] {
			seen[key] = true
			out = append(out, e)
		}
	}
	return out
}

// setMatching carries out add and replace where the path has a value filter. If
// no element matches, one is made of what the filter demands and the value: the
// RFC has noTarget for it (§3.5.2.3), but Entra ID sets an e-mail address of a
// user who has none in this way.
func (p *patcher) setMatching(t target, do verb, val attr.Value) error {
	if l := val.List(); t.Sub == nil && val.Kind() == attr.Array {
		switch len(l) {
		case 0:
			val = attr.Value{}
		case 1:
			val = l[0]
		default:
			return invalidValue("The value for elements of %s that a filter selects has to be one object.", t.Attr.Name)
		}
	}
	list := p.values(t.Ref)
	which := matching(t, list)
	switch {
	case len(which) == 0:
		return p.create(t, val)
	case t.Sub != nil:
		return p.setSub(t, do, list, which, val)
	}
	given := val.Object()
	if given == nil || t.Attr.Type != schema.Complex {
		e, err := p.v.ConformElement(t.Ref, val)
		if err != nil {
			return err
		}
		if t.Attr.Type != schema.Complex || e.IsNull() {
			return p.replacePlain(t, do, list, which, e)
		}
		given = e.Object()
	}
	demanded, _ := t.filter.Template()
	for _, i := range which {
		o := list[i].Object()
		if do == replace {
			o = keepOnly(o, demanded)
		}
		if err := p.merge(t.Ref, o, given); err != nil {
			return err
		}
		list[i] = attr.OfObject(o)
	}
	p.setValues(t.Ref, list, which...)
	return nil
}

// replacePlain puts a plain value in the place of the matching elements; with
// null they go, unless it is to be added.
func (p *patcher) replacePlain(t target, do verb, list []attr.Value, which []int, e attr.Value) error {
	if e.IsNull() && do == add {
		return nil
	}
	for _, i := range which {
		list[i] = e
	}
	p.setValues(t.Ref, union(list, nil))
	if !e.IsNull() {
		p.take(schema.Ref{Extension: t.Extension, Attr: t.Attr})
	}
	return nil
}

// keepOnly returns the members of o that the other object has too.
func keepOnly(o, other *attr.Members) *attr.Members {
	out := &attr.Members{}
	for name, v := range o.All() {
		if _, ok := other.Get(name); ok {
			out.Set(name, v)
		}
	}
	return out
}

// create makes the element that a value filter describes.
func (p *patcher) create(t target, val attr.Value) error {
	demanded, ok := t.filter.Template()
	if !ok {
		return noTarget("No element of %s matches the filter of the path.", t.Attr.Name)
	}
	given := val.Object()
	switch {
	case t.Sub != nil:
		given = attr.NewObject(attr.Member{Name: t.Sub.Name, Value: val})
	case given == nil || t.Attr.Type != schema.Complex:
		e, err := p.v.ConformElement(t.Ref, val)
		if err != nil {
			return err
		}
		if t.Attr.Type != schema.Complex || e.IsNull() {
			return p.append(t.Ref, e)
		}
		given = e.Object()
	}
	e, err := p.element(t.Ref, attr.OfObject(given))
	if err != nil || e.IsNull() {
		return err
	}
	if err := p.merge(t.Ref, demanded, e.Object()); err != nil {
		return err
	}
	before := len(p.taken)
	err = p.append(t.Ref, attr.OfObject(demanded))
	p.untake(before, e.Object()) // what only the filter says is no value of the client
	return err
}

func matching(t target, list []attr.Value) []int {
	var which []int
	for i, e := range list {
		if t.filter.Match(e) {
			which = append(which, i)
		}
	}
	return which
}

// removeValues removes elements, or a sub-attribute of elements. A value that
// comes along says which elements are meant only where the path does not.
func (p *patcher) removeValues(t target, raw string) error {
	list := p.values(t.Ref)
	switch {
	case t.Sub != nil:
		for _, e := range list {
			if t.filter == nil || t.filter.Match(e) {
				e.Object().Delete(t.Sub.Name)
			}
		}
	case t.filter != nil:
		list = slices.DeleteFunc(list, t.filter.Match)
	case raw == "" || raw == "null":
		list = nil
	default:
		listed, err := p.listed(t.Ref, raw)
		if err != nil {
			return err
		}
		byKey := make(map[string][]attr.Value, len(listed))
		for _, l := range listed {
			byKey[nameKey(l)] = append(byKey[nameKey(l)], l)
		}
		list = slices.DeleteFunc(list, func(e attr.Value) bool {
			return slices.ContainsFunc(byKey[nameKey(e)], func(l attr.Value) bool { return names(t.Attr, l, e) })
		})
	}
	p.setValues(t.Ref, list)
	return nil
}

// listed reads the elements that a remove operation lists. One that cannot be
// one of the attribute's names nothing.
func (p *patcher) listed(r schema.Ref, raw string) ([]attr.Value, error) {
	val, err := p.decode(r, raw)
	if err != nil {
		return nil, err
	}
	var out []attr.Value
	for _, e := range listOf(val) {
		if e, err := p.element(r, e); err == nil && !e.IsNull() {
			out = append(out, e)
		}
	}
	return out, nil
}

// nameKey is equal for what names might find to be the same.
func nameKey(e attr.Value) string {
	if e.Object() == nil {
		return attr.Fold(string(e.Append(nil)))
	}
	if v, ok := e.Object().Get("value"); ok {
		return attr.Fold(string(v.Append(nil)))
	}
	return identity(e)
}

// names tells whether what a client listed means an element: by its value, and
// its type where that is given; without a value it has to be the same in full.
func names(a *schema.Attribute, listed, e attr.Value) bool {
	l := listed.Object()
	if l == nil {
		return same(a, listed, e)
	}
	v, ok := l.Get("value")
	if !ok {
		return listed.Equal(e)
	}
	w, ok := e.Object().Get("value")
	if !ok || !same(a.Find("value"), v, w) {
		return false
	}
	typ := l.Text("type")
	return typ == "" || strings.EqualFold(typ, e.Object().Text("type"))
}

// same compares plain values by the case rule of their attribute.
func same(a *schema.Attribute, v, w attr.Value) bool {
	if !a.CaseExact && v.Kind() == attr.String && w.Kind() == attr.String {
		return strings.EqualFold(v.Text(), w.Text())
	}
	return v.Equal(w)
}
