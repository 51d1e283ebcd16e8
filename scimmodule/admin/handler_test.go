package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Whatever the route: what a page of another site, a forged link or a slip of the
// pen can send is refused before the store is asked.
func TestRefusedBeforehand(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	const body = `{"tenant":"acme","confirm":"acme"}`
	for _, path := range slices.Sorted(maps.Keys(e.admin.routes)) {
		method := e.admin.routes[path].method
		for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", ""} {
			if m == method {
				continue
			}
			r := request(t, "POST", path, body)
			r.Method = m
			w := e.ask(r)
			has(t, m+" "+path, e.wantError(http.StatusMethodNotAllowed, w), method, path)
			if got := w.Header().Get("Allow"); got != method {
				t.Errorf("%s %s: Allow %q", m, path, got)
			}
		}
		for _, h := range []string{
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: Same-Origin", "Sec-Fetch-Site: x",
			"Origin: https://evil.example", "Origin: null", "Origin: http://example.com:81", "Origin: file://", "Origin: example.com", "Origin: http://example.com.evil.example",
			"Origin: http://user@evil.example", "Origin: ://",
		} {
			has(t, path+" "+h, e.wantError(http.StatusForbidden, e.ask(request(t, method, path, body, h))), "other sites")
		}
		has(t, path, e.wantError(http.StatusForbidden, e.ask(request(t, method, path, body, "Sec-Fetch-Site: same-origin", "Origin: http://evil.example"))), "other sites")
		if method != http.MethodPost {
			continue
		}
		for _, media := range []string{"", "text/plain", "text/plain; x=application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", "application/scim+json", "*/*", ";application/json"} {
			has(t, path+" as "+media, e.wantError(http.StatusUnsupportedMediaType, e.ask(request(t, "POST", path, body, "Content-Type: "+media))), jsonT)
		}
		for text, want := range map[string]string{
			"": "EOF", " ": "EOF", "{": "EOF", "tenant": "invalid", "[]": "array", `"acme"`: "string", "7": "number",
			`{"surprise":1}`: "surprise", `{} {}`: "goes on", `{}x`: "goes on", `{}}`: "goes on", "{}\n[": "goes on",
		} {
			has(t, path+" "+text, e.refused(http.StatusBadRequest, path, text), want)
		}
		limit := maxBody
		if path == PathImportChunk {
			limit = maxChunk
		}
		for _, long := range []string{strings.Repeat(" ", limit) + "{}", `{"` + strings.Repeat("x", limit) + `":1}`} {
			has(t, path+" with a long body", e.refused(http.StatusRequestEntityTooLarge, path, long), fmt.Sprint(limit))
		}
	}
	for _, path := range []string{"/scim/", "/scim/tenants", "/scim/tenants/list/", "/scim/tenants//list", "/scim/Tenants/list", "/tenants/list", "/scim/health", "/scim/" + strings.Repeat("x", 5000)} {
		for _, method := range []string{"GET", "POST"} {
			if got := e.wantError(http.StatusNotFound, e.ask(request(t, method, path, body))); len(got) > 400 {
				t.Errorf("an error of %d bytes", len(got))
			}
		}
	}
	if n := e.store.asked(); n > 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

// What the command and a page of the admin API's own send is served.
func TestServed(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, headers := range [][]string{
		nil, {"Content-Type: application/json; charset=utf-8"}, {"Content-Type: Application/JSON"},
		{"Origin: http://example.com"}, {"Sec-Fetch-Site: same-origin", "Origin: http://example.com"}, {"Sec-Fetch-Site: none"},
	} {
		if w := e.ask(request(t, "POST", PathTenantList, "{}", headers...)); w.Code != http.StatusOK {
			t.Errorf("%v: %d %s", headers, w.Code, w.Body)
		}
	}
	if w := e.ask(request(t, "GET", PathLive+"?x=y", "")); w.Code != http.StatusOK {
		t.Errorf("a query: %d %s", w.Code, w.Body)
	}
}

// of is a request about a tenant for each route that has one.
func of(tenant string) map[string]any {
	return map[string]any{
		PathTenantShow: TenantRequest{tenant}, PathTenantSet: TenantSet{Tenant: tenant, Set: registry.Settings{Members: "reject"}},
		PathTenantPause: TenantRequest{tenant}, PathTenantResume: TenantRequest{tenant}, PathTenantSetup: TenantRequest{tenant},
		PathTenantDelete: TenantDelete{Tenant: tenant, Confirm: tenant, NoWait: true},
		PathTokenCreate:  TokenCreate{Tenant: tenant}, PathTokenList: TenantRequest{tenant}, PathTokenRevoke: TokenRevoke{tenant, "0123456789abcdef"},
		PathUserShow: Lookup{tenant, "ada"}, PathGroupShow: Lookup{tenant, "staff"}, PathGroupMembers: MembersRequest{Tenant: tenant, Group: "g"},
		PathArchiveList: ArchiveRequest{Tenant: tenant}, PathArchiveShow: ArchiveID{tenant, "u"}, PathRestore: ArchiveID{tenant, "u"},
		PathPurge: Purge{tenant, "u", "u"}, PathReport: TenantRequest{tenant}, PathExport: ExportRequest{[]string{tenant}},
	}
}

// A tenant that there is not is 404 wherever it is named, and a name that cannot
// be one is 400 or 404; neither leaves anything behind.
func TestUnknownTenant(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	others := []string{PathLive, PathReady, PathTenantList, PathTenantCreate, PathImportBegin, PathImportChunk}
	if n := len(of("x")) + len(others); n != len(e.admin.routes) {
		t.Errorf("%d of %d routes are here", n, len(e.admin.routes))
	}
	for path, in := range of("nobody") {
		if got := e.refused(http.StatusNotFound, path, in); !strings.Contains(got, "no such t") {
			t.Errorf("%s: %q", path, got)
		}
	}
	for _, name := range []string{"", "Acme", "a/b", "_system", "..", "a b", "ä", strings.Repeat("a", 64), strings.Repeat("z", 5000), "acme\n", "acme\x00"} {
		for path, in := range of(name) {
			w := e.ask(request(t, "POST", path, text(t, in)))
			if w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound {
				t.Errorf("%s of %q: %d %s", path, name, w.Code, w.Body)
			} else if got := e.wantError(w.Code, w); len(got) > 300 {
				t.Errorf("%s: an error of %d bytes", path, len(got))
			}
		}
	}
	p, err := e.store.Scan(t.Context(), store.SystemTenant, store.Query{Kind: store.Tenant})
	if err != nil || p.Total != 0 {
		t.Errorf("%d tenants were made (%v)", p.Total, err)
	}
}

// While the store is away each route answers 503 with Retry-After, and none says
// that something was done.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"away":        {fmt.Errorf("dial tcp 10.0.0.1:6379: %w", store.ErrUnavailable), "the memory store is away"},
		"out of time": {context.DeadlineExceeded, "the memory store is away"},
		"uncertain":   {fmt.Errorf("10.0.0.1: %w", store.ErrUncertain), "may or may not"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			do[TenantDetail](e, PathTenantCreate, TenantCreate{Tenant: "made"})
			e = newNode(t, e.store) // one that knows nothing yet
			e.store.on(func(string, string, store.Kind) error { return c.err })
			all := of("made")
			all[PathTenantList], all[PathTenantCreate] = PageRequest{}, TenantCreate{Tenant: "new"}
			all[PathExport] = ExportRequest{}
			header := `{"export":{"format":1,"id":"AAAAAAAAAAAAAAAAAAAAAAAAAA","time":"2026-01-01T00:00:00.000Z"}}`
			all[PathImportBegin] = ImportBegin{header}
			all[PathImportChunk] = ImportChunk{ID: "AAAAAAAAAAAAAAAAAAAAAAAAAA", First: 1, Lines: []string{`{"end":{"lines":2}}`}}
			for path, in := range all {
				has(t, path, e.refused(http.StatusServiceUnavailable, path, in), c.says)
			}
			has(t, PathReady, e.wantError(http.StatusServiceUnavailable, e.ask(request(t, "GET", PathReady, ""))), c.says)
			e.store.on(nil)
			if got := do[TenantDetail](e, PathTenantShow, TenantRequest{"made"}); got.State != StateActive || got.Tokens != 0 || len(got.Settings) == 0 {
				t.Errorf("it became %+v", got)
			}
			e.refused(http.StatusNotFound, PathTenantShow, TenantRequest{"new"})
		})
	}
}

// What nobody foresaw is 500 and says why: operators read it.
func TestUnforeseen(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.store.on(func(string, string, store.Kind) error { return errors.New("disk on fire") })
	has(t, "an error", e.refused(http.StatusInternalServerError, PathTenantList, "{}"), "disk on fire")
}
