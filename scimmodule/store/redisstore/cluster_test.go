package redisstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
)

// TestCluster spreads tenants over three masters, and moves a slot.
func TestCluster(t *testing.T) {
	nodes := redistest.StartCluster(t, 3)
	s := open(t, redisstore.Options{Addresses: []string{nodes[0].Addr}, Cluster: true})
	for i := range 12 {
		tenant := fmt.Sprint("tenant", i)
		if _, err := s.Commit(t.Context(), tenant, create("u1")); err != nil {
			t.Fatalf("%s: %v", tenant, err)
		}
		records, err := s.Get(t.Context(), tenant, store.User, "u1")
		if err != nil || len(records) != 1 {
			t.Fatalf("%s: %d records, %v", tenant, len(records), err)
		}
		if changes, err := s.Changes(t.Context(), tenant, 0, 10); err != nil || len(changes) != 1 {
			t.Fatalf("%s: %d changes, %v", tenant, len(changes), err)
		}
	}
	for i, node := range nodes {
		if node.Do(t, "DBSIZE") == "0" {
			t.Errorf("node %d has no keys: the tenants are not spread", i)
		}
	}
	if w, err := s.Warnings(t.Context()); err != nil || len(w) != 1 {
		t.Errorf("Warnings = %q, %v; want one", w, err)
	}

	commit(t, s, create("u1"))
	slot := nodes[0].Do(t, "CLUSTER", "KEYSLOT", "scim:{acme}:rev")
	var from, to *redistest.Server
	for _, node := range nodes {
		if strings.Contains(node.Do(t, "CLUSTER", "GETKEYSINSLOT", slot, "100"), "acme") {
			from = node
		} else {
			to = node
		}
	}
	ids := [2]string{from.Do(t, "CLUSTER", "MYID"), to.Do(t, "CLUSTER", "MYID")}
	to.Do(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
	from.Do(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
	_, err := s.Commit(t.Context(), acme, create("u2"))
	is(t, "while the slot migrates", err, store.ErrUnavailable)
	is(t, "Drop while the slot migrates", s.Drop(t.Context(), acme, nil), store.ErrUnavailable)
	if !exists(t, s, "u1") || exists(t, s, "u2") {
		t.Error("a refused commit or drop changed something")
	}

	// The keys move, and the slot with them; the client has to find out.
	_, port, _ := strings.Cut(to.Addr, ":")
	stale := open(t, redisstore.Options{Addresses: []string{nodes[0].Addr}, Cluster: true})
	if !exists(t, stale, "u1") {
		t.Error("the user is not there")
	}
	for i, key := range strings.Split(from.Do(t, "CLUSTER", "GETKEYSINSLOT", slot, "100"), "\n") {
		if i == 1 {
			is(t, "Drop while keys are on two nodes", s.Drop(t.Context(), acme, nil), store.ErrUnavailable)
		}
		if got := from.Do(t, "MIGRATE", "127.0.0.1", port, strings.TrimSpace(key), "0", "1000"); got != "OK" {
			t.Fatalf("MIGRATE %s: %s", key, got)
		}
	}
	for _, node := range []*redistest.Server{to, from, nodes[0], nodes[1], nodes[2]} {
		node.Do(t, "CLUSTER", "SETSLOT", slot, "NODE", ids[1])
	}
	redistest.Await(t, "commits reach the new master", func() bool {
		_, err := s.Commit(t.Context(), acme, create("u2"))
		return err == nil
	})
	if !exists(t, s, "u1") || !exists(t, s, "u2") {
		t.Error("a user is lost")
	}

	// Dropped by a client that has not heard of the move, and all others by one that has.
	if err := stale.Drop(t.Context(), acme, nil); err != nil {
		t.Errorf("Drop by a client that has not heard of the move: %v", err)
	}
	for i := range 12 {
		tenant := fmt.Sprint("tenant", i)
		if err := s.Drop(t.Context(), tenant, nil); err != nil {
			t.Fatalf("Drop(%s): %v", tenant, err)
		}
		for j := range 12 {
			records, err := s.Get(t.Context(), fmt.Sprint("tenant", j), store.User, "u1")
			if err != nil || len(records) == 1 != (j > i) {
				t.Fatalf("tenant%d after the drop of %s: %d records, %v", j, tenant, len(records), err)
			}
		}
	}
	for i, node := range nodes {
		for key := range contents(t, node, "scim:{_system}:") {
			t.Errorf("%s is left on node %d", key, i)
		}
	}
}
