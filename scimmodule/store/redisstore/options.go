package redisstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// DefaultPrefix begins every key where Options.Prefix is empty.
const DefaultPrefix = "scim"

// Options say where Redis is and how to talk to it. A zero duration stands for
// its default.
type Options struct {
	// Addresses are host:port pairs, or the path of a Unix socket: one of a
	// single server, any of the sentinels (with MasterName), or any of the
	// nodes of a cluster (with Cluster).
	Addresses          []string
	Username, Password string
	DB                 int // 0 to 15 or what the server has; 0 with Cluster

	// MasterName makes the addresses those of Redis Sentinel, which has
	// credentials of its own.
	MasterName                         string
	SentinelUsername, SentinelPassword string

	// Cluster makes the addresses those of nodes of a Redis Cluster.
	Cluster bool

	TLS *tls.Config // nil for plain connections

	// Prefix begins every key: letters, digits and any of . _ - : at most 64
	// bytes; DefaultPrefix where it is empty.
	Prefix string

	DialTimeout  time.Duration // for one connection; default 1 s
	ReadTimeout  time.Duration // for one read, all round trips together; default 1 s
	WriteTimeout time.Duration // for one commit; default 3 s
	PoolSize     int           // connections to a server; default 10 a CPU

	// WaitReplicas is how many replicas must have a commit, within WaitTimeout
	// (default 1 s), before it counts; otherwise it is store.ErrUncertain.
	WaitReplicas int
	WaitTimeout  time.Duration

	Log store.LogLimit

	// Logger takes warnings without values; nil for none.
	Logger *slog.Logger
}

// Store is a store.Store in Redis.
type Store struct {
	opt    Options
	client redis.UniversalClient
	log    *slog.Logger
	opened atomic.Bool // the layout was found to be ours
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Warner = (*Store)(nil)
)

// quiet takes what the Redis library logs about connections, which the errors
// that it returns say as well. The library has one logger for the process, and
// it is the standard error unless it is set.
type quiet struct{}

func (quiet) Printf(ctx context.Context, format string, v ...any) {
	if slog.Default().Enabled(ctx, slog.LevelDebug) {
		slog.DebugContext(ctx, fmt.Sprintf(format, v...))
	}
}

var setQuiet = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

// New returns a Store without a connection: Redis may come later. The error
// names what is wrong with the options.
func New(opt Options) (*Store, error) {
	if err := opt.complete(); err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	setQuiet()
	s := &Store{opt: opt, log: opt.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	switch {
	case opt.Cluster:
		s.client = redis.NewClusterClient(opt.cluster())
	case opt.MasterName != "":
		s.client = redis.NewFailoverClient(opt.failover())
	default:
		s.client = redis.NewClient(opt.single())
	}
	return s, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("redisstore: %w", err)
	}
	return nil
}

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	if len(o.Addresses) == 0 {
		return errors.New("no address")
	}
	for _, a := range o.Addresses {
		if strings.TrimSpace(a) == "" {
			return errors.New("an address is empty")
		}
		if strings.HasPrefix(a, "/") && (o.Cluster || o.MasterName != "") {
			return errors.New("a Unix socket cannot be a cluster or a sentinel")
		}
	}
	switch {
	case o.Cluster && o.MasterName != "":
		return errors.New("a cluster has no sentinels")
	case o.Cluster && o.DB != 0:
		return errors.New("a cluster has no numbered databases")
	case !o.Cluster && o.MasterName == "" && len(o.Addresses) > 1:
		return errors.New("several addresses need sentinels or a cluster")
	case o.MasterName == "" && (o.SentinelUsername != "" || o.SentinelPassword != ""):
		return errors.New("credentials for sentinels, but no name of a master")
	case o.Username != "" && o.Password == "":
		return errors.New("a user name without a password")
	case o.DB < 0:
		return errors.New("the number of the database is negative")
	case o.PoolSize < 0:
		return errors.New("the size of the pool is negative")
	case o.DialTimeout < 0 || o.ReadTimeout < 0 || o.WriteTimeout < 0 || o.WaitTimeout < 0:
		return errors.New("a timeout is negative")
	case o.WaitReplicas < 0:
		return errors.New("the number of replicas to wait for is negative")
	case o.WaitTimeout > 0 && o.WaitTimeout < time.Millisecond:
		return errors.New("the time to wait for replicas is below a millisecond")
	case o.WaitReplicas == 0 && o.WaitTimeout > 0:
		return errors.New("a time to wait for replicas, but no number of them")
	case o.Log.Entries < 0 || o.Log.MaxAge < 0:
		return errors.New("the limit of the change log is negative")
	}
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	if len(o.Prefix) > 64 || !only(o.Prefix, "._-:") {
		return errors.New("the prefix may have at most 64 characters: letters, digits, dots, underscores, hyphens and colons")
	}
	o.DialTimeout = cmp.Or(o.DialTimeout, time.Second)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, 800*time.Millisecond)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 3*time.Second)
	if o.WaitReplicas > 0 {
		o.WaitTimeout = cmp.Or(o.WaitTimeout, time.Second)
	}
	o.Log.Entries = cmp.Or(o.Log.Entries, store.DefaultLogEntries)
	return nil
}

// exchange is the time that the slowest exchange may take on a connection.
// Everything shorter has a context with a deadline.
func (o *Options) exchange() time.Duration {
	return max(o.ReadTimeout, o.WriteTimeout+o.WaitTimeout)
}

// The library would repeat a commit whose reply was lost, so its retries are
// off; reads are repeated by us. RESP2 and no extras, for old servers and for
// proxies. A failed dial is not repeated either: callers wait.

func (o *Options) single() *redis.Options {
	network := "tcp"
	if strings.HasPrefix(o.Addresses[0], "/") {
		network = "unix"
	}
	return &redis.Options{
		Network: network, Addr: o.Addresses[0],
		Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLS,
		Protocol: 2, DisableIdentity: true, MaintNotificationsConfig: noNotifications(),
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: o.DialTimeout, ReadTimeout: o.exchange(), WriteTimeout: o.exchange(), PoolTimeout: o.ReadTimeout,
		PoolSize: o.PoolSize, PipelinePoolSize: -1,
	}
}

func (o *Options) failover() *redis.FailoverOptions {
	return &redis.FailoverOptions{
		MasterName: o.MasterName, SentinelAddrs: o.Addresses,
		SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
		Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLS,
		Protocol: 2, DisableIdentity: true,
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: o.DialTimeout, ReadTimeout: o.exchange(), WriteTimeout: o.exchange(), PoolTimeout: o.ReadTimeout,
		PoolSize: o.PoolSize, PipelinePoolSize: -1,
	}
}

func (o *Options) cluster() *redis.ClusterOptions {
	return &redis.ClusterOptions{
		Addrs:    o.Addresses,
		Username: o.Username, Password: o.Password, TLSConfig: o.TLS,
		Protocol: 2, DisableIdentity: true, MaintNotificationsConfig: noNotifications(),
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: o.DialTimeout, ReadTimeout: o.exchange(), WriteTimeout: o.exchange(), PoolTimeout: o.ReadTimeout,
		PoolSize: o.PoolSize, PipelinePoolSize: -1,
	}
}

func noNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}
