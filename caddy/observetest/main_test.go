// Package observetest tests what an operator sees of the real binary: traces as
// an OpenTelemetry collector gets them, and metrics as Prometheus scrapes them.
package observetest

import (
	"os"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }
