package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// workers is how many records are committed at once: stores share the cost of
// writing to disk among those that wait.
const workers = 16

// Chunk applies the next lines of an export, of which first lie before. It may be
// called again after any error, and after a crash: what is in already is left as
// it is. The position moves when the chunk is in, and at each tenant's first line
// and end. It returns the position as it is then, also with an error. Errors:
// ErrNotBegun; *PositionError where the import does not wait for the line first;
// *LineError for a line that is damaged, out of order, or clashes with what is
// stored; *NotEmptyError before anything is written to a tenant that is there
// already; and the store's.
func (im *Importer) Chunk(ctx context.Context, export string, first int, lines [][]byte) (Position, error) {
	im.turn.Lock()
	defer im.turn.Unlock()
	c, version, err := im.load(ctx, export)
	if err != nil {
		return Position{}, err
	}
	if version == 0 {
		return Position{}, ErrNotBegun
	}
	if first != c.Lines || c.Done {
		return c.position(), &PositionError{c.position()}
	}
	steps, err := plan(c, lines)
	if err != nil {
		return c.position(), err
	}
	r := &run{Importer: im, export: export, at: c, version: version}
	for i, s := range steps {
		if err := r.step(ctx, s, i == len(steps)-1); err != nil {
			err = r.overtaken(ctx, err)
			var other *PositionError
			if errors.As(err, &other) {
				return other.Position, err
			}
			return r.at.position(), err
		}
	}
	return r.at.position(), nil
}

// overtaken replaces an error that another node has caused, by applying the same
// chunk at the same time.
func (r *run) overtaken(ctx context.Context, err error) error {
	var conflict *store.ConflictError
	var line *LineError
	if !errors.As(err, &conflict) && !errors.As(err, &line) && !errors.Is(err, ErrNotEmpty) {
		return err
	}
	c, version, lerr := r.load(ctx, r.export)
	switch {
	case lerr != nil:
		return lerr
	case version == 0:
		return ErrNotBegun // the tenant was deleted
	case version != r.version:
		return &PositionError{c.position()}
	}
	return err
}

// run is one call of Chunk.
type run struct {
	*Importer
	export  string
	at      cursor // as it is stored
	version uint64 // of the stored cursor

	admit    Admit // of the tenant whose name is admitFor
	admitFor string
}

func (r *run) step(ctx context.Context, s step, last bool) error {
	switch {
	case s.open != nil:
		return r.open(ctx, s)
	case s.close != nil:
		return r.close(ctx, s)
	}
	if len(s.units) > 0 {
		if err := r.prepare(s.from, s.units[0].line); err != nil {
			return err
		}
		err := concurrently(ctx, s.units, func(u unit) error { return r.unit(ctx, s.from.Name, u) })
		if err != nil {
			return err
		}
	}
	if !last {
		return nil
	}
	return r.move(ctx, &store.Batch{Time: now()}, s.after)
}

// move stores the cursor, together with what else is in the batch.
func (r *run) move(ctx context.Context, b *store.Batch, to cursor) error {
	version, err := r.commit(ctx, b, r.export, to, r.version)
	if err == nil {
		r.at, r.version = to, version
	}
	return err
}

// prepare asks how a tenant's records are admitted.
func (r *run) prepare(t *section, line int) error {
	if r.admitFor == t.Name {
		return nil
	}
	var settings []byte
	if t.Record != nil {
		settings = t.Record.Body
		if r.Check != nil {
			if err := r.Check(t.Name, t.Record.record()); err != nil {
				return &LineError{Line: line, Reason: "the tenant's own record is refused: " + err.Error()}
			}
		}
	}
	admit, err := r.admission(t.Name, settings)
	if err != nil {
		return &LineError{Line: line, Reason: fmt.Sprintf("the settings of the tenant %s cannot be used here: %v", t.Name, err)}
	}
	r.admit, r.admitFor = admit, t.Name
	return nil
}

// open begins a tenant: it must have nothing. The mark is what tells, from here
// on, that what the tenant has is from this import.
func (r *run) open(ctx context.Context, s step) error {
	t := s.after.Tenant
	if err := r.prepare(t, s.line); err != nil {
		return err
	}
	m, version, err := readMark(ctx, r.store, t.Name)
	if err != nil {
		return err
	}
	if version > 0 && !m.Done {
		return &NotEmptyError{Tenant: t.Name, Importing: true}
	}
	b := &store.Batch{Time: now()}
	own, err := r.store.Get(ctx, store.SystemTenant, store.Tenant, t.Name)
	switch {
	case err != nil:
		return err
	case len(own) == 0:
		b.Require = []store.Require{{Kind: store.Tenant, ID: t.Name}}
	case r.Gone != nil && r.Gone(own[0].Body):
		b.Delete = []store.Delete{{Kind: store.Tenant, ID: t.Name, Expect: own[0].Version}}
	default:
		return &NotEmptyError{Tenant: t.Name}
	}
	for _, k := range []store.Kind{store.User, store.Group, store.Archived} {
		p, err := r.store.Scan(ctx, t.Name, store.Query{Kind: k})
		if err != nil {
			return err
		}
		if p.Total > 0 {
			return &NotEmptyError{Tenant: t.Name}
		}
	}
	p, err := putImport(t.Name, mark{Export: r.export}, version)
	if err != nil {
		return err
	}
	b.Put = []store.Put{p}
	return r.clash(r.move(ctx, b, s.after), t.Name)
}

// clash names the tenant where its record, or mark, is there against expectation.
func (r *run) clash(err error, tenant string) error {
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		return &NotEmptyError{Tenant: tenant, Importing: conflict.Kind == store.Import}
	}
	return err
}

// close ends a tenant: with its own record and the mark it is there, and whole.
func (r *run) close(ctx context.Context, s step) error {
	t := s.from
	// The store logs every change of members.
	if _, err := r.store.Redact(ctx, t.Name, func(c store.Change) bool { return c.Actor == actor }); err != nil {
		return err
	}
	// What was swept for an allow list was not what came in.
	_, err := r.store.Commit(ctx, store.SystemTenant, &store.Batch{Time: now(), Delete: []store.Delete{{Kind: store.Sweep, ID: t.Name, Expect: store.Any}}})
	var none *store.ConflictError
	if err != nil && !errors.As(err, &none) {
		return err
	}
	p, err := putImport(t.Name, mark{Export: r.export, Done: true}, store.Any)
	if err != nil {
		return err
	}
	b := &store.Batch{Time: now(), Put: []store.Put{p}}
	if t.Record != nil {
		own := t.Record.record()
		b.Time = own.Modified
		b.Put = append(b.Put, store.Put{Record: own})
	}
	return r.clash(r.move(ctx, b, s.after), t.Name)
}

// concurrently calls f for each unit, and returns the first error. After one it
// begins nothing new.
func concurrently(ctx context.Context, units []unit, f func(u unit) error) error {
	var next atomic.Int64
	var failed atomic.Bool
	var once sync.Once
	var first error
	fail := func(err error) {
		once.Do(func() { first = err })
		failed.Store(true)
	}
	var wg sync.WaitGroup
	for range min(workers, len(units)) {
		wg.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= len(units) {
					return
				}
				if err := ctx.Err(); err != nil {
					fail(err)
				} else if err := f(units[i]); err != nil {
					fail(err)
				}
			}
		})
	}
	wg.Wait()
	return first
}
