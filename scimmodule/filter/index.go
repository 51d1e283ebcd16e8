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

// probes returns the values that a conjunction demands of the attribute, and how
// many of its parts ask for nothing but elements with one of these.
func probes(n node, name string) (values []string, uses int) {
	demanded := func(list []Equality) {
		before := len(values)
		for _, e := range list {
			if e.Name == name+".value" {
				values = append(values, e.Value)
			}
		}
		if len(values) > before {
			uses++
		}
	}
	switch n := n.(type) {
	case *leaf:
		if n.equality != nil {
			demanded([]Equality{*n.equality})
		}
	case *elements:
		list, _ := equalities(n)
		demanded(list)
	case allOf:
		for _, x := range n {
			v, u := probes(x, name)
			values, uses = append(values, v...), uses+u
		}
	}
	return values, uses
}
