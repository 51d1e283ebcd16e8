package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

// export returns an export that is whole.
func (e *env) export(in ExportRequest) string {
	e.t.Helper()
	w := e.ask(request(e.t, "POST", PathExport, text(e.t, in)))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/x-ndjson" || !strings.Contains(w.Body.String(), "\n"+`{"end":{`) {
		e.t.Fatalf("%d %v %.300s", w.Code, w.Header(), w.Body)
	}
	return w.Body.String()
}

func canonical(t *testing.T, export string) string {
	t.Helper()
	var b bytes.Buffer
	if err := transfer.Canonical(strings.NewReader(export), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// split takes an export apart.
func split(t *testing.T, export string) (id string, lines []string) {
	t.Helper()
	lines = strings.Split(strings.TrimSuffix(export, "\n"), "\n")
	h, err := transfer.ReadHeader([]byte(lines[0]))
	if err != nil {
		t.Fatal(err)
	}
	return h.ID, lines
}

// filled is a node with a bit of everything, and a token of the tenant initech.
func filled(t *testing.T) (e *env, secret string) {
	t.Helper()
	e = newEnv(t)
	do[TenantDetail](e, PathTenantCreate, TenantCreate{Tenant: "initech", Settings: registry.Settings{Members: "pending", Allow: []string{"default", "title"}}})
	secret = do[TokenCreated](e, PathTokenCreate, TokenCreate{Tenant: "initech", Label: "Okta"}).Token
	for _, r := range [][3]string{
		{"POST", "/Users", `{"userName":"ada","title":"Countess"}`}, {"POST", "/Users", `{"userName":"gone"}`},
		{"POST", "/Groups", `{"displayName":"staff","members":[{"value":"later"}]}`},
	} {
		if w := e.scim(secret, r[0], r[1], r[2]); w.Code != 201 {
			t.Fatalf("%v: %d %s", r, w.Code, w.Body)
		}
	}
	gone := do[LookupResult](e, PathUserShow, Lookup{"initech", "gone"}).Resources[0].ID
	if w := e.scim(secret, "DELETE", "/Users/"+gone, ""); w.Code != 204 {
		t.Fatal(w.Body)
	}
	e.make("/Users", `{"userName":"bob"}`)
	return e, secret
}

// An export of one node becomes the same on another, whatever the chunks are, and
// the token of the first is good for the second.
func TestExportAndImport(t *testing.T) {
	t.Parallel()
	from, secret := filled(t)
	if err := from.svc.Tenancy().Book().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	export := from.export(ExportRequest{[]string{"initech"}})
	for _, s := range []string{secret, static, "bob"} {
		if strings.Contains(export, s) {
			t.Errorf("the export has %q", s)
		}
	}
	id, lines := split(t, export)
	for size := 1; size <= len(lines); size++ {
		to := newEnv(t)
		if w := to.scim(secret, "GET", "/Users", ""); w.Code != 401 {
			t.Fatalf("before: %d", w.Code)
		}
		has(t, "a chunk of nothing", to.refused(http.StatusConflict, PathImportChunk, ImportChunk{ID: id, First: 1, Lines: lines[1:]}), "no import")
		for range 2 { // to begin is to ask
			same(t, "begun", ImportPosition{Next: 1}, do[ImportPosition](to, PathImportBegin, ImportBegin{lines[0]}))
		}
		for at := 1; at < len(lines); {
			in := ImportChunk{ID: id, First: at, Lines: lines[at:min(at+size, len(lines))]}
			p := do[ImportPosition](to, PathImportChunk, in)
			if p.Next != at+len(in.Lines) || p.Done != (p.Next == len(lines)) {
				t.Fatalf("after %d lines at %d: %+v", len(in.Lines), at, p)
			}
			// The answer was lost: the same once more tells where it goes on.
			same(t, "once more", p, do[ImportPosition](to, PathImportChunk, in))
			same(t, "too far ahead", p, do[ImportPosition](to, PathImportChunk, ImportChunk{ID: id, First: len(lines) + 5, Lines: lines[:1]}))
			if !p.Done {
				same(t, "resumed", p, do[ImportPosition](to, PathImportBegin, ImportBegin{lines[0]}))
			}
			at = p.Next
		}
		same(t, fmt.Sprintf("imported in chunks of %d", size), canonical(t, export), canonical(t, to.export(ExportRequest{[]string{"initech"}})))
		if w := to.scim(secret, "GET", `/Users?filter=userName+eq+%22ada%22`, ""); w.Code != 200 || !strings.Contains(w.Body.String(), "Countess") {
			t.Errorf("with the token of before: %d %s", w.Code, w.Body)
		}
		d := do[TenantDetail](to, PathTenantShow, TenantRequest{"initech"})
		if d.Users != 1 || d.Groups != 1 || d.Archived != 1 || d.Tokens != 1 || d.State != StateActive {
			t.Errorf("imported %+v", d)
		}
		// Another export of it is not poured over what there is.
		id2, again := split(t, to.export(ExportRequest{[]string{"initech"}}))
		do[ImportPosition](to, PathImportBegin, ImportBegin{again[0]})
		has(t, "a second import", to.refused(http.StatusConflict, PathImportChunk, ImportChunk{ID: id2, First: 1, Lines: again[1:]}), "initech", "delete it")
	}
}

func TestExportOfAll(t *testing.T) {
	t.Parallel()
	e, _ := filled(t)
	all := e.export(ExportRequest{})
	same(t, "all", canonical(t, all), canonical(t, e.export(ExportRequest{[]string{"initech", "acme", "acme"}})))
	if a, b := strings.Index(all, `{"tenant":{"name":"acme"`), strings.Index(all, `{"tenant":{"name":"initech"`); a < 0 || b < a {
		t.Errorf("tenants at %d and %d", a, b)
	}
	e.refused(http.StatusNotFound, PathExport, ExportRequest{[]string{"acme", "nobody"}})
}

// Into a tenant of the configuration an import is visible while it is under way,
// and nobody gets at what is half there.
func TestImportUnderWay(t *testing.T) {
	t.Parallel()
	from := newEnv(t)
	from.make("/Users", `{"userName":"bob"}`)
	from.make("/Users", `{"userName":"eve"}`)
	id, lines := split(t, from.export(ExportRequest{[]string{"acme"}}))
	to := newEnv(t)
	do[ImportPosition](to, PathImportBegin, ImportBegin{lines[0]})
	do[ImportPosition](to, PathImportChunk, ImportChunk{ID: id, First: 1, Lines: lines[1:3]})
	if d := do[TenantDetail](to, PathTenantShow, TenantRequest{"acme"}); d.State != StateImporting || len(d.Notes) != 1 {
		t.Errorf("shown %+v", d)
	}
	for _, path := range []string{PathTenantSet, PathTenantPause, PathTenantSetup, PathTokenCreate, PathUserShow, PathArchiveList, PathExport} {
		has(t, path, to.refused(http.StatusConflict, path, of("acme")[path]), "import is under way")
	}
	if w := to.scim(static, "GET", "/Users", ""); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("provisioning: %d %v", w.Code, w.Header())
	}
	if all := to.export(ExportRequest{}); strings.Contains(all, "acme") {
		t.Errorf("what is half there is exported: %s", all)
	}
	if p := do[ImportPosition](to, PathImportChunk, ImportChunk{ID: id, First: 3, Lines: lines[3:]}); !p.Done {
		t.Errorf("position %+v", p)
	}
	if w := to.scim(static, "GET", "/Users", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"totalResults":2`) {
		t.Errorf("provisioning: %d %s", w.Code, w.Body)
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	from, _ := filled(t)
	id, lines := split(t, from.export(ExportRequest{[]string{"initech"}}))
	to := newEnv(t)
	for _, header := range []string{"", "{}", lines[1], lines[0] + lines[0], strings.Replace(lines[0], `"format":1`, `"format":2`, 1), strings.Repeat("x", 1000)} {
		has(t, "the header "+header, to.refused(http.StatusBadRequest, PathImportBegin, ImportBegin{header}), "line 1")
	}
	do[ImportPosition](to, PathImportBegin, ImportBegin{lines[0]})
	for what, c := range map[string]struct {
		lines  []string
		status int
	}{
		"a line out of order": {[]string{lines[2]}, 400},
		"no JSON":             {[]string{lines[1], "no JSON"}, 400},
		"a changed record":    {[]string{lines[1], strings.Replace(lines[2], `"body":{`, `"body":{"id":"x",`, 1)}, 400},
		"a value in it":       {[]string{lines[1], strings.Replace(lines[2], `"kind":"user"`, `"kind":"MARKER"`, 1)}, 400},
		"too many lines":      {make([]string, transfer.ChunkLines+1), 413},
		"too many bytes":      {[]string{strings.Repeat("x", transfer.MaxLine), "x"}, 413},
	} {
		got := to.refused(c.status, PathImportChunk, ImportChunk{ID: id, First: 1, Lines: c.lines})
		if strings.Contains(got, "MARKER") || strings.Contains(got, "Countess") {
			t.Errorf("%s: %q", what, got)
		}
		if p := do[ImportPosition](to, PathImportBegin, ImportBegin{lines[0]}); p.Next > 2 || p.Done {
			t.Fatalf("%s was taken: %+v", what, p)
		} else if p.Next == 2 { // the tenant was begun: begin anew
			to = newEnv(t)
			do[ImportPosition](to, PathImportBegin, ImportBegin{lines[0]})
		}
	}
}

// An export that cannot be finished is not taken for one that is: before anything
// was sent it is an error, and afterwards it breaks off.
func TestExportBreaksOff(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	b := &store.Batch{Time: time.Now()}
	for i := range 1500 {
		b.Put = append(b.Put, store.Put{Record: store.Record{Kind: store.User, ID: fmt.Sprintf("u%04d", i), Body: fmt.Appendf(nil, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"u%04d","userName":"u%d"}`, i, i)}})
		if len(b.Put) == 500 {
			if _, err := e.store.Commit(t.Context(), "acme", b); err != nil {
				t.Fatal(err)
			}
			b = &store.Batch{Time: b.Time}
		}
	}
	broken, refused := 0, 0
	for at := 1; ; at++ {
		n, failed := 0, false
		e.store.on(func(string, string, store.Kind) error {
			if n++; n >= at {
				failed = true
				return store.ErrUnavailable
			}
			return nil
		})
		w := httptest.NewRecorder()
		aborted := func() (aborted bool) {
			defer func() {
				p := recover()
				err, ok := p.(error)
				if aborted = ok && errors.Is(err, http.ErrAbortHandler); p != nil && !aborted {
					panic(p)
				}
			}()
			e.admin.ServeHTTP(w, request(t, "POST", PathExport, `{"tenants":["acme"]}`))
			return false
		}()
		e.store.on(nil)
		switch {
		case !failed:
			if aborted || w.Code != 200 || !strings.Contains(w.Body.String(), `{"end":{`) {
				t.Errorf("without a failure: %d %t %.300s", w.Code, aborted, w.Body)
			}
			if broken == 0 || refused == 0 {
				t.Errorf("%d exports were broken off, %d refused", broken, refused)
			}
			return
		case aborted:
			broken++
			if w.Body.Len() == 0 || strings.Contains(w.Body.String(), `{"end":{`) {
				t.Errorf("failing at call %d: broken off after %d bytes", at, w.Body.Len())
			}
		default:
			refused++
			e.wantError(http.StatusServiceUnavailable, w)
		}
	}
}

// gone is a client that has hung up.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, errors.New("hung up") }

func TestClientIsGone(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("recovered %v", err)
		}
	}()
	e.admin.ServeHTTP(gone{httptest.NewRecorder()}, request(t, "POST", PathTenantList, "{}"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w := e.ask(request(t, "POST", PathTenantList, "{}").WithContext(ctx)); w.Code < 500 && w.Code != 200 {
		t.Errorf("after its context ended: %d", w.Code)
	}
	e.admin.ServeHTTP(gone{httptest.NewRecorder()}, request(t, "POST", PathExport, "{}"))
}
