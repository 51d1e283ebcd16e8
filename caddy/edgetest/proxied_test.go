package edgetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// TestBehindProxy ends TLS in another Caddy and passes requests on in plain HTTP
// under another host: what the inner one tells of itself is the public address,
// and what it logs is the client's.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	inner, outer := newEdge(t), newEdge(t)
	access := filepath.Join(inner.Dir, "access.json")
	inner.run(t, inner.caddyfile(
		"\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}\n\tscim {\n\t\tstore bolt "+inner.BoltFile+"\n\t\ttenant acme {\n\t\t\ttoken "+token+"\n\t\t}\n\t}\n",
		fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tscim\n\trespond \"no SCIM here\" 404\n%s}\n", inner.Port, published(t, access))))
	outer.run(t, outer.caddyfile("", fmt.Sprintf("https://public.test:%d {\n\tbind 127.0.0.1\n\ttls internal\n\treverse_proxy 127.0.0.1:%d {\n\t\theader_up Host inner.internal\n\t}\n}\n", outer.Port, inner.Port)))

	const from = "127.77.66.55" // the client's address, which is no trusted proxy's
	trust := outer.trust(t)
	root := fmt.Sprintf("https://public.test:%d", outer.Port)
	for _, p := range protocols {
		h := client(t, p, from, trust)
		awaitTLS(t, h, root+"/")
		t.Run(p, func(t *testing.T) {
			provision(t, h, p, root, p)
			c := scim(h, root)
			// What a client says of itself does not count.
			forged := c.Do(t, "POST", "/Users", e2e.UserBody("forged-"+strings.ReplaceAll(p, "/", "-")), "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http", "X-Forwarded-For: 203.0.113.9", "Forwarded: host=evil.example").Want(t, 201)
			forged.WantField(t, root+"/scim/v2/Users/"+forged.ID(t), "meta", "location")
		})
	}

	// Past the proxy, from an address that is not trusted.
	direct := client(t, "HTTP/1.1", from, trust)
	address := fmt.Sprintf("http://127.0.0.1:%d", inner.Port)
	r := scim(direct, address).Do(t, "POST", "/Users", e2e.UserBody("direct"), "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.9").Want(t, 201)
	r.WantField(t, address+"/scim/v2/Users/"+r.ID(t), "meta", "location")

	checkAddresses(t, access)
}

// checkAddresses checks whom the access log takes for the client: the one that
// came to the outer proxy, with the last part of the address masked as in the
// published format.
func checkAddresses(t *testing.T, file string) {
	t.Helper()
	type line struct {
		Request struct {
			RemoteIP string `json:"remote_ip"`
			ClientIP string `json:"client_ip"`
			URI      string
		}
	}
	through, past := 0, 0
	read := func() {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		through, past = 0, 0
		for text := range bytes.Lines(text) {
			var l line
			if err := json.Unmarshal(text, &l); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			if !strings.HasPrefix(l.Request.URI, "/scim/v2") {
				continue
			}
			if l.Request.ClientIP != "127.77.66.0" {
				t.Errorf("client_ip %s of %s, want 127.77.66.0", l.Request.ClientIP, l.Request.URI)
			}
			switch l.Request.RemoteIP {
			case "127.0.0.0":
				through++
			case "127.77.66.0":
				past++
			default:
				t.Errorf("remote_ip %s", l.Request.RemoteIP)
			}
		}
	}
	e2e.Eventually(t, 10*time.Second, "the access log of both ways", func() bool {
		read()
		return through > 30 && past == 1
	})
}

// TestPublicURL prefers what the operator says to what a proxy does.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.run(t, e.caddyfile(
		"\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}\n\tscim {\n\t\tpublic_url https://public.example/scim/v2\n\t\tstore bolt "+e.BoltFile+"\n\t\ttenant acme {\n\t\t\ttoken "+token+"\n\t\t}\n\t}\n",
		fmt.Sprintf("http://:%d {\n\tbind 127.0.0.1\n\tscim\n}\n", e.Port)))
	c := scim(http.DefaultClient, fmt.Sprintf("http://127.0.0.1:%d", e.Port))
	r := c.Do(t, "POST", "/Users", e2e.UserBody("ada"), "X-Forwarded-Host: other.example", "X-Forwarded-Proto: https").Want(t, 201)
	r.WantField(t, "https://public.example/scim/v2/Users/"+r.ID(t), "meta", "location")
}
