package admin

import (
	"net/http"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// maxGroups is how many groups of a user are shown.
const maxGroups = 100

func (c *call) showUser(in Lookup) (any, error)  { return c.lookup(store.User, in) }
func (c *call) showGroup(in Lookup) (any, error) { return c.lookup(store.Group, in) }

func (c *call) lookup(k store.Kind, in Lookup) (any, error) {
	d, err := c.directory(in.Tenant)
	if err != nil {
		return nil, err
	}
	if in.Key == "" {
		return nil, refuse(http.StatusBadRequest, "key: want an id, a userName or displayName, or an externalId")
	}
	found, err := d.Find(c.ctx, k, in.Key)
	if err != nil {
		return nil, err
	}
	out := LookupResult{Tenant: in.Tenant, Resources: []Resource{}}
	for _, f := range found {
		r := resource(f.Record, string(f.State))
		r.MatchedBy = f.By
		if f.State == directory.StateLive {
			if err := c.neighbours(d, k, &r); err != nil {
				return nil, err
			}
		}
		out.Resources = append(out.Resources, r)
	}
	return out, nil
}

// neighbours adds the groups of a resource, and of a group how many members it has.
func (c *call) neighbours(d *directory.Directory, k store.Kind, r *Resource) error {
	groups, total, err := d.GroupsOf(c.ctx, k, r.ID, maxGroups)
	if err != nil {
		return err
	}
	r.TotalGroups = total
	for _, g := range groups {
		r.Groups = append(r.Groups, GroupRef{ID: g.ID, DisplayName: g.DisplayName})
	}
	if k != store.Group {
		return nil
	}
	p, err := d.MembersOf(c.ctx, r.ID, store.Member{}, 0)
	r.Members = &p.Total
	return err
}

// resource shows a record.
func resource(rec store.Record, state string) Resource {
	r := Resource{ID: rec.ID, State: state, Created: when(rec.Created), Modified: when(rec.Modified), ArchivedAt: when(rec.ArchivedAt), Provisional: rec.Provisional}
	if len(rec.Body) > 0 {
		r.Attributes, r.Version = rec.Body, store.FormatVersion(rec.Version)
	}
	return r
}

func (c *call) groupMembers(in MembersRequest) (any, error) {
	d, err := c.directory(in.Tenant)
	if err != nil {
		return nil, err
	}
	limit, err := pageLimit(in.PageRequest)
	if err != nil {
		return nil, err
	}
	after, err := parseMember(in.After)
	if err != nil {
		return nil, err
	}
	if _, err := d.Get(c.ctx, store.Group, in.Group); err != nil {
		return nil, err
	}
	p, err := d.MembersOf(c.ctx, in.Group, after, limit)
	if err != nil {
		return nil, err
	}
	out := MemberPage{Members: []Member{}, Total: p.Total}
	for _, m := range p.Members {
		out.Members = append(out.Members, Member{ID: m.ID, Type: memberType(m.Kind)})
	}
	if p.Next.ID != "" {
		out.Next = memberType(p.Next.Kind) + ":" + p.Next.ID
	}
	return out, nil
}

func memberType(k store.Kind) string {
	if k == store.Group {
		return "Group"
	}
	return "User"
}

// parseMember reads the Next of a MemberPage.
func parseMember(text string) (store.Member, error) {
	if text == "" {
		return store.Member{}, nil
	}
	kind, id, _ := strings.Cut(text, ":")
	if (kind != "User" && kind != "Group") || !directory.ValidID(id) {
		return store.Member{}, refuse(http.StatusBadRequest, "after: give the \"next\" of the page before")
	}
	if kind == "Group" {
		return store.Member{ID: id, Kind: store.Group}, nil
	}
	return store.Member{ID: id, Kind: store.User}, nil
}
