package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// LayoutVersion is the version of the layout of keys that docs/redis-layout.md
// describes. A change that a reader could trip over makes it higher.
const LayoutVersion = 1

// ErrLayout says that the keys in Redis are in a layout that this version does
// not know; it is store.ErrUnavailable, too.
var ErrLayout = errors.New("redisstore: unknown layout of keys")

// Ready implements store.Store. The round trip reads the version of the layout.
func (s *Store) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.opt.ReadTimeout)
	defer cancel()
	return outcome(ctx, s.checkLayout(limited))
}

// checkLayout reads the version of the layout, or writes ours where there is none.
func (s *Store) checkLayout(ctx context.Context) error {
	ks, err := s.keyspace(store.SystemTenant)
	if err != nil {
		return err
	}
	var text string
	err = twice(ctx, func(ctx context.Context) error {
		text, err = s.client.Get(ctx, ks.layout()).Result()
		if !errors.Is(err, redis.Nil) {
			return err
		}
		if err := s.client.SetNX(ctx, ks.layout(), LayoutVersion, 0).Err(); err != nil {
			return err
		}
		text, err = s.client.Get(ctx, ks.layout()).Result() // another may have been first
		return err
	})
	if err != nil {
		return err
	}
	if v, err := strconv.Atoi(text); err != nil || v != LayoutVersion {
		s.opened.Store(false)
		return fmt.Errorf("%w: %w: version %.20q, this is version %d", store.ErrUnavailable, ErrLayout, text, LayoutVersion)
	}
	s.opened.Store(true)
	return nil
}
