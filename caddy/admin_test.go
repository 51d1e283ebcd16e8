package caddy

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

func TestAdminRefuses(t *testing.T) {
	i := newInstance(t)
	i.load(scimBlock("store memory"), "scim")
	const jsonType = "application/json"
	for _, tc := range []struct {
		name, method, path, contentType, body string
		status                                int
		want                                  string
	}{
		{"unknown path", "GET", "/scim/nonsense", "", "", 404, "/scim/nonsense"},
		{"GET of create", "GET", "/scim/tokens/create", "", "", 405, "POST only"},
		{"GET of list", "GET", "/scim/tokens/list", "", "", 405, "POST only"},
		{"DELETE of revoke", "DELETE", "/scim/tokens/revoke", jsonType, "{}", 405, "POST only"},
		{"POST of health", "POST", "/scim/health/ready", jsonType, "{}", 405, "GET only"},
		{"no content type", "POST", "/scim/tokens/create", "", `{"tenant":"acme"}`, 415, "application/json"},
		{"form", "POST", "/scim/tokens/create", "application/x-www-form-urlencoded", `tenant=acme`, 415, "application/json"},
		{"text", "POST", "/scim/tokens/create", "text/plain", `{"tenant":"acme"}`, 415, "application/json"},
		{"unknown field", "POST", "/scim/tokens/create", jsonType, `{"tenant":"acme","lable":"x"}`, 400, "lable"},
		{"not JSON", "POST", "/scim/tokens/create", jsonType, `tenant`, 400, "reading the request"},
		{"trailing data", "POST", "/scim/tokens/create", jsonType, `{"tenant":"acme"}{}`, 400, "goes on"},
		{"too much", "POST", "/scim/tokens/create", jsonType, `{"tenant":"acme","label":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "bytes"},
		{"unknown tenant", "POST", "/scim/tokens/create", jsonType, `{"tenant":"amce"}`, 404, "scim tenant create"},
		{"bad name", "POST", "/scim/tokens/create", jsonType, `{"tenant":"Acme","create":true}`, 400, "name"},
		{"past", "POST", "/scim/tokens/create", jsonType, `{"tenant":"acme","expires":"2001-01-01"}`, 400, "future"},
		{"no time", "POST", "/scim/tokens/create", jsonType, `{"tenant":"acme","expires":"soon"}`, 400, "90d"},
		{"list of unknown tenant", "POST", "/scim/tokens/list", jsonType, `{"tenant":"amce"}`, 404, "no such tenant"},
		{"revoke nothing", "POST", "/scim/tokens/revoke", jsonType, `{"tenant":"acme"}`, 400, "which token"},
		{"revoke unknown", "POST", "/scim/tokens/revoke", jsonType, `{"tenant":"acme","id":"0123456789abcdef"}`, 404, "no such token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, text := i.adminDo(tc.method, tc.path, tc.contentType, tc.body)
			if resp.StatusCode != tc.status {
				t.Errorf("%d %s, want %d", resp.StatusCode, text, tc.status)
			}
			var e struct{ Error string }
			if err := json.Unmarshal([]byte(text), &e); err != nil || !strings.Contains(e.Error, tc.want) {
				t.Errorf("error %q does not say %q (%v)", text, tc.want, err)
			}
			if tc.status != 404 && resp.Header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be cached")
			}
		})
	}
}

func TestAdminTokens(t *testing.T) {
	i := newInstance(t)
	i.load(scimBlock("store memory\npublic_url https://scim.example.com"), "scim")
	post := func(path, body string, out any) {
		t.Helper()
		resp, text := i.adminDo("POST", path, "application/json; charset=utf-8", body)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %v %s", path, resp.StatusCode, resp.Header, text)
		}
		if err := json.Unmarshal([]byte(text), out); err != nil {
			t.Fatal(err)
		}
	}
	status := func(token string) int {
		t.Helper()
		req, err := http.NewRequest("GET", "http://scim.test/scim/v2/Users", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, _, err := send(i.client, req)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	var c admin.TokenCreated
	post("/scim/tokens/create", `{"tenant":"new-customer","create":true,"label":"Entra","expires":"90d"}`, &c)
	if c.TenantURL != "https://scim.example.com/scim/v2" || c.Tenant != "new-customer" || c.Label != "Entra" || c.Expires == nil ||
		time.Until(*c.Expires) > 90*24*time.Hour || time.Until(*c.Expires) < 89*24*time.Hour {
		t.Errorf("created %+v", c)
	}
	if got := status(c.Token); got != 200 {
		t.Errorf("with the new token: %d", got)
	}
	var list admin.TokenList
	post("/scim/tokens/list", `{"tenant":"new-customer"}`, &list)
	if len(list.Tokens) != 1 || list.Tokens[0].ID != c.ID || list.Tokens[0].Label != "Entra" {
		t.Errorf("listed %+v", list)
	}
	var revoked admin.TokenRevoke
	post("/scim/tokens/revoke", `{"tenant":"new-customer","id":"`+c.ID+`"}`, &revoked)
	waitFor(t, "the token to end", func() bool { return status(c.Token) == 401 })
	post("/scim/tokens/list", `{"tenant":"new-customer"}`, &list)
	if len(list.Tokens) != 0 {
		t.Errorf("still listed %+v", list)
	}
}

func TestAdminWithoutApp(t *testing.T) {
	i := newInstance(t)
	i.load("", "respond plain")
	for _, path := range []string{"/scim/health/live", "/scim/health/ready"} {
		if resp, text := i.adminDo("GET", path, "", ""); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "no scim") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
}
