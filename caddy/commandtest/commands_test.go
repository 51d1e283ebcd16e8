package commandtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// TestTenants has a tenant's life by the command line.
func TestTenants(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, e2e.Config{}, func(t *testing.T, s *e2e.Server) {
		o, name := operator{s.Caddy}, fresh()
		o.ok(t, "health", "The SCIM service is ready, with its "+s.Store+" store.")
		if h := decode[admin.Health](t, o, "health"); h.Status != "ready" || h.Store != s.Store {
			t.Errorf("health --json: %+v", h)
		}

		o.ok(t, "tenant|create|"+name+"|--allow|default|--allow|title|--archive-retention|90d|--rate|500 1000", "Tenant "+name+" is created.")
		o.fails(t, 1, "tenant|create|"+name, name)
		o.fails(t, 1, "tenant|create|Not A Name", "cannot be a tenant's name")
		o.fails(t, 1, "tenant|create|"+fresh()+"|--allow|shoeSize", "shoeSize")
		o.fails(t, 1, "tenant|create|"+fresh()+"|--members|eat", "eat")

		o.ok(t, "tenant|list", "NAME", name, s.Tenant)
		var found bool
		for _, x := range decode[admin.TenantPage](t, o, "tenant|list").Tenants {
			found = found || x.Name == name && x.State == admin.StateActive && !x.Configured
		}
		if !found {
			t.Errorf("%s is not in the list", name)
		}

		o.ok(t, "tenant|show|"+name, "default, title", "run time", "90d", "500 1000", "built in")
		d := decode[admin.TenantDetail](t, o, "tenant|show|"+name)
		if d.Name != name || d.Tokens != 0 || len(d.Settings) != 7 {
			t.Errorf("show --json: %+v", d)
		}
		o.ok(t, "tenant|show|"+s.Tenant, "in the configuration")

		o.ok(t, "tenant|set|"+name+"|--rate|off|--unset|archive-retention", "The settings of tenant "+name+" are changed.", "off", "forever")
		o.fails(t, 1, "tenant|set|"+name+"|--required|shoeSize", "shoeSize")
		o.ok(t, "tenant|set|"+s.Tenant+"|--rate|1 2")

		o.ok(t, "tenant|show|"+name+"|--setup", name, e2e.PublicURL, "Entra", "Okta", "title")
		o.ok(t, "tenant|show|"+name+"|--setup|--format|markdown", "# ", "| ")
		o.ok(t, "tenant|show|"+name+"|--setup|--format|html", "<!DOCTYPE html>", "</html>")
		o.ok(t, "tenant|show|"+name+"|--setup|--json", `"tenant": "`+name+`"`)

		c := s.Named(name, s.Caddy.Mint(t, name).Token)
		c.Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
		o.ok(t, "tenant|pause|"+name, "Tenant "+name+" is paused.")
		c.Do(t, "GET", "/Users?count=0", nil).Want(t, 503)
		o.ok(t, "tenant|list", "paused")
		o.ok(t, "tenant|resume|"+name, "Tenant "+name+" is resumed.")
		c.Do(t, "GET", "/Users?count=0", nil).Want(t, 200)

		c.CreateUser(t, "alice")
		o.fails(t, 1, "tenant|delete|"+name, "nothing was done", "--yes")
		c.Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
		o.fails(t, 1, "tenant|delete|"+s.Tenant+"|--yes", "configuration")
		o.ok(t, "tenant|delete|"+name+"|--yes|--no-wait", "Tenant "+name+" is being deleted")
		c.Do(t, "GET", "/Users?count=0", nil).Want(t, 401)
		o.ok(t, "tenant|delete|"+name+"|--yes", "Tenant "+name+" is deleted")
		o.fails(t, 1, "tenant|show|"+name, "no such tenant")
	})
}

func TestTokens(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, e2e.Config{}, func(t *testing.T, s *e2e.Server) {
		o, name := operator{s.Caddy}, fresh()
		o.fails(t, 1, "token|create|--tenant|"+name, "there is no such tenant")
		tok := s.Caddy.Mint(t, name, "--create", "--label", "Entra, production", "--expires", "90d", "--from", "127.0.0.0/8")
		if tok.Scope != "provision" || len(tok.Addresses) != 1 || time.Until(tok.Expires) < 89*24*time.Hour {
			t.Errorf("minted %+v", tok)
		}
		c := s.Named(name, tok.Token)
		c.CreateUser(t, "alice")

		reader := s.Caddy.Mint(t, name, "--scope", "read")
		s.Named(name, reader.Token).Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
		s.Named(name, reader.Token).Do(t, "DELETE", "/Users/none", nil).Want(t, 403)
		o.ok(t, "token|create|--tenant|"+name, "Tenant URL    "+e2e.PublicURL, "Secret Token  scim_", "it cannot be shown again")
		for _, bad := range []string{"--expires|soon", "--expires|2001-01-01", "--scope|admin", "--from|example.com", "--label|" + strings.Repeat("x", 200)} {
			o.fails(t, 1, "token|create|--tenant|"+name+"|"+bad)
		}

		out := o.ok(t, "token|list|--tenant|"+name, tok.ID, reader.ID, "Entra, production", "only from 127.0.0.0/8", "read")
		if strings.Contains(out, tok.Token) || strings.Contains(out, "scim_") {
			t.Errorf("the list shows a secret:\n%s", out)
		}
		if list := decode[admin.TokenList](t, o, "token|list|--tenant|"+name); len(list.Tokens) != 3 {
			t.Errorf("list --json: %+v", list)
		}
		o.ok(t, "token|list|--tenant|"+s.Tenant, "static, of the configuration")

		o.ok(t, "token|revoke|--tenant|"+name+"|--id|"+tok.ID, "Token "+tok.ID+" of tenant "+name+" is revoked.")
		c.Do(t, "GET", "/Users?count=0", nil).Want(t, 401)
		o.fails(t, 1, "token|revoke|--tenant|"+name+"|--id|"+tok.ID, "no such token")
	})
}

// TestSupport looks for what is stored, as somebody does who is asked why Alice
// was not provisioned.
func TestSupport(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, e2e.Config{}, func(t *testing.T, s *e2e.Server) {
		o, tenant := operator{s.Caddy}, "|--tenant|"+s.Tenant
		id := s.Do(t, "POST", "/Users", M{"schemas": e2e.A{e2e.UserURN}, "userName": "Alice@example.com", "externalId": "a-17", "shoeSize": "38",
			"name": M{"givenName": "Alice"}}).Want(t, 201).Field(t, "id").(string)
		group := s.CreateGroup(t, "Sales, Europe", id)

		for _, key := range []string{id, "alice@EXAMPLE.com", "a-17"} {
			o.ok(t, "user|show|"+key+tenant, id, "live", "Alice@example.com", "name.givenName", "Sales, Europe")
		}
		if r := decode[admin.LookupResult](t, o, "user|show|a-17"+tenant); len(r.Resources) != 1 || r.Resources[0].ID != id || r.Resources[0].MatchedBy != "externalId" {
			t.Errorf("show --json: %+v", r)
		}
		o.fails(t, 1, "user|show|eve@example.com"+tenant, "scim report --tenant "+s.Tenant)
		o.ok(t, "group|show|sales, europe"+tenant, group, "Sales, Europe")
		o.ok(t, "group|show|"+group+tenant+"|--members", "User", id)
		o.ok(t, "group|show|"+group+tenant+"|--members|--json", `"member_list"`, id)
		o.fails(t, 1, "group|show|Purchase"+tenant, "no group with this id")

		s.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
		o.ok(t, "user|show|"+id+tenant, "archived", "Alice@example.com")
		o.ok(t, "archive|list"+tenant, id, "Alice@example.com")
		o.ok(t, "archive|show|"+id+tenant, "Alice@example.com")
		if p := decode[admin.ArchivePage](t, o, "archive|list"+tenant); p.Total != 1 || len(p.Users) != 1 {
			t.Errorf("list --json: %+v", p)
		}
		o.ok(t, "archive|restore|"+id+tenant, "User "+id+" of tenant "+s.Tenant+" is restored, as Alice@example.com.")
		s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)
		o.fails(t, 1, "archive|restore|"+id+tenant)
		o.ok(t, "archive|list"+tenant, "The archive of tenant "+s.Tenant+" is empty.")

		s.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
		o.fails(t, 1, "archive|purge|"+id+tenant, "nothing was done", "--yes")
		o.ok(t, "archive|show|"+id+tenant, "Alice@example.com")
		o.ok(t, "archive|purge|"+id+tenant+"|--yes", "User "+id+" of tenant "+s.Tenant+" is erased.")
		o.fails(t, 1, "archive|show|"+id+tenant)
		o.ok(t, "user|show|"+id+tenant, "erased")

		out := o.ok(t, "report"+tenant, "ATTRIBUTE", "userName", "shoeSize", "Last request")
		if strings.Contains(out, "Alice") {
			t.Errorf("the report has a value:\n%s", out)
		}
		if r := decode[admin.Report](t, o, "report"+tenant); r.Tenant != s.Tenant || len(r.Attributes) == 0 {
			t.Errorf("report --json: %+v", r)
		}
	})
}

// TestRefusals types at servers and tenants that are not there.
func TestRefusals(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, e2e.Config{}, func(t *testing.T, s *e2e.Server) {
		o := operator{s.Caddy}
		file := filepath.Join(t.TempDir(), "x.ndjson")
		commands := []string{"tenant|show|%", "tenant|show|%|--setup", "tenant|set|%|--rate|off", "tenant|pause|%", "tenant|resume|%", "tenant|delete|%|--yes",
			"token|create|--tenant|%", "token|list|--tenant|%", "user|show|alice|--tenant|%", "group|show|sales|--tenant|%",
			"archive|list|--tenant|%", "archive|show|x|--tenant|%", "archive|restore|x|--tenant|%", "archive|purge|x|--yes|--tenant|%", "report|--tenant|%", "export|--tenant|%|-o|" + file}
		for _, c := range commands {
			o.fails(t, 1, strings.ReplaceAll(c, "%", "nobody"), "there is no such tenant")
		}
		for _, c := range append(commands, "health", "tenant|list", "tenant|create|%", "export") {
			c = strings.ReplaceAll(c, "%", "acme")
			r := s.Caddy.CLI(t, append(append([]string{"scim"}, strings.Split(c, "|")...), "--address", "unix/"+filepath.Join(s.Caddy.Dir, "nobody"))...)
			if r.Code != 1 || !strings.Contains(r.Stderr, "no server answers at unix/") || strings.Count(r.Stderr, "\n") != 1 || r.Stdout != "" {
				t.Errorf("%s without a server: exit code %d\n%s%s", c, r.Code, r.Stdout, r.Stderr)
			}
		}
		if left, _ := filepath.Glob(file + "*"); len(left) > 0 {
			t.Errorf("%v are left", left)
		}
		for _, c := range []string{"tenant|show", "tenant|show|a|b", "tenant|shwo|a", "tenant|create|a|--rate|much", "token|create", "token|list|--tenent|a", "user|show|alice",
			"archive|show", "report", "import", "export|--force", "nonsense"} {
			o.fails(t, 2, c)
		}
		o.fails(t, 1, "import|"+file, "no such file")

		// The address of the configuration, and help without a server.
		if r := s.Caddy.CLI(t, "scim", "health", "--config", s.Caddy.ConfigFile(), "--adapter", "caddyfile", "--json"); r.Code != 0 || !strings.Contains(r.Stdout, `"status": "ready"`) {
			t.Errorf("health --config: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
		if r := s.Caddy.CLI(t, "scim", "token", "create", "--help"); r.Code != 0 || !strings.Contains(r.Stdout, "Examples:") {
			t.Errorf("--help: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
		if r := s.Caddy.CLI(t, "completion", "bash"); r.Code != 0 || !strings.Contains(r.Stdout, "caddy-scim") {
			t.Errorf("completion: exit code %d", r.Code)
		}
		if r := s.Caddy.CLI(t, "__complete", "scim", "tenant", "s"); r.Code != 0 || !strings.Contains(r.Stdout, "show") || !strings.Contains(r.Stdout, "set") {
			t.Errorf("completion of a command: exit code %d\n%s", r.Code, r.Stdout)
		}
	})
}

// TestExportAndImport moves a tenant to the other store, and brings it back after
// a deletion.
func TestExportAndImport(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, e2e.Config{}, func(t *testing.T, s *e2e.Server) {
		o, name, dir := operator{s.Caddy}, fresh(), t.TempDir()
		file := filepath.Join(dir, "x.ndjson")
		c := s.Named(name, s.Caddy.Mint(t, name, "--create").Token)
		o.ok(t, "tenant|set|"+name+"|--allow|default|--allow|title")
		id := c.CreateUser(t, "alice")
		gone := c.CreateUser(t, "bob")
		group := c.CreateGroup(t, "Sales", id)
		c.Do(t, "DELETE", "/Users/"+gone, nil).Want(t, 204)

		o.ok(t, "export|--tenant|"+name+"|-o|"+file, "has 1 tenant in ")
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file: %v, %v", info.Mode(), err)
		}
		o.fails(t, 1, "export|--tenant|"+name+"|-o|"+file, "is there already", "--force")
		o.ok(t, "export|--tenant|"+name+"|-o|"+file+"|--force|--json", `"tenants": 1`)
		onFile, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		toStdout := o.ok(t, "export|--tenant|"+name)
		if a, b := strings.Split(toStdout, "\n"), strings.Split(string(onFile), "\n"); len(a) != len(b) {
			t.Errorf("standard output has %d lines, the file %d", len(a), len(b))
		}

		o.fails(t, 1, "import|"+file, name, "is there already")
		if err := os.WriteFile(file+".cut", onFile[:len(onFile)-5], 0o600); err != nil {
			t.Fatal(err)
		}
		o.fails(t, 1, "import|"+file+".cut", "cut off")

		check := func(o operator, c *e2e.Client) {
			t.Helper()
			o.ok(t, "import|"+file, "The import is complete: ")
			o.ok(t, "import|"+file+"|--json", `"done": true`)
			e2e.Eventually(t, 10*time.Second, "the token to be valid", func() bool {
				r, err := c.Send("GET", "/Users/"+id, nil)
				return err == nil && r.Status == 200
			})
			o.ok(t, "tenant|show|"+name, "default, title", "run time")
			o.ok(t, "user|show|alice|--tenant|"+name, id, "Sales")
			o.ok(t, "group|show|"+group+"|--members|--tenant|"+name, id)
			o.ok(t, "archive|list|--tenant|"+name, gone, "bob")
		}
		other := e2e.StartServer(t, map[string]string{e2e.Bolt: e2e.RedisName, e2e.RedisName: e2e.Bolt}[s.Store], e2e.Config{})
		check(operator{other.Caddy}, other.Named(name, c.Token))
		o.ok(t, "tenant|delete|"+name+"|--yes", "is deleted")
		check(o, c)
	})
}
