package faulty

import (
	"maps"
)

// plant is a fault at work on one request.
type plant func(x *exchange)

// plants make the faults, each with a memory of its own.
var plants = collect(requests, answers, groups, users, lifecycle, protocol, bodies, values)

func collect(sets ...map[Fault]func() plant) map[Fault]func() plant {
	all := map[Fault]func() plant{}
	for _, s := range sets {
		maps.Copy(all, s)
	}
	return all
}

// stateless is for a fault that remembers nothing.
func stateless(p plant) func() plant { return func() plant { return p } }
