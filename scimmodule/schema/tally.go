package schema

import (
	"iter"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

const (
	// maxUnknownName is how much of a name that no schema knows is kept, in bytes.
	maxUnknownName = 64
	// maxUnknownNames is how many of them are told apart.
	maxUnknownNames = 500
)

// Tally collects the names of attributes that a request carried: kept or
// dropped, never their values. A value is kept where it is part of the resource
// once the request is carried out; what only the server may write is not
// counted. The zero value is ready; a nil *Tally takes names and forgets them.
// It is not safe for concurrent use.
type Tally struct {
	names   []AttributeName
	counts  map[AttributeName]Count
	unknown int // of the names
}

// AttributeName names an attribute of a resource type.
type AttributeName struct {
	ResourceType string // User or Group
	// Path has no filters, and is in canonical case where a schema knows it.
	Path string
}

// Count tells how often an attribute was met.
type Count struct {
	Kept, Dropped int
	// Known tells whether the name is one of the RFC's schemas or of a
	// registered extension; unknown names are the client's own words.
	Known bool
}

// DroppedName tells of one dropped attribute.
type DroppedName struct {
	Count int
	Known bool // as in Count
}

func (t *Tally) add(n AttributeName, c Count) {
	if t == nil {
		return
	}
	if !c.Known && len(n.Path) > maxUnknownName {
		n.Path = strings.ToValidUTF8(n.Path[:maxUnknownName], "")
	}
	was, seen := t.counts[n]
	if !seen && !c.Known {
		if t.unknown >= maxUnknownNames {
			n.Path = "other"
			was, seen = t.counts[n]
		} else {
			t.unknown++
		}
	}
	if t.counts == nil {
		t.counts = map[AttributeName]Count{}
	}
	if !seen {
		t.names = append(t.names, n)
	}
	was.Kept += c.Kept
	was.Dropped += c.Dropped
	was.Known = was.Known || c.Known
	t.counts[n] = was
}

// Add adds what another tally has counted.
func (t *Tally) Add(o *Tally) {
	for n, c := range o.Counts() {
		t.add(n, c)
	}
}

// Refused takes back what was counted as kept: the request, or the operation of
// a bulk request, changed nothing.
func (t *Tally) Refused() {
	if t == nil {
		return
	}
	var names []AttributeName
	t.unknown = 0
	for _, n := range t.names {
		c := t.counts[n]
		if c.Dropped == 0 {
			delete(t.counts, n)
			continue
		}
		c.Kept = 0
		t.counts[n] = c
		names = append(names, n)
		if !c.Known {
			t.unknown++
		}
	}
	t.names = names
}

// Len returns how many different names were counted.
func (t *Tally) Len() int {
	if t == nil {
		return 0
	}
	return len(t.names)
}

// Counts iterates over the names in order of their first appearance. Names that
// no schema knows are cut at 64 bytes, and after 500 different ones the rest is
// "other"; those that one knows are as many as the schemas have.
func (t *Tally) Counts() iter.Seq2[AttributeName, Count] {
	return func(yield func(AttributeName, Count) bool) {
		if t == nil {
			return
		}
		for _, n := range t.names {
			if !yield(n, t.counts[n]) {
				return
			}
		}
	}
}

// All iterates over the names of what was dropped, whatever the resource type,
// in order of their first appearance.
func (t *Tally) All() iter.Seq2[string, DroppedName] {
	return func(yield func(string, DroppedName) bool) {
		var names []string
		dropped := map[string]DroppedName{}
		for n, c := range t.Counts() {
			if c.Dropped == 0 {
				continue
			}
			d, seen := dropped[n.Path]
			if !seen {
				names = append(names, n.Path)
			}
			dropped[n.Path] = DroppedName{Count: d.Count + c.Dropped, Known: d.Known || c.Known}
		}
		for _, name := range names {
			if !yield(name, dropped[name]) {
				return
			}
		}
	}
}

// Drop counts a path that a request named and that the view does not keep.
func (v *View) Drop(t *Tally, path string) {
	if t == nil {
		return
	}
	name, known := v.CanonicalName(path)
	t.add(AttributeName{v.Type.Name, name}, Count{Dropped: 1, Known: known})
}

// Keep counts n values of the attribute that r names as kept. The view has to
// know it.
func (v *View) Keep(t *Tally, r Ref, n int) {
	if t != nil && n > 0 {
		t.add(AttributeName{v.Type.Name, r.Name()}, Count{Kept: n, Known: true})
	}
}

// KeepAll counts what a resource consists of that was conformed and pruned: each
// attribute by its own name, and of complex ones the sub-attributes, those of
// each element.
func (v *View) KeepAll(t *Tally, o *attr.Members) {
	if t == nil {
		return
	}
	v.keepAll(t, o, v.Core, "")
	for _, x := range v.Extensions {
		e, _ := o.Get(x.Schema.ID)
		v.keepAll(t, e.Object(), x.Schema.Attributes, x.Schema.ID)
	}
}

func (v *View) keepAll(t *Tally, o *attr.Members, list []*Attribute, urn string) {
	for name, val := range o.All() {
		a := findAttribute(list, name)
		if a == nil {
			continue // an extension
		}
		r := Ref{Extension: urn, Attr: a}
		if a.Type != Complex {
			v.Keep(t, r, 1)
			continue
		}
		elements := val.List()
		if !a.MultiValued {
			elements = []attr.Value{val}
		}
		for _, e := range elements {
			for sub := range e.Object().All() {
				if r.Sub = a.Find(sub); r.Sub != nil {
					v.Keep(t, r, 1)
				}
			}
		}
	}
}
