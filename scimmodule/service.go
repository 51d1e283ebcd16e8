package scimmodule

import (
	"context"
	"log/slog"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/tenancy"
)

// Service is a SCIM service: tenants over one store. It is safe for concurrent
// use.
type Service struct {
	tenancy  *tenancy.Tenancy
	catalog  *schema.Catalog
	limits   Limits
	log      *slog.Logger
	observer Observer
}

// Options configure a Service.
type Options struct {
	// Store keeps everything. It may be away at first.
	Store store.Store
	// Catalog holds the schemas; nil is those of the RFC alone.
	Catalog *schema.Catalog
	// Tenants are those that the configuration declares.
	Tenants []Tenant
	// Defaults are the settings of tenants that do not say otherwise.
	Defaults Settings
	Limits   Limits
	Logger   *slog.Logger // nil discards
	Observer Observer     // nil ignores
}

// Tenant is a tenant of the configuration.
type Tenant = tenancy.Tenant

// Settings are the rules of a tenant; the zero value leaves all to the defaults.
type Settings = registry.Settings

// New returns a service. It does no I/O. Errors are about the configuration, and
// name the tenant and the option.
func New(o Options) (*Service, error) {
	s := &Service{limits: o.Limits.withDefaults(), log: o.Logger, observer: o.Observer}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.observer == nil {
		s.observer = deaf{}
	}
	if err := o.Limits.check(); err != nil {
		return nil, err
	}
	bounds := tenancy.Bounds{
		Creations: s.limits.CreationsPerRequest, Scan: s.limits.ScanBudget,
		Page: s.limits.Page, DefaultPage: s.limits.DefaultPage,
	}
	var err error
	s.tenancy, err = tenancy.New(tenancy.Options{Store: o.Store, Catalog: o.Catalog, Tenants: o.Tenants, Defaults: o.Defaults, Logger: s.log}, bounds, s.observer)
	if err != nil {
		return nil, err
	}
	s.catalog = s.tenancy.Catalog()
	return s, nil
}

// Tenancy returns the service's tenants, for those who run it.
func (s *Service) Tenancy() *tenancy.Tenancy { return s.tenancy }

// Run does the work that no request asks for, until ctx ends: see
// [tenancy.Tenancy.Run]. Without it, deleted tenants are not erased, nothing is
// purged, and neither the report nor the last use of a token is written.
func (s *Service) Run(ctx context.Context) { s.tenancy.Run(ctx) }

// Ready tells whether the store can serve now.
func (s *Service) Ready(ctx context.Context) error { return s.tenancy.Ready(ctx) }
