//go:build !race

package faulty_test

import "github.com/caddy-scim/caddy-scim/interop/faulty"

// played are all faults.
func played() []faulty.Fault { return faulty.Faults() }
