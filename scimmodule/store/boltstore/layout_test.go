package boltstore

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// TestOlderFile opens a file as the version before reports, leases and imports
// wrote it: without their buckets, and with a state that does not count them.
func TestOlderFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scim.db")
	writeOlder(t, path)
	added := []store.Kind{store.Report, store.Lease, store.Import}
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	get := func(kind store.Kind) int {
		t.Helper()
		records, err := s.Get(t.Context(), store.SystemTenant, kind, "acme")
		if err != nil {
			t.Fatalf("Get(%s): %v", kind, err)
		}
		page, err := s.Scan(t.Context(), store.SystemTenant, store.Query{Kind: kind, Limit: 10})
		if err != nil || page.Total != len(records) || len(page.Records) != len(records) {
			t.Fatalf("Scan(%s) = %+v, %v, want %d records", kind, page, err, len(records))
		}
		return len(records)
	}
	if get(store.Sweep) != 1 {
		t.Error("the record of a kind that it knew is not there")
	}
	b := &store.Batch{Time: time.Now()}
	for _, kind := range added {
		if get(kind) != 0 {
			t.Errorf("there is a %s", kind)
		}
		if _, err := s.Lookup(t.Context(), store.SystemTenant, kind, store.Key{Index: "k", Value: "v"}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Lookup(%s): %v", kind, err)
		}
		b.Put = append(b.Put, store.Put{Record: store.Record{Kind: kind, ID: "acme", Body: []byte(`{}`)}})
	}
	res, err := s.Commit(t.Context(), store.SystemTenant, b)
	if err != nil || res.Revision != 8 {
		t.Fatalf("Commit = %+v, %v, want revision 8", res, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, path)
	for _, kind := range append(added, store.Sweep) {
		if get(kind) != 1 {
			t.Errorf("the %s is not there", kind)
		}
	}
	var truncated *store.TruncatedError
	if _, err := s.Changes(t.Context(), store.SystemTenant, 0, 1); !errors.As(err, &truncated) || truncated.Oldest != 3 {
		t.Errorf("Changes: %v, want an error that names 3", err)
	}
}

// writeOlder spells the bytes out, so that a change of the format shows.
func writeOlder(t *testing.T, path string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	var state []byte // revision 7, log trimmed up to 3, no entries, and one record of the last of seven kinds
	for _, n := range []uint64{7, 3, 0, 0, 0, 0, 0, 0, 0, 1} {
		state = binary.BigEndian.AppendUint64(state, n)
	}
	head := append(binary.BigEndian.AppendUint64(nil, 7), make([]byte, 17)...)
	err = db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket([]byte("caddy-scim"))
		if err != nil {
			return err
		}
		root, err := tx.CreateBucket([]byte("t:_system"))
		if err != nil {
			return err
		}
		heads, err := root.CreateBucket([]byte("head:sweep"))
		if err != nil {
			return err
		}
		return errors.Join(
			meta.Put([]byte("format"), []byte{0, 0, 0, 1}), root.Put([]byte("state"), state), heads.Put([]byte("acme"), head),
		)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestStateCodec(t *testing.T) {
	t.Parallel()
	want := state{revision: 1, trimmed: 2, entries: 3}
	for i := range want.records {
		want.records[i] = uint64(4 + i)
	}
	v := want.encode()
	for n := range len(v) + 9 {
		got := state{revision: 99, records: want.records}
		err := got.decode(append(v[:min(n, len(v)):min(n, len(v))], make([]byte, max(0, n-len(v)))...))
		if valid := n%8 == 0 && n >= 80 && n <= len(v); (err == nil) != valid {
			t.Errorf("decode of %d bytes: %v", n, err)
		}
		if err != nil {
			continue
		}
		short := want
		clear(short.records[n/8-3:])
		if got != short {
			t.Errorf("decode of %d bytes = %+v, want %+v", n, got, short)
		}
	}
}
