package store

import "testing"

func TestVersionText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    uint64
		text string
	}{
		{0, `W/"0000000000000000"`},
		{123, `W/"0000000000000123"`},
		{9_007_199_254_740_992, `W/"9007199254740992"`},
	} {
		if got := FormatVersion(c.v); got != c.text {
			t.Errorf("FormatVersion(%d) = %s, want %s", c.v, got, c.text)
		}
		if got, ok := ParseVersion(c.text); !ok || got != c.v {
			t.Errorf("ParseVersion(%s) = %d, %t, want %d", c.text, got, ok, c.v)
		}
	}
	for _, text := range []string{
		"", "*", `W/"`, `W/""`, `W/"123"`, `"0000000000000123"`, `W/"0000000000000123`, `W/"+000000000000123"`,
		`W/"000000000000012a"`, `W/"00000000000000123"`, `w/"0000000000000123"`, ` W/"0000000000000123"`,
	} {
		if v, ok := ParseVersion(text); ok {
			t.Errorf("ParseVersion(%q) = %d, want none", text, v)
		}
	}
}
