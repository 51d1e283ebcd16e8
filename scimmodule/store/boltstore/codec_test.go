package boltstore

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// fullChange has something in every field.
func fullChange() store.Change {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	return store.Change{
		Seq: 7, Type: store.GroupMembersChanged, ID: "g1", Version: 9, Time: at, Actor: "tok1",
		Changed: []string{"displayName", ""},
		Added:   []store.Member{{ID: "u1", Kind: store.User}, {ID: "g2", Kind: store.Group}},
		Removed: []store.Member{{ID: "u2", Kind: store.User}},
		Record: &store.Record{
			Kind: store.Archived, ID: "u1", Version: 9, Created: at.Add(-time.Hour), Modified: at, Allow: "aB-_9",
			Provisional: true, ArchivedAt: at.Add(time.Second), Body: []byte(`{"a":1}`),
		},
	}
}

func TestChangeCodec(t *testing.T) {
	t.Parallel()
	plain := store.Change{Seq: 1, Type: store.UserPurged, ID: "u1", Version: 1, Time: time.UnixMilli(-5).UTC()}
	for _, want := range []store.Change{fullChange(), plain} {
		v := appendChange(nil, &want)
		got, err := decodeChange(want.Seq, v)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("(-got +want):\n%s", d)
		}
	}
	// Whatever is cut off, but for the body, is noticed.
	want := fullChange()
	v := appendChange(nil, &want)
	for n := range len(v) - len(want.Record.Body) {
		if c, err := decodeChange(7, v[:n]); err == nil {
			t.Fatalf("%d of %d bytes were read as %+v", n, len(v), c)
		}
	}
}

func FuzzDecodeChange(f *testing.F) {
	c := fullChange()
	f.Add(appendChange(nil, &c))
	c.Record = nil
	f.Add(appendChange(nil, &c))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, v []byte) {
		c, err := decodeChange(1, v)
		if err != nil {
			return
		}
		again, err := decodeChange(1, appendChange(nil, &c))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(again, c); d != "" {
			t.Errorf("(-again +first):\n%s", d)
		}
	})
}

// No two keys share an encoding, and no set's prefix begins another set's key.
func FuzzKeys(f *testing.F) {
	f.Add("a", "b", "ab", "")
	f.Add("a", "\x00b", "a\x00", "b")
	f.Add("userName", "\x01\x00\x02", "userNam", "e\x01\x00\x02")
	f.Fuzz(func(t *testing.T, index1, value1, index2, value2 string) {
		k1, k2 := store.Key{Index: index1, Value: value1}, store.Key{Index: index2, Value: value2}
		if !fits(k1) || !fits(k2) || k1 == k2 {
			return
		}
		if bytes.Equal(uniqueKey(1, k1), uniqueKey(1, k2)) {
			t.Errorf("%q and %q are the same unique key", k1, k2)
		}
		if bytes.HasPrefix(append(indexPrefix(1, k1), value2...), indexPrefix(1, k2)) {
			t.Errorf("%q followed by an id may lie under %q", k1, k2)
		}
		if index1 != index2 && bytes.HasPrefix(append(edgePrefix(index1), value1...), edgePrefix(index2)) {
			t.Errorf("an edge of %q may lie under %q", index1, index2)
		}
	})
}
