//go:build race

package faulty_test

import "github.com/caddy-scim/caddy-scim/interop/faulty"

// played are fewer under the race detector, which makes a run take seconds: the
// faults that keep a memory, and those that are met most.
func played() []faulty.Fault {
	return []faulty.Fault{
		"op-case", "string-boolean", "remove-with-value-empties", "filter-ignored", "no-match-404", "members-despite-exclusion",
		"lost-update", "conflict-after-delete", "manager-as-string", "null-stored", "restored-with-another-id",
	}
}
