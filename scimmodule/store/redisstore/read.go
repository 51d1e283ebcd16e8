package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// manyKeys is how many keys or members one command names at the most.
const manyKeys = 5000

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, tenant string, kind store.Kind, ids ...string) ([]store.Record, error) {
	ks, err := s.keyspace(tenant)
	if err != nil {
		return nil, err
	}
	if err := checkKind(kind); err != nil {
		return nil, err
	}
	var out []store.Record
	err = s.read(ctx, func(ctx context.Context) error {
		out, err = s.records(ctx, ks, kind, ids)
		return err
	})
	return out, err
}

// records reads records in one round trip.
func (s *Store) records(ctx context.Context, ks keyspace, kind store.Kind, ids []string) ([]store.Record, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	pipe := s.client.Pipeline()
	var commands []*redis.SliceCmd
	for some := range slices.Chunk(ids, manyKeys) {
		keys := make([]string, len(some))
		for i, id := range some {
			keys[i] = ks.record(kind, id)
		}
		commands = append(commands, pipe.MGet(ctx, keys...))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	out := make([]store.Record, 0, len(ids))
	for i, c := range commands {
		for j, v := range c.Val() {
			text, ok := v.(string)
			if !ok {
				continue
			}
			r, err := parseRecord(kind, ids[i*manyKeys+j], text)
			if err != nil {
				return nil, fmt.Errorf("%w: %s", err, kind)
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// Lookup implements store.Store.
func (s *Store) Lookup(ctx context.Context, tenant string, kind store.Kind, key store.Key) (string, error) {
	ks, err := s.keyspace(tenant)
	if err != nil {
		return "", err
	}
	if err := checkKind(kind); err != nil {
		return "", err
	}
	var id string
	err = s.read(ctx, func(ctx context.Context) error {
		id, err = s.client.Get(ctx, ks.unique(kind, key)).Result()
		if errors.Is(err, redis.Nil) {
			return store.ErrNotFound
		}
		return err
	})
	return id, err
}

// Scan implements store.Store: one round trip for the ids, one for the records.
func (s *Store) Scan(ctx context.Context, tenant string, q store.Query) (store.Page, error) {
	ks, err := s.keyspace(tenant)
	if err != nil {
		return store.Page{}, err
	}
	if err := checkKind(q.Kind); err != nil {
		return store.Page{}, err
	}
	if q.Offset < 0 || q.Limit < 0 || q.Offset > 0 && q.After != "" {
		return store.Page{}, errQuery
	}
	set := ks.list(q.Kind)
	if q.Key != nil {
		set = ks.entries(q.Kind, *q.Key)
	}
	var page store.Page
	err = s.read(ctx, func(ctx context.Context) error {
		page = store.Page{}
		ids, err := s.ids(ctx, set, q, &page)
		if err != nil {
			return err
		}
		if !q.IDsOnly {
			page.Records, err = s.records(ctx, ks, q.Kind, ids)
			return err
		}
		for _, id := range ids {
			page.Records = append(page.Records, store.Record{Kind: q.Kind, ID: id})
		}
		return nil
	})
	if err != nil {
		return store.Page{}, err
	}
	return page, nil
}

// ids reads a page of a sorted set and sets the page's Total and Next.
func (s *Store) ids(ctx context.Context, set string, q store.Query, page *store.Page) ([]string, error) {
	if q.Limit == 0 {
		n, err := s.client.ZCard(ctx, set).Result()
		page.Total = int(n)
		return nil, err
	}
	// Not MULTI: that is refused where Redis is out of memory, and the total is a
	// moment older than the page at most.
	pipe := s.client.Pipeline()
	count := pipe.ZCard(ctx, set)
	var ranged *redis.StringSliceCmd
	if q.After == "" {
		ranged = pipe.ZRange(ctx, set, int64(q.Offset), int64(q.Offset)+int64(q.Limit))
	} else {
		ranged = rangeAfter(ctx, pipe, set, q.After, q.Limit+1)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	page.Total = int(count.Val())
	ids := ranged.Val()
	if len(ids) > q.Limit {
		ids = ids[:q.Limit]
		page.Next = ids[q.Limit-1]
	}
	return ids, nil
}

// rangeAfter reads the members of a sorted set behind one, "" for the first.
func rangeAfter(ctx context.Context, pipe redis.Pipeliner, set, after string, limit int) *redis.StringSliceCmd {
	start := "-"
	if after != "" {
		start = "(" + after
	}
	return pipe.ZRangeArgs(ctx, redis.ZRangeArgs{Key: set, ByLex: true, Start: start, Stop: "+", Count: int64(limit)})
}
