package transfer

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

const (
	// page is how many records or members are read at once.
	page = 1000
	// byTenant is the index under which a tenant's tokens are in the system tenant.
	byTenant = "tenant"
)

// Progress tells how far the export of a tenant is.
type Progress struct {
	Tenant  string
	Records int // written so far
	Total   int // records that there were in the beginning
	Members int // memberships written so far
}

// Export writes tenants to w, in the order of their names: all that they have but
// the change log. It needs memory for a page of records, however many there are.
// A tenant that has nothing becomes an empty one. Where progress is not nil it is
// told after each page. Errors are the store's, those of w, and one that names a
// record that is damaged; what was written is of no use then.
func Export(ctx context.Context, s store.Store, w io.Writer, tenants []string, progress func(Progress)) error {
	e := &exporter{store: s, out: bufio.NewWriterSize(w, 64<<10), progress: progress}
	names := slices.Compact(slices.Sorted(slices.Values(tenants)))
	h := headerLine{Format: Format, ID: rand.Text(), Time: moment{time.Now().UTC()}}
	if err := e.write(appendHeader(nil, &h)); err != nil {
		return err
	}
	for _, name := range names {
		if err := e.tenant(ctx, name); err != nil {
			return fmt.Errorf("export of tenant %q: %w", name, err)
		}
	}
	if err := e.write(appendEnd(nil, &endLine{Lines: e.lines + 1})); err != nil {
		return err
	}
	return e.out.Flush()
}

// exporter writes one export.
type exporter struct {
	store    store.Store
	out      *bufio.Writer
	lines    int
	buf      []byte
	counts   counts // of the tenant
	progress func(Progress)
	state    Progress
}

func (e *exporter) write(line []byte) error {
	if len(line) > MaxLine {
		return fmt.Errorf("a line would have %d bytes, more than an import takes", len(line))
	}
	e.lines++
	_, err := e.out.Write(line)
	return err
}

// report hands on what was written, and tells of it.
func (e *exporter) report() error {
	if err := e.out.Flush(); err != nil {
		return err
	}
	if e.progress != nil {
		e.progress(e.state)
	}
	return nil
}

func (e *exporter) tenant(ctx context.Context, name string) error {
	if !validTenant(name) {
		return errTenant
	}
	e.counts, e.state = counts{}, Progress{Tenant: name}
	revision, err := e.revision(ctx, name)
	if err != nil {
		return err
	}
	own, err := e.own(ctx, store.Tenant, name)
	if err != nil {
		return err
	}
	for _, q := range queries(name) {
		q.query.Limit = 0
		p, err := e.store.Scan(ctx, q.tenant, q.query)
		if err != nil {
			return err
		}
		e.state.Total += p.Total
	}
	report, err := e.own(ctx, store.Report, name)
	if err != nil {
		return err
	}
	if report != nil {
		e.state.Total++
	}
	t := tenantLine{Name: name, Revision: revision}
	if own != nil {
		if t.Record, err = e.lineOf(*own); err != nil {
			return err
		}
	}
	if err := e.write(appendTenant(nil, &t)); err != nil {
		return err
	}
	for _, q := range queries(name) {
		if q.query.Kind == store.Token && report != nil {
			if err := e.record(*report); err != nil {
				return err
			}
		}
		if err := e.records(ctx, name, q); err != nil {
			return err
		}
	}
	changed, err := e.changed(ctx, name, revision, own)
	if err != nil {
		return err
	}
	if err := e.write(appendClose(nil, &closeLine{Name: name, Counts: e.counts, Changed: changed})); err != nil {
		return err
	}
	return e.report()
}

const errTenant = constError(noTenant)

// source is where some of a tenant's records are.
type source struct {
	tenant string
	query  store.Query
}

// queries find the records of a tenant in the order of the file, but for its
// report, which comes before the tokens.
func queries(name string) []source {
	return []source{
		{name, store.Query{Kind: store.User}},
		{name, store.Query{Kind: store.Group}},
		{name, store.Query{Kind: store.Archived}},
		{name, store.Query{Kind: store.Tombstone}},
		{store.SystemTenant, store.Query{Kind: store.Token, Key: &store.Key{Index: byTenant, Value: name}}},
	}
}

// revision returns the tenant's revision: a commit that changes nothing tells it.
func (e *exporter) revision(ctx context.Context, tenant string) (uint64, error) {
	res, err := e.store.Commit(ctx, tenant, &store.Batch{Time: time.Now()})
	return res.Revision, err
}

// own returns the record of a tenant's name in the system tenant; nil where there
// is none.
func (e *exporter) own(ctx context.Context, k store.Kind, name string) (*store.Record, error) {
	rs, err := e.store.Get(ctx, store.SystemTenant, k, name)
	if err != nil || len(rs) == 0 {
		return nil, err
	}
	return &rs[0], nil
}

// changed tells whether the tenant was written to since.
func (e *exporter) changed(ctx context.Context, name string, revision uint64, was *store.Record) (bool, error) {
	now, err := e.revision(ctx, name)
	if err != nil {
		return false, err
	}
	own, err := e.own(ctx, store.Tenant, name)
	if err != nil {
		return false, err
	}
	same := own == nil && was == nil || own != nil && was != nil && own.Version == was.Version
	return now != revision || !same, nil
}

// records writes what a query finds.
func (e *exporter) records(ctx context.Context, name string, from source) error {
	q := from.query
	for q.Limit = page; ; {
		p, err := e.store.Scan(ctx, from.tenant, q)
		if err != nil {
			return err
		}
		for _, r := range p.Records {
			if err := e.record(r); err != nil {
				return err
			}
			if r.Kind == store.Group {
				if err := e.members(ctx, name, r.ID); err != nil {
					return err
				}
			}
		}
		if err := e.report(); err != nil {
			return err
		}
		if q.After = p.Next; q.After == "" {
			return nil
		}
	}
}

// lineOf checks a record: what is exported can be imported.
func (e *exporter) lineOf(r store.Record) (*recordLine, error) {
	l := lineOf(r)
	if problem := l.problem(); problem != "" {
		return nil, fmt.Errorf("the stored %s %q is damaged: %s", r.Kind, r.ID, problem)
	}
	return &l, nil
}

func (e *exporter) record(r store.Record) error {
	l, err := e.lineOf(r)
	if err != nil {
		return err
	}
	*e.counts.of(r.Kind)++
	e.state.Records++
	e.buf = append(appendRecord(e.buf[:0], l), '\n')
	return e.write(e.buf)
}

// members writes the members of a group in full lines, whatever the store's pages
// are.
func (e *exporter) members(ctx context.Context, tenant, group string) error {
	m := membersLine{Group: group}
	flush := func() error {
		if len(m.Add) == 0 {
			return nil
		}
		e.buf = appendMembers(e.buf[:0], &m)
		e.counts.Members += len(m.Add)
		e.state.Members += len(m.Add)
		m.Add = m.Add[:0]
		if err := e.write(e.buf); err != nil {
			return err
		}
		return nil
	}
	for q := (store.EdgeQuery{Group: group, Limit: page}); ; {
		p, err := e.store.Edges(ctx, tenant, q)
		if err != nil {
			return err
		}
		for _, x := range p.Members {
			if m.Add = append(m.Add, memberItem{ID: x.ID, Kind: x.Kind}); len(m.Add) == maxMembers {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		if q.After = p.Next; q.After == (store.Member{}) {
			return flush()
		}
		if err := e.report(); err != nil {
			return err
		}
	}
}
