package faulty_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
	"github.com/caddy-scim/caddy-scim/interop/doctor"
	"github.com/caddy-scim/caddy-scim/interop/faulty"
)

// The doctor finds each fault, and nothing else; without one it finds nothing.
func TestDoctorFindsTheFault(t *testing.T) {
	t.Parallel()
	c, err := corpus.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append([]faulty.Fault{faulty.None}, played()...) {
		t.Run(string("fault="+f), func(t *testing.T) {
			t.Parallel()
			h := faulty.New(f)
			before := everybody(t, h.Sound)
			s := httptest.NewServer(h)
			defer s.Close()
			r, err := doctor.Run(t.Context(), doctor.Options{
				BaseURL: s.URL + faulty.Path, Token: faulty.Token, Corpus: c, Allow: "*",
				Rate: 1e6, MaxRequests: 100_000, PlayOn: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, found := range r.Findings {
				got = append(got, found.ID)
			}
			slices.Sort(got)
			if f != faulty.None {
				want = []string{string(f)}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("findings (-want +got):\n%s%s", d, others(r, string(f)))
			}
			if r.Stopped != "" || r.Interrupted {
				t.Errorf("the run ended early: %q", r.Stopped)
			}
			after := everybody(t, h.Sound)
			for _, line := range before {
				if !slices.Contains(after, line) {
					t.Errorf("who was there before is changed or gone: %s", line)
				}
			}
			if n := len(after) - len(before); n > len(r.Leftovers) {
				t.Errorf("%d probes are left, of which the doctor knows of %d:\n%s", n, len(r.Leftovers), strings.Join(after, "\n"))
			}
		})
	}
}

// everybody returns the users and groups that there are, each as JSON.
func everybody(t *testing.T, h http.Handler) []string {
	t.Helper()
	var all []string
	for _, endpoint := range []string{"/Users", "/Groups"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, faulty.Path+endpoint, nil)
		r.Header.Set("Authorization", "Bearer "+faulty.Token)
		r.Host = "example.com"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var list struct{ Resources []json.RawMessage }
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", endpoint, w.Code, w.Body)
		}
		for _, o := range list.Resources {
			all = append(all, string(o))
		}
	}
	return all
}

// others lists the steps that came to another finding than the fault.
func others(r *doctor.Report, fault string) string {
	var b strings.Builder
	for _, c := range r.Clients {
		for _, f := range c.Files {
			if p := f.Problem; p != nil && p.Finding != fault {
				got := "nothing"
				if p.Received != nil {
					got = p.Received.Line
				}
				fmt.Fprintf(&b, "%s:%d: %s: %s (%s; %s)\n", f.Name, p.Line, p.Step, p.Finding, p.Sent.Line, got)
			}
		}
	}
	return b.String()
}

// Every fault is one that the corpus knows.
func TestFaultsHaveFindings(t *testing.T) {
	t.Parallel()
	c, err := corpus.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faulty.Faults() {
		if c.Findings[string(f)] == nil {
			t.Errorf("%s: the corpus has no such finding", f)
		}
	}
}

// A fault that nobody has planted is a mistake of the caller.
func TestUnknownFault(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("New did not panic")
		}
	}()
	faulty.New("no-such-fault")
}
