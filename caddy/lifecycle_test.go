package caddy

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/boltstore"
)

func TestBareDirective(t *testing.T) {
	i := newInstance(t)
	i.load("", "scim")
	if resp, _ := i.do("GET", "/scim/v2/Users", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without any token: %d, want 401", resp.StatusCode)
	}
	path := filepath.Join(caddy.AppDataDir(), "scim", "scim.db")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %o, want 600", path, info.Mode().Perm())
	}
}

func TestReloadKeepsStore(t *testing.T) {
	i := newInstance(t)
	i.load(scimBlock("store memory"), "scim")
	id := i.createUser("ada")
	for range 3 {
		i.load(scimBlock("store memory\nallow default title"), "scim")
		i.load(scimBlock("store memory"), "scim")
	}
	if resp, text := i.do("GET", "/scim/v2/Users/"+id, ""); resp.StatusCode != http.StatusOK {
		t.Errorf("after reloads: %d %s", resp.StatusCode, text)
	}
	if got := openStores(); !maps.Equal(got, map[string]int{"memory": 1}) {
		t.Errorf("open stores and their references: %v", got)
	}
}

func TestReloadChangesStore(t *testing.T) {
	i := newInstance(t)
	a, b := filepath.Join(i.dir, "a.db"), filepath.Join(i.dir, "b.db")
	i.load(scimBlock("store bolt "+a), "scim")
	id := i.createUser("ada")
	i.load(scimBlock("store bolt "+b), "scim")
	if resp, _ := i.do("GET", "/scim/v2/Users/"+id, ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("in another store: %d, want 404", resp.StatusCode)
	}
	waitFor(t, "the old store to be closed", func() bool { return len(openStores()) == 1 })
	s, err := boltstore.Open(t.Context(), boltstore.Options{Path: a, Timeout: time.Second})
	if err != nil {
		t.Fatalf("the old file is still locked: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	i.load(scimBlock("store bolt "+a), "scim")
	if resp, text := i.do("GET", "/scim/v2/Users/"+id, ""); resp.StatusCode != http.StatusOK {
		t.Errorf("back at the first store: %d %s", resp.StatusCode, text)
	}
}

// A store that is taken again while it lingers must not be opened twice.
func TestReloadThereAndBack(t *testing.T) {
	defer func(d time.Duration) { linger = d }(linger)
	linger = 300 * time.Millisecond
	i := newInstance(t)
	a, b := filepath.Join(i.dir, "a.db"), filepath.Join(i.dir, "b.db")
	for range 5 {
		i.load(scimBlock("store bolt "+a), "scim")
		i.load(scimBlock("store bolt "+b), "scim")
	}
	if n := len(openStores()); n != 2 {
		t.Errorf("%d stores in the pool, want both", n)
	}
	i.createUser("ada")
}

func TestOneFileTwoSpellings(t *testing.T) {
	i := newInstance(t)
	link := filepath.Join(i.dir, "link")
	if err := os.Symlink(i.dir, link); err != nil {
		t.Fatal(err)
	}
	i.load(scimBlock("store bolt "+filepath.Join(link, "scim.db")), "scim") // made by this
	id := i.createUser("ada")
	file := filepath.Join(i.dir, "file")
	if err := os.Symlink("scim.db", file); err != nil {
		t.Fatal(err)
	}
	for _, spelling := range []string{i.dir + "/scim.db", i.dir + "/x/../scim.db", file} {
		i.load(scimBlock("store bolt "+spelling), "scim")
		if resp, text := i.do("GET", "/scim/v2/Users/"+id, ""); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", spelling, resp.StatusCode, text)
		}
	}
	if got := openStores(); len(got) != 1 {
		t.Errorf("open stores: %v", got)
	}
}

func TestDanglingLinkIsItsTarget(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target/scim.db", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	got, err := realPath(filepath.Join(dir, "link"))
	if want := filepath.Join(dir, "target", "scim.db"); err != nil || got != want {
		t.Errorf("realPath = %s, %v, want %s", got, err, want)
	}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	if got, err := realPath(filepath.Join(dir, "loop", "scim.db")); err == nil {
		t.Errorf("a loop of links is %s", got)
	}
}

func TestChangeLogIsFixedWhileOpen(t *testing.T) {
	i := newInstance(t)
	path := filepath.Join(i.dir, "a.db")
	i.load(scimBlock("store bolt "+path), "scim")
	err := i.tryLoad(scimBlock("store bolt "+path+"\nchange_log {\nentries 5\n}"), "scim")
	if err == nil || !strings.Contains(err.Error(), "change_log of 5 entries") || !strings.Contains(err.Error(), "restart Caddy") {
		t.Errorf("error = %v, want one that says to restart", err)
	}
	i.createUser("ada")
}

func TestFailedReloadChangesNothing(t *testing.T) {
	i := newInstance(t)
	a, locked := filepath.Join(i.dir, "a.db"), filepath.Join(i.dir, "locked.db")
	other, err := boltstore.Open(t.Context(), boltstore.Options{Path: locked})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	notAFolder := filepath.Join(i.dir, "file")
	if err := os.WriteFile(notAFolder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	i.load(scimBlock("store bolt "+a), "scim")
	id := i.createUser("ada")

	for _, tc := range []struct {
		name, global, site string
		want               []string
	}{
		{"missing variable", "scim {\nstore bolt " + a + "\ntenant acme {\ntoken {env.NO_SUCH_VARIABLE}\n}\n}", "scim",
			[]string{"token 1 of tenant acme", "{env.NO_SUCH_VARIABLE}"}},
		{"locked file", scimBlock("store bolt " + locked), "scim", []string{locked, "locked by another process"}},
		{"bad path", scimBlock("store bolt " + notAFolder + "/scim.db"), "scim", []string{notAFolder}},
		{"another app", scimBlock("store bolt "+filepath.Join(i.dir, "c.db")) + "events {\non x exec /nonexistent\n}", "scim", nil},
		{"another site", scimBlock("store bolt " + a), "scim\n}\nhttp://x {\nbind 192.0.2.1", nil},
		{"another site, another store", scimBlock("store bolt " + filepath.Join(i.dir, "d.db")), "scim\n}\nhttp://x {\nbind 192.0.2.1", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, err := tryAdapt(i.config(tc.global, tc.site))
			if err == nil {
				err = caddy.Load(cfg, true)
			}
			if err == nil {
				t.Fatal("the configuration was accepted")
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not name %q", err, w)
				}
			}
			if resp, text := i.do("GET", "/scim/v2/Users/"+id, ""); resp.StatusCode != http.StatusOK {
				t.Errorf("afterwards: %d %s", resp.StatusCode, text)
			}
			if resp, text := i.adminDo("GET", "/scim/health/ready", "", ""); resp.StatusCode != http.StatusOK {
				t.Errorf("admin API: %d %s", resp.StatusCode, text)
			}
			resp, text := i.adminDo("POST", "/scim/tokens/create", "application/json", `{"tenant":"acme"}`)
			if resp.StatusCode != http.StatusOK {
				t.Errorf("minting: %d %s", resp.StatusCode, text)
			}
			waitFor(t, "the other stores to be closed", func() bool { return maps.Equal(openStores(), map[string]int{"bolt:" + a: 1}) })
		})
	}
}

func TestProvisioningErrors(t *testing.T) {
	schemaFile := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(schemaFile, []byte(`{"id":"urn:example:x","attributes":[{"name":"a","type":"text"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WEAK", "aaaaaaaaaaaaaaaaaaaa")
	t.Setenv("SHORT", "s3cr3t-v4l")
	for _, tc := range []struct {
		name, options string
		want          []string
		not           string
	}{
		{"weak token", "tenant acme {\ntoken {env.WEAK}\n}", []string{"tenant acme", "token 1", "too easy to guess"}, "aaaa"},
		{"short token", "tenant acme {\ntoken {env.SHORT}\n}", []string{"tenant acme", "too easy to guess"}, "s3cr3t"},
		{"braces in a token", "tenant acme {\ntoken abc{secret}def\n}", []string{"token 1 of tenant acme"}, "secret"},
		{"password", "store redis {\naddress localhost:1\npassword {env.NO_SUCH_VARIABLE}\n}", []string{"store redis", "password", "{env.NO_SUCH_VARIABLE}"}, ""},
		{"redis options", "store redis a:1 {\naddress b:1\n}", []string{"store redis", "several addresses"}, ""},
		{"redis authorities", "store redis {\ntls {\nca /no/such/file\n}\n}", []string{"tls ca", "/no/such/file"}, ""},
		{"public URL", "public_url scim.example.com", []string{"public_url", "scim.example.com"}, ""},
		{"base path", "base_path scim", []string{"base_path", "scim"}, ""},
		{"base path with dots", "base_path /a/../b", []string{"base_path"}, ""},
		{"allow", "tenant acme {\nallow default passwrod\n}", []string{"tenant acme", "passwrod"}, ""},
		{"allow password", "allow default password", []string{"password"}, ""},
		{"extension file", "extension users /no/such/file", []string{"extension users", "/no/such/file"}, ""},
		{"extension", "extension users " + schemaFile, []string{"extension users", schemaFile, "text"}, ""},
		{"same token twice", "tenant a {\ntoken 0123456789abcdef\n}\ntenant b {\ntoken 0123456789abcdef\n}", []string{"tenant b", "token 1"}, "0123456789abcdef"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := validate(t, "{\nadmin off\nscim {\n"+tc.options+"\n}\n}")
			if err == nil {
				t.Fatal("the configuration was accepted")
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not name %q", err, w)
				}
			}
			if tc.not != "" && strings.Contains(err.Error(), tc.not) {
				t.Errorf("error %q gives a value away", err)
			}
		})
	}
	waitFor(t, "the stores to be closed", func() bool { return len(openStores()) == 0 })
}

func validate(t *testing.T, caddyfile string) error {
	t.Helper()
	var cfg *caddy.Config
	if err := json.Unmarshal(adapt(t, caddyfile), &cfg); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(cfg)
}

func TestValidateBesideRunning(t *testing.T) {
	i := newInstance(t)
	options := scimBlock("store bolt " + filepath.Join(i.dir, "a.db"))
	i.load(options, "scim")
	file := filepath.Join(i.dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(i.config(options, "scim")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := binary(t, "validate", "--config", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	i.createUser("ada")
}

// binary is this program as caddy-scim.
func binary(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asBinary+"=1")
	return cmd
}

// A request that began before a reload finishes on the store that it began with.
func TestSlowRequestAcrossReload(t *testing.T) {
	i := newInstance(t)
	a, b := filepath.Join(i.dir, "a.db"), filepath.Join(i.dir, "b.db")
	i.load(scimBlock("store bolt "+a), "scim")

	body, pipe := io.Pipe()
	req, err := http.NewRequest("POST", "http://scim.test/scim/v2/Users", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Content-Type", "application/scim+json")
	type answer struct {
		resp *http.Response
		text string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		resp, text, err := send(i.client, req)
		done <- answer{resp, text, err}
	}()
	text := userJSON("slow")
	if _, err := io.WriteString(pipe, text[:20]); err != nil {
		t.Fatal(err)
	}
	stores.mu.Lock()
	h := stores.handles["bolt:"+a]
	stores.mu.Unlock()
	waitFor(t, "the request to be under way", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.users > 0
	})
	i.load(scimBlock("store bolt "+b), "scim")
	waitFor(t, "the old store to have lingered", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.expired
	})
	if _, err := io.WriteString(pipe, text[20:]); err != nil {
		t.Fatal(err)
	}
	if err := pipe.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || got.resp.StatusCode != http.StatusCreated {
		t.Fatalf("the slow request: %v %v %s", got.err, got.resp, got.text)
	}
	waitFor(t, "the old store to be closed", func() bool { return len(openStores()) == 1 })
	i.load(scimBlock("store bolt "+a), "scim")
	_, found := i.do("GET", "/scim/v2/Users?filter=userName%20eq%20%22slow%22", "")
	if !strings.Contains(found, `"totalResults":1`) {
		t.Errorf("in the first store: %s", found)
	}
}

func TestReloadUnderLoad(t *testing.T) {
	i := newInstance(t)
	options := []string{"store bolt " + filepath.Join(i.dir, "a.db"), "store bolt " + filepath.Join(i.dir, "b.db")}
	for _, o := range options { // a user in both
		i.load(scimBlock(o), "scim")
		i.createUser("ada")
	}
	var (
		stop   atomic.Bool
		served atomic.Int64
		wg     sync.WaitGroup
	)
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				resp, text, err := i.try("GET", "/scim/v2/Users?filter=userName%20eq%20%22ada%22", "")
				switch {
				case err != nil:
					t.Errorf("lost: %v", err)
					return
				case resp.StatusCode != http.StatusOK || !strings.Contains(text, `"totalResults":1`):
					t.Errorf("%d %s", resp.StatusCode, text)
					return
				}
				served.Add(1)
			}
		})
	}
	for n := range 10 {
		before := served.Load()
		i.load(scimBlock(options[n%2]), "scim")
		if err := i.tryLoad(scimBlock("allow nonsense"), "scim"); err == nil {
			t.Error("nonsense was accepted")
		}
		waitFor(t, "requests to be served", func() bool { return served.Load() > before+10 || t.Failed() })
	}
	stop.Store(true)
	wg.Wait()
}

func TestRedisAway(t *testing.T) {
	i := newInstance(t)
	i.load(scimBlock("store redis "+filepath.Join(i.dir, "no-redis")), "scim\nrespond plain")
	resp, text := i.do("GET", "/scim/v2/Users", "")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("SCIM: %d, Retry-After %q, %s", resp.StatusCode, resp.Header.Get("Retry-After"), text)
	}
	if resp, text := i.do("GET", "/", ""); resp.StatusCode != http.StatusOK || text != "plain" {
		t.Errorf("another path: %d %s", resp.StatusCode, text)
	}
	if resp, text := i.adminDo("GET", "/scim/health/ready", "", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready: %d %s", resp.StatusCode, text)
	}
	if resp, text := i.adminDo("GET", "/scim/health/live", "", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("live: %d %s", resp.StatusCode, text)
	}
}

// Another password, pool or file of authorities is another client.
func TestRedisIdentity(t *testing.T) {
	t.Parallel()
	ids := []string{}
	for _, s := range []*RedisStore{
		{}, {Password: "a"}, {Password: "b"}, {DB: 1}, {PoolSize: 3}, {TLS: &RedisTLS{}}, {TLS: &RedisTLS{ServerName: "x"}},
	} {
		src, err := s.Source(store.LogLimit{})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(ids, src.Identity) {
			t.Errorf("%+v has the identity of another store", s)
		}
		ids = append(ids, src.Identity)
	}
	again, err := (&RedisStore{Password: "a", Addresses: []string{"localhost:6379"}}).Source(store.LogLimit{})
	if err != nil || again.Identity != ids[1] {
		t.Errorf("equal options have different identities (%v)", err)
	}
}

func TestCleanupIsIdempotent(t *testing.T) {
	t.Parallel()
	for _, a := range []*App{{}, {handle: mustTake(t, "cleanup")}} {
		for range 2 {
			if err := errors.Join(a.Stop(), a.Cleanup()); err != nil {
				t.Error(err)
			}
		}
	}
}
