package scimmodule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Errors of the administrative calls, for errors.Is. What wraps them is a
// sentence for the operator.
var (
	ErrUnknownTenant = errors.New("unknown tenant")
	ErrUnknownToken  = errors.New("unknown token")
	ErrInvalid       = errors.New("invalid")
)

// tenant returns the directory of a tenant: one of the configuration, or one
// made at run time. The error is ErrUnknownTenant where neither knows it, such
// as a tenant that the configuration no longer declares.
func (s *Service) tenant(ctx context.Context, name string) (*directory.Directory, error) {
	if d := s.declared[name]; d != nil {
		return d, nil
	}
	rs, err := s.store.Get(ctx, store.SystemTenant, store.Tenant, name)
	if err != nil {
		return nil, err
	}
	if len(rs) == 0 {
		return nil, fmt.Errorf("%w %s: declare it in the configuration, or create it with the token", ErrUnknownTenant, name)
	}
	return s.directory(name), nil
}

// directory returns the directory of a tenant that is known to exist.
func (s *Service) directory(name string) *directory.Directory {
	if d := s.declared[name]; d != nil {
		return d
	}
	s.mu.RLock()
	d := s.made[name]
	s.mu.RUnlock()
	if d != nil {
		return d
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d = s.made[name]; d == nil {
		d = directory.New(s.store, name, s.defaults)
		s.made[name] = d
	}
	return d
}

// createTenant makes a tenant; one that exists is no error.
func (s *Service) createTenant(ctx context.Context, name string) error {
	if s.declared[name] != nil {
		return nil
	}
	r := store.Record{Kind: store.Tenant, ID: name, Body: []byte(`{}`)}
	_, err := s.store.Commit(ctx, store.SystemTenant, &store.Batch{Time: now(), Put: []store.Put{{Record: r}}})
	var exists *store.ConflictError
	if errors.As(err, &exists) {
		return nil
	}
	return err
}

// tenants lists every tenant's directory.
func (s *Service) tenants(ctx context.Context) ([]*directory.Directory, error) {
	var list []*directory.Directory
	for _, d := range s.declared {
		list = append(list, d)
	}
	q := store.Query{Kind: store.Tenant, Limit: 1000, IDsOnly: true}
	for {
		p, err := s.store.Scan(ctx, store.SystemTenant, q)
		if err != nil {
			return nil, err
		}
		for _, r := range p.Records {
			if s.declared[r.ID] == nil {
				list = append(list, s.directory(r.ID))
			}
		}
		if q.After = p.Next; q.After == "" {
			return list, nil
		}
	}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
