// Package scimmodule is a SCIM 2.0 service provider (RFC 7643, RFC 7644) for any
// net/http server: it authenticates provisioning clients, routes their requests
// to the directories of their tenants and speaks the protocol. It must not know
// Caddy, nor which database is behind the store.
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
package scimmodule
