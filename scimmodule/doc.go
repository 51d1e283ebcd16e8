// Package scimmodule is a SCIM 2.0 service provider (RFC 7643, RFC 7644) for any
// net/http server: it routes the requests of provisioning clients to the
// directories of their tenants and speaks the protocol. It must not know Caddy,
// nor which database is behind the store.
//
// The packages below, in reading order:
//
//   - scimerr: the one error type that may reach a client
//   - attr: the value tree; JSON in and out
//   - schema: attribute definitions, and the allow list as a narrowed schema
//   - filter: filters and paths, parsed, printed and evaluated
//   - patch: PATCH on the value tree, with the dialects of real clients
//   - store: what is asked of a database; memstore, boltstore, redisstore
//   - directory: the product's rules: use cases over a store
//   - token: bearer tokens, minted, parsed and hashed
//   - registry: tenants and tokens as operators make them at run time
//   - guard: how many requests and how many wrong tokens pass
//   - report: which attributes arrive, and whether provisioning works
//   - lease: work that one node does for all
//   - transfer: export and import
//   - tenancy: what is in force for a tenant on this node, and who asks
//   - setup: the card for a customer's administrator
//   - admin: all of it for those who run the service, as JSON over HTTP
package scimmodule
