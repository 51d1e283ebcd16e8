package caddy

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
)

func init() { caddy.RegisterModule(new(RedisStore)) }

// RedisStore keeps the directory in Redis or Valkey: a single server, one behind
// Sentinel, or a cluster. While it cannot be reached, SCIM requests are answered
// with 503, and nothing else in Caddy notices.
type RedisStore struct {
	// The servers as host:port, or the path of a Unix socket: one of a single
	// server, any of the sentinels, or any nodes of a cluster.
	// Default: `localhost:6379`.
	Addresses []string `json:"addresses,omitempty"`

	// The user, if it is not Redis' default user.
	Username string `json:"username,omitempty"`
	// The password, best as a placeholder such as `{env.REDIS_PASSWORD}`.
	Password Secret `json:"password,omitempty"`
	// The number of the database. Default: 0.
	DB int `json:"db,omitempty"`

	// The addresses are sentinels, to be asked where the master is.
	Sentinel *RedisSentinel `json:"sentinel,omitempty"`
	// The addresses are nodes of a cluster. Default: false.
	Cluster bool `json:"cluster,omitempty"`
	// Connect over TLS.
	TLS *RedisTLS `json:"tls,omitempty"`

	// What every key begins with. Default: `scim`.
	Prefix string `json:"prefix,omitempty"`

	// How long to wait for a connection. Default: 1s.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`
	// How long a read may take. Default: 800ms.
	ReadTimeout caddy.Duration `json:"read_timeout,omitempty"`
	// How long a commit may take. Default: 3s.
	WriteTimeout caddy.Duration `json:"write_timeout,omitempty"`
	// Connections to a server. Default: 10 for each CPU.
	PoolSize int `json:"pool_size,omitempty"`

	// How many replicas must have a commit before it is acknowledged.
	// Default: 0.
	WaitReplicas int `json:"wait_replicas,omitempty"`
	// How long to wait for the replicas. Default: 1s.
	WaitTimeout caddy.Duration `json:"wait_timeout,omitempty"`

	logger *slog.Logger
}

// RedisSentinel says which master to ask the sentinels for.
type RedisSentinel struct {
	// The name of the master.
	MasterName string `json:"master_name"`
	// The user at the sentinels.
	Username string `json:"username,omitempty"`
	// The password at the sentinels, best as a placeholder.
	Password Secret `json:"password,omitempty"`
}

// RedisTLS says how to check the server and who we are.
type RedisTLS struct {
	// The name in the server's certificate. Default: the host of the address.
	ServerName string `json:"server_name,omitempty"`
	// A PEM file of certificate authorities to trust. Default: the system's.
	CAFile string `json:"ca_file,omitempty"`
	// PEM files of a client certificate and its key.
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*RedisStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "scim.stores.redis", New: func() caddy.Module { return new(RedisStore) }}
}

// Provision implements caddy.Provisioner.
func (s *RedisStore) Provision(ctx caddy.Context) error {
	s.logger = ctx.Slogger()
	return nil
}

// Source implements StoreModule.
func (s *RedisStore) Source(log store.LogLimit) (Source, error) {
	opt, files, err := s.options(log)
	if err != nil {
		return Source{}, fmt.Errorf("store redis: %w", err)
	}
	// New reaches for nothing, so wrong options are found at validation.
	trial, err := redisstore.New(opt)
	if err != nil {
		return Source{}, fmt.Errorf("store redis: %w", err)
	}
	if err := trial.Close(); err != nil {
		return Source{}, fmt.Errorf("store redis: %w", err)
	}
	// With any other option it is another client, which may be open beside
	// the old one: everything is part of the identity.
	id := opt
	id.TLS, id.Logger = nil, nil
	//nolint:staticcheck // SA1026: TLS and Logger, which have no JSON form, are nil here.
	text, err := json.Marshal(struct {
		Options redisstore.Options
		TLS     *RedisTLS
		Files   [][]byte
	}{id, s.TLS, files})
	if err != nil {
		return Source{}, fmt.Errorf("store redis: %w", err)
	}
	return Source{
		Driver:   "redis",
		Identity: fmt.Sprintf("redis:%x", sha256.Sum256(text)),
		Open:     func(context.Context) (store.Store, error) { return redisstore.New(opt) },
	}, nil
}

// options resolves the placeholders. It also returns what the TLS files hold.
func (s *RedisStore) options(log store.LogLimit) (redisstore.Options, [][]byte, error) {
	opt := redisstore.Options{
		DB: s.DB, Cluster: s.Cluster, Prefix: s.Prefix, PoolSize: s.PoolSize,
		DialTimeout: time.Duration(s.DialTimeout), ReadTimeout: time.Duration(s.ReadTimeout),
		WriteTimeout: time.Duration(s.WriteTimeout),
		WaitReplicas: s.WaitReplicas, WaitTimeout: time.Duration(s.WaitTimeout),
		Log: log, Logger: s.logger,
	}
	for _, a := range s.Addresses {
		a, err := replace("address", a)
		if err != nil {
			return opt, nil, err
		}
		opt.Addresses = append(opt.Addresses, a)
	}
	if len(opt.Addresses) == 0 {
		opt.Addresses = []string{"localhost:6379"}
	}
	var err error
	if opt.Username, err = replace("username", s.Username); err != nil {
		return opt, nil, err
	}
	if s.Password != "" {
		if opt.Password, err = s.Password.reveal("password"); err != nil {
			return opt, nil, err
		}
	}
	if s.Sentinel != nil {
		opt.MasterName = s.Sentinel.MasterName
		if opt.MasterName == "" {
			return opt, nil, fmt.Errorf("sentinel: no name of a master")
		}
		if opt.SentinelUsername, err = replace("sentinel username", s.Sentinel.Username); err != nil {
			return opt, nil, err
		}
		if s.Sentinel.Password != "" {
			if opt.SentinelPassword, err = s.Sentinel.Password.reveal("sentinel password"); err != nil {
				return opt, nil, err
			}
		}
	}
	var files [][]byte
	if s.TLS != nil {
		opt.TLS, files, err = s.TLS.config()
	}
	return opt, files, err
}

func (t *RedisTLS) config() (*tls.Config, [][]byte, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var files [][]byte
	var err error
	if c.ServerName, err = replace("tls server_name", t.ServerName); err != nil {
		return nil, nil, err
	}
	if t.CAFile != "" {
		pem, err := readFile("tls ca", t.CAFile)
		if err != nil {
			return nil, nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("tls ca: %s holds no certificate in PEM form", t.CAFile)
		}
		files = append(files, pem)
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, nil, fmt.Errorf("tls: a client certificate needs both its file and that of its key")
	}
	if t.CertFile != "" {
		cert, err := readFile("tls client", t.CertFile)
		if err != nil {
			return nil, nil, err
		}
		key, err := readFile("tls client", t.KeyFile)
		if err != nil {
			return nil, nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, nil, fmt.Errorf("tls client: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
		files = append(files, cert, key)
	}
	return c, files, nil
}

func readFile(option, path string) ([]byte, error) {
	path, err := replace(option, path)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return b, nil
}
