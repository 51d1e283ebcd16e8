package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Admission prepares to admit a tenant's records, given the body of the tenant's
// own record (nil where it has none). Its error, a sentence for the operator,
// refuses the tenant.
type Admission func(tenant string, settings []byte) (Admit, error)

// Admit returns a user, a group or an archived user as the directory may keep it,
// without what the tenant's settings do not allow, and tells under which keys:
// unique ones and others. It is called by several goroutines at once. Its error
// says that the body is damaged.
type Admit func(r store.Record) (_ store.Record, unique, other []store.Key, err error)

// Importer applies exports to a store. It is safe for concurrent use; chunks are
// applied one at a time.
type Importer struct {
	// Gone tells, of the body of a tenant's own record, that it is only what is
	// left of a tenant that was deleted: such a record is no tenant, and goes when
	// an import of the tenant begins. Where it is nil, every record is a tenant.
	// It must be set before the importer is used.
	Gone func(body []byte) bool
	// Check refuses a record of the system tenant, namely a token, a report or the
	// tenant's own, that is not one which this tenant can have. Its error names no
	// values. Nil takes all.
	Check func(tenant string, r store.Record) error

	store     store.Store
	admission Admission
	turn      sync.Mutex
}

// NewImporter returns an importer. It does no I/O.
func NewImporter(s store.Store, a Admission) *Importer { return &Importer{store: s, admission: a} }

// Position is how far an import is.
type Position struct {
	Next int  // the line that it waits for, counted from 0: so many are in
	Done bool // all are in
}

// The records of an import, in the system tenant: one under importID, with a
// cursor, and for each tenant of the export one of the tenant's name, a mark.

func importID(export string) string { return "export:" + export }

// mark says which import a tenant came, or comes, from.
type mark struct {
	Export string `json:"export"`
	Done   bool   `json:"done,omitempty"`
}

// Begin takes the first line of an export and begins its import, unless it was
// begun before. Either way it returns the position to go on at. Errors:
// *LineError where the line is not the header of an export that this version
// can read, and the store's.
func (im *Importer) Begin(ctx context.Context, header []byte) (Position, error) {
	h, err := ReadHeader(header)
	if err != nil {
		return Position{}, err
	}
	c, version, err := im.load(ctx, h.ID)
	if err != nil || version > 0 {
		return c.position(), err
	}
	c.Lines = 1
	_, err = im.commit(ctx, &store.Batch{Time: now()}, h.ID, c, 0)
	var conflict *store.ConflictError
	if errors.As(err, &conflict) { // begun by another call
		return im.Position(ctx, h.ID)
	}
	return c.position(), err
}

// Position tells how far the import of an export is; the zero Position where it
// was not begun.
func (im *Importer) Position(ctx context.Context, export string) (Position, error) {
	c, _, err := im.load(ctx, export)
	return c.position(), err
}

func (c cursor) position() Position { return Position{Next: c.Lines, Done: c.Done} }

// Importing tells whether an import into the tenant is under way. Until it is
// finished, or the tenant deleted, nobody else may read or write the tenant.
func Importing(ctx context.Context, s store.Store, tenant string) (bool, error) {
	m, version, err := readMark(ctx, s, tenant)
	return version > 0 && !m.Done, err
}

// Forget removes what is known of the import that a tenant came, or comes, from,
// so that the same export can be imported again. It is part of deleting the
// tenant, and comes after all else.
func (im *Importer) Forget(ctx context.Context, tenant string) error {
	im.turn.Lock()
	defer im.turn.Unlock()
	m, version, err := readMark(ctx, im.store, tenant)
	if err != nil || version == 0 {
		return err
	}
	_, imported, err := im.load(ctx, m.Export)
	if err != nil {
		return err
	}
	b := &store.Batch{Time: now(), Delete: []store.Delete{{Kind: store.Import, ID: tenant, Expect: version}}}
	if imported > 0 {
		b.Delete = append(b.Delete, store.Delete{Kind: store.Import, ID: importID(m.Export), Expect: imported})
	}
	_, err = im.store.Commit(ctx, store.SystemTenant, b)
	return err
}

func readMark(ctx context.Context, s store.Store, tenant string) (m mark, version uint64, err error) {
	version, err = readImport(ctx, s, tenant, &m)
	return m, version, err
}

// load returns the cursor of an import and its version, 0 where there is none.
func (im *Importer) load(ctx context.Context, export string) (c cursor, version uint64, err error) {
	version, err = readImport(ctx, im.store, importID(export), &c)
	return c, version, err
}

func readImport(ctx context.Context, s store.Store, id string, to any) (version uint64, err error) {
	if !validID(id) {
		return 0, nil
	}
	rs, err := s.Get(ctx, store.SystemTenant, store.Import, id)
	if err != nil || len(rs) == 0 {
		return 0, err
	}
	if err := json.Unmarshal(rs[0].Body, to); err != nil {
		return 0, fmt.Errorf("stored %s %s is damaged", store.Import, id)
	}
	return rs[0].Version, nil
}

// commit completes a batch of the system tenant with the cursor, and returns the
// cursor's new version.
func (im *Importer) commit(ctx context.Context, b *store.Batch, export string, c cursor, expect uint64) (uint64, error) {
	p, err := putImport(importID(export), c, expect)
	if err != nil {
		return 0, err
	}
	b.Put = append(b.Put, p)
	res, err := im.store.Commit(ctx, store.SystemTenant, b)
	return res.Revision, err
}

func putImport(id string, v any, expect uint64) (store.Put, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a body in it stays as it is
	if err := e.Encode(v); err != nil {
		return store.Put{}, err
	}
	return store.Put{Record: store.Record{Kind: store.Import, ID: id, Body: bytes.TrimSpace(b.Bytes())}, Expect: expect}, nil
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
