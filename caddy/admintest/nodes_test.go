package admintest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// settingOf returns a setting in an answer of the admin API.
func settingOf(t *testing.T, d admin.TenantDetail, name string) admin.Setting {
	t.Helper()
	for _, s := range d.Settings {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no setting %s in %+v", name, d)
	return admin.Setting{}
}

// changing is a change on one node that another has to learn of.
type changing struct {
	name     string
	change   func()
	holds    func() bool // on the other node
	answered time.Time   // when the change was made
	seen     bool
}

// TestTwoNodes changes things on one node while the other is at work with what
// was before, and waits for them to be in force there.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	here := e2e.StartServer(t, e2e.RedisName, e2e.Config{GlobalOptions: proxied.GlobalOptions})
	there := here.Peer(t)

	set := func(c *e2e.Client, settings string) func() {
		return func() {
			do[admin.TenantDetail](t, here, admin.PathTenantSet, M{"tenant": c.Tenant, "set": json.RawMessage(settings)})
		}
	}
	post := func(c *e2e.Client, body M) *e2e.Response {
		r, err := c.Send("POST", "/Users", body)
		if err != nil {
			t.Error(err)
			return &e2e.Response{}
		}
		return r
	}
	n := 0
	next := func() string { n++; return fmt.Sprintf("user-%d@example.com", n) }
	withMember := func(c *e2e.Client) *e2e.Response {
		r, err := c.Send("POST", "/Groups", e2e.GroupBody("group "+next(), "nobody-"+next()))
		if err != nil {
			t.Error(err)
			return &e2e.Response{}
		}
		return r
	}
	list := func(c *e2e.Client) int {
		r, err := c.Send("GET", "/Users?count=0", nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		return r.Status
	}

	var cases []*changing
	add := func(name, settings string, of func(c *e2e.Client) *changing) {
		c := at(there, tenant(t, here, settings))
		c.CreateUser(t, next()) // the other node knows the tenant now
		x := of(c)
		x.name = name
		cases = append(cases, x)
	}
	pause := func(c *e2e.Client) { do[admin.TenantDetail](t, here, admin.PathTenantPause, M{"tenant": c.Tenant}) }
	add("allow", "", func(c *e2e.Client) *changing {
		return &changing{change: set(c, `{"allow":["default","title"]}`), holds: func() bool { return post(c, e2e.UserBody(next(), M{"title": "x"})).JSON["title"] == "x" }}
	})
	add("members", "", func(c *e2e.Client) *changing {
		return &changing{change: set(c, `{"members":"reject"}`), holds: func() bool { return withMember(c).Status == 400 }}
	})
	add("required", "", func(c *e2e.Client) *changing {
		return &changing{change: set(c, `{"required":["name.familyName"]}`), holds: func() bool { return post(c, e2e.UserBody(next())).Status == 400 }}
	})
	add("rate", "", func(c *e2e.Client) *changing {
		return &changing{change: set(c, `{"rate":"1 1"}`), holds: func() bool { list(c); return list(c) == 429 }}
	})
	add("match", "", func(c *e2e.Client) *changing {
		// Each archives one and creates another with its externalId, which is the same
		// person only where externalIds count.
		return &changing{change: set(c, `{"match":["userName","externalId"]}`), holds: func() bool {
			external := M{"externalId": next()}
			id := c.CreateUser(t, next(), external)
			c.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
			return c.CreateUser(t, next(), external) == id
		}}
	})
	add("duplicate group names", "", func(c *e2e.Client) *changing {
		c.CreateGroup(t, "crew")
		return &changing{change: set(c, `{"duplicate_group_names":true}`), holds: func() bool { return c.Do(t, "POST", "/Groups", e2e.GroupBody("crew")).Status == 201 }}
	})
	add("pause", "", func(c *e2e.Client) *changing {
		return &changing{change: func() { pause(c) }, holds: func() bool { return list(c) == 503 }}
	})
	add("resume", "", func(c *e2e.Client) *changing {
		pause(c)
		return &changing{change: func() { do[admin.TenantDetail](t, here, admin.PathTenantResume, M{"tenant": c.Tenant}) }, holds: func() bool { return list(c) == 200 }}
	})
	add("what is unset", `{"members":"reject"}`, func(c *e2e.Client) *changing {
		return &changing{change: func() {
			d := do[admin.TenantDetail](t, here, admin.PathTenantSet, M{"tenant": c.Tenant, "unset": A{"members"}})
			if s := settingOf(t, d, "members"); s.From == admin.FromRunTime {
				t.Errorf("after it was unset: %+v", s)
			}
		}, holds: func() bool { return withMember(c).Status == 201 }}
	})
	var deleting *deletion
	add("deleted", "", func(c *e2e.Client) *changing {
		deleting = begin(t, here, there, c)
		return &changing{change: deleting.delete, holds: func() bool { return list(c) == 401 }}
	})

	// All wait at once.
	e2e.Eventually(t, inForce, "what was changed before", func() bool {
		return !slices.ContainsFunc(cases, func(x *changing) bool { return x.holds() })
	})
	for _, x := range cases {
		x.change()
		x.answered = time.Now()
	}
	e2e.Eventually(t, 2*inForce, "the changes on the other node", func() bool {
		for _, x := range cases {
			if !x.seen && time.Since(x.answered) < inForce {
				x.seen = x.holds()
			}
		}
		return !slices.ContainsFunc(cases, func(x *changing) bool { return !x.seen && time.Since(x.answered) < inForce })
	})
	for _, x := range cases {
		if !x.seen {
			t.Errorf("%s: not in force on the other node after %s", x.name, inForce)
		}
	}

	deleting.end(t)

	t.Run("created", func(t *testing.T) {
		name := create(t, here, `{"members":"reject"}`)
		d := do[admin.TenantDetail](t, there, admin.PathTenantShow, M{"tenant": name})
		if s := settingOf(t, d, "members"); string(s.Value) != `"reject"` || s.From != admin.FromRunTime {
			t.Errorf("the other node says %+v", s)
		}
		_, c := mint(t, here, admin.TokenCreate{Tenant: name})
		withMember(at(there, c)).Want(t, 400)
	})
	t.Run("a token's scope and addresses", func(t *testing.T) {
		name := create(t, there, "")
		_, reader := mint(t, here, admin.TokenCreate{Tenant: name, Scope: "read"})
		_, bound := mint(t, here, admin.TokenCreate{Tenant: name, Addresses: []string{"192.0.2.0/24"}})
		_, local := mint(t, here, admin.TokenCreate{Tenant: name, Addresses: []string{"127.0.0.0/8"}})
		at(there, reader).Do(t, "GET", "/Users", nil).Want(t, 200)
		at(there, reader).Do(t, "POST", "/Users", e2e.UserBody("x")).Want(t, 403)
		at(there, bound).Do(t, "GET", "/Users", nil).Want(t, 401)
		at(there, local).Do(t, "GET", "/Users", nil).Want(t, 200)
	})
}

// deletion is that of a tenant whose client does not know of it.
type deletion struct {
	t      *testing.T
	here   *e2e.Server
	tenant string
	report *reporter
	stop   func() // ends the clients
	known  func() bool
	ended  chan struct{}
}

// begin has clients of the tenant provision on both nodes until end.
func begin(t *testing.T, here, there *e2e.Server, c *e2e.Client) *deletion {
	t.Helper()
	d := &deletion{t: t, here: here, tenant: c.Tenant, report: newReporter(), ended: make(chan struct{})}
	var clients sync.WaitGroup
	stop := make(chan struct{})
	d.stop = sync.OnceFunc(func() { close(stop); clients.Wait() })
	t.Cleanup(d.stop)
	d.known = func() bool { return at(here, c).Do(t, "GET", "/Users?count=0", nil).Status == 401 }
	for i, n := range []*e2e.Server{here, there} {
		clients.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond): // leave the machine to others
				}
				r, err := at(n, c).Send("POST", "/Groups", e2e.GroupBody(fmt.Sprintf("group %d of client %d", k, i), fmt.Sprintf("member-%d-%d", i, k)), via(address()))
				if err != nil || r.Status != 201 && r.Status != 401 {
					d.report.add("a request while the tenant is deleted: %v\n%s", err, r)
				}
			}
		})
	}
	return d
}

// delete returns when the node that is asked knows of the deletion.
func (d *deletion) delete() {
	go func() {
		defer close(d.ended)
		in := fmt.Sprintf(`{"tenant":%q,"confirm":%q}`, d.tenant, d.tenant)
		status, text, _, err := tryRaw("unix", socket(d.here), "POST", admin.PathTenantDelete, in, "Content-Type: application/json")
		if err != nil || status != 200 || !strings.Contains(text, `"done":true`) {
			d.report.add("the deletion: %d %s %v", status, text, err)
		}
	}()
	e2e.Eventually(d.t, 5*time.Second, "the deletion begins", d.known)
}

// end waits for the end, and looks for what was written meanwhile.
func (d *deletion) end(t *testing.T) {
	t.Helper()
	<-d.ended
	d.stop()
	d.report.report(t)
	if left := keyNames(t, d.here, d.tenant); len(left) > 0 {
		t.Errorf("after the deletion %d keys are left: %.300v", len(left), left)
	}
}

// TestConfigurationWins sets at run time what the configuration says too.
func TestConfigurationWins(t *testing.T) {
	t.Parallel()
	cfg := e2e.Config{Required: []string{"name.familyName"}, Scim: "\t\ttenant declared {\n\t\t\ttoken a-static-token-of-the-declared-one\n\t\t\tmembers reject\n\t\t\tallow default title\n\t\t}\n" +
		"\t\ttenant resting {\n\t\t\ttoken a-static-token-of-the-resting-one\n\t\t\tpaused\n\t\t}"}
	e2e.ForEachStore(t, cfg, func(t *testing.T, s *e2e.Server) {
		d := do[admin.TenantDetail](t, s, admin.PathTenantSet, M{"tenant": "declared", "set": M{"members": "ignore", "rate": "77", "required": A{}}})
		want := map[string][3]string{
			"members":               {`"reject"`, admin.FromConfiguration, `"ignore"`},
			"allow":                 {`["default","title"]`, admin.FromConfiguration, ""},
			"rate":                  {`"77"`, admin.FromRunTime, ""},
			"required":              {`[]`, admin.FromRunTime, ""},
			"match":                 {`["userName"]`, admin.FromBuiltIn, ""},
			"duplicate_group_names": {`false`, admin.FromBuiltIn, ""},
			"archive_retention":     {`"forever"`, admin.FromBuiltIn, ""},
		}
		got := map[string][3]string{}
		for _, s := range d.Settings {
			got[s.Name] = [3]string{string(s.Value), s.From, string(s.Overridden)}
		}
		same(t, "settings", want, got)
		if notes := strings.Join(d.Notes, "\n"); !d.Configured || !strings.Contains(notes, "members: the configuration says") {
			t.Errorf("the notes do not say that the configuration wins: %q", notes)
		}
		other := do[admin.TenantDetail](t, s, admin.PathTenantShow, M{"tenant": s.Tenant})
		if r := settingOf(t, other, "required"); r.From != admin.FromDefaults || string(r.Value) != `["name.familyName"]` {
			t.Errorf("a setting for all tenants: %+v", r)
		}
		for _, n := range nodes(t, s) {
			c := n.Named("declared", "a-static-token-of-the-declared-one")
			c.Do(t, "POST", "/Groups", e2e.GroupBody("crew", "nobody")).WantError(t, 400, "invalidValue")
		}
		// What it says of nothing else stays out of the way.
		refused(t, s, admin.PathTenantCreate, M{"tenant": "declared"}, 409, "declare")
		refused(t, s, admin.PathTenantDelete, M{"tenant": "declared", "confirm": "declared"}, 400, "configuration")
		refused(t, s, admin.PathTenantResume, M{"tenant": "resting"}, 400, "configuration")
		resting := do[admin.TenantDetail](t, s, admin.PathTenantShow, M{"tenant": "resting"})
		if resting.State != admin.StatePaused {
			t.Errorf("state %s", resting.State)
		}
		s.Named("resting", "a-static-token-of-the-resting-one").Do(t, "GET", "/Users", nil).WantError(t, 503, "")
		// Settings are checked as the configuration is.
		for _, set := range []M{
			{"allow": A{"nonsense"}}, {"allow": A{"password"}}, {"allow": A{}}, {"required": A{"title"}}, {"members": "sometimes"}, {"match": A{"externalId"}},
			{"rate": "fast"}, {"rate": "-1"}, {"archive_retention": "-5d"}, {"surprise": true},
		} {
			if set["required"] != nil {
				set["allow"] = A{"default"} // which has no title
				refused(t, s, admin.PathTenantSet, M{"tenant": s.Tenant, "set": set}, 400, "title")
				continue
			}
			r := s.Caddy.Admin(t, "POST", admin.PathTenantSet, encode(t, M{"tenant": s.Tenant, "set": set})).Want(t, 400)
			if text, _ := r.JSON["error"].(string); text == "" {
				t.Errorf("no reason\n%s", r)
			}
		}
		refused(t, s, admin.PathTenantSet, M{"tenant": s.Tenant, "unset": A{"surprise"}}, 400, "surprise")
		after := do[admin.TenantDetail](t, s, admin.PathTenantShow, M{"tenant": s.Tenant})
		same(t, "settings after what was refused", other.Settings, after.Settings)
	})
}
