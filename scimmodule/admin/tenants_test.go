package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/setup"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// line is a setting as a line such as `members "reject" run time`.
func line(s Setting) string {
	text := fmt.Sprintf("%s %s %s", s.Name, s.Value, s.From)
	if s.Overridden != nil {
		text += " over " + string(s.Overridden)
	}
	return text
}

func lines(d TenantDetail) []string {
	var list []string
	for _, s := range d.Settings {
		list = append(list, line(s))
	}
	return list
}

// Each setting in force is told with where it comes from, and what run time says
// in vain is told too.
func TestSettings(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *scimmodule.Options, _ *Options) {
		o.Tenants[0].Settings = scimmodule.Settings{Members: "ignore", Rate: &registry.Rate{Requests: 5, Burst: 9}}
		o.Defaults = scimmodule.Settings{Rate: &registry.Rate{Requests: 50}, Match: []string{"userName", "externalId"}}
	})
	same(t, "of the configuration", []string{
		`allow ["default"] built in`, `required [] built in`, `members "ignore" configuration`, `match ["userName","externalId"] configuration defaults`,
		`duplicate_group_names false built in`, `archive_retention "forever" built in`, `rate "5 9" configuration`,
	}, lines(do[TenantDetail](e, PathTenantShow, TenantRequest{"acme"})))

	set := do[TenantDetail](e, PathTenantSet, `{"tenant":"acme","set":{"allow":["default","title"],"members":"reject","match":["userName"],"archive_retention":"90d","rate":"off","duplicate_group_names":true}}`)
	want := []string{
		`allow ["default","title"] run time`, `required [] built in`, `members "ignore" configuration over "reject"`, `match ["userName"] run time`,
		`duplicate_group_names true run time`, `archive_retention "90d" run time`, `rate "5 9" configuration over "off"`,
	}
	same(t, "set", want, lines(set))
	same(t, "shown", set, do[TenantDetail](e, PathTenantShow, TenantRequest{"acme"}))
	has(t, "notes", strings.Join(set.Notes, "\n"), `members: the configuration says "ignore" and wins over "reject"`, `rate: the configuration says "5 9"`)

	// What is set again and unset at once is unset.
	want[0], want[3], want[5] = `allow ["default"] built in`, `match ["userName","externalId"] configuration defaults`, `archive_retention "1h0m0s" run time`
	same(t, "unset", want, lines(do[TenantDetail](e, PathTenantSet, `{"tenant":"acme","set":{"allow":["*"],"archive_retention":"1h"},"unset":["allow","match"]}`)))

	before := do[TenantDetail](e, PathTenantShow, TenantRequest{"acme"})
	for in, says := range map[string]string{
		`{"tenant":"acme","set":{"allow":[]}}`:                       "at least one",
		`{"tenant":"acme","set":{"allow":["password"]}}`:             "password",
		`{"tenant":"acme","set":{"allow":["nonsense["]}}`:            "nonsense[",
		`{"tenant":"acme","set":{"required":["title"]}}`:             "title",
		`{"tenant":"acme","set":{"members":"maybe"}}`:                "maybe",
		`{"tenant":"acme","set":{"match":["externalId"]}}`:           "externalId",
		`{"tenant":"acme","set":{"rate":"0"}}`:                       "requests per second",
		`{"tenant":"acme","set":{"rate":100}}`:                       "number",
		`{"tenant":"acme","set":{"archive_retention":"-1h"}}`:        "-1h",
		`{"tenant":"acme","set":{"archive_retention":"90 days"}}`:    "90 days",
		`{"tenant":"acme","set":{"colour":"red"}}`:                   "colour",
		`{"tenant":"acme","unset":["colour"]}`:                       "colour",
		`{"tenant":"acme","set":{"duplicate_group_names":"yes"}}`:    "string",
		`{"tenant":"new","settings":{"members":"maybe"}}`:            "maybe",
		`{"tenant":"Bad Name","settings":{}}`:                        "Bad Name",
		`{"tenant":"` + strings.Repeat("x", 64) + `","settings":{}}`: "1 to 63",
		`{"tenant":"new","settings":{"rate":"1 2 3"}}`:               "1 2 3",
	} {
		path := PathTenantSet
		if strings.Contains(in, `"settings"`) {
			path = PathTenantCreate
		}
		got := e.refused(http.StatusBadRequest, path, in)
		has(t, in, got, says)
		if strings.HasPrefix(got, "invalid") || len(got) > 600 {
			t.Errorf("%s: %q", in, got)
		}
	}
	same(t, "after refusals", before, do[TenantDetail](e, PathTenantShow, TenantRequest{"acme"}))
	e.refused(http.StatusNotFound, PathTenantShow, TenantRequest{"new"})
}

// A tenant from its creation to a pause, and what of it is in the list.
func TestTenants(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *scimmodule.Options, _ *Options) {
		o.Tenants = append(o.Tenants, scimmodule.Tenant{Name: "held", Paused: true})
	})
	made := do[TenantDetail](e, PathTenantCreate, `{"tenant":"initech","settings":{"members":"pending","required":[]}}`)
	if made.State != StateActive || made.Configured || made.Created == nil || made.TenantURL != "https://scim.example.com/scim/v2" || made.Activity != nil {
		t.Errorf("made %+v", made)
	}
	has(t, "notes", strings.Join(made.Notes, "\n"), "no token")
	if got := lines(made); !slices.Contains(got, `members "pending" run time`) || !slices.Contains(got, `required [] run time`) {
		t.Errorf("settings %q", got)
	}
	for in, says := range map[string]string{`{"tenant":"initech"}`: "there is a tenant", `{"tenant":"acme"}`: "configuration declares acme"} {
		has(t, in, e.refused(http.StatusConflict, PathTenantCreate, in), says)
	}
	secret := do[TokenCreated](e, PathTokenCreate, TokenCreate{Tenant: "initech"}).Token
	id := e.make("/Users", `{"userName":"ada"}`)
	gone := e.make("/Users", `{"userName":"gone"}`)
	e.make("/Groups", `{"displayName":"staff","members":[{"value":"`+id+`"}]}`)
	e.archive(gone)
	e.scim(static, "POST", "/Users", "no JSON") // an error of the last hours

	page := do[TenantPage](e, PathTenantList, "{}")
	brief := func(list []Tenant) (out []string) {
		for _, x := range list {
			out = append(out, fmt.Sprint(x.Name, " ", x.State, " ", x.Configured, " ", x.Created != nil, " ", x.Users, x.Groups, x.Archived, x.Tokens, x.Errors))
		}
		return out
	}
	same(t, "list", []string{"acme active true false 1 1 1 1 1", "held paused true false 0 0 0 0 0", "initech active false true 0 0 0 1 0"}, brief(page.Tenants))
	if acme := page.Tenants[0]; acme.LastRequest == nil || acme.LastChange == nil || page.Next != "" || page.Tenants[2].LastRequest != nil {
		t.Errorf("times of %+v", page)
	}
	if got := do[TenantDetail](e, PathTenantShow, TenantRequest{"acme"}); got.Activity == nil || got.Users != 1 || got.Notes != nil {
		t.Errorf("shown %+v", got)
	}
	has(t, "notes of a paused one", strings.Join(do[TenantDetail](e, PathTenantShow, TenantRequest{"held"}).Notes, "\n"), "paused", "no token")

	// In pages, whatever their size, each is there once.
	for _, name := range []string{"a", "b", "zz"} {
		do[TenantDetail](e, PathTenantCreate, TenantCreate{Tenant: name})
	}
	for limit := 1; limit < 8; limit++ {
		var names []string
		for in := (PageRequest{Limit: limit}); ; {
			p := do[TenantPage](e, PathTenantList, in)
			for _, x := range p.Tenants {
				names = append(names, x.Name)
			}
			if in.After = p.Next; in.After == "" {
				break
			}
		}
		same(t, fmt.Sprint("pages of ", limit), []string{"a", "acme", "b", "held", "initech", "zz"}, names)
	}
	for _, limit := range []int{-1, 1001} {
		has(t, "limit", e.refused(http.StatusBadRequest, PathTenantList, PageRequest{Limit: limit}), "1 to 1,000")
	}

	// A pause is in force at once, and twice is no error.
	users := func() int { return e.scim(secret, "GET", "/Users", "").Code }
	for range 2 {
		if got := do[TenantDetail](e, PathTenantPause, TenantRequest{"initech"}); got.State != StatePaused || users() != 503 {
			t.Errorf("paused: %s, %d", got.State, users())
		}
	}
	do[LookupResult](e, PathUserShow, Lookup{"initech", "ada"}) // the people who run it still see it
	for range 2 {
		if got := do[TenantDetail](e, PathTenantResume, TenantRequest{"initech"}); got.State != StateActive || users() != 200 {
			t.Errorf("resumed: %s, %d", got.State, users())
		}
	}
	has(t, "resume", e.refused(http.StatusBadRequest, PathTenantResume, TenantRequest{"held"}), "configuration pauses held", "reload")
}

// start runs the service's background work until the test ends.
func (e *env) start() {
	ctx, cancel := context.WithCancel(e.t.Context())
	var group sync.WaitGroup
	group.Go(func() { e.svc.Run(ctx) })
	e.t.Cleanup(func() {
		cancel()
		group.Wait()
	})
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.start()
		do[TenantDetail](e, PathTenantCreate, TenantCreate{Tenant: "initech", Settings: registry.Settings{Members: "reject"}})
		secret := do[TokenCreated](e, PathTokenCreate, TokenCreate{Tenant: "initech"}).Token
		if w := e.scim(secret, "POST", "/Users", `{"userName":"ada"}`); w.Code != 201 {
			t.Fatal(w.Body)
		}
		for in, says := range map[string]string{
			`{"tenant":"initech"}`:                       "its name again",
			`{"tenant":"initech","confirm":"Initech"}`:   "its name again",
			`{"tenant":"initech","confirm":"acme"}`:      "its name again",
			`{"tenant":"acme","confirm":"acme"}`:         "configuration declares acme",
			`{"tenant":"Bad Name","confirm":"Bad Name"}`: "Bad Name",
		} {
			has(t, in, e.refused(http.StatusBadRequest, PathTenantDelete, in), says)
		}
		if w := e.scim(secret, "GET", "/Users", ""); w.Code != 200 {
			t.Fatalf("deleted without a confirmation: %d", w.Code)
		}

		start := time.Now()
		in := TenantDelete{Tenant: "initech", Confirm: "initech", NoWait: true}
		if got := do[TenantDeleted](e, PathTenantDelete, in); got.Done || got.Tenant != "initech" || time.Since(start) > time.Second {
			t.Errorf("after %v: %+v", time.Since(start), got)
		}
		if w := e.scim(secret, "GET", "/Users", ""); w.Code != 401 {
			t.Errorf("with a token of a tenant that is being deleted: %d", w.Code)
		}
		d := do[TenantDetail](e, PathTenantShow, TenantRequest{"initech"})
		if d.State != StateDeleting || d.Tokens != 0 || len(d.Notes) != 1 {
			t.Errorf("shown %+v", d)
		}
		if p := do[TenantPage](e, PathTenantList, "{}"); len(p.Tenants) != 2 || p.Tenants[1].State != StateDeleting {
			t.Errorf("listed %+v", p)
		}
		all := of("initech")
		for _, path := range []string{PathTenantShow, PathTenantDelete, PathTokenList, PathTokenRevoke, PathReport} {
			delete(all, path)
		}
		all[PathTenantCreate] = TenantCreate{Tenant: "initech"}
		for path, in := range all {
			has(t, path, e.refused(http.StatusConflict, path, in), "being deleted")
		}
		in.NoWait = false
		got := do[TenantDeleted](e, PathTenantDelete, in)
		if passed := time.Since(start); !got.Done || got.Erased == 0 || passed > deleteWait+time.Second {
			t.Errorf("after %v: %+v", passed, got)
		}
		e.refused(http.StatusNotFound, PathTenantShow, TenantRequest{"initech"})
		if got := do[TenantDeleted](e, PathTenantDelete, in); !got.Done {
			t.Errorf("again: %+v", got)
		}
		// The name is free, with nothing of what there was.
		made := do[TenantDetail](e, PathTenantCreate, TenantCreate{Tenant: "initech"})
		if made.Users != 0 || made.Tokens != 0 || !slices.Contains(lines(made), `members "create" built in`) {
			t.Errorf("made anew: %+v", made)
		}
	})
}

// A list is answered also where a tenant of it is deleted, or gone, before its
// turn comes.
func TestListWhileDeleting(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, name := range []string{"a", "b", "c"} {
		do[TenantDetail](e, PathTenantCreate, TenantCreate{Tenant: name})
	}
	other := registry.New(e.store.Store)
	e = newNode(t, e.store) // which has not met them
	var once sync.Once
	e.store.on(func(call, tenant string, _ store.Kind) error {
		if call == "scan" && tenant == "a" {
			once.Do(func() {
				_, err := other.Update(t.Context(), "b", func(rec *registry.Tenant) error {
					rec.Deleted = time.Now()
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				c, err := other.Tenant(t.Context(), "c")
				if err == nil {
					err = other.Remove(t.Context(), c)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		return nil
	})
	var got []string
	for _, x := range do[TenantPage](e, PathTenantList, "{}").Tenants {
		got = append(got, x.Name+" "+x.State)
	}
	same(t, "listed", []string{"a active", "acme active", "b deleting"}, got)
}

// A tenant whose record is damaged, or whose settings do not fit, is told of
// without hiding the others, and exported, as that is the last copy to be had.
func TestUnfit(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	do[TenantDetail](e, PathTenantCreate, TenantCreate{Tenant: "unfit"})
	body := `{"settings":{"allow":["urn:example:gone:2.0:User:desk"]}}`
	if _, err := registry.New(e.store.Store).Update(t.Context(), "unfit", func(rec *registry.Tenant) error {
		var b struct{ Settings registry.Settings }
		err := json.Unmarshal([]byte(body), &b)
		rec.Settings = b.Settings
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b := &store.Batch{Time: time.Now(), Put: []store.Put{{Record: store.Record{Kind: store.Tenant, ID: "damaged", Body: []byte(`{"settings":7}`)}}}}
	if _, err := e.store.Commit(t.Context(), store.SystemTenant, b); err != nil {
		t.Fatal(err)
	}
	e = newNode(t, e.store)
	var states []string
	for _, x := range do[TenantPage](e, PathTenantList, "{}").Tenants {
		states = append(states, x.Name+" "+x.State)
	}
	same(t, "listed", []string{"acme active", "damaged unfit", "unfit unfit"}, states)
	d := do[TenantDetail](e, PathTenantShow, TenantRequest{"unfit"})
	has(t, "notes", strings.Join(d.Notes, "\n"), "not served", "unset")
	has(t, "setup", e.refused(http.StatusConflict, PathTenantSetup, TenantRequest{"unfit"}), "do not fit")
	for _, in := range []ExportRequest{{}, {[]string{"unfit"}}, {[]string{"damaged", "unfit"}}} {
		has(t, fmt.Sprint("export of ", in.Tenants), e.export(in), `{"tenant":{"name":"unfit"`, "urn:example:gone")
	}
	if got := do[TenantDetail](e, PathTenantSet, TenantSet{Tenant: "unfit", Unset: []string{"allow"}}); got.State != StateActive {
		t.Errorf("mended: %+v", got)
	}
}

func TestSetupCard(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *scimmodule.Options, _ *Options) {
		o.Tenants[0].Settings = scimmodule.Settings{Allow: []string{"userName", "active", "title", "displayName"}, Required: []string{"title"}, ArchiveRetention: new(registry.Duration(time.Hour))}
	})
	card := do[setup.Card](e, PathTenantSetup, TenantRequest{"acme"})
	var kept []string
	for _, a := range card.Kept {
		kept = append(kept, fmt.Sprint(a.ResourceType, " ", a.Name, " ", a.Required))
	}
	if card.Tenant != "acme" || card.URL != "https://scim.example.com/scim/v2" || card.Paused || !slices.Contains(kept, "User title true") || slices.ContainsFunc(kept, func(s string) bool { return strings.Contains(s, "emails") }) {
		t.Errorf("card %+v", card)
	}
	if strings.Contains(text(t, card), static) {
		t.Error("the card has the token")
	}
	do[TenantDetail](e, PathTenantPause, TenantRequest{"acme"})
	if !do[setup.Card](e, PathTenantSetup, TenantRequest{"acme"}).Paused {
		t.Error("the card does not say that the tenant is paused")
	}
	e = newNode(t, e.store, func(_ *scimmodule.Options, o *Options) { o.TenantURL = "" })
	if card := do[setup.Card](e, PathTenantSetup, TenantRequest{"acme"}); card.URL != "" || card.URLNote == "" {
		t.Errorf("without a public address: %q, %q", card.URL, card.URLNote)
	}
}
