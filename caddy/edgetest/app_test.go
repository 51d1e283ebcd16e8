package edgetest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// application is what the edge serves besides SCIM. Its answers depend on the
// request alone, and tell what it has seen of it.
func application(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var seen []string
		for name, values := range r.Header {
			seen = append(seen, fmt.Sprintf("%s: %q", name, values))
		}
		slices.Sort(seen)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Set-Cookie", "session=1; Path=/; HttpOnly")
		w.Header().Set("X-Application", "yes")
		fmt.Fprintf(w, "%s %s %s\n%s\n%q\n%s\n", r.Method, r.RequestURI, r.Host, strings.Join(seen, "\n"), body, strings.Repeat("a page of the application ", 60))
	})
	mux.HandleFunc("/app/missing", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the application has no such page", http.StatusNotFound)
	})
	mux.HandleFunc("/app/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/app/there?x=1", http.StatusFound) })
	mux.HandleFunc("/app/empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/app/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	mux.HandleFunc("/app/cached", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(304)
			return
		}
		fmt.Fprint(w, strings.Repeat("cached ", 300))
	})
	mux.HandleFunc("/app/stream", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Trailer", "X-Count")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("X-Count", "3")
	})
	mux.HandleFunc("/app/upgrade", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", r.Header.Get("Upgrade"))
		w.WriteHeader(101)
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		line, _ := buffer.ReadString('\n')
		fmt.Fprintf(conn, "you said %s", line)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// request is one that the application gets, or that the edge answers for it.
type request struct {
	method, path, body string
	headers            []string
}

const basicAuth = "Authorization: Basic YWRhOmEtcGFzc3dvcmQ=" // ada:a-password

// requests are those that the edge must not treat differently.
func requests() []request {
	list := []request{
		{"GET", "/", "", nil},
		{"HEAD", "/", "", nil},
		{"GET", "/app/page?q=1&filter=userName%20eq%20%22ada%22", "", nil},
		{"GET", "/app/page", "", []string{"Accept-Encoding: gzip"}},
		{"GET", "/app/page", "", []string{"Accept-Encoding: zstd, gzip"}},
		{"POST", "/app/form", "a=1&b=2", []string{"Content-Type: application/x-www-form-urlencoded"}},
		{"PUT", "/app/resource", `{"userName":"ada"}`, []string{"Content-Type: application/scim+json", "If-Match: W/\"1\""}},
		{"PATCH", "/app/resource", `{"Operations":[]}`, []string{"Content-Type: application/scim+json"}},
		{"DELETE", "/app/resource", "", nil},
		{"OPTIONS", "/app/resource", "", []string{"Origin: https://elsewhere.example", "Access-Control-Request-Method: PUT"}},
		{"GET", "/app/missing", "", nil},
		{"GET", "/app/moved", "", nil},
		{"GET", "/app/empty", "", nil},
		{"GET", "/app/broken", "", nil},
		{"GET", "/app/cached", "", nil},
		{"GET", "/app/cached", "", []string{`If-None-Match: "1"`}},
		{"GET", "/app/cached", "", []string{`Range: bytes=0-9`}},
		{"GET", "/app/stream", "", nil},
		{"GET", "/app/a%2Fb%20c?d=%26", "", nil},
		{"GET", "/private/page", "", nil},
		{"GET", "/private/page", "", []string{"Authorization: Basic YWRhOndyb25n"}},
		{"GET", "/private/page", "", []string{basicAuth}},
		{"GET", "/app/page", "", []string{"Authorization: Bearer " + token}},
		{"GET", "/app/page", "", []string{"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: elsewhere.example", "X-Forwarded-Proto: http"}},
	}
	// Paths that look like SCIM's and are not.
	for _, path := range []string{"/scim", "/scim/", "/scim/v1/Users", "/scim/v20/Users", "/scim/v2x", "/SCIM/V2/Users", "/app/scim/v2/Users", "/Users", "/Groups/x", "/.well-known/scim", "/ServiceProviderConfig"} {
		list = append(list, request{"GET", path, "", nil}, request{"POST", path, `{"userName":"ada"}`, []string{"Content-Type: application/scim+json"}})
	}
	return list
}
