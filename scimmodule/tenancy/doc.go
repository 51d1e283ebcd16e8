// Package tenancy runs the tenants on a node: which there are, what settings are
// in force for each, whose token a request bears, how many requests pass, and
// the work that no request asks for. It must not know HTTP, nor how SCIM looks
// on the wire.
//
// What other nodes change is in force here within five seconds: everything that
// is read from the registry is trusted for [freshFor] at the most.
package tenancy
