package transfer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore"
	"github.com/caddy-scim/caddy-scim/scimmodule/store/redisstore/redistest"
)

func newRedis(tb testing.TB) store.Store {
	tb.Helper()
	server := redistest.Start(tb)
	s, err := redisstore.New(redisstore.Options{Addresses: []string{server.Addr}})
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

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	open := map[string]func(testing.TB) store.Store{"memory": newMem, "bolt": newBolt, "redis": newRedis}
	for i, way := range [][2]string{{"memory", "bolt"}, {"bolt", "memory"}, {"bolt", "redis"}, {"redis", "bolt"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			t.Parallel()
			from, to := open[way[0]](t), open[way[1]](t)
			w := newWorld(t, from, uint64(i))
			names := []string{"acme", "globex", "initech", "empty", "0-umbrella"}
			for _, name := range names[:3] {
				w.tenant(name, size{users: 5 + w.rnd.IntN(60), groups: w.rnd.IntN(6), members: w.rnd.IntN(40), archived: w.rnd.IntN(10), tombstones: w.rnd.IntN(5), tokens: 1 + w.rnd.IntN(3)})
			}
			w.tenant("0-umbrella", size{users: 3}) // only the configuration knows it
			rnd := rand.New(rand.NewPCG(uint64(i), 2))
			lines := linesOf(t, export(t, from, names...))
			if err := importFrom(t.Context(), to, lines, func() int { return 1 + rnd.IntN(50) }); err != nil {
				t.Fatalf("import: %v", err)
			}
			sameContent(t, to, from, names...)
			for _, name := range names {
				sameKeys(t, to, from, name)
				if log, err := to.Changes(t.Context(), name, 0, 100); len(log) > 0 || err != nil {
					t.Errorf("the change log of %s has %d entries (%v), want none", name, len(log), err)
				}
				if under, err := Importing(t.Context(), to, name); under || err != nil {
					t.Errorf("Importing(%s) = %v, %v at the end", name, under, err)
				}
			}
		})
	}
}

// sameKeys compares what the canonical form does not tell: under which keys the
// records are found, and the relation seen from the members.
func sameKeys(tb testing.TB, got, want store.Store, tenant string) {
	tb.Helper()
	if diff := cmp.Diff(keysIn(tb, want, want, tenant), keysIn(tb, got, want, tenant)); diff != "" {
		tb.Fatalf("keys of %s differ (-want +got):\n%s", tenant, diff)
	}
}

// keysIn looks in s for what is in all.
func keysIn(tb testing.TB, s, all store.Store, tenant string) map[string][]string {
	tb.Helper()
	check := func(err error) {
		tb.Helper()
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			tb.Fatal(err)
		}
	}
	ids := func(p store.Page) (out []string) {
		for _, r := range p.Records {
			out = append(out, r.ID)
		}
		return append(out, fmt.Sprint("total ", p.Total))
	}
	out := map[string][]string{}
	for _, k := range []store.Kind{store.User, store.Group, store.Archived} {
		p, err := all.Scan(tb.Context(), tenant, store.Query{Kind: k, Limit: 10_000})
		check(err)
		for _, r := range p.Records {
			unique, other, err := keysOfBody(r)
			check(err)
			for _, key := range unique {
				id, err := s.Lookup(tb.Context(), tenant, k, key)
				check(err)
				out[fmt.Sprint(k, " unique ", key)] = []string{id}
			}
			for _, key := range other {
				p, err := s.Scan(tb.Context(), tenant, store.Query{Kind: k, Key: &key, Limit: 10_000})
				check(err)
				out[fmt.Sprint(k, " index ", key)] = ids(p)
			}
			groups, err := s.Edges(tb.Context(), tenant, store.EdgeQuery{Member: r.ID, Limit: 10_000})
			check(err)
			for _, g := range groups.Members {
				out["groups of "+r.ID] = append(out["groups of "+r.ID], g.ID)
			}
		}
	}
	key := store.Key{Index: byTenant, Value: tenant}
	p, err := s.Scan(tb.Context(), store.SystemTenant, store.Query{Kind: store.Token, Key: &key, Limit: 10_000})
	check(err)
	out["tokens"] = ids(p)
	return out
}

func TestLargeGroup(t *testing.T) {
	t.Parallel()
	from, to := newMem(t), newBolt(t)
	w := newWorld(t, from, 1)
	w.tenant("acme", size{users: 600, groups: 2, members: 2500})
	lines := linesOf(t, export(t, from, "acme"))
	var sizes []int
	for _, data := range lines {
		if l, problem := decodeLine(data); problem != "" {
			t.Fatal(problem)
		} else if l.Members != nil && l.Members.Group == "g000" {
			sizes = append(sizes, len(l.Members.Add))
		}
	}
	if want := []int{1000, 434}; !slices.Equal(sizes, want) {
		t.Errorf("members a line = %v, want %v", sizes, want)
	}
	if err := importFrom(t.Context(), to, lines, always(1001)); err != nil {
		t.Fatal(err)
	}
	sameContent(t, to, from, "acme")
	sameKeys(t, to, from, "acme")
	// And where every line is a chunk of its own.
	again := newMem(t)
	if err := importFrom(t.Context(), again, lines, always(1)); err != nil {
		t.Fatal(err)
	}
	sameContent(t, again, from, "acme")
}

func TestExportIsTheSameTwice(t *testing.T) {
	t.Parallel()
	s := newMem(t)
	newWorld(t, s, 3).tenant("acme", small)
	a, b := export(t, s, "acme", "acme"), export(t, s, "acme")
	if string(a) == string(b) {
		t.Error("two exports have the same header")
	}
	if canonical(t, a) != canonical(t, b) {
		t.Error("two exports of the same content differ")
	}
	once := canonical(t, a)
	if twice := canonical(t, []byte(canonicalHeader(once))); twice != once {
		t.Errorf("the canonical form of a canonical form is another:\n%s", cmp.Diff(once, twice))
	}
}

// canonicalHeader gives a canonical form a header, so that it can be read.
func canonicalHeader(file string) string {
	const was = `{"export":{"format":1}}`
	return `{"export":{"format":1,"id":"AAAAAAAAAAAAAAAAAAAAAAAAAA"}}` + file[len(was):]
}

// TestExportTellsOfChanges writes to the tenant while it is exported.
func TestExportTellsOfChanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(w *world)
		want   bool
	}{
		{"nothing", func(*world) {}, false},
		{"a user", func(w *world) {
			w.commit("acme", &store.Batch{Put: []store.Put{{Record: store.Record{Kind: store.Tombstone, ID: "new"}}}})
		}, true},
		{"the settings", func(w *world) {
			w.commit(store.SystemTenant, &store.Batch{Put: []store.Put{{Record: store.Record{Kind: store.Tenant, ID: "acme", Body: []byte(`{}`)}, Expect: store.Any}}})
		}, true},
		{"another tenant", func(w *world) { w.tenant("globex", small) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newBolt(t), 4)
			w.tenant("acme", small)
			done := false
			var last Progress
			var out discard
			err := Export(t.Context(), w.s, &out, []string{"acme"}, func(p Progress) {
				if last = p; !done {
					done = true
					tt.change(w)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			lines := linesOf(t, out)
			l, problem := decodeLine(lines[len(lines)-2])
			if problem != "" || l.Close == nil || l.Close.Changed != tt.want {
				t.Errorf("end of the tenant = %s, want changed %v", lines[len(lines)-2], tt.want)
			}
			if want := 12 + 3 + 3 + 2 + 2 + 1; last.Records < want || last.Total != want || last.Members == 0 || last.Tenant != "acme" {
				t.Errorf("progress at the end = %+v", last)
			}
		})
	}
}

// discard collects what is written.
type discard []byte

func (d *discard) Write(b []byte) (int, error) { *d = append(*d, b...); return len(b), nil }

func TestExportFails(t *testing.T) {
	t.Parallel()
	s := newMem(t)
	w := newWorld(t, s, 5)
	w.put("acme", store.Record{Kind: store.User, ID: "u1", Body: []byte(`{"id":"u2","userName":"s3cr3t"}`)})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name, tenant string
		ctx          context.Context
		want         string
	}{
		{"damaged record", "acme", t.Context(), `export of tenant "acme": the stored user "u1" is damaged: its body is that of another id`},
		{"no tenant's name", "Acme", t.Context(), `export of tenant "Acme": its name cannot be a tenant's`},
		{"context", "globex", ended, `export of tenant "globex": context canceled`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out discard
			err := Export(tt.ctx, s, &out, []string{tt.tenant}, nil)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error = %v, want %s", err, tt.want)
			}
		})
	}
}
