package boltstore

import (
	"context"
	"encoding/binary"
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// dropChunk is how many keys Drop deletes in one transaction, during which no
// tenant can commit.
const dropChunk = 1000

// Drop implements store.Store. The transaction that finds no more than
// dropChunk keys deletes the tenant's bucket, and with it the revision.
func (s *Store) Drop(ctx context.Context, tenantName string, progress func(erased int)) error {
	if tenantName == store.SystemTenant {
		return store.ErrSystem
	}
	erased := 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, done, err := s.dropSome(tenantName)
		if err != nil {
			return err
		}
		erased += n
		if n > 0 && progress != nil {
			progress(erased)
		}
		if done {
			return nil
		}
	}
}

// dropSome runs one transaction, and tells whether the tenant is gone.
func (s *Store) dropSome(tenantName string) (n int, done bool, err error) {
	err = s.update(func(tx *bolt.Tx) error {
		t, err := openTenant(tx, tenantName)
		if err != nil {
			return err
		}
		if t.root == nil {
			done = true
			return errNothing
		}
		n, done, err = t.erase(dropChunk)
		if err != nil || !done {
			return errors.Join(err, t.saveState())
		}
		n++ // the state
		return tx.DeleteBucket([]byte(tenantPrefix + tenantName))
	})
	if err != nil && !errors.Is(err, errNothing) {
		return 0, false, unavailable(err)
	}
	return n, done, nil
}

// erase deletes up to limit keys, and tells whether there were no more. The
// state goes on to count what is left.
func (t *tenant) erase(limit int) (n int, done bool, err error) {
	for id := range numBuckets {
		b := t.bucket(id)
		if b == nil {
			continue
		}
		var keys [][]byte
		c := b.Cursor()
		k, _ := c.First()
		for ; k != nil && n+len(keys) < limit; k, _ = c.Next() {
			keys = append(keys, k)
		}
		done := k == nil
		for _, key := range keys {
			if err := b.Delete(key); err != nil {
				return n, false, err
			}
		}
		n += len(keys)
		switch {
		case len(keys) == 0:
		case id == logBucket:
			t.state.entries -= min(t.state.entries, uint64(len(keys)))
			t.state.trimmed = binary.BigEndian.Uint64(keys[len(keys)-1])
		case id >= firstHead && id < firstBody:
			count := &t.state.records[id-firstHead]
			*count -= min(*count, uint64(len(keys)))
		}
		if !done {
			return n, false, nil
		}
	}
	return n, true, nil
}
