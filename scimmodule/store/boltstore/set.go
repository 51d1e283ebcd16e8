package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// A set is all keys of a bucket that begin with a prefix; under the prefix
// itself lies their number. Sets serve the non-unique index and both sides of
// the membership relation.

// nothing is the value of keys that have none. bbolt tells a nil value from an
// empty one.
var nothing = []byte{}

// count returns the size of a set.
func count(b *bolt.Bucket, prefix []byte) int {
	v := get(b, prefix)
	if len(v) != 8 {
		return 0
	}
	return int(binary.BigEndian.Uint64(v))
}

// grow changes the number of a set's keys by n.
func grow(b *bolt.Bucket, prefix []byte, n int) error {
	if n == 0 {
		return nil
	}
	if n += count(b, prefix); n <= 0 {
		return b.Delete(prefix)
	}
	return b.Put(prefix, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// add puts a key, and returns how many keys that made: 0 or 1.
func add(b *bolt.Bucket, key, value []byte) (int, error) {
	if b.Get(key) != nil {
		return 0, nil
	}
	return 1, b.Put(key, value)
}

// remove deletes a key, and returns how many keys there were: 0 or 1.
func remove(b *bolt.Bucket, key []byte) (int, error) {
	if b.Get(key) == nil {
		return 0, nil
	}
	return 1, b.Delete(key)
}

// checkEvery is after how many keys a walk looks at its context.
const checkEvery = 1024

// walk calls f for up to limit keys of a set (the keys of the whole bucket, if
// the prefix is empty), from behind the suffix after, and without the first
// skip. It tells whether there are more. What f is given is valid within the
// transaction.
func walk(ctx context.Context, b *bolt.Bucket, prefix, after []byte, skip, limit int,
	f func(suffix, value []byte) error,
) (more bool, err error) {
	if b == nil {
		return false, nil
	}
	c := b.Cursor()
	start := append(prefix[:len(prefix):len(prefix)], after...)
	k, v := c.Seek(start)
	if k != nil && bytes.Equal(k, start) {
		k, v = c.Next()
	}
	for n := 0; k != nil && bytes.HasPrefix(k, prefix); n++ {
		if n%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return false, err
			}
		}
		if n >= skip+limit {
			return true, nil
		}
		if n >= skip {
			if err := f(k[len(prefix):], v); err != nil {
				return false, err
			}
		}
		k, v = c.Next()
	}
	return false, nil
}
