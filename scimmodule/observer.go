package scimmodule

import (
	"context"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/tenancy"
)

// Observer is told what happens, for metrics and traces. Its methods must not
// block. No label of a tenant, a person or a client's words reaches it but the
// names that its methods list.
type Observer interface {
	// Request tells of a finished request, in the request's context.
	Request(ctx context.Context, e Exchange)
	// Dropped tells that an attribute was not kept, n times: by its name where a
	// schema of the RFC defines it, else as "other".
	Dropped(attribute string, n int)
	// Limited tells that a request met a limit, by the limit's name in the
	// configuration, or "rate" or "authentication".
	Limited(limit string)

	tenancy.Observer
}

// Exchange is a finished request.
type Exchange struct {
	// Operation is one of create, read, replace, patch, delete, query, bulk,
	// discovery and other.
	Operation string
	// ResourceType is User, Group or empty.
	ResourceType string
	Status       int
	Duration     time.Duration
}

// deaf is the observer of a service without one.
type deaf struct{}

func (deaf) Request(context.Context, Exchange) {}
func (deaf) Dropped(string, int)               {}
func (deaf) Authenticated(string)              {}
func (deaf) Limited(string)                    {}
func (deaf) Users(string, int)                 {}
func (deaf) Housekeeping(bool, time.Duration)  {}
func (deaf) Tenants(int, int)                  {}
func (deaf) Tokens(int, int, time.Time)        {}
