package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMatchesModule keeps xcaddy.json equal to go.mod.
func TestMatchesModule(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	b, err := load(filepath.Join(root, "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var module, caddyVersion string
	for line := range strings.Lines(string(text)) {
		switch f := strings.Fields(line); {
		case len(f) > 1 && f[0] == "module":
			module = f[1]
		case len(f) > 1 && f[0] == "github.com/caddyserver/caddy/v2":
			caddyVersion = f[1]
		}
	}
	if b.CaddyVersion != caddyVersion {
		t.Errorf("xcaddy.json builds Caddy %s, go.mod requires %s", b.CaddyVersion, caddyVersion)
	}
	if len(b.Plugins) != 1 || b.Plugins[0].PackagePath != module+"/caddy" {
		t.Errorf("plugins = %+v, want only %s/caddy", b.Plugins, module)
	}
	if len(b.Replacements) != 1 || string(b.Replacements[0].Old) != module || string(b.Replacements[0].New) != root {
		t.Errorf("replacements = %+v, want only %s => %s", b.Replacements, module, root)
	}
	if _, err := os.Stat(filepath.Join(root, "caddy", "caddy-scim", "main.go")); err != nil {
		t.Error(err)
	}
}

func TestLoadRefusesUnknownFields(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "xcaddy.json")
	if err := os.WriteFile(file, []byte(`{"caddy_versoin":"v2.11.9"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(file); err == nil {
		t.Error("a misspelt field was accepted")
	}
}
