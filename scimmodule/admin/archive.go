package admin

import (
	"net/http"

	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
)

func (c *call) listArchive(in ArchiveRequest) (any, error) {
	d, err := c.directory(in.Tenant)
	if err != nil {
		return nil, err
	}
	limit, err := pageLimit(in.PageRequest)
	if err != nil {
		return nil, err
	}
	p, err := d.Archive(c.ctx, directory.ArchiveQuery{After: in.After, Limit: limit})
	if err != nil {
		return nil, err
	}
	out := ArchivePage{Tenant: in.Tenant, Users: []Resource{}, Total: p.Total, Next: p.Next}
	for _, r := range p.Records {
		out.Users = append(out.Users, resource(r, string(directory.StateArchived)))
	}
	return out, nil
}

func (c *call) showArchived(in ArchiveID) (any, error) {
	d, err := c.directory(in.Tenant)
	if err != nil {
		return nil, err
	}
	r, err := d.Archived(c.ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return resource(r, string(directory.StateArchived)), nil
}

func (c *call) restore(in ArchiveID) (any, error) {
	d, err := c.directory(in.Tenant)
	if err != nil {
		return nil, err
	}
	r, err := d.Restore(c.ctx, directory.Call{Actor: actor}, in.ID)
	if err != nil {
		return nil, err
	}
	c.observe("restored", 1)
	c.tenancy.Audit(c.ctx, "archived user restored", in.Tenant)
	return resource(r, string(directory.StateLive)), nil
}

func (c *call) purge(in Purge) (any, error) {
	if in.Confirm != in.ID {
		return nil, refuse(http.StatusBadRequest, "confirm: to erase an archived user for good, give the id again")
	}
	d, err := c.directory(in.Tenant)
	if err != nil {
		return nil, err
	}
	if err := d.Purge(c.ctx, directory.Call{Actor: actor}, in.ID); err != nil {
		return nil, err
	}
	c.observe("purged", 1)
	c.tenancy.Audit(c.ctx, "archived user purged", in.Tenant)
	return ArchiveID{Tenant: in.Tenant, ID: in.ID}, nil
}

func (c *call) observe(event string, n int) {
	if c.Observe != nil {
		c.Observe(event, n)
	}
}
