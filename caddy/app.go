package caddy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func init() { caddy.RegisterModule(new(App)) }

// defaultBasePath is where SCIM is served if nothing else is said.
const defaultBasePath = "/scim/v2"

// openTimeout bounds the opening of the store when a configuration starts.
const openTimeout = 10 * time.Second

// App is a SCIM 2.0 service: identity providers push users and groups to it, and
// it keeps them, narrowed to a list of allowed attributes, in a store. The
// requests come through the HTTP handler `scim`. Without a tenant and a token
// for it, nobody has access.
type App struct {
	// The address under which identity providers reach the service, with the
	// base path, such as `https://scim.example.com/scim/v2`; the base path is
	// added if the address has no path. Default: scheme and host of the request.
	PublicURL string `json:"public_url,omitempty"`

	// The path below which the handler answers. Default: `/scim/v2`.
	BasePath string `json:"base_path,omitempty"`

	// Where users and groups are kept. Default: `bolt`, a file.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=scim.stores inline_key=driver"`

	// The tenants that this configuration declares. More can be created at run
	// time with `caddy-scim scim token create --create`.
	Tenants []Tenant `json:"tenants,omitempty"`

	// The settings of tenants that do not say otherwise.
	Settings

	// Schemas beyond those of RFC 7643.
	Extensions *Extensions `json:"extensions,omitempty"`

	// Bounds of what a request may ask for.
	Limits *Limits `json:"limits,omitempty"`

	// How much of the change log is kept.
	ChangeLog *ChangeLog `json:"change_log,omitempty"`

	ctx       caddy.Context
	logger    *slog.Logger
	basePath  string // without the trailing slash, so "" for the root
	publicURL string // without a trailing slash
	handle    *handle
	store     *measured
	service   *scimmodule.Service
	admin     *admin.Handler

	mu       sync.Mutex
	released bool // the handle was put back
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "scim", New: func() caddy.Module { return new(App) }}
}

// Provision implements caddy.Provisioner. It opens no store: a configuration can
// be validated next to a running server that has the file open.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger = ctx, ctx.Slogger()
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	var err error
	if a.basePath, err = cleanBasePath(a.BasePath); err != nil {
		return err
	}
	if a.publicURL, err = cleanPublicURL(a.PublicURL, a.basePath); err != nil {
		return err
	}
	options, err := a.options()
	if err != nil {
		return err
	}
	src, err := a.source(ctx)
	if err != nil {
		return err
	}
	if a.handle, err = stores.take(src); err != nil {
		return err
	}
	a.store = newMeasured(a.handle)
	options.Store = a.store
	if a.service, err = scimmodule.New(options); err != nil {
		return err
	}
	a.admin = newAdmin(a)
	if caddy.ActiveContext().Context == nil {
		return nil
	}
	// Caddy starts apps in any order: at a reload, the new configuration's sites
	// may answer before Start finds that the store cannot be opened. Then
	// requests would be lost to a configuration that is refused.
	return a.openStore(ctx)
}

// openStore opens the store. A file that is locked, or a bad path, is an error;
// Redis being away is not.
func (a *App) openStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if _, err := a.handle.open(ctx); err != nil {
		return fmt.Errorf("opening the %s store: %w", a.handle.src.Driver, err)
	}
	return nil
}

// options are those of the service, but for the store.
func (a *App) options() (scimmodule.Options, error) {
	o := scimmodule.Options{Logger: a.logger, Observer: observer{}}
	var err error
	if o.Defaults, err = a.Settings.core(); err != nil {
		return o, err
	}
	for _, t := range a.Tenants {
		tenant, err := t.core()
		if err != nil {
			return o, err
		}
		o.Tenants = append(o.Tenants, tenant)
		for i, secret := range t.Tokens {
			if secret.inClear() {
				a.logger.Warn("a token is in the configuration in clear, where Caddy's admin API and autosave show it; write {env.NAME} or {file./path}",
					slog.String("tenant", t.Name), slog.Int("token", i+1))
			}
		}
	}
	if a.Extensions != nil {
		if o.Catalog, err = a.Extensions.catalog(); err != nil {
			return o, err
		}
	}
	if a.Limits != nil {
		o.Limits = a.Limits.core()
	}
	return o, nil
}

func (a *App) source(ctx caddy.Context) (Source, error) {
	limit := store.LogLimit{Entries: store.DefaultLogEntries}
	if c := a.ChangeLog; c != nil {
		if c.Entries < 0 || c.MaxAge < 0 {
			return Source{}, errors.New("change_log: a limit is negative")
		}
		if c.Entries > 0 {
			limit.Entries = c.Entries
		}
		limit.MaxAge = int64(time.Duration(c.MaxAge) / time.Second)
		if c.MaxAge > 0 && limit.MaxAge == 0 {
			return Source{}, errors.New("change_log: max_age is less than a second")
		}
	}
	if a.StoreRaw == nil {
		return new(BoltStore).Source(limit)
	}
	m, err := ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return Source{}, fmt.Errorf("loading store: %w", err)
	}
	s, ok := m.(StoreModule)
	if !ok {
		return Source{}, fmt.Errorf("store: module %T is no store", m)
	}
	return s.Source(limit)
}

// Start implements caddy.App. It opens the store: a file that is locked, or a
// bad path, refuses the configuration. Redis being away does not.
func (a *App) Start() error {
	if err := a.openStore(a.ctx); err != nil {
		return err
	}
	warnOfAccessLogs(a.ctx, a.logger)

	a.mu.Lock()
	defer a.mu.Unlock()
	background, stop := context.WithCancel(a.ctx)
	a.cancel = stop
	a.running.Go(func() { a.service.Run(background) })
	a.running.Go(func() { a.watch(background) })
	return nil
}

// watchEvery is the time between looks at a store that is away at the start.
const watchEvery = 5 * time.Second

// watch tells the operator of a store that is away when the configuration
// starts, and of settings under which data may be lost.
func (a *App) watch(ctx context.Context) {
	away := false
	for {
		err := a.service.Ready(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		if !away {
			away = true
			a.logger.Error("the store is away: SCIM requests are answered with 503 until it is back",
				slog.String("driver", a.handle.src.Driver), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchEvery):
		}
	}
	if away {
		a.logger.Info("the store is back", slog.String("driver", a.handle.src.Driver))
	}
	warnings, err := a.store.Warnings(ctx)
	if err != nil && ctx.Err() == nil {
		a.logger.Warn("the store's settings could not be checked", slog.Any("error", err))
	}
	for _, w := range warnings {
		a.logger.Warn(w, slog.String("driver", a.handle.src.Driver))
	}
}

// Stop implements caddy.App. It ends the background work only: requests that
// began before a reload still run.
func (a *App) Stop() error {
	a.mu.Lock()
	cancel := a.cancel
	a.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	a.running.Wait()
	return nil
}

// Cleanup implements caddy.CleanerUpper. Provision may have failed half way, and
// Stop may not have been called.
func (a *App) Cleanup() error {
	if err := a.Stop(); err != nil {
		return err
	}
	a.mu.Lock()
	release := a.handle != nil && !a.released
	a.released = true
	a.mu.Unlock()
	if release {
		a.handle.put()
	}
	return nil
}

// cleanBasePath returns the path without its trailing slash.
func cleanBasePath(p string) (string, error) {
	if p == "" {
		p = defaultBasePath
	}
	p, err := replace("base_path", p)
	if err != nil {
		return "", err
	}
	trimmed := strings.TrimRight(p, "/")
	if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#%\\ ") || trimmed != "" && path.Clean(trimmed) != trimmed {
		return "", fmt.Errorf("base_path %q: want a plain path such as %s", p, defaultBasePath)
	}
	return trimmed, nil
}

// cleanPublicURL returns the address without a trailing slash, and with the base
// path if it had no path.
func cleanPublicURL(s, basePath string) (string, error) {
	s, err := replace("public_url", s)
	if err != nil || s == "" {
		return "", err
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("public_url %q: want an address such as https://scim.example.com%s", s, defaultBasePath)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = basePath
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
