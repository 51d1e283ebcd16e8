package e2etest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// eachStoreAlone runs f on a server of its own for each store.
func eachStoreAlone(t *testing.T, cfg e2e.Config, f func(t *testing.T, s *e2e.Server)) {
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			f(t, e2e.StartServer(t, store, cfg))
		})
	}
}

// restartWith starts the server again under another configuration, and waits
// until its background work reports the counter.
func restartWith(t *testing.T, s *e2e.Server, cfg e2e.Config, counter string) {
	t.Helper()
	s.Caddy.WriteConfig(t, cfg)
	before := bytes.Count(s.Caddy.Log(t), []byte(counter))
	s.Caddy.Restart(t)
	e2e.Eventually(t, 20*time.Second, "the log reports "+counter, func() bool {
		return bytes.Count(s.Caddy.Log(t), []byte(counter)) > before
	})
}

// stored tells whether the store holds the text in anything that is in use: in
// a dump of Redis, or in a copy of the bbolt file, whose free pages do not count.
func stored(t *testing.T, s *e2e.Server, text string) bool {
	t.Helper()
	if s.Redis != nil {
		s.Redis.Do(t, "CONFIG", "SET", "rdbcompression", "no")
		s.Redis.Do(t, "SAVE")
		b, err := os.ReadFile(filepath.Join(s.Redis.Dir, "dump.rdb"))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(b, []byte(text))
	}
	b, err := os.ReadFile(s.Caddy.BoltFile)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found := false
	var walk func(b *bbolt.Bucket) error
	walk = func(b *bbolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			found = found || bytes.Contains(k, []byte(text)) || bytes.Contains(v, []byte(text))
			if v == nil {
				return walk(b.Bucket(k))
			}
			return nil
		})
	}
	if err := db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return walk(b) })
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// Archived users are kept until their retention is over, and are then purged:
// the profile is gone for good, and the id is never used again.
func TestArchiveRetention(t *testing.T) {
	eachStoreAlone(t, everything, func(t *testing.T, s *e2e.Server) {
		const marker = "purgeMarkerTitle"
		id := s.CreateUser(t, "purged@x", M{"title": marker})
		kept := s.CreateUser(t, "kept@x")
		s.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
		if !stored(t, s, marker) {
			t.Fatal("the archived profile is not in the store")
		}
		restartWith(t, s, e2e.Config{Allow: []string{"*"}, ArchiveRetention: "1ms"}, `"purged":1`)
		if stored(t, s, marker) {
			t.Error("the purged profile is still in the store")
		}
		gone(t, s.Client, "/Users/"+id)
		r := s.Do(t, "POST", "/Users", e2e.UserBody("purged@x")).Want(t, 201)
		if r.ID(t) == id {
			t.Error("a purged user was restored")
		}
		// A member with that id is dropped, not created.
		g := s.CreateGroup(t, "G", id, kept)
		s.WantMembers(t, g, kept)
		s.Do(t, "GET", "/Users/"+id, nil).WantError(t, 404, "")
	})
}

// When an operator narrows the list, it holds for what is stored already.
func TestAllowListNarrowedLater(t *testing.T) {
	eachStoreAlone(t, everything, func(t *testing.T, s *e2e.Server) {
		const marker = "narrowMarkerTitle"
		id := s.CreateUser(t, "narrow@x", M{"title": marker, "emails": A{M{"type": "home", "value": "narrowMarkerTitle@x"}, M{"type": "work", "value": "w@x"}}})
		archived := s.CreateUser(t, "archived@x", M{"title": marker})
		s.Do(t, "DELETE", "/Users/"+archived, nil).Want(t, 204)
		if !stored(t, s, marker) {
			t.Fatal("the title is not in the store")
		}
		restartWith(t, s, defaults, `"narrowed":`)
		for range 2 {
			r := s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)
			r.WantField(t, nil, "title").WantField(t, A{M{"type": "work", "value": "w@x"}}, "emails")
			s.Do(t, "GET", find("emails.value", marker+"@x"), nil).WantList(t, 0)
			s.Do(t, "GET", "/Users", nil).WantList(t, 1)
			if stored(t, s, marker) {
				t.Error("what the narrower list drops is still in the store")
			}
			// Widening it again brings nothing back.
			s.Caddy.WriteConfig(t, everything)
			s.Caddy.Restart(t)
		}
	})
}

// A tenant that only the configuration declared answers 401 once it is removed
// there; its data stay.
func TestTenantRemovedFromTheConfiguration(t *testing.T) {
	with := e2e.Config{Scim: "\t\ttenant extra {\n\t\t\ttoken token-of-the-extra-tenant\n\t\t}"}
	eachStoreAlone(t, with, func(t *testing.T, s *e2e.Server) {
		extra := s.Named("extra", "token-of-the-extra-tenant")
		id := extra.CreateUser(t, "u@x")
		reload := func(cfg e2e.Config) {
			t.Helper()
			if err := s.Caddy.Reload(s.Caddy.WriteConfig(t, cfg)); err != nil {
				t.Fatal(err)
			}
		}
		reload(defaults)
		extra.Do(t, "GET", "/Users/"+id, nil).WantError(t, 401, "")
		s.Do(t, "GET", "/Users", nil).WantList(t, 0)
		reload(with)
		extra.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, "u@x", "userName")
	})
}

// Everything is there after a restart, and locations follow the request where no
// public_url is set.
func TestRestartWithoutPublicURL(t *testing.T) {
	cfg := e2e.Config{PublicURL: "none", BasePath: "/customers/provisioning"}
	eachStoreAlone(t, cfg, func(t *testing.T, s *e2e.Server) {
		u := s.CreateUser(t, "u@x")
		g := s.CreateGroup(t, "G", u)
		s.Do(t, "GET", "/Users/"+u, nil).Want(t, 200).WantField(t, s.Caddy.Root()+"/customers/provisioning/Users/"+u, "meta", "location")
		s.Do(t, "GET", "/Groups/"+g, nil).Want(t, 200).WantField(t, s.Caddy.Root()+"/customers/provisioning/Users/"+u, "members", 0, "$ref")
		before := s.Do(t, "GET", "/Users", nil).Want(t, 200)
		s.Caddy.Restart(t)
		same(t, "the users after a restart", any(before.JSON), any(s.Do(t, "GET", "/Users", nil).Want(t, 200).JSON))
		s.WantMembers(t, g, u)
		// The default path is not SCIM's here: the request goes on to the site.
		elsewhere := *s.Client
		elsewhere.Base = s.Caddy.Root() + "/scim/v2"
		r, err := elsewhere.Send("GET", "/Users", nil)
		if err != nil || r.Status != 200 || len(r.Body) != 0 {
			t.Errorf("a path beside base_path: %v %v", r, err)
		}
	})
}
