//go:build unix

package boltstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// A page of the mapped file that cannot be read is an error of the call and not
// the end of the process.
func TestFault(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scim.db")
	s := mustOpen(t, path)
	b := newUser("u1")
	b.Put[0].Record.Body = bytes.Repeat([]byte("x"), 1<<20)
	if _, err := s.Commit(t.Context(), acme, b); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), acme, store.User, "u1"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get: %v, want ErrUnavailable", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write(whole)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Stat(path); err != nil || got.Size() != info.Size() {
		t.Fatalf("restored %v, %v", got, err)
	}
	if !exists(t, s, "u1") {
		t.Error("the record is gone")
	}
	if _, err := s.Commit(t.Context(), acme, newUser("u2")); err != nil {
		t.Errorf("Commit: %v", err)
	}
}
