package tenancy

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// explained is Explain as lines such as "members reject run time".
func explained(t *testing.T, n *node, name string) map[string]string {
	t.Helper()
	list, err := n.Explain(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for i, s := range list {
		if s.Name != registry.Names[i] {
			t.Errorf("setting %d is %s, want %s", i, s.Name, registry.Names[i])
		}
		line := string(s.Value) + " " + map[Origin]string{Configuration: "configuration", RunTime: "run time", Fallback: "fallback", BuiltIn: "built in"}[s.From]
		if s.Overridden != nil {
			line += " over " + string(s.Overridden)
		}
		lines[s.Name] = line
	}
	return lines
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	n := newNode(t, newStore(), func(o *Options) {
		o.Defaults = registry.Settings{Members: "ignore", Rate: &registry.Rate{Requests: 7}, Required: []string{"externalId"}, ArchiveRetention: ref(registry.Duration(48 * time.Hour))}
		o.Tenants = []Tenant{{Name: "acme", Settings: registry.Settings{
			Members: "reject", Required: []string{}, DuplicateGroupNames: new(bool), Rate: &registry.Rate{},
		}}}
	})
	n.create("made", registry.Settings{})
	for name, want := range map[string]map[string]string{
		"made": {
			"allow": `["default"] built in`, "required": `["externalId"] fallback`, "members": `"ignore" fallback`, "match": `["userName"] built in`,
			"duplicate_group_names": `false built in`, "archive_retention": `"2d" fallback`, "rate": `"7" fallback`,
		},
		"acme": {
			"allow": `["default"] built in`, "required": `[] configuration`, "members": `"reject" configuration`, "match": `["userName"] built in`,
			"duplicate_group_names": `false configuration`, "archive_retention": `"2d" fallback`, "rate": `"off" configuration`,
		},
	} {
		if diff := cmp.Diff(want, explained(t, n, name)); diff != "" {
			t.Errorf("%s, before run time speaks (-want +got):\n%s", name, diff)
		}
	}
	said := registry.Settings{
		Allow: []string{"default", "title"}, Required: []string{"title"}, Members: "pending", Match: []string{"userName", "externalId"},
		DuplicateGroupNames: ref(true), ArchiveRetention: new(registry.Duration), Rate: &registry.Rate{Requests: 1, Burst: 2},
	}
	for _, name := range []string{"acme", "made"} {
		if err := n.Set(t.Context(), name, said, nil); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]string{
		"allow": `["default","title"] run time`, "required": `["title"] run time`, "members": `"pending" run time`, "match": `["userName","externalId"] run time`,
		"duplicate_group_names": `true run time`, "archive_retention": `"forever" run time`, "rate": `"1 2" run time`,
	}, explained(t, n, "made")); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{
		"allow": `["default","title"] run time`, "required": `[] configuration over ["title"]`, "members": `"reject" configuration over "pending"`,
		"match": `["userName","externalId"] run time`, "duplicate_group_names": `false configuration over true`,
		"archive_retention": `"forever" run time`, "rate": `"off" configuration over "1 2"`,
	}, explained(t, n, "acme")); diff != "" {
		t.Errorf("acme (-want +got):\n%s", diff)
	}
	// What is explained is what is in force.
	if diff := cmp.Diff(said, n.standing("made").Settings); diff != "" {
		t.Errorf("in force for made (-want +got):\n%s", diff)
	}
	want := said
	want.Required, want.Members, want.DuplicateGroupNames, want.Rate = []string{}, "reject", new(bool), &registry.Rate{}
	acme := n.standing("acme")
	if diff := cmp.Diff(want, acme.Settings); diff != "" {
		t.Errorf("in force for acme (-want +got):\n%s", diff)
	}
	if d := acme.Directory.Settings(); d.Members != "reject" || !d.MatchExternalID || d.DuplicateGroupNames || d.ArchiveRetention != 0 {
		t.Errorf("the directory of acme has %+v", d)
	}
	// The same as the configuration says is not said in vain.
	if err := n.Set(t.Context(), "acme", registry.Settings{Members: "reject"}, []string{"rate", "required", "allow"}); err != nil {
		t.Fatal(err)
	}
	got := explained(t, n, "acme")
	for name, want := range map[string]string{"members": `"reject" configuration`, "rate": `"off" configuration`, "required": `[] configuration`, "allow": `["default"] built in`} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
}

func TestSetRefusals(t *testing.T) {
	t.Parallel()
	n := newNode(t, newStore(), declares(Tenant{Name: "acme", Settings: registry.Settings{Allow: []string{"default", "title"}}}))
	n.create("made", registry.Settings{Members: "ignore"})
	for _, c := range []struct {
		name, tenant string
		set          registry.Settings
		unset        []string
		is           error
		says         string
	}{
		{"an attribute that there is not", "made", registry.Settings{Allow: []string{"default", "shoeSize"}}, nil, registry.ErrInvalid, "shoeSize"},
		{"a secret", "made", registry.Settings{Allow: []string{"password"}}, nil, registry.ErrInvalid, "password"},
		{"nothing at all", "made", registry.Settings{Allow: []string{}}, nil, registry.ErrInvalid, ""},
		{"one that is required but not kept", "made", registry.Settings{Required: []string{"title"}}, nil, registry.ErrInvalid, "title"},
		{"one that only the configuration has kept", "acme", registry.Settings{Required: []string{"title"}}, nil, registry.ErrInvalid, "title"},
		{"a mode that there is not", "made", registry.Settings{Members: "maybe"}, nil, registry.ErrInvalid, "maybe"},
		{"a mode that the configuration overrides", "acme", registry.Settings{Members: "maybe"}, nil, registry.ErrInvalid, "maybe"},
		{"another match", "made", registry.Settings{Match: []string{"emails"}}, nil, registry.ErrInvalid, "emails"},
		{"a negative retention", "made", registry.Settings{ArchiveRetention: ref(registry.Duration(-1))}, nil, registry.ErrInvalid, "archive_retention"},
		{"a negative rate", "made", registry.Settings{Rate: &registry.Rate{Requests: -1}}, nil, registry.ErrInvalid, "rate"},
		{"no setting", "made", registry.Settings{}, []string{"colour"}, registry.ErrInvalid, "colour"},
		{"no tenant", "nobody", registry.Settings{}, nil, registry.ErrUnknownTenant, "nobody"},
		{"a name that cannot be", "No/body", registry.Settings{}, nil, registry.ErrUnknownTenant, ""},
	} {
		err := n.Set(t.Context(), c.tenant, c.set, c.unset)
		want(t, c.name, err, c.is)
		if err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %q", c.name, err)
		}
		if c.tenant == "made" && c.unset == nil {
			want(t, c.name+", at creation", n.Create(t.Context(), "other", c.set, false), c.is)
		}
	}
	if s := n.standing("made").Settings; s.Members != "ignore" || s.Has("allow") && s.Allow[0] != "default" {
		t.Errorf("something refused is in force: %+v", s)
	}
	if k := total(t, n.store, store.SystemTenant, store.Tenant); k != 1 {
		t.Errorf("%d tenants have a record", k)
	}
}

// What is set on one node is in force there at once, and on the other when what
// it has read is no longer trusted.
func TestSetOnAnotherNode(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		a, b := newNode(t, s), newNode(t, s)
		for _, n := range []*node{a, b} {
			n.standing("acme")
		}
		if err := a.Set(t.Context(), "acme", registry.Settings{Members: "ignore"}, nil); err != nil {
			t.Fatal(err)
		}
		if got := a.standing("acme").Settings.Members; got != "ignore" {
			t.Errorf("on the node itself: %s", got)
		}
		time.Sleep(freshFor - time.Millisecond)
		b.store.since()
		if got := b.standing("acme").Settings.Members; got != "create" || b.store.since() != nil {
			t.Errorf("what is fresh is read again: %s", got)
		}
		time.Sleep(time.Millisecond)
		if got := b.standing("acme").Settings.Members; got != "ignore" {
			t.Errorf("on the other after %v: %s", freshFor, got)
		}
		// A directory outlives its freshness where nothing has changed.
		was := b.standing("acme").Directory
		time.Sleep(freshFor)
		if b.standing("acme").Directory != was {
			t.Error("another directory, although nothing has changed")
		}
	})
}

func extension(t *testing.T) *schema.Catalog {
	t.Helper()
	x, err := schema.Parse([]byte(`{"id":"urn:example:ext:1.0:User","attributes":[{"name":"badge"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.NewCatalog([]schema.Extension{{Schema: x}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A tenant keeps an attribute of an extension that the configuration no longer
// has: it is not served, as one cannot tell what to keep, and can be mended.
func TestExtensionVanishes(t *testing.T) {
	timed(t, func(t *testing.T) {
		s := newStore()
		c := extension(t)
		before := newNode(t, s, func(o *Options) { o.Catalog = c })
		before.create("made", registry.Settings{Allow: []string{"default", "urn:example:ext:1.0:User:badge"}})
		secret, _ := before.mint(registry.Token{Tenant: "made"})
		after := newNode(t, s)
		after.start()
		_, err := after.Of(t.Context(), "made")
		want(t, "its standing", err, ErrUnfit)
		if !strings.Contains(err.Error(), "tenant made") || !strings.Contains(err.Error(), "badge") {
			t.Errorf("error %v", err)
		}
		after.judgedAs(secret, home, "unavailable")
		synctest.Wait()
		if after.log.count("a tenant is not served") != 1 || after.seen.failed() {
			t.Error("housekeeping tells nothing of it, or fails")
		}
		_, _, err = after.Mint(t.Context(), registry.Token{Tenant: "made"}, false)
		want(t, "another token", err, ErrUnfit)
		if got := explained(t, after, "made")["allow"]; !strings.Contains(got, "badge") {
			t.Errorf("explained as %s", got)
		}
		want(t, "another setting", after.Set(t.Context(), "made", registry.Settings{Members: "ignore"}, nil), registry.ErrInvalid)
		if err := after.Pause(t.Context(), "made"); err != nil {
			t.Errorf("a pause: %v", err)
		}
		if err := after.Resume(t.Context(), "made"); err != nil {
			t.Errorf("its end: %v", err)
		}
		if err := after.Set(t.Context(), "made", registry.Settings{}, []string{"allow"}); err != nil {
			t.Fatal(err)
		}
		after.judgedAs(secret, home, "ok")
		after.standing("acme")
	})
}
