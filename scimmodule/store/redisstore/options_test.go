package redisstore

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	one, two := []string{"127.0.0.1:1"}, []string{"127.0.0.1:1", "127.0.0.1:2"}
	for _, c := range []struct {
		name string
		opt  Options
		want string // in the error, empty for none
	}{
		{"single", Options{Addresses: one}, ""},
		{"socket", Options{Addresses: []string{"/run/redis.sock"}, DB: 2}, ""},
		{"sentinels", Options{Addresses: two, MasterName: "main", SentinelPassword: "x", DB: 1}, ""},
		{"cluster", Options{Addresses: two, Cluster: true, Prefix: "a:b_c-d.e"}, ""},
		{"everything", Options{
			Addresses: one, Username: "u", Password: "p", DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second,
			PoolSize: 5, WaitReplicas: 2, WaitTimeout: time.Second, Log: store.LogLimit{Entries: 5, MaxAge: 60},
		}, ""},
		{"no address", Options{}, "no address"},
		{"empty address", Options{Addresses: []string{" "}}, "empty"},
		{"two single ones", Options{Addresses: two}, "several addresses"},
		{"cluster with sentinels", Options{Addresses: two, Cluster: true, MasterName: "main"}, "sentinels"},
		{"cluster with a database", Options{Addresses: two, Cluster: true, DB: 1}, "databases"},
		{"cluster on a socket", Options{Addresses: []string{"/x"}, Cluster: true}, "socket"},
		{"sentinel's password alone", Options{Addresses: one, SentinelPassword: "x"}, "sentinels"},
		{"user alone", Options{Addresses: one, Username: "u"}, "password"},
		{"negative database", Options{Addresses: one, DB: -1}, "database"},
		{"negative pool", Options{Addresses: one, PoolSize: -1}, "pool"},
		{"negative timeout", Options{Addresses: one, ReadTimeout: -1}, "timeout"},
		{"negative replicas", Options{Addresses: one, WaitReplicas: -1}, "replicas"},
		{"time without replicas", Options{Addresses: one, WaitTimeout: time.Second}, "replicas"},
		{"too short a wait", Options{Addresses: one, WaitReplicas: 1, WaitTimeout: time.Microsecond}, "millisecond"},
		{"negative limit", Options{Addresses: one, Log: store.LogLimit{Entries: -1}}, "change log"},
		{"brace in the prefix", Options{Addresses: one, Prefix: "a{b"}, "prefix"},
		{"long prefix", Options{Addresses: one, Prefix: strings.Repeat("a", 65)}, "prefix"},
	} {
		s, err := New(c.opt)
		if err == nil {
			if err := s.Close(); err != nil {
				t.Errorf("%s: Close: %v", c.name, err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("%s: second Close: %v", c.name, err)
			}
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error = %v, want %q", c.name, err, c.want)
		}
	}
}

type reply string

func (r reply) Error() string { return string(r) }
func (r reply) RedisError()   {}

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		want    string
		refused bool
	}{
		{reply("MOVED 866 10.0.0.1:6379"), "MOVED", true},
		{reply("ASK 866 10.0.0.1:6379"), "ASK", true},
		{reply("TRYAGAIN Multiple keys request during rehashing of slot"), "TRYAGAIN", true},
		{reply("CLUSTERDOWN Hash slot not served"), "CLUSTERDOWN", true},
		{reply("LOADING Redis is loading the dataset in memory"), "LOADING", true},
		{reply("MASTERDOWN Link with MASTER is down"), "MASTERDOWN", true},
		{reply("NOPERM User app has no permissions to access the 'scim:{acme}:user:by:userName:alice' key"), "NOPERM", true},
		{reply("ERR max number of clients reached"), "ERR max number of clients reached", true},
		{reply("MISCONF Redis is configured to save RDB snapshots"), "MISCONF", true},
		{reply("WRONGTYPE Operation against a key holding the wrong kind of value script: 1f"), "WRONGTYPE", false},
		{reply("ERR unknown command 'FOO', with args beginning with: 'alice' "), "ERR unknown command", false},
		{reply("ERR user_script:12: alice"), "ERR user_script", false},
		{io.EOF, "EOF", false},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, "dial: refused", false},
	} {
		if got := brief(c.err); got != c.want {
			t.Errorf("brief(%v) = %q, want %q", c.err, got, c.want)
		}
		if got := refused(c.err); got != c.refused {
			t.Errorf("refused(%v) = %t", c.err, got)
		}
	}
}
