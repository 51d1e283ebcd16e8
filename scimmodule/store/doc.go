// Package store says what a directory needs of a database: typed reads, and one
// conditional batch that is applied whole or not at all. It knows nothing of
// SCIM's rules: bodies are opaque bytes, and which index a value belongs to is
// the caller's business.
//
// The implementations are memstore, boltstore and redisstore; storetest holds
// the conformance suite that each of them must pass.
package store
