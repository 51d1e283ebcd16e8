// Package caddy plugs the SCIM service into the Caddy web server: the app, its
// stores, the HTTP handler, the Caddyfile, admin routes, commands and metrics.
// It must not know SCIM's rules or its wire format: those are scimmodule's.
package caddy
