package boltstore

import (
	"context"
	"encoding/binary"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

const (
	// trimSlack is by how many entries a log exceeds its limit before it is
	// trimmed, so that not every commit writes the page of the oldest too.
	trimSlack = 100
	// trimMost bounds what one commit trims, for one that comes after a long
	// silence or after the limit was lowered.
	trimMost = 10_000
	// redactChunk is how many entries Redact reads in one transaction.
	redactChunk = 500
)

// Changes implements store.Store.
func (s *Store) Changes(ctx context.Context, tenantName string, after uint64, limit int) ([]store.Change, error) {
	var out []store.Change
	err := s.view(ctx, tenantName, func(t *tenant) (err error) {
		if after < t.state.trimmed {
			return &store.TruncatedError{Oldest: t.state.trimmed}
		}
		out, err = t.changes(ctx, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (t *tenant) changes(ctx context.Context, after uint64, limit int) ([]store.Change, error) {
	var out []store.Change
	_, err := walk(ctx, t.bucket(logBucket), nil, seqKey(after), 0, limit, func(key, v []byte) error {
		if len(key) != 8 {
			return errDamaged
		}
		c, err := decodeChange(binary.BigEndian.Uint64(key), v)
		out = append(out, c)
		return err
	})
	return out, err
}

// Redact implements store.Store. It calls drop outside of transactions, and
// does not see entries that are appended meanwhile.
func (s *Store) Redact(ctx context.Context, tenantName string, drop func(store.Change) bool) (int, error) {
	var after, end uint64
	err := s.view(ctx, tenantName, func(t *tenant) error {
		end = t.state.revision
		return nil
	})
	redacted := 0
	for err == nil && after < end {
		var chunk []store.Change
		err = s.view(ctx, tenantName, func(t *tenant) (err error) {
			chunk, err = t.changes(ctx, after, redactChunk)
			return err
		})
		if err != nil || len(chunk) == 0 {
			break
		}
		after = chunk[len(chunk)-1].Seq
		var keys [][]byte
		for _, c := range chunk {
			if drop(c) {
				keys = append(keys, seqKey(c.Seq))
			}
		}
		if len(keys) == 0 {
			continue
		}
		var n int
		n, err = s.deleteEntries(tenantName, keys)
		redacted += n
	}
	return redacted, err
}

// deleteEntries returns how many entries there were to delete.
func (s *Store) deleteEntries(tenantName string, keys [][]byte) (int, error) {
	n := 0
	err := s.update(func(tx *bolt.Tx) error {
		t, err := openTenant(tx, tenantName)
		if err != nil {
			return err
		}
		log, err := t.make(logBucket)
		if err != nil {
			return err
		}
		for _, key := range keys {
			gone, err := remove(log, key) // it may have been trimmed meanwhile
			if err != nil {
				return err
			}
			n += gone
		}
		t.state.entries -= min(t.state.entries, uint64(n))
		return t.saveState()
	})
	if err != nil {
		return 0, unavailable(err)
	}
	return n, nil
}

// trim deletes the oldest entries beyond the limit.
func (t *tenant) trim(limit store.LogLimit, now time.Time) error {
	surplus := int(t.state.entries) - limit.Entries
	if surplus <= min(trimSlack, limit.Entries/10) {
		surplus = 0
	}
	if surplus == 0 && limit.MaxAge == 0 {
		return nil
	}
	log := t.bucket(logBucket)
	if log == nil {
		return nil
	}
	oldest := now.UnixMilli() - limit.MaxAge*1000
	var keys [][]byte
	c := log.Cursor()
	for k, v := c.First(); k != nil && len(keys) < trimMost; k, v = c.Next() {
		expired := limit.MaxAge > 0 && len(v) >= 8 && int64(binary.BigEndian.Uint64(v)) < oldest
		if len(keys) >= surplus && !expired {
			break
		}
		keys = append(keys, k)
	}
	for _, k := range keys {
		t.state.trimmed = binary.BigEndian.Uint64(k)
		if err := log.Delete(k); err != nil {
			return err
		}
	}
	t.state.entries -= min(t.state.entries, uint64(len(keys)))
	return nil
}
