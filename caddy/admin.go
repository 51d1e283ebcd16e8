package caddy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func init() { caddy.RegisterModule(adminAPI{}) }

// maxAdminBody is far more than the longest request needs.
const maxAdminBody = 64 << 10

// readyTimeout bounds the look at the store for the health page.
const readyTimeout = 3 * time.Second

// adminAPI serves tokens and health under /scim/ of Caddy's admin API. It has no
// state: the app is looked up at each request, since this module outlives a
// configuration that failed to load.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.scim", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute {
	get, post := http.MethodGet, http.MethodPost
	return []caddy.AdminRoute{
		{Pattern: "/scim/", Handler: caddy.AdminHandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			return apiError(http.StatusNotFound, "there is no %s; see /scim/health/ready, /scim/health/live and /scim/tokens/create, list and revoke", r.URL.Path)
		})},
		{Pattern: "/scim/health/live", Handler: adminRoute(get, live)},
		{Pattern: "/scim/health/ready", Handler: adminRoute(get, ready)},
		{Pattern: "/scim/tokens/create", Handler: adminRoute(post, createToken)},
		{Pattern: "/scim/tokens/list", Handler: adminRoute(post, listTokens)},
		{Pattern: "/scim/tokens/revoke", Handler: adminRoute(post, revokeToken)},
	}
}

// adminRoute checks the method and the media type, finds the app of the running
// configuration, keeps its store open, and writes what f returns.
func adminRoute(method string, f func(*App, http.ResponseWriter, *http.Request) (any, error)) caddy.AdminHandler {
	return caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != method {
			w.Header().Set("Allow", method)
			return apiError(http.StatusMethodNotAllowed, "%s takes %s only", r.URL.Path, method)
		}
		// A page in a browser on this machine cannot send JSON unasked.
		if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); method == http.MethodPost && media != "application/json" {
			return apiError(http.StatusUnsupportedMediaType, "send the request with Content-Type: application/json")
		}
		app, err := activeApp()
		if err != nil {
			return err
		}
		if app.handle.use() {
			defer app.handle.release()
		}
		out, err := f(app, w, r)
		if err != nil {
			return app.adminError(w, err)
		}
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(out)
	})
}

// activeApp returns the app of the configuration that runs now.
func activeApp() (*App, error) {
	a, err := caddy.ActiveContext().AppIfConfigured("scim")
	if err != nil {
		return nil, apiError(http.StatusServiceUnavailable,
			"the running configuration has no scim: add the scim directive to a site, or the global scim option, and reload")
	}
	return a.(*App), nil
}

func apiError(status int, format string, args ...any) caddy.APIError {
	return caddy.APIError{HTTPStatus: status, Err: fmt.Errorf(format, args...)}
}

// adminError says what to do about an error of the service.
func (a *App) adminError(w http.ResponseWriter, err error) error {
	var api caddy.APIError
	switch {
	case errors.As(err, &api):
		return api
	case errors.Is(err, scimmodule.ErrUnknownTenant):
		return apiError(http.StatusNotFound, "there is no such tenant: check the name, declare the tenant in the scim options, or create it with --create (\"create\": true)")
	case errors.Is(err, scimmodule.ErrUnknownToken):
		return apiError(http.StatusNotFound, "the tenant has no such token: see the ids in the list of its tokens")
	case errors.Is(err, scimmodule.ErrInvalid):
		return apiError(http.StatusBadRequest, "%v", err)
	case errors.Is(err, store.ErrUncertain):
		w.Header().Set("Retry-After", "5")
		return apiError(http.StatusServiceUnavailable, "the store's answer was lost, and the change may or may not have been made: look at the list of tokens")
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		w.Header().Set("Retry-After", "5")
		return apiError(http.StatusServiceUnavailable, "the %s store is away, try again later: %v", a.handle.src.Driver, err)
	}
	return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
}

// decode reads a request's body.
func decode(w http.ResponseWriter, r *http.Request, to any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return apiError(http.StatusRequestEntityTooLarge, "the request has more than %d bytes", tooLarge.Limit)
		}
		return apiError(http.StatusBadRequest, "reading the request: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return apiError(http.StatusBadRequest, "the request goes on after its JSON object")
	}
	return nil
}

// health is the answer of the health routes.
type health struct {
	Status   string   `json:"status"`
	Store    string   `json:"store,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

func live(*App, http.ResponseWriter, *http.Request) (any, error) {
	return health{Status: "live"}, nil
}

func ready(a *App, _ http.ResponseWriter, r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := a.service.Ready(ctx); err != nil {
		return nil, err
	}
	warnings, err := a.store.Warnings(ctx)
	if err != nil {
		warnings = append(warnings, "the store's settings could not be checked: "+err.Error())
	}
	return health{Status: "ready", Store: a.handle.src.Driver, Warnings: warnings}, nil
}

// createRequest asks for a new token.
type createRequest struct {
	Tenant string `json:"tenant"`
	Label  string `json:"label,omitempty"`
	// Expires is a duration from now, a date, or a time as of RFC 3339.
	Expires string `json:"expires,omitempty"`
	// Create makes the tenant if there is none.
	Create bool `json:"create,omitempty"`
}

// tokenInfo is a token without its secret.
type tokenInfo struct {
	ID      string     `json:"id"`
	Tenant  string     `json:"tenant"`
	Label   string     `json:"label,omitempty"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
}

func newTokenInfo(i scimmodule.TokenInfo) tokenInfo {
	out := tokenInfo{ID: i.ID, Tenant: i.Tenant, Label: i.Label, Created: i.Created}
	if !i.Expires.IsZero() {
		out.Expires = &i.Expires
	}
	return out
}

// created is the one answer that ever holds a token.
type created struct {
	Tenant    string     `json:"tenant"`
	TenantURL string     `json:"tenant_url"`
	Token     string     `json:"token"`
	ID        string     `json:"id"`
	Label     string     `json:"label,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
}

func createToken(a *App, w http.ResponseWriter, r *http.Request) (any, error) {
	var in createRequest
	if err := decode(w, r, &in); err != nil {
		return nil, err
	}
	expires, err := parseExpiry(in.Expires, time.Now())
	if err != nil {
		return nil, apiError(http.StatusBadRequest, "%v", err)
	}
	minted, err := a.service.CreateToken(r.Context(), in.Tenant,
		scimmodule.NewToken{Label: in.Label, Expires: expires, CreateTenant: in.Create})
	if err != nil {
		return nil, err
	}
	info := newTokenInfo(minted.Info)
	a.logger.Info("token created", slog.String("tenant", info.Tenant), slog.String("token_id", info.ID))
	return created{
		Tenant: info.Tenant, TenantURL: a.publicURL, Token: minted.Secret,
		ID: info.ID, Label: info.Label, Expires: info.Expires,
	}, nil
}

// tokenRequest names a tenant, and one of its tokens.
type tokenRequest struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id,omitempty"`
}

// tokenList is the answer of the list.
type tokenList struct {
	Tokens []tokenInfo `json:"tokens"`
}

func listTokens(a *App, w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		Tenant string `json:"tenant"`
	}
	if err := decode(w, r, &in); err != nil {
		return nil, err
	}
	list, err := a.service.Tokens(r.Context(), in.Tenant)
	if err != nil {
		return nil, err
	}
	out := tokenList{Tokens: []tokenInfo{}} // [] rather than null
	for _, t := range list {
		out.Tokens = append(out.Tokens, newTokenInfo(t))
	}
	return out, nil
}

func revokeToken(a *App, w http.ResponseWriter, r *http.Request) (any, error) {
	var in tokenRequest
	if err := decode(w, r, &in); err != nil {
		return nil, err
	}
	if in.ID == "" {
		return nil, apiError(http.StatusBadRequest, "which token? Give its id, as in the list of tokens")
	}
	if err := a.service.RevokeToken(r.Context(), in.Tenant, in.ID); err != nil {
		return nil, err
	}
	a.logger.Info("token revoked", slog.String("tenant", in.Tenant), slog.String("token_id", in.ID))
	return in, nil
}

// parseExpiry reads a duration from now such as 720h or 90d, a date (its first
// moment in UTC), or a time as of RFC 3339. The zero time, for "", is never.
func parseExpiry(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, strings.ToUpper(s))
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	if err != nil {
		var d time.Duration
		d, err = caddy.ParseDuration(s)
		t = now.Add(d)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("expires %q: want a duration such as 90d, a date such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z", s)
	}
	if !t.After(now) {
		return time.Time{}, fmt.Errorf("expires %q is not in the future", s)
	}
	return t.UTC(), nil
}

// Interface guards
var _ caddy.AdminRouter = adminAPI{}
