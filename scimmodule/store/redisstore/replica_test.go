package redisstore_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
)

func TestWaitReplicas(t *testing.T) {
	master := redistest.Start(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	redistest.Await(t, "the replica is in step", func() bool {
		return strings.Contains(master.Do(t, "INFO", "replication"), "state=online")
	})
	s := open(t, redisstore.Options{Addresses: []string{master.Addr}, WaitReplicas: 1, WaitTimeout: 2 * time.Second})
	commit(t, s, create("u1"))
	if got := replica.Do(t, "GET", "scim:{acme}:user:by:userName:u1"); got != "u1" {
		t.Errorf("the replica has %q, want u1", got)
	}
	master.Do(t, "SCRIPT", "FLUSH")
	commit(t, s, create("u2"))

	impatient := open(t, redisstore.Options{Addresses: []string{master.Addr}, WaitReplicas: 1, WaitTimeout: 100 * time.Millisecond})
	commit(t, impatient, group("g", "u1"))
	replica.Kill()
	_, err := impatient.Commit(t.Context(), acme, create("u3"))
	is(t, "without a replica", err, store.ErrUncertain)
	if !exists(t, s, "u3") {
		t.Error("the commit is not on the master")
	}
	// Repeating what changes nothing is no proof that a replica has it.
	_, err = impatient.Commit(t.Context(), acme, &store.Batch{Time: now, Members: []store.MemberChange{change("g", "u1")}})
	is(t, "a repeated change", err, store.ErrUncertain)
	// A conflict is one, with or without replicas.
	if _, err = impatient.Commit(t.Context(), acme, create("u3")); err == nil {
		t.Error("the user was created twice")
	}
	is(t, "a conflict", err, nil)
}

// TestSentinel reads the master's address from a real sentinel, and follows a failover.
func TestSentinel(t *testing.T) {
	master := redistest.Start(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	addr := startSentinel(t, master.Addr)
	s := open(t, redisstore.Options{Addresses: []string{addr}, MasterName: "main"})
	redistest.Await(t, "the sentinel knows the replica", func() bool {
		out, _ := exec.Command("redis-cli", "-u", "redis://"+addr, "SENTINEL", "REPLICAS", "main").CombinedOutput()
		return strings.Contains(string(out), "slave-priority")
	})
	commit(t, s, create("u1"))
	redistest.Await(t, "the replica has the user", func() bool { return replica.Do(t, "EXISTS", "scim:{acme}:user:u1") == "1" })
	if out, err := exec.Command("redis-cli", "-u", "redis://"+addr, "SENTINEL", "FAILOVER", "main").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "OK") {
		t.Fatalf("failover: %s %v", out, err)
	}
	redistest.Await(t, "commits reach the new master", func() bool {
		_, err := s.Commit(t.Context(), acme, create("u2"))
		return err == nil && replica.Do(t, "EXISTS", "scim:{acme}:user:u2") == "1" ||
			replica.Do(t, "EXISTS", "scim:{acme}:user:u2") == "1"
	})
	if !exists(t, s, "u1") {
		t.Error("the user is lost")
	}
	if err := s.Drop(t.Context(), acme, nil); err != nil {
		t.Errorf("Drop: %v", err)
	}
	for key := range contents(t, replica, "scim:{_system}:") {
		t.Errorf("%s is left on the new master", key)
	}
}

func startSentinel(t *testing.T, master string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(master)
	_, own, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	text := "port " + own + "\nbind 127.0.0.1\ndir " + dir + "\nsentinel monitor main " + host + " " + port + " 1\nsentinel down-after-milliseconds main 1000\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", conf, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (these tests need the redis-server package)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	redistest.Await(t, "the sentinel answers", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return addr
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	ask := func(s store.Warner) []string {
		t.Helper()
		out, err := s.Warnings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	equal := func(what string, got, want []string) {
		t.Helper()
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", what, diff)
		}
	}
	server, s := start(t)
	noPersistence := "Redis has neither an append-only file nor snapshots: a restart loses all data; set appendonly to yes"
	equal("bare", ask(s), []string{noPersistence})
	server.Do(t, "CONFIG", "SET", "save", "3600 1")
	equal("snapshots", ask(s), nil)
	server.Do(t, "CONFIG", "SET", "save", "")
	server.Do(t, "CONFIG", "SET", "appendonly", "yes")
	equal("append-only file", ask(s), nil)
	server.Do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	equal("eviction", ask(s), []string{"Redis has maxmemory-policy allkeys-lru: it may evict data; set it to noeviction"})

	server.Do(t, "ACL", "SETUSER", "default", "-config")
	equal("denied", ask(s), []string{
		"Redis does not tell its maxmemory-policy (CONFIG GET is denied): make sure that it is noeviction, or data may be lost",
		"Redis does not tell whether it persists data (CONFIG GET is denied): make sure that it has an append-only file or snapshots, or a restart loses all",
	})
	cluster := redistest.StartCluster(t, 1)[0]
	equal("cluster", ask(open(t, redisstore.Options{Addresses: []string{cluster.Addr}, Cluster: true})), []string{noPersistence})
}
