package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/token"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	var made []TokenCreated
	for _, in := range []TokenCreate{
		{Tenant: "acme"},
		{Tenant: "acme", Label: "Entra", Expires: "12h", Scope: "read", Addresses: []string{"192.0.2.77/24", "2001:db8::1", "::ffff:198.51.100.1"}},
		{Tenant: "new", Create: true, Expires: "90d", Scope: "provision"},
	} {
		got := do[TokenCreated](e, PathTokenCreate, in)
		if got.Tenant != in.Tenant || got.Label != in.Label || !token.WellFormed(got.Token) || got.ID != token.HashOf(got.Token).ID() || got.TenantURL != "https://scim.example.com/scim/v2" {
			t.Errorf("made %+v", got)
		}
		made = append(made, got)
	}
	same(t, "scopes", []string{"provision", "read", "provision"}, []string{made[0].Scope, made[1].Scope, made[2].Scope})
	same(t, "addresses", []string{"192.0.2.0/24", "2001:db8::1", "198.51.100.1"}, made[1].Addresses)
	if left := time.Until(*made[2].Expires); made[0].Expires != nil || left > 90*24*time.Hour || left < 90*24*time.Hour-time.Minute {
		t.Errorf("expiries %v, %v", made[0].Expires, made[2].Expires)
	}
	for path, want := range map[string]int{"/Users": 200, "/Groups/x": 404} {
		if w := e.scim(made[1].Token, "GET", path, ""); w.Code != want {
			t.Errorf("%s with the token: %d", path, w.Code)
		}
	}
	if w := e.scim(made[1].Token, "POST", "/Users", `{"userName":"x"}`); w.Code != 403 {
		t.Errorf("a token that may read writes: %d", w.Code)
	}

	list := do[TokenList](e, PathTokenList, TenantRequest{"acme"})
	if len(list.Tokens) != 3 || list.Tenant != "acme" {
		t.Fatalf("list %+v", list)
	}
	if s := list.Tokens[0]; !s.Static || s.ID != "static-"+token.HashOf(static).ID() || s.Created != nil || s.Scope != "provision" {
		t.Errorf("the static one %+v", s)
	}
	by := map[string]Token{}
	for _, x := range list.Tokens {
		by[x.ID] = x
	}
	if x := by[made[0].ID]; x.Created == nil || x.LastUsed != nil || x.Warning != "" || x.Static {
		t.Errorf("the first %+v", x)
	}
	if x := by[made[1].ID]; x.Label != "Entra" || x.LastUsed == nil || x.Expires == nil || !slices.Equal(x.Addresses, made[1].Addresses) || !strings.Contains(x.Warning, "expires within a day") {
		t.Errorf("the second %+v", x)
	}
	answers := text(t, list)
	for _, secret := range []string{static, made[0].Token, made[1].Token, token.HashOf(made[0].Token).String()} {
		if strings.Contains(answers, secret) {
			t.Error("a secret or its hash is in the list")
		}
	}

	for in, c := range map[string]struct {
		status int
		says   string
	}{
		`{"tenant":"nobody"}`:                                                                    {404, "no such tenant"},
		`{"tenant":"No","create":true}`:                                                          {400, "1 to 63"},
		`{"tenant":"acme","expires":"2001-01-01"}`:                                               {400, "in the future"},
		`{"tenant":"acme","expires":"soon"}`:                                                     {400, "soon"},
		`{"tenant":"acme","expires":"-1h"}`:                                                      {400, "-1h"},
		`{"tenant":"acme","scope":"write"}`:                                                      {400, "write"},
		`{"tenant":"acme","addresses":["example.com"]}`:                                          {400, "example.com"},
		`{"tenant":"acme","addresses":["fe80::1%eth0"]}`:                                         {400, "eth0"},
		`{"tenant":"acme","addresses":["` + strings.Repeat(`192.0.2.1","`, 200) + `192.0.2.1"]}`: {400, "200"},
		`{"tenant":"acme","label":"` + strings.Repeat("x", 101) + `"}`:                           {400, "100 characters"},
		`{"tenant":"acme","label":"a\nb"}`:                                                       {400, "control characters"},
		`{"tenant":"new2","create":true,"label":"a\u0000b"}`:                                     {400, "control characters"},
	} {
		has(t, in, e.refused(c.status, PathTokenCreate, in), c.says)
	}
	e.refused(http.StatusNotFound, PathTenantShow, TenantRequest{"new2"}) // it is not made for a token that is not
	if n := len(do[TokenList](e, PathTokenList, TenantRequest{"acme"}).Tokens); n != 3 {
		t.Errorf("%d tokens after refusals", n)
	}

	for in, c := range map[TokenRevoke]struct {
		status int
		says   string
	}{
		{"acme", ""}:                 {400, "which token"},
		{"acme", made[2].ID}:         {404, "no such token"}, // another tenant's
		{"new", made[0].ID}:          {404, "no such token"},
		{"acme", "nobody"}:           {404, "no such token"},
		{"acme", list.Tokens[0].ID}:  {400, "in the configuration"},
		{"acme", "../" + made[0].ID}: {404, "no such token"},
	} {
		has(t, fmt.Sprint(in), e.refused(c.status, PathTokenRevoke, in), c.says)
	}
	for _, m := range made {
		if w := e.scim(m.Token, "GET", "/Users", ""); w.Code != 200 && len(m.Addresses) == 0 {
			t.Errorf("revoked by mistake: %d", w.Code)
		}
	}
	in := TokenRevoke{"acme", made[0].ID}
	same(t, "revoked", in, do[TokenRevoke](e, PathTokenRevoke, in))
	if w := e.scim(made[0].Token, "GET", "/Users", ""); w.Code != 401 {
		t.Errorf("with a revoked token: %d", w.Code)
	}
	e.refused(http.StatusNotFound, PathTokenRevoke, in)
}

// brief are the resources of an answer, as lines.
func brief(list []Resource) (out []string) {
	for _, r := range list {
		line := fmt.Sprint(r.State, " by ", r.MatchedBy)
		for _, g := range r.Groups {
			line += " in " + g.DisplayName
		}
		if r.Members != nil {
			line += fmt.Sprint(" with ", *r.Members)
		}
		if r.Provisional {
			line += " provisional"
		}
		out = append(out, line)
	}
	return out
}

func TestLookups(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ada := e.make("/Users", `{"userName":"ada","externalId":"e-1","title":"dropped"}`)
	old := e.make("/Users", `{"userName":"old","externalId":"e-1"}`)
	e.archive(old)
	staff := e.make("/Groups", `{"displayName":"staff","externalId":"g-1","members":[{"value":"`+ada+`"},{"value":"stranger"}]}`)
	outer := e.make("/Groups", `{"displayName":"all","members":[{"value":"`+staff+`","type":"Group"}]}`)
	for key, want := range map[string][]string{
		ada: {"live by id in staff"}, "ADA": {"live by userName in staff"}, "e-1": {"live by externalId in staff", "archived by externalId"},
		old: {"archived by id"}, "old": {"archived by userName"}, "stranger": {"live by id in staff provisional"},
		"nobody": nil, "dropped": nil, staff: nil, "staff": nil, strings.Repeat("x", 5000): nil, "a\x00b": nil, "../ada": nil,
	} {
		got := do[LookupResult](e, PathUserShow, Lookup{"acme", key})
		same(t, "user "+key, want, brief(got.Resources))
		if got.Tenant != "acme" || got.Resources == nil {
			t.Errorf("answer %+v", got)
		}
		for _, r := range got.Resources {
			if strings.Contains(string(r.Attributes), "dropped") || r.Created == nil || r.Version == "" || (r.ArchivedAt != nil) != (r.State == "archived") {
				t.Errorf("user %s: %+v", key, r)
			}
		}
	}
	for key, want := range map[string][]string{
		staff: {"live by id in all with 2"}, "STAFF": {"live by displayName in all with 2"}, "g-1": {"live by externalId in all with 2"}, "all": {"live by displayName with 1"}, ada: nil, "ada": nil,
	} {
		same(t, "group "+key, want, brief(do[LookupResult](e, PathGroupShow, Lookup{"acme", key}).Resources))
	}
	for _, path := range []string{PathUserShow, PathGroupShow} {
		has(t, path, e.refused(http.StatusBadRequest, path, Lookup{Tenant: "acme"}), "key")
	}

	// A group's members, in pages of any size.
	var ids []string
	members := []string{`{"value":"` + staff + `","type":"Group"}`}
	for i := range 5 {
		id := e.make("/Users", fmt.Sprintf(`{"userName":"m%d"}`, i))
		ids, members = append(ids, "User "+id), append(members, `{"value":"`+id+`"}`)
	}
	crew := e.make("/Groups", `{"displayName":"crew","members":[`+strings.Join(members, ",")+`]}`)
	slices.Sort(ids)
	for limit := 1; limit < 8; limit++ {
		var got []string
		in := MembersRequest{Tenant: "acme", Group: crew, PageRequest: PageRequest{Limit: limit}}
		for pages := 0; ; pages++ {
			p := do[MemberPage](e, PathGroupMembers, in)
			for _, m := range p.Members {
				got = append(got, m.Type+" "+m.ID)
			}
			if p.Total != 6 || pages > 6 {
				t.Fatalf("page %d of %+v", pages, p)
			}
			if in.After = p.Next; in.After == "" {
				break
			}
		}
		same(t, fmt.Sprint("members in pages of ", limit), append(slices.Clone(ids), "Group "+staff), got)
	}
	for in, c := range map[string]struct {
		status int
		says   string
	}{
		`{"tenant":"acme","group":"` + crew + `","after":"x"}`:          {400, "next"},
		`{"tenant":"acme","group":"` + crew + `","after":"Device:x"}`:   {400, "next"},
		`{"tenant":"acme","group":"` + crew + `","after":"User:"}`:      {400, "next"},
		`{"tenant":"acme","group":"` + crew + `","limit":1001}`:         {400, "1 to 1,000"},
		`{"tenant":"acme","group":"nobody"}`:                            {404, "nobody"},
		`{"tenant":"acme","group":"` + ada + `"}`:                       {404, ada},
		`{"tenant":"acme","group":"` + outer + `","after":"User:../x"}`: {400, "next"},
	} {
		has(t, in, e.refused(c.status, PathGroupMembers, in), c.says)
	}
	// An erased group leaves its id.
	if w := e.scim(static, "DELETE", "/Groups/"+crew, ""); w.Code != 204 {
		t.Fatal(w.Body)
	}
	same(t, "an erased group", []string{"erased by id"}, brief(do[LookupResult](e, PathGroupShow, Lookup{"acme", crew}).Resources))
}

func TestArchive(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	var ids []string
	for i := range 5 {
		ids = append(ids, e.make("/Users", fmt.Sprintf(`{"userName":"u%d"}`, i)))
		e.archive(ids[i])
	}
	slices.Sort(ids)
	for limit := 1; limit < 7; limit++ {
		var got []string
		for in := (ArchiveRequest{Tenant: "acme", PageRequest: PageRequest{Limit: limit}}); ; {
			p := do[ArchivePage](e, PathArchiveList, in)
			for _, r := range p.Users {
				got = append(got, r.ID)
				if r.State != "archived" || r.ArchivedAt == nil || !strings.Contains(string(r.Attributes), "userName") {
					t.Errorf("archived %+v", r)
				}
			}
			if p.Total != 5 || p.Tenant != "acme" {
				t.Errorf("page %+v", p)
			}
			if in.After = p.Next; in.After == "" {
				break
			}
		}
		same(t, fmt.Sprint("pages of ", limit), ids, got)
	}
	for in, says := range map[string]string{`{"tenant":"acme","limit":-1}`: "1 to 1,000", `{"tenant":"acme","after":"../x"}`: "id"} {
		has(t, in, e.refused(http.StatusBadRequest, PathArchiveList, in), says)
	}
	if got := do[Resource](e, PathArchiveShow, ArchiveID{"acme", ids[0]}); got.ID != ids[0] || got.State != "archived" {
		t.Errorf("shown %+v", got)
	}

	if got := do[Resource](e, PathRestore, ArchiveID{"acme", ids[0]}); got.ID != ids[0] || got.State != "live" || got.ArchivedAt != nil {
		t.Errorf("restored %+v", got)
	}
	if w := e.scim(static, "GET", "/Users/"+ids[0], ""); w.Code != 200 {
		t.Errorf("the restored one: %d", w.Code)
	}
	for _, path := range []string{PathArchiveShow, PathRestore} {
		for _, id := range []string{ids[0], "nobody", "", "../x"} {
			has(t, path, e.refused(http.StatusNotFound, path, ArchiveID{"acme", id}), "archive has no user")
		}
	}
	// One whose userName is another person's by now.
	former := e.make("/Users", `{"userName":"eve","externalId":"1"}`)
	e.archive(former)
	if again := e.make("/Users", `{"userName":"eve","externalId":"2"}`); again == former {
		t.Fatal("two people are one")
	}
	has(t, "restore", e.refused(http.StatusConflict, PathRestore, ArchiveID{"acme", former}), "userName")
	const left = 5
	same(t, "left", left, do[ArchivePage](e, PathArchiveList, ArchiveRequest{Tenant: "acme"}).Total)

	for _, in := range []Purge{{"acme", ids[2], ""}, {"acme", ids[2], ids[3]}, {"acme", ids[2], strings.ToUpper(ids[2]) + "x"}} {
		has(t, "purge", e.refused(http.StatusBadRequest, PathPurge, in), "id again")
	}
	same(t, "left", left, do[ArchivePage](e, PathArchiveList, ArchiveRequest{Tenant: "acme"}).Total)
	same(t, "purged", ArchiveID{"acme", ids[2]}, do[ArchiveID](e, PathPurge, Purge{"acme", ids[2], ids[2]}))
	same(t, "an erased one", []string{"erased by id"}, brief(do[LookupResult](e, PathUserShow, Lookup{"acme", ids[2]}).Resources))
	for _, id := range []string{ids[2], ids[0], "nobody"} { // gone, live, never there
		has(t, "purge "+id, e.refused(http.StatusNotFound, PathPurge, Purge{"acme", id, id}), "archive has no user")
	}
	same(t, "told of", map[string]int{"restored": 1, "purged": 1}, e.events)
}

func TestReport(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	if r := do[Report](e, PathReport, TenantRequest{"acme"}); r.Tenant != "acme" || len(r.Attributes) != 0 || r.Activity.Requests != 0 || !r.Since.IsZero() {
		t.Errorf("before anything %+v", r)
	}
	e.make("/Users", `{"userName":"ada","title":"MARKER","shoe":"MARKER"}`)
	e.scim(static, "POST", "/Users", `{"userName":"ada","active":true}`)
	r := do[Report](e, PathReport, TenantRequest{"acme"})
	var got []string
	for _, a := range r.Attributes {
		got = append(got, fmt.Sprint(a.ResourceType, " ", a.Name, " ", a.Known, " ", a.Kept, " ", a.Dropped))
	}
	for _, want := range []string{"User shoe false 0 1", "User title true 0 1", "User userName true 1 0"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if a := r.Activity; a.Requests != 2 || a.Changes != 1 || a.Errors != 1 || a.LastError.Status != 409 || strings.Contains(text(t, r), "MARKER") {
		t.Errorf("activity %+v", a)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	asked := 0
	e := newEnv(t, func(_ *scimmodule.Options, o *Options) {
		o.Warnings = func(context.Context) ([]string, error) {
			if asked++; asked > 1 {
				return []string{"one"}, errors.New("two")
			}
			return []string{"one"}, nil
		}
	})
	health := func(path string) Health {
		t.Helper()
		w := e.ask(request(t, "GET", path, ""))
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return decode[Health](t, w.Body)
	}
	same(t, "ready", Health{Status: "ready", Store: "memory", Warnings: []string{"one"}}, health(PathReady))
	tok := do[TokenCreated](e, PathTokenCreate, TokenCreate{Tenant: "acme", Expires: "10d"})
	got := health(PathReady)
	if len(got.Warnings) != 3 {
		t.Fatalf("warnings %q", got.Warnings)
	}
	has(t, "the second", got.Warnings[1], "could not be checked", "two")
	has(t, "the third", got.Warnings[2], tok.ID, "acme", "days")
	do[TokenRevoke](e, PathTokenRevoke, TokenRevoke{Tenant: "acme", ID: tok.ID}) // what is known of tokens is not used after it
	e.store.on(func(call, _ string, _ store.Kind) error {
		if call == "scan" {
			return store.ErrUnavailable
		}
		return nil
	})
	got = health(PathReady)
	has(t, "the tokens", strings.Join(got.Warnings, "\n"), "tokens could not be checked")
	e.store.on(func(string, string, store.Kind) error { return store.ErrUnavailable })
	e.wantError(http.StatusServiceUnavailable, e.ask(request(t, "GET", PathReady, "")))
	before := e.store.asked()
	same(t, "live", Health{Status: "live"}, health(PathLive))
	if e.store.asked() != before {
		t.Error("the store is asked whether the process lives")
	}
}
