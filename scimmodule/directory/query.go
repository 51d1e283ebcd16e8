package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/filter"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Query asks for users, groups or both (RFC 7644 §3.4.2).
type Query struct {
	Kinds      []store.Kind // User, Group or both, in the order of the answer
	Filter     filter.Expr  // nil selects all
	SortBy     string       // an attribute path; "" sorts by id
	Descending bool
	// Start is the 1-based index of the first result; less than 1 means 1.
	Start int
	// Count is how many results to return at the most; nil takes the default.
	// Index paging clamps it, cursor paging refuses what is out of range
	// (RFC 9865 §2.1).
	Count *int
	// Cursor, where not nil, asks for cursor paging: "" for the first page.
	Cursor *string
	// Base is the public address of the endpoint, for filters over $ref and
	// meta.location.
	Base string
}

// Answer is one page of results.
type Answer struct {
	Total   int
	Start   int // 1-based; 0 with cursor paging
	Records []store.Record
	// Next is the cursor of the following page; "" when this is the last, or
	// with index paging.
	Next string
}

// page is what to return of the results of one kind after another: skip results,
// then take some; with cursors, those behind an id instead.
type page struct {
	skip, take int
	after      string
}

// Query answers a query. Errors: 400 invalidFilter for a filter on something
// that no kind keeps, 400 tooMany where it would have to look at more records
// than allowed, 400 invalidCursor and invalidCount.
func (d *Directory) Query(ctx context.Context, q Query) (Answer, error) {
	p, pos, err := d.paging(q)
	if err != nil {
		return Answer{}, err
	}
	selections, err := d.selections(q)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	if q.SortBy != "" {
		a, err = d.sorted(ctx, q, selections, p)
	} else {
		a, err = d.listed(ctx, selections, p, pos)
	}
	if err != nil {
		return Answer{}, storeError(err)
	}
	if q.Cursor == nil {
		a.Start = p.skip + 1
		a.Next = ""
	} else if a.Next != "" {
		a.Next = d.seal(q, p.take, a.Next)
	}
	for i := range a.Records {
		if a.Records[i], err = d.refresh(a.Records[i]); err != nil {
			return Answer{}, err
		}
	}
	return a, nil
}

func (d *Directory) paging(q Query) (page, position, error) {
	p := page{take: d.set.DefaultPage}
	if q.Count != nil {
		p.take = *q.Count
	}
	if q.Cursor == nil {
		p.take = min(max(p.take, 0), d.set.MaxPage)
		p.skip = max(q.Start, 1) - 1
		return p, position{}, nil
	}
	p.take = max(p.take, 0) // RFC 9865 §2: a negative count means 0
	if p.take > d.set.MaxPage {
		return p, position{}, scimerr.BadRequest(scimerr.InvalidCount, "With a cursor, count has to be between 0 and %d.", d.set.MaxPage).At("page")
	}
	pos, err := d.open(q, p.take, *q.Cursor)
	p.skip, p.after = pos.Skip, pos.After
	return p, pos, err
}

// selection is a query as it applies to one kind.
type selection struct {
	kind   store.Kind
	filter *filter.Filter // nil selects all
	base   string
	// budget is how many records and edges the query may still look at.
	budget *int
}

// spend takes from the budget; the error is a 400 tooMany.
func (s selection) spend(d *Directory, n int) error {
	if *s.budget -= n; *s.budget < 0 {
		return d.tooMany()
	}
	return nil
}

// selections compiles the filter for each kind. A kind of which the filter asks
// what it does not keep has no results; if that is so for all, it is an error.
func (d *Directory) selections(q Query) ([]selection, error) {
	var list []selection
	var refused error
	budget := d.set.MaxScan
	for _, k := range q.Kinds {
		s := selection{kind: k, base: q.Base, budget: &budget}
		if q.Filter != nil {
			f, err := filter.Compile(q.Filter, d.View(k))
			if errors.Is(err, filter.ErrNotKept) {
				refused = err
				continue
			}
			if err != nil {
				return nil, err
			}
			s.filter = f
		}
		list = append(list, s)
	}
	if len(list) == 0 && refused != nil {
		return nil, refused
	}
	return list, nil
}

// listed answers in the order of ids, one kind after another.
func (d *Directory) listed(ctx context.Context, list []selection, p page, pos position) (Answer, error) {
	var a Answer
	for i, s := range list {
		after := ""
		want := page{skip: max(p.skip-a.Total, 0), take: p.take - len(a.Records)}
		if p.after != "" || pos.Kind != "" {
			want.skip = 0
			switch at := slices.IndexFunc(list, func(o selection) bool { return o.kind == pos.Kind }); {
			case i < at:
				want.take = 0
			case i == at:
				after = p.after
			}
		}
		if a.Next != "" {
			want.take = 0 // the next page begins with what is left of this one's kind
		}
		want.after = after
		r, err := d.selectKind(ctx, s, want)
		if err != nil {
			return a, err
		}
		a.Total += r.Total
		a.Records = append(a.Records, r.Records...)
		if a.Next == "" && r.Next != "" {
			a.Next = position{Kind: s.kind, After: r.Next}.String()
		}
		if a.Next == "" && want.take > 0 && len(a.Records) == p.take && i+1 < len(list) {
			a.Next = position{Kind: list[i+1].kind}.String()
		}
	}
	return a, nil
}

// selectKind returns the results of one kind. Next is the last id of the page
// where more follow.
func (d *Directory) selectKind(ctx context.Context, s selection, p page) (Answer, error) {
	if s.filter == nil {
		return d.slice(ctx, store.Query{Kind: s.kind}, p)
	}
	if eq, ok := s.index(d); ok && eq.exact && s.filter.Exact() {
		return d.slice(ctx, store.Query{Kind: s.kind, Key: eq.key}, p)
	}
	var a Answer
	err := d.each(ctx, s, func(r store.Record, _ *attr.Members) error {
		a.Total++
		if p.after != "" && r.ID <= p.after || p.after == "" && a.Total <= p.skip {
			return nil
		}
		if len(a.Records) < p.take {
			a.Records = append(a.Records, r)
			return nil
		}
		if p.take > 0 {
			a.Next = a.Records[p.take-1].ID
		}
		return nil
	})
	return a, err
}

// slice reads a page straight from the store's own order.
func (d *Directory) slice(ctx context.Context, q store.Query, p page) (Answer, error) {
	q.Limit, q.Offset, q.After = p.take, p.skip, p.after
	if q.After != "" {
		q.Offset = 0
	}
	r, err := d.store.Scan(ctx, d.tenant, q)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Total: r.Total, Records: r.Records, Next: r.Next}
	return a, nil
}
