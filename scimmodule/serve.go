package scimmodule

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/report"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/tenancy"
)

// exchange is one request on its way through the service.
type exchange struct {
	*Service
	w    http.ResponseWriter
	r    *http.Request
	base string // public address of the endpoint, without a slash at its end

	who     tenancy.Principal
	dir     *directory.Directory
	tally   schema.Tally
	created int  // users created from members
	changed bool // whether the change that was asked for is made
	// failed is an operation of a bulk request that was refused; the first.
	failed *scimerr.Error

	operation, resourceType string // for logs and metrics
	status                  int    // as it was sent
	problem                 scimerr.Type
}

// Target is where a request goes and where it comes from, as whoever mounts the
// service knows it.
type Target struct {
	// Path is what follows the base path: "" or "/Users/…".
	Path string
	// Base is the public address of the base path without a slash at its end,
	// from which locations are made.
	Base string
	// Client is the address of the client: failed authentication is throttled by
	// it, and tokens may be bound to ranges. The zero Addr is one unknown address.
	Client netip.Addr
}

// Serve answers one SCIM request.
func (s *Service) Serve(w http.ResponseWriter, r *http.Request, target Target) {
	x := &exchange{Service: s, w: w, r: r, base: target.Base, operation: "other"}
	start := time.Now()
	defer func() {
		defer x.done(start)
		p := recover()
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		if p != nil {
			x.fail(&panicError{p, debug.Stack()})
		}
	}()
	switch err := x.answer(target); {
	case errors.Is(err, errGone):
		panic(http.ErrAbortHandler)
	case err != nil:
		x.fail(err)
	}
}

// panicError is a programming error that a request ran into.
type panicError struct {
	value any
	stack []byte
}

func (*panicError) Error() string { return "panic while serving a SCIM request" }

// answer authenticates before it looks at anything else.
func (x *exchange) answer(target Target) error {
	if err := x.authenticate(target); err != nil {
		return err
	}
	return x.route(segments(target.Path))
}

// segments splits a path; double slashes and one at the end do not count.
func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// done tells the log and the metrics of the finished request: no values, no ids.
func (x *exchange) done(start time.Time) {
	d := time.Since(start)
	x.observer.Request(x.r.Context(), Exchange{Operation: x.operation, ResourceType: x.resourceType, Status: x.status, Duration: d})
	var names []string
	for name, n := range x.tally.All() {
		names = append(names, name)
		label := name
		if urn := strings.HasPrefix(name, "urn:"); !n.Known || urn && !strings.HasPrefix(name, schema.EnterpriseUserURN) {
			label = "other" // an operator's own extension, or the client's words
		}
		x.observer.Dropped(label, n.Count)
	}
	if x.created > 0 {
		x.observer.Users("created_from_members", x.created)
	}
	x.report(start)
	level := slog.LevelDebug
	switch {
	case x.status == http.StatusInternalServerError:
		level = slog.LevelError
	case x.status >= 400:
		level = slog.LevelWarn
	case x.operation != "read" && x.operation != "query" && x.operation != "discovery":
		level = slog.LevelInfo
	}
	ctx := context.WithoutCancel(x.r.Context())
	if !x.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("operation", x.operation),
		slog.String("resource_type", x.resourceType),
		slog.Int("status", x.status),
		slog.String("tenant", x.who.Tenant),
		slog.String("token", x.who.Token),
		slog.Duration("duration", d),
	}
	if x.problem != scimerr.None {
		attrs = append(attrs, slog.String("scim_type", string(x.problem)))
	}
	if len(names) > 0 {
		attrs = append(attrs, slog.Any("dropped", names))
	}
	x.log.LogAttrs(ctx, level, "request", attrs...)
}

// report adds the request to what the tenant's operators can see. A bulk request
// of which a part failed counts as that failure.
func (x *exchange) report(at time.Time) {
	if x.who.Tenant == "" {
		return // nobody knows whose it was
	}
	e := report.Entry{
		Operation: x.operation, ResourceType: x.resourceType,
		Status: x.status, ScimType: string(x.problem),
		Changed: x.changed, Tally: &x.tally,
	}
	if x.failed != nil {
		e.Status, e.ScimType = x.failed.Status, string(x.failed.Type)
	}
	x.tenancy.Book().Add(x.who.Tenant, at, e)
}

// fail answers with an error (RFC 7644 §3.12). What is not meant for a client is
// a 500 with an id that is in the log. Once the answer has begun, all that can
// still be done is to break it off, so that it cannot be taken for whole.
func (x *exchange) fail(err error) {
	e := x.clientError(err)
	x.problem = e.Type
	if x.status != 0 {
		panic(http.ErrAbortHandler)
	}
	if x.changed && e.Status >= 500 {
		e = scimerr.Unavailable(max(e.RetryAfter, 1), e.Cause, "The change was made, but the resource cannot be shown now. Read it again later.")
	}
	h := x.w.Header()
	h.Del("ETag")
	switch {
	case e.Status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge(x.r))
	case e == errReadOnly:
		h.Set("WWW-Authenticate", `Bearer realm="scim", error="insufficient_scope", scope="provision"`)
	case e.RetryAfter > 0:
		h.Set("Retry-After", itoa(e.RetryAfter))
	}
	x.send(e.Status, appendError(nil, e))
}

// clientError returns the error that the client gets.
func (x *exchange) clientError(err error) *scimerr.Error {
	var e *scimerr.Error
	if errors.As(err, &e) {
		if e.Limit != "" {
			x.observer.Limited(e.Limit)
		}
		if e.Cause != nil && e.Status >= 500 {
			x.log.LogAttrs(x.r.Context(), slog.LevelError, "request failed", slog.Any("error", e.Cause))
		}
		return e
	}
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return x.clientError(scimerr.Unavailable(5, err, "The store cannot be reached. Send the request again later."))
	}
	id := rand.Text()[:10]
	attrs := []slog.Attr{slog.String("error_id", id), slog.String("operation", x.operation)}
	var p *panicError
	if errors.As(err, &p) {
		// The panic's value may hold data; its stack holds none.
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	attrs = append(attrs, slog.Any("error", err))
	x.log.LogAttrs(x.r.Context(), slog.LevelError, "unexpected error", attrs...)
	return scimerr.New(http.StatusInternalServerError, scimerr.None, "Something unexpected went wrong on the server. Its log has the details under the id %s.", id)
}
