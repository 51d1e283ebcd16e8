package attr

import (
	"iter"
	"strings"
)

// Member is a name with its value.
type Member struct {
	Name  string
	Value Value
}

// Members are the members of an object, in order; names are unique without
// regard to case. The zero value, and a nil pointer for reading, is an empty
// object.
type Members struct {
	list []Member
}

// NewObject returns an object of the given members, whose names must be unique.
func NewObject(ms ...Member) *Members { return &Members{list: ms} }

// Len returns how many members there are.
func (m *Members) Len() int {
	if m == nil {
		return 0
	}
	return len(m.list)
}

func (m *Members) find(name string) int {
	if m == nil {
		return -1
	}
	for i := range m.list {
		if len(m.list[i].Name) == len(name) && strings.EqualFold(m.list[i].Name, name) {
			return i
		}
	}
	return -1
}

// Get returns the member of that name in any case; ok is false where there is
// none.
func (m *Members) Get(name string) (v Value, ok bool) {
	if i := m.find(name); i >= 0 {
		return m.list[i].Value, true
	}
	return Value{}, false
}

// Text returns the contents of a String member, or "".
func (m *Members) Text(name string) string {
	v, _ := m.Get(name)
	if v.kind != String {
		return ""
	}
	return v.text
}

// Set replaces the member of that name, or appends it.
func (m *Members) Set(name string, v Value) {
	if i := m.find(name); i >= 0 {
		m.list[i].Value = v
		return
	}
	m.list = append(m.list, Member{name, v})
}

// Delete removes the member of that name and tells whether there was one.
func (m *Members) Delete(name string) bool {
	i := m.find(name)
	if i < 0 {
		return false
	}
	m.list = append(m.list[:i], m.list[i+1:]...)
	return true
}

// All iterates over the members in order. Set of a present name is allowed
// meanwhile; Delete is not.
func (m *Members) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if m == nil {
			return
		}
		for i := range m.list {
			if !yield(m.list[i].Name, m.list[i].Value) {
				return
			}
		}
	}
}

// Clone returns a deep copy; of nil, an empty object.
func (m *Members) Clone() *Members {
	c := &Members{}
	if m == nil {
		return c
	}
	c.list = make([]Member, len(m.list))
	for i, e := range m.list {
		c.list[i] = Member{e.Name, e.Value.Clone()}
	}
	return c
}

// Equal tells whether both have the same members, in any order.
func (m *Members) Equal(o *Members) bool {
	if m.Len() != o.Len() {
		return false
	}
	for name, v := range m.All() {
		w, ok := o.Get(name)
		if !ok || !v.Equal(w) {
			return false
		}
	}
	return true
}
