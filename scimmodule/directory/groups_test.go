package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Every way to change the members of a group of a, b and c.
func TestGroupMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, do, want string }{
		{"PUT without members keeps them", `PUT {"displayName":"g2"}`, "a b c"},
		{"PUT with null keeps them", `PUT {"displayName":"g2","members":null}`, "a b c"},
		{"PUT with an empty list empties", `PUT {"displayName":"g","members":[]}`, ""},
		{"PUT with others", `PUT {"displayName":"g","members":[{"value":"@b"},{"value":"@d"}]}`, "b d"},
		{"add", `[{"op":"add","path":"members","value":[{"value":"@d"},{"value":"@a"}]}]`, "a b c d"},
		{"add one object", `[{"op":"Add","path":"members","value":{"value":"@d"}}]`, "a b c d"},
		{"add one string", `[{"op":"add","path":"members","value":"@d"}]`, "a b c d"},
		{"add without a path", `[{"op":"add","value":{"members":[{"value":"@d"}]}}]`, "a b c d"},
		{"remove by filter", `[{"op":"remove","path":"members[value eq \"@b\"]"}]`, "a c"},
		{"remove by filter, with an empty value", `[{"op":"remove","path":"members[value eq \"@b\"]","value":""}]`, "a c"},
		{"remove by two filters", `[{"op":"remove","path":"members[value eq \"@b\" or value eq \"@c\"]"}]`, "a"},
		{"remove by a filter that has to look", `[{"op":"remove","path":"members[type eq \"User\" and not (value eq \"@b\")]"}]`, "b"},
		{"remove a list", `[{"op":"Remove","path":"members","value":[{"value":"@a"},{"value":"@c","$ref":"x","display":"y"}]}]`, "b"},
		{"remove a list of strings", `[{"op":"remove","path":"members","value":["@a"]}]`, "b c"},
		{"remove an empty list changes nothing", `[{"op":"remove","path":"members","value":[]}]`, "a b c"},
		{"remove a list of nobody changes nothing", `[{"op":"remove","path":"members","value":[{}]}]`, "a b c"},
		{"remove all", `[{"op":"remove","path":"members"}]`, ""},
		{"replace", `[{"op":"replace","path":"members","value":[{"value":"@c"},{"value":"@d"}]}]`, "c d"},
		{"replace by an empty list", `[{"op":"replace","path":"members","value":[]}]`, ""},
		{"replace without a path by an empty list", `[{"op":"replace","value":{"members":[],"displayName":"g2"}}]`, ""},
		{"replace without a path and without members", `[{"op":"replace","value":{"id":"x","displayName":"g2"}}]`, "a b c"},
		{"replace without a path by null", `[{"op":"replace","value":{"members":null,"displayName":"g2"}}]`, "a b c"},
		{"add and remove the same", `[{"op":"add","path":"members","value":"@d"},{"op":"remove","path":"members","value":"@d"}]`, "a b c"},
		{"remove and add the same", `[{"op":"remove","path":"members","value":"@a"},{"op":"add","path":"members","value":"@a"}]`, "a b c"},
		{"empty and add", `[{"op":"remove","path":"members"},{"op":"add","path":"members","value":"@d"}]`, "d"},
		{"add and empty", `[{"op":"add","path":"members","value":"@d"},{"op":"remove","path":"members"}]`, ""},
		{"replace twice", `[{"op":"replace","path":"members","value":["@a"]},{"op":"replace","path":"members","value":["@d"]}]`, "d"},
		{"add, then remove those who match", `[{"op":"add","path":"members","value":"@d"},{"op":"remove","path":"members[value sw \"x\" or value eq \"@d\" or value eq \"@a\"]"}]`, "b c"},
		{"add, replace, add, replace", `[{"op":"add","path":"members","value":"@d"},{"op":"replace","path":"members","value":["@a"]},{"op":"add","path":"members","value":"@c"},{"op":"replace","path":"members","value":["@b"]}]`, "b"},
		{"add, empty, add, empty, add", `[{"op":"add","path":"members","value":"@d"},{"op":"remove","path":"members"},{"op":"add","path":"members","value":"@c"},{"op":"remove","path":"members"},{"op":"add","path":"members","value":"@b"}]`, "b"},
		{"three adds, replace twice", `[{"op":"add","path":"members","value":"@d"},{"op":"add","path":"members","value":"@a"},{"op":"add","path":"members","value":"@b"},{"op":"replace","path":"members","value":["@a"]},{"op":"replace","path":"members","value":["@c"]}]`, "c"},
		{"with a rename", `[{"op":"replace","path":"displayName","value":"g2"},{"op":"remove","path":"members","value":[{"value":"@a"}]}]`, "b c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, with{})
			ids, names := labels{}, map[string]string{}
			for _, n := range []string{"a", "b", "c", "d"} {
				ids[n] = e.user(`{"userName":"` + n + `"}`).ID
				names[ids[n]] = n
			}
			g := e.group(ids.fill(`{"displayName":"g","members":["@a","@b","@c"]}`))
			from := e.revision()
			var r store.Record
			if body, put := strings.CutPrefix(c.do, "PUT "); put {
				r = e.put(store.Group, g.ID, ids.fill(body))
			} else {
				r = e.patch(store.Group, g.ID, ids.fill(c.do))
			}
			var got []string
			for _, id := range strings.Fields(e.members(g.ID)) {
				got = append(got, names[id])
			}
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("members %v, want %s", got, c.want)
			}
			s, _ := e.stored(store.Group, g.ID)
			if changed := len(e.log(from)) > 0; changed != (s.Version != g.Version) || changed != (c.want != "a b c" || strings.Contains(c.do, "g2")) {
				t.Errorf("log %q, version %d to %d", e.log(from), g.Version, s.Version)
			}
			if r.Version != 0 && r.Version != s.Version {
				t.Errorf("returned in version %d, stored in %d", r.Version, s.Version)
			}
			// The other direction agrees.
			for n, id := range ids {
				in := slices.Contains(e.find(store.User, `userName pr`), id) && slices.Contains(e.find(store.Group, `members eq "`+id+`"`), g.ID)
				if in != slices.Contains(got, n) {
					t.Errorf("the groups of %s do not agree", n)
				}
			}
		})
	}
}

func TestNestedGroups(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	a := e.group(`{"displayName":"a"}`)
	b := e.group(`{"displayName":"b","members":[{"value":"` + a.ID + `"}]}`)
	add := func(group, member string) {
		t.Helper()
		e.patch(store.Group, group, `[{"op":"add","path":"members","value":[{"value":"`+member+`"}]}]`)
	}
	add(a.ID, b.ID) // a circle
	add(a.ID, a.ID) // and the group itself
	if got := strings.Fields(e.members(a.ID)); len(got) != 2 || !slices.Contains(got, "#"+a.ID) || !slices.Contains(got, "#"+b.ID) {
		t.Errorf("members of a: %v", got)
	}
	from := e.revision()
	e.delete(store.Group, a.ID)
	if got := e.members(b.ID); got != "" {
		t.Errorf("members of b: %s", got)
	}
	removed := 0
	for _, line := range e.log(from) {
		removed += strings.Count(line, " -"+a.ID)
	}
	if removed != 2 {
		t.Errorf("a is removed %d times: %q", removed, e.log(from))
	}
	if _, ok := e.stored(store.Tombstone, a.ID); !ok {
		t.Error("no tombstone")
	}
	e.delete(store.Group, b.ID)
	wantFailure(t, e.d.DeleteGroup(t.Context(), e.call(), b.ID), "404")
	if edges, _ := e.store.Edges(t.Context(), tenant, store.EdgeQuery{Member: a.ID, Limit: 10}); len(edges.Members) > 0 {
		t.Errorf("edges %v are left", edges.Members)
	}
}

func TestGroupNames(t *testing.T) {
	t.Parallel()
	const taken = "409 uniqueness"
	e := newEnv(t, with{})
	a := e.group(`{"displayName":"Team"}`)
	_, err := e.tryGroup(`{"displayName":"tEAM"}`)
	wantFailure(t, err, taken)
	b := e.group(`{"displayName":"Other","externalId":"x"}`)
	e.group(`{"displayName":"Third","externalId":"x"}`) // an externalId may repeat
	_, err = e.tryPatch(store.Group, b.ID, `[{"op":"replace","path":"displayName","value":"team"}]`)
	wantFailure(t, err, taken)
	_, err = e.tryPut(store.Group, b.ID, `{"displayName":"TEAM"}`)
	wantFailure(t, err, taken)
	_, err = e.tryPatch(store.Group, b.ID, `[{"op":"remove","path":"displayName"}]`)
	wantFailure(t, err, "400 invalidValue")
	e.put(store.Group, a.ID, `{"displayName":"TEAM"}`)
	e.delete(store.Group, a.ID)
	again := e.group(`{"displayName":"Team"}`)
	if again.ID == a.ID {
		t.Error("a deleted group's id is used again")
	}
}

// The setting that lets names repeat is switched on and off over one store.
func TestDuplicateGroupNames(t *testing.T) {
	t.Parallel()
	const taken = "409 uniqueness"
	e := newEnv(t, with{})
	a := e.group(`{"displayName":"Team"}`)
	e.reconfigure(with{set: Settings{DuplicateGroupNames: true}})
	b := e.group(`{"displayName":"team"}`)
	c := e.group(`{"displayName":"TEAM"}`)
	if got := e.find(store.Group, `displayName eq "teaM"`); len(got) != 3 {
		t.Errorf("found %v", got)
	}
	e.reconfigure(with{})
	// What is there stays as it is and can be changed.
	e.patch(store.Group, b.ID, `[{"op":"add","path":"externalId","value":"1"}]`)
	e.put(store.Group, c.ID, `{"displayName":"TEAM","externalId":"2"}`)
	_, err := e.tryGroup(`{"displayName":"Team"}`)
	wantFailure(t, err, taken)
	// The holder of the claim goes; the others still have the name.
	e.delete(store.Group, a.ID)
	_, err = e.tryGroup(`{"displayName":"Team"}`)
	wantFailure(t, err, taken)
	e.put(store.Group, b.ID, `{"displayName":"New"}`)
	_, err = e.tryGroup(`{"displayName":"new"}`)
	wantFailure(t, err, taken)
	e.delete(store.Group, c.ID)
	d := e.group(`{"displayName":"Team"}`)
	// Renamed while names may repeat, a claim is given up and not kept.
	e.reconfigure(with{set: Settings{DuplicateGroupNames: true}})
	e.put(store.Group, d.ID, `{"displayName":"Else"}`)
	e.reconfigure(with{})
	e.group(`{"displayName":"team"}`)
	_, err = e.tryGroup(`{"displayName":"ELSE"}`)
	wantFailure(t, err, taken)
	e.delete(store.Group, d.ID)
	e.group(`{"displayName":"ELSE"}`)
}

func TestGroupsThatAreNotThere(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"a"}`)
	dead := e.group(`{"displayName":"dead"}`)
	e.delete(store.Group, dead.ID)
	from := e.revision()
	for _, id := range []string{"nobody", dead.ID, u.ID, ".search", "has space", strings.Repeat("x", 200), "bulkId"} {
		for _, ops := range []string{
			`[]`,
			`[{"op":"add","path":"members","value":[{"value":"` + u.ID + `"}]}]`,
			`[{"op":"add","path":"members","value":[{"value":"somebody"}]}]`,
			`[{"op":"add","path":"members","value":[{"value":"` + dead.ID + `"}]}]`,
			`[{"op":"add","path":"members","value":[]}]`,
			`[{"op":"remove","path":"members","value":[{"value":"` + u.ID + `"}]}]`,
			`[{"op":"remove","path":"members"}]`,
			`[{"op":"replace","path":"displayName","value":"x"}]`,
		} {
			_, err := e.tryPatch(store.Group, id, ops)
			if failure(err) != "404" {
				t.Errorf("PATCH of %s with %s: %v", id, ops, err)
			}
			if err != nil && strings.Contains(err.Error(), strings.Repeat("x", 200)) {
				t.Error("a long id is in the error")
			}
		}
		_, err := e.tryPut(store.Group, id, `{"displayName":"x"}`)
		wantFailure(t, err, "404")
		wantFailure(t, e.d.DeleteGroup(t.Context(), e.call(), id), "404")
		_, err = e.d.Get(t.Context(), store.Group, id)
		wantFailure(t, err, "404")
	}
	e.wantLog(from)
}

// Adding a member costs the same whatever the size of the group: the group's
// members are not read.
func TestAddingAMemberReadsNoMembers(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"a"}`)
	g := e.group(`{"displayName":"g"}`)
	clear(e.store.calls)
	commits := e.store.commits
	e.patch(store.Group, g.ID, `[{"op":"add","path":"members","value":[{"value":"`+u.ID+`"}]}]`)
	e.patch(store.Group, g.ID, `[{"op":"remove","path":"members[value eq \"`+u.ID+`\"]"}]`)
	if len(e.store.calls) > 0 || e.store.commits != commits+2 {
		t.Errorf("calls %v and %d commits", e.store.calls, e.store.commits-commits)
	}
}

// A group of more members than one commit takes is emptied in parts.
func TestLargeGroups(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf(`"p%02d"`, i))
	}
	g := e.group(`{"displayName":"g","members":[` + strings.Join(names, ",") + `]}`)
	// What the store says of the members has many more between them; to remove
	// these changes nothing.
	p, err := e.store.Store.Edges(t.Context(), tenant, store.EdgeQuery{Group: g.ID, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	page := slices.Clone(p.Members[:50])
	for i := range deleteAtOnce {
		page = append(page, store.Member{ID: fmt.Sprintf("p49-%d", i), Kind: store.User})
	}
	e.store.members = append(page, p.Members[50:]...)
	from := e.revision()
	e.delete(store.Group, g.ID)
	e.store.members = nil
	if _, ok := e.stored(store.Group, g.ID); ok || e.members(g.ID) != "" {
		t.Error("something is left of the group")
	}
	if _, ok := e.stored(store.User, "p99"); !ok {
		t.Error("a member went with the group")
	}
	log := strings.Join(e.log(from), "\n")
	if strings.Count(log, "group.deleted") != 1 || strings.Count(log, " -") != 100 {
		t.Errorf("log %s", log)
	}
}
