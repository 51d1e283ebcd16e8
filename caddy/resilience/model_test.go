package resilience

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
)

// What a history is made of. All users are active, so that a create succeeds
// where nobody has the userName and only there.
type verb string

const (
	create verb = "create" // POST of name
	rename verb = "rename" // PATCH of id to name
	remove verb = "delete" // DELETE of id
	search verb = "search" // filter userName eq name
	read   verb = "read"   // GET of id
)

// call is a request; result what came back.
type call struct {
	do       verb
	id, name string
}

type result struct {
	unknown bool // no answer, or 503: it may have been applied
	status  int
	id      string // of a user created or found; empty where none was found
	name    string // of the user that was read
}

// step is a request as one userName sees it.
type step struct {
	call
	on string // the userName, folded
}

// The state of a userName is the id that has it. nobody has none, and someone
// one that is not known, since a create was not answered.
const (
	nobody  = ""
	someone = "?"
)

// perName specifies, for one userName, which results are possible in a state,
// and what state may follow.
var perName = porcupine.NondeterministicModel{
	Init: func() []any { return []any{nobody} },
	Step: func(state, input, output any) []any {
		return states(state.(string), input.(step), output.(result))
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

func states(s string, in step, out result) []any {
	named := attr.Fold(in.name) == in.on // the request names this userName, or else an id that has had it
	only := func(possible bool, next string) []any {
		if !possible {
			return nil
		}
		return []any{next}
	}
	mayBe := func(id string) bool { return s == id || s == someone }
	// loses is what follows when the id no longer has this userName.
	loses := func(id string) []any {
		switch s {
		case id:
			return []any{nobody}
		case someone:
			return []any{nobody, someone}
		}
		return []any{s}
	}
	// others is what follows when it shows that the id does not have it.
	others := only(s != in.id, s)
	switch {
	case in.do == create && out.unknown:
		if s == nobody {
			return []any{nobody, someone}
		}
		return []any{s}
	case in.do == create && out.status == 201:
		return only(s == nobody, out.id)
	case in.do == create && out.status == 409:
		return only(s != nobody, s)
	case in.do == search && out.id == "":
		return only(s == nobody, nobody)
	case in.do == search:
		return only(mayBe(out.id), out.id)
	case in.do == read && out.status == 200 && attr.Fold(out.name) == in.on:
		return only(mayBe(in.id), in.id)
	case in.do == read:
		return others
	case in.do == remove && out.unknown:
		return append(loses(in.id), s)
	case in.do == remove && out.status == 204:
		return loses(in.id)
	case in.do == remove: // 404
		return others
	case in.do == rename && out.unknown && named:
		if s == nobody {
			return []any{nobody, in.id}
		}
		return []any{s}
	case in.do == rename && out.unknown:
		return append(loses(in.id), s)
	case in.do == rename && out.status == 200 && named:
		return only(s == nobody || mayBe(in.id), in.id)
	case in.do == rename && out.status == 200:
		return loses(in.id)
	case in.do == rename && out.status == 409 && named:
		return only(s != nobody && s != in.id, s)
	case in.do == rename && out.status == 409: // the id may have this one or not
		return []any{s}
	case in.do == rename: // 404
		return others
	}
	panic(fmt.Sprintf("%+v -> %+v has no meaning", in, out))
}

// byName splits a history into those of its userNames: each has the requests
// that name it, and those that name the id of a user who ever had it.
func byName(history []porcupine.Operation) map[string][]porcupine.Operation {
	ids := map[string]map[string]bool{} // by userName
	had := func(name, id string) {
		name = attr.Fold(name)
		if ids[name] == nil {
			ids[name] = map[string]bool{}
		}
		if id != "" {
			ids[name][id] = true
		}
	}
	for _, op := range history {
		in, out := op.Input.(call), op.Output.(result)
		switch in.do {
		case create, search:
			had(in.name, out.id)
		case rename:
			had(in.name, in.id)
		case read:
			if out.name != "" {
				had(out.name, in.id)
			}
		}
	}
	parts := map[string][]porcupine.Operation{}
	for name, of := range ids {
		for _, op := range history {
			in, out := op.Input.(call), op.Output.(result)
			if attr.Fold(in.name) != name && !of[in.id] {
				continue
			}
			op.Input = step{in, name}
			if out.unknown {
				op.Return = math.MaxInt64 // it may take effect at any later time
			}
			parts[name] = append(parts[name], op)
		}
	}
	return parts
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
