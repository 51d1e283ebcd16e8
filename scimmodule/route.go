package scimmodule

import (
	"net/http"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// route finds what a path and method ask for (RFC 7644 §3.2). Endpoint names are
// taken in any case.
func (x *exchange) route(path []string) error {
	if len(path) == 0 {
		return x.methods(methods{http.MethodGet: func() error { return x.queryURL(store.User, store.Group) }})
	}
	switch strings.ToLower(path[0]) {
	case "users":
		return x.resourceRoute(store.User, path[1:])
	case "groups":
		return x.resourceRoute(store.Group, path[1:])
	case ".search":
		if len(path) == 1 {
			return x.methods(methods{http.MethodPost: func() error { return x.querySearch(store.User, store.Group) }})
		}
	case "bulk":
		if len(path) == 1 {
			return x.methods(methods{http.MethodPost: x.bulk})
		}
	case "me":
		// RFC 7644 §3.11: a token stands for a client, not for a user.
		return scimerr.New(http.StatusNotImplemented, scimerr.None, "The alias /Me is not supported: the bearer token stands for a provisioning client, not for a user.")
	case "serviceproviderconfig":
		if len(path) == 1 {
			return x.discovery(func() error { return x.serviceProviderConfig() })
		}
	case "resourcetypes":
		if len(path) <= 2 {
			return x.discovery(func() error { return x.resourceTypes(path[1:]) })
		}
	case "schemas":
		if len(path) <= 2 {
			return x.discovery(func() error { return x.schemas(path[1:]) })
		}
	}
	return unknownRoute()
}

func unknownRoute() error {
	return scimerr.New(http.StatusNotFound, scimerr.None, "There is nothing at this address. The endpoints are /Users, /Groups, /.search, /Bulk, /ServiceProviderConfig, /ResourceTypes and /Schemas.")
}

func (x *exchange) resourceRoute(k store.Kind, path []string) error {
	x.resourceType = x.dir.View(k).Type.Name
	switch {
	case len(path) == 0:
		return x.methods(methods{
			http.MethodGet:  func() error { return x.queryURL(k) },
			http.MethodPost: func() error { return x.create(k) },
		})
	case len(path) == 1 && strings.EqualFold(path[0], ".search"):
		return x.methods(methods{http.MethodPost: func() error { return x.querySearch(k) }})
	case len(path) == 1:
		id := path[0]
		return x.methods(methods{
			http.MethodGet:    func() error { return x.read(k, id) },
			http.MethodPut:    func() error { return x.replace(k, id) },
			http.MethodPatch:  func() error { return x.patch(k, id) },
			http.MethodDelete: func() error { return x.remove(k, id) },
		})
	}
	return unknownRoute()
}

// methods are what a path can do, by HTTP method.
type methods map[string]func() error

func (x *exchange) methods(m methods) error {
	method := x.r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	if f, ok := m[method]; ok {
		return f()
	}
	var allowed []string
	for _, name := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if m[name] != nil {
			allowed = append(allowed, name)
		}
	}
	return x.allow(strings.Join(allowed, ", "))
}

func (x *exchange) discovery(f func() error) error {
	x.operation = "discovery"
	return x.methods(methods{http.MethodGet: func() error {
		v, err := parameters(x.r.URL.RawQuery)
		if err != nil {
			return err
		}
		if v.Has("filter") {
			// RFC 7644 §4: so that nobody takes the whole for the filtered.
			return scimerr.New(http.StatusForbidden, scimerr.None, "The discovery endpoints cannot be filtered.")
		}
		return f()
	}})
}
