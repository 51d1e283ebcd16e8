// Package token mints, recognises and hashes the bearer tokens that provisioning
// clients present. It keeps nothing and knows no tenant: what it hands out once
// is only ever seen again as a hash.
package token
