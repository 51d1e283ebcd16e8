package admin

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

// slow is a store whose scans of users take a while.
type slow struct {
	store.Store
	takes time.Duration
}

func (s slow) Scan(ctx context.Context, tenant string, q store.Query) (store.Page, error) {
	if q.Kind == store.User {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return store.Page{}, ctx.Err()
		}
	}
	return s.Store.Scan(ctx, tenant, q)
}

// The time that Caddy's admin server gives itself to read a request, 10 seconds,
// does not break off an answer that takes longer.
func TestExportBeyondTheReadTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	svc, err := scimmodule.New(scimmodule.Options{Store: slow{memstore.New(store.LogLimit{}), 4 * timeout}, Tenants: []scimmodule.Tenant{{Name: "acme"}}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(New(Options{Service: svc}))
	s.Config.ReadTimeout = timeout
	s.Start()
	defer s.Close()
	res, err := http.Post(s.URL+PathExport, "application/json", strings.NewReader(`{"tenants":["acme"]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), `{"end":`) {
		t.Errorf("status %d, %v, %s", res.StatusCode, err, text)
	}
}
