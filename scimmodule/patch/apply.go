package patch

import (
	"errors"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// Result is what a PATCH asks for beyond the changes in the resource's tree.
type Result struct {
	// Members are the edits of a group's membership, in order.
	Members []MemberEdit
}

// Apply applies the operations in order to o, the attributes of a resource as
// the view v keeps them (without id, schemas, meta and a group's members), and
// leaves it in the view's form. What the view does not keep is counted in t and
// changes nothing; what the operations set and o has in the end is counted as
// kept, but for members. On an error o is half changed and has to be discarded,
// so the caller hands in a clone. l.Elements bounds the elements of multi-valued
// attributes in all operations together.
//
// Errors are *scimerr.Error: 400 invalidValue for a value that does not fit its
// attribute, 400 mutability for a path to what only the server may change, 400
// noTarget where a value filter matches nothing and describes no element that
// could be created, 400 invalidPath and invalidFilter for a path that does not
// fit its attribute, 413 beyond the limits. Whether required attributes are left
// is for the caller to check.
func Apply(v *schema.View, o *attr.Members, ops []Operation, t *schema.Tally, l attr.Limits) (Result, error) {
	if l.Elements == 0 {
		l.Elements = maxElements
	}
	p := &patcher{v: v, o: o, t: t, l: l}
	for _, op := range ops {
		if err := p.operation(op); err != nil {
			return Result{}, err
		}
	}
	v.Prune(o, t)
	p.keep()
	return Result{Members: p.edits}, nil
}

const (
	maxElements = 20_000 // the default of attr.Limits.Elements
	maxKeys     = 1_000  // attributes named in the path-less values of one request
)

type patcher struct {
	v     *schema.View
	o     *attr.Members
	t     *schema.Tally
	l     attr.Limits
	edits []MemberEdit
	taken []place

	elements, keys int // how many were met so far
}

// target is a path resolved against the view.
type target struct {
	schema.Ref
	filter *filter.Element // nil where the path has no value filter
}

// whole tells whether the target is the resource itself.
func (t target) whole() bool { return t.Attr == nil && t.Extension == "" }

func (p *patcher) operation(op Operation) error {
	if op.path == nil {
		return p.object("", op.value, op.verb)
	}
	t, ok, err := p.resolve(*op.path, true)
	if err != nil || !ok {
		return err
	}
	return p.apply(t, op.verb, op.value)
}

// resolve finds what a path names. ok is false where there is nothing to do: the
// view does not keep it, or the client does not decide it. A path that an
// operation gives explicitly is refused where its attribute is read-only; as a
// key of a path-less value that is ignored as it is in a PUT (RFC 7644 §3.5.1).
func (p *patcher) resolve(path filter.Path, explicit bool) (t target, ok bool, err error) {
	full := path.Attr
	if path.Sub != "" {
		full += "." + path.Sub
	}
	r, ok := p.v.Resolve(full)
	if !ok {
		p.v.Drop(p.t, full)
		return t, false, nil
	}
	if path.Filter != nil {
		holder, ok := p.v.Resolve(path.Attr)
		if !ok || holder.Attr == nil || holder.Sub != nil || !holder.Attr.MultiValued {
			return t, false, invalidPath("A value filter in a path can only follow a multi-valued attribute, and %s is none.", name(holder))
		}
	}
	if r.Attr != nil && (r.Attr.Mutability == schema.ReadOnly || r.Leaf().Mutability == schema.ReadOnly) {
		// The list of schemas follows from the attributes whatever a client says.
		if explicit && r.Name() != "schemas" {
			return t, false, mutability("The attribute %s is read-only.", r.Name())
		}
		return t, false, nil
	}
	t.Ref = r
	if path.Filter == nil {
		return t, true, nil
	}
	t.filter, err = filter.CompileElement(path.Filter, p.v, schema.Ref{Extension: r.Extension, Attr: r.Attr})
	if errors.Is(err, filter.ErrNotKept) {
		p.dropCompared(path.Attr, r.Attr, path.Filter)
		return t, false, nil
	}
	return t, err == nil, err
}

// dropCompared counts what a value filter compares and the view does not keep.
func (p *patcher) dropCompared(path string, a *schema.Attribute, e filter.Expr) {
	switch e := e.(type) {
	case *filter.Logical:
		for _, t := range e.Terms {
			p.dropCompared(path, a, t)
		}
	case *filter.Not:
		p.dropCompared(path, a, e.X)
	case *filter.Compare:
		plain := a.Type != schema.Complex && strings.EqualFold(e.Path, "value")
		if !plain && a.Find(e.Path) == nil {
			p.v.Drop(p.t, path+"."+e.Path)
		}
	}
}

// name names a Ref in an error, also where it is the resource.
func name(r schema.Ref) string {
	if n := r.Name(); n != "" {
		return n
	}
	return "the resource"
}

func (p *patcher) apply(t target, do verb, raw string) error {
	switch {
	case t.whole() && do == remove:
		return noTarget("The path of a remove operation has to name an attribute.")
	case t.whole():
		return p.object("", raw, do)
	case t.Attr == nil && (do == remove || raw == "null"):
		p.o.Delete(t.Extension)
		return nil
	case t.Attr == nil:
		return p.object(t.Extension, raw, do)
	case p.isMembers(t.Ref):
		return p.members(t, do, raw)
	case t.Attr.MultiValued && do == remove:
		return p.removeValues(t, raw)
	case do == remove:
		p.unassign(t.Ref)
		return nil
	}
	val, err := p.decode(t.Ref, raw)
	if err != nil {
		return err
	}
	switch {
	case !t.Attr.MultiValued:
		return p.assign(t.Ref, val)
	case t.filter != nil:
		return p.setMatching(t, do, val)
	case t.Sub != nil:
		return p.setEach(t, do, val)
	case do == add:
		return p.append(t.Ref, val)
	}
	return p.replaceAll(t.Ref, val)
}

// decode reads the value that is meant for r, and counts its elements where r has
// several.
func (p *patcher) decode(r schema.Ref, raw string) (attr.Value, error) {
	val, err := attr.Decode([]byte(raw), p.v.ValueGuide(r, p.t), p.l)
	if err != nil {
		return attr.Value{}, err
	}
	if r.Attr.MultiValued {
		p.elements += len(listOf(val))
	}
	if p.elements > p.l.Elements {
		return attr.Value{}, scimerr.New(413, scimerr.None, "The operations have more than the %d values that are accepted in one request; send them in several.", p.l.Elements).At("members_per_request")
	}
	return val, nil
}
