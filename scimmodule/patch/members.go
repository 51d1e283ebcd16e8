package patch

import (
	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// MemberEditKind says what a MemberEdit does.
type MemberEditKind uint8

// What can be done to a group's membership.
const (
	AddMembers     MemberEditKind = iota // add those in Values
	RemoveMembers                        // remove those whose value is in Values
	ReplaceMembers                       // make Values, which may be empty, all there are
	RemoveAll                            // remove all
	RemoveMatching                       // remove those that Filter matches
)

// MemberEdit is one change of a group's members. Adding a member who is there
// and removing one who is not changes nothing.
type MemberEdit struct {
	Kind MemberEditKind
	// Values are member objects, each with a value or a $ref. Those to
	// be added may also have type, $ref and, from the client and not to be
	// stored with the member, userName, display and emails in any form.
	Values []attr.Value
	Filter *filter.Element // of RemoveMatching
}

func (p *patcher) isMembers(r schema.Ref) bool {
	return r.Extension == "" && r.Attr != nil && r.Attr.Name == "members" && p.v.Type.Schema.ID == schema.GroupURN
}

func (p *patcher) edit(kind MemberEditKind, values ...attr.Value) {
	p.edits = append(p.edits, MemberEdit{Kind: kind, Values: values})
}

// members turns an operation on a group's members into edits. A sub-attribute of
// a member other than value is the server's to know: setting it changes nothing.
func (p *patcher) members(t target, do verb, raw string) error {
	if t.Sub != nil && t.Sub.Name != "value" {
		p.v.Drop(p.t, t.Name())
		return nil
	}
	if do == remove {
		return p.removeMembers(t, raw)
	}
	val, err := p.decode(schema.Ref{Attr: t.Attr}, raw)
	if err != nil {
		return err
	}
	if t.filter != nil {
		return p.setMember(t, do, val)
	}
	given := listOf(val)
	values, err := p.memberObjects(given)
	if err != nil {
		return err
	}
	switch {
	case do == add:
		if len(values) > 0 {
			p.edit(AddMembers, values...)
		}
	case t.Sub != nil:
		return mutability("The value of a member cannot be changed; remove the member and add another one.")
	case len(values) == 0 && len(given) > 0:
		// Nobody empties a group by naming members.
		return invalidValue("None of the given members has a value.")
	default:
		p.edit(ReplaceMembers, values...)
	}
	return nil
}

// memberObjects conforms the members that a client sent; one that names nobody,
// by value or $ref, is dropped, so that the others take effect.
func (p *patcher) memberObjects(given []attr.Value) ([]attr.Value, error) {
	members := schema.Ref{Attr: p.membersAttribute()}
	var out []attr.Value
	for _, e := range given {
		m, err := p.v.ConformElement(members, e)
		if err != nil {
			return nil, err
		}
		for _, info := range []string{"userName", "display", "emails"} {
			if v, ok := m.Object().Get(info); ok && v.IsEmpty() {
				m.Object().Delete(info)
			}
		}
		if m.Object().Text("value") == "" && m.Object().Text("$ref") == "" {
			p.v.Drop(p.t, "members")
			continue
		}
		out = append(out, m)
	}
	return out, nil
}

func (p *patcher) membersAttribute() *schema.Attribute {
	r, _ := p.v.Resolve("members")
	return r.Attr
}

// removeMembers removes those that a filter or a list names. A list that names
// nobody removes nobody; only its absence means all (RFC 7644 §3.5.2.2).
func (p *patcher) removeMembers(t target, raw string) error {
	if t.filter != nil {
		ids, ok := t.filter.Values()
		if !ok {
			p.edits = append(p.edits, MemberEdit{Kind: RemoveMatching, Filter: t.filter})
			return nil
		}
		return p.removeIDs(ids)
	}
	if raw == "" || raw == "null" {
		if t.Sub != nil {
			return mutability("The value of a member cannot be removed; remove the member.")
		}
		p.edit(RemoveAll)
		return nil
	}
	listed, err := p.listed(schema.Ref{Attr: t.Attr}, raw)
	if err != nil {
		return err
	}
	var ids []string
	for _, e := range listed {
		ids = append(ids, e.Object().Text("value"))
	}
	return p.removeIDs(ids)
}

func (p *patcher) removeIDs(ids []string) error {
	var values []attr.Value
	for _, id := range ids {
		if id != "" {
			values = append(values, memberOf(id))
		}
	}
	if len(values) > 0 {
		p.edit(RemoveMembers, values...)
	}
	return nil
}

func memberOf(id string) attr.Value {
	return attr.OfObject(attr.NewObject(attr.Member{Name: "value", Value: attr.Of(id)}))
}

// setMember carries out add and replace with a value filter. The member that the
// filter names is a member afterwards; it cannot become another one.
func (p *patcher) setMember(t target, do verb, val attr.Value) error {
	ids, ok := t.filter.Values()
	if !ok || len(ids) != 1 || ids[0] == "" {
		return noTarget("The filter of a path to members has to name one of them by its value.")
	}
	given := listOf(val)
	if len(given) > 1 {
		return invalidValue("The value for the one member that the filter names has to be one object.")
	}
	if len(given) == 0 {
		if do == replace {
			p.edit(RemoveMembers, memberOf(ids[0]))
		}
		return nil
	}
	m, err := p.v.ConformElement(schema.Ref{Attr: t.Attr}, given[0])
	if err != nil {
		return err
	}
	if v := m.Object().Text("value"); v != "" && v != ids[0] {
		return mutability("The value of a member cannot be changed; remove the member and add another one.")
	}
	o := memberOf(ids[0]).Object()
	for name, v := range m.Object().All() {
		if name != "value" {
			o.Set(name, v)
		}
	}
	p.edit(AddMembers, attr.OfObject(o))
	return nil
}
