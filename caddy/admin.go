package caddy

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

func init() { caddy.RegisterModule(adminAPI{}) }

// adminAPI mounts the administrative API under /scim/ of Caddy's own. It has no
// state: the app is looked up at each request, since this module outlives a
// configuration that failed to load.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.scim", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/scim/", Handler: caddy.AdminHandlerFunc(serveAdmin)}}
}

// serveAdmin hands a request to the app of the configuration that runs now, and
// keeps its store open meanwhile.
func serveAdmin(w http.ResponseWriter, r *http.Request) error {
	m, err := caddy.ActiveContext().AppIfConfigured("scim")
	if err != nil {
		w.Header().Set("Cache-Control", "no-store")
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errors.New(noApp)}
	}
	a := m.(*App)
	if a.handle.use() {
		defer a.handle.release()
	}
	a.admin.ServeHTTP(w, r)
	return nil
}

const noApp = "the running configuration has no scim: add the scim directive to a site, or the global scim option, and reload"

// newAdmin returns the administrative API of an app.
func newAdmin(a *App) *admin.Handler {
	return admin.New(admin.Options{
		Service:   a.service,
		Store:     a.handle.src.Driver,
		TenantURL: a.publicURL,
		Warnings:  a.store.Warnings,
		Observe:   observer{}.Users,
	})
}

// Interface guards
var _ caddy.AdminRouter = adminAPI{}
