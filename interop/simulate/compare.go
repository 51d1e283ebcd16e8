package simulate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// compare reads everything back over SCIM and returns what differs from the
// company, in sentences. An attribute that the server shows of nobody is one that
// it does not keep, and is not compared.
func (r *run) compare(ctx context.Context) ([]string, error) {
	c := &comparison{users: map[string]object{}, groups: map[string]object{}, kept: map[string]bool{}}
	ours := func(name any) bool {
		s, _ := name.(string)
		return r.csv || strings.HasSuffix(strings.TrimSuffix(s, " (new)"), r.company.domain) || strings.Contains(s, " of "+r.company.domain)
	}
	err := r.list(ctx, "/Users", "", func(o object) {
		if !ours(o["userName"]) {
			return
		}
		id, _ := o["id"].(string)
		c.users[id] = o
		for path := range (&person{upn: "x", given: "x", family: "x", dept: "x", title: "x", mobile: "x", country: "x", objectID: "x"}).attributes() {
			if at(o, path) != "" {
				c.kept[path] = true
			}
		}
		if managerOf(o) != "" {
			c.kept["manager"] = true
		}
	})
	if err != nil {
		return nil, err
	}
	for _, p := range r.company.people {
		c.person(p)
	}
	for id := range c.users {
		c.say("user %s is there, and nobody in the directory", id)
	}
	err = r.list(ctx, "/Groups", "excludedAttributes=members", func(o object) {
		if id, _ := o["id"].(string); ours(o["displayName"]) {
			c.groups[id] = o
		}
	})
	if err != nil {
		return nil, err
	}
	for _, g := range r.company.groups {
		if err := r.compareGroup(ctx, c, g); err != nil {
			return nil, err
		}
	}
	for id := range c.groups {
		c.say("group %s is there, and none in the directory", id)
	}
	slices.Sort(c.differences)
	return c.differences, nil
}

type comparison struct {
	users, groups map[string]object // by id, those that are not accounted for yet
	kept          map[string]bool   // paths that the server keeps
	differences   []string
}

func (c *comparison) say(format string, args ...any) {
	c.differences = append(c.differences, fmt.Sprintf(format, args...))
}

func (c *comparison) person(p *person) {
	if p.id == "" {
		return
	}
	o, ok := c.users[p.id]
	delete(c.users, p.id)
	if !ok {
		c.say("user %s is in the directory, and not there", p.id)
		return
	}
	if active, _ := o["active"].(bool); active != (p.known["active"] == "True") {
		c.say("user %s: active is %v", p.id, active)
	}
	for path := range c.kept {
		switch got := at(o, path); {
		case path == "manager":
			if managerOf(o) != p.known["manager"] {
				c.say("user %s: the manager is another", p.id)
			}
		case got != p.known[path]:
			c.say("user %s: %s is another", p.id, path)
		}
	}
}

func (r *run) compareGroup(ctx context.Context, c *comparison, g *group) error {
	o, ok := c.groups[g.id]
	delete(c.groups, g.id)
	if !ok {
		c.say("group %s is in the directory, and not there", g.id)
		return nil
	}
	if o["displayName"] != g.name {
		c.say("group %s: the displayName is another", g.id)
	}
	if _, shown := o["members"]; shown {
		c.say("group %s: members are shown although they are excluded", g.id)
	}
	a, err := r.do(ctx, http.MethodGet, "/Groups/"+g.id, "", nil, http.StatusOK)
	if err != nil {
		return err
	}
	is := map[string]bool{}
	list, _ := a.body["members"].([]any)
	for _, m := range list {
		o, _ := m.(map[string]any)
		id, _ := o["value"].(string)
		is[id] = true
	}
	for p := range g.in {
		if !is[p.id] {
			c.say("group %s: member %s is missing", g.id, p.id)
		}
		delete(is, p.id)
	}
	for id := range is {
		c.say("group %s: member %s is there, and not in the directory", g.id, id)
	}
	return nil
}

// at returns the value of a path that attributes has; empty where there is none.
func at(o object, path string) string {
	if sub, ok := strings.CutPrefix(path, enterprise+":"); ok {
		o, _ = o[enterprise].(map[string]any)
		path = sub
	}
	if name, rest, filtered := strings.Cut(path, `[type eq "`); filtered {
		kind, sub, _ := strings.Cut(rest, `"].`)
		list, _ := o[name].([]any)
		for _, e := range list {
			if e, _ := e.(map[string]any); e["type"] == kind {
				s, _ := e[sub].(string)
				return s
			}
		}
		return ""
	}
	name, sub, dotted := strings.Cut(path, ".")
	if dotted {
		o, _ = o[name].(map[string]any)
		name = sub
	}
	s, _ := o[name].(string)
	return s
}

func managerOf(o object) string {
	x, _ := o[enterprise].(map[string]any)
	m, _ := x["manager"].(map[string]any)
	id, _ := m["value"].(string)
	return id
}
