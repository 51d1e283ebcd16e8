package simulate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

const secret = "simulate-0123456789-abcdef"

// server is our own service; wrap may stand in front of it.
func server(t *testing.T, allow []string, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	svc, err := scimmodule.New(scimmodule.Options{
		Store:    memstore.New(store.LogLimit{}),
		Tenants:  []scimmodule.Tenant{{Name: "acme", Tokens: []string{secret}}},
		Defaults: scimmodule.Settings{Allow: allow, Rate: new(registry.Rate)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		svc.Serve(w, r, scimmodule.Target{Path: strings.TrimPrefix(r.URL.Path, "/scim/v2"), Base: "http://" + r.Host + "/scim/v2", Client: netip.Addr{}})
	})
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/scim/v2"
}

// The end state equals the directory, with each list and in both dialects.
func TestEndState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		allow []string
		flag  bool
	}{
		{"default", []string{"default"}, false}, {"default, with the flag", []string{"default"}, true},
		{"everything", []string{"*"}, false}, {"everything, with the flag", []string{"*"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var lines atomic.Int32
			r, err := Run(t.Context(), Options{
				BaseURL: server(t, c.allow, nil), Token: secret, Users: 200, Groups: 10, Cycles: 5, Seed: 7, Flag: c.flag,
				Progress: func(string) { lines.Add(1) },
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Differences) > 0 {
				t.Errorf("%d differences: %q", len(r.Differences), r.Differences[:min(10, len(r.Differences))])
			}
			var all Events
			for _, e := range r.Cycles[1:] {
				all.Joiners, all.Movers, all.Leavers, all.Purged = all.Joiners+e.Joiners, all.Movers+e.Movers, all.Leavers+e.Leavers, all.Purged+e.Purged
				all.Rehired, all.Regroup = all.Rehired+e.Rehired, all.Regroup+e.Regroup
			}
			if all.Joiners == 0 || all.Movers == 0 || all.Leavers == 0 || all.Purged == 0 || all.Rehired == 0 || all.Regroup == 0 {
				t.Errorf("a dull company: %+v", all)
			}
			if lines.Load() == 0 {
				t.Error("no progress")
			}
		})
	}
}

// Two runs of a seed send the same, but for ids.
func TestReproducible(t *testing.T) {
	t.Parallel()
	record := func(seed uint64) []string {
		var sent []string
		url := server(t, []string{"*"}, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				path := r.URL.Path
				if parts := strings.Split(path, "/"); len(parts) > 4 {
					path = parts[3]
				}
				query := r.URL.RawQuery
				if strings.HasPrefix(query, "filter=id") {
					query = "manager"
				}
				sent = append(sent, r.Method+" "+path+" "+query)
				h.ServeHTTP(w, r)
			})
		})
		if _, err := Run(t.Context(), Options{BaseURL: url, Token: secret, Users: 30, Groups: 4, Cycles: 3, Seed: seed}); err != nil {
			t.Fatal(err)
		}
		return sent
	}
	first := record(1)
	if diff := cmp.Diff(first, record(1)); diff != "" {
		t.Errorf("another run of the seed:\n%s", diff)
	}
	if slices.Equal(first, record(2)) {
		t.Error("another seed sends the same")
	}
}

// A change that the server loses is told.
func TestLostChanges(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(r *http.Request) bool{
		"changes of users":  func(r *http.Request) bool { return r.Method == "PATCH" && strings.Contains(r.URL.Path, "/Users/") },
		"changes of groups": func(r *http.Request) bool { return r.Method == "PATCH" && strings.Contains(r.URL.Path, "/Groups/") },
		"deletions":         func(r *http.Request) bool { return r.Method == "DELETE" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := server(t, []string{"*"}, func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if lose(r) {
						w.WriteHeader(http.StatusNoContent)
						return
					}
					h.ServeHTTP(w, r)
				})
			})
			r, err := Run(t.Context(), Options{BaseURL: url, Token: secret, Users: 100, Groups: 5, Cycles: 5, Seed: 3})
			if err == nil && len(r.Differences) == 0 {
				t.Error("nothing is told")
			}
		})
	}
}

// What asks to wait is sent again; what is refused ends the run.
func TestAnswers(t *testing.T) {
	t.Parallel()
	n := 0
	url := server(t, []string{"default"}, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n++; n == 3 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	if r, err := Run(t.Context(), Options{BaseURL: url, Token: secret, Users: 2, Cycles: 1}); err != nil || len(r.Differences) > 0 {
		t.Errorf("%v, %v", err, r.Differences)
	}
	var refused *StatusError
	_, err := Run(t.Context(), Options{BaseURL: url, Token: "wrong", Users: 2, Cycles: 1})
	if !errors.As(err, &refused) || refused.Status != 401 || refused.Detail == "" || strings.Contains(err.Error(), "?") {
		t.Errorf("with a wrong token: %v", err)
	}
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer html.Close()
	if _, err := Run(t.Context(), Options{BaseURL: html.URL, Token: secret, Users: 2, Cycles: 1}); err == nil || !strings.Contains(err.Error(), "SCIM endpoint") {
		t.Errorf("a page: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, Options{BaseURL: url, Token: secret, Users: 1000, Cycles: 1, Rate: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("interrupted: %v", err)
	}
}

// Whom the run has not made is left alone, also where the server answers a filter
// with somebody else.
func TestLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	changed := 0
	url := server(t, []string{"*"}, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch || r.Method == http.MethodDelete || r.Method == http.MethodPut {
				changed++
			}
			if strings.HasPrefix(r.URL.RawQuery, "filter=userName") {
				r.URL.RawQuery = "" // a filter that is ignored
			}
			h.ServeHTTP(w, r)
		})
	})
	o := Options{BaseURL: url, Token: secret, Users: 1, Cycles: 1}
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	changed = 0
	for _, seed := range []uint64{0, 9} {
		o.Seed = seed
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrTaken) || changed > 0 {
			t.Errorf("seed %d: %v, %d changes", seed, err, changed)
		}
	}
}

// The token does not follow a redirect.
func TestRedirect(t *testing.T) {
	t.Parallel()
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	var refused *StatusError
	if _, err := Run(t.Context(), Options{BaseURL: s.URL, Token: secret, Users: 1, Cycles: 1}); !errors.As(err, &refused) || asked {
		t.Errorf("%v, asked %t", err, asked)
	}
}

// A company without groups lives on.
func TestNoGroups(t *testing.T) {
	t.Parallel()
	r, err := Run(t.Context(), Options{BaseURL: server(t, []string{"default"}, nil), Token: secret, Users: 20, Cycles: 4, Seed: 5})
	if err != nil || len(r.Differences) > 0 {
		t.Errorf("%v, %q", err, r.Differences)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no URL":        {Users: 1, Cycles: 1},
		"a path":        {BaseURL: "/scim/v2", Users: 1, Cycles: 1},
		"a query":       {BaseURL: "https://h/scim?x", Users: 1, Cycles: 1},
		"no cycle":      {BaseURL: "https://h", Users: 1},
		"nobody":        {BaseURL: "https://h", Cycles: 1},
		"too fast":      {BaseURL: "https://h", Users: 1, Cycles: 1, Rate: 2_000_000_000},
		"a user in it":  {BaseURL: "https://u:p@h", Users: 1, Cycles: 1},
		"negative rate": {BaseURL: "https://h", Users: 1, Cycles: 1, Rate: -1},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	const users = "userName,givenName,familyName,department,groups\nada@x.example,Ada,L,R&D,Crew;Board\nbob@x.example,Bob,,,Crew\n"
	r, err := Run(t.Context(), Options{BaseURL: server(t, []string{"*"}, nil), Token: secret, CSV: strings.NewReader(users), Cycles: 1})
	if err != nil || len(r.Differences) > 0 || r.Users != 2 || r.Groups != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "first line"},
		"an odd column":    {"userName,secret\n", "not known"},
		"no userName":      {"givenName\nAda\n", "no column userName"},
		"an empty name":    {"userName\n\"\"\n", "line 2"},
		"somebody twice":   {"userName\na\na\n", "line 3"},
		"a field too many": {"userName\na,s3cr3t\n", "line 2"},
	} {
		_, err := Run(t.Context(), Options{BaseURL: "http://127.0.0.1:1", CSV: strings.NewReader(c.text), Cycles: 1})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("userName,groups\na,b;c\n")
	f.Add("userName\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		c := newCompany(1)
		if err := c.readCSV(strings.NewReader(text)); err == nil {
			for _, p := range c.people {
				if p.upn == "" {
					t.Error("somebody without a name")
				}
			}
		}
	})
}
