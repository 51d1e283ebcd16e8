package admin

import (
	"errors"
	"net/http"

	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/tenancy"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

// export streams NDJSON. Once it has begun, all that can still be done about an
// error is to break it off: the last line, which says that it is whole, is missing.
func (c *call) export(in ExportRequest) (any, error) {
	names, err := c.exported(in.Tenants)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := c.prepare(name); err != nil {
			return nil, err
		}
		c.tenancy.Audit(c.ctx, "tenant exported", name)
	}
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	w := &begun{w: c.w}
	if err := transfer.Export(c.ctx, c.tenancy.Store(), w, names, nil); err != nil {
		if w.any {
			panic(http.ErrAbortHandler)
		}
		return nil, err
	}
	return streamed{}, nil
}

// prepare sees to it that no export holds what a list that was narrowed does not
// keep any more, and that what this node has counted is in it.
func (c *call) prepare(tenant string) error {
	s, err := c.tenancy.Of(c.ctx, tenant)
	if unserved(err) {
		return nil
	}
	if err != nil {
		return err
	}
	// A report that cannot be read is exported as it is.
	_, _ = c.tenancy.Book().Read(c.ctx, tenant)
	_, err = s.Directory.Sweep(c.ctx, directory.Call{Actor: actor})
	return err
}

// unserved tells that a tenant is not served, but exported all the same: it is the
// last copy that can be had.
func unserved(err error) bool {
	return errors.Is(err, tenancy.ErrUnfit) || errors.Is(err, registry.ErrDamaged)
}

// exported returns the tenants to export: those asked for, or all.
func (c *call) exported(asked []string) ([]string, error) {
	if len(asked) > 0 {
		for _, name := range asked {
			if err := registry.CheckName(name); err != nil {
				return nil, err
			}
			if _, err := c.tenancy.Of(c.ctx, name); err != nil && !unserved(err) {
				return nil, err
			}
		}
		return asked, nil
	}
	var all []string
	for after := ""; ; {
		list, next, err := c.tenancy.Entries(c.ctx, after, 1000)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if e.Deleting {
				continue
			}
			_, err := c.tenancy.Of(c.ctx, e.Name)
			switch {
			case errors.Is(err, tenancy.ErrImporting), errors.Is(err, registry.ErrDamaged):
				continue // half of it would be of no use, and one that no import takes would stop that
			case err != nil && !unserved(err):
				return nil, err
			}
			all = append(all, e.Name)
		}
		if after = next; after == "" {
			return all, nil
		}
	}
}

// begun tells whether anything was written.
type begun struct {
	w   http.ResponseWriter
	any bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.any = true
	return b.w.Write(p)
}

func (c *call) importBegin(in ImportBegin) (any, error) {
	p, err := c.tenancy.Importer().Begin(c.ctx, []byte(in.Header))
	if err == nil {
		c.tenancy.Audit(c.ctx, "import begun or resumed", "")
	}
	return ImportPosition{Next: p.Next, Done: p.Done}, err
}

func (c *call) importChunk(in ImportChunk) (any, error) {
	lines := make([][]byte, len(in.Lines))
	size := 0
	for i, l := range in.Lines {
		lines[i] = []byte(l)
		size += len(l)
	}
	if len(lines) > transfer.ChunkLines || size > transfer.MaxLine {
		return nil, refuse(http.StatusRequestEntityTooLarge, "a chunk has at most %d lines and %d bytes", transfer.ChunkLines, transfer.MaxLine)
	}
	p, err := c.tenancy.Import(c.ctx, in.ID, in.First, lines)
	var other *transfer.PositionError
	if errors.As(err, &other) {
		p, err = other.Position, nil
	}
	return ImportPosition{Next: p.Next, Done: p.Done}, err
}
