package store

import (
	"fmt"
	"strconv"
	"strings"
)

// VersionDigits is how many decimal digits a version is written with, so that
// versions compare as strings and can be overwritten in place.
const VersionDigits = 16

// FormatVersion writes a Record's Version as the weak entity tag that
// meta.version and the ETag header show, such as W/"0000000000000123".
func FormatVersion(v uint64) string {
	return fmt.Sprintf(`W/"%0*d"`, VersionDigits, v)
}

// ParseVersion is the inverse of FormatVersion. It accepts nothing else.
func ParseVersion(s string) (uint64, bool) {
	digits, ok := strings.CutPrefix(s, `W/"`)
	if !ok {
		return 0, false
	}
	digits, ok = strings.CutSuffix(digits, `"`)
	if !ok || len(digits) != VersionDigits || strings.ContainsAny(digits, "+-_") {
		return 0, false
	}
	v, err := strconv.ParseUint(digits, 10, 64)
	return v, err == nil
}
