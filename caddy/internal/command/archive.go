package command

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

var archivedID = oneArg("the archived user's id")

func (c *cli) archive() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Manages the archive of deleted users",
		Long: `
Manages the archive of a tenant: users whom the identity provider deleted. They
stay there until they are restored or purged, or until the tenant's archive
retention ends.`,
		Example: `  caddy-scim scim archive list --tenant acme
  caddy-scim scim archive restore 06cnfxtdyw3q1hxn6dbrtn5vk4 --tenant acme`,
	}
	return group(cmd, c.archiveList(), c.archiveShow(), c.archiveRestore(), c.archivePurge())
}

func (c *cli) archiveList() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "list --tenant <name> [--json]",
		Short: "Lists the archived users of a tenant",
		Long:  "\nLists the archived users of a tenant by id, with the time when they were deleted.",
		Example: `  caddy-scim scim archive list --tenant acme
  caddy-scim scim archive list --tenant acme --json`,
		Args: noArgs,
	}, (*session).listArchive)
	tenantFlag(cmd)
	return cmd
}

func (s *session) listArchive() error {
	tenant, err := s.required("tenant")
	if err != nil {
		return err
	}
	all := admin.ArchivePage{Tenant: tenant, Users: []admin.Resource{}}
	t := &table{columns: []column{{head: "ID", min: 36}, {head: "ARCHIVED"}, {head: "USERNAME", min: 16}}}
	err = pages(func(after string) (string, error) {
		var p admin.ArchivePage
		_, err := s.call(admin.PathArchiveList, admin.ArchiveRequest{Tenant: tenant, PageRequest: admin.PageRequest{After: after, Limit: pageSize}}, &p)
		if err != nil {
			return "", err
		}
		if s.is("json") {
			all.Users, all.Total = append(all.Users, p.Users...), p.Total
			return p.Next, nil
		}
		if len(p.Users) == 0 && after == "" {
			return "", s.printf("The archive of tenant %s is empty.\n", tenant)
		}
		for _, u := range p.Users {
			t.row(u.ID, momentOr(u.ArchivedAt, ""), userName(u))
		}
		return p.Next, t.flush(s.out)
	})
	if err != nil || !s.is("json") {
		return err
	}
	return s.json(all)
}

func userName(r admin.Resource) string {
	var u struct {
		UserName string `json:"userName"`
	}
	_ = json.Unmarshal(r.Attributes, &u) // without attributes there is no name
	return u.UserName
}

func (c *cli) archiveShow() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:     "show <id> --tenant <name> [--json]",
		Short:   "Shows an archived user",
		Long:    "\nShows what the archive holds of a user.",
		Example: `  caddy-scim scim archive show 06cnfxtdyw3q1hxn6dbrtn5vk4 --tenant acme`,
		Args:    archivedID,
	}, func(s *session) error {
		r, raw, err := s.archived(admin.PathArchiveShow)
		if err != nil {
			return err
		}
		return s.answer(raw, func() error { return s.resource("User", r) })
	})
	tenantFlag(cmd)
	return cmd
}

// archived asks one of the paths that answer with the user of an id.
func (s *session) archived(path string) (r admin.Resource, raw json.RawMessage, err error) {
	tenant, err := s.required("tenant")
	if err != nil {
		return r, nil, err
	}
	raw, err = s.call(path, admin.ArchiveID{Tenant: tenant, ID: s.args[0]}, &r)
	return r, raw, err
}

func (c *cli) archiveRestore() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "restore <id> --tenant <name> [--json]",
		Short: "Restores an archived user",
		Long: `
Restores an archived user, with the same id and attributes. Memberships ended with
the deletion, and come back with the identity provider's next sync of the groups.

This is refused where somebody else has the userName by now. An identity provider
that still has the user out of its scope may delete the user again.`,
		Example: `  caddy-scim scim archive restore 06cnfxtdyw3q1hxn6dbrtn5vk4 --tenant acme`,
		Args:    archivedID,
	}, func(s *session) error {
		r, raw, err := s.archived(admin.PathRestore)
		if err != nil {
			return err
		}
		return s.answer(raw, func() error {
			return s.printf("User %s of tenant %s is restored, as %s.\n", r.ID, s.text("tenant"), userName(r))
		})
	})
	tenantFlag(cmd)
	return cmd
}

func (c *cli) archivePurge() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "purge <id> --tenant <name> [--yes] [--json]",
		Short: "Erases an archived user for good",
		Long: `
Erases an archived user for good, from the archive and from the change log. Only
the id is kept, so that it is never used again.

You are asked to type the id. Scripts say --yes instead.`,
		Example: `  caddy-scim scim archive purge 06cnfxtdyw3q1hxn6dbrtn5vk4 --tenant acme`,
		Args:    archivedID,
	}, (*session).purge)
	tenantFlag(cmd)
	yesFlag(cmd.Flags())
	return cmd
}

func (s *session) purge() error {
	tenant, err := s.required("tenant")
	if err != nil {
		return err
	}
	id := s.args[0]
	if !s.is("yes") {
		r, _, err := s.archived(admin.PathArchiveShow)
		if err != nil {
			return err
		}
		question := fmt.Sprintf("User %s (%s) of tenant %s,\narchived %s, is erased for good.", clean(id), clean(userName(r)), clean(tenant), momentOr(r.ArchivedAt, "some time ago"))
		if err := s.confirm(question, id); err != nil {
			return err
		}
	}
	raw, err := s.call(admin.PathPurge, admin.Purge{Tenant: tenant, ID: id, Confirm: id}, nil)
	if err != nil {
		return err
	}
	return s.answer(raw, func() error { return s.printf("User %s of tenant %s is erased.\n", id, tenant) })
}
