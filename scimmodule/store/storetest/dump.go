package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// probe names what a dump asks for beyond the records, because the interface
// lists neither keys nor the members that have no record.
type probe struct {
	kinds []store.Kind
	keys  []store.Key
	ids   []string
}

// probeName names a key in a dump.
func probeName(kind store.Kind, key store.Key) string {
	return fmt.Sprintf("%s %s %q", kind, key.Index, key.Value)
}

// dump is everything that can be read of a tenant.
type dump struct {
	Records map[store.Kind][]store.Record
	Holders map[string]string
	Index   map[string][]string
	Members map[string][]store.Member
	Groups  map[string][]store.Member
	Trimmed uint64 // as TruncatedError has it
	Log     []store.Change
}

// takeDump reads a small tenant, whose every list fits one page.
func takeDump(ctx context.Context, tb testing.TB, s store.Store, tenant string, p probe) dump {
	tb.Helper()
	check := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatalf("dump of %s: %v", tenant, err)
		}
	}
	d := dump{
		Records: map[store.Kind][]store.Record{}, Holders: map[string]string{}, Index: map[string][]string{},
		Members: map[string][]store.Member{}, Groups: map[string][]store.Member{},
	}
	for _, kind := range p.kinds {
		page, err := s.Scan(ctx, tenant, store.Query{Kind: kind, Limit: maxLimit})
		check(err)
		if len(page.Records) > 0 {
			d.Records[kind] = page.Records
		}
		for _, key := range p.keys {
			name := probeName(kind, key)
			id, err := s.Lookup(ctx, tenant, kind, key)
			if err == nil {
				d.Holders[name] = id
			} else if !errors.Is(err, store.ErrNotFound) {
				check(err)
			}
			page, err := s.Scan(ctx, tenant, store.Query{Kind: kind, Key: &key, Limit: maxLimit, IDsOnly: true})
			check(err)
			if len(page.Records) > 0 {
				d.Index[name] = recordIDs(page.Records)
			}
		}
	}
	for _, id := range p.ids {
		page, err := s.Edges(ctx, tenant, store.EdgeQuery{Group: id, Limit: maxLimit})
		check(err)
		if len(page.Members) > 0 {
			d.Members[id] = page.Members
		}
		page, err = s.Edges(ctx, tenant, store.EdgeQuery{Member: id, Limit: maxLimit})
		check(err)
		if len(page.Members) > 0 {
			d.Groups[id] = page.Members
		}
	}
	var err error
	d.Log, err = s.Changes(ctx, tenant, 0, maxLimit)
	var truncated *store.TruncatedError
	if errors.As(err, &truncated) {
		d.Trimmed = truncated.Oldest
		d.Log, err = s.Changes(ctx, tenant, d.Trimmed, maxLimit)
	}
	check(err)
	return d
}
