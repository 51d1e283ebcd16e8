package caddy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

func TestHandlerTakesItsPaths(t *testing.T) {
	i := newInstance(t)
	const ours, theirs = "application/scim+json", "text/plain; charset=utf-8"
	for _, tc := range []struct {
		base  string
		paths map[string]string
	}{
		{"/scim/v2", map[string]string{
			"/": theirs, "/scim": theirs, "/scim/": theirs, "/scim/v2x": theirs, "/scim/v2x/Users": theirs, "/x/scim/v2/Users": theirs, "/SCIM/v2": theirs,
			"/scim/v2": ours, "/scim/v2/": ours, "/scim/v2//Users": ours, "/scim/v2/Users": ours, "/scim/v2/nonsense": ours, "/scim/v2?count=1": ours,
		}},
		{"/", map[string]string{"/": ours, "/Users": ours, "/scim/v2/Users": ours}},
		{"/directory/", map[string]string{"/directory": ours, "/directory/Users": ours, "/directoryx": theirs, "/scim/v2/Users": theirs}},
	} {
		i.load(scimBlock("store memory\nbase_path "+tc.base), "scim\nhandle {\nrespond plain\n}")
		for path, want := range tc.paths {
			resp, text := i.do("GET", path, "")
			if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, want) {
				t.Errorf("base_path %s, GET %s: Content-Type %q, want %s (%d %s)", tc.base, path, got, want, resp.StatusCode, text)
			}
		}
	}
}

func TestLocations(t *testing.T) {
	i := newInstance(t)
	forwarded := map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "public.example.com"}
	for _, tc := range []struct {
		name, global, options string
		header                map[string]string
		want                  string
	}{
		{"request", "", "", nil, "http://scim.test/scim/v2"},
		{"proxy that is not trusted", "", "", forwarded, "http://scim.test/scim/v2"},
		{"trusted proxy", "servers {\ntrusted_proxies_unix\n}\n", "", forwarded, "https://public.example.com/scim/v2"},
		{"trusted proxies", "servers {\ntrusted_proxies_unix\n}\n", "",
			map[string]string{"X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "public.example.com, inner"}, "https://public.example.com/scim/v2"},
		{"trusted nonsense", "servers {\ntrusted_proxies_unix\n}\n", "",
			map[string]string{"X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "a/b"}, "http://scim.test/scim/v2"},
		{"configured", "servers {\ntrusted_proxies_unix\n}\n", "public_url https://scim.example.com/scim/v2/", forwarded, "https://scim.example.com/scim/v2"},
		{"configured without a path", "", "public_url https://scim.example.com", nil, "https://scim.example.com/scim/v2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i.load(tc.global+scimBlock("store memory\n"+tc.options), "scim")
			req, err := http.NewRequest("GET", "http://scim.test/scim/v2/ServiceProviderConfig", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+secret)
			for k, v := range tc.header {
				req.Header.Set(k, v)
			}
			_, text, err := send(i.client, req)
			if err != nil {
				t.Fatal(err)
			}
			if want := `"` + tc.want + `/ServiceProviderConfig"`; !strings.Contains(text, want) {
				t.Errorf("want %s in %s", want, text)
			}
		})
	}
}

// panicking is a store whose reads panic with somebody's name.
type panicking struct{ store.Store }

func (panicking) Lookup(context.Context, string, store.Kind, store.Key) (string, error) {
	panic(errors.New("name of a person"))
}

type panicStore struct{}

func (panicStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "scim.stores.panic", New: func() caddy.Module { return new(panicStore) }}
}

func (*panicStore) Source(log store.LogLimit) (Source, error) {
	return Source{Driver: "panic", Identity: "panic", Open: func(context.Context) (store.Store, error) {
		return panicking{memstore.New(log)}, nil
	}}, nil
}

func (*panicStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return nil }

func init() { caddy.RegisterModule(panicStore{}) }

func TestPanicIsAnError(t *testing.T) {
	i := newInstance(t)
	log := filepath.Join(i.dir, "log")
	i.load("log {\noutput file "+log+"\n}\n"+scimBlock("store panic"), "scim")
	resp, text := i.do("GET", "/scim/v2/Users?filter=userName%20eq%20%22ada%22", "")
	var body struct{ Status, Detail string }
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if resp.StatusCode != 500 || body.Status != "500" || resp.Header.Get("Content-Type") != "application/scim+json" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, text)
	}
	id := regexp.MustCompile(`[A-Z0-9]{10}`).FindString(body.Detail)
	written, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if id == "" || !strings.Contains(string(written), id) {
		t.Errorf("the log does not have the id %q:\n%s", id, written)
	}
	if strings.Contains(string(written)+text, "name of a person") {
		t.Error("the log or the answer has the value that panicked")
	}
}

func TestTokensInClearAreWarnedOf(t *testing.T) {
	i := newInstance(t)
	log := filepath.Join(i.dir, "log")
	i.load("log {\noutput file "+log+"\n}\nscim {\nstore memory\ntenant acme {\ntoken "+secret+"\n}\n}", "scim")
	written, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(written), "in clear") || strings.Contains(string(written), secret) {
		t.Errorf("want a warning without the token in\n%s", written)
	}
}
