// Package scimerr holds the one error type that may reach a provisioning client.
// It must not carry internals or values of other resources: whatever is not a
// *scimerr.Error is answered as a 500 that reveals nothing (RFC 7644 §3.12).
package scimerr
