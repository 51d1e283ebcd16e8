package caddy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/boltstore"
)

func init() { caddy.RegisterModule(BoltStore{}) }

// BoltStore keeps the directory in one file on the local disk. Only one Caddy
// can have the file open.
type BoltStore struct {
	// The path of the file. It is made, with the folders above it, if there is
	// none. Default: `scim/scim.db` in Caddy's data directory.
	Path string `json:"path,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (BoltStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "scim.stores.bolt", New: func() caddy.Module { return new(BoltStore) }}
}

// Source implements StoreModule.
func (b *BoltStore) Source(log store.LogLimit) (Source, error) {
	path, err := replace("store bolt", b.Path)
	if err != nil {
		return Source{}, err
	}
	if path == "" {
		path = filepath.Join(caddy.AppDataDir(), "scim", "scim.db")
	}
	file, err := realPath(path)
	if err != nil {
		return Source{}, fmt.Errorf("store bolt %s: %w", path, err)
	}
	return Source{
		Driver:   "bolt",
		Identity: "bolt:" + file,
		Fixed:    describeLog(log),
		Open: func(ctx context.Context) (store.Store, error) {
			return boltstore.Open(ctx, boltstore.Options{Path: file, Log: log})
		},
	}, nil
}

// realPath makes a path absolute and free of symbolic links, so that two
// spellings of one file are equal, also while the file does not exist.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for range 40 { // as many links as Linux follows
		real, err := filepath.EvalSymlinks(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return real, err
		}
		if target, err := os.Readlink(path); err == nil { // to a file that is to be made
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(path), target)
			}
			path = target
			continue
		}
		folder, err := realPath(filepath.Dir(path))
		return filepath.Join(folder, filepath.Base(path)), err
	}
	return "", errors.New("too many symbolic links")
}

// describeLog is a Source's Fixed of the stores that take the limit when they
// are opened.
func describeLog(log store.LogLimit) string {
	s := fmt.Sprintf("a change_log of %d entries", log.Entries)
	if log.MaxAge > 0 {
		s += fmt.Sprintf(" and %d seconds", log.MaxAge)
	}
	return s
}
