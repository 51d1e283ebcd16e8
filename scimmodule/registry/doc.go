// Package registry keeps the tenants and their tokens: what operators say at run
// time, as records of the system tenant, shared by all nodes. It must not know
// SCIM, HTTP, or what a tenant's users and groups look like.
package registry
