package scimmodule

import (
	"errors"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
)

// Limits bound what a request may ask for, before work is done. A zero field
// takes the default.
type Limits struct {
	Body                int64 // bytes of a request body, bulk included; default 4 MiB
	Depth               int   // nesting of JSON; default 16
	StringBytes         int   // bytes of one string; default 64 KiB
	PatchOperations     int   // operations of one PATCH; default 1,000
	BulkOperations      int   // operations of one bulk request; default 1,000
	MembersPerRequest   int   // members that one request names; default 20,000
	CreationsPerRequest int   // users created from members by one request; default 5,000
	FilterBytes         int   // bytes of a filter; default 4 KiB
	FilterDepth         int   // nesting of a filter; default 20
	FilterTerms         int   // comparisons in a filter; default 50
	DefaultPage         int   // resources in an answer that asks for no count; default 100
	Page                int   // resources in one answer; default 200
	ScanBudget          int   // records that a query without an index looks at; default 50,000
}

// check refuses limits that are negative.
func (l Limits) check() error {
	for _, n := range []int{int(min(l.Body, 0)), l.Depth, l.StringBytes, l.PatchOperations, l.BulkOperations, l.MembersPerRequest, l.CreationsPerRequest,
		l.FilterBytes, l.FilterDepth, l.FilterTerms, l.DefaultPage, l.Page, l.ScanBudget} {
		if n < 0 {
			return errors.New("limits: a limit is negative")
		}
	}
	return nil
}

func (l Limits) withDefaults() Limits {
	if l.Body == 0 {
		l.Body = 4 << 20
	}
	for _, f := range []struct {
		n        *int
		fallback int
	}{
		{&l.Depth, 16},
		{&l.StringBytes, 64 << 10},
		{&l.PatchOperations, 1000},
		{&l.BulkOperations, 1000},
		{&l.MembersPerRequest, 20_000},
		{&l.CreationsPerRequest, 5000},
		{&l.FilterBytes, 4 << 10},
		{&l.FilterDepth, 20},
		{&l.FilterTerms, 50},
		{&l.DefaultPage, 100},
		{&l.Page, 200},
		{&l.ScanBudget, 50_000},
	} {
		if *f.n == 0 {
			*f.n = f.fallback
		}
	}
	return l
}

// json returns the limits of a resource or PATCH body.
func (l Limits) json() attr.Limits {
	return attr.Limits{Depth: l.Depth, String: l.StringBytes, Elements: l.MembersPerRequest}
}

func (l Limits) filter() filter.Limits {
	return filter.Limits{Length: l.FilterBytes, Depth: l.FilterDepth, Terms: l.FilterTerms}
}
