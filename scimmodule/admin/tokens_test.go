package admin

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestParseExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"":                          {},
		"720h":                      now.Add(720 * time.Hour),
		"90d":                       now.Add(90 * 24 * time.Hour),
		"2026-12-31":                time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC),
		"2026-12-31T10:00:00Z":      time.Date(2026, 12, 31, 10, 0, 0, 0, time.UTC),
		"2026-12-31t10:00:00+02:00": time.Date(2026, 12, 31, 8, 0, 0, 0, time.UTC),
	} {
		if got, err := parseExpiry(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"never", "-1h", "0s", "31.12.2026", "90"} {
		if got, err := parseExpiry(in, now); err == nil {
			t.Errorf("%q was taken for %v", in, got)
		}
	}
}

func TestParseAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"192.0.2.7":        "192.0.2.7/32",
		"192.0.2.77/24":    "192.0.2.0/24",
		"2001:db8::1":      "2001:db8::1/128",
		"2001:db8:1::/32":  "2001:db8::/32",
		"::ffff:192.0.2.7": "192.0.2.7/32",
		"0.0.0.0/0":        "0.0.0.0/0",
	} {
		got, err := parseAddresses([]string{in})
		if err != nil || !slices.Equal(got, []netip.Prefix{netip.MustParsePrefix(want)}) {
			t.Errorf("%s: %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "example.com", "192.0.2", "192.0.2.0/33", "fe80::1%eth0", "::ffff:192.0.2.0/120", "192.0.2.0-9"} {
		if got, err := parseAddresses([]string{in}); err == nil {
			t.Errorf("%q was taken for %v", in, got)
		}
	}
}
