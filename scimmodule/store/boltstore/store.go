package boltstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Store is a store.Store over one bbolt file.
type Store struct {
	db    *bolt.DB
	limit store.LogLimit
	queue queue
}

var _ store.Store = (*Store)(nil)

// view runs f on a tenant in a read transaction.
func (s *Store) view(ctx context.Context, name string, f func(t *tenant) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.read(func(tx *bolt.Tx) error {
		t, err := openTenant(tx, name)
		if err != nil {
			return err
		}
		return f(t)
	})
}

// read runs f in a read transaction.
func (s *Store) read(f func(tx *bolt.Tx) error) error {
	var inner error
	err := guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			inner = f(tx)
			return inner
		})
	})
	if err != nil && inner == nil {
		return unavailable(err) // bbolt's own error
	}
	return err
}

// update runs f in a write transaction.
func (s *Store) update(f func(tx *bolt.Tx) error) error {
	return guard(func() error { return s.db.Update(f) })
}

// guard makes an error of a page that the disk fails to deliver. It shows as a
// fault in mapped memory, which would end the process. Other panics go on.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		fault, ok := r.(interface {
			runtime.Error
			Addr() uintptr
		})
		if !ok {
			panic(r)
		}
		err = unavailable(fault)
	}()
	return f()
}

// Ready implements store.Store by a read of the format's version.
func (s *Store) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.read(func(tx *bolt.Tx) error {
		if tx.Bucket([]byte(metaBucket)) == nil {
			return errDamaged
		}
		return nil
	})
}

// Close waits for commits and reads under way, and closes the file. Later calls
// return ErrUnavailable, but another Close, which does nothing.
func (s *Store) Close() error {
	s.queue.close()
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("boltstore: %w", err)
	}
	return nil
}

func unavailable(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("boltstore: %w: %w", store.ErrUnavailable, err)
}
