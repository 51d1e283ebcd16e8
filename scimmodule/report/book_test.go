package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func TestReport(t *testing.T) {
	t.Parallel()
	s := newFlaky()
	b := newBook(s)
	empty := read(t, b, "acme")
	diff(t, "nothing arrived", Report{Tenant: "acme", Attributes: []Attribute{}, Activity: Activity{}}, empty)
	if text, _ := json.Marshal(empty); string(text) != `{"tenant":"acme","attributes":[],"activity":{"requests":0,"changes":0,"errors":0}}` {
		t.Errorf("an empty report is %s", text)
	}

	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	b.Add("acme", at(-61), Entry{Operation: "create", ResourceType: "User", Status: 201, Changed: true, Tally: tally(t, `{"userName":"a","title":"t","displayName":"d","shoeSize":44}`)})
	b.Add("acme", at(-60), Entry{Operation: "read", ResourceType: "User", Status: 404, ScimType: ""})
	b.Add("acme", at(-2), Entry{Operation: "create", ResourceType: "User", Status: 409, ScimType: "uniqueness", Tally: tally(t, `{"title":"t"}`)})
	b.Add("other", at(-1), patched(500))
	first := read(t, b, "acme")
	b.Add("acme", at(-1), Entry{Operation: "patch", ResourceType: "User", Status: 200, Changed: true, Tally: tally(t, `{"name":{"givenName":"g"},"userName":"b"}`)})
	b.Add("acme", at(0).Add(123456*time.Microsecond), Entry{Operation: "query", ResourceType: "Group", Status: 200})
	b.Add("acme", at(-3), Entry{Operation: "patch", ResourceType: "Group", Status: 412})

	user := func(name string, known bool, kept, dropped int64, first, last int) Attribute {
		return Attribute{ResourceType: "User", Name: name, Known: known, Kept: kept, Dropped: dropped, First: at(first), Last: at(last)}
	}
	diff(t, "between", Activity{Requests: 3, Changes: 1, Errors: 1, LastRequest: at(-2), LastChange: at(-61),
		LastError: Failure{Time: at(-2), Operation: "create", ResourceType: "User", Status: 409, ScimType: "uniqueness"},
		Hours:     []Hour{{Start: at(-120), Requests: 1}, {Start: at(-60), Requests: 2, Errors: 1}}}, first.Activity)
	want := Report{
		Tenant: "acme", Since: at(-61),
		Attributes: []Attribute{
			user("displayName", true, 0, 1, -61, -61),
			user("name.givenName", true, 1, 0, -1, -1),
			user("shoeSize", false, 0, 1, -61, -61),
			user("title", true, 0, 2, -61, -2),
			user("userName", true, 2, 0, -61, -1),
		},
		Activity: Activity{
			Requests: 6, Changes: 2, Errors: 1, LastRequest: noon.Add(123 * time.Millisecond), LastChange: at(-1),
			LastError: Failure{Time: at(-2), Operation: "create", ResourceType: "User", Status: 409, ScimType: "uniqueness"},
			Hours:     []Hour{{Start: at(-120), Requests: 1}, {Start: at(-60), Requests: 4, Errors: 1}, {Start: at(0), Requests: 1}},
		},
	}
	diff(t, "all", want, read(t, b, "acme"))
	diff(t, "another process", want, read(t, newBook(s), "acme"))
	if s.body(t, "other") != "" {
		t.Error("reading one tenant's report wrote another's")
	}
}

func TestHours(t *testing.T) {
	t.Parallel()
	b := newBook(newFlaky())
	for h := range 40 {
		b.Add("acme", noon.Add(-time.Duration(h)*time.Hour), patched(200))
		b.Add("acme", noon.Add(-time.Duration(h)*time.Hour), patched(503))
	}
	hours := read(t, b, "acme").Activity.Hours
	if len(hours) != 24 {
		t.Fatalf("%d hours", len(hours))
	}
	for i, h := range hours {
		diff(t, "hour", Hour{Start: noon.Add(time.Duration(i-23) * time.Hour), Requests: 2, Errors: 1}, h)
	}
	b.now = func() time.Time { return noon.Add(22*time.Hour + 59*time.Minute) }
	if hours := read(t, b, "acme").Activity.Hours; len(hours) != 2 || !hours[0].Start.Equal(noon.Add(-time.Hour)) {
		t.Errorf("a day later: %v", hours)
	}
	if got := read(t, b, "acme").Activity; got.Requests != 80 || got.Errors != 40 {
		t.Errorf("counted %d requests and %d errors", got.Requests, got.Errors)
	}
}

// Several processes over one store lose no count.
func TestProcessesShareTheReport(t *testing.T) {
	t.Parallel()
	s := newFlaky()
	const processes, requests = 6, 50
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			b := newBook(s)
			for n := range requests {
				b.Add("acme", noon, Entry{Operation: "create", ResourceType: "User", Status: 201, Changed: true, Tally: tally(t, `{"userName":"a","title":"t"}`)})
				if n%10 == 9 {
					if err := b.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	r := read(t, newBook(s), "acme")
	if r.Activity.Requests != processes*requests || r.Activity.Changes != processes*requests {
		t.Errorf("%d requests, %d changes", r.Activity.Requests, r.Activity.Changes)
	}
	for _, a := range r.Attributes {
		if a.Kept+a.Dropped != processes*requests {
			t.Errorf("%s: kept %d, dropped %d", a.Name, a.Kept, a.Dropped)
		}
	}
}

// Adding, flushing, reading and forgetting at once: for the race detector, and
// what is counted at last is there.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	b := newBook(newFlaky())
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range 50 {
				b.Add("acme", noon, patched(200))
				b.Add(fmt.Sprint("t", n), noon, patched(200))
				switch i % 5 {
				case n:
					if _, err := b.Read(t.Context(), "acme"); err != nil {
						t.Error(err)
					}
				case 4:
					if err := b.Flush(t.Context()); err != nil {
						t.Error(err)
					}
					b.Forget(fmt.Sprint("t", n))
				}
			}
		})
	}
	wg.Wait()
	if got := read(t, b, "acme").Activity.Requests; got != 200 {
		t.Errorf("counted %d requests", got)
	}
	if err := b.Flush(t.Context()); err != nil || len(b.pages) != 0 {
		t.Errorf("%v, %d pages are left", err, len(b.pages))
	}
}

// Whatever becomes of commits, each request is counted once.
func TestUncertainCommits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// applied tells whether the commits whose answer is lost take effect.
		applied bool
		lost    func(n int) bool
		flushes int // until all is told
	}{
		{"applied, once", true, func(n int) bool { return n == 1 }, 1},
		{"not applied, once", false, func(n int) bool { return n == 1 }, 1},
		{"applied, always", true, func(int) bool { return true }, 1},
		{"not applied, for a while", false, func(n int) bool { return n < 6 }, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newFlaky()
			b := newBook(s)
			lose := func(n int) error {
				if c.lost(n) {
					return fmt.Errorf("a test: %w", store.ErrUncertain)
				}
				return nil
			}
			if c.applied {
				s.after = lose
			} else {
				s.before = lose
			}
			for n := 1; n <= 10; n++ {
				b.Add("acme", noon, patched(200))
				err := b.Flush(t.Context())
				if (err == nil) != (n >= c.flushes) {
					t.Errorf("flush %d: %v", n, err)
				}
				if n >= c.flushes {
					if got := read(t, newBook(s), "acme").Activity.Requests; got != int64(n) {
						t.Errorf("after flush %d: %d requests", n, got)
					}
				}
			}
		})
	}
}

// A commit whose answer was lost while the store went away is resolved when it
// is back, whatever has come since and whoever has written since.
func TestUncertainWhileAway(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		s := newFlaky()
		b := newBook(s)
		lose := func(n int) error {
			if n > 0 {
				return nil
			}
			s.setDown(true)
			return store.ErrUncertain
		}
		if applied {
			s.after = lose
		} else {
			s.before = lose
		}
		b.Add("acme", noon, patched(200))
		if err := b.Flush(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("flushed: %v", err)
		}
		b.Add("acme", noon, patched(200))
		if err := b.Flush(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("flushed again: %v", err)
		}
		if _, err := b.Read(t.Context(), "acme"); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("read: %v", err)
		}
		s.setDown(false)
		another := newBook(s)
		another.Add("acme", noon, patched(200))
		if err := another.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Add("acme", noon, patched(200))
		if got := read(t, b, "acme").Activity.Requests; got != 4 {
			t.Errorf("applied %t: %d requests", applied, got)
		}
	}
}

func TestConflictsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	s := newFlaky()
	b := newBook(s)
	s.before = func(n int) error {
		if n < 100 {
			return &store.ConflictError{Kind: store.Report, ID: "acme"}
		}
		return nil
	}
	b.Add("acme", noon, patched(200))
	var conflict *store.ConflictError
	if err := b.Flush(t.Context()); !errors.As(err, &conflict) || s.commits > 50 {
		t.Errorf("%v after %d commits", err, s.commits)
	}
	s.before = nil
	if got := read(t, b, "acme").Activity.Requests; got != 1 {
		t.Errorf("%d requests", got)
	}
}

// While the store is away what is counted is bounded, and nothing waits for it.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	s := newFlaky()
	s.setDown(true)
	b := newBook(s)
	for n := range maxTenants + 5 {
		b.Add(fmt.Sprint("t", n), noon, patched(200))
	}
	b.Add("t7", noon, patched(200))
	for range 3 {
		if err := b.Flush(t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if len(b.pages) != maxTenants || b.lost != 5 {
		t.Errorf("%d tenants wait, %d requests are lost", len(b.pages), b.lost)
	}
	s.setDown(false)
	if got := read(t, b, "t7").Activity.Requests; got != 2 {
		t.Errorf("%d requests", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("flushed in a context that is over: %v", err)
	}
	if got := read(t, b, "t8").Activity.Requests; got != 1 {
		t.Errorf("%d requests", got)
	}
}

// Names that a client makes up are bounded, altogether too; names that the
// schemas know are not displaced by them.
func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	s := newFlaky()
	for round := range 2 {
		b := newBook(s)
		for n := range 40 {
			var user strings.Builder
			for i := range 50 {
				fmt.Fprintf(&user, `"x%d-%d-%d":1,`, round, n, i)
			}
			b.Add("acme", noon, Entry{Tally: tally(t, `{"other":1,`+user.String()+`"userName":"a","title":"t"}`)})
		}
		if n := len(read(t, b, "acme").Attributes); n != maxUnknown+3 {
			t.Errorf("%d names", n)
		}
	}
	r := read(t, newBook(s), "acme")
	var sum int64
	for _, a := range r.Attributes {
		sum += a.Dropped
		switch a.Name {
		case "userName":
			if a.Kept != 80 {
				t.Errorf("userName was kept %d times", a.Kept)
			}
		case "title":
			if a.Dropped != 80 {
				t.Errorf("title was dropped %d times", a.Dropped)
			}
		case other:
			if a.Dropped != 80+4000-maxUnknown || a.Known {
				t.Errorf("others were dropped %d times", a.Dropped)
			}
		}
	}
	if sum != 4160 {
		t.Errorf("%d were dropped altogether", sum)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	s := newFlaky()
	b := newBook(s)
	b.Add("acme", noon, patched(200))
	b.Forget("acme")
	b.Forget("nobody")
	if err := b.Flush(t.Context()); err != nil || s.body(t, "acme") != "" {
		t.Errorf("%v, stored %q", err, s.body(t, "acme"))
	}
	// Also where a flush is between reading and writing.
	b.Add("acme", noon, patched(200))
	s.before = func(int) error {
		b.Forget("acme")
		return &store.ConflictError{Kind: store.Report, ID: "acme"}
	}
	if err := b.Flush(t.Context()); err != nil || s.body(t, "acme") != "" {
		t.Errorf("%v, stored %q", err, s.body(t, "acme"))
	}
	s.before = nil
	b.Add("acme", noon, patched(200))
	if got := read(t, b, "acme").Activity.Requests; got != 1 {
		t.Errorf("a tenant of the same name: %d requests", got)
	}
}

// A record that cannot be read is told of and left as it is; other tenants are
// written all the same.
func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"v":2}`, `{"v":1,"attributes":[{"kept":-1}]}`, `{"v":1,"new":true}`} {
		s := newFlaky()
		s.setBody(t, "acme", body)
		b := newBook(s)
		for range 3 {
			b.Add("acme", noon, patched(200))
			b.Add("zeta", noon, patched(200))
			if err := b.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "report of tenant acme is damaged") {
				t.Errorf("%s: flushed: %v", body, err)
			}
			if _, err := b.Read(t.Context(), "acme"); err == nil || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("%s: read: %v", body, err)
			}
			if got := s.body(t, "acme"); got != body {
				t.Errorf("%s was written over: %s", body, got)
			}
		}
		if got := read(t, b, "zeta").Activity.Requests; got != 3 {
			t.Errorf("%s: %d requests of another tenant", body, got)
		}
		// Once the record is removed, nothing is missing.
		rs, err := s.Store.Get(t.Context(), store.SystemTenant, store.Report, "acme")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Store.Commit(t.Context(), store.SystemTenant, &store.Batch{Time: noon, Delete: []store.Delete{{Kind: store.Report, ID: "acme", Expect: rs[0].Version}}}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, b, "acme").Activity.Requests; got != 3 {
			t.Errorf("%s: %d requests after all", body, got)
		}
	}
}

// Run is on time, by the clock of a bubble.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		var log bytes.Buffer
		b := New(s, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { b.Run(ctx); close(done) }()
		stored := func() int64 {
			t.Helper()
			synctest.Wait()
			body := s.body(t, "acme")
			if body == "" {
				return 0
			}
			r, err := decode([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			return r.Activity.Requests
		}
		add := func() { b.Add("acme", time.Now(), patched(200)) }
		after := func(d time.Duration, want int64) {
			t.Helper()
			time.Sleep(d)
			if got := stored(); got != want {
				t.Errorf("%d requests are stored, want %d", got, want)
			}
		}
		time.Sleep(time.Hour)
		add()
		after(soon-time.Millisecond, 0)
		add()
		after(2*time.Millisecond, 2)
		add()
		after(interval-time.Second, 2)
		after(2*time.Second, 3)
		after(time.Hour, 3)
		add()
		after(soon+time.Millisecond, 4)

		s.setDown(true)
		add()
		for n := range maxTenants {
			b.Add(fmt.Sprint("t", n), time.Now(), patched(200))
		}
		after(time.Millisecond, 4)
		b.Add("no room", time.Now(), patched(200))
		after(10*interval, 4)
		if n := strings.Count(log.String(), "reports could not be written"); n != 11 {
			t.Errorf("%d failures are in the log", n)
		}
		if n := strings.Count(log.String(), "requests=1"); n != 2 {
			t.Errorf("the log tells %d times of what was lost", n)
		}
		s.setDown(false)
		after(interval, 5)

		// Many tenants do not wait for their turn.
		after(time.Hour, 5)
		add()
		for n := range maxTenants + 3 {
			b.Add(fmt.Sprint("t", n), time.Now(), patched(200))
		}
		after(time.Millisecond, 6)
		b.Add("more", time.Now(), patched(200))

		add()
		cancel()
		<-done
		if got := stored(); got != 7 {
			t.Errorf("%d requests are stored at the end", got)
		}
	})
}

// The last flush does not wait for ever.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(stuck{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		b.Add("acme", time.Now(), patched(200))
		start := time.Now()
		cancel()
		b.Run(ctx)
		if d := time.Since(start); d != farewell {
			t.Errorf("it took %v", d)
		}
	})
}

// stuck is a store that answers when nobody wants to know any more.
type stuck struct{ store.Store }

func (stuck) Get(ctx context.Context, _ string, _ store.Kind, _ ...string) ([]store.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
