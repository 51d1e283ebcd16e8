package attr

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold returns the form of s under which strings are compared without case:
// Unicode simple case folding, in lower case. Fold(a) == Fold(b) exactly where
// strings.EqualFold(a, b).
func Fold(s string) string {
	ascii, changed := true, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		ascii = ascii && c < utf8.RuneSelf
		changed = changed || 'A' <= c && c <= 'Z'
	}
	if ascii {
		if !changed {
			return s
		}
		return strings.ToLower(s)
	}
	return strings.Map(foldRune, s)
}

// foldRune picks one rune for all that fold together: the lower case of the
// smallest of them where that is one of them, so that K, k and the Kelvin sign
// all become k, and the dotted capital I stays what it is.
func foldRune(r rune) rune {
	least := r
	for n := unicode.SimpleFold(r); n != r; n = unicode.SimpleFold(n) {
		least = min(least, n)
	}
	lower := unicode.ToLower(least)
	for n := unicode.SimpleFold(least); n != least; n = unicode.SimpleFold(n) {
		if n == lower {
			return lower
		}
	}
	return least
}
