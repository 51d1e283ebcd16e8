package boltstore

import (
	"encoding/binary"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// format is the version of the layout, which doc.go describes.
const format = 1

const (
	metaBucket   = "caddy-scim"
	formatKey    = "format"
	tenantPrefix = "t:"
	stateKey     = "state"
)

// kinds lists the kinds of records; a kind's code is its place, from 1. The
// order is part of the format: what is new comes last. Users come before
// groups, as in Store.Edges.
var kinds = [...]store.Kind{
	store.User, store.Group, store.Archived, store.Tombstone, store.Token, store.Tenant, store.Sweep,
	store.Report, store.Lease, store.Import,
}

// firstKinds is how many of the kinds the first version knew. States that it
// wrote count no more.
const firstKinds = 7

// kindCode returns 0 for a kind that is not known.
func kindCode(k store.Kind) byte {
	for i, kind := range kinds {
		if kind == k {
			return byte(i + 1)
		}
	}
	return 0
}

// kindOf returns "" for a code that is not known.
func kindOf(code byte) store.Kind {
	if code == 0 || int(code) > len(kinds) {
		return ""
	}
	return kinds[code-1]
}

// bucketID numbers the buckets of a tenant: those below, then the heads and the
// bodies of each kind.
type bucketID int

const (
	uniqueBucket bucketID = iota
	indexBucket
	membersBucket
	groupsBucket
	logBucket
	firstHead
	firstBody  = firstHead + bucketID(len(kinds))
	numBuckets = firstBody + bucketID(len(kinds))
)

var bucketNames = func() (names [numBuckets][]byte) {
	names[uniqueBucket] = []byte("unique")
	names[indexBucket] = []byte("index")
	names[membersBucket] = []byte("members")
	names[groupsBucket] = []byte("groups")
	names[logBucket] = []byte("log")
	for i, k := range kinds {
		names[firstHead+bucketID(i)] = []byte("head:" + k)
		names[firstBody+bucketID(i)] = []byte("body:" + k)
	}
	return names
}()

// headsOf and bodiesOf return a kind's buckets. The kind must be known.
func headsOf(code byte) bucketID  { return firstHead + bucketID(code-1) }
func bodiesOf(code byte) bucketID { return firstBody + bucketID(code-1) }

// maxName is the longest id and index name that a key can hold.
const maxName = 255

// uniqueKey is the key of a unique key's holder.
func uniqueKey(code byte, k store.Key) []byte {
	key := make([]byte, 0, 2+len(k.Index)+len(k.Value))
	key = append(key, code, byte(len(k.Index)))
	key = append(key, k.Index...)
	return append(key, k.Value...)
}

// indexPrefix is what all entries under an index key begin with.
func indexPrefix(code byte, k store.Key) []byte {
	key := make([]byte, 0, 4+len(k.Index)+len(k.Value)+64)
	key = append(key, code, byte(len(k.Index)))
	key = append(key, k.Index...)
	key = binary.BigEndian.AppendUint16(key, uint16(len(k.Value)))
	return append(key, k.Value...)
}

// edgePrefix is what all edges at one side of the relation begin with.
func edgePrefix(id string) []byte {
	key := make([]byte, 0, 2+2*len(id)+32)
	key = append(key, byte(len(id)))
	return append(key, id...)
}

// memberSuffix is a member within its group.
func memberSuffix(m store.Member) []byte {
	return append([]byte{kindCode(m.Kind)}, m.ID...)
}

func seqKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, seq)
}
