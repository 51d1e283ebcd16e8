package attr

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":              "",
		"alice@x.uk":    "alice@x.uk",
		"Alice@X.uk":    "alice@x.uk",
		"ÉLODIE":        "élodie",
		"\u212Aelvin":   "kelvin", // Kelvin sign
		"\u0130stanbul": "\u0130stanbul",
		"ΣΑΣ":           Fold("σας"),
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Straße", "STRASSE")
	f.Add("K", "\u212A")
	f.Add("İ", "i")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		if (Fold(a) == Fold(b)) != strings.EqualFold(a, b) {
			t.Fatalf("Fold and EqualFold disagree on %q and %q", a, b)
		}
		if Fold(Fold(a)) != Fold(a) {
			t.Fatalf("Fold(%q) is not stable", a)
		}
	})
}
