package scimmodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

// Service is a SCIM service: tenants and their tokens over one store. It is safe
// for concurrent use.
type Service struct {
	store    store.Store
	catalog  *schema.Catalog
	defaults directory.Settings
	limits   Limits
	log      *slog.Logger
	observer Observer

	declared map[string]*directory.Directory // tenants of the configuration
	static   map[token.Hash]principal        // tokens of the configuration

	mu       sync.RWMutex
	made     map[string]*directory.Directory // tenants made at run time, as they are met
	verdicts map[token.Hash]verdict          // what the store said of minted tokens
	revoked  uint64                          // counts revocations, which end all verdicts
}

// Options configure a Service.
type Options struct {
	// Store keeps everything. It may be away at first.
	Store store.Store
	// Catalog holds the schemas; nil is those of the RFC alone.
	Catalog *schema.Catalog
	// Tenants are those that the configuration declares.
	Tenants []Tenant
	// Defaults are the settings of tenants made at run time.
	Defaults Settings
	Limits   Limits
	Logger   *slog.Logger // nil discards
	Observer Observer     // nil ignores
}

// Tenant is a tenant of the configuration.
type Tenant struct {
	Name     string
	Settings Settings
	// Tokens are static bearer tokens, in clear. They are hashed and forgotten.
	Tokens []string
}

// Settings are a tenant's rules; the zero value holds the defaults.
type Settings struct {
	Allow               []string             // what is kept; nil for "default", see schema.Narrowing
	Required            []string             // attributes without which a user is refused
	Members             directory.MemberMode // what becomes of members whom nobody knows; default create
	MatchExternalID     bool                 // a create also revives or restores by externalId
	DuplicateGroupNames bool                 // several groups may share a displayName
	ArchiveRetention    time.Duration        // how long archived users are kept; 0 for ever
}

// Observer is told what happens, for metrics. Its methods must not block.
type Observer interface {
	// Request tells of a finished request. The operation is one of create, read,
	// replace, patch, delete, query, bulk, discovery and other; the resource type
	// User, Group or empty.
	Request(operation, resourceType string, status int, d time.Duration)
	// Dropped tells that an attribute was not kept, n times: by its name where a
	// schema of the RFC defines it, else as "other".
	Dropped(attribute string, n int)
}

// tenantName is what a tenant may be called: part of keys, of labels, of URLs.
var tenantName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// ValidTenantName tells whether name can be a tenant's: 1 to 63 characters of
// [a-z0-9-], not beginning with a hyphen.
func ValidTenantName(name string) bool { return tenantName.MatchString(name) }

// New returns a service. It does no I/O. Errors are about the configuration, and
// name the tenant and the option.
func New(o Options) (*Service, error) {
	s := &Service{
		store:    o.Store,
		catalog:  o.Catalog,
		limits:   o.Limits.withDefaults(),
		log:      o.Logger,
		observer: o.Observer,
		declared: map[string]*directory.Directory{},
		static:   map[token.Hash]principal{},
		made:     map[string]*directory.Directory{},
		verdicts: map[token.Hash]verdict{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := o.Limits.check(); err != nil {
		return nil, err
	}
	if s.store == nil {
		return nil, errors.New("a store is needed")
	}
	var err error
	if s.catalog == nil {
		if s.catalog, err = schema.NewCatalog(nil, nil); err != nil {
			return nil, err
		}
	}
	if s.defaults, err = s.settings(o.Defaults); err != nil {
		return nil, err
	}
	for _, t := range o.Tenants {
		if err := s.declare(t); err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
	}
	return s, nil
}

func (s *Service) declare(t Tenant) error {
	if !ValidTenantName(t.Name) {
		return fmt.Errorf("%q cannot be a tenant's name: use 1 to 63 characters of a-z, 0-9 and -, beginning with a letter or digit", t.Name)
	}
	if s.declared[t.Name] != nil {
		return errors.New("declared twice")
	}
	set, err := s.settings(t.Settings)
	if err != nil {
		return err
	}
	s.declared[t.Name] = directory.New(s.store, t.Name, set)
	for i, secret := range t.Tokens {
		if why := token.Weakness(secret); why != "" {
			return fmt.Errorf("token %d is too easy to guess: %s; mint one with \"scim token create\"", i+1, why)
		}
		h := token.HashOf(secret)
		if p, taken := s.static[h]; taken {
			return fmt.Errorf("token %d is also a token of tenant %s; a token names one tenant", i+1, p.tenant)
		}
		s.static[h] = principal{tenant: t.Name, token: "static-" + h.ID()}
	}
	return nil
}

// settings checks what an operator configured and completes it.
func (s *Service) settings(c Settings) (directory.Settings, error) {
	views, err := s.catalog.Narrow(schema.Narrowing{Allow: c.Allow, Required: c.Required, DuplicateGroupNames: c.DuplicateGroupNames})
	if err != nil {
		return directory.Settings{}, err
	}
	switch c.Members {
	case "", directory.MembersCreate, directory.MembersPending, directory.MembersIgnore, directory.MembersReject:
	default:
		return directory.Settings{}, fmt.Errorf("members %s: has to be create, pending, ignore or reject", c.Members)
	}
	if c.ArchiveRetention < 0 {
		return directory.Settings{}, errors.New("archive_retention must not be negative")
	}
	return directory.Settings{
		Views:               views,
		Members:             c.Members,
		MatchExternalID:     c.MatchExternalID,
		DuplicateGroupNames: c.DuplicateGroupNames,
		ArchiveRetention:    c.ArchiveRetention,
		MaxCreations:        s.limits.CreationsPerRequest,
		MaxScan:             s.limits.ScanBudget,
		MaxPage:             s.limits.Page,
		DefaultPage:         s.limits.DefaultPage,
	}, nil
}

// Ready tells whether the store can serve now.
func (s *Service) Ready(ctx context.Context) error { return s.store.Ready(ctx) }
