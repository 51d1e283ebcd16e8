// Package admin is the administrative API: tenants, tokens, users, archive,
// report, export and import, as JSON over HTTP. It must not be reachable by
// those who provision: it asks for no token, and whoever mounts it (Caddy's
// admin endpoint does) decides who gets there.
package admin
