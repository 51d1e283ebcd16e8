package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// TestImportSurvivesCrashes kills an import at every one of its commits, before
// and after it is applied, and resumes it with a new importer.
func TestImportSurvivesCrashes(t *testing.T) {
	t.Parallel()
	from := newMem(t)
	w := newWorld(t, from, 6)
	names := []string{"acme", "globex"}
	for _, name := range names {
		w.tenant(name, size{users: 5, groups: 2, members: 4, archived: 2, tombstones: 1, tokens: 2})
	}
	lines := linesOf(t, export(t, from, names...))
	for _, chunk := range []int{1, 7, len(lines)} {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprint("chunks of ", chunk, ", applied ", applied), func(t *testing.T) {
				t.Parallel()
				for n := 0; ; n++ {
					to := newMem(t)
					err := importFrom(t.Context(), &faulty{Store: to, left: n, apply: applied}, lines, always(chunk))
					if err == nil {
						if n < len(lines) {
							t.Fatalf("an import of %d lines took %d commits", len(lines), n)
						}
						break
					}
					if !errors.Is(err, errCrash) {
						t.Fatalf("crash after %d commits: error = %v", n, err)
					}
					if err := importFrom(t.Context(), to, lines, always(chunk)); err != nil {
						t.Fatalf("resumed after %d commits: %v", n, err)
					}
					sameContent(t, to, from, names...)
					sameKeys(t, to, from, "acme")
				}
			})
		}
	}
}

// TestImportCrashesAgainAndAgain makes little progress at a time.
func TestImportCrashesAgainAndAgain(t *testing.T) {
	t.Parallel()
	from, to := newMem(t), newBolt(t)
	newWorld(t, from, 7).tenant("acme", size{users: 300, groups: 5, members: 40, archived: 30, tombstones: 9, tokens: 3})
	lines := linesOf(t, export(t, from, "acme"))
	tries := 0
	for err := errCrash; err != nil; tries++ {
		if !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		if tries > 1000 {
			t.Fatal("the import never ends")
		}
		err = importFrom(t.Context(), &faulty{Store: to, left: 60}, lines, always(40))
	}
	if tries < 3 {
		t.Errorf("the import ended at try %d", tries)
	}
	sameContent(t, to, from, "acme")
}

// TestOrderOfImport looks at what is written when.
func TestOrderOfImport(t *testing.T) {
	t.Parallel()
	from := newMem(t)
	newWorld(t, from, 8).tenant("acme", small)
	lines := linesOf(t, export(t, from, "acme"))
	for _, chunk := range []int{1, 6, len(lines)} {
		to := &recorder{Store: newMem(t)}
		if err := importFrom(t.Context(), to, lines, always(chunk)); err != nil {
			t.Fatal(err)
		}
		at := map[store.Kind][]int{} // the commits that put a record of the kind
		marked := -1
		for i, b := range to.batches {
			for _, p := range b.Put {
				at[p.Record.Kind] = append(at[p.Record.Kind], i)
				if p.Record.Kind == store.Import && p.Record.ID == "acme" && marked < 0 {
					marked = i
				}
			}
			if len(b.Events) > 0 {
				t.Errorf("a commit writes events: %+v", b.Events)
			}
		}
		tokens, own := at[store.Token], at[store.Tenant]
		if len(tokens) != small.tokens || len(own) != 1 {
			t.Fatalf("tokens are put at %v, the tenant at %v", tokens, own)
		}
		for _, k := range []store.Kind{store.User, store.Group, store.Archived, store.Tombstone, store.Report} {
			for _, i := range at[k] {
				if i < marked || i > tokens[0] {
					t.Errorf("chunks of %d: a %s is put at %d, the mark at %d, the first token at %d", chunk, k, i, marked, tokens[0])
				}
			}
		}
		if own[0] < tokens[len(tokens)-1] {
			t.Errorf("chunks of %d: the tenant is put at %d, tokens at %v", chunk, own[0], tokens)
		}
	}
}

func TestImporting(t *testing.T) {
	t.Parallel()
	from, to := newMem(t), newMem(t)
	newWorld(t, from, 9).tenant("acme", small)
	lines := linesOf(t, export(t, from, "acme"))
	im, id := NewImporter(to, testKeys), exportID(t, lines)
	// What a sweep found in the tenant before must not hold for what comes in.
	mark := store.Record{Kind: store.Sweep, ID: "acme"}
	if _, err := to.Commit(t.Context(), store.SystemTenant, &store.Batch{Time: epoch, Put: []store.Put{{Record: mark}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := im.Begin(t.Context(), lines[0]); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(lines); i++ {
		want := i > 1 && i < len(lines)-1
		if got, err := Importing(t.Context(), to, "acme"); got != want || err != nil {
			t.Fatalf("Importing before line %d = %v, %v", i, got, err)
		}
		if p, err := im.Chunk(t.Context(), id, i, lines[i:i+1]); err != nil || p.Next != i+1 {
			t.Fatalf("line %d: position %+v, %v", i, p, err)
		}
	}
	if rs, err := to.Get(t.Context(), store.SystemTenant, store.Sweep, "acme"); len(rs) > 0 || err != nil {
		t.Errorf("the mark of the sweep is still there (%v)", err)
	}
}

func TestPosition(t *testing.T) {
	t.Parallel()
	from, to := newMem(t), newMem(t)
	newWorld(t, from, 10).tenant("acme", small)
	lines := linesOf(t, export(t, from, "acme"))
	im, id := NewImporter(to, testKeys), exportID(t, lines)
	ctx := t.Context()

	if p, err := im.Position(ctx, id); p != (Position{}) || err != nil {
		t.Errorf("position before the beginning = %+v, %v", p, err)
	}
	for _, export := range []string{id, "", "not an id"} {
		if _, err := im.Chunk(ctx, export, 1, lines[1:3]); !errors.Is(err, ErrNotBegun) {
			t.Errorf("chunk of %q: error = %v", export, err)
		}
	}
	for range 2 {
		if p, err := im.Begin(ctx, lines[0]); p != (Position{Next: 1}) || err != nil {
			t.Fatalf("Begin = %+v, %v", p, err)
		}
	}
	refused := func(first int, want Position) {
		t.Helper()
		p, err := im.Chunk(ctx, id, first, lines[1:3])
		var wrong *PositionError
		if !errors.As(err, &wrong) || wrong.Position != want || p != want {
			t.Fatalf("chunk at %d: position %+v, error %v; want %+v", first, p, err, want)
		}
	}
	refused(0, Position{Next: 1})
	refused(2, Position{Next: 1})
	if p, err := im.Chunk(ctx, id, 1, nil); p != (Position{Next: 1}) || err != nil {
		t.Errorf("chunk of no lines = %+v, %v", p, err)
	}
	if p, err := im.Chunk(ctx, id, 1, lines[1:5]); p != (Position{Next: 5}) || err != nil {
		t.Fatalf("first chunk = %+v, %v", p, err)
	}
	refused(1, Position{Next: 5})
	if p, err := im.Begin(ctx, lines[0]); p != (Position{Next: 5}) || err != nil {
		t.Errorf("Begin in the middle = %+v, %v", p, err)
	}
	end := Position{Next: len(lines), Done: true}
	if p, err := im.Chunk(ctx, id, 5, lines[5:]); p != end || err != nil {
		t.Fatalf("last chunk = %+v, %v", p, err)
	}
	refused(len(lines), end)
	if p, err := im.Begin(ctx, lines[0]); p != end || err != nil {
		t.Errorf("Begin at the end = %+v, %v", p, err)
	}
}

func TestNotEmpty(t *testing.T) {
	t.Parallel()
	from := newMem(t)
	newWorld(t, from, 11).tenant("acme", small)
	lines := linesOf(t, export(t, from, "acme"))
	tests := []struct {
		name string
		has  func(w *world)
		want *NotEmptyError
	}{
		{"users", func(w *world) { w.tenant("acme", size{users: 1}) }, &NotEmptyError{Tenant: "acme"}},
		{"groups", func(w *world) { w.put("acme", store.Record{Kind: store.Group, ID: "g", Body: []byte(`{"id":"g"}`)}) }, &NotEmptyError{Tenant: "acme"}},
		{"archived", func(w *world) {
			w.put("acme", store.Record{Kind: store.Archived, ID: "a", ArchivedAt: epoch, Body: []byte(`{"id":"a"}`)})
		}, &NotEmptyError{Tenant: "acme"}},
		{"its own record", func(w *world) {
			w.put(store.SystemTenant, store.Record{Kind: store.Tenant, ID: "acme", Body: []byte(`{}`)})
		}, &NotEmptyError{Tenant: "acme"}},
		{"another import", func(w *world) {
			other := linesOf(w, export(w, from, "acme"))
			im := NewImporter(w.s, testKeys)
			if _, err := im.Begin(w.Context(), other[0]); err != nil {
				w.Fatal(err)
			}
			if _, err := im.Chunk(w.Context(), exportID(w, other), 1, other[1:2]); err != nil {
				w.Fatal(err)
			}
		}, &NotEmptyError{Tenant: "acme", Importing: true}},
		{"an old import and a tombstone", func(w *world) {
			w.commit(store.SystemTenant, &store.Batch{Put: []store.Put{{Record: store.Record{Kind: store.Import, ID: "acme", Body: []byte(`{"export":"X","done":true}`)}}}})
			w.put("acme", store.Record{Kind: store.Tombstone, ID: "t"})
		}, nil},
		{"another tenant", func(w *world) { w.tenant("globex", size{users: 2, groups: 1, members: 1, tokens: 1}) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newMem(t), 12)
			tt.has(w)
			before := dumpOf(t, w.s)
			im := NewImporter(w.s, testKeys)
			if _, err := im.Begin(t.Context(), lines[0]); err != nil {
				t.Fatal(err)
			}
			p, err := im.Chunk(t.Context(), exportID(t, lines), 1, lines[1:])
			if tt.want == nil {
				if err != nil || !p.Done {
					t.Errorf("position %+v, error %v", p, err)
				}
				return
			}
			var got *NotEmptyError
			if !errors.As(err, &got) || *got != *tt.want || !errors.Is(err, ErrNotEmpty) || p != (Position{Next: 1}) {
				t.Fatalf("position %+v, error %v, want %v", p, err, tt.want)
			}
			if !strings.Contains(err.Error(), "acme") {
				t.Errorf("error %q does not name the tenant", err)
			}
			if diff := cmp.Diff(before, dumpOf(t, w.s)); diff != "" {
				t.Errorf("something was written (-before +after):\n%s", diff)
			}
		})
	}
}

// TestGone imports a tenant that was deleted a moment ago, of which a record is
// left.
func TestGone(t *testing.T) {
	t.Parallel()
	from, to := newMem(t), newMem(t)
	newWorld(t, from, 17).tenant("acme", small)
	lines := linesOf(t, export(t, from, "acme"))
	newWorld(t, to, 18).put(store.SystemTenant, store.Record{Kind: store.Tenant, ID: "acme", Body: []byte(`{"deleted":true}`)})
	im, id := NewImporter(to, testKeys), exportID(t, lines)
	if _, err := im.Begin(t.Context(), lines[0]); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []func([]byte) bool{nil, func([]byte) bool { return false }} {
		im.Gone = gone
		if _, err := im.Chunk(t.Context(), id, 1, lines[1:3]); !errors.Is(err, ErrNotEmpty) {
			t.Fatalf("error = %v, want ErrNotEmpty", err)
		}
	}
	im.Gone = func(body []byte) bool { return string(body) == `{"deleted":true}` }
	if _, err := im.Chunk(t.Context(), id, 1, lines[1:3]); err != nil {
		t.Fatal(err)
	}
	if rs, err := to.Get(t.Context(), store.SystemTenant, store.Tenant, "acme"); len(rs) > 0 || err != nil {
		t.Errorf("the record of the deleted tenant is still there (%v)", err)
	}
	if _, err := im.Chunk(t.Context(), id, 3, lines[3:]); err != nil {
		t.Fatal(err)
	}
	sameContent(t, to, from, "acme")
}

// TestTwoNodes has two importers over one store apply the same export at the
// same time, as a client does that asks another node after a time-out.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	from, to := newMem(t), newMem(t)
	w := newWorld(t, from, 19)
	w.tenant("acme", size{users: 60, groups: 4, members: 20, archived: 5, tombstones: 2, tokens: 2})
	w.tenant("globex", small)
	lines := linesOf(t, export(t, from, "acme", "globex"))
	id := exportID(t, lines)
	node := func() error {
		im := NewImporter(to, testKeys)
		p, err := im.Begin(t.Context(), lines[0])
		for err == nil && !p.Done {
			p, err = im.Chunk(t.Context(), id, p.Next, lines[p.Next:min(len(lines), p.Next+10)])
			var other *PositionError
			if errors.As(err, &other) {
				p, err = other.Position, nil
			}
		}
		return err
	}
	failed := make(chan error, 2)
	for range cap(failed) {
		go func() { failed <- node() }()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Errorf("a node: %v", err)
		}
	}
	sameContent(t, to, from, "acme", "globex")
	sameKeys(t, to, from, "acme")
}

// dumpOf is everything of the tenants acme and globex but for what an import
// notes about itself.
func dumpOf(tb testing.TB, s store.Store) map[string][]store.Record {
	tb.Helper()
	out := map[string][]store.Record{}
	for _, tenant := range []string{"acme", "globex", store.SystemTenant} {
		for _, k := range []store.Kind{store.User, store.Group, store.Archived, store.Tombstone, store.Token, store.Tenant, store.Report} {
			p, err := s.Scan(tb.Context(), tenant, store.Query{Kind: k, Limit: 10_000})
			if err != nil {
				tb.Fatal(err)
			}
			out[tenant+" "+string(k)] = p.Records
		}
	}
	return out
}

// TestForget imports the same export once more, after the tenant was deleted.
func TestForget(t *testing.T) {
	t.Parallel()
	for _, upTo := range []string{"the middle", "the end"} {
		t.Run(upTo, func(t *testing.T) {
			t.Parallel()
			from, to := newMem(t), newMem(t)
			w := newWorld(t, from, 13)
			w.tenant("acme", small)
			lines := linesOf(t, export(t, from, "acme"))
			im, id := NewImporter(to, testKeys), exportID(t, lines)
			if err := im.Forget(t.Context(), "acme"); err != nil {
				t.Fatalf("Forget of a tenant that was never imported: %v", err)
			}
			if _, err := im.Begin(t.Context(), lines[0]); err != nil {
				t.Fatal(err)
			}
			n := len(lines)
			if upTo == "the middle" {
				n = 8
			}
			if _, err := im.Chunk(t.Context(), id, 1, lines[1:n]); err != nil {
				t.Fatal(err)
			}
			if err := to.Drop(t.Context(), "acme", nil); err != nil {
				t.Fatal(err)
			}
			deleteSystem(t, to)
			if err := im.Forget(t.Context(), "acme"); err != nil {
				t.Fatalf("Forget: %v", err)
			}
			if _, err := im.Chunk(t.Context(), id, n, lines[n:]); !errors.Is(err, ErrNotBegun) {
				t.Errorf("chunk of a forgotten import: error = %v", err)
			}
			if err := importFrom(t.Context(), to, lines, always(9)); err != nil {
				t.Fatalf("import of the same export again: %v", err)
			}
			sameContent(t, to, from, "acme")
		})
	}
}

// deleteSystem deletes the records of the system tenant, but for those of imports.
func deleteSystem(tb testing.TB, s store.Store) {
	tb.Helper()
	for _, k := range []store.Kind{store.Tenant, store.Token, store.Report} {
		p, err := s.Scan(tb.Context(), store.SystemTenant, store.Query{Kind: k, Limit: 10_000})
		if err != nil {
			tb.Fatal(err)
		}
		for _, r := range p.Records {
			b := &store.Batch{Time: epoch, Delete: []store.Delete{{Kind: k, ID: r.ID, Expect: store.Any}}}
			if k == store.Token {
				b.Unindex = []store.Entry{{Kind: k, Key: store.Key{Index: byTenant, Value: "acme"}, ID: r.ID}}
			}
			if _, err := s.Commit(tb.Context(), store.SystemTenant, b); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// TestRepeatedNames imports two groups of one name: an operator may have allowed
// that for a time. Two users of one name cannot be.
func TestRepeatedNames(t *testing.T) {
	t.Parallel()
	file := func(kind, name string) [][]byte {
		record := `{"kind":"` + kind + `","id":"%[1]s","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","body":{"id":"%[1]s","` + name + `":"s3cr3t","externalId":"x"}}`
		counts := map[string]string{"user": `"users":2`, "group": `"groups":2`}[kind]
		return [][]byte{
			[]byte(`{"export":{"format":1,"id":"AAAAAAAAAAAAAAAAAAAAAAAAAA","time":"2024-01-01T00:00:00.000Z"}}`),
			[]byte(`{"tenant":{"name":"acme"}}`),
			fmt.Appendf(nil, record, "one"), fmt.Appendf(nil, record, "two"),
			[]byte(`{"tenant_end":{"name":"acme","counts":{` + counts + `}}}`),
			[]byte(`{"end":{"lines":6}}`),
		}
	}
	s := newMem(t)
	if err := importFrom(t.Context(), s, file("group", "displayName"), always(10)); err != nil {
		t.Fatal(err)
	}
	key := store.Key{Index: "displayName", Value: "s3cr3t"}
	p, err := s.Scan(t.Context(), "acme", store.Query{Kind: store.Group, Key: &key, Limit: 10})
	if err != nil || len(p.Records) != 2 {
		t.Errorf("groups of the name: %d (%v), want 2", len(p.Records), err)
	}
	if _, err := s.Lookup(t.Context(), "acme", store.Group, key); err != nil {
		t.Errorf("none of them has claimed the name: %v", err)
	}
	err = importFrom(t.Context(), newMem(t), file("user", "userName"), always(10))
	var bad *LineError
	if !errors.As(err, &bad) || bad.Line != 3 && bad.Line != 4 || !strings.Contains(bad.Reason, "userName") || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("users of one name: error = %v", err)
	}
}

func TestClashesWithWhatIsStored(t *testing.T) {
	t.Parallel()
	from := newMem(t)
	newWorld(t, from, 14).tenant("acme", small)
	lines := linesOf(t, export(t, from, "acme"))
	at := func(part string) int {
		for i, data := range lines {
			if bytes.Contains(data, []byte(part)) {
				return i + 1
			}
		}
		t.Fatalf("no line has %s", part)
		return 0
	}
	user := func(id, body string) store.Record {
		return store.Record{Kind: store.User, ID: id, Body: []byte(body)}
	}
	tests := []struct {
		name   string
		tenant string
		there  store.Record // comes in between the tenant's first line and the rest
		line   int
		reason string
	}{
		{"another record of the id", "acme", user(strings.Split(string(lines[at(`"kind":"user"`)-1]), `"`)[7], `{}`), at(`"kind":"user"`), clashes},
		{"an id of another kind", "acme", user("g001", `{}`), at(`"id":"g001"`), clashes},
		{"a token of the id", store.SystemTenant, store.Record{Kind: store.Token, ID: "tok1.acme", Body: []byte(`{}`)}, at(`"kind":"token","id":"tok1`), "another token has its id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			to := newMem(t)
			im, id := NewImporter(to, testKeys), exportID(t, lines)
			if _, err := im.Begin(t.Context(), lines[0]); err != nil {
				t.Fatal(err)
			}
			if _, err := im.Chunk(t.Context(), id, 1, lines[1:2]); err != nil {
				t.Fatal(err)
			}
			if _, err := to.Commit(t.Context(), tt.tenant, &store.Batch{Time: epoch.Add(time.Hour), Put: []store.Put{{Record: tt.there}}}); err != nil {
				t.Fatal(err)
			}
			p, err := im.Chunk(t.Context(), id, 2, lines[2:])
			var bad *LineError
			if !errors.As(err, &bad) || *bad != (LineError{tt.line, tt.reason}) || p != (Position{Next: 2}) {
				t.Errorf("position %+v, error %v, want line %d: %s", p, err, tt.line, tt.reason)
			}
			if rs, err := to.Get(t.Context(), store.SystemTenant, store.Tenant, "acme"); len(rs) > 0 || err != nil {
				t.Errorf("the tenant is there (%v)", err)
			}
		})
	}
}

func TestImportAsksForKeys(t *testing.T) {
	t.Parallel()
	from := newMem(t)
	newWorld(t, from, 15).tenant("acme", small)
	lines := linesOf(t, export(t, from, "acme"))
	tests := []struct {
		name string
		keys Admission
		want string // the start of the error
	}{
		{"settings that cannot be used", func(tenant string, settings []byte) (Admit, error) {
			return nil, fmt.Errorf("%s has %s", tenant, settings)
		}, `line 2: the settings of the tenant acme cannot be used here: acme has {"allow":["<&>"]}`},
		{"a body that cannot be read", func(string, []byte) (Admit, error) {
			return func(r store.Record) (store.Record, []store.Key, []store.Key, error) {
				return r, nil, nil, errors.New("s3cr3t")
			}, nil
		}, "its body cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			im := NewImporter(newMem(t), tt.keys)
			if _, err := im.Begin(t.Context(), lines[0]); err != nil {
				t.Fatal(err)
			}
			_, err := im.Chunk(t.Context(), exportID(t, lines), 1, lines[1:])
			var bad *LineError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("error = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestImportEndsWithItsContext(t *testing.T) {
	t.Parallel()
	from, to := newMem(t), newMem(t)
	newWorld(t, from, 16).tenant("acme", small)
	lines := linesOf(t, export(t, from, "acme"))
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := importFrom(ctx, to, lines, func() int {
		if n++; n == 3 {
			cancel()
		}
		return 4
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error = %v", err)
	}
	if err := importFrom(t.Context(), to, lines, always(4)); err != nil {
		t.Fatal(err)
	}
	sameContent(t, to, from, "acme")
}
