package redisstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// side is one of the two sorted sets that make up a side of the relation.
type side struct {
	set   string
	kind  store.Kind // of the ids in it
	after string     // the id to start behind
	done  bool       // all of it is before the start
}

// Edges implements store.Store, in one round trip.
func (s *Store) Edges(ctx context.Context, tenant string, q store.EdgeQuery) (store.EdgePage, error) {
	ks, err := s.keyspace(tenant)
	if err != nil {
		return store.EdgePage{}, err
	}
	if (q.Group == "") == (q.Member == "") || q.Limit < 0 {
		return store.EdgePage{}, errQuery
	}
	sides := sidesOf(ks, q)
	var page store.EdgePage
	err = s.read(ctx, func(ctx context.Context) error {
		if len(q.Only) > 0 {
			page, err = s.edgesAmong(ctx, sides, q.Only)
		} else {
			page, err = s.edgePage(ctx, sides, q.Limit)
		}
		return err
	})
	return page, err
}

// sidesOf gives a group's users and the groups in it; or, of an id, the groups
// that it is in as a user, and as a group.
func sidesOf(ks keyspace, q store.EdgeQuery) [2]side {
	var out [2]side
	for i, kind := range [2]store.Kind{store.User, store.Group} {
		if q.Group != "" {
			out[i] = side{set: ks.members(q.Group, kind), kind: kind}
		} else {
			out[i] = side{set: ks.groups(kind, q.Member), kind: store.Group}
		}
		switch {
		case q.After.Kind == out[i].kind:
			out[i].after = q.After.ID
		case q.After.Kind == store.Group: // all users are before every group
			out[i].done = true
		}
	}
	return out
}

func (s *Store) edgePage(ctx context.Context, sides [2]side, limit int) (store.EdgePage, error) {
	pipe := s.client.Pipeline()
	var counts [2]*redis.IntCmd
	var ranges [2]*redis.StringSliceCmd
	for i, x := range sides {
		counts[i] = pipe.ZCard(ctx, x.set)
		if limit > 0 && !x.done {
			ranges[i] = rangeAfter(ctx, pipe, x.set, x.after, limit+1)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return store.EdgePage{}, err
	}
	var page store.EdgePage
	for i, x := range sides {
		page.Total += int(counts[i].Val())
		if ranges[i] != nil {
			for _, id := range ranges[i].Val() {
				page.Members = append(page.Members, store.Member{ID: id, Kind: x.kind})
			}
		}
	}
	slices.SortFunc(page.Members, compareMembers)
	if limit > 0 && len(page.Members) > limit {
		page.Members = page.Members[:limit]
		page.Next = page.Members[limit-1]
	}
	return page, nil
}

func (s *Store) edgesAmong(ctx context.Context, sides [2]side, ids []string) (store.EdgePage, error) {
	pipe := s.client.Pipeline()
	type answer struct {
		kind   store.Kind
		ids    []string
		scores *redis.Cmd
	}
	var answers []answer
	for _, x := range sides {
		for some := range slices.Chunk(ids, manyKeys) {
			args := make([]any, 0, len(some)+2)
			args = append(args, "zmscore", x.set)
			for _, id := range some {
				args = append(args, id)
			}
			answers = append(answers, answer{x.kind, some, pipe.Do(ctx, args...)})
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return store.EdgePage{}, err
	}
	var page store.EdgePage
	for _, a := range answers {
		scores, err := a.scores.Slice()
		if err != nil {
			return store.EdgePage{}, err
		}
		for i, score := range scores {
			if score != nil {
				page.Members = append(page.Members, store.Member{ID: a.ids[i], Kind: a.kind})
			}
		}
	}
	slices.SortFunc(page.Members, compareMembers)
	page.Members = slices.Compact(page.Members) // an id may be asked for twice
	page.Total = len(page.Members)
	return page, nil
}

// compareMembers orders users before groups, and then by id in byte order.
func compareMembers(a, b store.Member) int {
	if a.Kind != b.Kind {
		if a.Kind == store.User {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.ID, b.ID)
}
