package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/boltstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/memstore"
)

// testKeys is what a directory would say of the bodies that the tests write.
func testKeys(string, []byte) (Admit, error) {
	return func(r store.Record) (store.Record, []store.Key, []store.Key, error) {
		unique, other, err := keysOfBody(r)
		return r, unique, other, err
	}, nil
}

func keysOfBody(r store.Record) (unique, other []store.Key, err error) {
	var b struct{ UserName, DisplayName, ExternalID string }
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return nil, nil, err
	}
	key := func(index, value string) store.Key { return store.Key{Index: index, Value: strings.ToLower(value)} }
	switch {
	case r.Kind == store.User && b.UserName != "":
		unique = append(unique, key("userName", b.UserName))
	case r.Kind == store.Group && b.DisplayName != "":
		unique = append(unique, key("displayName", b.DisplayName))
		other = append(other, key("displayName", b.DisplayName))
	case r.Kind == store.Archived:
		other = append(other, key("userName", b.UserName))
	}
	if b.ExternalID != "" {
		other = append(other, store.Key{Index: "externalId", Value: b.ExternalID})
	}
	return unique, other, nil
}

func newMem(testing.TB) store.Store { return memstore.New(store.LogLimit{}) }

func newBolt(tb testing.TB) store.Store {
	tb.Helper()
	s, err := boltstore.Open(tb.Context(), boltstore.Options{Path: filepath.Join(tb.TempDir(), "scim.db")})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

var epoch = time.Date(2024, 2, 29, 23, 59, 59, 999e6, time.UTC)

// world fills a store with random content, as a directory leaves it.
type world struct {
	testing.TB
	s   store.Store
	rnd *rand.Rand
	now time.Time
}

func newWorld(tb testing.TB, s store.Store, seed uint64) *world {
	return &world{TB: tb, s: s, rnd: rand.New(rand.NewPCG(seed, 1)), now: epoch}
}

func (w *world) tick() time.Time {
	w.now = w.now.Add(time.Duration(1+w.rnd.IntN(5000)) * time.Millisecond)
	return w.now
}

func (w *world) commit(tenant string, b *store.Batch) {
	w.Helper()
	if b.Time.IsZero() {
		b.Time = w.tick()
	}
	if _, err := w.s.Commit(w.Context(), tenant, b); err != nil {
		w.Fatalf("Commit: %v", err)
	}
}

// words that a careless encoder would change.
var words = []string{"Zoë", "<b>&amp;</b>", "line\u2028separator", `quo\"te`, `\u00e9`, "日本語", "plain", "😀"}

func (w *world) body(id string, more string) []byte {
	return fmt.Appendf(nil, `{"schemas":["urn:x"],"id":"%s",%s"note":"%s"}`, id, more, words[w.rnd.IntN(len(words))])
}

// put writes a record with its keys, and sometimes changes it later on.
func (w *world) put(tenant string, r store.Record) {
	w.Helper()
	b := &store.Batch{Put: []store.Put{{Record: r}}}
	if isResource(r.Kind) {
		unique, other, err := keysOfBody(r)
		if err != nil {
			w.Fatal(err)
		}
		for _, k := range unique {
			b.Claim = append(b.Claim, store.Claim{Kind: r.Kind, Key: k, ID: r.ID})
		}
		for _, k := range other {
			b.Index = append(b.Index, store.Entry{Kind: r.Kind, Key: k, ID: r.ID})
		}
	}
	if r.Kind == store.Token {
		b.Index = []store.Entry{{Kind: store.Token, Key: store.Key{Index: byTenant, Value: strings.Split(r.ID, ".")[1]}, ID: r.ID}}
	}
	created := w.tick()
	b.Time = created
	w.commit(tenant, b)
	if w.rnd.IntN(2) == 0 {
		r.Created = created
		w.commit(tenant, &store.Batch{Put: []store.Put{{Record: r, Expect: store.Any}}})
	}
}

// size says how much a tenant has.
type size struct{ users, groups, members, archived, tombstones, tokens int }

var small = size{users: 12, groups: 3, members: 5, archived: 3, tombstones: 2, tokens: 2}

// tenant fills a tenant. Its ids depend on the seed alone.
func (w *world) tenant(name string, n size) {
	w.Helper()
	var users []string
	for i := range n.users {
		id := fmt.Sprintf("u%05d~%d", i, w.rnd.IntN(100))
		users = append(users, id)
		w.put(name, store.Record{
			Kind: store.User, ID: id, Allow: "list-1", Provisional: w.rnd.IntN(4) == 0,
			Body: w.body(id, fmt.Sprintf(`"userName":"User.%d@Example.com","externalId":"x%d",`, i, i/2)),
		})
	}
	for i := range n.groups {
		id := fmt.Sprintf("g%03d", i)
		w.put(name, store.Record{Kind: store.Group, ID: id, Body: w.body(id, fmt.Sprintf(`"displayName":"Group %d",`, i))})
		c := store.MemberChange{Group: id, Pending: true}
		for j := range n.members {
			c.Add = append(c.Add, store.Member{ID: users[(i+j)%len(users)], Kind: store.User})
			if j%3 == 0 {
				c.Add = append(c.Add, store.Member{ID: fmt.Sprintf("pending:%05d", j), Kind: store.User})
			}
		}
		if i > 0 {
			c.Add = append(c.Add, store.Member{ID: "g000", Kind: store.Group})
		}
		w.commit(name, &store.Batch{Members: []store.MemberChange{dedup(c)}})
	}
	for i := range n.archived {
		id := fmt.Sprintf("a%03d", i)
		w.put(name, store.Record{
			Kind: store.Archived, ID: id, Allow: "list-1", ArchivedAt: w.tick(), Provisional: i == 1,
			Body: w.body(id, `"userName":"gone@example.com",`),
		})
	}
	for i := range n.tombstones {
		w.put(name, store.Record{Kind: store.Tombstone, ID: fmt.Sprintf("t%03d", i)})
	}
	for i := range n.tokens {
		w.put(store.SystemTenant, store.Record{Kind: store.Token, ID: fmt.Sprintf("tok%d.%s", i, name), Body: fmt.Appendf(nil, `{"hash":"<%d>"}`, i)})
	}
	if n.tokens > 0 {
		w.put(store.SystemTenant, store.Record{Kind: store.Report, ID: name, Body: []byte(`{"names":{"nickName":7}}`)})
		w.put(store.SystemTenant, store.Record{Kind: store.Tenant, ID: name, Body: []byte(`{"allow":["<&>"]}`)})
	}
}

func dedup(c store.MemberChange) store.MemberChange {
	seen := map[string]bool{}
	out := c
	out.Add = nil
	for _, m := range c.Add {
		if !seen[m.ID] {
			seen[m.ID] = true
			out.Add = append(out.Add, m)
		}
	}
	return out
}

func export(tb testing.TB, s store.Store, tenants ...string) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := Export(tb.Context(), s, &b, tenants, nil); err != nil {
		tb.Fatalf("Export: %v", err)
	}
	return b.Bytes()
}

func canonical(tb testing.TB, file []byte) string {
	tb.Helper()
	var b bytes.Buffer
	if err := Canonical(bytes.NewReader(file), &b); err != nil {
		tb.Fatalf("Canonical: %v", err)
	}
	return b.String()
}

// sameContent compares two stores by the canonical form of their exports.
func sameContent(tb testing.TB, got, want store.Store, tenants ...string) {
	tb.Helper()
	a, b := canonical(tb, export(tb, got, tenants...)), canonical(tb, export(tb, want, tenants...))
	if diff := cmp.Diff(b, a); diff != "" {
		tb.Fatalf("content differs (-want +got):\n%s", diff)
	}
}

// linesOf splits a file.
func linesOf(tb testing.TB, file []byte) [][]byte {
	tb.Helper()
	var out [][]byte
	r := NewReader(bytes.NewReader(file))
	for {
		data, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, bytes.Clone(data))
	}
}

func exportID(tb testing.TB, lines [][]byte) string {
	tb.Helper()
	h, err := ReadHeader(lines[0])
	if err != nil {
		tb.Fatal(err)
	}
	return h.ID
}

// importFrom begins or resumes an import and goes on to its end, in chunks of
// what sizes says.
func importFrom(ctx context.Context, s store.Store, lines [][]byte, size func() int) error {
	im := NewImporter(s, testKeys)
	h, err := ReadHeader(lines[0])
	if err != nil {
		return err
	}
	p, err := im.Begin(ctx, lines[0])
	for err == nil && !p.Done {
		p, err = im.Chunk(ctx, h.ID, p.Next, lines[p.Next:min(len(lines), p.Next+size())])
	}
	return err
}

func always(n int) func() int { return func() int { return n } }

// faulty is a store whose commits fail.
type faulty struct {
	store.Store
	mu    sync.Mutex
	left  int  // commits that succeed
	apply bool // whether the first one that fails is applied all the same
}

var errCrash = errors.New("crash")

func (f *faulty) Commit(ctx context.Context, tenant string, b *store.Batch) (store.Result, error) {
	f.mu.Lock()
	f.left--
	left := f.left
	f.mu.Unlock()
	if left >= 0 {
		return f.Store.Commit(ctx, tenant, b)
	}
	if left == -1 && f.apply {
		if _, err := f.Store.Commit(ctx, tenant, b); err != nil {
			return store.Result{}, err
		}
	}
	return store.Result{}, errCrash
}

// recorder remembers what was committed.
type recorder struct {
	store.Store
	mu      sync.Mutex
	batches []committed
}

type committed struct {
	tenant string
	*store.Batch
}

func (r *recorder) Commit(ctx context.Context, tenant string, b *store.Batch) (store.Result, error) {
	res, err := r.Store.Commit(ctx, tenant, b)
	if err == nil {
		r.mu.Lock()
		r.batches = append(r.batches, committed{tenant, b})
		r.mu.Unlock()
	}
	return res, err
}
