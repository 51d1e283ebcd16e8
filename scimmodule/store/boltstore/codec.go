package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// errDamaged says that something read from the file is not what was written.
var errDamaged = fmt.Errorf("boltstore: damaged entry in the database file: %w", store.ErrUnavailable)

// An envelope begins with version, created and modified (8 bytes each, times in
// milliseconds since 1970) and flags; then archivedAt, where a flag says so, and
// the allow list's fingerprint.
const (
	headSize = 25

	flagProvisional = 1
	flagArchived    = 2
)

func appendHead(b []byte, r *store.Record) []byte {
	b = binary.BigEndian.AppendUint64(b, r.Version)
	b = appendTime(b, r.Created)
	b = appendTime(b, r.Modified)
	var flags byte
	if r.Provisional {
		flags |= flagProvisional
	}
	if !r.ArchivedAt.IsZero() {
		flags |= flagArchived
	}
	b = append(b, flags)
	if !r.ArchivedAt.IsZero() {
		b = appendTime(b, r.ArchivedAt)
	}
	return append(b, r.Allow...)
}

func decodeHead(v []byte, r *store.Record) error {
	if len(v) < headSize || v[24]&flagArchived != 0 && len(v) < headSize+8 {
		return errDamaged
	}
	r.Version = binary.BigEndian.Uint64(v)
	r.Created = decodeTime(v[8:])
	r.Modified = decodeTime(v[16:])
	flags := v[24]
	v = v[headSize:]
	r.Provisional = flags&flagProvisional != 0
	if flags&flagArchived != 0 {
		r.ArchivedAt = decodeTime(v)
		v = v[8:]
	}
	r.Allow = string(v)
	return nil
}

// headVersion returns the version in an envelope, 0 where there is none.
func headVersion(v []byte) uint64 {
	if len(v) < headSize {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// bumpHead returns a copy of an envelope with another version and modified.
func bumpHead(v []byte, version uint64, modified time.Time) []byte {
	out := make([]byte, 0, len(v))
	out = binary.BigEndian.AppendUint64(out, version)
	out = append(out, v[8:16]...)
	out = appendTime(out, modified)
	return append(out, v[24:]...)
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMilli()))
}

// decodeTime reads 8 bytes.
func decodeTime(v []byte) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(v))).UTC()
}

// noRecord ends a log entry without a record.
var noRecord = []byte{0}

// appendChange writes a log entry without its Seq, which is its key. The time
// comes first, so that trimming need not decode the rest.
func appendChange(b []byte, c *store.Change) []byte {
	b = appendTime(b, c.Time)
	b = binary.AppendUvarint(b, c.Version)
	b = appendString(b, string(c.Type))
	b = appendString(b, c.ID)
	b = appendString(b, c.Actor)
	b = binary.AppendUvarint(b, uint64(len(c.Changed)))
	for _, name := range c.Changed {
		b = appendString(b, name)
	}
	b = appendMembers(b, c.Added)
	b = appendMembers(b, c.Removed)
	if c.Record == nil {
		return append(b, noRecord...)
	}
	b = append(b, kindCode(c.Record.Kind))
	b = appendString(b, c.Record.ID)
	var head [headSize + 8 + 32]byte
	b = appendString(b, string(appendHead(head[:0], c.Record)))
	return append(b, c.Record.Body...)
}

func decodeChange(seq uint64, v []byte) (store.Change, error) {
	if len(v) < 8 {
		return store.Change{}, errDamaged
	}
	c := store.Change{Seq: seq, Time: decodeTime(v)}
	d := decoder{rest: v[8:]}
	c.Version = d.uvarint()
	c.Type = store.EventType(d.string())
	c.ID = d.string()
	c.Actor = d.string()
	for n := d.length(); n > 0; n-- {
		c.Changed = append(c.Changed, d.string())
	}
	c.Added = d.members()
	c.Removed = d.members()
	if !bytes.Equal(d.rest, noRecord) {
		r := store.Record{Kind: d.kind(), ID: d.string()}
		if err := decodeHead(d.bytes(), &r); err != nil {
			return store.Change{}, err
		}
		r.Body = append(r.Body, d.rest...)
		c.Record = &r
	}
	if d.failed {
		return store.Change{}, errDamaged
	}
	return c, nil
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendMembers(b []byte, members []store.Member) []byte {
	b = binary.AppendUvarint(b, uint64(len(members)))
	for _, m := range members {
		b = append(b, kindCode(m.Kind))
		b = appendString(b, m.ID)
	}
	return b
}

// decoder reads what the append functions wrote. After a failure it returns
// zero values.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// length reads a number of things, each of which takes at least one byte.
func (d *decoder) length() int {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) kind() store.Kind {
	if len(d.rest) == 0 || kindOf(d.rest[0]) == "" {
		d.fail()
		return ""
	}
	kind := kindOf(d.rest[0])
	d.rest = d.rest[1:]
	return kind
}

// bytes returns a part of the input, not a copy.
func (d *decoder) bytes() []byte {
	n := d.length()
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) members() []store.Member {
	var out []store.Member
	for n := d.length(); n > 0; n-- {
		kind := d.kind()
		out = append(out, store.Member{ID: d.string(), Kind: kind})
	}
	return out
}

func (d *decoder) fail() {
	d.failed = true
	d.rest = nil
}
