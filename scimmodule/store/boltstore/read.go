package boltstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, tenantName string, kind store.Kind, ids ...string) ([]store.Record, error) {
	var out []store.Record
	err := s.view(ctx, tenantName, func(t *tenant) error {
		for i, id := range ids {
			if i%checkEvery == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			r, ok, err := t.record(kind, id)
			if err != nil {
				return err
			}
			if ok {
				out = append(out, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Lookup implements store.Store.
func (s *Store) Lookup(ctx context.Context, tenantName string, kind store.Kind, key store.Key) (string, error) {
	var id string
	err := s.view(ctx, tenantName, func(t *tenant) error {
		code := kindCode(kind)
		if code == 0 || !fits(key) {
			return store.ErrNotFound
		}
		id = string(get(t.bucket(uniqueBucket), uniqueKey(code, key)))
		if id == "" {
			return store.ErrNotFound
		}
		return nil
	})
	return id, err
}

// Scan implements store.Store.
func (s *Store) Scan(ctx context.Context, tenantName string, q store.Query) (store.Page, error) {
	var page store.Page
	err := s.view(ctx, tenantName, func(t *tenant) error {
		code := kindCode(q.Kind)
		if code == 0 || q.Key != nil && !fits(*q.Key) {
			return nil
		}
		bucket, prefix := t.bucket(headsOf(code)), []byte(nil)
		if q.Key != nil {
			bucket, prefix = t.bucket(indexBucket), indexPrefix(code, *q.Key)
			page.Total = count(bucket, prefix)
		} else {
			page.Total = int(t.state.records[code-1])
		}
		if q.Limit <= 0 || q.Offset >= page.Total {
			return nil
		}
		last := ""
		more, err := walk(ctx, bucket, prefix, []byte(q.After), q.Offset, q.Limit, func(suffix, _ []byte) error {
			last = string(suffix)
			if q.IDsOnly {
				page.Records = append(page.Records, store.Record{Kind: q.Kind, ID: last})
				return nil
			}
			r, ok, err := t.record(q.Kind, last)
			if ok {
				page.Records = append(page.Records, r)
			}
			return err
		})
		if more {
			page.Next = last
		}
		return err
	})
	if err != nil {
		return store.Page{}, err
	}
	return page, nil
}

// Edges implements store.Store.
func (s *Store) Edges(ctx context.Context, tenantName string, q store.EdgeQuery) (store.EdgePage, error) {
	var page store.EdgePage
	err := s.view(ctx, tenantName, func(t *tenant) error {
		if len(q.Group) > maxName || len(q.Member) > maxName {
			return nil
		}
		if len(q.Only) > 0 {
			var err error
			page.Members, err = t.edgesAmong(ctx, q)
			page.Total = len(page.Members)
			return err
		}
		if q.Group != "" {
			return t.pageMembers(ctx, q, &page)
		}
		return t.pageGroups(ctx, q, &page)
	})
	if err != nil {
		return store.EdgePage{}, err
	}
	return page, nil
}

func (t *tenant) pageMembers(ctx context.Context, q store.EdgeQuery, page *store.EdgePage) error {
	b, prefix := t.bucket(membersBucket), edgePrefix(q.Group)
	page.Total = count(b, prefix)
	if q.Limit <= 0 {
		return nil
	}
	var after []byte
	if q.After != (store.Member{}) {
		after = memberSuffix(q.After)
	}
	more, err := walk(ctx, b, prefix, after, 0, q.Limit, func(suffix, _ []byte) error {
		page.Members = append(page.Members, store.Member{Kind: kindOf(suffix[0]), ID: string(suffix[1:])})
		return nil
	})
	if more {
		page.Next = page.Members[len(page.Members)-1]
	}
	return err
}

func (t *tenant) pageGroups(ctx context.Context, q store.EdgeQuery, page *store.EdgePage) error {
	b, prefix := t.bucket(groupsBucket), edgePrefix(q.Member)
	page.Total = count(b, prefix)
	if q.Limit <= 0 {
		return nil
	}
	more, err := walk(ctx, b, prefix, []byte(q.After.ID), 0, q.Limit, func(suffix, _ []byte) error {
		page.Members = append(page.Members, store.Member{Kind: store.Group, ID: string(suffix)})
		return nil
	})
	if more {
		page.Next = page.Members[len(page.Members)-1]
	}
	return err
}

// edgesAmong answers a query for certain ids by one look-up each.
func (t *tenant) edgesAmong(ctx context.Context, q store.EdgeQuery) ([]store.Member, error) {
	var out []store.Member
	for i, id := range q.Only {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if q.Group != "" {
			if kind := t.edge(q.Group, id); kind != "" {
				out = append(out, store.Member{Kind: kind, ID: id})
			}
		} else if t.edge(id, q.Member) != "" {
			out = append(out, store.Member{Kind: store.Group, ID: id})
		}
	}
	slices.SortFunc(out, compareMembers)
	return slices.Compact(out), nil
}

// edge returns the kind of a group's member, "" where it is none. An id is a
// member once, whatever its kind.
func (t *tenant) edge(group, member string) store.Kind {
	if len(member) > maxName {
		return ""
	}
	v := get(t.bucket(groupsBucket), append(edgePrefix(member), group...))
	if len(v) != 1 {
		return ""
	}
	return kindOf(v[0])
}

// compareMembers orders users before groups, and then by id in byte order.
func compareMembers(a, b store.Member) int {
	return cmp.Or(cmp.Compare(kindCode(a.Kind), kindCode(b.Kind)), strings.Compare(a.ID, b.ID))
}

// fits tells whether a key can have been stored.
func fits(k store.Key) bool {
	return len(k.Index) <= maxName && len(k.Value) <= store.MaxKeyValue
}
