package faulty

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

const (
	// Token is the bearer token of the only tenant.
	Token = "static-faulty-0123456789"
	// Path is where the base URL is below the server's address.
	Path = "/scim/v2"
)

// Fault is the id of a finding of the corpus, planted as a fault.
type Fault string

// None is a server without a fault.
const None Fault = ""

// Faults returns those that can be planted, by name.
func Faults() []Fault {
	fs := make([]Fault, 0, len(plants))
	for f := range plants {
		fs = append(fs, f)
	}
	slices.Sort(fs)
	return fs
}

// Server is a service with a fault.
type Server struct {
	http.Handler
	// Sound is the same service without it.
	Sound http.Handler
}

// New returns a service with one fault, on a store in memory that keeps all
// attributes and has some people and a group, who are not the doctor's. It
// panics on a fault that is not among Faults.
func New(f Fault) *Server {
	svc, err := scimmodule.New(scimmodule.Options{
		Store: memstore.New(store.LogLimit{}),
		Tenants: []scimmodule.Tenant{{
			Name: "acme", Tokens: []string{Token},
			Settings: scimmodule.Settings{Allow: []string{"*"}, Rate: new(registry.Rate)},
		}},
	})
	if err != nil {
		panic(fmt.Errorf("faulty: %w", err))
	}
	sound := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		svc.Serve(w, r, scimmodule.Target{Path: strings.TrimPrefix(r.URL.Path, Path), Base: "http://" + r.Host + Path})
	})
	settle(sound)
	if f == None {
		return &Server{sound, sound}
	}
	make, ok := plants[f]
	if !ok {
		panic("faulty: no fault is called " + string(f))
	}
	plant := make()
	planted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, err := newExchange(sound, r)
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		plant(x)
		x.finish(w)
	})
	return &Server{planted, sound}
}

// Residents are who was there before: the userNames of two users and the
// displayName of the group that they are in.
var Residents = [3]string{"resident.one@example.com", "resident.two@example.com", "Residents"}

func settle(h http.Handler) {
	post := func(path, body string) string {
		r := httptest.NewRequest(http.MethodPost, Path+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+Token)
		r.Header.Set("Content-Type", "application/scim+json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusCreated {
			panic(fmt.Sprintf("faulty: POST %s: %d %s", path, w.Code, w.Body))
		}
		return word(decode(w.Body.Bytes()), "id")
	}
	const user = `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": %q, "active": true}`
	one, two := post("/Users", fmt.Sprintf(user, Residents[0])), post("/Users", fmt.Sprintf(user, Residents[1]))
	post("/Groups", fmt.Sprintf(`{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": %q,
		"members": [{"value": %q}, {"value": %q}]}`, Residents[2], one, two))
}
