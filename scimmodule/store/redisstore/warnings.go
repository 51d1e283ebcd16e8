package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Warnings implements store.Warner: memory policy and persistence, of every
// master. What the user in Redis may not ask is a warning of its own.
func (s *Store) Warnings(ctx context.Context) ([]string, error) {
	var mu sync.Mutex
	var out []string
	err := s.read(ctx, func(ctx context.Context) error {
		out = nil
		ask := func(ctx context.Context, node *redis.Client) error {
			w, err := warnings(ctx, node)
			mu.Lock()
			defer mu.Unlock()
			out = append(out, w...)
			return err
		}
		switch c := s.client.(type) {
		case *redis.ClusterClient:
			return c.ForEachMaster(ctx, ask)
		case *redis.Client:
			return ask(ctx, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func warnings(ctx context.Context, node *redis.Client) ([]string, error) {
	var out []string
	policy, err := setting(ctx, node, "maxmemory-policy")
	switch {
	case err != nil:
		return nil, err
	case policy == "":
		out = append(out, "Redis does not tell its maxmemory-policy (CONFIG GET is denied): make sure that it is noeviction, or data may be lost")
	case policy != "noeviction":
		out = append(out, fmt.Sprintf("Redis has maxmemory-policy %s: it may evict data; set it to noeviction", policy))
	}
	aof, err := setting(ctx, node, "appendonly")
	if err != nil {
		return nil, err
	}
	save, err := setting(ctx, node, "save")
	if err != nil {
		return nil, err
	}
	switch {
	case aof == "":
		out = append(out, "Redis does not tell whether it persists data (CONFIG GET is denied): make sure that it has an append-only file or snapshots, or a restart loses all")
	case aof != "yes" && save == "":
		out = append(out, "Redis has neither an append-only file nor snapshots: a restart loses all data; set appendonly to yes")
	}
	return out, nil
}

// setting asks for a configuration value; it is empty where the server does
// not tell, and where it is empty.
func setting(ctx context.Context, node *redis.Client, name string) (string, error) {
	values, err := node.ConfigGet(ctx, name).Result()
	if err == nil {
		return values[name], nil
	}
	if text := err.Error(); redis.HasErrorPrefix(err, "NOPERM") || strings.HasPrefix(text, "ERR unknown") {
		return "", nil
	}
	return "", err
}
