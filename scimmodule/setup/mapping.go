package setup

import (
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// provider is what is known of an identity provider's attribute mappings.
type provider struct {
	userRows, groupRows []row
	// sources are where values for attributes come from that the provider does
	// not map by default, by target.
	sources map[string]string
	// primary tells that the provider makes the elements of its own rows primary.
	primary bool
	// howToAdd returns what has to be known to add a row for the target.
	howToAdd func(k kept, target string) string
}

// row is a row of a provider's default attribute mappings.
type row struct {
	source string
	path   string // the target without a value filter
	kind   string // the type of the element, for those that are in a list
	note   string

	better  string // the source to use in its place
	seldom  bool   // it is missing in many set-ups
	builtin bool   // it cannot be deleted
	// constant, where set, has to be the source if the type of the element
	// decides whether it is kept.
	constant string
}

const enterprise = schema.EnterpriseUserURN + ":"

// users makes the mappings of users: the defaults, and what is to be added.
func (p provider) users(v *schema.View, all []kept) []Mapping {
	list := p.defaults(v, p.userRows, all)
	for _, k := range all {
		if k.ResourceType != v.Type.Name || readOnly(k.ref) || p.covered(k) {
			continue
		}
		if k.ref.Attr.Type == schema.Complex && k.ref.Attr.MultiValued && k.filter == "" {
			continue // which elements to send is for the client to say
		}
		if b := k.ref.Sub; b != nil && k.filter != "" && (isLabel(b) || strings.HasPrefix(k.filter, "["+b.Name+" ")) {
			continue // it is sent with what it is a label of
		}
		for _, target := range targetsOf(k) {
			m := Mapping{Source: p.sources[target], Target: target, Kept: true, Action: ActionAdd}
			if m.Source == "" {
				m.Source = "(your choice)"
			}
			m.Note = join(need(k), p.howToAdd(k, target))
			list = append(list, m)
		}
	}
	return list
}

func (p provider) groups(v *schema.View, all []kept) []Mapping {
	return p.defaults(v, p.groupRows, all)
}

// targetsOf returns what an entry can be mapped to: plain values.
func targetsOf(k kept) []string {
	if k.ref.Leaf().Type != schema.Complex {
		return []string{k.Name}
	}
	if k.ref.Attr.Find("value") != nil {
		return []string{k.Name + ".value"}
	}
	var list []string
	for _, b := range k.ref.Attr.Sub {
		if b.Mutability != schema.ReadOnly && !isLabel(b) {
			list = append(list, k.Name+"."+b.Name)
		}
	}
	return list
}

const mustHave = "required: users without a value are refused"

func need(k kept) string {
	if k.Required {
		return mustHave
	}
	return "if you want to send it"
}

func (p provider) defaults(v *schema.View, rows []row, all []kept) []Mapping {
	list := make([]Mapping, 0, len(rows))
	for _, w := range rows {
		m := Mapping{Source: w.source, Target: w.target(), Kept: p.keeps(v, w), Action: ActionKeep, Note: w.note}
		switch {
		case !m.Kept && w.builtin:
			m.Action, m.Note = ActionNone, "it is sent all the same, and dropped here"
		case !m.Kept:
			m.Action, m.Note = ActionDelete, ""
			if w.seldom {
				m.Note = "if it is there"
			}
		case w.better != "":
			m.Action, m.Source = ActionChange, w.better
		case w.constant != "" && byType(v, w):
			m.Action, m.Source = ActionChange, w.constant
		case w.constant != "":
			m.Note = ""
		case w.seldom:
			m.Action, m.Note = ActionAdd, "if it is not there yet"
		}
		if m.Kept && slices.ContainsFunc(all, func(k kept) bool {
			return k.Required && k.Name != "userName" && k.ResourceType == "User" && v.Type.Name == "User" && covers(k, m.Target)
		}) {
			m.Note = join(m.Note, mustHave)
		}
		list = append(list, m)
	}
	return list
}

func (w row) target() string {
	if w.kind == "" {
		return w.path
	}
	name, sub, _ := strings.Cut(w.path, ".")
	return name + `[type eq "` + w.kind + `"].` + sub
}

// keeps tells whether the view keeps what a row sends.
func (p provider) keeps(v *schema.View, w row) bool {
	r, ok := v.Resolve(w.path)
	if !ok || readOnly(r) {
		return false
	}
	if w.kind == "" {
		return true
	}
	labels := []label{{"type", attr.Of(w.kind)}}
	if p.primary && r.Attr.Find("primary") != nil {
		labels = append(labels, label{"primary", attr.OfBool(true)})
	}
	return takes(v, r, r.Sub, labels...)
}

// readOnly tells whether nothing of the path can be written by a client.
func readOnly(r schema.Ref) bool {
	leaf := r.Leaf()
	if leaf.Type == schema.Complex && len(without(leaf.Sub, func(b *schema.Attribute) bool { return b.Mutability == schema.ReadOnly })) == 0 {
		return true
	}
	return r.Attr.Mutability == schema.ReadOnly || leaf.Mutability == schema.ReadOnly
}

// byType tells whether some part of the row's element is kept for its type only.
func byType(v *schema.View, w row) bool {
	r, _ := v.Resolve(w.path)
	return slices.ContainsFunc(r.Attr.Sub, func(b *schema.Attribute) bool {
		return !isLabel(b) && takes(v, r, b, label{"type", attr.Of(w.kind)}) && !takes(v, r, b)
	})
}

// covered tells whether a default row sends the entry.
func (p provider) covered(k kept) bool {
	return slices.ContainsFunc(p.userRows, func(w row) bool {
		return covers(k, w.target()) || p.primary && w.kind != "" && covers(k, strings.Replace(w.target(), `[type eq "`+w.kind+`"]`, "[primary eq true]", 1))
	})
}

// covers tells whether what is sent to the target belongs to the entry.
func covers(k kept, target string) bool {
	if k.filter == "" {
		if i, j := strings.IndexByte(target, '['), strings.IndexByte(target, ']'); i >= 0 && j > i {
			target = target[:i] + target[j+1:]
		}
	}
	rest, ok := strings.CutPrefix(target, k.Name)
	return ok && (rest == "" || rest[0] == '.')
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
