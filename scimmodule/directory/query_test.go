package directory

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func count(n int) *int        { return &n }
func cursor(s string) *string { return &s }
func both() []store.Kind      { return []store.Kind{store.User, store.Group} }
func users() []store.Kind     { return []store.Kind{store.User} }
func (e *env) fill(u, g int)  { e.people(u); e.teams(g) }
func (e *env) people(n int) (ids []string) {
	for i := range n {
		ids = append(ids, e.user(fmt.Sprintf(`{"userName":"u%03d","locale":"l%d"}`, i, i%3)).ID)
	}
	return ids
}
func (e *env) teams(n int) (ids []string) {
	for i := range n {
		ids = append(ids, e.group(fmt.Sprintf(`{"displayName":"g%03d"}`, i)).ID)
	}
	return ids
}

// Pages by index and by cursor, over one type and two, by any order and filter,
// add up to the whole: no duplicates, no gaps, totals right.
func TestPaging(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}, set: Settings{MaxPage: 50}})
	e.fill(23, 9)
	some := e.ids1(Query{Kinds: users(), Count: count(50)})
	g := e.group(`{"displayName":"last","members":["` + strings.Join(some[:7], `","`) + `"]}`)
	for _, c := range []struct {
		name   string
		q      Query
		filter string
		total  int
	}{
		{"users", Query{Kinds: users()}, "", 23},
		{"groups", Query{Kinds: []store.Kind{store.Group}}, "", 10},
		{"both", Query{Kinds: both()}, "", 33},
		{"both, the other way round", Query{Kinds: []store.Kind{store.Group, store.User}}, "", 33},
		{"both, by a scan", Query{Kinds: both()}, `meta.resourceType pr`, 33},
		{"both, but users alone match", Query{Kinds: both()}, `meta.resourceType eq "User"`, 23},
		{"both, but groups alone match", Query{Kinds: both()}, `displayName sw "g"`, 9},
		{"both, one of them does not keep it", Query{Kinds: both()}, `userName pr`, 23},
		{"by an index", Query{Kinds: []store.Kind{store.Group}}, `displayName eq "G003"`, 1},
		{"by members", Query{Kinds: users()}, `groups.value eq "` + g.ID + `"`, 7},
		{"nothing", Query{Kinds: both()}, `id eq "nobody"`, 0},
		{"sorted", Query{Kinds: users(), SortBy: "locale"}, "", 23},
		{"sorted, descending", Query{Kinds: users(), SortBy: "locale", Descending: true}, `userName co "1"`, 12},
		{"sorted over both", Query{Kinds: both(), SortBy: "displayName"}, "", 33},
	} {
		if c.filter != "" {
			c.q.Filter = parse(t, c.filter)
		}
		c.q.Base = address
		all := c.q
		all.Count = count(50)
		whole, a := e.ids(all)
		if a.Total != c.total || len(whole) != c.total {
			t.Errorf("%s: %d of %d results, want %d", c.name, len(whole), a.Total, c.total)
			continue
		}
		for _, size := range []int{1, 2, 5, 9, 10, 23, 24, 33, 50} {
			var byIndex, byCursor []string
			for start := 1; start <= c.total+1; start += size {
				q := c.q
				q.Start, q.Count = start, count(size)
				ids, a := e.ids(q)
				if a.Total != c.total || a.Start != start || a.Next != "" || len(ids) != min(size, c.total-start+1) {
					t.Errorf("%s: page of %d from %d: %d results, total %d, start %d, next %q", c.name, size, start, len(ids), a.Total, a.Start, a.Next)
				}
				byIndex = append(byIndex, ids...)
			}
			next, pages := "", 0
			for {
				q := c.q
				q.Cursor, q.Count = cursor(next), count(size)
				ids, a := e.ids(q)
				if a.Total != c.total || a.Start != 0 || len(ids) > size {
					t.Errorf("%s: cursor page of %d: %d results, total %d, start %d", c.name, size, len(ids), a.Total, a.Start)
				}
				byCursor = append(byCursor, ids...)
				if next = a.Next; next == "" {
					break
				}
				if pages++; pages > c.total+2 {
					t.Fatalf("%s: pages without an end", c.name)
				}
			}
			if diff := cmp.Diff(whole, append([]string{}, byIndex...)); diff != "" {
				t.Errorf("%s: index pages of %d (-whole +pages):\n%s", c.name, size, diff)
			}
			if diff := cmp.Diff(whole, append([]string{}, byCursor...)); diff != "" {
				t.Errorf("%s: cursor pages of %d (-whole +pages):\n%s", c.name, size, diff)
			}
		}
	}
}

func (e *env) ids1(q Query) []string { e.t.Helper(); ids, _ := e.ids(q); return ids }

func TestPageSizes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{set: Settings{MaxPage: 6, DefaultPage: 4}})
	e.fill(9, 0)
	for _, c := range []struct {
		name  string
		start int
		count *int
		want  int
		from  int
	}{
		{"the default", 1, nil, 4, 1},
		{"none", 1, count(0), 0, 1},
		{"negative is none", 1, count(-3), 0, 1},
		{"more than the limit", 1, count(1000), 6, 1},
		{"from 0", 0, count(2), 2, 1},
		{"from below 0", -5, count(2), 2, 1},
		{"from the middle", 8, count(6), 2, 8},
		{"behind the end", 100, count(6), 0, 100},
	} {
		for _, f := range []filter.Expr{nil, parse(t, "userName pr")} {
			ids, a := e.ids(Query{Kinds: users(), Start: c.start, Count: c.count, Filter: f})
			if len(ids) != c.want || a.Total != 9 || a.Start != c.from {
				t.Errorf("%s: %d results of %d from %d", c.name, len(ids), a.Total, a.Start)
			}
		}
	}
}

func TestCursors(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{set: Settings{MaxPage: 6, DefaultPage: 4}})
	e.fill(20, 0)
	q := Query{Kinds: users(), Count: count(5), Cursor: cursor("")}
	_, first := e.ids(q)
	for _, c := range []struct {
		name string
		d    *Directory
		edit func(q *Query)
		want string
	}{
		{"as it is", e.d, func(*Query) {}, ""},
		{"another count", e.d, func(q *Query) { q.Count = count(6) }, "400 invalidCount"},
		{"no count", e.d, func(q *Query) { q.Count = nil }, "400 invalidCount"},
		{"a count that is too large", e.d, func(q *Query) { q.Count = count(7) }, "400 invalidCount"},
		{"a negative count", e.d, func(q *Query) { q.Count = count(-1) }, "400 invalidCount"},
		{"another filter", e.d, func(q *Query) { q.Filter = parse(t, "userName pr") }, "400 invalidCursor"},
		{"another order", e.d, func(q *Query) { q.SortBy = "userName" }, "400 invalidCursor"},
		{"another direction", e.d, func(q *Query) { q.Descending = true }, "400 invalidCursor"},
		{"another type", e.d, func(q *Query) { q.Kinds = []store.Kind{store.Group} }, "400 invalidCursor"},
		{"both types", e.d, func(q *Query) { q.Kinds = both() }, "400 invalidCursor"},
		{"another tenant", e.other("umbrella", with{set: Settings{MaxPage: 6}}), func(*Query) {}, "400 invalidCursor"},
		{"rubbish", e.d, func(q *Query) { q.Cursor = cursor("rubbish!") }, "400 invalidCursor"},
		{"too short", e.d, func(q *Query) { q.Cursor = cursor("AAAA") }, "400 invalidCursor"},
		{"shortened", e.d, func(q *Query) { q.Cursor = cursor(first.Next[:len(first.Next)-2]) }, "400 invalidCursor"},
		{"padded", e.d, func(q *Query) { q.Cursor = cursor(first.Next + "==") }, "400 invalidCursor"},
		{"very long", e.d, func(q *Query) { q.Cursor = cursor(strings.Repeat("A", 1<<16)) }, "400 invalidCursor"},
	} {
		p := q
		p.Cursor = cursor(first.Next)
		c.edit(&p)
		_, err := c.d.Query(t.Context(), p)
		if got := failure(err); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// Each byte counts.
	raw, err := base64.RawURLEncoding.DecodeString(first.Next)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		bad := slices.Clone(raw)
		bad[i] ^= 1
		p := q
		p.Cursor = cursor(base64.RawURLEncoding.EncodeToString(bad))
		if _, err := e.d.Query(t.Context(), p); failure(err) != "400 invalidCursor" {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	// The record where the page ended may go.
	q.Cursor = cursor(first.Next)
	want := e.ids1(q)
	e.delete(store.User, first.Records[4].ID)
	if diff := cmp.Diff(want, e.ids1(q)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestSorting(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	ext := func(s string) string { return `"` + extURN + `":{` + s + `}` }
	labels := map[string]string{}
	for _, u := range []struct{ name, body string }{
		{"a", `{"userName":"bB","title":"x","emails":[{"value":"z@x"},{"value":"a@x","primary":true}],` + ext(`"level":10,"since":"2026-01-01T10:00:00+05:00"`) + `}`},
		{"b", `{"userName":"Aa","title":"X","emails":[{"value":"M@x"}],"active":true,` + ext(`"level":9,"since":"2026-01-01T04:00:00Z"`) + `}`},
		{"c", `{"userName":"cc","name":{"familyName":"f"},"active":false,` + ext(`"level":-1`) + `}`},
		{"d", `{"userName":"ab","title":"w","emails":[{"value":"b@x"}],` + ext(`"since":"2026-01-01T04:30:00"`) + `}`},
	} {
		labels[e.user(u.body).ID] = u.name
	}
	for _, c := range []struct {
		by        string
		up, down  string
		refusedAs string
	}{
		{"userName", "b d a c", "c a d b", ""},
		{"USERNAME", "b d a c", "c a d b", ""},
		{"title", "d a b c", "c a b d", ""}, // x and X are equal: by id
		{"emails", "a d b c", "c b d a", ""},
		{"emails.value", "a d b c", "c b d a", ""},
		{"active", "c b a d", "a d b c", ""},
		{extURN + ":level", "c b a d", "d a b c", ""},
		{"level", "c b a d", "d a b c", ""},
		{extURN + ":since", "b d a c", "c a d b", ""},
		{"meta.created", "a b c d", "d c b a", ""},
		{"id", "a b c d", "d c b a", ""},
		{"name.familyName", "c a b d", "a b d c", ""},
		{"name", "", "", "400 invalidPath"},
		{"shoeSize", "", "", "400 invalidPath"},
		{"password", "", "", "400 invalidPath"},
		{"groups", "", "", "400 invalidPath"},
		{"groups.value", "", "", "400 invalidPath"},
		{"x509Certificates", "", "", "400 invalidPath"},
		{extURN, "", "", "400 invalidPath"},
		{"[", "", "", "400 invalidPath"},
	} {
		for down, want := range map[bool]string{false: c.up, true: c.down} {
			a, err := e.d.Query(t.Context(), Query{Kinds: users(), SortBy: c.by, Descending: down})
			if got := failure(err); got != c.refusedAs {
				t.Errorf("%s: %q, want %q", c.by, got, c.refusedAs)
				continue
			}
			var got []string
			for _, r := range a.Records {
				got = append(got, labels[r.ID])
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s, descending %t: %v, want %s", c.by, down, got, want)
			}
		}
	}
}

func TestScanBudget(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}, set: Settings{MaxScan: 10}})
	ids := e.people(10)
	g := e.group(`{"displayName":"g","members":["` + strings.Join(ids, `","`) + `"]}`)
	q := func(f, sort string) error {
		t.Helper()
		p := Query{Kinds: users(), SortBy: sort}
		if f != "" {
			p.Filter = parse(t, f)
		}
		_, err := e.d.Query(t.Context(), p)
		return err
	}
	wantFailure(t, q(`locale eq "l1"`, ""), "")
	extra := e.user(`{"userName":"extra","externalId":"x","emails":[{"value":"a@x"}]}`)
	e.patch(store.Group, g.ID, `[{"op":"add","path":"members","value":["`+extra.ID+`"]}]`)
	for _, c := range []struct{ filter, sort, want string }{
		{`locale eq "l1"`, "", "400 tooMany"},
		{`not (userName eq "extra")`, "", "400 tooMany"},
		{`userName eq "extra" or id eq "x"`, "", "400 tooMany"},
		{"", "userName", "400 tooMany"},
		{`groups.value eq "` + g.ID + `"`, "", "400 tooMany"},
		{"", "", ""},
		{`userName eq "EXTRA"`, "", ""},
		{`userName eq "extra" and locale co "x"`, "userName", ""},
		{`id eq "` + extra.ID + `"`, "", ""},
		{`externalId eq "x"`, "", ""},
		{`externalId eq "x" and title pr`, "", ""},
		{`emails[type eq "work"].value eq "a@x"`, "", ""},
		{`emails.value eq "a@x" and active eq true`, "", ""},
	} {
		if got := failure(q(c.filter, c.sort)); got != c.want {
			t.Errorf("%s by %s: %q, want %q", c.filter, c.sort, got, c.want)
		}
	}
	// One member of a group of any size is looked up without reading the group.
	if got := e.find(store.Group, `id eq "`+g.ID+`" and members eq "`+extra.ID+`"`); len(got) != 1 {
		t.Errorf("the membership probe finds %v", got)
	}
}

// A filter on what no type keeps is refused, with the exception that Entra's
// manager probe needs.
func TestFiltersOnWhatIsNotKept(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"a"}`)
	for _, c := range []struct {
		kinds  []store.Kind
		filter string
		want   string
		n      int
	}{
		{users(), `title eq "x"`, "400 invalidFilter", 0},
		{users(), `shoeSize eq "x"`, "400 invalidFilter", 0},
		{users(), `id eq "` + u.ID + `" and manager eq "m"`, "", 0},
		{users(), `id eq "` + u.ID + `" or manager eq "m"`, "400 invalidFilter", 0},
		{both(), `userName eq "a"`, "", 1},
		{both(), `displayName eq "g"`, "", 0},
		{both(), `title eq "x"`, "400 invalidFilter", 0},
	} {
		a, err := e.d.Query(t.Context(), Query{Kinds: c.kinds, Filter: parse(t, c.filter)})
		if got := failure(err); got != c.want || len(a.Records) != c.n {
			t.Errorf("%s: %q with %d results", c.filter, got, len(a.Records))
		}
	}
}

// Whatever index serves a filter, the answer is that of a scan.
func TestIndexesAgreeWithAScan(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	var uids, gids []string
	for i := range 12 {
		uids = append(uids, e.user(fmt.Sprintf(`{"userName":"U%d","externalId":"x%d","active":%t,"emails":[{"value":"m%d@x","type":"work"},{"value":"M%d@X","type":"home"}]}`,
			i, i%4, i%2 == 0, i%3, (i+1)%3)).ID)
	}
	for i := range 6 {
		members := []string{uids[i], uids[(i*5+1)%12], uids[(i+7)%12]}
		if i > 0 {
			members = append(members, gids[i-1])
		}
		gids = append(gids, e.group(fmt.Sprintf(`{"displayName":"G%d","externalId":"x%d","members":["%s"]}`, i, i%3, strings.Join(members, `","`))).ID)
	}
	ids := append(append([]string{"nobody", ""}, uids[:4]...), gids[:3]...)
	clause := func(k store.Kind) *rapid.Generator[string] {
		choices := []*rapid.Generator[string]{
			rapid.Map(rapid.SampledFrom(ids), func(id string) string { return `id eq "` + id + `"` }),
			rapid.Map(rapid.IntRange(0, 4), func(i int) string { return fmt.Sprintf(`externalId eq "x%d"`, i) }),
			rapid.Map(rapid.IntRange(0, 4), func(i int) string { return fmt.Sprintf(`externalId ne "x%d"`, i) }),
			rapid.Just(`externalId eq "X1"`), rapid.Just(`meta.resourceType pr`), rapid.Just(`id gt "` + uids[5] + `"`),
		}
		if k == store.User {
			choices = append(choices,
				rapid.Map(rapid.IntRange(0, 13), func(i int) string { return fmt.Sprintf(`userName eq "u%d"`, i) }),
				rapid.Map(rapid.IntRange(0, 3), func(i int) string { return fmt.Sprintf(`emails.value eq "M%d@x"`, i) }),
				rapid.Map(rapid.IntRange(0, 3), func(i int) string { return fmt.Sprintf(`emails[value eq "m%d@x" and type eq "home"]`, i) }),
				rapid.Map(rapid.IntRange(0, 3), func(i int) string { return fmt.Sprintf(`emails[type eq "work"].value eq "m%d@x"`, i) }),
				rapid.Map(rapid.SampledFrom(gids), func(id string) string { return `groups.value eq "` + id + `"` }),
				rapid.Map(rapid.SampledFrom(gids), func(id string) string { return `groups[value ne "` + id + `"]` }),
				rapid.Just(`active eq true`), rapid.Just(`not (groups pr)`))
		} else {
			choices = append(choices,
				rapid.Map(rapid.IntRange(0, 7), func(i int) string { return fmt.Sprintf(`displayName eq "g%d"`, i) }),
				rapid.Map(rapid.SampledFrom(ids), func(id string) string { return `members eq "` + id + `"` }),
				rapid.Map(rapid.SampledFrom(ids), func(id string) string { return `members.value ne "` + id + `"` }),
				rapid.Map(rapid.SampledFrom(ids), func(id string) string { return `members[value eq "` + id + `" and type eq "User"]` }),
				rapid.Just(`members.type eq "Group"`), rapid.Just(`members[type eq "User"]`), rapid.Just(`displayName sw "G"`))
		}
		return rapid.OneOf(choices...)
	}
	check := func(fatalf func(string, ...any), k store.Kind, text string) {
		expr := parse(t, text)
		f, err := filter.Compile(expr, e.d.View(k))
		if err != nil {
			fatalf("%s: %v", text, err)
		}
		want := []string{}
		for _, id := range e.ids1(Query{Kinds: []store.Kind{k}, Count: count(200)}) {
			if f.Match(e.whole(k, id)) {
				want = append(want, id)
			}
		}
		q := Query{Kinds: []store.Kind{k}, Filter: expr, Base: address, Count: count(200)}
		got, a := e.ids(q)
		if diff := cmp.Diff(want, got); diff != "" || a.Total != len(want) {
			fatalf("%s (total %d, -scan +answer):\n%s", text, a.Total, diff)
		}
		q.SortBy = "id"
		if diff := cmp.Diff(want, e.ids1(q)); diff != "" {
			fatalf("%s, sorted (-scan +answer):\n%s", text, diff)
		}
	}
	// A look at one member must not hide the others from another clause.
	u := uids[0]
	for _, text := range []string{
		`members eq "` + u + `" and members.value ne "` + u + `"`,
		`members eq "` + u + `" and not (members[type eq "Group"])`,
		`members eq "` + uids[1] + `" and members.type eq "Group"`,
		`members eq "` + u + `" and not (members co "0")`,
		`members[value eq "` + u + `"] and members[value gt "` + u + `"]`,
		`id eq "` + gids[0] + `" and members eq "` + u + `" and not (members eq "` + uids[1] + `")`,
		`members[value eq "` + uids[1] + `" and value eq "` + uids[1] + `"] and members.type eq "Group"`,
		`members[value eq "` + uids[1] + `"].value eq "` + uids[1] + `" and members.type eq "Group"`,
		`displayName eq "g1" and members.value ne "` + u + `"`,
	} {
		t.Run(text, func(t *testing.T) { check(t.Fatalf, store.Group, text) })
	}
	t.Run("random filters", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			for range 10 {
				k := rapid.SampledFrom([]store.Kind{store.User, store.Group}).Draw(rt, "kind")
				text := ""
				for i, p := range rapid.SliceOfN(clause(k), 1, 4).Draw(rt, "clauses") {
					if rapid.IntRange(0, 4).Draw(rt, "not") == 0 {
						p = "not (" + p + ")"
					}
					if i > 0 {
						text += rapid.SampledFrom([]string{" and ", " and ", " or "}).Draw(rt, "connective")
					}
					text += p
				}
				check(rt.Fatalf, k, text)
			}
		})
	})
}

// whole is a resource with everything that filters may ask for.
func (e *env) whole(k store.Kind, id string) *attr.Members {
	e.t.Helper()
	l, err := e.d.read(e.t.Context(), k, id)
	if err != nil {
		e.t.Fatal(err)
	}
	o := l.attrs
	o.Set("id", attr.Of(id))
	o.Set("meta", e.d.Meta(l.Record, address))
	edges, name := e.d.Members(e.t.Context(), id), "members"
	if k == store.User {
		edges, name = e.d.Groups(e.t.Context(), id), "groups"
	}
	var list []attr.Value
	for m, err := range edges {
		if err != nil {
			e.t.Fatal(err)
		}
		if k == store.User {
			list = append(list, groupValue(m.ID, address))
		} else {
			list = append(list, memberValue(m, address))
		}
	}
	if len(list) > 0 {
		o.Set(name, attr.OfList(list...))
	}
	return o
}
