package admin

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/setup"
	"github.com/caddy-scim/caddy-scim/scimmodule/tenancy"
)

// deleteWait is how long an answer waits for a deletion to end.
const deleteWait = 8 * time.Second

// pageLimit checks a page's limit and fills in the default.
func pageLimit(p PageRequest) (int, error) {
	switch {
	case p.Limit == 0:
		return 100, nil
	case p.Limit < 0 || p.Limit > 1000:
		return 0, refuse(http.StatusBadRequest, "limit: want 1 to 1,000")
	}
	return p.Limit, nil
}

func (c *call) listTenants(in PageRequest) (any, error) {
	limit, err := pageLimit(in)
	if err != nil {
		return nil, err
	}
	entries, next, err := c.tenancy.Entries(c.ctx, in.After, limit)
	if err != nil {
		return nil, err
	}
	page := TenantPage{Tenants: []Tenant{}, Next: next}
	for _, e := range entries {
		t, _, err := c.overview(e)
		if errors.Is(err, registry.ErrUnknownTenant) {
			continue // gone since
		}
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", e.Name, err)
		}
		page.Tenants = append(page.Tenants, t)
	}
	return page, nil
}

// overview tells of a tenant at a glance.
func (c *call) overview(e tenancy.Entry) (Tenant, Report, error) {
	t := Tenant{Name: e.Name, State: StateActive, Configured: e.Configured, Created: when(e.Created)}
	switch {
	case e.Deleting:
		t.State = StateDeleting
		return t, Report{}, nil
	case e.Paused:
		t.State = StatePaused
	}
	d, err := c.directory(e.Name)
	switch {
	case errors.Is(err, tenancy.ErrUnfit), errors.Is(err, registry.ErrDamaged):
		t.State = StateUnfit
		return t, Report{}, nil
	case errors.Is(err, tenancy.ErrImporting):
		t.State = StateImporting
		return t, Report{}, nil
	case errors.Is(err, registry.ErrDeleting):
		t.State = StateDeleting
		return t, Report{}, nil
	case err != nil:
		return t, Report{}, err
	}
	counts, err := d.Counts(c.ctx)
	if err != nil {
		return t, Report{}, err
	}
	t.Users, t.Groups, t.Archived = counts.Users, counts.Groups, counts.Archived
	if t.Tokens, err = c.tenancy.CountTokens(c.ctx, e.Name); err != nil {
		return t, Report{}, err
	}
	r, err := c.tenancy.Book().Read(c.ctx, e.Name)
	if err != nil {
		return t, r, err
	}
	t.LastRequest, t.LastChange = when(r.Activity.LastRequest), when(r.Activity.LastChange)
	since := time.Now().Add(-24 * time.Hour)
	for _, h := range r.Activity.Hours {
		if h.Start.After(since) {
			t.Errors += h.Errors
		}
	}
	return t, r, nil
}

// when leaves a zero time out of JSON.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (c *call) showTenant(in TenantRequest) (any, error) { return c.detail(in.Tenant) }

// origins are the words for where a setting comes from.
var origins = map[tenancy.Origin]string{
	tenancy.Configuration: FromConfiguration, tenancy.RunTime: FromRunTime,
	tenancy.Fallback: FromDefaults, tenancy.BuiltIn: FromBuiltIn,
}

func (c *call) detail(name string) (any, error) {
	e, err := c.tenancy.Entry(c.ctx, name)
	if err != nil {
		return nil, err
	}
	t, r, err := c.overview(e)
	if err != nil {
		return nil, err
	}
	settings, err := c.tenancy.Explain(c.ctx, name)
	if err != nil {
		return nil, err
	}
	d := TenantDetail{Tenant: t, TenantURL: c.TenantURL, Settings: []Setting{}}
	if r.Activity.Requests > 0 {
		d.Activity = &r.Activity
	}
	for _, s := range settings {
		d.Settings = append(d.Settings, Setting{Name: s.Name, Value: s.Value, From: origins[s.From], Overridden: s.Overridden})
		if s.Overridden != nil {
			d.Notes = append(d.Notes, fmt.Sprintf("%s: the configuration says %s and wins over %s, which was set at run time", s.Name, s.Value, s.Overridden))
		}
	}
	switch {
	case e.Paused:
		d.Notes = append(d.Notes, "paused: requests are answered with 503, and identity providers come back later")
	case e.Deleting:
		d.Notes = append(d.Notes, "being deleted: its tokens are revoked, and its users and groups are being erased")
	}
	switch t.State {
	case StateUnfit:
		d.Notes = append(d.Notes, "not served: its settings of run time do not fit the configuration any more: set them anew, or unset them")
	case StateImporting:
		d.Notes = append(d.Notes, "not served: an import into it is under way")
	}
	if (t.State == StateActive || t.State == StatePaused) && t.Tokens == 0 {
		d.Notes = append(d.Notes, "no token: mint one with \"scim token create\", else nobody can provision")
	}
	return d, nil
}

func (c *call) createTenant(in TenantCreate) (any, error) {
	if err := c.tenancy.Create(c.ctx, in.Tenant, in.Settings, in.Adopt); err != nil {
		return nil, err
	}
	return c.detail(in.Tenant)
}

func (c *call) setTenant(in TenantSet) (any, error) {
	if err := c.tenancy.Set(c.ctx, in.Tenant, in.Set, in.Unset); err != nil {
		return nil, err
	}
	return c.detail(in.Tenant)
}

func (c *call) pauseTenant(in TenantRequest) (any, error) {
	if err := c.tenancy.Pause(c.ctx, in.Tenant); err != nil {
		return nil, err
	}
	return c.detail(in.Tenant)
}

func (c *call) resumeTenant(in TenantRequest) (any, error) {
	if err := c.tenancy.Resume(c.ctx, in.Tenant); err != nil {
		return nil, err
	}
	return c.detail(in.Tenant)
}

func (c *call) deleteTenant(in TenantDelete) (any, error) {
	if in.Confirm != in.Tenant {
		return nil, refuse(http.StatusBadRequest, "confirm: to delete a tenant with everything of theirs, give its name again")
	}
	wait := deleteWait
	if in.NoWait {
		wait = 0
	}
	d, err := c.tenancy.Delete(c.ctx, in.Tenant, wait)
	if err != nil {
		return nil, err
	}
	return TenantDeleted{Tenant: in.Tenant, Erased: d.Erased, Done: d.Done}, nil
}

func (c *call) setupCard(in TenantRequest) (any, error) {
	s, err := c.standing(in.Tenant)
	if err != nil {
		return nil, err
	}
	return setup.New(setup.Input{
		Tenant: in.Tenant, TenantURL: c.TenantURL, Views: s.Directory.Settings().Views,
		Allow: s.Settings.Allow, Members: s.Settings.Members, Required: s.Settings.Required,
		ArchiveRetention: time.Duration(*s.Settings.ArchiveRetention), Paused: s.Paused,
	}), nil
}
