package transfer

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Format is the version of the file that is written, and the only one read.
const Format = 1

const (
	// MaxLine bounds a line, in bytes.
	MaxLine = 2 << 20
	// ChunkLines is how many lines of an export should be handed to Importer.Chunk
	// at once, at the most.
	ChunkLines = 2000
	// ChunkBytes is how many bytes they should have together.
	ChunkBytes = 1 << 20

	// maxMembers is how many members a line has.
	maxMembers = 1000
)

// Header is what the first line of an export tells.
type Header struct {
	ID   string    // random: 26 characters of A-Z and 2-7
	Time time.Time // when the export was begun
}

// ReadHeader reads the first line of an export. The error is a *LineError.
func ReadHeader(data []byte) (Header, error) {
	l, problem := decodeLine(data)
	if problem == "" && l.Export == nil {
		problem = "it is not the first line of an export"
	}
	if problem != "" {
		return Header{}, &LineError{Line: 1, Reason: problem}
	}
	return Header{ID: l.Export.ID, Time: l.Export.Time.Time}, nil
}

// line is a decoded line. Exactly one of the pointers is set, or Kind is.
type line struct {
	Export  *headerLine  `json:"export"`
	Tenant  *tenantLine  `json:"tenant"`
	Members *membersLine `json:"members"`
	Close   *closeLine   `json:"tenant_end"`
	End     *endLine     `json:"end"`
	recordLine
}

type headerLine struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
	Time   moment `json:"time"`
}

type tenantLine struct {
	Name     string      `json:"name"`
	Revision uint64      `json:"revision"`
	Record   *recordLine `json:"record"`
}

// recordLine is a record in the file.
type recordLine struct {
	Kind        store.Kind      `json:"kind"`
	ID          string          `json:"id"`
	Created     moment          `json:"created"`
	Modified    moment          `json:"modified"`
	Allow       string          `json:"allow"`
	Provisional bool            `json:"provisional"`
	ArchivedAt  moment          `json:"archived_at"`
	Version     uint64          `json:"version"`
	Body        json.RawMessage `json:"body"`
}

type membersLine struct {
	Group string       `json:"group"`
	Add   []memberItem `json:"add"`
}

type memberItem struct {
	ID   string     `json:"id"`
	Kind store.Kind `json:"kind"`
}

type closeLine struct {
	Name    string `json:"name"`
	Counts  counts `json:"counts"`
	Changed bool   `json:"changed"`
}

// counts says how many of each a tenant has.
type counts struct {
	Users      int `json:"users"`
	Groups     int `json:"groups"`
	Members    int `json:"members"`
	Archived   int `json:"archived"`
	Tombstones int `json:"tombstones"`
	Reports    int `json:"reports"`
	Tokens     int `json:"tokens"`
}

// of returns the count of a kind of record.
func (c *counts) of(k store.Kind) *int {
	switch k {
	case store.User:
		return &c.Users
	case store.Group:
		return &c.Groups
	case store.Archived:
		return &c.Archived
	case store.Tombstone:
		return &c.Tombstones
	case store.Report:
		return &c.Reports
	default:
		return &c.Tokens
	}
}

type endLine struct {
	Lines int `json:"lines"`
}

// moment is a time as the file has it: UTC, with milliseconds.
type moment struct{ time.Time }

const timeForm = "2006-01-02T15:04:05.000Z"

// UnmarshalJSON implements json.Unmarshaler. It reads what MarshalJSON writes.
func (m *moment) UnmarshalJSON(b []byte) error {
	t, err := time.Parse(`"`+timeForm+`"`, string(b))
	if err != nil || t.Format(`"`+timeForm+`"`) != string(b) {
		return errTime
	}
	m.Time = t.UTC()
	return nil
}

// MarshalJSON implements json.Marshaler.
func (m moment) MarshalJSON() ([]byte, error) {
	return m.UTC().AppendFormat(nil, `"`+timeForm+`"`), nil
}

type constError string

func (e constError) Error() string { return string(e) }

// errTime has nothing of the text that is no time.
const errTime = constError("not a time")

// decodeLine decodes a line and checks it by itself. The second result says what
// is wrong with it, without any of its values.
func decodeLine(data []byte) (line, string) {
	var l line
	if len(data) > MaxLine {
		return l, "it is longer than 2 MiB"
	}
	if !utf8.Valid(data) {
		return l, "it is damaged: it is not UTF-8"
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil || len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return l, "it is damaged: it is not a line of an export of format 1"
	}
	return l, l.problem()
}

// problem checks a line by itself.
func (l *line) problem() string {
	n := 0
	for _, is := range []bool{l.Export != nil, l.Tenant != nil, l.Members != nil, l.Close != nil, l.End != nil, l.Kind != "" || l.ID != "" || l.Body != nil} {
		if is {
			n++
		}
	}
	switch {
	case n != 1:
		return "it is damaged: it is not a line of an export of format 1"
	case l.Export != nil:
		return l.Export.problem()
	case l.Tenant != nil:
		return l.Tenant.problem()
	case l.Members != nil:
		return l.Members.problem()
	case l.Close != nil && !validTenant(l.Close.Name):
		return noTenant
	case l.Kind != "":
		return l.recordLine.problem()
	case l.Close == nil && l.End == nil:
		return "its record has no kind"
	}
	return ""
}

const (
	noTenant = "its name cannot be a tenant's"
	noID     = "its id cannot be that of a record"
)

func (h *headerLine) problem() string {
	switch {
	case h.Format != Format:
		return "the export has a format that this version does not know: use the version that wrote it, or a newer one"
	case len(h.ID) != 26 || strings.Trim(h.ID, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "":
		return "the export has no id"
	}
	return ""
}

func (t *tenantLine) problem() string {
	switch {
	case !validTenant(t.Name):
		return noTenant
	case t.Record != nil && (t.Record.Kind != store.Tenant || t.Record.ID != t.Name):
		return "its record is not the tenant's"
	case t.Record != nil:
		return t.Record.problem()
	}
	return ""
}

func (m *membersLine) problem() string {
	if !validID(m.Group) {
		return noID
	}
	if len(m.Add) == 0 || len(m.Add) > maxMembers {
		return "it must have 1 to 1,000 members"
	}
	for _, x := range m.Add {
		if !validID(x.ID) || x.Kind != store.User && x.Kind != store.Group {
			return "one of its members is neither a user nor a group"
		}
	}
	return ""
}

// problem checks the envelope and the body, and brings the body into its form.
func (r *recordLine) problem() string {
	switch {
	case rank[r.Kind] == 0 && r.Kind != store.Tenant:
		return "its record is of a kind that is not exported"
	case !validID(r.ID):
		return noID
	case r.Created.IsZero() || r.Modified.IsZero():
		return "its record has no time"
	case len(r.Allow) > 32 || !only(r.Allow, "_-"):
		return "its record has a bad fingerprint of the allow list"
	case r.Provisional && r.Kind != store.User && r.Kind != store.Archived:
		return "only a user can be provisional"
	case r.ArchivedAt.IsZero() == (r.Kind == store.Archived):
		return "archived users have a time of archiving, and nothing else has"
	case r.Kind == store.Tombstone:
		if r.Body != nil {
			return "a tombstone has no body"
		}
		return ""
	}
	var b bytes.Buffer
	if json.Compact(&b, r.Body) != nil || !bytes.HasPrefix(b.Bytes(), []byte("{")) {
		return "its body is damaged"
	}
	r.Body = b.Bytes()
	var top struct {
		ID   json.RawMessage `json:"id"`
		Meta json.RawMessage `json:"meta"`
	}
	if json.Unmarshal(r.Body, &top) != nil || top.Meta != nil {
		return "its body is damaged"
	}
	if isResource(r.Kind) && string(top.ID) != `"`+r.ID+`"` {
		return "its body is that of another id"
	}
	return ""
}

// isResource tells whether a record is one of SCIM, with its id in the body.
func isResource(k store.Kind) bool {
	return k == store.User || k == store.Group || k == store.Archived
}

// record returns the record as a store takes it.
func (r *recordLine) record() store.Record {
	return store.Record{
		Kind: r.Kind, ID: r.ID, Version: r.Version, Created: r.Created.Time, Modified: r.Modified.Time,
		Allow: r.Allow, Provisional: r.Provisional, ArchivedAt: r.ArchivedAt.Time, Body: r.Body,
	}
}

// lineOf is the inverse of record.
func lineOf(r store.Record) recordLine {
	return recordLine{
		Kind: r.Kind, ID: r.ID, Version: r.Version, Created: moment{r.Created}, Modified: moment{r.Modified},
		Allow: r.Allow, Provisional: r.Provisional, ArchivedAt: moment{r.ArchivedAt}, Body: r.Body,
	}
}

// validID tells whether a record can have the id; see store.Record.
func validID(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsAny(id[:1], "._~@+:-") && only(id, "._~@+:-")
}

func validTenant(name string) bool {
	return validID(name) && len(name) <= 63 && strings.ToLower(name) == name && only(name, "-")
}

// only tells whether s has only ASCII letters, digits and the bytes in more.
func only(s, more string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(more, c) >= 0:
		default:
			return false
		}
	}
	return true
}
