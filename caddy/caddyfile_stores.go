package caddy

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile sets up the store. Syntax:
//
//	store bolt [<path>]
func (b *BoltStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the driver's name
	if d.NextArg() {
		b.Path = d.Val()
		if b.Path == "" {
			return d.Err("the path is empty")
		}
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return noBlock(d)
}

// UnmarshalCaddyfile sets up the store. Syntax:
//
//	store memory
func (*MemoryStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the driver's name
	if d.NextArg() {
		return d.ArgErr()
	}
	return noBlock(d)
}

// UnmarshalCaddyfile sets up the store. Syntax:
//
//	store redis [<address>] {
//	    address <host:port>...
//	    username <name>
//	    password <secret>
//	    db <number>
//	    sentinel <master name> {
//	        username <name>
//	        password <secret>
//	    }
//	    cluster
//	    tls {
//	        server_name <name>
//	        ca <file>
//	        client <certificate file> <key file>
//	    }
//	    prefix <text>
//	    dial_timeout <duration>
//	    read_timeout <duration>
//	    write_timeout <duration>
//	    pool_size <number>
//	    wait_replicas <number> [<timeout>]
//	}
func (s *RedisStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the driver's name
	if d.NextArg() {
		s.Addresses = []string{d.Val()}
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	once := onlyOnce{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "address" {
			if err := once.check(d); err != nil {
				return err
			}
		}
		if err := s.unmarshalOption(d); err != nil {
			return err
		}
	}
	return nil
}

func (s *RedisStore) unmarshalOption(d *caddyfile.Dispenser) error {
	switch d.Val() {
	case "address":
		return someArgs(d, &s.Addresses)
	case "username":
		return oneArg(d, &s.Username)
	case "password":
		return oneArg(d, (*string)(&s.Password))
	case "db":
		var n string
		if err := oneArg(d, &n); err != nil {
			return err
		}
		db, err := strconv.Atoi(n)
		if err != nil || db < 0 {
			return d.Errf("db %q is no number from 0", n)
		}
		s.DB = db
	case "sentinel":
		s.Sentinel = new(RedisSentinel)
		return s.Sentinel.unmarshal(d)
	case "cluster":
		if d.NextArg() {
			return d.ArgErr()
		}
		s.Cluster = true
	case "tls":
		s.TLS = new(RedisTLS)
		return s.TLS.unmarshal(d)
	case "prefix":
		return oneArg(d, &s.Prefix)
	case "dial_timeout":
		return durationArg(d, &s.DialTimeout)
	case "read_timeout":
		return durationArg(d, &s.ReadTimeout)
	case "write_timeout":
		return durationArg(d, &s.WriteTimeout)
	case "pool_size":
		return countArg(d, &s.PoolSize)
	case "wait_replicas":
		return s.unmarshalWait(d)
	default:
		return d.Errf("unrecognized redis option %q", d.Val())
	}
	return nil
}

func (s *RedisStore) unmarshalWait(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	n, err := strconv.Atoi(d.Val())
	if err != nil || n < 1 {
		return d.Errf("%q is no number from 1", d.Val())
	}
	s.WaitReplicas = n
	if d.CountRemainingArgs() == 0 {
		return nil
	}
	return durationArg(d, &s.WaitTimeout)
}

func (s *RedisSentinel) unmarshal(d *caddyfile.Dispenser) error {
	if err := oneArg(d, &s.MasterName); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		switch d.Val() {
		case "username":
			err = oneArg(d, &s.Username)
		case "password":
			err = oneArg(d, (*string)(&s.Password))
		default:
			err = d.Errf("unrecognized sentinel option %q", d.Val())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *RedisTLS) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		switch d.Val() {
		case "server_name":
			err = oneArg(d, &t.ServerName)
		case "ca":
			err = oneArg(d, &t.CAFile)
		case "client":
			if !d.AllArgs(&t.CertFile, &t.KeyFile) {
				err = d.ArgErr()
			}
		default:
			err = d.Errf("unrecognized tls option %q", d.Val())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*BoltStore)(nil)
	_ caddyfile.Unmarshaler = (*MemoryStore)(nil)
	_ caddyfile.Unmarshaler = (*RedisStore)(nil)
)
