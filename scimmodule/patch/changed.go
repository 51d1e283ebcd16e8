package patch

import (
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

// Changed returns the names of the attributes that differ between two trees of
// one resource, in the order of the trees: those of an extension as URN:name.
// It is empty where nothing changed.
func Changed(before, after *attr.Members) []string {
	return changed(nil, "", before, after)
}

func changed(names []string, urn string, before, after *attr.Members) []string {
	differs := func(name string, was, is attr.Value) {
		if urn == "" && isURN(name) && (was.Kind() == attr.Object || is.Kind() == attr.Object) {
			names = changed(names, name+":", was.Object(), is.Object())
			return
		}
		if !was.Equal(is) {
			names = append(names, urn+name)
		}
	}
	for name, was := range before.All() {
		is, _ := after.Get(name)
		differs(name, was, is)
	}
	for name, is := range after.All() {
		if _, present := before.Get(name); !present {
			differs(name, attr.Value{}, is)
		}
	}
	return names
}

// isURN tells an extension's object from an attribute: names have no colon.
func isURN(name string) bool { return strings.Contains(name, ":") }
