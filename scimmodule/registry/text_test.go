package registry

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want Rate
		back string // what String prints; empty where text is no rate
	}{
		{"off", Rate{}, "off"},
		{"100", Rate{Requests: 100}, "100"},
		{"100 300", Rate{100, 300}, "100 300"},
		{"  5\t 7 ", Rate{5, 7}, "5 7"},
		{"1000000 1000000", Rate{maxRate, maxRate}, "1000000 1000000"},
		{"1000001", Rate{}, ""},
		{"1 1000001", Rate{}, ""},
		{"0", Rate{}, ""},
		{"5 0", Rate{}, ""},
		{"-1", Rate{}, ""},
		{"1 2 3", Rate{}, ""},
		{"", Rate{}, ""},
		{" ", Rate{}, ""},
		{"OFF", Rate{}, ""},
		{"off 3", Rate{}, ""},
		{"1.5", Rate{}, ""},
		{"99999999999999999999", Rate{}, ""},
	} {
		got, err := ParseRate(c.text)
		if c.back == "" {
			if err == nil || got != (Rate{}) || !strings.Contains(err.Error(), "requests per second") {
				t.Errorf("%q: %v, %v", c.text, got, err)
			}
			continue
		}
		if err != nil || got != c.want || got.String() != c.back {
			t.Errorf("%q: %+v (%v), printed %q", c.text, got, err, got)
		}
	}
	if _, err := ParseRate(strings.Repeat("x", 10_000)); err == nil || len(err.Error()) > 300 {
		t.Error("the error repeats whatever was typed")
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"off", "100", "100 300", " 1  2 ", "0", "-1", "1 2 3", "+5", "1000001", "٣", "off "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			if r != (Rate{}) {
				t.Errorf("%q: %+v beside an error", s, r)
			}
			return
		}
		if r.Requests < 0 || r.Burst < 0 || r.Requests > maxRate || r.Burst > maxRate || r.Requests == 0 && s != "off" {
			t.Errorf("%q: %+v", s, r)
		}
		text, err := r.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Rate
		if err := back.UnmarshalText(text); err != nil || back != r {
			t.Errorf("%q is written %q and read as %+v (%v)", s, text, back, err)
		}
	})
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want time.Duration
		back string // what Duration prints; empty where text is no duration
	}{
		{"90d", 90 * day, "90d"},
		{"1d", day, "1d"},
		{"0d", 0, forever},
		{"0", 0, forever},
		{"12h", 12 * time.Hour, "12h0m0s"},
		{"48h", 2 * day, "2d"},
		{"36h", 36 * time.Hour, "36h0m0s"},
		{"1h30m", 90 * time.Minute, "1h30m0s"},
		{"65535d", 65535 * day, "65535d"},
		{"65536d", 65536 * day, "65536d"},
		{"1572864h", 65536 * day, "65536d"},
		{"106751d", 106751 * day, "106751d"},
		{"106752d", 0, ""},
		{"2562047h", 2562047 * time.Hour, "2562047h0m0s"},
		{"2562048h", 0, ""},
		{"-1h", 0, ""},
		{"-1d", 0, ""},
		{"1.5d", 0, ""},
		{"d", 0, ""},
		{"1d12h", 0, ""},
		{"18446744073709551616d", 0, ""},
		{"90", 0, ""},
		{"", 0, ""},
		{"forever", 0, ""}, // a Duration's text, but no duration
	} {
		got, err := ParseDuration(c.text)
		if c.back == "" {
			if err == nil || got != 0 {
				t.Errorf("%q: %v, %v", c.text, got, err)
			}
			continue
		}
		if err != nil || got != c.want || Duration(got).String() != c.back {
			t.Errorf("%q: %v (%v), printed %q", c.text, got, err, Duration(got))
		}
	}
	var d Duration = 5
	if err := d.UnmarshalText([]byte(forever)); err != nil || d != 0 {
		t.Errorf("%q: %v (%v)", forever, d, err)
	}
}

// A duration that was accepted and written must be read again: the tenant's
// record could not be read otherwise.
func TestDurationText(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, 1, time.Millisecond, time.Hour, day, day + 1, 65535 * day, 65536 * day, math.MaxInt64 / day * day, math.MaxInt64} {
		text, err := Duration(d).MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Duration
		if err := back.UnmarshalText(text); err != nil || time.Duration(back) != d {
			t.Errorf("%d is written %q and read as %d (%v)", d, text, back, err)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"90d", "12h", "0", "0d", "forever", "1572864h", "65536d", "106752d", "-1h", "1h30m", "1.5h", "9223372036854775807ns", "1µs", "+3d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			if d != 0 {
				t.Errorf("%q: %v beside an error", s, d)
			}
			return
		}
		if d < 0 {
			t.Errorf("%q: %v", s, d)
		}
		text, err := Duration(d).MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Duration
		if err := back.UnmarshalText(text); err != nil || time.Duration(back) != d {
			t.Errorf("%q is written %q and read as %v (%v)", s, text, back, err)
		}
	})
}

func TestNamesOfTenants(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "0", "acme", "acme-2", "a-", strings.Repeat("a", 63)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "-a", "_system", "Acme", "a.b", "a/b", "a b", "ä", "acme\n", "\nacme", "a\x00", strings.Repeat("a", 64), strings.Repeat("x", 100_000)} {
		err := CheckName(name)
		if !errors.Is(err, ErrInvalid) || ValidName(name) {
			t.Errorf("%.80q: %v", name, err)
		} else if len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%.80q: the error repeats it as it is", name)
		}
	}
}
