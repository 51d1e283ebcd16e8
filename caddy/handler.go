package caddy

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-scim/caddy-scim/scimmodule"
)

func init() { caddy.RegisterModule(Handler{}) }

// Handler answers SCIM requests, which are those below the base path of the
// `scim` app; all others go on to the next handler.
type Handler struct {
	app *App
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.scim", New: func() caddy.Module { return new(Handler) }}
}

// Provision implements caddy.Provisioner.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("scim")
	if err != nil {
		return err
	}
	h.app = app.(*App)
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	path, ours := strings.CutPrefix(r.URL.Path, h.app.basePath)
	// A base path in escapes is not ours either: what redacts the access log
	// would not see it.
	if !ours || path != "" && path[0] != '/' || !strings.HasPrefix(r.URL.EscapedPath(), h.app.basePath) {
		return next.ServeHTTP(w, r)
	}
	if path == "/" {
		path = ""
	}
	h.app.serve(w, r, path)
	return nil
}

// serve answers a request. It keeps the store open meanwhile: a reload does not
// wait for requests.
func (a *App) serve(w http.ResponseWriter, r *http.Request, path string) {
	if a.handle.use() {
		defer a.handle.release()
	}
	if ctx, span := beginRequest(r.Context()); span != nil {
		r = r.WithContext(ctx)
		// Not End itself: deferred, it would record the value of a panic.
		defer func() { span.End() }()
	}
	a.service.Serve(w, r, scimmodule.Target{Path: path, Base: a.base(r), Client: clientAddr(r)})
	// Not before: with extra fields, Caddy adds stack traces to the service's log.
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("scim_endpoint", endpoint(path)))
	}
}

// clientAddr returns the address of the client as Caddy sees it: behind a proxy
// that the server trusts, the one that the proxy tells.
func clientAddr(r *http.Request) netip.Addr {
	s, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{} // a unix socket
	}
	return addr.Unmap().WithZone("")
}

// endpoint names where a request goes without what it asks for: it is for the
// access log.
func endpoint(path string) string {
	first, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	for _, known := range []string{"Users", "Groups", "Bulk", "Me", ".search", "ServiceProviderConfig", "ResourceTypes", "Schemas"} {
		if strings.EqualFold(first, known) {
			return known
		}
	}
	if first == "" {
		return "root"
	}
	return "unknown"
}

// base returns the public address of the base path. Scheme and host that another
// proxy tells count if the server trusts it.
func (a *App) base(r *http.Request) string {
	if a.publicURL != "" {
		return a.publicURL
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		if s := strings.ToLower(forwarded(r, "X-Forwarded-Proto")); s == "http" || s == "https" {
			scheme = s
		}
		if h := forwarded(r, "X-Forwarded-Host"); validHost(h) {
			host = h
		}
	}
	return scheme + "://" + host + a.basePath
}

// forwarded returns what the proxy next to the client has said.
func forwarded(r *http.Request, header string) string {
	first, _, _ := strings.Cut(r.Header.Get(header), ",")
	return strings.TrimSpace(first)
}

// validHost tells whether s can be a host, with or without a port. It is the
// same coarse check that Caddy makes of the Host header: no more than that the
// address which it becomes a part of stays one.
func validHost(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`/\?#@"<>`, r)
	})
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
