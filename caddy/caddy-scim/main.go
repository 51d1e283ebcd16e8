// Command caddy-scim is Caddy with its standard modules and the SCIM endpoint.
package main

import (
	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-scim/caddy-scim/caddy"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	caddy.CustomBinaryName = "caddy-scim"
	caddycmd.Main()
}
