package boltstore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/boltstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/storetest"
)

// crashPath makes the test binary a writer that is to be killed.
const crashPath = "BOLTSTORE_TEST_CRASH_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashPath); path != "" {
		err := writeForever(path, os.Getenv("BOLTSTORE_TEST_CRASH_ROUND"))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func crashOptions(path string) boltstore.Options {
	return boltstore.Options{Path: path, Log: store.LogLimit{Entries: 1_000_000}}
}

// writeForever commits from several goroutines, and prints the id of each user
// that was acknowledged. It returns only an error.
func writeForever(path, round string) error {
	ctx := context.Background()
	s, err := boltstore.Open(ctx, crashOptions(path))
	if err != nil {
		return err
	}
	failed := make(chan error)
	var out sync.Mutex
	for w := range 8 {
		go func() {
			group := fmt.Sprintf("g%s-%d", round, w)
			b := &store.Batch{
				Time: time.Now(), Put: []store.Put{{Record: store.Record{Kind: store.Group, ID: group, Body: []byte(`{}`)}}},
				Events: []store.Event{{Type: store.GroupCreated, Kind: store.Group, ID: group}},
			}
			for i := 0; ; i++ {
				if _, err := s.Commit(ctx, "acme", b); err != nil {
					failed <- err
					return
				}
				if i > 0 {
					out.Lock()
					_, err := fmt.Println(b.Put[0].Record.ID, group)
					out.Unlock()
					if err != nil {
						failed <- err
						return
					}
				}
				b = crashBatch(fmt.Sprintf("u%s-%d-%d", round, w, i), group)
			}
		}()
	}
	return <-failed
}

func crashBatch(id, group string) *store.Batch {
	unique, index := crashKeys(store.Record{Kind: store.User, ID: id})
	return &store.Batch{
		Time:    time.Now(),
		Put:     []store.Put{{Record: store.Record{Kind: store.User, ID: id, Body: fmt.Appendf(nil, `{"n":%q}`, strings.Repeat("x", 100))}}},
		Claim:   []store.Claim{{Kind: store.User, Key: unique[0], ID: id}},
		Index:   []store.Entry{{Kind: store.User, Key: index[0], ID: id}},
		Members: []store.MemberChange{{Group: group, Add: []store.Member{{ID: id, Kind: store.User}}}},
		Events:  []store.Event{{Type: store.UserCreated, Kind: store.User, ID: id}},
	}
}

func crashKeys(r store.Record) (unique, index []store.Key) {
	if r.Kind != store.User {
		return nil, nil
	}
	return []store.Key{{Index: "userName", Value: r.ID}}, []store.Key{{Index: "round", Value: r.ID[:2]}}
}

func TestKilledWriter(t *testing.T) {
	t.Parallel()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "scim.db")
	acknowledged := map[string]string{} // the group of each user
	for round := range 3 {
		child := exec.CommandContext(t.Context(), binary)
		child.Env = append(os.Environ(), crashPath+"="+path, fmt.Sprint("BOLTSTORE_TEST_CRASH_ROUND=", round))
		child.Stderr = os.Stderr
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, n := bufio.NewScanner(stdout), 0
		for lines.Scan() {
			id, group, complete := strings.Cut(lines.Text(), " ")
			if !complete || !strings.HasPrefix(group, "g") {
				continue // cut off by the kill
			}
			acknowledged[id] = group
			if n++; n == 120+77*round {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Wait(); err == nil || n < 120 {
			t.Fatalf("the writer ended by itself after %d commits: %v", n, err)
		}
		checkAcknowledged(t, path, acknowledged)
	}
}

func checkAcknowledged(t *testing.T, path string, acknowledged map[string]string) {
	t.Helper()
	s, err := boltstore.Open(t.Context(), crashOptions(path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for id, group := range acknowledged {
		records, err := s.Get(t.Context(), "acme", store.User, id)
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.Edges(t.Context(), "acme", store.EdgeQuery{Group: group, Only: []string{id}})
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != 1 || len(page.Members) != 1 {
			t.Errorf("acknowledged user %s: %d records, %d edges, want 1 and 1", id, len(records), len(page.Members))
		}
	}
	if err := storetest.CheckInvariants(t.Context(), s, "acme", storetest.Options{Logged: true, Keys: crashKeys}); err != nil {
		t.Error(err)
	}
}
