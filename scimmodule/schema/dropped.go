package schema

import (
	"iter"
	"strings"
)

// maxUnknownName is how much of a name that no schema knows is kept, in bytes.
const maxUnknownName = 64

// Dropped collects the names of attributes that a request carried and that were
// not kept, never their values. The zero value is ready; a nil *Dropped takes
// names and forgets them. It is not safe for concurrent use.
type Dropped struct {
	names []string
	count map[string]DroppedName
}

// DroppedName tells of one dropped attribute.
type DroppedName struct {
	Count int
	// Known tells whether the name is one of the RFC's schemas or of a
	// registered extension; unknown names are the client's own words.
	Known bool
}

func (d *Dropped) add(name string, known bool) {
	if d == nil {
		return
	}
	if !known && len(name) > maxUnknownName {
		name = strings.ToValidUTF8(name[:maxUnknownName], "")
	}
	if d.count == nil {
		d.count = map[string]DroppedName{}
	}
	n, seen := d.count[name]
	if !seen {
		if len(d.names) >= 500 {
			name = "other"
			n, seen = d.count[name]
			known = false
		}
		if !seen {
			d.names = append(d.names, name)
		}
	}
	n.Count++
	n.Known = known
	d.count[name] = n
}

// Len returns how many different names were dropped.
func (d *Dropped) Len() int {
	if d == nil {
		return 0
	}
	return len(d.names)
}

// All iterates over the names in order of their first appearance: paths without
// filters, in canonical case where a schema knows them; names that none knows
// are cut at 64 bytes, and after 500 different names the rest is "other".
func (d *Dropped) All() iter.Seq2[string, DroppedName] {
	return func(yield func(string, DroppedName) bool) {
		if d == nil {
			return
		}
		for _, name := range d.names {
			if !yield(name, d.count[name]) {
				return
			}
		}
	}
}
