package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

func (c *cli) tenantDelete() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "delete <name> [--yes] [--no-wait] [--json]",
		Short: "Deletes a tenant with everything of theirs",
		Long: `
Deletes a tenant: its tokens end at once, and its users, groups, archive, report,
settings and change log are erased for good. There is no way back; export the
tenant first if it may be needed again. A tenant that the configuration declares
has to be removed there first.

You are asked to type the tenant's name. Scripts say --yes instead.

The erasing goes on in the server until it is done, whether somebody waits or
not: --no-wait only begins it. The same command again waits for its end.`,
		Example: `  caddy-scim scim tenant delete acme
  caddy-scim scim tenant delete acme --yes --no-wait`,
		Args: tenantName,
	}, (*session).deleteTenant)
	yesFlag(cmd.Flags())
	cmd.Flags().Bool("no-wait", false, "Begin the deletion, and do not wait for its end")
	progressFlag(cmd)
	return cmd
}

func (s *session) deleteTenant() error {
	name := s.args[0]
	if !s.is("yes") {
		if err := s.confirmDelete(name); err != nil {
			return err
		}
	}
	p := s.newProgress()
	defer p.end()
	var done admin.TenantDeleted
	var raw json.RawMessage
	for {
		var err error
		raw, err = s.call(admin.PathTenantDelete, admin.TenantDelete{Tenant: name, Confirm: name, NoWait: s.is("no-wait")}, &done)
		if errors.Is(err, errInterrupted) {
			return fmt.Errorf("interrupted; the server goes on erasing tenant %s, and the same command again waits for its end", name)
		}
		if err != nil {
			return err
		}
		if done.Done || s.is("no-wait") {
			break
		}
		p.show("%s erased", counted(done.Erased, "key"))
		s.wait(s.ctx, 200*time.Millisecond) // the answer took its time already
	}
	p.end()
	return s.answer(raw, func() error {
		if !done.Done {
			return s.printf("Tenant %s is being deleted. The same command again waits for the end.\n", name)
		}
		return s.printf("Tenant %s is deleted, %s of the store erased.\n", name, counted(done.Erased, "key"))
	})
}

func (s *session) confirmDelete(name string) error {
	var d admin.TenantDetail
	_, err := s.call(admin.PathTenantShow, admin.TenantRequest{Tenant: name}, &d)
	var r *refusal
	question := fmt.Sprintf("Tenant %s is erased for good,\nwith %s, %s, %s and %s.", name, counted(d.Users, "user"),
		counted(d.Groups, "group"), counted(d.Archived, "archived user"), counted(d.Tokens, "token"))
	if errors.As(err, &r) && r.status == http.StatusNotFound {
		// A tenant that the configuration no longer declares may have left something.
		question = fmt.Sprintf("There is no tenant %s now. What an earlier one of that name left\nis erased for good.", name)
	} else if err != nil {
		return err
	}
	return s.confirm(question, name)
}
