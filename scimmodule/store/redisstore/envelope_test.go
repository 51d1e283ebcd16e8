package redisstore

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// seal gives the stored form of a record, as the commit script completes it.
func seal(tb testing.TB, r store.Record) string {
	tb.Helper()
	head, err := appendHead(nil, &r, r.Modified)
	if err != nil {
		tb.Fatal(err)
	}
	return string(head) + strings.Trim(store.FormatVersion(r.Version), `W/"`) + recordEnd
}

var moment = time.Date(2026, 1, 2, 15, 4, 5, 678e6, time.UTC)

func TestStoredForm(t *testing.T) {
	t.Parallel()
	r := store.Record{
		Kind: store.User, ID: "u1", Version: 123, Created: moment, Modified: moment.Add(time.Hour), Allow: "a_-9",
		Provisional: true, ArchivedAt: moment, Body: []byte(`{"userName":"alice"}`),
	}
	for _, c := range []struct {
		name  string
		spoil func(r *store.Record)
		want  string
	}{
		{"everything", func(*store.Record) {}, `{"userName":"alice","urn:caddy-scim:stored":` +
			`{"allow":"a_-9","provisional":true,"archivedAt":"2026-01-02T15:04:05.678Z"},"meta":{"resourceType":"User",` +
			`"created":"2026-01-02T15:04:05.678Z","lastModified":"2026-01-02T16:04:05.678Z","version":"W/\"0000000000000123\""}}`},
		{"an empty group", func(r *store.Record) {
			r.Kind, r.Allow, r.Provisional, r.ArchivedAt, r.Body = store.Group, "", false, time.Time{}, []byte(`{}`)
		}, `{"urn:caddy-scim:stored":{},"meta":{"resourceType":"Group",` +
			`"created":"2026-01-02T15:04:05.678Z","lastModified":"2026-01-02T16:04:05.678Z","version":"W/\"0000000000000123\""}}`},
		{"a tombstone", func(r *store.Record) {
			r.Kind, r.Allow, r.Provisional, r.ArchivedAt, r.Body = store.Tombstone, "", false, time.Time{}, nil
		}, `{"urn:caddy-scim:stored":{"empty":true},"meta":{"resourceType":"Tombstone",` +
			`"created":"2026-01-02T15:04:05.678Z","lastModified":"2026-01-02T16:04:05.678Z","version":"W/\"0000000000000123\""}}`},
	} {
		r := r
		c.spoil(&r)
		text := seal(t, r)
		if diff := cmp.Diff(text, c.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", c.name, diff)
		}
		if !json.Valid([]byte(text)) {
			t.Errorf("%s: not JSON: %s", c.name, text)
		}
		got, err := parseRecord(r.Kind, r.ID, text)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(got, r); diff != "" {
			t.Errorf("%s read back (-got +want):\n%s", c.name, diff)
		}
	}
}

func TestDamagedForm(t *testing.T) {
	t.Parallel()
	whole := seal(t, store.Record{Kind: store.User, ID: "u1", Version: 7, Modified: moment, Allow: "x", Body: []byte(`{"a":1}`)})
	for name, text := range map[string]string{
		"nothing":           "",
		"an object":         "{}",
		"the end alone":     whole[len(whole)-60:],
		"the end is cut":    whole[:len(whole)-1],
		"another kind":      strings.Replace(whole, `"User"`, `"Group"`, 1),
		"a bad version":     strings.Replace(whole, "0000000000000007", "000000000000000x", 1),
		"a bad time":        strings.Replace(whole, "2026-01", "2026-13", 1),
		"an unknown part":   strings.Replace(whole, `"allow"`, `"other"`, 1),
		"an unquoted part":  strings.Replace(whole, `"allow":"x"`, `"allow":7`, 1),
		"no comma":          strings.Replace(whole, `{"allow":"x"}`, `{"provisional":true"empty":true}`, 1),
		"no internal part":  strings.Replace(whole, `"urn:caddy-scim:stored":{"allow":"x"},`, "", 1),
		"two closing marks": whole + "}",
	} {
		if r, err := parseRecord(store.User, "u1", text); err == nil {
			t.Errorf("%s: %q was read as %+v", name, text, r)
		}
	}
}

// FuzzEnvelope seals and opens records; the body may look like the envelope.
func FuzzEnvelope(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `{"a":1}`, `{"a":"\",\"meta\":{\"resourceType\":\"User\""}`, `{"a":",\"urn:caddy-scim:stored\":{\"allow\":\"x\"}"}`,
		`{"urn:caddy-scim:stored":{"allow":"x"}}`, `{"x":1,"urn:caddy-scim:stored":{},"y":{"meta":{}}}`, `{"a":"{"}`, `{"a":{}}`,
		`{"a":[{"urn:caddy-scim:stored":{"empty":true}}]}`, `{"a":"\\"}`, "{\"é\":\"\u2028\"}",
		seal(f, store.Record{Kind: store.User, Version: 9, Modified: moment, Allow: "inner", Body: []byte(`{"b":2}`)}),
	} {
		f.Add([]byte(body), "abc", true, int64(1_767_366_245_678), uint64(123), uint8(0))
		f.Add([]byte(body), "", false, int64(-1), uint64(0), uint8(3))
	}
	kinds := []store.Kind{
		store.User, store.Group, store.Archived, store.Tombstone, store.Token, store.Tenant, store.Sweep,
		store.Report, store.Lease, store.Import,
	}
	f.Fuzz(func(t *testing.T, body []byte, allow string, provisional bool, archived int64, version uint64, kind uint8) {
		r := store.Record{
			Kind: kinds[int(kind)%len(kinds)], ID: "u1", Version: version % 10_000_000_000_000_000,
			Created: moment, Modified: moment.Add(time.Second), Allow: allow, Provisional: provisional, Body: body,
		}
		if archived >= 0 {
			r.ArchivedAt = time.UnixMilli(archived % 253_402_300_799_999).UTC()
		}
		if len(body) == 0 {
			r.Body = nil
		}
		// Whatever comes in, reading does not panic, and what is read is written the same.
		if got, err := parseRecord(r.Kind, r.ID, string(body)); err == nil && json.Valid(body) && len(got.Body) > 0 {
			if text := seal(t, got); text != string(body) && json.Valid(got.Body) {
				again, err := parseRecord(r.Kind, r.ID, text)
				if err != nil || cmp.Diff(got, again) != "" {
					t.Errorf("read %q, wrote %q", body, text)
				}
			}
		}
		if _, err := appendHead(nil, &r, r.Modified); err != nil {
			return
		}
		text := seal(t, r)
		got, err := parseRecord(r.Kind, r.ID, text)
		if err != nil {
			t.Fatalf("%q is not read back: %v", text, err)
		}
		if diff := cmp.Diff(got, r); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
		var compact bytes.Buffer // a body has no white space
		if json.Compact(&compact, body) == nil && bytes.Equal(compact.Bytes(), body) && !json.Valid([]byte(text)) {
			t.Errorf("not JSON: %s", text)
		}
	})
}
