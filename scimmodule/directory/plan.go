package directory

import (
	"context"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// maxComparisons bounds the work of operations that remove members by a filter.
const maxComparisons = 5_000_000

// edit is what a request wants of a group's members, in the order of its
// operations.
type edit struct {
	// names holds what the request said of the members to add, by id.
	names  map[string]named
	add    []string
	remove []string
}

// tally follows the operations of a request, one after another.
type tally struct {
	before   map[string]store.Member // the members now; only read where exact
	exact    bool                    // whether the outcome depends on before
	names    map[string]named
	wanted   map[string]bool // the last word on each id that was spoken of
	order    []string        // these ids, as they came up
	compared int             // how many members were held against filters
}

// plan works out the outcome of the edits, which follow one another. Edits that
// depend on who is a member now read the members, and then the outcome holds for
// the version that they were read at; the others commute with what other
// requests do.
func (d *Directory) plan(ctx context.Context, c Call, group string, edits []patch.MemberEdit) (e edit, exact bool, err error) {
	c.members.begin()
	t := tally{exact: !commutes(edits), before: map[string]store.Member{}, names: map[string]named{}, wanted: map[string]bool{}}
	if edits, err = d.byOwnID(ctx, c, sinceEmptied(edits)); err != nil {
		return e, t.exact, err
	}
	if t.exact && group != "" {
		err := d.eachEdge(ctx, store.EdgeQuery{Group: group}, func(m store.Member) error {
			t.before[m.ID] = m
			return nil
		})
		if err != nil {
			return e, t.exact, err
		}
	}
	for _, m := range edits {
		switch m.Kind {
		case patch.AddMembers:
			d.addAll(c, &t, m.Values)
		case patch.RemoveMembers:
			for _, v := range m.Values {
				if n, ok := readMember(v, c.Base); ok {
					t.say(n.ID, false)
				}
			}
		case patch.ReplaceMembers:
			t.removeAll(func(store.Member) bool { return true })
			if d.addAll(c, &t, m.Values) == 0 && len(m.Values) > 0 {
				return e, t.exact, namesNobody()
			}
		case patch.RemoveAll:
			t.removeAll(func(store.Member) bool { return true })
		case patch.RemoveMatching:
			t.removeAll(func(s store.Member) bool { return m.Filter.Match(memberValue(s, c.Base)) })
		}
	}
	if t.compared > maxComparisons {
		return e, t.exact, scimerr.New(413, scimerr.None, "The request compares too many members with filters; name the members to remove by their ids.").At("member_comparisons")
	}
	for id := range t.names {
		if t.wanted[id] {
			c.members.wanted[id] = true
		}
	}
	return t.outcome(), t.exact, nil
}

// sinceEmptied leaves out the edits before the last that removes everybody: they
// do not matter.
func sinceEmptied(edits []patch.MemberEdit) []patch.MemberEdit {
	for i := len(edits) - 1; i > 0; i-- {
		if k := edits[i].Kind; k == patch.ReplaceMembers || k == patch.RemoveAll {
			return edits[i:]
		}
	}
	return edits
}

// addAll wants all members that can be read, and returns how many these are.
func (d *Directory) addAll(c Call, t *tally, values []attr.Value) (added int) {
	for _, v := range values {
		m, ok := readMember(v, c.Base)
		if !ok {
			c.members.unreadable++
			continue
		}
		t.names[m.ID] = m
		t.say(m.ID, true)
		added++
	}
	return added
}

func (t *tally) say(id string, in bool) {
	if _, spoken := t.wanted[id]; !spoken {
		t.order = append(t.order, id)
	}
	t.wanted[id] = in
}

// removeAll no longer wants those that match, of those who are members and of
// those whom the request has added.
func (t *tally) removeAll(match func(store.Member) bool) {
	if t.compared += len(t.order) + len(t.before); t.compared > maxComparisons {
		return
	}
	for _, id := range t.order {
		if t.wanted[id] && match(t.names[id].Member) {
			t.wanted[id] = false
		}
	}
	for id, m := range t.before {
		if match(m) {
			t.say(id, false)
		}
	}
}

// outcome tells whom to add and whom to remove.
func (t *tally) outcome() edit {
	e := edit{names: t.names}
	for _, id := range t.order {
		_, is := t.before[id]
		switch {
		case t.wanted[id] && !is:
			e.add = append(e.add, id)
		case !t.wanted[id] && (is || !t.exact && ValidID(id)): // no other id is a member's
			e.remove = append(e.remove, id)
		}
	}
	return e
}
