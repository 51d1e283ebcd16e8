// Package attr is the value tree of SCIM: JSON with ordered members whose names
// compare without case (RFC 7643 §2.1). It knows no schema; what a decoder keeps
// is decided by the Guide that its caller hands in, so that a member which nobody
// wants never becomes a value.
package attr
