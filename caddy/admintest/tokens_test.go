package admintest

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// TestTokenList looks at tokens as the list shows them: when they were last used,
// when they end, and which are static.
func TestTokenList(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		all := nodes(t, s)
		other := all[len(all)-1]
		of := func(n *e2e.Server, tenant, id string) admin.Token {
			t.Helper()
			for _, tok := range do[admin.TokenList](t, n, admin.PathTokenList, M{"tenant": tenant}).Tokens {
				if tok.ID == id {
					return tok
				}
			}
			t.Fatalf("no token %s in the list", id)
			return admin.Token{}
		}
		name := create(t, s, "")
		minted, c := mint(t, s, admin.TokenCreate{Tenant: name, Label: "the one of Entra", Expires: "90d"})
		if tok := of(s, name, minted.ID); tok.LastUsed != nil || tok.Label != "the one of Entra" || tok.Created == nil || tok.Static || tok.Warning != "" ||
			tok.Expires == nil || (time.Until(*tok.Expires)-90*24*time.Hour).Abs() > time.Minute {
			t.Errorf("before its first use: %+v", tok)
		}
		start := time.Now().Add(-time.Second)
		c.Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
		if tok := of(s, name, minted.ID); tok.LastUsed == nil || tok.LastUsed.Before(start) || time.Since(*tok.LastUsed) > time.Minute {
			t.Errorf("after its first use, where it was used: %+v", tok)
		}
		e2e.Eventually(t, 10*time.Second, "the other node shows the use", func() bool { return of(other, name, minted.ID).LastUsed != nil })
		if s.Redis != nil {
			// Once a minute at most.
			key := "scim:{_system}:token:" + minted.ID
			before := s.Redis.Do(t, "GET", key).(string)
			for range 50 {
				c.Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
			}
			same(t, "the token's record", before, s.Redis.Do(t, "GET", key).(string))
			if strings.Contains(before, minted.Token) {
				t.Error("the secret is in its record")
			}
		}

		soon, _ := mint(t, s, admin.TokenCreate{Tenant: name, Expires: "10d"})
		if tok := of(s, name, soon.ID); !strings.Contains(tok.Warning, "days") {
			t.Errorf("a token that expires in ten days: %+v", tok)
		}
		ready := s.Caddy.Admin(t, "GET", admin.PathReady, "").Want(t, 200)
		if !strings.Contains(string(ready.Body), soon.ID) || strings.Contains(string(ready.Body), minted.ID) {
			t.Errorf("health warns of\n%s", ready.Body)
		}
		for _, bad := range []M{
			{"expires": "yesterday"}, {"expires": "2020-01-01"}, {"expires": "-1d"}, {"scope": "admin"}, {"addresses": A{"example.com"}}, {"addresses": A{"192.0.2.0/33"}},
			{"label": strings.Repeat("x", 101)}, {"label": "a\nb"}, {"tenant": "Capital"}, {"tenant": "_system"}, {"tenant": ""},
		} {
			in := M{"tenant": name}
			maps.Copy(in, bad)
			refused(t, s, admin.PathTokenCreate, in, 400, "")
		}
		refused(t, s, admin.PathTokenCreate, M{"tenant": "nobody"}, 404, "no such tenant")
		refused(t, s, admin.PathTokenList, M{"tenant": "nobody"}, 404, "no such tenant")
		refused(t, s, admin.PathTokenRevoke, M{"tenant": name}, 400, "id")
		refused(t, s, admin.PathTokenRevoke, M{"tenant": s.Tenant, "id": minted.ID}, 404, "no such token") // another's

		// A static token is in the configuration, and ends there.
		list := do[admin.TokenList](t, s, admin.PathTokenList, M{"tenant": s.Tenant})
		if len(list.Tokens) != 1 || !list.Tokens[0].Static || list.Tokens[0].Created != nil || !strings.HasPrefix(list.Tokens[0].ID, "static-") || list.Tokens[0].Scope != "provision" {
			t.Errorf("static tokens: %+v", list)
		}
		refused(t, s, admin.PathTokenRevoke, M{"tenant": s.Tenant, "id": list.Tokens[0].ID}, 400, "configuration")
		s.Do(t, "GET", "/Users?count=0", nil).Want(t, 200)
		before := do[admin.TenantDetail](t, s, admin.PathTenantShow, M{"tenant": s.Tenant})
		mint(t, s, admin.TokenCreate{Tenant: s.Tenant})
		after := do[admin.TenantDetail](t, s, admin.PathTenantShow, M{"tenant": s.Tenant})
		if before.Tokens != 1 || after.Tokens != 2 || !after.Configured {
			t.Errorf("%d tokens, and then %d", before.Tokens, after.Tokens)
		}
	})
}

// TestAudit reads the log after an operator's work: who reads it knows what was
// done, and learns no secret.
func TestAudit(t *testing.T) {
	t.Parallel()
	for _, store := range []string{e2e.Bolt, e2e.RedisName} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := e2e.StartServer(t, store, proxied)
			name := create(t, s, "")
			first, c := mint(t, s, admin.TokenCreate{Tenant: name, Label: "label-of-a-token"})
			second, _ := mint(t, s, admin.TokenCreate{Tenant: name})
			id := c.CreateUser(t, "canary-name@example.com", M{"title": "canary-title"})
			c.Do(t, "GET", "/Users", nil, via(address()), "Authorization: Bearer "+mistyped(second.Token)).Want(t, 401)
			do[admin.TenantDetail](t, s, admin.PathTenantSet, M{"tenant": name, "set": M{"members": "reject"}})
			do[admin.TenantDetail](t, s, admin.PathTenantPause, M{"tenant": name})
			do[admin.TenantDetail](t, s, admin.PathTenantResume, M{"tenant": name})
			do[admin.TokenRevoke](t, s, admin.PathTokenRevoke, M{"tenant": name, "id": second.ID})
			do[admin.LookupResult](t, s, admin.PathUserShow, M{"tenant": name, "key": "canary-name@example.com"})
			c.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
			do[admin.ArchiveID](t, s, admin.PathPurge, M{"tenant": name, "id": id, "confirm": id})
			refused(t, s, admin.PathTokenCreate, M{"tenant": name, "label": "label-of-a-token\n"}, 400, "label")
			if d := do[admin.TenantDeleted](t, s, admin.PathTenantDelete, M{"tenant": name, "confirm": name}); !d.Done || d.Erased == 0 {
				t.Errorf("deleted: %+v", d)
			}

			type line struct{ Level, Msg, Tenant, Token string }
			var got []string
			for text := range bytes.Lines(s.Caddy.Log(t)) {
				var l line
				if json.Unmarshal(text, &l) == nil && l.Tenant == name && l.Level == "info" && l.Msg != "request" {
					got = append(got, strings.TrimSpace(l.Msg+" "+l.Token))
				}
			}
			var rest []string
			for _, want := range []string{
				"tenant created", "token minted " + first.ID, "token minted " + second.ID, "settings changed", "tenant paused", "tenant resumed",
				"token revoked " + second.ID, "deleting a tenant with everything of theirs", "tenant erased",
			} {
				if !slices.Contains(got, want) {
					rest = append(rest, want)
				}
			}
			if len(rest) > 0 {
				t.Errorf("the log does not tell of %q, but of %q", rest, got)
			}
			s.Caddy.Stop(t)
			secrets := []string{first.Token, second.Token, mistyped(second.Token), s.Token, "canary-name", "canary-title", "label-of-a-token"}
			search := func(where string, b []byte) {
				for _, secret := range secrets {
					if i := bytes.Index(b, []byte(secret)); i >= 0 {
						t.Errorf("%s has %.12s…: …%.200s", where, secret, b[max(0, i-100):])
					}
				}
			}
			search("the log", s.Caddy.Log(t))
			if s.Redis == nil {
				file, err := os.ReadFile(s.Caddy.BoltFile)
				if err != nil {
					t.Fatal(err)
				}
				secrets = secrets[:4] // pages that are free may have anything else
				search("the file", file)
				return
			}
			for _, key := range keyNames(t, s, "_system") {
				secrets = secrets[:6] // a token's label is in its record
				search("Redis", []byte(key+" "+value(t, s, key)))
			}
		})
	}
}
