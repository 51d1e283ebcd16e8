package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func claim(key store.Key, id string) store.Claim {
	return store.Claim{Kind: store.User, Key: key, ID: id}
}

func testClaims(e *env) {
	key := userName("bjensen")
	e.commit(&store.Batch{Put: []store.Put{{Record: user("u1")}}, Claim: []store.Claim{claim(key, "u1")}})
	e.equal("holder", e.holder(store.User, key), "u1")
	e.equal("holder in another kind", e.holder(store.Group, key), "")
	e.equal("holder in another index", e.holder(store.User, store.Key{Index: "userNam", Value: "ebjensen"}), "")
	e.equal("holder of another case", e.holder(store.User, userName("Bjensen")), "")

	_, err := e.try(&store.Batch{Put: []store.Put{{Record: user("u2")}}, Claim: []store.Claim{claim(key, "u2")}})
	e.unique(err, store.UniqueError{Kind: store.User, Index: "userName", Holder: "u1"})
	if strings.Contains(err.Error(), "bjensen") {
		e.Errorf("the error tells the value: %v", err)
	}
	e.equal("not created", e.getAll(store.User, "u2"), []store.Record(nil))

	// Holding it already is fine, and so is the same key of another kind.
	e.commit(&store.Batch{Claim: []store.Claim{claim(key, "u1"), {Kind: store.Group, Key: key, ID: "u2"}}})
	e.equal("holder", e.holder(store.User, key), "u1")
	e.equal("group holder", e.holder(store.Group, key), "u2")

	_, err = e.try(&store.Batch{Release: []store.Claim{claim(key, "u2")}})
	e.conflict(err, store.User, "u2")
	_, err = e.try(&store.Batch{Release: []store.Claim{claim(userName("free"), "u1")}})
	e.conflict(err, store.User, "u1")

	e.commit(&store.Batch{Release: []store.Claim{claim(key, "u1")}})
	e.equal("holder after release", e.holder(store.User, key), "")
	e.equal("group holder after release", e.holder(store.Group, key), "u2")
	e.commit(&store.Batch{Claim: []store.Claim{claim(key, "u2")}})
	e.equal("next holder", e.holder(store.User, key), "u2")
}

func testClaimMoves(e *env) {
	a, b, c := userName("a"), userName("b"), userName("c")
	e.commit(&store.Batch{Claim: []store.Claim{claim(a, "u1"), claim(b, "u2"), claim(c, "u3")}})

	e.commit(&store.Batch{Release: []store.Claim{claim(a, "u1")}, Claim: []store.Claim{claim(a, "u4")}})
	e.equal("moved", e.holder(store.User, a), "u4")

	e.commit(&store.Batch{
		Release: []store.Claim{claim(a, "u4"), claim(b, "u2")},
		Claim:   []store.Claim{claim(b, "u4"), claim(a, "u2")},
	})
	e.equal("swapped", []string{e.holder(store.User, a), e.holder(store.User, b)}, []string{"u2", "u4"})

	e.commit(&store.Batch{Release: []store.Claim{claim(c, "u3")}, Claim: []store.Claim{claim(c, "u3")}})
	e.equal("released and taken again", e.holder(store.User, c), "u3")

	// A release of one key does not excuse the claim of another.
	_, err := e.try(&store.Batch{Release: []store.Claim{claim(a, "u2")}, Claim: []store.Claim{claim(b, "u2")}})
	e.unique(err, store.UniqueError{Kind: store.User, Index: "userName", Holder: "u4"})
	// A release by another than the holder does not either.
	_, err = e.try(&store.Batch{Release: []store.Claim{claim(a, "u9")}, Claim: []store.Claim{claim(a, "u9")}})
	if c, u := new(store.ConflictError), new(store.UniqueError); !errors.As(err, &c) && !errors.As(err, &u) {
		e.Fatalf("error = %v, want a conflict or unique error", err)
	}
	e.equal("kept", []string{e.holder(store.User, a), e.holder(store.User, b)}, []string{"u2", "u4"})
}

func entry(key store.Key, id string) store.Entry {
	return store.Entry{Kind: store.User, Key: key, ID: id}
}

// under returns the ids under a key, read both as ids and as records.
func (e *env) under(kind store.Kind, key store.Key) []string {
	e.Helper()
	ids := e.scan(store.Query{Kind: kind, Key: &key, Limit: maxLimit, IDsOnly: true})
	full := e.scan(store.Query{Kind: kind, Key: &key, Limit: maxLimit})
	e.equal("records and ids", recordIDs(full.Records), recordIDs(ids.Records))
	e.equal("total", ids.Total, len(ids.Records))
	return recordIDs(ids.Records)
}

func testIndex(e *env) {
	x := store.Key{Index: "externalId", Value: "x"}
	b := &store.Batch{}
	for _, id := range []string{"u3", "u10", "U1", "u1", "u2"} {
		b.Put = append(b.Put, store.Put{Record: user(id)})
		b.Index = append(b.Index, entry(x, id))
	}
	e.commit(b)
	e.equal("in byte order", e.under(store.User, x), []string{"U1", "u1", "u10", "u2", "u3"})
	e.equal("another kind", e.under(store.Group, x), []string(nil))
	e.equal("another value", e.under(store.User, store.Key{Index: "externalId", Value: "X"}), []string(nil))
	e.equal("no claim", e.holder(store.User, x), "")

	version := e.get(store.User, "u1").Version
	e.commit(&store.Batch{Index: []store.Entry{entry(x, "u1")}, Unindex: []store.Entry{entry(x, "u10"), entry(x, "none")}})
	e.equal("after changes", e.under(store.User, x), []string{"U1", "u1", "u2", "u3"})
	e.equal("version", e.get(store.User, "u1").Version, version)
	e.commit(&store.Batch{Unindex: []store.Entry{entry(x, "u10")}})
	e.equal("after a no-op", e.under(store.User, x), []string{"U1", "u1", "u2", "u3"})

	before := e.commit(&store.Batch{Put: []store.Put{{Record: user("u5")}}}).Revision
	res := e.commit(&store.Batch{Index: []store.Entry{entry(x, "u1")}, Unindex: []store.Entry{entry(x, "u10")}})
	e.equal("revision after nothing", res.Revision, before)

	page := e.scan(store.Query{Kind: store.User, Key: &x, After: "u1", Limit: 1})
	e.equal("page", recordIDs(page.Records), []string{"u2"})
	e.equal("page's total and next", []any{page.Total, page.Next}, []any{4, "u2"})
	e.equal("full record", page.Records[0], e.get(store.User, "u2"))
	page = e.scan(store.Query{Kind: store.User, Key: &x, Offset: 3, Limit: 5})
	e.equal("last page", []any{recordIDs(page.Records), page.Total, page.Next}, []any{[]string{"u3"}, 4, ""})

	e.commit(&store.Batch{
		Delete:  []store.Delete{{Kind: store.User, ID: "u2", Expect: store.Any}},
		Unindex: []store.Entry{entry(x, "u2")},
	})
	e.equal("after a delete", e.under(store.User, x), []string{"U1", "u1", "u3"})
}

func testBinaryKeys(e *env) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	values := []string{
		"", "\x00", "\x00\x00", "\xff", "\xff\xff", "\n", "\r\n", " ", "{", "}", "{acme}", "a}b{c", "[", "(", "\"", "\\", "|", ":", "a:b", "a",
		"b:a", "é", "e\u0301", "🙂", "\xc3\x28", "%00", "*", "?", string(all), string(all) + string(all), strings.Repeat("\xff", store.MaxKeyValue),
		strings.Repeat("a", store.MaxKeyValue), strings.Repeat("a", store.MaxKeyValue-1),
	}
	indexes := []string{"a", "ab", "emails.value", "0"}
	b := &store.Batch{}
	type pair struct {
		key store.Key
		id  string
	}
	var pairs []pair
	for _, index := range indexes {
		for _, value := range values {
			p := pair{store.Key{Index: index, Value: value}, fmt.Sprint("u", len(pairs))}
			pairs = append(pairs, p)
			b.Put = append(b.Put, store.Put{Record: user(p.id)})
			b.Claim = append(b.Claim, claim(p.key, p.id))
			b.Index = append(b.Index, entry(p.key, p.id))
		}
	}
	e.commit(b)
	for _, p := range pairs {
		e.equal(fmt.Sprintf("holder of %q", p.key), e.holder(store.User, p.key), p.id)
		e.equal(fmt.Sprintf("ids under %q", p.key), e.under(store.User, p.key), []string{p.id})
	}
	// Each is released on its own.
	for i, p := range pairs {
		if i%2 == 0 {
			e.commit(&store.Batch{Release: []store.Claim{claim(p.key, p.id)}, Unindex: []store.Entry{entry(p.key, p.id)}})
		}
	}
	for i, p := range pairs {
		holder, ids := p.id, []string{p.id}
		if i%2 == 0 {
			holder, ids = "", nil
		}
		e.equal(fmt.Sprintf("holder of %q", p.key), e.holder(store.User, p.key), holder)
		e.equal(fmt.Sprintf("ids under %q", p.key), e.under(store.User, p.key), ids)
	}
}

func testScan(e *env) {
	const n = 23
	key := store.Key{Index: "k", Value: "v"}
	b := &store.Batch{}
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprint("u", i))
		b.Put = append(b.Put, store.Put{Record: user(ids[i])})
		b.Index = append(b.Index, entry(key, ids[i]))
	}
	b.Put = append(b.Put, store.Put{Record: group("g1")})
	e.commit(b)
	slices.Sort(ids)

	for _, key := range []*store.Key{nil, &key} {
		for _, limit := range []int{1, 2, 10, n - 1, n, n + 1, maxLimit} {
			var got []string
			after := ""
			for {
				page := e.scan(store.Query{Kind: store.User, Key: key, After: after, Limit: limit})
				e.equal("total", page.Total, n)
				if len(page.Records) > limit {
					e.Fatalf("%d records in a page of %d", len(page.Records), limit)
				}
				got = append(got, recordIDs(page.Records)...)
				if page.Next == "" {
					break
				}
				e.equal("next", page.Next, got[len(got)-1])
				if after = page.Next; len(got) >= n {
					e.Fatalf("limit %d: a next page after all records", limit)
				}
			}
			e.equal(fmt.Sprintf("all, in pages of %d", limit), got, ids)

			for offset := 0; offset <= n+1; offset++ {
				page := e.scan(store.Query{Kind: store.User, Key: key, Offset: offset, Limit: limit})
				from := min(offset, n)
				to := min(from+limit, n)
				next := ""
				if to < n {
					next = ids[to-1]
				}
				e.equal(fmt.Sprintf("offset %d, limit %d", offset, limit),
					[]any{recordIDs(page.Records), page.Total, page.Next}, []any{ids[from:to], n, next})
			}
		}
		page := e.scan(store.Query{Kind: store.User, Key: key})
		e.equal("total alone", []any{page.Records, page.Total}, []any{[]store.Record(nil), n})
		page = e.scan(store.Query{Kind: store.User, Key: key, After: "u15x", Limit: 2})
		e.equal("after an id that is not there", recordIDs(page.Records), []string{"u16", "u17"})
		page = e.scan(store.Query{Kind: store.User, Key: key, After: "zzz", Limit: 2})
		e.equal("after the end", []any{recordIDs(page.Records), page.Total, page.Next}, []any{[]string(nil), n, ""})
	}
}

func testIDsOnly(e *env) {
	r := user("u1")
	r.Allow, r.Provisional = "abc", true
	e.create(r, user("u2"))
	page := e.scan(store.Query{Kind: store.User, Limit: 10, IDsOnly: true})
	e.equal("ids only", page, store.Page{
		Records: []store.Record{{Kind: store.User, ID: "u1"}, {Kind: store.User, ID: "u2"}}, Total: 2,
	})
	page = e.scan(store.Query{Kind: store.User, Limit: 1, IDsOnly: true})
	e.equal("page of ids", page, store.Page{Records: []store.Record{{Kind: store.User, ID: "u1"}}, Total: 2, Next: "u1"})
}

// testScanInserts: what was there before a scan by After began is read exactly
// once, however much is added meanwhile.
func testScanInserts(e *env) {
	want := map[string]bool{}
	b := &store.Batch{}
	for i := range 200 {
		id := fmt.Sprintf("u%03d", i)
		want[id] = true
		b.Put = append(b.Put, store.Put{Record: user(id)})
	}
	e.commit(b)
	ctx, cancel := context.WithCancel(e.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; i < 2000 && ctx.Err() == nil; i++ {
			id := fmt.Sprintf("u%03dx%d", i*37%200, i)
			if _, err := e.try(&store.Batch{Put: []store.Put{{Record: user(id)}}}); err != nil {
				e.Errorf("Commit: %v", err)
				return
			}
		}
	})
	defer wg.Wait()
	defer cancel()
	for range 3 {
		seen := map[string]bool{}
		last, after := "", ""
		for {
			page := e.scan(store.Query{Kind: store.User, After: after, Limit: 7})
			for _, r := range page.Records {
				if r.ID <= last {
					e.Fatalf("%q after %q", r.ID, last)
				}
				last = r.ID
				seen[r.ID] = true
			}
			if page.Total < len(want) {
				e.Fatalf("total %d, want at least %d", page.Total, len(want))
			}
			if after = page.Next; after == "" {
				break
			}
		}
		for id := range want {
			if !seen[id] {
				e.Fatalf("%q was not read", id)
			}
		}
	}
}
