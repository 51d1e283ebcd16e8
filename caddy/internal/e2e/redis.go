package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is a redis-server process of the test's own on a loopback port. Its
// data directory outlives restarts.
type Redis struct {
	Dir  string // holds dump.rdb, appendonlydir and redis.log
	Port int

	args   []string
	proc   *process
	client *redis.Client
}

// RedisOptions say how redis-server persists.
type RedisOptions struct {
	// AppendOnly keeps an append-only file, synced at every write.
	AppendOnly bool
	// Args are further command line options, such as "--maxmemory-policy", "allkeys-lru".
	Args []string
}

// StartRedis starts a redis-server that ends with the test.
func StartRedis(t testing.TB, o RedisOptions) *Redis {
	t.Helper()
	r, err := newRedis(o)
	if err != nil {
		t.Fatalf("redis-server: %v", err)
	}
	t.Cleanup(r.kill)
	return r
}

func newRedis(o RedisOptions) (*Redis, error) {
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r := &Redis{Dir: dir, Port: port}
	r.args = []string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "",
		"--daemonize", "no", "--maxmemory-policy", "noeviction"}
	if o.AppendOnly {
		r.args = append(r.args, "--appendonly", "yes", "--appendfsync", "always")
	}
	r.args = append(r.args, o.Args...)
	r.client = redis.NewClient(&redis.Options{Addr: r.Addr(), MaxRetries: -1})
	return r, r.start()
}

// Addr returns host:port.
func (r *Redis) Addr() string { return fmt.Sprintf("127.0.0.1:%d", r.Port) }

func (r *Redis) start() error {
	p, err := launch(exec.Command("redis-server", r.args...), filepath.Join(r.Dir, "redis.log"))
	if err != nil {
		return err
	}
	r.proc = p
	ready := poll(20*time.Second, func() bool {
		return !p.alive() || r.client.Ping(context.Background()).Err() == nil
	})
	if !ready || !p.alive() {
		log, _ := os.ReadFile(filepath.Join(r.Dir, "redis.log"))
		r.kill()
		return fmt.Errorf("does not answer on %s:\n%s", r.Addr(), tail(log))
	}
	return nil
}

// Start starts redis-server again after Stop or Kill, on the same port and data.
func (r *Redis) Start(t testing.TB) {
	t.Helper()
	if err := r.start(); err != nil {
		t.Fatalf("redis-server: %v", err)
	}
}

// Stop ends redis-server in order.
func (r *Redis) Stop(t testing.TB) {
	t.Helper()
	if err := r.proc.end(syscall.SIGTERM, 20*time.Second); err != nil {
		t.Error(err)
	}
}

// Kill ends redis-server with SIGKILL.
func (r *Redis) Kill(t testing.TB) {
	t.Helper()
	r.kill()
}

func (r *Redis) kill() {
	if r.proc != nil {
		_ = r.proc.end(syscall.SIGKILL, 20*time.Second)
	}
}

// Restart stops and starts redis-server.
func (r *Redis) Restart(t testing.TB) {
	t.Helper()
	r.Stop(t)
	r.Start(t)
}

// Do runs one command and returns its reply.
func (r *Redis) Do(t testing.TB, args ...any) any {
	t.Helper()
	reply, err := r.client.Do(context.Background(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatalf("redis %v: %v", args, err)
	}
	return reply
}
