package boltstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// ErrLocked says that another process, or this one, has the file open.
var ErrLocked = errors.New("database file is locked by another process")

// DefaultTimeout is how long Open waits for a locked file.
const DefaultTimeout = 2 * time.Second

// maxAge is the longest age that can be counted in milliseconds: 30,000 years.
const maxAge = 1_000_000_000_000

// lockRetry is how often Open tries to lock the file.
const lockRetry = 50 * time.Millisecond

// Options tells Open what to open.
type Options struct {
	// Path is the database file. It is made (mode 0600), and so are missing
	// folders above it (mode 0700).
	Path string
	// Timeout is how long to wait while the file is locked; 0 for DefaultTimeout.
	Timeout time.Duration
	// Log bounds the change log of each tenant.
	Log store.LogLimit
}

// Open opens the database file, and makes it where there is none. Errors name
// the path and what to do; ErrLocked (wrapped) where the file stays locked for
// Options.Timeout.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Path == "" {
		return nil, errors.New("boltstore: no path is given")
	}
	if o.Log.Entries < 0 || o.Log.MaxAge < 0 {
		return nil, fmt.Errorf("boltstore: negative limit of the change log: %d entries, %d seconds", o.Log.Entries, o.Log.MaxAge)
	}
	if o.Log.Entries == 0 {
		o.Log.Entries = store.DefaultLogEntries
	}
	o.Log.MaxAge = min(o.Log.MaxAge, maxAge)
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("boltstore: %w", err)
	}
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("boltstore: cannot make the folder of %s; choose a path that may be written or make it yourself: %w", path, err)
	}
	db, err := openLocked(ctx, path, o.Timeout)
	if err != nil {
		return nil, explain(path, err)
	}
	if err := prepare(db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{db: db, limit: o.Log}, nil
}

// makeFolder makes dir and what is missing above it, and syncs the folders that
// got an entry, so that a power cut does not take away a file with
// acknowledged commits.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil // writable but not readable: the sync is the system's business
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openLocked tries until the file's lock is had, the timeout is over or the
// context ends. bbolt itself can wait, but knows no context.
func openLocked(ctx context.Context, path string, timeout time.Duration) (*bolt.DB, error) {
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(lockRetry)
	defer tick.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		db, err := openFile(path)
		if !errors.Is(err, bolterrors.ErrTimeout) {
			return db, err
		}
		if time.Now().After(deadline) {
			return nil, ErrLocked
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// openFile tries once. bbolt panics on some damaged files, and reads beyond the
// end of a file that was cut off: both become errors here, with the file closed.
func openFile(path string) (db *bolt.DB, err error) {
	var file *os.File
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, errors.Join(fmt.Errorf("%w: %v", bolterrors.ErrInvalid, r), unlock(file), file.Close())
		}
	}()
	return bolt.Open(path, 0o600, &bolt.Options{
		Timeout:      time.Nanosecond, // a single try
		FreelistType: bolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
}

// explain says what to do about an error of opening the file.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, ErrLocked):
		return fmt.Errorf("boltstore: cannot open %s; stop the other process or choose another path: %w", path, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("boltstore: gave up opening %s: %w", path, err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return fmt.Errorf("boltstore: %s is not a bbolt database, or is damaged; move it away or restore a backup: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("boltstore: %s may not be read and written; give the server's user the right to: %w", path, err)
	}
	return fmt.Errorf("boltstore: cannot open %s; it must be a file on a local disk with space left: %w", path, err)
}

// prepare checks that the file is whole and ours, and marks a new one.
func prepare(db *bolt.DB, path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil { // as in openFile
			err = explain(path, fmt.Errorf("%w: %v", bolterrors.ErrInvalid, r))
		}
	}()
	fresh := false
	err = db.View(func(tx *bolt.Tx) error {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("boltstore: %w", err)
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("boltstore: %s is cut off (%d of %d bytes); restore a backup", path, info.Size(), tx.Size())
		}
		b := tx.Bucket([]byte(metaBucket))
		if b == nil {
			if name, _ := tx.Cursor().First(); name != nil {
				return fmt.Errorf("boltstore: %s is the bbolt database of another program; choose another path", path)
			}
			fresh = true
			return nil
		}
		v := b.Get([]byte(formatKey))
		if len(v) != 4 {
			return fmt.Errorf("boltstore: %s has no format version, it is damaged; restore a backup", path)
		}
		if got := binary.BigEndian.Uint32(v); got != format {
			return fmt.Errorf("boltstore: %s has format %d, this version knows %d; use the version that wrote it, or a newer one", path, got, format)
		}
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte(metaBucket))
		if err != nil {
			return err
		}
		return b.Put([]byte(formatKey), binary.BigEndian.AppendUint32(nil, format))
	})
	if err != nil {
		return fmt.Errorf("boltstore: cannot write %s; it must be on a local disk with space left: %w", path, err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("boltstore: cannot sync the folder of %s: %w", path, err)
	}
	return nil
}
