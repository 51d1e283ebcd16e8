package directory

import "github.com/caddy-scim/caddy-scim/scimmodule/schema"

// memberCount is what becomes of the members whom a call names, in its latest
// attempt: a use case may be decided several times.
type memberCount struct {
	unreadable int             // members whose value nobody can read
	wanted     map[string]bool // ids to be members
	dropped    map[string]bool // ids that are not kept
}

// counting gives a call a tally of its own, which each attempt of the use case
// may start over. The function it returns adds it to the caller's when the use
// case has ended; after an error nothing is kept.
func (d *Directory) counting(c *Call) (end func(error)) {
	whole := c.Tally
	c.Tally, c.members = &schema.Tally{}, &memberCount{}
	t, m := c.Tally, c.members
	return func(err error) {
		v := d.set.Views.Group
		kept := 0
		for id := range m.wanted {
			if !m.dropped[id] {
				kept++
			}
		}
		if r, ok := v.Resolve("members"); ok {
			v.Keep(t, r, kept)
		}
		for range m.unreadable + len(m.dropped) {
			v.Drop(t, "members")
		}
		if err != nil {
			t.Refused()
		}
		whole.Add(t)
	}
}

// begin starts over.
func (m *memberCount) begin() { *m = memberCount{wanted: map[string]bool{}} }

// redecide forgets who was dropped: they may be there by now.
func (m *memberCount) redecide() { m.dropped = map[string]bool{} }
