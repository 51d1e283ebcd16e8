package attr

import "strings"

// Kind is the JSON type of a Value.
type Kind uint8

// The kinds of values. The zero Value is Null.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
	// Raw is JSON text that a Guide asked to keep undecoded.
	Raw
)

var kindNames = [...]string{"null", "boolean", "number", "string", "array", "object", "raw JSON"}

// String names the kind as JSON does, for error texts.
func (k Kind) String() string { return kindNames[k] }

// Value is one JSON value. Values are passed by copy; arrays and objects share
// their contents with the copy, see Clone.
type Value struct {
	kind Kind
	flag bool
	text string
	list []Value
	obj  *Members
}

// Of returns a String value.
func Of(s string) Value { return Value{kind: String, text: s} }

// OfBool returns a Bool value.
func OfBool(b bool) Value { return Value{kind: Bool, flag: b} }

// OfNumber returns a Number value with the given JSON text, which must be valid.
func OfNumber(text string) Value { return Value{kind: Number, text: text} }

// OfList returns an Array value that owns list.
func OfList(list ...Value) Value { return Value{kind: Array, list: list} }

// OfStrings returns an Array of String values.
func OfStrings(ss ...string) Value {
	list := make([]Value, len(ss))
	for i, s := range ss {
		list[i] = Of(s)
	}
	return Value{kind: Array, list: list}
}

// OfObject returns an Object value that owns o.
func OfObject(o *Members) Value { return Value{kind: Object, obj: o} }

// OfRaw returns a Raw value of valid JSON text.
func OfRaw(json string) Value { return Value{kind: Raw, text: json} }

// Kind returns the value's JSON type.
func (v Value) Kind() Kind { return v.kind }

// IsNull tells whether the value is null, which SCIM reads as unassigned
// (RFC 7643 §2.5).
func (v Value) IsNull() bool { return v.kind == Null }

// Bool returns a Bool value's truth; false for every other kind.
func (v Value) Bool() bool { return v.flag }

// Text returns the contents of a String, the digits of a Number or the text of
// a Raw value; empty for every other kind.
func (v Value) Text() string { return v.text }

// List returns the elements of an Array; nil for every other kind. The slice is
// the value's own.
func (v Value) List() []Value { return v.list }

// Object returns the members of an Object; nil for every other kind. A nil
// *Members reads as an empty object.
func (v Value) Object() *Members { return v.obj }

// Clone returns a deep copy.
func (v Value) Clone() Value {
	switch v.kind {
	case Array:
		list := make([]Value, len(v.list))
		for i, e := range v.list {
			list[i] = e.Clone()
		}
		v.list = list
	case Object:
		v.obj = v.obj.Clone()
	}
	return v
}

// Equal tells whether two values are the same, taking the members of objects in
// any order and their names in any case.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case Bool:
		return v.flag == w.flag
	case Array:
		if len(v.list) != len(w.list) {
			return false
		}
		for i := range v.list {
			if !v.list[i].Equal(w.list[i]) {
				return false
			}
		}
		return true
	case Object:
		return v.obj.Equal(w.obj)
	default:
		return v.text == w.text
	}
}

// IsEmpty tells whether the value stands for "unassigned": null, an empty array
// or an object without members (RFC 7643 §2.5).
func (v Value) IsEmpty() bool {
	switch v.kind {
	case Null:
		return true
	case Array:
		return len(v.list) == 0
	case Object:
		return v.obj.Len() == 0
	}
	return false
}

// ParseBool reads a boolean from a Bool value, or from a String "true" or
// "false" in any case, as Entra ID sends it.
func ParseBool(v Value) (b, ok bool) {
	switch {
	case v.kind == Bool:
		return v.flag, true
	case v.kind == String && strings.EqualFold(v.text, "true"):
		return true, true
	case v.kind == String && strings.EqualFold(v.text, "false"):
		return false, true
	}
	return false, false
}
