package command

import (
	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

func (c *cli) health() *cobra.Command {
	return c.command(&cobra.Command{
		Use:   "health [--json]",
		Short: "Tells whether the service and its store are ready",
		Long: `
Tells whether the SCIM service and its store are ready to serve, with warnings
about the store's settings. The exit code is 1 where they are not.`,
		Example: `  caddy-scim scim health
  caddy-scim scim health --json`,
		Args: noArgs,
	}, func(s *session) error {
		var h admin.Health
		raw, err := s.call(admin.PathReady, nil, &h)
		if err != nil {
			return err
		}
		return s.answer(raw, func() error {
			if err := s.printf("The SCIM service is %s, with its %s store.\n", h.Status, h.Store); err != nil {
				return err
			}
			return s.notes("Warning", h.Warnings)
		})
	})
}
