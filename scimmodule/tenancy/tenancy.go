package tenancy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/guard"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/report"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

// freshFor is how long what was read from the registry is trusted: what another
// node changes is in force here within this time.
const freshFor = 4 * time.Second

// Tenancy is the tenants of a node. It is safe for concurrent use.
type Tenancy struct {
	store    store.Store
	registry *registry.Registry
	book     *report.Book
	importer *transfer.Importer
	catalog  *schema.Catalog
	defaults registry.Settings // of the configuration, for all tenants
	bounds   Bounds
	log      *slog.Logger
	observer Observer
	node     string // names this process to other nodes

	declared map[string]declaration
	static   map[token.Hash]Principal // tokens of the configuration
	rates    *guard.Rates
	failures *guard.Failures
	uses     *uses
	roll     roll

	mu        sync.RWMutex
	views     map[string]*schema.Views // by what they were made of
	standings map[string]*Standing
	changes   uint64 // counts changes of tenants by this process
	verdicts  verdicts
	expiries  expiries
	erasures  map[string]*erasure
	wake      chan string          // a tenant to look after now
	warned    map[string]time.Time // tokens, by id: when their expiry was last logged
}

// Options configure a Tenancy.
type Options struct {
	// Store keeps everything. It may be away at first.
	Store store.Store
	// Catalog holds the schemas; nil is those of the RFC alone.
	Catalog *schema.Catalog
	// Tenants are those that the configuration declares.
	Tenants []Tenant
	// Defaults are the settings of tenants that do not say otherwise.
	Defaults registry.Settings
	Logger   *slog.Logger // nil discards
}

// Tenant is a tenant of the configuration.
type Tenant struct {
	Name     string
	Settings registry.Settings
	// Tokens are static bearer tokens, in clear. They are hashed and forgotten.
	Tokens []string
	// Paused has its requests answered with 503, whatever run time says.
	Paused bool
}

// Bounds are the limits of requests that directories enforce. A zero field takes
// the directory's default.
type Bounds struct {
	Creations         int // provisional users made by one request
	Scan              int // records that a query without an index looks at
	Page, DefaultPage int // resources of one answer
}

// Observer is told what happens, for metrics. Its methods must not block.
type Observer interface {
	// Authenticated tells how a request's token was judged: "ok", "missing",
	// "malformed", "unknown" (also revoked), "expired", "address", "throttled",
	// or "unavailable" where the store could not say.
	Authenticated(outcome string)
	// Users tells what became of n users: "created_from_members" of a group,
	// "archived" by DELETE, "returned" by a create that revived, adopted or
	// restored one, "restored" by an operator, "purged".
	Users(event string, n int)
	// Housekeeping tells of a finished round of background work on this node.
	Housekeeping(ok bool, d time.Duration)
	// Tenants tells how many tenants there are, and how many of them are paused.
	Tenants(all, paused int)
	// Tokens tells how many tokens expire within 30 days, how many have expired and
	// are still listed, and when the next one expires (zero for never).
	Tokens(expiring, expired int, next time.Time)
}

// declaration is what the configuration says of a tenant.
type declaration struct {
	settings registry.Settings
	paused   bool
	tokens   []string // ids of the static tokens
}

// New returns the tenants of a configuration. It does no I/O. Errors are about
// the configuration, and name the tenant and the option.
func New(o Options, bounds Bounds, observer Observer) (*Tenancy, error) {
	t := &Tenancy{
		store:     o.Store,
		registry:  registry.New(o.Store),
		catalog:   o.Catalog,
		defaults:  o.Defaults,
		bounds:    bounds,
		log:       o.Logger,
		observer:  observer,
		node:      rand.Text(),
		declared:  map[string]declaration{},
		static:    map[token.Hash]Principal{},
		rates:     guard.NewRates(),
		failures:  guard.NewFailures(guard.DefaultFailures, guard.DefaultEvery, guard.DefaultAddresses),
		views:     map[string]*schema.Views{},
		standings: map[string]*Standing{},
		verdicts:  newVerdicts(),
		roll:      roll{turn: make(chan struct{}, 1)},
		erasures:  map[string]*erasure{},
		wake:      make(chan string, 64),
		warned:    map[string]time.Time{},
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.store == nil {
		return nil, errors.New("a store is needed")
	}
	t.book = report.New(o.Store, t.log)
	t.importer = transfer.NewImporter(o.Store, t.admission)
	t.importer.Gone, t.importer.Check = registry.IsErased, checkImported
	t.uses = newUses(t.registry, t.log)
	var err error
	if t.catalog == nil {
		if t.catalog, err = schema.NewCatalog(nil, nil); err != nil {
			return nil, err
		}
	}
	if _, err = t.compile(t.defaults.Over(registry.Defaults())); err != nil {
		return nil, err
	}
	for _, c := range o.Tenants {
		if err := t.declare(c); err != nil {
			return nil, fmt.Errorf("tenant %s: %w", c.Name, err)
		}
	}
	return t, nil
}

func (t *Tenancy) declare(c Tenant) error {
	if err := registry.CheckName(c.Name); err != nil {
		return err
	}
	if _, ok := t.declared[c.Name]; ok {
		return errors.New("declared twice")
	}
	if _, err := t.compile(c.Settings.Over(t.defaults).Over(registry.Defaults())); err != nil {
		return err
	}
	d := declaration{settings: c.Settings, paused: c.Paused}
	for i, secret := range c.Tokens {
		if why := token.Weakness(secret); why != "" {
			return fmt.Errorf("token %d is too easy to guess: %s; mint one with \"scim token create\"", i+1, why)
		}
		h := token.HashOf(secret)
		if p, taken := t.static[h]; taken {
			return fmt.Errorf("token %d is also a token of tenant %s; a token names one tenant", i+1, p.Tenant)
		}
		p := Principal{Tenant: c.Name, Token: "static-" + h.ID()}
		t.static[h] = p
		d.tokens = append(d.tokens, p.Token)
	}
	t.declared[c.Name] = d
	return nil
}

// Ready tells whether the store can serve now.
func (t *Tenancy) Ready(ctx context.Context) error { return t.store.Ready(ctx) }

// Store returns the store, for export and import.
func (t *Tenancy) Store() store.Store { return t.store }

// Book returns the report of what arrives at the tenants.
func (t *Tenancy) Book() *report.Book { return t.book }

// Importer returns what applies exports to the store.
func (t *Tenancy) Importer() *transfer.Importer { return t.importer }

// Catalog returns the schemas.
func (t *Tenancy) Catalog() *schema.Catalog { return t.catalog }
