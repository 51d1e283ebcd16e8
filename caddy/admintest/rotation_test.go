package admintest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// provisioner is a client that changes users without a pause, at all nodes in turn.
type provisioner struct {
	secret atomic.Pointer[string]
	done   atomic.Int64 // requests answered
}

// run sends requests until stop is closed.
func (p *provisioner) run(name string, nodes []*e2e.Server, tenant string, r *reporter, stop <-chan struct{}) {
	id := ""
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		c := nodes[n%len(nodes)].Named(tenant, *p.secret.Load())
		method, path, body := "GET", "/Users/"+id, any(nil)
		switch {
		case id == "":
			method, path, body = "POST", "/Users", e2e.UserBody(fmt.Sprintf("%s-%d@example.com", name, n))
		case n%4 == 1:
			method, body = "PATCH", e2e.PatchBody(e2e.Op("replace", "displayName", fmt.Sprint("number ", n)))
		case n%4 == 2:
			path = e2e.Filter("/Users", fmt.Sprintf("id eq %q", id))
		case n%17 == 16:
			method = "DELETE"
		}
		res, err := c.Send(method, path, body)
		if err != nil {
			r.add("%s: %v", name, err)
			return
		}
		if res.Status >= 300 {
			r.add("%s: a request failed:\n%s", name, res)
			return
		}
		switch method {
		case "POST":
			id, _ = res.JSON["id"].(string)
		case "DELETE":
			id = ""
		}
		p.done.Add(1)
	}
}

// TestRotation replaces a token while clients provision: none of their requests
// fails, and afterwards the old one is refused everywhere.
func TestRotation(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		all := nodes(t, s)
		other := all[len(all)-1]
		name := create(t, s, "")
		first, before := mint(t, s, admin.TokenCreate{Tenant: name, Label: "first"})

		report, stop := newReporter(), make(chan struct{})
		var wg sync.WaitGroup
		clients := make([]*provisioner, 4)
		for i := range clients {
			p := &provisioner{}
			p.secret.Store(&first.Token)
			clients[i] = p
			wg.Go(func() { p.run(fmt.Sprint("client-", i), all, name, report, stop) })
		}
		end := sync.OnceFunc(func() { close(stop); wg.Wait() })
		defer end()
		// busy waits until a client has had some more answers: the first of them may
		// be to a request that was under way.
		busy := func(p *provisioner) {
			t.Helper()
			until := p.done.Load() + 6
			e2e.Eventually(t, 20*time.Second, "six further answers to a client", func() bool {
				return p.done.Load() >= until || len(report.problems) > 0
			})
		}
		for _, p := range clients {
			busy(p)
		}
		second, _ := mint(t, s, admin.TokenCreate{Tenant: name, Label: "second"})
		for _, p := range clients {
			p.secret.Store(&second.Token)
			busy(p)
		}
		// Both nodes know the first token well.
		from := via(address())
		for _, n := range all {
			at(n, before).Do(t, "GET", "/Users?count=0", nil, from).Want(t, 200)
		}
		do[admin.TokenRevoke](t, s, admin.PathTokenRevoke, admin.TokenRevoke{Tenant: name, ID: first.ID})
		revoked := time.Now()
		before.Do(t, "GET", "/Users?count=0", nil, from).WantError(t, 401, "")
		before.Do(t, "POST", "/Users", e2e.UserBody("late@example.com"), from).WantError(t, 401, "")
		e2e.Eventually(t, time.Until(revoked.Add(inForce)), "the revoked token is refused on the other node", func() bool {
			return at(other, before).Do(t, "GET", "/Users?count=0", nil, via(address())).Status == 401
		})
		for _, p := range clients {
			busy(p)
		}
		end()
		report.report(t)

		list := do[admin.TokenList](t, other, admin.PathTokenList, M{"tenant": name})
		if len(list.Tokens) != 1 || list.Tokens[0].ID != second.ID || list.Tokens[0].Label != "second" {
			t.Errorf("the tokens that are left: %+v", list)
		}
		refused(t, s, admin.PathTokenRevoke, M{"tenant": name, "id": first.ID}, 404, "no such token")
	})
}
