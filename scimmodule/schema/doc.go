// Package schema holds the attribute definitions of RFC 7643, the operator's
// extensions of them, and the views that a tenant's allow list makes of both. It
// must not know where resources are kept or how they are asked for.
//
// A View is the whitelist: a narrowed schema that steers decoding (what it does
// not know never becomes a value), resolves the paths of PATCH and filters, and
// is what /Schemas publishes.
package schema
