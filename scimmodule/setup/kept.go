package setup

import (
	"regexp"
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// kept is an entry of what is kept, with what it was made from.
type kept struct {
	Attribute
	ref    schema.Ref // Sub is nil where the attribute is kept with all its parts
	filter string     // `[type eq "work"]` or nothing
}

// label is a sub-attribute that tells elements of a list apart, with its value.
type label struct {
	name  string
	value attr.Value
}

// String writes the label as the allow list does: [type eq "work"].
func (l label) String() string {
	if l.value.Kind() == attr.Bool {
		return "[" + l.name + " eq " + string(l.value.Append(nil)) + "]"
	}
	return "[" + l.name + ` eq "` + l.value.Text() + `"]`
}

// kept lists what the views keep.
func (in Input) kept() []kept {
	demands := in.demands()
	var list []kept
	for _, v := range []*schema.View{in.Views.User, in.Views.Group} {
		for _, a := range v.Core {
			list = append(list, in.keptOf(v, schema.Ref{Attr: a}, v.Type.Schema, demands[v])...)
		}
		for _, x := range v.Extensions {
			full := x.Schema
			for _, e := range v.Type.Extensions {
				if e.Schema.ID == x.Schema.ID {
					full = e.Schema
				}
			}
			for _, a := range x.Schema.Attributes {
				list = append(list, in.keptOf(v, schema.Ref{Extension: x.Schema.ID, Attr: a}, full, demands[v])...)
			}
		}
	}
	return list
}

// demands resolves what is required, by view, as schema.Narrowing does: an
// unqualified name that users have is meant for users.
func (in Input) demands() map[*schema.View][]schema.Ref {
	demands := map[*schema.View][]schema.Ref{}
	for _, path := range in.Required {
		found := false
		for _, v := range []*schema.View{in.Views.User, in.Views.Group} {
			r, ok := v.Resolve(path)
			if !ok || r.Attr == nil || r.Leaf().Mutability == schema.ReadOnly || r.Attr.Name == "members" {
				continue
			}
			if r.Extension == "" && v == in.Views.Group && found {
				continue
			}
			demands[v] = append(demands[v], r)
			found = true
		}
	}
	return demands
}

// keptOf lists what the view keeps of one attribute: itself, or its
// parts, or its parts in some elements. Full is the schema that defines it.
func (in Input) keptOf(v *schema.View, r schema.Ref, full *schema.Schema, demands []schema.Ref) []kept {
	demands = slices.DeleteFunc(slices.Clone(demands), func(d schema.Ref) bool {
		return d.Extension != r.Extension || d.Attr.Name != r.Attr.Name
	})
	var list []kept
	add := func(filter, note string, sub *schema.Attribute) {
		k := kept{ref: schema.Ref{Extension: r.Extension, Attr: r.Attr, Sub: sub}, filter: filter}
		k.ResourceType = v.Type.Name
		k.Name = printable(pathWith(k.ref, filter))
		k.Required = sub == nil && r.Attr.Required || slices.ContainsFunc(demands, func(d schema.Ref) bool {
			return d.Sub == nil || sub != nil && d.Sub.Name == sub.Name || sub == nil && filter != ""
		})
		k.Note = note
		if readOnly(k.ref) {
			k.Note = "made by this service, not to be sent"
		}
		list = append(list, k)
	}
	switch all := partsOf(full.Find(r.Attr.Name)); {
	case r.Attr.Type != schema.Complex:
		add("", "", nil)
	case len(r.Attr.Sub) == len(all) && !r.Attr.MultiValued, r.Attr.MultiValued && everyPart(v, r, all):
		add("", "", nil)
		for _, d := range demands {
			if d.Sub != nil {
				add("", "", d.Sub)
			}
		}
	case !r.Attr.MultiValued:
		for _, b := range r.Attr.Sub {
			add("", "", b)
		}
	default:
		addElements(v, r, all, in.Allow, add)
		oneIsEnough(list)
	}
	return list
}

// addElements lists the parts that are kept of every element, then those of the
// elements with a certain label.
func addElements(v *schema.View, r schema.Ref, all []*schema.Attribute, allow []string, add func(filter, note string, sub *schema.Attribute)) {
	listed := map[string]bool{}
	always := func(b *schema.Attribute) bool { return takes(v, r, b) }
	for _, b := range r.Attr.Sub {
		if always(b) {
			add("", "", b)
			listed[b.Name] = true
		}
	}
	for _, l := range labelsOf(v, r, allow) {
		var subs []*schema.Attribute
		for _, b := range r.Attr.Sub {
			if takes(v, r, b, l) {
				subs = append(subs, b)
			}
		}
		for _, b := range subs {
			listed[b.Name] = true
		}
		switch more := without(subs, always); {
		case len(more) == 0:
			continue // nothing that other elements do not have
		case len(subs) == len(all):
			add(l.String(), "", nil)
			continue
		default:
			// Type and primary come with any other part.
			for _, list := range [][]*schema.Attribute{without(more, isLabel), without(subs, isLabel), subs} {
				if len(list) == 0 {
					continue
				}
				for _, b := range list {
					add(l.String(), "", b)
				}
				break
			}
		}
	}
	for _, b := range r.Attr.Sub {
		if !listed[b.Name] && !isLabel(b) {
			add("", "of certain elements only", b)
		}
	}
}

func isLabel(b *schema.Attribute) bool { return b.Name == "type" || b.Name == "primary" }

func without(list []*schema.Attribute, drop func(*schema.Attribute) bool) []*schema.Attribute {
	return slices.DeleteFunc(slices.Clone(list), drop)
}

// oneIsEnough says so where several elements meet one requirement.
func oneIsEnough(list []kept) {
	filters := map[string]bool{}
	for _, k := range list {
		if k.Required {
			filters[k.filter] = true
		}
	}
	for i := range list {
		if list[i].Required && len(filters) > 1 {
			list[i].Note = "one of " + list[i].ref.Attr.Name + " is enough"
		}
	}
}

// partsOf returns the sub-attributes that could be kept of an attribute.
func partsOf(a *schema.Attribute) []*schema.Attribute {
	if a == nil { // externalId, which no schema lists
		return nil
	}
	return without(a.Sub, func(b *schema.Attribute) bool {
		return b.Mutability == schema.WriteOnly || b.Returned == schema.Never
	})
}

func everyPart(v *schema.View, r schema.Ref, all []*schema.Attribute) bool {
	for _, b := range all {
		s := r.Attr.Find(b.Name)
		if s == nil || !takes(v, r, s) {
			return false
		}
	}
	return true
}

// stranger is a value that no value filter of an allow list can hold.
const stranger = `"`

// takes tells whether the view keeps a part of an element of a multi-valued
// attribute that carries the labels. It asks the view itself, by having an
// element pruned, so that the card cannot differ from what is done.
func takes(v *schema.View, r schema.Ref, sub *schema.Attribute, labels ...label) bool {
	values := []attr.Value{attr.Of(stranger)}
	if sub.Type == schema.Boolean {
		values = []attr.Value{attr.OfBool(true), attr.OfBool(false)}
	}
	for _, value := range values {
		e := &attr.Members{}
		for _, b := range r.Attr.Sub {
			if b.Type != schema.Boolean && b.Name != "type" {
				e.Set(b.Name, attr.Of(stranger))
			}
		}
		e.Set(sub.Name, value)
		for _, l := range labels {
			e.Set(l.name, l.value)
		}
		root := &attr.Members{}
		r.Holder(root, true).Set(r.Attr.Name, attr.OfList(attr.OfObject(e)))
		v.Prune(root, nil)
		left, ok := r.Get(root)
		if !ok || len(left.List()) == 0 {
			return false
		}
		if _, ok := left.List()[0].Object().Get(sub.Name); !ok {
			return false
		}
	}
	return true
}

// filterWord finds the value filter of an allow list's word.
var filterWord = regexp.MustCompile(`\[\s*(\S+)\s+(?i:eq)\s+"?([^"]*?)"?\s*\]`)

// labelsOf returns the labels by which the view could tell elements apart: the
// schema's canonical values, those that /Schemas shows, those of the allow list,
// and true and false.
func labelsOf(v *schema.View, r schema.Ref, allow []string) []label {
	var list []label
	add := func(l label) {
		if !slices.ContainsFunc(list, func(o label) bool { return strings.EqualFold(o.String(), l.String()) }) {
			list = append(list, l)
		}
	}
	for _, b := range r.Attr.Sub {
		for _, c := range b.CanonicalValues {
			add(label{b.Name, attr.Of(c)})
		}
	}
	for _, s := range v.Published() {
		if s.ID != r.Extension && (r.Extension != "" || s.ID != v.Type.Schema.ID) {
			continue
		}
		for _, b := range elements(named(elements(s.Object(), "attributes"), r.Attr.Name), "subAttributes") {
			for _, c := range elements(b.Object(), "canonicalValues") {
				add(label{b.Object().Text("name"), c})
			}
		}
	}
	for _, word := range allow {
		if m := filterWord.FindStringSubmatch(word); m != nil {
			if b := r.Attr.Find(m[1]); b != nil && b.Type != schema.Boolean {
				add(label{b.Name, attr.Of(m[2])})
			}
		}
	}
	for _, b := range r.Attr.Sub {
		if b.Type == schema.Boolean {
			add(label{b.Name, attr.OfBool(true)})
			add(label{b.Name, attr.OfBool(false)})
		}
	}
	return list
}

func elements(o *attr.Members, name string) []attr.Value {
	list, _ := o.Get(name)
	return list.List()
}

// named returns the published definition of that name, or nil.
func named(list []attr.Value, name string) *attr.Members {
	for _, e := range list {
		if e.Object().Text("name") == name {
			return e.Object()
		}
	}
	return nil
}

// pathWith writes a path with a value filter after the attribute.
func pathWith(r schema.Ref, filter string) string {
	path := schema.Ref{Extension: r.Extension, Attr: r.Attr}.Name() + filter
	if r.Sub != nil {
		path += "." + r.Sub.Name
	}
	return path
}
