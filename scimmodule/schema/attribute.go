package schema

import "strings"

// Type is an attribute's data type (RFC 7643 §2.3).
type Type string

// The data types.
const (
	String    Type = "string"
	Boolean   Type = "boolean"
	Decimal   Type = "decimal"
	Integer   Type = "integer"
	DateTime  Type = "dateTime"
	Reference Type = "reference"
	Binary    Type = "binary"
	Complex   Type = "complex"
)

// The values of Mutability, Returned and Uniqueness (RFC 7643 §7).
const (
	ReadOnly  = "readOnly"
	ReadWrite = "readWrite"
	Immutable = "immutable"
	WriteOnly = "writeOnly"

	Always    = "always"
	Never     = "never"
	Default   = "default"
	OnRequest = "request"

	NotUnique    = "none"
	ServerUnique = "server"
	GlobalUnique = "global"
)

// Attribute is the definition of an attribute or sub-attribute (RFC 7643 §7).
// Attributes are immutable once their schema is loaded or narrowed.
type Attribute struct {
	Name            string       `json:"name"`
	Type            Type         `json:"type"`
	MultiValued     bool         `json:"multiValued"`
	Description     string       `json:"description"`
	Required        bool         `json:"required"`
	CanonicalValues []string     `json:"canonicalValues"`
	CaseExact       bool         `json:"caseExact"`
	Mutability      string       `json:"mutability"`
	Returned        string       `json:"returned"`
	Uniqueness      string       `json:"uniqueness"`
	ReferenceTypes  []string     `json:"referenceTypes"`
	Sub             []*Attribute `json:"subAttributes"`

	// rules, in a view, say which elements of a multi-valued attribute are kept
	// and what of them; none keeps all elements with the sub-attributes in Sub.
	rules []elementRule
}

// Find returns the sub-attribute of that name in any case, or nil.
func (a *Attribute) Find(name string) *Attribute { return findAttribute(a.Sub, name) }

func findAttribute(list []*Attribute, name string) *Attribute {
	for _, a := range list {
		if len(a.Name) == len(name) && strings.EqualFold(a.Name, name) {
			return a
		}
	}
	return nil
}

// hidden tells whether the attribute's values can never be shown, so that it
// cannot be kept either.
func (a *Attribute) hidden() bool { return a.Mutability == WriteOnly || a.Returned == Never }
