package corpus_test

import (
	"testing"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

// All files parse, and files and findings fit together.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	c, err := corpus.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files) == 0 {
		t.Error("there are no files")
	}
}
