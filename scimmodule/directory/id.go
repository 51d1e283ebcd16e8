package directory

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
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

// newID returns 26 characters: the time in milliseconds, so that resources list
// in the order of their creation, and 80 random bits.
func newID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // crypto/rand.Read never returns an error
	return idEncoding.EncodeToString(b[:])
}
