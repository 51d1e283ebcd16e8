package filter

// Equality is a comparison that every resource which a filter matches satisfies.
type Equality struct {
	// Name is the attribute's canonical path, with its extension's URN where it
	// has one: "userName", "emails.value".
	Name string
	// Value is the literal as sent; it compares as the attribute's caseExact says.
	Value string
}

// equalities returns what a conjunction demands, and whether it demands nothing
// but one equality.
func equalities(n node) (list []Equality, exact bool) {
	switch n := n.(type) {
	case *leaf:
		if n.equality != nil {
			return []Equality{*n.equality}, true
		}
	case allOf:
		for _, x := range n {
			more, _ := equalities(x)
			list = append(list, more...)
		}
	case *elements:
		if list, exact = equalities(n.filter); n.then != nil {
			more, _ := equalities(n.then)
			return append(list, more...), false
		}
	}
	return list, exact
}
