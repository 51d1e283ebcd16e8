package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func mustOpen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestOpenModes(t *testing.T) {
	t.Parallel()
	top := filepath.Join(t.TempDir(), "new")
	path := filepath.Join(top, "deeper", "scim.db")
	mustOpen(t, path)
	for name, want := range map[string]os.FileMode{
		top: 0o700 | os.ModeDir, filepath.Dir(path): 0o700 | os.ModeDir, path: 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %s = %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestOpenLocked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scim.db")
	first := mustOpen(t, path)
	_, err := Open(t.Context(), Options{Path: path, Timeout: 10 * time.Millisecond})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Fatalf("error = %v, want ErrLocked naming %s", err, path)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, Options{Path: path, Timeout: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error = %v, want the context's", err)
	}

	// A waiting Open gets the file as soon as it is free.
	opened := make(chan error)
	go func() {
		second, err := Open(t.Context(), Options{Path: path, Timeout: time.Minute})
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	withBucket := func(name string, format []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bolt.Tx) error {
				b, err := tx.CreateBucket([]byte(name))
				if err != nil {
					return err
				}
				return b.Put([]byte(formatKey), format)
			})
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(data []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"text", write(bytes.Repeat([]byte("no database "), 2000)), "is not a bbolt database, or is damaged"},
		{"a short file", write([]byte("x")), "is not a bbolt database, or is damaged"},
		{"zeros", write(make([]byte, 64<<10)), "is not a bbolt database, or is damaged"},
		{"another program's database", withBucket("other", []byte("x")), "is the bbolt database of another program"},
		{"a newer format", withBucket(metaBucket, binary.BigEndian.AppendUint32(nil, format+1)), "has format 2, this version knows 1"},
		{"no format", withBucket(metaBucket, []byte("x")), "has no format version"},
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "cannot open"},
		{"a cut off file", func(t *testing.T, path string) {
			fill(t, path)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()/2); err != nil {
				t.Fatal(err)
			}
		}, "restore a backup"},
		{"a file cut off after its head", func(t *testing.T, path string) {
			fill(t, path)
			if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
				t.Fatal(err)
			}
		}, "restore a backup"},
		{"damaged free list", func(t *testing.T, path string) {
			fill(t, path)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			clear(data[2*os.Getpagesize():])
			write(data)(t, path)
		}, "is not a bbolt database, or is damaged"},
		{"damaged pages beside a whole free list", func(t *testing.T, path string) {
			fill(t, path)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			size, keep := os.Getpagesize(), map[uint64]bool{0: true, 1: true}
			for meta := range 2 { // bbolt's meta pages name the page of the free list
				keep[binary.NativeEndian.Uint64(data[meta*size+48:])] = true
			}
			for page := range len(data) / size {
				if !keep[uint64(page)] {
					for i := page * size; i < (page+1)*size; i++ {
						data[i] = 0xa5
					}
				}
			}
			write(data)(t, path)
		}, "is not a bbolt database, or is damaged"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "scim.db")
			test.make(t, path)
			for range 2 { // the first must have let go of the file
				s, err := Open(t.Context(), Options{Path: path, Timeout: 10 * time.Millisecond})
				if err == nil {
					t.Fatal("opened", s.Close())
				}
				if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
					t.Fatalf("error = %v, want %q and the path", err, test.want)
				}
			}
		})
	}
}

// fill makes a database of some size.
func fill(t *testing.T, path string) {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		_, err := s.Commit(t.Context(), "acme", &store.Batch{Time: time.Now(), Put: []store.Put{{Record: store.Record{
			Kind: store.User, ID: string(rune('a' + i)), Body: bytes.Repeat([]byte("x"), 100_000),
		}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenBadOptions(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"no path", Options{}, "no path"},
		{"a file for a folder", Options{Path: filepath.Join(file, "scim.db")}, filepath.Join(file, "scim.db")},
		{"a file above the folder", Options{Path: filepath.Join(file, "x", "scim.db")}, "cannot make the folder"},
		{"negative entries", Options{Path: file, Log: store.LogLimit{Entries: -1}}, "negative"},
		{"negative age", Options{Path: file, Log: store.LogLimit{MaxAge: -1}}, "negative"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error = %v, want %q", err, test.want)
			}
		})
	}
}
