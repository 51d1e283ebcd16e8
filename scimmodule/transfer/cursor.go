package transfer

import (
	"cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// rank orders the records of a tenant in the file. Tokens are last: while the
// others come in, they open nothing.
var rank = map[store.Kind]int{store.User: 1, store.Group: 2, store.Archived: 3, store.Tombstone: 4, store.Report: 5, store.Token: 6}

// cursor is a place in an export: what must be known of the lines before it. It
// is kept in the store as JSON.
type cursor struct {
	Lines int  `json:"lines"` // that lie before it
	Done  bool `json:"done,omitempty"`
	// Last is the tenant that ended before.
	Last   string   `json:"last,omitempty"`
	Tenant *section `json:"tenant,omitempty"` // the tenant that has begun and not ended
}

// section is a place within the lines of a tenant.
type section struct {
	Name   string      `json:"name"`
	Record *recordLine `json:"record,omitempty"` // of the tenant itself; written at its end
	// Kind and ID are those of the last record, Member is the last member where
	// that record is a group.
	Kind   store.Kind `json:"kind,omitempty"`
	ID     string     `json:"id,omitempty"`
	Member memberItem `json:"member,omitzero"`
	Counts counts     `json:"counts"`
}

// clone returns a copy that does not change with c.
func (c cursor) clone() cursor {
	if c.Tenant != nil {
		t := *c.Tenant
		c.Tenant = &t
	}
	return c
}

// advance moves the cursor over a line. It says what is wrong where the line
// must not come here.
func (c *cursor) advance(l *line) string {
	c.Lines++
	switch {
	case c.Done:
		return "it comes after the last line"
	case (c.Lines == 1) != (l.Export != nil):
		return "the first line, and no other, is the header of the export"
	case l.Export != nil:
		return ""
	case (c.Tenant == nil) != (l.Tenant != nil || l.End != nil):
		return "it is out of order: a tenant's lines are between its first and its end"
	case l.Tenant != nil:
		if l.Tenant.Name <= c.Last {
			return "it is out of order: tenants come by name"
		}
		c.Tenant = &section{Name: l.Tenant.Name, Record: l.Tenant.Record}
		return ""
	case l.End != nil:
		if l.End.Lines != c.Lines {
			return "the export has not as many lines as its end says"
		}
		c.Done = true
		return ""
	case l.Close != nil:
		if l.Close.Name != c.Tenant.Name || l.Close.Counts != c.Tenant.Counts {
			return "lines of the tenant are missing: the counts at its end are others"
		}
		c.Last, c.Tenant = c.Tenant.Name, nil
		return ""
	case l.Members != nil:
		return c.Tenant.members(l.Members)
	}
	return c.Tenant.record(&l.recordLine)
}

func (t *section) record(r *recordLine) string {
	if rank[r.Kind] == 0 {
		return "its record is of a kind that is not exported"
	}
	if r.Kind == store.Report && r.ID != t.Name {
		return "its record is not the tenant's"
	}
	if cmp.Or(cmp.Compare(rank[r.Kind], rank[t.Kind]), cmp.Compare(r.ID, t.ID)) <= 0 {
		return "it is out of order: records come by kind and id, each once"
	}
	t.Kind, t.ID, t.Member = r.Kind, r.ID, memberItem{}
	*t.Counts.of(r.Kind)++
	return ""
}

func (t *section) members(m *membersLine) string {
	if t.Kind != store.Group || t.ID != m.Group {
		return "it is out of order: members come behind their group"
	}
	for _, x := range m.Add {
		if cmp.Or(cmp.Compare(rank[x.Kind], rank[t.Member.Kind]), cmp.Compare(x.ID, t.Member.ID)) <= 0 {
			return "it is out of order: members come by kind and id, each once"
		}
		t.Member = x
	}
	t.Counts.Members += len(m.Add)
	return ""
}
