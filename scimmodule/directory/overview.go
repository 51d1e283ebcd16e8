package directory

import (
	"context"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// MaxNeighbours is how many groups or members GroupsOf and MembersOf return at
// the most.
const MaxNeighbours = 1000

// GroupRef names a group.
type GroupRef struct {
	ID, DisplayName string
}

// GroupsOf returns the groups that a user or group is a direct member of, in the
// order of their ids, at most limit of them (0 to MaxNeighbours), and how many
// there are. There are none of an id that is not that of a live resource of the
// kind, User or Group.
func (d *Directory) GroupsOf(ctx context.Context, k store.Kind, id string, limit int) (groups []GroupRef, total int, err error) {
	if !ValidID(id) {
		return nil, 0, nil
	}
	rs, err := d.store.Get(ctx, d.tenant, k, id)
	if err != nil || len(rs) == 0 {
		return nil, 0, storeError(err)
	}
	p, err := d.store.Edges(ctx, d.tenant, store.EdgeQuery{Member: id, Limit: min(max(limit, 0), MaxNeighbours)})
	if err != nil {
		return nil, 0, storeError(err)
	}
	ids := make([]string, len(p.Members))
	for i, m := range p.Members {
		ids[i] = m.ID
	}
	if rs, err = d.store.Get(ctx, d.tenant, store.Group, ids...); err != nil {
		return nil, 0, storeError(err)
	}
	for _, r := range rs {
		l, err := d.load(r)
		if err != nil {
			return nil, 0, err
		}
		groups = append(groups, GroupRef{ID: r.ID, DisplayName: l.attrs.Text(byDisplayName)})
	}
	return groups, p.Total, nil
}

// MembersOf pages through a group's members, users first and then by id, at most
// limit at once (0 to MaxNeighbours, 0 for the total alone), behind the member
// after; its zero value starts at the first. A group that does not exist has no
// members.
func (d *Directory) MembersOf(ctx context.Context, group string, after store.Member, limit int) (store.EdgePage, error) {
	none := store.Member{}
	if !ValidID(group) || after != none && (!ValidID(after.ID) || after.Kind != store.User && after.Kind != store.Group) {
		return store.EdgePage{}, nil
	}
	p, err := d.store.Edges(ctx, d.tenant, store.EdgeQuery{Group: group, After: after, Limit: min(max(limit, 0), MaxNeighbours)})
	return p, storeError(err)
}

// Counts tells how much there is of a tenant.
type Counts struct {
	Users    int // live ones, inactive and provisional ones included
	Groups   int
	Archived int // users in the archive
}

// Counts counts without reading a record. The three numbers are not of one
// moment.
func (d *Directory) Counts(ctx context.Context) (Counts, error) {
	var c Counts
	for _, n := range []struct {
		kind store.Kind
		of   *int
	}{{store.User, &c.Users}, {store.Group, &c.Groups}, {store.Archived, &c.Archived}} {
		p, err := d.store.Scan(ctx, d.tenant, store.Query{Kind: n.kind})
		if err != nil {
			return Counts{}, storeError(err)
		}
		*n.of = p.Total
	}
	return c, nil
}
