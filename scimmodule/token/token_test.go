package token

import (
	"strings"
	"testing"
)

func TestMint(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		s := Mint()
		if len(s) != Len || Len > 64 || !strings.HasPrefix(s, Prefix) || !WellFormed(s) {
			t.Fatalf("minted token has the wrong form (length %d)", len(s))
		}
		if seen[s] {
			t.Fatal("minted the same token twice")
		}
		seen[s] = true
	}
}

func TestWellFormedRefusesEverySingleChange(t *testing.T) {
	t.Parallel()
	s := Mint()
	for i := range s {
		for _, c := range []byte("0aZ_- ") {
			if m := s[:i] + string(c) + s[i+1:]; m != s && WellFormed(m) {
				t.Fatalf("a change at %d goes unnoticed", i)
			}
		}
	}
	for _, m := range []string{"", Prefix, s[:len(s)-1], s + "0", strings.ToUpper(s)} {
		if WellFormed(m) {
			t.Errorf("%d characters pass as a token", len(m))
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	h := HashOf("abc") // FIPS 180-2, appendix B.1
	if got, want := h.String(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	p, ok := ParseHash(h.String())
	if !ok || !p.Equal(h) || p.Equal(HashOf("abd")) || h.ID() != "ba7816bf8f01cfea" {
		t.Fatal("a hash does not survive its own text form")
	}
	if _, ok := ParseHash("ba78"); ok {
		t.Fatal("a short hash is accepted")
	}
}

func TestWeakness(t *testing.T) {
	t.Parallel()
	for secret, weak := range map[string]bool{
		"":                         true,
		"changeme":                 true,
		"aaaaaaaaaaaaaaaaaaaaaaaa": true,
		"0123456789 abcdef":        true,
		"Zk3vQ9wLr7TnB2xS":         false,
		Mint():                     false,
	} {
		if (Weakness(secret) != "") != weak {
			t.Errorf("a secret of %d characters: weak is not %t", len(secret), weak)
		}
	}
}

func FuzzWellFormed(f *testing.F) {
	f.Add(Mint())
	f.Add("scim_")
	f.Fuzz(func(t *testing.T, s string) {
		if WellFormed(s) && (len(s) != Len || !strings.HasPrefix(s, Prefix)) {
			t.Fatal("accepted a token of the wrong form")
		}
	})
}
