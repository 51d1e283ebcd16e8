package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PublicURL is where the servers believe to be, unless Config.PublicURL says
// otherwise: resources are located there, though requests go to a loopback port.
const PublicURL = "https://scim.example.test"

// The stores that the binary is tested on.
const (
	Bolt      = "bolt"
	RedisName = "redis"
)

// Config is a server's configuration as far as tests vary it. Empty fields are
// left out of the Caddyfile, so the product's defaults hold.
type Config struct {
	Allow               []string // words of the allow list
	Required            []string
	Members             string // create, pending, ignore or reject
	Match               string // "userName" or "userName externalId"
	DuplicateGroupNames bool
	ArchiveRetention    string
	// Rate is off where it is empty: tests hurry.
	Rate       string
	Extensions []Extension
	// PublicURL replaces the constant of that name; "none" leaves the option out.
	PublicURL string
	// BasePath replaces /scim/v2.
	BasePath string

	Scim          string // further lines inside scim { … }, such as tenant blocks
	StoreOptions  string // further lines inside the store's block
	GlobalOptions string // further global options
	Site          string // further lines of the site that has the scim directive
	Sites         string // further sites
	// Directive replaces the line "scim" in the site.
	Directive string
}

// Extension is an extension schema in RFC 7643's JSON, which the harness writes
// to a file.
type Extension struct {
	Type     string // users or groups
	Required bool
	Schema   string
}

func (c Config) key() string { return fmt.Sprintf("%#v", c) }

// tenant is a tenant with a static token in the Caddyfile.
type tenant struct{ name, token string }

func newTenants(n int) []tenant {
	list := make([]tenant, n)
	for i := range list {
		list[i] = tenant{fmt.Sprintf("t%d", i+1), "e2e-" + rand.Text()}
	}
	return list
}

// caddyfile writes the configuration for a server in dir.
func (c Config) caddyfile(dir, store string, port int, tenants []tenant) (string, error) {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("{\n\tadmin unix/%s\n\tpersist_config off\n\tauto_https off\n\tgrace_period 10s", filepath.Join(dir, "admin.sock"))
	line("\tlog {\n\t\toutput file %s {\n\t\t\troll_disabled\n\t\t}\n\t\tformat json\n\t\tlevel DEBUG\n\t}", filepath.Join(dir, "caddy.log"))
	line("%s", c.GlobalOptions)
	line("\tscim {")
	switch c.PublicURL {
	case "none":
	case "":
		line("\t\tpublic_url %s", PublicURL)
	default:
		line("\t\tpublic_url %s", c.PublicURL)
	}
	option := func(name string, words ...string) {
		if len(words) > 0 && words[0] != "" {
			line("\t\t%s %s", name, strings.Join(quoted(words), " "))
		}
	}
	option("base_path", c.BasePath)
	option("allow", c.Allow...)
	option("required", c.Required...)
	option("members", c.Members)
	option("match", strings.Fields(c.Match)...)
	option("archive_retention", c.ArchiveRetention)
	rate := c.Rate
	if rate == "" {
		rate = "off"
	}
	line("\t\trate %s", rate)
	if c.DuplicateGroupNames {
		line("\t\tduplicate_group_names on")
	}
	for i, x := range c.Extensions {
		file := filepath.Join(dir, fmt.Sprintf("extension%d.json", i))
		if err := os.WriteFile(file, []byte(x.Schema), 0o600); err != nil {
			return "", err
		}
		required := ""
		if x.Required {
			required = " required"
		}
		line("\t\textension %s%s %s", x.Type, required, file)
	}
	line("%s", c.Scim)
	line("%s", storeBlock(store, c.StoreOptions))
	for _, t := range tenants {
		line("\t\ttenant %s {\n\t\t\ttoken %s\n\t\t}", t.name, t.token)
	}
	line("\t}\n}")
	directive := c.Directive
	if directive == "" {
		directive = "scim"
	}
	line("http://:%d {\n\tbind 127.0.0.1\n\trespond %s up\n\t%s\n%s\n}\n%s", port, upPath, directive, c.Site, c.Sites)
	return b.String(), nil
}

// upPath is a plain route beside SCIM that answers as soon as Caddy serves.
const upPath = "/e2e-up"

// storeBlock takes "bolt PATH" or "redis ADDRESS".
func storeBlock(store, options string) string {
	kind, where, _ := strings.Cut(store, " ")
	if kind == RedisName {
		return fmt.Sprintf("\t\tstore redis {\n\t\t\taddress %s\n%s\n\t\t}", where, options)
	}
	if options == "" {
		return "\t\tstore bolt " + where
	}
	return fmt.Sprintf("\t\tstore bolt %s {\n%s\n\t\t}", where, options)
}

// quoted puts words with spaces or quotes between backquotes.
func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w
		if strings.ContainsAny(w, " \"{}") {
			out[i] = "`" + w + "`"
		}
	}
	return out
}
