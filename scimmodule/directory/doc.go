// Package directory holds the rules of the product: what becomes of a tenant's
// users and groups when a provisioning client creates, changes, deletes or asks
// for them. It must not know HTTP, nor which database is behind the store.
package directory
