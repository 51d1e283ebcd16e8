package scimmodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// background is the actor of what the service does by itself.
const background = "retention"

// Run does the work that no request asks for, until ctx ends: it purges archived
// users whose retention is over, and brings what is stored in line with an allow
// list that was narrowed. Several processes may run it over one store.
func (s *Service) Run(ctx context.Context) {
	for {
		wait := time.Hour
		if err := s.housekeeping(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			wait = 30 * time.Second
			s.log.LogAttrs(ctx, slog.LevelWarn, "housekeeping failed and is tried again", slog.Any("error", err), slog.Duration("in", wait))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (s *Service) housekeeping(ctx context.Context) error {
	list, err := s.tenants(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, d := range list {
		c := directory.Call{Actor: background}
		purged, perr := d.PurgeExpired(ctx, c)
		rewritten, serr := d.Sweep(ctx, c)
		if err := errors.Join(perr, serr); err != nil {
			failed = errors.Join(failed, fmt.Errorf("tenant %s: %w", d.Tenant(), err))
			if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUncertain) {
				return failed // the others would wait for the store too
			}
		}
		if purged+rewritten > 0 {
			s.log.LogAttrs(ctx, slog.LevelInfo, "housekeeping", slog.String("tenant", d.Tenant()), slog.Int("purged", purged), slog.Int("narrowed", rewritten))
		}
	}
	return failed
}
