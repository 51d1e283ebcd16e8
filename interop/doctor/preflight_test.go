package doctor_test

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/interop/doctor"
)

// What keeps the doctor from asking anything is one sentence, and nothing but the
// simplest query was sent.
func TestPreflight(t *testing.T) {
	t.Parallel()
	answer := func(status int, contentType, body string, more ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			for i := 0; i+1 < len(more); i += 2 {
				w.Header().Set(more[i], more[i+1])
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	const scim = "application/scim+json"
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	rows := []struct {
		name    string
		handler http.HandlerFunc
		noToken bool
		want    string // BASE stands for the URL
	}{
		{"wrong token", answer(401, scim, `{"status":"401"}`), false, "BASE refuses the token (401): it is mistyped, expired or revoked, or belongs to another tenant or server."},
		{"no token", answer(401, scim, ``), true, "BASE wants a token (401), and none was given: use --token-file or SCIM_TOKEN."},
		{"no right", answer(403, "text/html", `<html>`), false, "BASE refuses access (403): the token has no right to users, or a firewall or an address list keeps this machine out."},
		{"wrong path", answer(404, "text/plain", "404 page not found"), false, "There is no SCIM service at BASE (404 for /Users): check the path of the URL, which often ends in /scim/v2."},
		{"html", answer(200, "text/html; charset=utf-8", "<!DOCTYPE html><p>Hello"), false, "BASE/Users answers with a web page (HTML, status 200), not with SCIM: check the path of the URL, which often ends in /scim/v2."},
		{"html without a type", answer(404, "", " \n<HTML>"), false, "BASE/Users answers with a web page (HTML, status 404), not with SCIM: check the path of the URL, which often ends in /scim/v2."},
		{"login page", answer(302, "text/html", "", "Location", "https://login.example.com/in?secret=1"), false, "BASE redirects to https://login.example.com/in (302): give the URL of the SCIM service itself; clients do not follow to a login page."},
		{"text", answer(200, "text/plain", "ok"), false, "BASE/Users answers with something that is not SCIM (status 200, text/plain): check the path of the URL."},
		{"other JSON", answer(200, "application/json", `{"ok":true}`), false, "BASE/Users answers with JSON that is not a SCIM list: check the path of the URL."},
		{"empty", answer(200, "", ""), false, "BASE/Users answers with something that is not SCIM (status 200, no content type): check the path of the URL."},
		{"broken", answer(500, scim, `{}`), false, "BASE fails at the simplest query (500 for /Users): see the server's log."},
		{"away", answer(503, scim, `{}`, "Retry-After", "0"), false, "BASE cannot serve now (503): try again later."},
		{"hangs", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, false, "BASE does not answer within 150ms: the server hangs, or a firewall drops what is sent to it."},
		{"hangs in the body", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, false, "BASE does not answer within 150ms: the server hangs, or a firewall drops what is sent to it."},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(row.handler)
			t.Cleanup(s.Close)
			o := doctor.Options{BaseURL: s.URL + "/scim", Token: token, Corpus: newCorpus(t, nil), Rate: 1000, Timeout: 150 * time.Millisecond}
			if row.noToken {
				o.Token = ""
			}
			wantUnreachable(t, o, strings.ReplaceAll(row.want, "BASE", o.BaseURL))
		})
	}
}

func wantUnreachable(t *testing.T, o doctor.Options, want string) {
	t.Helper()
	_, err := doctor.Run(t.Context(), o)
	var u *doctor.UnreachableError
	if !errors.As(err, &u) {
		t.Fatalf("%v (%[1]T)", err)
	}
	if text, rest, _ := strings.Cut(want, "…"); err.Error() != want && (!strings.HasPrefix(err.Error(), text) || !strings.HasSuffix(err.Error(), rest)) {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), o.Token) && o.Token != "" {
		t.Errorf("not a sentence: %s", err)
	}
	if _, err := doctor.Cleanup(t.Context(), doctor.Options{BaseURL: o.BaseURL, Token: o.Token, Corpus: o.Corpus, RunID: runID, Rate: 1000, Timeout: o.Timeout}); !errors.As(err, &u) {
		t.Errorf("the clean-up says %v", err)
	}
}

func TestPreflightConnection(t *testing.T) {
	t.Parallel()
	c := newCorpus(t, nil)
	quick := func(url string) doctor.Options {
		return doctor.Options{BaseURL: url, Token: token, Corpus: c, Rate: 1000, Timeout: 5 * time.Second}
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	garbage, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { garbage.Close() })
	go func() {
		for {
			conn, err := garbage.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1))
			_, _ = conn.Write([]byte("220 smtp.example.com ready\r\n"))
			conn.Close()
		}
	}()
	host := func(url string) string { _, h, _ := strings.Cut(url, "://"); return h }
	wantUnreachable(t, quick("http://"+closed), "No server can be reached at "+closed+" (…): check host and port, and whether the server is running.")
	wantUnreachable(t, quick("https://"+host(plain.URL)), host(plain.URL)+" does not speak TLS: the URL begins with https, but the server answers in plain HTTP.")
	wantUnreachable(t, quick(secure.URL), "The certificate of "+host(secure.URL)+" is not trusted (…): identity providers will refuse it too; use one of a public authority, with its intermediates.")
	wantUnreachable(t, quick("http://"+garbage.Addr().String()), garbage.Addr().String()+" does not speak HTTP: is it the port for https?")
	wantUnreachable(t, quick("http://no-such-host.invalid/scim"), "There is no host no-such-host.invalid: check the URL's spelling, and whether this machine can resolve the name.")
	t.Run("plain to TLS", func(t *testing.T) {
		t.Parallel()
		wantUnreachable(t, quick("http://"+host(secure.URL)), host(secure.URL)+" speaks TLS only: the URL has to begin with https.")
	})
	// A certificate for another name.
	o := quick("https://localhost:" + secure.URL[strings.LastIndex(secure.URL, ":")+1:])
	o.HTTP = secure.Client().Transport
	wantUnreachable(t, o, "The certificate of "+host(o.BaseURL)+" is for another name (…): identity providers will refuse it too.")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	c := newCorpus(t, nil)
	rows := map[string]doctor.Options{
		"no URL": {}, "no scheme": {BaseURL: "scim.example.com"}, "other scheme": {BaseURL: "ftp://x/"}, "no host": {BaseURL: "https:///scim"},
		"user in the URL": {BaseURL: "https://u:p@x/"}, "query": {BaseURL: "https://x/?a"}, "run": {BaseURL: "https://x", RunID: "UPPERCAS"},
		"allow": {BaseURL: "https://x", Allow: "title"}, "client": {BaseURL: "https://x", Clients: []string{"onr"}},
		"token": {BaseURL: "https://x", Token: "a\nb"}, "rate": {BaseURL: "https://x", Rate: -1},
	}
	for name, o := range rows {
		o.Corpus = c
		var u *doctor.UsageError
		if _, err := doctor.Run(t.Context(), o); !errors.As(err, &u) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var u *doctor.UsageError
	if _, err := doctor.Cleanup(t.Context(), doctor.Options{BaseURL: "https://x", Corpus: c}); !errors.As(err, &u) {
		t.Errorf("a clean-up of no run: %v", err)
	}
}
