package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/tenancy"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

const (
	// maxBody is far more than the longest request but an import's chunk needs.
	maxBody = 256 << 10
	// maxChunk is for a chunk of 2 MiB, whose lines are strings in JSON.
	maxChunk = 8 << 20
)

// actor is who the change log names for what an operator does.
const actor = "admin"

// Options configure a Handler.
type Options struct {
	Service *scimmodule.Service
	// Store names the kind of store, for health.
	Store string
	// TenantURL is what identity providers are given; empty where it is not known.
	TenantURL string
	// Warnings tells of settings of the store under which data may be lost; nil
	// where there are none.
	Warnings func(context.Context) ([]string, error)
	// Observe is told what an operator has done to n users: "restored" or "purged".
	Observe func(event string, n int)
}

// Handler serves the administrative API.
type Handler struct {
	Options
	tenancy *tenancy.Tenancy
	routes  map[string]route
}

// route is what a path does.
type route struct {
	method string
	serve  func(*call) (any, error)
}

// call is one request.
type call struct {
	*Handler
	w   http.ResponseWriter
	r   *http.Request
	ctx context.Context
}

// streamed is the answer of a route that has written its own.
type streamed struct{}

// New returns the handler of a service.
func New(o Options) *Handler {
	h := &Handler{Options: o, tenancy: o.Service.Tenancy()}
	get := func(f func(*call) (any, error)) route { return route{http.MethodGet, f} }
	post := func(f func(*call) (any, error)) route { return route{http.MethodPost, f} }
	h.routes = map[string]route{
		PathLive:         get(func(*call) (any, error) { return Health{Status: "live"}, nil }),
		PathReady:        get((*call).ready),
		PathTenantList:   post(body((*call).listTenants)),
		PathTenantShow:   post(body((*call).showTenant)),
		PathTenantCreate: post(body((*call).createTenant)),
		PathTenantSet:    post(body((*call).setTenant)),
		PathTenantPause:  post(body((*call).pauseTenant)),
		PathTenantResume: post(body((*call).resumeTenant)),
		PathTenantDelete: post(body((*call).deleteTenant)),
		PathTenantSetup:  post(body((*call).setupCard)),
		PathTokenCreate:  post(body((*call).createToken)),
		PathTokenList:    post(body((*call).listTokens)),
		PathTokenRevoke:  post(body((*call).revokeToken)),
		PathUserShow:     post(body((*call).showUser)),
		PathGroupShow:    post(body((*call).showGroup)),
		PathGroupMembers: post(body((*call).groupMembers)),
		PathArchiveList:  post(body((*call).listArchive)),
		PathArchiveShow:  post(body((*call).showArchived)),
		PathRestore:      post(body((*call).restore)),
		PathPurge:        post(body((*call).purge)),
		PathReport:       post(body((*call).report)),
		PathExport:       post(body((*call).export)),
		PathImportBegin:  post(body((*call).importBegin)),
		PathImportChunk:  post(body((*call).importChunk)),
	}
	return h
}

// ServeHTTP implements http.Handler. It answers in JSON, errors as ErrorAnswer.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	c := &call{Handler: h, w: w, r: r, ctx: r.Context()}
	out, err := c.answer()
	if err != nil {
		c.fail(err)
		return
	}
	if _, ok := out.(streamed); ok {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// Who is gone cannot be told.
	_ = json.NewEncoder(w).Encode(out)
}

func (c *call) answer() (any, error) {
	rt, ok := c.routes[c.r.URL.Path]
	if !ok {
		return nil, refuse(http.StatusNotFound, "there is no %.100s; the paths are in the documentation of the admin API, and \"caddy-scim scim --help\" has the commands", c.r.URL.Path)
	}
	if c.r.Method != rt.method {
		c.w.Header().Set("Allow", rt.method)
		return nil, refuse(http.StatusMethodNotAllowed, "%s takes %s only", c.r.URL.Path, rt.method)
	}
	if err := sameOrigin(c.r); err != nil {
		return nil, err
	}
	// A page in a browser cannot send JSON elsewhere unasked.
	if media, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); rt.method == http.MethodPost && media != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "send the request with Content-Type: application/json")
	}
	return rt.serve(c)
}

// sameOrigin refuses what a browser sends for a page of another site.
func sameOrigin(r *http.Request) error {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return refuse(http.StatusForbidden, "requests from pages of other sites are refused")
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err != nil || u.Host == "" || u.Host != r.Host {
		return refuse(http.StatusForbidden, "requests from pages of other sites are refused")
	}
	return nil
}

// body reads the request's JSON for f.
func body[T any](f func(*call, T) (any, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		var in T
		limit := int64(maxBody)
		if _, ok := any(in).(ImportChunk); ok {
			limit = maxChunk
		}
		d := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, limit))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			var tooLarge *http.MaxBytesError
			if errors.As(err, &tooLarge) {
				return nil, refuse(http.StatusRequestEntityTooLarge, "the request has more than %d bytes", tooLarge.Limit)
			}
			return nil, refuse(http.StatusBadRequest, "reading the request: %v", err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, refuse(http.StatusBadRequest, "the request goes on after its JSON object")
		}
		return f(c, in)
	}
}

// refusal is an error for the operator.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// fail answers with an error.
func (c *call) fail(err error) {
	status, text := c.explain(err)
	if status == http.StatusServiceUnavailable {
		c.w.Header().Set("Retry-After", "5")
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(ErrorAnswer{Error: text})
}

// explain says what to do about an error.
func (c *call) explain(err error) (status int, text string) {
	var (
		known *refusal
		scim  *scimerr.Error
		line  *transfer.LineError
	)
	switch {
	case errors.As(err, &known):
		return known.status, known.text
	case errors.Is(err, registry.ErrUnknownTenant):
		return http.StatusNotFound, "there is no such tenant: check the name, declare the tenant in the scim options, or create it with \"scim tenant create\""
	case errors.Is(err, registry.ErrUnknownToken):
		return http.StatusNotFound, "the tenant has no such token: see the ids in the list of its tokens"
	case errors.Is(err, registry.ErrExists), errors.Is(err, registry.ErrDeleting), errors.Is(err, transfer.ErrNotEmpty), errors.Is(err, transfer.ErrNotBegun),
		errors.Is(err, tenancy.ErrImporting), errors.Is(err, tenancy.ErrUnfit):
		return http.StatusConflict, err.Error()
	case errors.Is(err, registry.ErrInvalid), errors.As(err, &line):
		return http.StatusBadRequest, strings.TrimPrefix(err.Error(), registry.ErrInvalid.Error()+": ")
	case errors.Is(err, store.ErrUncertain):
		return http.StatusServiceUnavailable, "the store's answer was lost, and the change may or may not have been made: look before you try again"
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, fmt.Sprintf("the %s store is away, try again later: %v", c.Store, err)
	case errors.As(err, &scim):
		return scim.Status, scim.Detail
	}
	return http.StatusInternalServerError, err.Error()
}

// directory returns a tenant's directory; a paused tenant has one too.
func (c *call) directory(tenant string) (*directory.Directory, error) {
	s, err := c.standing(tenant)
	if err != nil {
		return nil, err
	}
	return s.Directory, nil
}

func (c *call) standing(tenant string) (*tenancy.Standing, error) {
	if err := registry.CheckName(tenant); err != nil {
		return nil, err
	}
	return c.tenancy.Of(c.ctx, tenant)
}
