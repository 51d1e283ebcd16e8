package boltstore

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// tenant is the data of one tenant within a transaction.
type tenant struct {
	tx    *bolt.Tx
	name  string
	root  *bolt.Bucket // nil where nothing was written yet
	sub   [numBuckets]*bolt.Bucket
	state state
	saved state // as it is in the bucket
}

// state is what is counted rather than walked.
type state struct {
	revision uint64
	trimmed  uint64 // Seq of the last entry that was trimmed off the log
	entries  uint64 // in the log
	records  [len(kinds)]uint64
}

func openTenant(tx *bolt.Tx, name string) (*tenant, error) {
	t := &tenant{tx: tx, name: name, root: tx.Bucket([]byte(tenantPrefix + name))}
	if t.root == nil {
		return t, nil
	}
	err := t.state.decode(t.root.Get([]byte(stateKey)))
	t.saved = t.state
	return t, err
}

// bucket returns nil where the bucket was not made yet.
func (t *tenant) bucket(id bucketID) *bolt.Bucket {
	if t.sub[id] == nil && t.root != nil {
		t.sub[id] = t.root.Bucket(bucketNames[id])
	}
	return t.sub[id]
}

// make returns the bucket, and makes it where need be.
func (t *tenant) make(id bucketID) (*bolt.Bucket, error) {
	if b := t.bucket(id); b != nil {
		return b, nil
	}
	if err := t.makeRoot(); err != nil {
		return nil, err
	}
	b, err := t.root.CreateBucket(bucketNames[id])
	if err != nil {
		return nil, err
	}
	t.sub[id] = b
	return b, nil
}

func (t *tenant) makeRoot() (err error) {
	if t.root == nil {
		t.root, err = t.tx.CreateBucket([]byte(tenantPrefix + t.name))
	}
	return err
}

func (t *tenant) saveState() error {
	if err := t.makeRoot(); err != nil {
		return err
	}
	return t.root.Put([]byte(stateKey), t.state.encode())
}

// head returns a record's envelope, nil where there is no such record.
func (t *tenant) head(kind store.Kind, id string) []byte {
	code := kindCode(kind)
	if code == 0 {
		return nil
	}
	return get(t.bucket(headsOf(code)), []byte(id))
}

// record reads a whole record, and tells whether there is one.
func (t *tenant) record(kind store.Kind, id string) (store.Record, bool, error) {
	head := t.head(kind, id)
	if head == nil {
		return store.Record{}, false, nil
	}
	r := store.Record{Kind: kind, ID: id}
	if err := decodeHead(head, &r); err != nil {
		return store.Record{}, false, err
	}
	r.Body = append(r.Body, get(t.bucket(bodiesOf(kindCode(kind))), []byte(id))...)
	return r, true, nil
}

func (s *state) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, s.revision)
	b = binary.BigEndian.AppendUint64(b, s.trimmed)
	b = binary.BigEndian.AppendUint64(b, s.entries)
	for _, n := range s.records {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// decode reads a state. One that is older than the last kinds counts fewer:
// there are no records of the others yet.
func (s *state) decode(b []byte) error {
	if len(b)%8 != 0 || len(b) < 8*(3+firstKinds) || len(b) > 8*(3+len(kinds)) {
		return errDamaged
	}
	s.revision = binary.BigEndian.Uint64(b)
	s.trimmed = binary.BigEndian.Uint64(b[8:])
	s.entries = binary.BigEndian.Uint64(b[16:])
	for i := range s.records {
		s.records[i] = 0
		if at := 24 + 8*i; at < len(b) {
			s.records[i] = binary.BigEndian.Uint64(b[at:])
		}
	}
	return nil
}

// get reads from a bucket that may be nil.
func get(b *bolt.Bucket, key []byte) []byte {
	if b == nil {
		return nil
	}
	return b.Get(key)
}
