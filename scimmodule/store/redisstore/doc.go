// Package redisstore keeps a directory in Redis or Valkey, in the layout that
// docs/redis-layout.md describes: a versioned contract with the application
// that reads it. It must not know SCIM's rules, nor touch a key that a script
// does not declare: the tenant's slot may be on another node by then.
package redisstore
