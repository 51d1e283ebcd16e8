package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Schema is a named set of attributes (RFC 7643 §7).
type Schema struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Attributes  []*Attribute `json:"attributes"`
}

// Find returns the attribute of that name in any case, or nil.
func (s *Schema) Find(name string) *Attribute { return findAttribute(s.Attributes, name) }

// Parse reads a schema in the JSON form of RFC 7643 §7, as operators give it for
// extensions. Members that the RFC leaves out take its defaults (§2.2). The
// error says which attribute is wrong and how.
func Parse(text []byte) (*Schema, error) {
	var s struct {
		Schema
		Schemas json.RawMessage `json:"schemas"`
		Meta    json.RawMessage `json:"meta"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("not a schema in the form of RFC 7643 section 7: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("a schema file holds one schema, and this one goes on after it")
	}
	if !strings.HasPrefix(strings.ToLower(s.ID), "urn:") || strings.ContainsAny(s.ID, " \t\r\n\"\\[]") {
		return nil, fmt.Errorf("the schema's id %q is not a URN", s.ID)
	}
	if len(s.Attributes) == 0 {
		return nil, fmt.Errorf("schema %s has no attributes", s.ID)
	}
	if err := complete(s.Attributes, s.ID+":", 1); err != nil {
		return nil, err
	}
	return &s.Schema, nil
}

// attributeName is ATTRNAME of RFC 7643 §2.1, with the "$" of "$ref".
var attributeName = regexp.MustCompile(`^[A-Za-z$][A-Za-z0-9_$-]*$`)

// complete fills in the defaults of RFC 7643 §2.2 and refuses what contradicts
// itself. Depth is 1 at the top of a schema.
func complete(list []*Attribute, prefix string, depth int) error {
	for i, a := range list {
		if a == nil || !attributeName.MatchString(a.Name) {
			return fmt.Errorf("attribute %d of %s has no valid name", i+1, strings.TrimSuffix(prefix, ":"))
		}
		path := prefix + a.Name
		if findAttribute(list[:i], a.Name) != nil {
			return fmt.Errorf("attribute %s is defined twice", path)
		}
		for _, f := range []struct {
			field    *string
			name     string
			fallback string
			allowed  []string
		}{
			{(*string)(&a.Type), "type", string(String), []string{"string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"}},
			{&a.Mutability, "mutability", ReadWrite, []string{ReadOnly, ReadWrite, Immutable, WriteOnly}},
			{&a.Returned, "returned", Default, []string{Always, Never, Default, OnRequest}},
			{&a.Uniqueness, "uniqueness", NotUnique, []string{NotUnique, ServerUnique, GlobalUnique}},
		} {
			if *f.field == "" {
				*f.field = f.fallback
			}
			if !slices.Contains(f.allowed, *f.field) {
				return fmt.Errorf("attribute %s: %s is %q, which is none of %s", path, f.name, *f.field, strings.Join(f.allowed, ", "))
			}
		}
		if (a.Type == Complex) != (len(a.Sub) > 0) {
			return fmt.Errorf("attribute %s: complex attributes, and no others, have subAttributes", path)
		}
		if a.Type == Complex && depth > 1 && !strings.HasPrefix(prefix, SchemaURN) {
			return fmt.Errorf("attribute %s: a sub-attribute cannot be complex (RFC 7643 §2.3.8)", path)
		}
		if a.Uniqueness != NotUnique && (depth > 1 || a.MultiValued || a.Type != String && a.Type != Reference) && a.Mutability != ReadOnly {
			return fmt.Errorf("attribute %s: uniqueness is supported for single-valued strings at the top of a schema", path)
		}
		if a.Type == Reference || a.Type == Binary {
			a.CaseExact = true // RFC 7643 §2.3.6, §2.3.7
		}
		if err := complete(a.Sub, path+".", depth+1); err != nil {
			return err
		}
	}
	return nil
}
