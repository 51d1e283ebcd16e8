package e2e

import (
	"fmt"
	"testing"
)

// Server is a running caddy-scim as one test sees it, with the client of the
// test's own tenant.
type Server struct {
	*Client
	Caddy *Caddy
	Redis *Redis // nil on bbolt
	Store string // Bolt or RedisName

	take func(t testing.TB) tenant
}

// poolSize is how many tenants a shared server is declared with.
const poolSize = 250

// ForEachStore runs f in a parallel subtest for each store, with a fresh tenant
// on a server that all tests with this configuration share.
func ForEachStore(t *testing.T, cfg Config, f func(t *testing.T, s *Server)) {
	t.Helper()
	for _, store := range []string{Bolt, RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			f(t, sharedFor(t, store, cfg))
		})
	}
}

func sharedFor(t testing.TB, store string, cfg Config) *Server {
	t.Helper()
	shared.Lock()
	if shared.servers == nil {
		shared.servers = map[string]*sharedServer{}
	}
	key := store + " " + cfg.key()
	s := shared.servers[key]
	if s == nil {
		s = &sharedServer{}
		shared.servers[key] = s
	}
	shared.Unlock()
	s.once.Do(func() { s.err = s.launch(store, cfg) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return newServer(t, store, s.caddy, s.redis, s.take)
}

func (s *sharedServer) launch(store string, cfg Config) (err error) {
	address := ""
	if store == RedisName {
		if s.redis, err = newRedis(RedisOptions{}); err != nil {
			return fmt.Errorf("redis-server: %w", err)
		}
		address = RedisName + " " + s.redis.Addr()
		if cfg.StoreOptions == "" {
			// These tests are about answers; the machine may be slow.
			cfg.StoreOptions = "read_timeout 20s\nwrite_timeout 20s"
		}
	}
	if s.caddy, err = newCaddy(cfg, address, newTenants(poolSize)); err != nil {
		return err
	}
	return s.caddy.start(true)
}

func (s *sharedServer) take(t testing.TB) tenant {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == len(s.caddy.tenants) {
		t.Fatalf("all %d tenants of the shared server are taken: raise poolSize", s.next)
	}
	s.next++
	return s.caddy.tenants[s.next-1]
}

func newServer(t testing.TB, store string, c *Caddy, r *Redis, take func(testing.TB) tenant) *Server {
	t.Helper()
	return &Server{Client: c.client(take(t)), Caddy: c, Redis: r, Store: store, take: take}
}

// StartServer starts a server for this test alone, on a store of its own, and
// stops it at the test's end.
func StartServer(t testing.TB, store string, cfg Config) *Server {
	t.Helper()
	if store != RedisName {
		return StartServerOn(t, nil, cfg)
	}
	return StartServerOn(t, StartRedis(t, RedisOptions{}), cfg)
}

// StartServerOn starts a server for this test alone on the given Redis, or on a
// bbolt file where it is nil.
func StartServerOn(t testing.TB, r *Redis, cfg Config) *Server {
	t.Helper()
	s := NewServer(t, r, cfg)
	s.Caddy.Start(t)
	return s
}

// NewServer prepares a server as StartServerOn does, and leaves it to the test
// to start it.
func NewServer(t testing.TB, r *Redis, cfg Config) *Server {
	t.Helper()
	store, address := Bolt, ""
	if r != nil {
		store, address = RedisName, RedisName+" "+r.Addr()
	}
	c, err := newCaddy(cfg, address, newTenants(8))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(t) })
	next := 0
	return newServer(t, store, c, r, func(t testing.TB) tenant {
		t.Helper()
		if next == len(c.tenants) {
			t.Fatal("all tenants of the server are taken")
		}
		next++
		return c.tenants[next-1]
	})
}

// Peer starts another Caddy on the same Redis with the same configuration and
// tokens; its client is of the same tenant.
func (s *Server) Peer(t testing.TB) *Server {
	t.Helper()
	if s.Redis == nil {
		t.Fatal("a bbolt file serves one process")
	}
	c, err := newCaddy(s.Caddy.Config, RedisName+" "+s.Redis.Addr(), s.Caddy.tenants)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(t) })
	c.Start(t)
	return &Server{Client: c.client(tenant{s.Tenant, s.Token}), Caddy: c, Redis: s.Redis, Store: s.Store, take: s.take}
}

// NewTenant returns the client of another fresh tenant.
func (s *Server) NewTenant(t testing.TB) *Client {
	t.Helper()
	return s.Caddy.client(s.take(t))
}

// Named returns the client of a tenant by its name and token.
func (s *Server) Named(name, token string) *Client { return s.Caddy.client(tenant{name, token}) }
