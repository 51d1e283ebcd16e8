package doctor_test

import (
	"bufio"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/interop/doctor"
)

// rawServer keeps the bytes of each request's head, and answers with an empty
// list.
func rawServer(t *testing.T) (base string, heads func() []string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var mu sync.Mutex
	var all []string
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		for {
			var head []string
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line = strings.TrimRight(line, "\r\n"); line == "" {
					break
				}
				head = append(head, line)
			}
			mu.Lock()
			all = append(all, strings.Join(head, "\n"))
			mu.Unlock()
			const body = `{"totalResults":0}`
			if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n" + body)); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return "http://" + l.Addr().String() + "/scim/v2/", func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// Requests are on the wire as the file has them.
func TestWire(t *testing.T) {
	t.Parallel()
	base, heads := rawServer(t)
	c := newCorpus(t, map[string]string{"wire": header + `### As Entra
GET //Users?filter=userName+eq+"{{user1}}"&&aadOptscim062020
User-Agent:
Accept: application/scim+json

---
200
else: wrong

### As OneLogin
GET /Users/%41?
User-Agent:
Authorization: non-token

---
200
else: wrong

### As the doctor
GET /Users?filter=userName%20eq%20%22{{raw user1}}%22
Authorization:

---
200
else: wrong

### The base
GET

---
200
else: wrong
`})
	if _, err := doctor.Run(t.Context(), doctor.Options{BaseURL: base, Token: token, Corpus: c, Rate: 10000, RunID: runID}); err != nil {
		t.Fatal(err)
	}
	host := "Host: " + strings.TrimSuffix(strings.TrimPrefix(base, "http://"), "/scim/v2/")
	name := "doctor-" + runID + "-one-wire-1"
	want := []string{
		"GET /scim/v2//Users?filter=userName+eq+\"" + name + "%40probe.invalid\"&&aadOptscim062020 HTTP/1.1\n" + host + "\nAccept: application/scim+json\nAuthorization: Bearer " + token,
		"GET /scim/v2/Users/%41? HTTP/1.1\n" + host + "\nAuthorization: non-token",
		"GET /scim/v2/Users?filter=userName%20eq%20%22" + name + "@probe.invalid%22 HTTP/1.1\n" + host + "\nUser-Agent: caddy-scim-doctor",
		"GET /scim/v2 HTTP/1.1\n" + host + "\nUser-Agent: caddy-scim-doctor\nAuthorization: Bearer " + token,
	}
	got := heads()
	if len(got) < len(want) {
		t.Fatalf("%q", got)
	}
	if diff := cmp.Diff(want, got[len(got)-len(want):]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
