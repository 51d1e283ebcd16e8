package command

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

func (c *cli) user() *cobra.Command {
	show := c.command(&cobra.Command{
		Use:   "show <key> --tenant <name> [--json]",
		Short: "Shows what is stored of a user",
		Long: `
Shows the users that a key names: an id, a userName or an externalId. Archived
users are found as well, and of a user who was erased the id.

If nothing is found, the exit code is 1, and the error says where to look next.
What is shown is personal data: only what the tenant keeps, but all of that.`,
		Example: `  caddy-scim scim user show alice@example.com --tenant acme
  caddy-scim scim user show 06cnfxtdyw3q1hxn6dbrtn5vk4 --tenant acme --json`,
		Args: oneArg("the user's id, userName or externalId"),
	}, func(s *session) error {
		return s.lookup(admin.PathUserShow, "User", "userName")
	})
	tenantFlag(show)
	return group(&cobra.Command{
		Use:   "user",
		Short: "Shows what is stored of a user",
		Long: `
Finds users for support: "why was Alice not provisioned?"`,
		Example: `  caddy-scim scim user show alice@example.com --tenant acme`,
	}, show)
}

func (c *cli) group() *cobra.Command {
	show := c.command(&cobra.Command{
		Use:   "show <key> --tenant <name> [--members] [--json]",
		Short: "Shows what is stored of a group",
		Long: `
Shows the groups that a key names: an id, a displayName or an externalId. With
--members the ids of the members follow.

If nothing is found, the exit code is 1, and the error says where to look next.`,
		Example: `  caddy-scim scim group show "Sales, Europe" --tenant acme
  caddy-scim scim group show 06cnfxtdyw3q1hxn6dbrtn5vk4 --tenant acme --members`,
		Args: oneArg("the group's id, displayName or externalId"),
	}, func(s *session) error {
		return s.lookup(admin.PathGroupShow, "Group", "displayName")
	})
	tenantFlag(show)
	show.Flags().Bool("members", false, "List the members, too")
	return group(&cobra.Command{
		Use:     "group",
		Short:   "Shows what is stored of a group",
		Long:    "\nFinds groups and their members for support.",
		Example: `  caddy-scim scim group show Engineering --tenant acme --members`,
	}, show)
}

// groupMembers is a group with its members, for --json.
type groupMembers struct {
	admin.Resource
	MemberList []admin.Member `json:"member_list"`
}

func (s *session) lookup(path, kind, name string) error {
	tenant, err := s.required("tenant")
	if err != nil {
		return err
	}
	var found admin.LookupResult
	raw, err := s.call(path, admin.Lookup{Tenant: tenant, Key: s.args[0]}, &found)
	if err != nil {
		return err
	}
	switch {
	case s.is("json") && s.is("members"):
		err = s.membersJSON(found)
	case s.is("json"):
		err = s.json(raw)
	default:
		err = s.resources(kind, found)
	}
	if err != nil || len(found.Resources) > 0 {
		return err
	}
	archive := ""
	if kind == "User" {
		archive = ", in its archive neither"
	}
	return fmt.Errorf("tenant %s has no %s with this id, %s or externalId%s: see whether the identity provider has this %[2]s in its scope, "+
		"whether it sends anything at all (scim tenant show %[1]s) and what (scim report --tenant %[1]s), and what the server's log says about tenant %[1]s",
		tenant, strings.ToLower(kind), name, archive)
}

func (s *session) resources(kind string, found admin.LookupResult) error {
	for i, r := range found.Resources {
		if i > 0 {
			if err := s.printf("\n"); err != nil {
				return err
			}
		}
		if err := s.resource(kind, r); err != nil {
			return err
		}
		if s.is("members") && r.State == "live" {
			if err := s.memberTable(found.Tenant, r.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// resource prints a user or group.
func (s *session) resource(kind string, r admin.Resource) error {
	provisional, groups, members := "", "", ""
	if r.Provisional {
		provisional = "yes: only known as a group's member so far"
	}
	if r.TotalGroups > 0 || r.Groups != nil {
		groups = grouped(int64(r.TotalGroups))
	}
	if r.Members != nil {
		members = grouped(int64(*r.Members))
	}
	err := fields(s.out,
		kind, r.ID,
		"State", r.State,
		"Found by", r.MatchedBy,
		"Provisional", provisional,
		"Created", momentOr(r.Created, ""),
		"Modified", momentOr(r.Modified, ""),
		"Archived", momentOr(r.ArchivedAt, ""),
		"Version", r.Version,
		"Groups", groups,
		"Members", members,
	)
	if err != nil {
		return err
	}
	if len(r.Attributes) > 0 {
		if err := s.attributes(r.Attributes); err != nil {
			return err
		}
	}
	return s.groupTable(r)
}

// attributes prints a resource's attributes by their paths.
func (s *session) attributes(raw json.RawMessage) error {
	t := &table{columns: []column{{head: "ATTRIBUTE", min: 24, tail: true}, {head: "VALUE", min: 20}}}
	err := flatten(raw, func(cells ...string) {
		if !strings.HasPrefix(cells[0], "schemas[") { // the attributes' paths tell them
			t.row(cells...)
		}
	})
	if err != nil {
		return fmt.Errorf("the admin API gave an answer that is not understood: %w", err)
	}
	if len(t.rows) == 0 {
		return nil
	}
	if err := s.printf("\n"); err != nil {
		return err
	}
	return t.flush(s.out)
}

func (s *session) groupTable(r admin.Resource) error {
	if len(r.Groups) == 0 {
		return nil
	}
	t := &table{columns: []column{{head: "GROUP", min: 36}, {head: "NAME", min: 20}}}
	for _, g := range r.Groups {
		t.row(g.ID, g.DisplayName)
	}
	if more := r.TotalGroups - len(r.Groups); more > 0 {
		t.line("and " + counted(more, "more group"))
	}
	if err := s.printf("\n"); err != nil {
		return err
	}
	return t.flush(s.out)
}

// eachMember calls f with each page of a group's members.
func (s *session) eachMember(tenant, id string, f func([]admin.Member) error) error {
	return pages(func(after string) (string, error) {
		var p admin.MemberPage
		_, err := s.call(admin.PathGroupMembers, admin.MembersRequest{Tenant: tenant, Group: id, PageRequest: admin.PageRequest{After: after, Limit: pageSize}}, &p)
		if err != nil {
			return "", err
		}
		return p.Next, f(p.Members)
	})
}

func (s *session) memberTable(tenant, id string) error {
	if err := s.printf("\n"); err != nil {
		return err
	}
	t := &table{columns: []column{{head: "MEMBER"}, {head: "ID"}}}
	return s.eachMember(tenant, id, func(list []admin.Member) error {
		for _, m := range list {
			t.row(m.Type, m.ID)
		}
		return t.flush(s.out)
	})
}

func (s *session) membersJSON(found admin.LookupResult) error {
	out := struct {
		Tenant    string         `json:"tenant"`
		Resources []groupMembers `json:"resources"`
	}{found.Tenant, []groupMembers{}}
	for _, r := range found.Resources {
		g := groupMembers{Resource: r, MemberList: []admin.Member{}}
		if r.State == "live" {
			err := s.eachMember(found.Tenant, r.ID, func(list []admin.Member) error {
				g.MemberList = append(g.MemberList, list...)
				return nil
			})
			if err != nil {
				return err
			}
		}
		out.Resources = append(out.Resources, g)
	}
	return s.json(out)
}
