package directory

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"sync/atomic"
	"time"
)

// maxID is the length of the longest id, in bytes.
const maxID = 128

// ValidID tells whether s can be the id of a resource: a letter or digit first,
// then letters, digits and . _ ~ @ + : -, at most 128 characters, without
// "bulkId" (RFC 7643 §3.1).
func ValidID(s string) bool {
	if s == "" || len(s) > maxID || strings.Contains(s, "bulkId") {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && strings.IndexByte("._~@+:-", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// idEncoding keeps the order of the bytes and leaves out letters that are easily
// misread.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// lastID is the highest beginning of an id that this process has given.
var lastID atomic.Uint64

// newID returns 26 characters: the time in milliseconds and a count within it,
// so that resources list in the order in which a process created them, and 64
// random bits.
func newID(now time.Time) string {
	var head uint64
	for given := false; !given; {
		last := lastID.Load()
		head = max(last+1, uint64(now.UnixMilli())<<16)
		given = lastID.CompareAndSwap(last, head)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], head)
	_, _ = rand.Read(b[8:]) // crypto/rand.Read never returns an error
	return idEncoding.EncodeToString(b[:])
}

// ownForm tells whether an id has the form of newID: others are a client's.
func ownForm(id string) bool {
	b, err := idEncoding.DecodeString(id)
	return err == nil && len(b) == 16
}
