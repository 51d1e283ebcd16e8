// Package filter reads SCIM filters and PATCH paths (RFC 7644 §3.4.2.2, §3.5.2)
// and evaluates filters on resources and on elements of multi-valued attributes.
// It knows no store: it tells which equalities a filter implies, and whoever has
// indexes chooses among them; and it never puts a filter's literals into an error.
package filter
