package admintest

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// posts are all paths of the admin API but health.
var posts = []string{
	admin.PathTenantList, admin.PathTenantShow, admin.PathTenantCreate, admin.PathTenantSet, admin.PathTenantPause, admin.PathTenantResume,
	admin.PathTenantDelete, admin.PathTenantSetup, admin.PathTokenCreate, admin.PathTokenList, admin.PathTokenRevoke, admin.PathUserShow,
	admin.PathGroupShow, admin.PathGroupMembers, admin.PathArchiveList, admin.PathArchiveShow, admin.PathRestore, admin.PathPurge,
	admin.PathReport, admin.PathExport, admin.PathImportBegin, admin.PathImportChunk,
}

// TestForgery sends what a page in a browser could.
func TestForgery(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := e2e.NewServer(t, nil, e2e.Config{})
			where := socket(s)
			if network == "tcp" {
				where = adminOverTCP(t, s)
			}
			s.Caddy.Start(t)
			ask := func(method, path, body string, headers ...string) (int, string, string) {
				status, text, h := raw(t, network, where, method, path, body, headers...)
				if shared := h.Get("Access-Control-Allow-Origin"); shared != "" && shared != "http://"+where {
					t.Errorf("%s %s %v: %s may read the answer", method, path, headers, shared)
				}
				return status, text, h.Get("Allow")
			}
			const asJSON = "Content-Type: application/json"
			allowed := [][]string{{asJSON}, {asJSON + "; charset=utf-8"}}
			if network == "tcp" { // a page of the admin API's own; a socket has none
				own := "Origin: http://" + where
				allowed = append(allowed, []string{asJSON, own}, []string{asJSON, "Sec-Fetch-Site: same-origin", own})
			}
			for _, headers := range allowed {
				if status, text, _ := ask("POST", admin.PathTenantList, "{}", headers...); status != 200 || !strings.Contains(text, `"t1"`) {
					t.Errorf("%v: %d %s", headers, status, text)
				}
			}
			for _, path := range []string{admin.PathLive, admin.PathReady} {
				if status, text, _ := ask("GET", path, ""); status != 200 || !strings.Contains(text, `"status"`) {
					t.Errorf("%s: %d %s", path, status, text)
				}
				if status, text, allow := ask("POST", path, "{}", asJSON); status != 405 || allow != "GET" {
					t.Errorf("POST %s: %d %s", path, status, text)
				}
			}
			body := `{"tenant":"forged","confirm":"forged"}`
			for _, path := range posts {
				for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
					if status, text, allow := ask(method, path, body, asJSON); status != 405 || allow != "POST" || !strings.Contains(text, `"error"`) {
						t.Errorf("%s %s: %d Allow: %s %s", method, path, status, allow, text)
					}
				}
				if status, _, _ := ask("GET", path+"?tenant=forged&confirm=forged", ""); status != 405 {
					t.Errorf("GET %s with a query: %d", path, status)
				}
				for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonp", "text/plain; application/json"} {
					if status, text, _ := ask("POST", path, body, "Content-Type: "+media); status != 415 || !strings.Contains(text, `"error"`) {
						t.Errorf("POST %s as %q: %d %s", path, media, status, text)
					}
				}
				for _, headers := range [][]string{
					{"Origin: https://evil.example"}, {"Origin: null"}, {"Origin: http://127.0.0.1:1"}, {"Origin: file://"},
					{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Sec-Fetch-Mode: no-cors", "Origin: https://evil.example"},
					{"Origin: https://evil.example", "Host: evil.example"},
				} {
					for _, x := range [][2]string{{"POST", path}, {"GET", admin.PathReady}} {
						status, text, _ := ask(x[0], x[1], body, append(headers, asJSON)...)
						if status == 400 && (strings.Contains(text, "null Origin header") || strings.Contains(text, "same-origin restrictions")) {
							continue // Caddy's own answer, before any module's
						}
						if status != 403 {
							t.Errorf("%s %s %v: %d %s", x[0], x[1], headers, status, text)
						}
					}
				}
				if network == "tcp" {
					// A name of somebody else's that has come to mean this address.
					if status, text, _ := ask("POST", path, body, asJSON, "Host: evil.example"); status != 403 {
						t.Errorf("POST %s at another host: %d %s", path, status, text)
					}
				}
				if status, _, _ := ask("OPTIONS", path, "", "Origin: https://evil.example", "Access-Control-Request-Method: POST"); status < 400 {
					t.Errorf("a preflight for %s: %d", path, status)
				}
			}
			for _, text := range []string{"", "{", "[]", `"x"`, `{} {}`, `{"surprise":1}`, `{"tenant":7}`, strings.Repeat(" ", 300<<10) + "{}"} {
				if status, answer, _ := ask("POST", admin.PathTenantCreate, text, asJSON); status != 400 && status != 413 {
					t.Errorf("%.20q: %d %s", text, status, answer)
				}
			}
			if status, answer, _ := ask("POST", "/scim/nothing", "{}", asJSON); status != 404 || !strings.Contains(answer, `"error"`) {
				t.Errorf("a path that is not: %d %s", status, answer)
			}
			if _, text, _ := ask("POST", admin.PathTenantList, `{"limit":1000}`, asJSON); strings.Contains(text, "forged") {
				t.Errorf("something was done: %s", text)
			}
		})
	}
}

// adminOverTCP has the server's admin API listen on a port, as Caddy does unless
// told otherwise.
func adminOverTCP(t *testing.T, s *e2e.Server) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	text, err := os.ReadFile(s.Caddy.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "admin "+s.Caddy.AdminAddress(), "admin "+address, 1)
	if changed == string(text) {
		t.Fatalf("no admin socket in\n%s", text)
	}
	if err := os.WriteFile(s.Caddy.ConfigFile(), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return address
}

// TestFailedReload asks the admin API after configurations that were refused: it
// tells of the one that still runs, and changes it.
func TestFailedReload(t *testing.T) {
	t.Parallel()
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			const secret = "a-static-token-of-the-declared-one"
			declared := func(options string) e2e.Config {
				return e2e.Config{Scim: "\t\ttenant declared {\n\t\t\ttoken " + secret + "\n" + options + "\n\t\t}"}
			}
			s := e2e.StartServer(t, store, declared("members reject"))
			made := tenant(t, s, "")
			user := made.CreateUser(t, "ada@example.com")
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()

			other := declared("members ignore\nallow default title")
			other.Scim += "\n\t\ttenant another {\n\t\t\ttoken a-static-token-of-another-one\n\t\t}"
			inProvision, inStart := other, other
			inProvision.Allow = []string{"nonsense"}
			inStart.Sites = fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\trespond other\n}", taken.Addr().(*net.TCPAddr).Port)
			elsewhere := inStart
			elsewhere.PublicURL = "https://other.example"

			ask := func(t *testing.T, members, from string) {
				t.Helper()
				d := do[admin.TenantDetail](t, s, admin.PathTenantShow, M{"tenant": "declared"})
				if m := settingOf(t, d, "members"); string(m.Value) != members || m.From != from || d.TenantURL != e2e.PublicURL+"/scim/v2" {
					t.Errorf("the admin API says %+v of %s", m, d.TenantURL)
				}
				refused(t, s, admin.PathTenantShow, M{"tenant": "another"}, 404, "no such tenant")
				if st, text, _ := raw(t, "unix", socket(s), "GET", admin.PathReady, ""); st != 200 {
					t.Errorf("not ready: %d %s", st, text)
				}
				found := do[admin.LookupResult](t, s, admin.PathUserShow, M{"tenant": made.Tenant, "key": "ada@example.com"})
				if len(found.Resources) != 1 || found.Resources[0].ID != user {
					t.Errorf("found %+v", found)
				}
				// What it changes is in force at once: it is the state of what runs.
				tok, c := mint(t, s, admin.TokenCreate{Tenant: made.Tenant})
				c.Do(t, "GET", "/Users/"+user, nil).Want(t, 200)
				do[admin.TokenRevoke](t, s, admin.PathTokenRevoke, M{"tenant": made.Tenant, "id": tok.ID})
				c.Do(t, "GET", "/Users/"+user, nil).Want(t, 401)
				do[admin.TenantDetail](t, s, admin.PathTenantPause, M{"tenant": made.Tenant})
				made.Do(t, "GET", "/Users/"+user, nil).Want(t, 503)
				do[admin.TenantDetail](t, s, admin.PathTenantResume, M{"tenant": made.Tenant})
				made.Do(t, "GET", "/Users/"+user, nil).Want(t, 200)
			}
			text := s.Caddy.WriteConfig(t, s.Caddy.Config)
			for _, bad := range []struct {
				name string
				cfg  e2e.Config
			}{{"in Provision", inProvision}, {"in Start", inStart}, {"in Start, with another address", elsewhere}, {"in Provision again", inProvision}} {
				t.Run(bad.name, func(t *testing.T) {
					if err := s.Caddy.Reload(s.Caddy.WriteConfig(t, bad.cfg)); err == nil {
						t.Fatal("the configuration was taken")
					}
					ask(t, `"reject"`, admin.FromConfiguration)
				})
			}
			// And then one that is good.
			if err := s.Caddy.Reload(strings.Replace(text, "members reject", "members pending", 1)); err != nil {
				t.Fatal(err)
			}
			ask(t, `"pending"`, admin.FromConfiguration)
		})
	}
}
