package caddy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// command runs caddy-scim against the instance's admin API.
func (i *instance) command(args ...string) (stdout, stderr string, err error) {
	i.t.Helper()
	cmd := binary(i.t, append(args, "--address", "unix/"+i.dir+"/admin")...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	return out.String(), errOut.String(), err
}

func TestCommands(t *testing.T) {
	i := newInstance(t)
	i.load(scimBlock("store memory\npublic_url https://scim.example.com"), "scim")

	out, errOut, err := i.command("scim", "token", "create", "--tenant", "acme")
	if err != nil {
		t.Fatalf("%v %s", err, errOut)
	}
	if !strings.Contains(out, "Tenant URL    https://scim.example.com/scim/v2\n") || !strings.Contains(out, "\nSecret Token  scim_") {
		t.Errorf("create printed\n%s", out)
	}

	out, errOut, err = i.command("scim", "token", "create", "--tenant", "new", "--create", "--label", "Okta", "--expires", "720h", "--json")
	if err != nil {
		t.Fatalf("%v %s", err, errOut)
	}
	var c map[string]string
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if c["tenant"] != "new" || c["tenant_url"] != "https://scim.example.com/scim/v2" || !strings.HasPrefix(c["token"], "scim_") || c["id"] == "" {
		t.Errorf("create --json printed %v", c)
	}

	out, _, err = i.command("scim", "token", "list", "--tenant", "new")
	if err != nil || !strings.Contains(out, c["id"]) || !strings.Contains(out, "Okta") || strings.Contains(out, c["token"]) {
		t.Errorf("list printed\n%s (%v)", out, err)
	}
	out, _, err = i.command("scim", "token", "revoke", "--tenant", "new", "--id", c["id"])
	if err != nil || !strings.Contains(out, "revoked") {
		t.Errorf("revoke printed\n%s (%v)", out, err)
	}
	out, _, err = i.command("scim", "token", "list", "--tenant", "new")
	if err != nil || !strings.Contains(out, "Tenant new has no tokens") {
		t.Errorf("list printed\n%s (%v)", out, err)
	}
	out, _, err = i.command("scim", "health")
	if err != nil || !strings.Contains(out, "ready") || !strings.Contains(out, "memory") {
		t.Errorf("health printed\n%s (%v)", out, err)
	}
	out, _, err = i.command("scim", "token", "create", "--help")
	if err != nil || !strings.Contains(out, "--expires") || !strings.Contains(out, "Examples:") {
		t.Errorf("help printed\n%s (%v)", out, err)
	}
}

func TestCommandErrors(t *testing.T) {
	i := newInstance(t)
	i.load(scimBlock("store memory"), "scim")
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown tenant", []string{"scim", "token", "create", "--tenant", "amce"}, "scim tenant create"},
		{"no tenant", []string{"scim", "token", "create"}, "--tenant is required"},
		{"no id", []string{"scim", "token", "revoke", "--tenant", "acme"}, "--id is required"},
		{"bad time", []string{"scim", "token", "create", "--tenant", "acme", "--expires", "soon"}, "90d"},
		{"surplus", []string{"scim", "token", "create", "acme", "--tenant", "acme"}, "acme"},
		{"unknown flag", []string{"scim", "token", "create", "--tenat", "acme"}, "--tenat"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errOut, err := i.command(tc.args...)
			if err == nil {
				t.Errorf("no error, but\n%s", out)
			}
			if lines := strings.Count(strings.TrimSpace(errOut), "\n") + 1; !strings.Contains(errOut, tc.want) || lines != 1 || out != "" {
				t.Errorf("printed %q and %q, want one line with %q", out, errOut, tc.want)
			}
		})
	}

	t.Run("no public URL", func(t *testing.T) {
		out, _, err := i.command("scim", "token", "create", "--tenant", "acme")
		if err != nil || !strings.Contains(out, "set public_url") {
			t.Errorf("printed\n%s (%v)", out, err)
		}
	})
	t.Run("no server", func(t *testing.T) {
		cmd := binary(t, "scim", "health", "--address", "unix/"+i.dir+"/nobody")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "no server answers") {
			t.Errorf("printed\n%s (%v)", out, err)
		}
	})
	t.Run("address of a configuration", func(t *testing.T) {
		file := filepath.Join(i.dir, "Caddyfile")
		if err := os.WriteFile(file, []byte(i.config(scimBlock("store memory"), "scim")), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := binary(t, "scim", "health", "--config", file, "--json").Output()
		if err != nil || !strings.Contains(string(out), `"status": "ready"`) {
			t.Errorf("printed\n%s (%v)", out, err)
		}
	})
}

func TestModulesAreListed(t *testing.T) {
	t.Parallel()
	out, err := binary(t, "list-modules").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"scim", "http.handlers.scim", "admin.api.scim", "scim.stores.bolt", "scim.stores.redis", "scim.stores.memory"} {
		if !strings.Contains("\n"+string(out), "\n"+m+"\n") {
			t.Errorf("%s is not listed", m)
		}
	}
}

func TestExampleIsValid(t *testing.T) {
	t.Parallel()
	if out, err := binary(t, "validate", "--config", "../Caddyfile.example").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	// the commented variants too
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	variant := strings.NewReplacer("#\tstore redis {", "store redis {", "#\t\taddress", "address", "#\t\tpassword", "password", "#\t}", "}",
		"#\ttoken", "token", "#\tallow", "allow").Replace(string(text))
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(variant), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := binary(t, "validate", "--config", file)
	cmd.Env = append(cmd.Env, "REDIS_ADDR=localhost:6379", "REDIS_PASSWORD=x", "ACME_SCIM_TOKEN="+secret)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(variant, "\n\t\tstore redis {") {
		t.Errorf("%v\n%s", err, out)
	}
}
