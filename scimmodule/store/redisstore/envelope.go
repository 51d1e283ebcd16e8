package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// A record is stored as its body with two members appended: what only we need,
// and, in a fixed width, meta. The commit script overwrites the end of a group
// in place when its members change; commit.lua knows the form from the value
// of lastModified on.
const (
	storedName   = `"urn:caddy-scim:stored":`
	timeForm     = "2006-01-02T15:04:05.000Z"
	versionStart = `","version":"W/\"`
	recordEnd    = `\""}}`
)

var resourceTypes = map[store.Kind]string{
	store.User:      "User",
	store.Group:     "Group",
	store.Archived:  "User",
	store.Tombstone: "Tombstone",
	store.Token:     "Token",
	store.Tenant:    "Tenant",
	store.Sweep:     "Sweep",
	store.Report:    "Report",
	store.Lease:     "Lease",
	store.Import:    "Import",
}

var errEnvelope = errors.New("redisstore: a stored record is not in the expected form")

// appendHead appends the stored form of a record up to its version's digits.
func appendHead(dst []byte, r *store.Record, now time.Time) ([]byte, error) {
	created := r.Created
	if created.IsZero() {
		created = now
	}
	if !validTime(created) || !validTime(now) || !r.ArchivedAt.IsZero() && !validTime(r.ArchivedAt) {
		return nil, fmt.Errorf("redisstore: a %s has a time out of range", r.Kind)
	}
	if !validFingerprint(r.Allow) {
		return nil, fmt.Errorf("redisstore: a %s has a bad fingerprint", r.Kind)
	}
	switch n := len(r.Body); {
	case n == 0:
		dst = append(dst, '{')
	case n < 2 || r.Body[0] != '{' || r.Body[n-1] != '}':
		return nil, fmt.Errorf("redisstore: the body of a %s is no JSON object", r.Kind)
	default:
		dst = append(dst, r.Body[:n-1]...)
		if n > 2 {
			dst = append(dst, ',')
		}
	}
	dst = appendParts(append(dst, storedName...), r)
	dst = append(dst, metaStart(r.Kind)...)
	dst = created.UTC().AppendFormat(dst, timeForm)
	dst = append(dst, `","lastModified":"`...)
	dst = now.UTC().AppendFormat(dst, timeForm)
	return append(dst, versionStart...), nil
}

func validTime(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

func metaStart(kind store.Kind) string {
	return `,"meta":{"resourceType":"` + resourceTypes[kind] + `","created":"`
}

// appendParts appends the object of what only we need. It is always there, so
// that no member of the body can be taken for it.
func appendParts(dst []byte, r *store.Record) []byte {
	dst = append(dst, '{')
	start := len(dst)
	comma := func() {
		if len(dst) > start {
			dst = append(dst, ',')
		}
	}
	if len(r.Body) == 0 {
		dst = append(dst, `"empty":true`...)
	}
	if r.Allow != "" {
		comma()
		dst = append(append(append(dst, `"allow":"`...), r.Allow...), '"')
	}
	if r.Provisional {
		comma()
		dst = append(dst, `"provisional":true`...)
	}
	if !r.ArchivedAt.IsZero() {
		comma()
		dst = append(dst, `"archivedAt":"`...)
		dst = append(r.ArchivedAt.UTC().AppendFormat(dst, timeForm), '"')
	}
	return append(dst, '}')
}

// parseRecord is the inverse of appendHead with the version and recordEnd
// behind it. It cuts from the end, where every width is known, and never looks
// into the body.
func parseRecord(kind store.Kind, id, text string) (store.Record, error) {
	r := store.Record{Kind: kind, ID: id}
	c := cutter{text: text}
	c.cut(recordEnd)
	version := c.take(store.VersionDigits)
	c.cut(versionStart)
	r.Modified = c.time()
	c.cut(`","lastModified":"`)
	r.Created = c.time()
	c.cut(metaStart(kind))
	empty := c.parts(&r)
	c.cut(storedName)
	if c.failed || len(c.text) == 0 {
		return store.Record{}, errEnvelope
	}
	var err error
	if r.Version, err = strconv.ParseUint(version, 10, 64); err != nil {
		return store.Record{}, errEnvelope
	}
	if empty {
		return r, nil
	}
	r.Body = make([]byte, 0, len(c.text)+1)
	r.Body = append(r.Body, c.text...)
	r.Body = append(bytes.TrimSuffix(r.Body, []byte{','}), '}')
	return r, nil
}

// cutter takes a text apart from its end.
type cutter struct {
	text   string
	failed bool
}

// take cuts n bytes off.
func (c *cutter) take(n int) string {
	if c.failed || len(c.text) < n {
		c.failed = true
		return ""
	}
	at := len(c.text) - n
	end := c.text[at:]
	c.text = c.text[:at]
	return end
}

// cut cuts off an end that must be there.
func (c *cutter) cut(end string) { c.failed = c.take(len(end)) != end || c.failed }

func (c *cutter) time() time.Time { return c.parseTime(c.take(len(timeForm))) }

func (c *cutter) parseTime(text string) time.Time {
	t, err := time.Parse(timeForm, text)
	c.failed = c.failed || err != nil || !validTime(t)
	return t.UTC()
}

// ends cuts off an end where it is there.
func (c *cutter) ends(end string) bool {
	if n := len(c.text) - len(end); n >= 0 && c.text[n:] == end {
		c.text = c.text[:n]
		return true
	}
	return false
}

// parts cuts off the object that appendParts wrote, last part first.
func (c *cutter) parts(r *store.Record) (empty bool) {
	c.cut("}")
	first := true
	next := func() { // a comma is left between two parts
		if !first {
			c.cut(",")
		}
		first = false
	}
	for !c.failed && !c.ends("{") {
		next()
		switch {
		case c.ends(`"empty":true`):
			empty = true
		case c.ends(`"provisional":true`):
			r.Provisional = true
		default:
			c.cut(`"`)
			c.quoted(r)
		}
	}
	return empty
}

func validFingerprint(s string) bool { return len(s) <= 32 && only(s, "_-") }

// quoted cuts off a part with a quoted value, whose closing quote is cut.
func (c *cutter) quoted(r *store.Record) {
	n := len(c.text)
	for n > 0 && c.text[n-1] != '"' {
		n--
	}
	value := c.take(len(c.text) - n)
	switch {
	case c.ends(`"allow":"`):
		r.Allow = value
		c.failed = c.failed || !validFingerprint(value)
	case c.ends(`"archivedAt":"`):
		r.ArchivedAt = c.parseTime(value)
	default:
		c.failed = true
	}
}
