package caddy

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// separator stands between a Caddyfile and what becomes of it: JSON, or an error.
const separator = "\n----------\n"

func TestAdapt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(text), separator)
			var got string
			if out, err := tryAdapt(in); err != nil {
				got = err.Error() + "\n"
			} else {
				var indented bytes.Buffer
				if err := json.Indent(&indented, out, "", "\t"); err != nil {
					t.Fatal(err)
				}
				got = indented.String() + "\n"
			}
			if *update {
				if err := os.WriteFile(file, []byte(in+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestExampleIsFormatted(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(caddyfile.Format(text)), string(text)); diff != "" {
		t.Errorf("caddy fmt would change it, -formatted +file:\n%s", diff)
	}
}
