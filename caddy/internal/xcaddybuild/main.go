// Command xcaddybuild builds Caddy with this repository's module through xcaddy,
// as xcaddy.json says. It must not know versions of its own.
//
//	go run ./caddy/internal/xcaddybuild [-config xcaddy.json] [-output bin/caddy-scim-xcaddy]
//
// Without access to a module proxy, fill the module cache with an earlier
// "go build ./..." and set GOPROXY=off GOSUMDB=off.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	config := flag.String("config", "xcaddy.json", "an xcaddy.Builder in JSON")
	output := flag.String("output", filepath.Join("bin", "caddy-scim-xcaddy"), "the binary to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, *config, *output); err != nil {
		fmt.Fprintln(os.Stderr, "xcaddybuild:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, config, output string) error {
	b, err := load(config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return err
	}
	return b.Build(ctx, output)
}

// load reads a builder. Local replacements are relative to the file: xcaddy
// builds in a folder of its own.
func load(config string) (xcaddy.Builder, error) {
	var b xcaddy.Builder
	f, err := os.Open(config)
	if err != nil {
		return b, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return b, fmt.Errorf("%s: %w", config, err)
	}
	root, err := filepath.Abs(filepath.Dir(config))
	if err != nil {
		return b, err
	}
	for i, r := range b.Replacements {
		if strings.HasPrefix(string(r.New), ".") {
			b.Replacements[i].New = xcaddy.ReplacementPath(filepath.Join(root, string(r.New)))
		}
	}
	return b, nil
}
