package transfer

import "github.com/caddy-scim/caddy-scim/scimmodule/store"

// step is a part of a chunk that must be in before the next one begins.
type step struct {
	units []unit      // records of one tenant, in any order
	open  *tenantLine // or the first line of a tenant
	close *closeLine  // or its end
	line  int         // its last line, counted from 1
	from  *section    // the tenant's section before the step; nil before open
	after cursor      // the place behind the step
}

// unit is what must be applied in order: a record, or a group with its members,
// or more members of a group whose record came in an earlier chunk.
type unit struct {
	line    int // its first, counted from 1
	record  *recordLine
	members []*membersLine
}

func (u *unit) group() string {
	switch {
	case u.record != nil && u.record.Kind == store.Group:
		return u.record.ID
	case len(u.members) > 0:
		return u.members[0].Group
	}
	return ""
}

// plan decodes the lines of a chunk, checks that they go on at the cursor and
// puts them into steps. Nothing of a chunk with a bad line is applied.
func plan(c cursor, lines [][]byte) ([]step, error) {
	c = c.clone()
	at := c.Lines
	var steps []step
	for i, data := range lines {
		n := at + i + 1
		l, problem := decodeLine(data)
		before := c.clone().Tenant
		if problem == "" {
			problem = c.advance(&l)
		}
		if problem != "" {
			return nil, &LineError{Line: n, Reason: problem}
		}
		switch {
		case l.Tenant != nil:
			steps = append(steps, step{open: l.Tenant})
		case l.Close != nil:
			steps = append(steps, step{close: l.Close, from: before})
		case l.End != nil:
			steps = append(steps, step{})
		default:
			steps = addUnit(steps, &l, before, n)
		}
		s := &steps[len(steps)-1]
		s.line, s.after = n, c.clone()
	}
	return steps, nil
}

// addUnit adds a record or members to the last step, or to a new one where they
// must wait for it: tokens wait for all else.
func addUnit(steps []step, l *line, before *section, n int) []step {
	if len(steps) == 0 || len(steps[len(steps)-1].units) == 0 || l.Kind == store.Token && before.Kind != store.Token {
		steps = append(steps, step{from: before})
	}
	s := &steps[len(steps)-1]
	if l.Members != nil {
		if k := len(s.units); k == 0 || s.units[k-1].group() != l.Members.Group {
			s.units = append(s.units, unit{line: n})
		}
		u := &s.units[len(s.units)-1]
		u.members = append(u.members, l.Members)
		return steps
	}
	r := l.recordLine
	s.units = append(s.units, unit{line: n, record: &r})
	return steps
}
