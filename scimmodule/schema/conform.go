package schema

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// Conform brings a value that a client sent for the path into the form that its
// definition asks for, tolerating what real clients do: booleans as strings, a
// single value where there may be several and the other way round, a plain
// string where an object with a "value" belongs, null and "" for unassigned. A
// Null result means unassigned. Errors are 400 invalidValue, and name the path.
func (v *View) Conform(r Ref, val attr.Value) (attr.Value, error) {
	switch {
	case r.Attr == nil:
		return v.conformExtension(r, val)
	case r.Sub != nil:
		return conform(r.Sub, val, r.Name())
	}
	return conform(r.Attr, val, r.Name())
}

// ConformElement is Conform for one element of a multi-valued attribute.
func (v *View) ConformElement(r Ref, val attr.Value) (attr.Value, error) {
	return conformOne(r.Attr, val, r.Name())
}

// ConformResource conforms all attributes of a resource that was decoded under
// the view's Guide, in place, and removes what is unassigned.
func (v *View) ConformResource(o *attr.Members) error {
	var gone []string
	for name, val := range o.All() {
		r, ok := v.Resolve(name)
		if ok {
			c, err := v.Conform(r, val)
			if err != nil {
				return err
			}
			if !c.IsNull() {
				o.Set(name, c)
				continue
			}
		}
		gone = append(gone, name)
	}
	for _, name := range gone {
		o.Delete(name)
	}
	return nil
}

func (v *View) conformExtension(r Ref, val attr.Value) (attr.Value, error) {
	x := v.extension(r.Extension)
	switch {
	case val.IsNull() || x == nil:
		return attr.Value{}, nil
	case val.Kind() != attr.Object:
		return attr.Value{}, invalid(r.Extension, "an object")
	}
	out := &attr.Members{}
	for name, e := range val.Object().All() {
		a := x.Find(name)
		if a == nil {
			continue
		}
		c, err := conform(a, e, r.Extension+":"+a.Name)
		if err != nil {
			return attr.Value{}, err
		}
		if !c.IsNull() {
			out.Set(a.Name, c)
		}
	}
	if out.Len() == 0 {
		return attr.Value{}, nil
	}
	return attr.OfObject(out), nil
}

func conform(a *Attribute, val attr.Value, path string) (attr.Value, error) {
	if val.IsNull() {
		return val, nil
	}
	if !a.MultiValued {
		if val.Kind() == attr.Array {
			switch len(val.List()) {
			case 0:
				return attr.Value{}, nil
			case 1:
				val = val.List()[0]
			default:
				return attr.Value{}, scimerr.BadRequest(scimerr.InvalidValue, "The attribute %s takes one value, not several.", path)
			}
		}
		return conformOne(a, val, path)
	}
	list := val.List()
	if val.Kind() != attr.Array {
		list = []attr.Value{val}
	}
	out := make([]attr.Value, 0, len(list))
	for _, e := range list {
		c, err := conformOne(a, e, path)
		if err != nil {
			return attr.Value{}, err
		}
		if !c.IsNull() {
			out = append(out, c)
		}
	}
	return attr.OfList(out...), nil
}

// conformOne conforms a value without regard to multiValued.
func conformOne(a *Attribute, val attr.Value, path string) (attr.Value, error) {
	if val.IsNull() {
		return val, nil
	}
	if a.Type == Complex {
		return conformComplex(a, val, path)
	}
	var ok bool
	var want string
	if val.Kind() == attr.String && val.Text() == "" && a.Type != String && a.Type != Reference {
		return attr.Value{}, nil // no value of this type is empty
	}
	switch k := val.Kind(); a.Type {
	case Boolean:
		var b bool
		b, ok = attr.ParseBool(val)
		val, want = attr.OfBool(b), "true or false"
	case Integer:
		n, err := strconv.ParseInt(val.Text(), 10, 64)
		ok, want = (k == attr.Number || k == attr.String) && err == nil, "a whole number"
		val = attr.OfNumber(strconv.FormatInt(n, 10)) // "07" is no JSON number
	case Decimal:
		if k == attr.String {
			d, err := attr.Decode([]byte(val.Text()), nil, attr.Limits{})
			if err == nil {
				val, k = d, d.Kind()
			}
		}
		ok, want = k == attr.Number, "a number"
	case DateTime:
		_, err := ParseDateTime(val.Text())
		ok, want = k == attr.String && err == nil, "a date and time such as 2026-01-31T09:30:00Z"
	case Binary:
		ok, want = k == attr.String && isBase64(val.Text()), "base64 text"
	default:
		ok, want = k == attr.String, "a string"
	}
	if !ok {
		return attr.Value{}, invalid(path, want)
	}
	return val, nil
}

func conformComplex(a *Attribute, val attr.Value, path string) (attr.Value, error) {
	switch val.Kind() {
	case attr.Object:
	case attr.Array:
		return attr.Value{}, invalid(path, "an object")
	default: // a plain value stands for the one sub-attribute "value"
		if val.Kind() == attr.String && val.Text() == "" {
			return attr.Value{}, nil
		}
		if a.Find("value") == nil {
			return attr.Value{}, invalid(path, "an object")
		}
		val = attr.OfObject(attr.NewObject(attr.Member{Name: "value", Value: val}))
	}
	out := &attr.Members{}
	for name, e := range val.Object().All() {
		b := a.Find(name)
		if b == nil {
			out.Set(name, e) // user information of a member, see memberGuide
			continue
		}
		c, err := conform(b, e, path+"."+b.Name)
		if err != nil {
			return attr.Value{}, err
		}
		if !c.IsNull() {
			out.Set(b.Name, c)
		}
	}
	if out.Len() == 0 {
		return attr.Value{}, nil
	}
	if v, ok := out.Get("value"); ok && v.Kind() == attr.String && v.Text() == "" {
		if !a.MultiValued {
			return attr.Value{}, nil // how Entra ID unassigns a manager
		}
		out.Delete("value")
	}
	return attr.OfObject(out), nil
}

func invalid(path, want string) error {
	return scimerr.BadRequest(scimerr.InvalidValue, "The value of %s has to be %s.", path, want)
}

// ParseDateTime reads an xsd:dateTime (RFC 7643 §2.3.5); one without a time zone
// is taken as UTC.
func ParseDateTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	return t, nil
}

func isBase64(s string) bool {
	s = strings.TrimRight(strings.Map(func(r rune) rune {
		switch r {
		case '-':
			return '+'
		case '_':
			return '/'
		case '\r', '\n', ' ':
			return -1
		}
		return r
	}, s), "=")
	_, err := base64.RawStdEncoding.DecodeString(s)
	return err == nil
}
