package resilience

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// A history of creates, renames, deletes and reads by several clients, in the
// middle of which a Caddy is killed, is linearizable for each userName.
func TestLinearizable(t *testing.T) {
	forEachCluster(t, everything, func(t *testing.T, c *cluster) {
		h := &recorder{cluster: c, start: time.Now(), back: make(chan struct{}), names: []string{"ada@example.com", "Bob@Example.com", "cleo@example.com"}}
		size := int64(1500)
		if soak() {
			size = 10_000
		}
		halt := inBackground(8, h.once)
		defer halt()
		atLeast := func(n int64) {
			t.Helper()
			e2e.Eventually(t, 2*time.Minute, fmt.Sprint(n, " answers"), func() bool { return h.answered.Load() >= n })
		}
		atLeast(size / 3)
		last := c.caddies[len(c.caddies)-1]
		last.Kill(t)
		err := last.TryStart()
		close(h.back)
		if err != nil {
			t.Fatal(err)
		}
		atLeast(size)
		halt()
		h.check(t)
	})
}

// recorder sends requests at random and notes what came back, and when.
type recorder struct {
	*cluster
	start    time.Time
	back     chan struct{} // closed when the killed server is back
	names    []string
	answered atomic.Int64

	mu      sync.Mutex
	ids     []string // of users who are probably alive
	history []porcupine.Operation
}

// once sends one request and notes it, unless no server took it.
func (h *recorder) once(client int) {
	in := h.draw()
	from := time.Since(h.start)
	out, sent := h.send(h.client(client), in)
	if !sent {
		<-h.back
		return
	}
	op := porcupine.Operation{ClientId: client, Input: in, Output: out, Call: int64(from), Return: int64(time.Since(h.start))}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.history = append(h.history, op)
	switch {
	case out.id != "" && !slices.Contains(h.ids, out.id):
		h.ids = append(h.ids, out.id)
	case out.status == 204 || out.status == 404:
		h.ids = slices.DeleteFunc(h.ids, func(id string) bool { return id == in.id })
	}
	if !out.unknown {
		h.answered.Add(1)
	}
}

// draw chooses a request.
func (h *recorder) draw() call {
	h.mu.Lock()
	defer h.mu.Unlock()
	in := call{name: upper(h.names[rand.IntN(len(h.names))], rand.IntN(2))}
	n := rand.IntN(10)
	if len(h.ids) == 0 {
		n = 0
	} else {
		in.id = h.ids[rand.IntN(len(h.ids))]
	}
	switch {
	case n < 3:
		return call{do: create, name: in.name}
	case n < 5:
		in.do = rename
		return in
	case n < 7:
		return call{do: remove, id: in.id}
	case n < 9:
		return call{do: search, name: in.name}
	}
	return call{do: read, id: in.id}
}

// send carries a request out. It is false where no connection came about, so
// that nothing was sent.
func (h *recorder) send(c *e2e.Client, in call) (out result, sent bool) {
	var r *e2e.Response
	var err error
	switch in.do {
	case create:
		r, err = c.Send("POST", "/Users", e2e.UserBody(in.name, M{"active": true}))
	case rename:
		r, err = c.Send("PATCH", "/Users/"+in.id, e2e.PatchBody(e2e.Op("replace", "userName", in.name)))
	case remove:
		r, err = c.Send("DELETE", "/Users/"+in.id, nil)
	case search:
		r, err = c.Send("GET", find(in.name), nil)
	case read:
		r, err = c.Send("GET", "/Users/"+in.id, nil)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return out, false
	}
	if err != nil || r.Status == 503 {
		// A read that got no answer says nothing of anything.
		return result{unknown: true}, in.do != search && in.do != read
	}
	out.status = r.Status
	switch in.do {
	case create:
		if r.Status == 201 {
			out.id, _ = r.JSON["id"].(string)
		}
	case search:
		if list, _ := r.JSON["Resources"].([]any); len(list) > 0 {
			out.id, _ = e2e.Field(list[0], "id").(string)
			if name, _ := e2e.Field(list[0], "userName").(string); len(list) > 1 || !strings.EqualFold(name, in.name) {
				out.id = fmt.Sprintf("%d users, the first of them %s", len(list), name) // which no state allows
			}
		}
	case read:
		out.name, _ = r.JSON["userName"].(string)
	}
	return out, true
}

// check looks for an order of the requests that explains their answers, for each
// userName.
func (h *recorder) check(t *testing.T) {
	t.Helper()
	expected := map[verb][]int{create: {201, 409}, rename: {200, 404, 409}, remove: {204, 404}, search: {200}, read: {200, 404}}
	seen := map[string]int{}
	unknown := 0
	for _, op := range h.history {
		in, out := op.Input.(call), op.Output.(result)
		if out.unknown {
			unknown++
			continue
		}
		seen[fmt.Sprint(in.do, " ", out.status)]++
		if !slices.Contains(expected[in.do], out.status) {
			t.Fatalf("%+v is answered with %d", in, out.status)
		}
	}
	t.Logf("%d requests, %d of them without an answer: %v", len(h.history), unknown, seen)
	for do, statuses := range expected {
		for _, status := range statuses {
			if seen[fmt.Sprint(do, " ", status)] == 0 {
				t.Errorf("the history has no %s with status %d: it shows too little", do, status)
			}
		}
	}
	parts := byName(h.history)
	if len(parts) != len(h.names) {
		t.Errorf("the history is about %d userNames, want %d", len(parts), len(h.names))
	}
	for _, name := range sortedNames(parts) {
		if res := porcupine.CheckOperationsTimeout(perName.ToModel(), parts[name], time.Minute); res != porcupine.Ok {
			t.Errorf("the history of %s is %s", name, res)
			for _, op := range parts[name] {
				t.Logf("client %d %12d–%12d %s", op.ClientId, op.Call, op.Return, perName.DescribeOperation(op.Input, op.Output))
			}
		}
	}
}

// The model refuses what must not happen.
func TestModel(t *testing.T) {
	t.Parallel()
	op := func(from, to int64, in call, out result) porcupine.Operation {
		return porcupine.Operation{Input: in, Output: out, Call: from, Return: to}
	}
	made := func(from, to int64, id string) porcupine.Operation {
		return op(from, to, call{do: create, name: "A"}, result{status: 201, id: id})
	}
	lost := func(from, to int64, in call) porcupine.Operation { return op(from, to, in, result{unknown: true}) }
	found := func(from, to int64, id string) porcupine.Operation {
		return op(from, to, call{do: search, name: "a"}, result{status: 200, id: id})
	}
	gone := func(from, to int64, status int) porcupine.Operation {
		return op(from, to, call{do: remove, id: "1"}, result{status: status})
	}
	renamed := func(from, to int64, id, name string, status int) porcupine.Operation {
		return op(from, to, call{do: rename, id: id, name: name}, result{status: status})
	}
	for _, test := range []struct {
		name    string
		history []porcupine.Operation
		want    bool
	}{
		{"created and found", []porcupine.Operation{made(1, 2, "1"), found(3, 4, "1")}, true},
		{"found before it is acknowledged", []porcupine.Operation{made(1, 5, "1"), found(2, 3, "1")}, true},
		{"not found afterwards", []porcupine.Operation{made(1, 2, "1"), found(3, 4, "")}, false},
		{"two creates", []porcupine.Operation{made(1, 3, "1"), made(2, 4, "2")}, false},
		{"deleted between two creates", []porcupine.Operation{made(1, 2, "1"), gone(2, 5, 204), made(3, 6, "2")}, true},
		{"found after its delete", []porcupine.Operation{made(1, 2, "1"), gone(3, 4, 204), found(5, 6, "1")}, false},
		{"a delete of someone there is a 404", []porcupine.Operation{made(1, 2, "1"), gone(3, 4, 404)}, false},
		{"renamed away", []porcupine.Operation{made(1, 2, "1"), renamed(3, 4, "1", "b", 200), found(5, 6, "")}, true},
		{"renamed away and found", []porcupine.Operation{made(1, 2, "1"), renamed(3, 4, "1", "b", 200), found(5, 6, "1")}, false},
		{"renamed to a taken name", []porcupine.Operation{made(1, 2, "1"), renamed(3, 4, "2", "a", 200)}, false},
		{"a free name is refused", []porcupine.Operation{made(1, 2, "1"), gone(3, 4, 204), renamed(5, 6, "2", "a", 409)}, false},
		{"a lost create found later", []porcupine.Operation{lost(1, 2, call{do: create, name: "a"}), found(3, 4, ""), found(5, 6, "9")}, true},
		{"a lost create comes and goes", []porcupine.Operation{lost(1, 2, call{do: create, name: "a"}), found(3, 4, "9"), found(5, 6, "")}, false},
		{"a lost delete", []porcupine.Operation{made(1, 2, "1"), lost(3, 4, call{do: remove, id: "1"}), found(5, 6, "1"), found(7, 8, "")}, true},
		{"a lost rename undone", []porcupine.Operation{made(1, 2, "1"), lost(3, 4, call{do: rename, id: "1", name: "b"}), found(5, 6, ""), found(7, 8, "1")}, false},
	} {
		got := porcupine.CheckOperations(perName.ToModel(), byName(test.history)["a"])
		if got != test.want {
			t.Errorf("%s: linearizable %t, want %t", test.name, got, test.want)
		}
	}
}
