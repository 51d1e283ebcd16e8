package simulate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// person is an account in the simulated directory.
type person struct {
	objectID string
	upn      string
	given    string
	family   string
	dept     string
	title    string
	mobile   string
	country  string
	manager  *person // nil for none

	assigned bool // in scope of the provisioning; else the account is to be disabled
	purged   bool // deleted for good
	left     int  // the cycle in which it was unassigned

	id    string            // what the server calls it; empty before it was created
	known map[string]string // what the server was last told, by attribute
}

// group is a group in the simulated directory.
type group struct {
	objectID string
	name     string
	members  map[*person]bool

	id    string
	known string // the name that the server was last told
	in    map[*person]bool
}

// company is the simulated directory: what the server is to look like.
type company struct {
	rnd    *rand.Rand
	domain string
	people []*person
	groups []*group
	made   int
}

func newCompany(seed uint64) *company {
	return &company{
		rnd:    rand.New(rand.NewPCG(seed, 0x5c1e)), //nolint:gosec // it is to be the same each time
		domain: fmt.Sprintf("sim%d.example", seed),
	}
}

var (
	givens    = []string{"Ada", "Björn", "Chloé", "Dmitri", "Eşref", "Fatima", "Grace", "Hiro", "Inês", "Jürgen", "Kofi", "Leïla", "Maeve", "Ngozi", "Óscar", "Priya"}
	families  = []string{"Anders", "Brontë", "Castillo", "D'Arcy", "Engström", "Fournier", "García", "Haddad", "Ito", "Jansen", "Kowalski", "Łukasz", "Møller", "Nguyễn", "O'Neil", "Park"}
	depts     = []string{"Sales", "R&D", "Finance", "Legal", "Support", "People"}
	titles    = []string{"Engineer", "Manager", "Analyst", "Counsel", "Director", "Agent"}
	countries = []string{"DE", "FR", "GB", "JP", "NG", "US"}
)

func (c *company) guid() string {
	a, b := c.rnd.Uint64(), c.rnd.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(a>>32), uint16(a>>16), a&0xfff, 0x8000|uint16(b>>48)&0x3fff, b&0xffffffffffff)
}

func pick[T any](c *company, list []T) T { return list[c.rnd.IntN(len(list))] }

// hire adds a person.
func (c *company) hire() *person {
	c.made++
	p := &person{
		objectID: c.guid(), given: pick(c, givens), family: pick(c, families), dept: pick(c, depts), title: pick(c, titles), country: pick(c, countries),
		upn: fmt.Sprintf("person%d@%s", c.made, c.domain), mobile: fmt.Sprintf("+1 555 %07d", c.made), assigned: true,
	}
	if boss := c.employed(); len(boss) > 0 && c.rnd.IntN(4) > 0 {
		p.manager = pick(c, boss)
	}
	c.people = append(c.people, p)
	return p
}

// found adds a group with some members.
func (c *company) found() {
	g := &group{objectID: c.guid(), name: fmt.Sprintf("Team %d of %s", len(c.groups)+1, c.domain), members: map[*person]bool{}}
	for _, p := range c.employed() {
		if c.rnd.IntN(5) == 0 {
			g.members[p] = true
		}
	}
	c.groups = append(c.groups, g)
}

// employed returns who is in scope.
func (c *company) employed() []*person {
	return slices.DeleteFunc(slices.Clone(c.people), func(p *person) bool { return !p.assigned || p.purged })
}

// Events counts what happened in a company between two cycles.
type Events struct {
	Joiners int `json:"joiners"`
	Movers  int `json:"movers"`
	Leavers int `json:"leavers"`
	Purged  int `json:"purged"`
	Rehired int `json:"rehired"`
	Regroup int `json:"membership_changes"`
}

// live lets time pass: about a tenth of the company changes.
func (c *company) live(cycle int) Events {
	var e Events
	n := max(1, len(c.people)/50)
	for range n {
		c.hire()
		e.Joiners++
	}
	for range 2 * n {
		if p := pick(c, c.people); p.assigned && !p.purged {
			c.move(p)
			e.Movers++
		}
	}
	for range n {
		if p := pick(c, c.people); p.assigned && !p.purged && len(c.employed()) > 1 {
			p.assigned, p.left = false, cycle
			e.Leavers++
		}
	}
	for _, p := range c.people {
		switch {
		case p.assigned || p.purged || p.left >= cycle:
		case c.rnd.IntN(3) == 0: // comes back
			p.assigned = true
			e.Rehired++
		case c.rnd.IntN(4) == 0:
			c.purge(p)
			e.Purged++
		}
	}
	// Somebody who was purged is hired again, under a new object of the old name.
	for _, p := range slices.Clone(c.people) {
		if p.purged && p.id == "" && c.rnd.IntN(4) == 0 && !c.taken(p.upn) {
			again := c.hire()
			again.upn = p.upn
			e.Rehired++
		}
	}
	if len(c.groups) == 0 {
		return e
	}
	for range 2 * n {
		g, p := pick(c, c.groups), pick(c, c.people)
		switch {
		case g.members[p]:
			delete(g.members, p)
		case p.assigned && !p.purged:
			g.members[p] = true
		default:
			continue
		}
		e.Regroup++
	}
	if c.rnd.IntN(2) == 0 {
		pick(c, c.groups).name += " (new)"
	}
	return e
}

func (c *company) taken(upn string) bool {
	return slices.ContainsFunc(c.people, func(p *person) bool { return strings.EqualFold(p.upn, upn) && !p.purged })
}

func (c *company) move(p *person) {
	switch c.rnd.IntN(5) {
	case 0:
		p.family = pick(c, families)
	case 1:
		p.mobile = ""
	case 2:
		if boss := pick(c, c.employed()); boss != p {
			p.manager = boss
		}
	default:
		p.dept, p.title = pick(c, depts), pick(c, titles)
	}
}

// purge deletes an account for good: nobody reports to it, no group has it.
func (c *company) purge(p *person) {
	p.purged = true
	for _, o := range c.people {
		if o.manager == p {
			o.manager = nil
		}
	}
	for _, g := range c.groups {
		delete(g.members, p)
	}
}

// attributes are those of a person that Entra's default mappings send, by path.
func (p *person) attributes() map[string]string {
	a := map[string]string{
		"userName": p.upn, "externalId": p.objectID, "displayName": p.given + " " + p.family, "title": p.title,
		"name.givenName": p.given, "name.familyName": p.family,
		`emails[type eq "work"].value`: p.upn, `phoneNumbers[type eq "mobile"].value`: p.mobile, `addresses[type eq "work"].country`: p.country,
		enterprise + ":department": p.dept,
	}
	maps.DeleteFunc(a, func(_, v string) bool { return v == "" })
	return a
}

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
