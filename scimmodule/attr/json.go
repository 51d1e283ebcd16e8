package attr

// This is the one file that imports the JSON tokenizer. Go 1.27 brings the same
// package as encoding/json/jsontext: only the import path changes then.

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
)

// Limits bound what Decode accepts. A zero field takes the default.
type Limits struct {
	Depth    int // nesting of arrays and objects; default 16
	String   int // bytes of one string that is kept; default 64 KiB
	Elements int // elements of one array that is kept; default 20,000
	// ElementsName is the Limit of the error about Elements; default
	// members_per_request.
	ElementsName string
}

func (l Limits) withDefaults() Limits {
	if l.Depth == 0 {
		l.Depth = 16
	}
	if l.String == 0 {
		l.String = 64 << 10
	}
	if l.Elements == 0 {
		l.Elements = 20_000
	}
	if l.ElementsName == "" {
		l.ElementsName = "members_per_request"
	}
	return l
}

// Action is a Guide's verdict on a member.
type Action uint8

// What can be done with a member.
const (
	Keep  Action = iota // decode it
	Drop                // skip it: it never becomes a value
	Defer               // keep its JSON text as a Raw value, for a later Decode
)

// Guide decides, while an object is read, what becomes of each member.
type Guide interface {
	// Member returns the name to keep the member under, the guide for the
	// objects in its value (nil keeps all), and what to do with it.
	Member(name string) (as string, below Guide, action Action)
}

// AppendString appends s as a JSON string and returns the extended buffer.
func AppendString(dst []byte, s string) []byte {
	// The error is about invalid UTF-8, which is then replaced by U+FFFD;
	// whatever came through Decode is valid.
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

type decoder struct {
	*jsontext.Decoder
	limits Limits
	src    bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return &decoder{Decoder: new(jsontext.Decoder)} }}

// Decode reads one JSON value under a guide (nil keeps everything). Errors are
// *scimerr.Error: 400 invalidSyntax for malformed JSON, invalid UTF-8, duplicate
// names (also such that differ only in case), trailing data and excessive
// depth; 400 invalidValue for a string, and 413 for an array, beyond the limit.
// No error text contains anything of the input but attribute names.
func Decode(data []byte, g Guide, l Limits) (Value, error) {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	d.limits = l.withDefaults()
	d.src = *bytes.NewBuffer(data)
	d.Reset(&d.src)
	v, err := d.value(g, 1)
	if err == nil {
		err = d.end()
	}
	d.src = bytes.Buffer{}
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

// DecodeObject is Decode for a value that has to be an object.
func DecodeObject(data []byte, g Guide, l Limits) (*Members, error) {
	v, err := Decode(data, g, l)
	if err != nil {
		return nil, err
	}
	if v.kind != Object {
		return nil, scimerr.BadRequest(scimerr.InvalidSyntax, "The request body must be a JSON object, not %s.", withArticle(v.kind))
	}
	return v.obj, nil
}

func withArticle(k Kind) string {
	switch k {
	case Null:
		return "null"
	case Array:
		return "an array"
	}
	return "a " + k.String()
}

func (d *decoder) end() error {
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return scimerr.BadRequest(scimerr.InvalidSyntax, "The JSON value is followed by more data.")
	}
	return nil
}

func (d *decoder) value(g Guide, depth int) (Value, error) {
	t, err := d.ReadToken()
	if err != nil {
		return Value{}, d.syntax(err)
	}
	switch t.Kind() {
	case 't', 'f':
		return OfBool(t.Bool()), nil
	case '"':
		s := t.String()
		if len(s) > d.limits.String {
			return Value{}, scimerr.BadRequest(scimerr.InvalidValue, "A string is longer than the %d bytes that are accepted.", d.limits.String).At("string_bytes")
		}
		return Of(s), nil
	case '0':
		return OfNumber(t.String()), nil
	case '[':
		return d.array(g, depth)
	case '{':
		return d.object(g, depth)
	}
	return Value{}, nil
}

func (d *decoder) array(g Guide, depth int) (Value, error) {
	if depth > d.limits.Depth {
		return Value{}, d.tooDeep()
	}
	v := Value{kind: Array}
	for d.PeekKind() != ']' {
		if len(v.list) >= d.limits.Elements {
			return Value{}, scimerr.New(413, scimerr.None, "An array has more than the %d elements that are accepted in one request; send it in several.", d.limits.Elements).At(d.limits.ElementsName)
		}
		e, err := d.value(g, depth+1)
		if err != nil {
			return Value{}, err
		}
		v.list = append(v.list, e)
	}
	if _, err := d.ReadToken(); err != nil {
		return Value{}, d.syntax(err)
	}
	return v, nil
}

// maxNames bounds the members of one object that are kept: each new one is
// compared with those before.
const maxNames = 1000

func (d *decoder) object(g Guide, depth int) (Value, error) {
	if depth > d.limits.Depth {
		return Value{}, d.tooDeep()
	}
	o := &Members{}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return Value{}, d.syntax(err)
		}
		name, below, action := t.String(), Guide(nil), Keep
		if g != nil {
			name, below, action = g.Member(name)
		}
		if action == Drop {
			if err := d.skip(depth + 1); err != nil {
				return Value{}, err
			}
			continue
		}
		if len(o.list) >= maxNames {
			return Value{}, scimerr.New(413, scimerr.None, "An object has more than the %d attributes that are accepted.", maxNames).At("names")
		}
		if o.find(name) >= 0 {
			return Value{}, scimerr.BadRequest(scimerr.InvalidSyntax, "The attribute %s occurs more than once in one object.", clip(name))
		}
		var v Value
		if action == Defer {
			v, err = d.raw(depth + 1)
		} else {
			v, err = d.value(below, depth+1)
		}
		if err != nil {
			return Value{}, err
		}
		o.list = append(o.list, Member{name, v})
	}
	if _, err := d.ReadToken(); err != nil {
		return Value{}, d.syntax(err)
	}
	return OfObject(o), nil
}

// skip passes over a value, still refusing what is too deep.
func (d *decoder) skip(depth int) error {
	base := d.StackDepth()
	for {
		t, err := d.ReadToken()
		if err != nil {
			return d.syntax(err)
		}
		if depth+d.StackDepth()-base > d.limits.Depth+1 {
			return d.tooDeep()
		}
		if k := t.Kind(); d.StackDepth() == base && k != '{' && k != '[' {
			return nil
		}
	}
}

func (d *decoder) raw(depth int) (Value, error) {
	r, err := d.ReadValue()
	if err != nil {
		return Value{}, d.syntax(err)
	}
	if nesting(r)+depth > d.limits.Depth+1 {
		return Value{}, d.tooDeep()
	}
	return OfRaw(string(r)), nil
}

// nesting returns how deep the arrays and objects of valid JSON text nest.
func nesting(json []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(json); i++ {
		switch c := json[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

func (d *decoder) tooDeep() error {
	return scimerr.BadRequest(scimerr.InvalidSyntax, "The JSON nests deeper than the %d levels that are accepted.", d.limits.Depth).At("depth")
}

// syntax turns a tokenizer error into one that reveals a position, not contents.
func (d *decoder) syntax(err error) error {
	what := "is not valid JSON"
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		what = "has an object with the same member name twice"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		what = "ends in the middle of a JSON value"
	case strings.Contains(err.Error(), "UTF-8"):
		what = "is not valid UTF-8"
	}
	return scimerr.BadRequest(scimerr.InvalidSyntax, "The request body %s (near byte %d).", what, d.InputOffset())
}

// clip keeps a client's name from flooding an error text.
func clip(name string) string {
	if len(name) <= 64 {
		return name
	}
	return strings.ToValidUTF8(name[:64], "") + "…"
}

// MapStrings returns JSON text, which must be valid, with each string value (not
// the names) replaced by what f makes of it.
func MapStrings(json []byte, f func(string) string) []byte {
	d := jsontext.NewDecoder(bytes.NewBuffer(json), jsontext.AllowDuplicateNames(true))
	var out bytes.Buffer
	e := jsontext.NewEncoder(&out, jsontext.AllowDuplicateNames(true))
	for {
		t, err := d.ReadToken()
		if err != nil {
			return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
		}
		kind, n := d.StackIndex(d.StackDepth())
		if name := kind == '{' && n%2 == 1; t.Kind() == '"' && !name {
			t = jsontext.String(f(t.String()))
		}
		// Writing what was read cannot fail: the text is valid.
		_ = e.WriteToken(t)
	}
}
