package command

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
	"github.com/caddy-scim/caddy-scim/scimmodule/report"
)

func (c *cli) report() *cobra.Command {
	cmd := c.command(&cobra.Command{
		Use:   "report --tenant <name> [--json]",
		Short: "Reports which attributes arrive, and which are kept",
		Long: `
Reports which attributes a tenant's identity provider sends: how often each was
kept and dropped, and on which days it was first and last seen (in UTC); --json
has the times. The report holds names of attributes and never a value.

An attribute that is only dropped need not be sent: the customer's administrator
can remove its mapping. Below the table stands whether provisioning works.`,
		Example: `  caddy-scim scim report --tenant acme
  caddy-scim scim report --tenant acme --json > acme-report.json`,
		Args: noArgs,
	}, func(s *session) error {
		tenant, err := s.required("tenant")
		if err != nil {
			return err
		}
		var r admin.Report
		raw, err := s.call(admin.PathReport, admin.TenantRequest{Tenant: tenant}, &r)
		if err != nil {
			return err
		}
		return s.answer(raw, func() error { return s.reportWords(r) })
	})
	tenantFlag(cmd)
	return cmd
}

func (s *session) reportWords(r report.Report) error {
	if r.Since.IsZero() {
		return s.printf("Nothing has arrived at tenant %s so far.\n", r.Tenant)
	}
	if err := s.printf("Tenant %s, since %s\n\n", r.Tenant, moment(r.Since)); err != nil {
		return err
	}
	if len(r.Attributes) > 0 {
		t := &table{columns: []column{{head: "TYPE"}, {head: "ATTRIBUTE", min: 16, tail: true}, {head: "KEPT", right: true}, {head: "DROPPED", right: true},
			{head: "FIRST"}, {head: "LAST"}}}
		foreign := false
		for _, a := range r.Attributes {
			name := a.Name
			if !a.Known {
				name, foreign = name+" *", true
			}
			t.row(a.ResourceType, name, fmt.Sprint(a.Kept), fmt.Sprint(a.Dropped), day(a.First), day(a.Last))
		}
		if err := t.flush(s.out); err != nil {
			return err
		}
		if foreign {
			if err := s.printf("* is in no schema that this service knows.\n"); err != nil {
				return err
			}
		}
		if err := s.printf("\n"); err != nil {
			return err
		}
	}
	return s.activity(r.Activity)
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

func (s *session) activity(a report.Activity) error {
	var hours report.Hour
	for _, h := range a.Hours {
		if h.Start.Before(s.now().Add(-24 * time.Hour)) {
			continue // they are the last 24 in which there were requests
		}
		hours.Requests += h.Requests
		hours.Errors += h.Errors
	}
	return fields(s.out,
		"Requests", fmt.Sprintf("%s, of which %s changed something and %s failed", grouped(a.Requests), grouped(a.Changes), grouped(a.Errors)),
		"Last 24 hours", fmt.Sprintf("%s, of which %s failed", counted(int(hours.Requests), "request"), grouped(hours.Errors)),
		"Last request", momentOr(&a.LastRequest, "never"),
		"Last change", momentOr(&a.LastChange, "never"),
		"Last error", failure(a.LastError),
	)
}

// failure tells of a failed request.
func failure(f report.Failure) string {
	if f.Time.IsZero() {
		return "never"
	}
	what := strings.TrimSpace(f.Operation + " " + f.ResourceType)
	status := strings.TrimSpace(fmt.Sprintf("%d %s", f.Status, http.StatusText(f.Status)))
	if f.ScimType != "" {
		status += " (" + f.ScimType + ")"
	}
	return fmt.Sprintf("%s, %s: %s", moment(f.Time), what, status)
}
