package caddy

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-scim/caddy-scim/caddy/internal/command"
)

func init() { caddycmd.RegisterCommand(command.Scim()) }
