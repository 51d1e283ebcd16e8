package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash/crc32"
	"math/big"
	"strings"
)

// Prefix begins every minted token, so that secret scanners can recognise one.
const Prefix = "scim_"

// The parts of a minted token, in characters: 256 random bits and a CRC-32, both
// in base 62. The whole has 54 characters; Entra ID keeps all credentials of an
// application in 1 KB.
const (
	randomLen   = 43
	checksumLen = 6
	Len         = len(Prefix) + randomLen + checksumLen
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Mint returns a new token. Its only copy is the caller's.
func Mint() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error
	body := Prefix + encode(new(big.Int).SetBytes(b[:]), randomLen)
	return body + checksum(body)
}

// WellFormed tells whether s can be a minted token: prefix, length, alphabet and
// checksum are right. What is not need not be looked up.
func WellFormed(s string) bool {
	if len(s) != Len || !strings.HasPrefix(s, Prefix) {
		return false
	}
	body, sum := s[:Len-checksumLen], s[Len-checksumLen:]
	return subtle.ConstantTimeCompare([]byte(sum), []byte(checksum(body))) == 1
}

func checksum(s string) string {
	return encode(big.NewInt(int64(crc32.ChecksumIEEE([]byte(s)))), checksumLen)
}

// encode writes n in base 62, padded with zeros to the given length.
func encode(n *big.Int, length int) string {
	out := make([]byte, length)
	base, digit := big.NewInt(62), new(big.Int)
	for i := length - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}

// Hash is the SHA-256 of a token: all that is ever stored of it.
type Hash [sha256.Size]byte

// HashOf hashes a token.
func HashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String wrote; ok is false for anything else.
func ParseHash(s string) (h Hash, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return Hash{}, false
	}
	return Hash(b), true
}

// Equal compares two hashes in constant time.
func (h Hash) Equal(o Hash) bool { return subtle.ConstantTimeCompare(h[:], o[:]) == 1 }

// ID returns the token's public name, for logs, the change log and revocation:
// the first 16 digits of the hash, which tell nothing of the 256 random bits.
func (h Hash) ID() string { return hex.EncodeToString(h[:8]) }

// Weakness tells, in a clause, why an operator's own token is too easy to guess:
// fewer than 16 characters or fewer than 8 different ones. It is empty for a
// token that will do.
func Weakness(secret string) string {
	seen := map[rune]bool{}
	for _, r := range secret {
		seen[r] = true
	}
	switch {
	case len(secret) < 16:
		return "it has fewer than 16 characters"
	case len(seen) < 8:
		return "it has fewer than 8 different characters"
	case strings.ContainsAny(secret, " \t\r\n"):
		return "it has white space in it"
	}
	return ""
}
