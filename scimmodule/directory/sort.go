package directory

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// sortable is a result with what it is sorted by.
type sortable struct {
	kind store.Kind
	id   string
	has  bool
	num  float64
	text string
}

// sorted answers in the order of an attribute (RFC 7644 §3.4.2.3): values
// without a value last, or first when descending; equals in the order of ids.
// A page is a part of the whole order, so the cursor is an offset.
func (d *Directory) sorted(ctx context.Context, q Query, list []selection, p page) (Answer, error) {
	refs := map[store.Kind]schema.Ref{}
	for _, s := range list {
		if r, ok := d.View(s.kind).Resolve(q.SortBy); ok && r.Attr != nil && s.sortableBy(r) {
			refs[s.kind] = r
		}
	}
	if len(refs) == 0 && len(list) > 0 {
		return Answer{}, scimerr.BadRequest(scimerr.InvalidPath, "The results cannot be sorted by the attribute that sortBy names: this service does not keep it, or it has no order.")
	}
	var all []sortable
	for _, s := range list {
		r, keyed := refs[s.kind]
		err := d.each(ctx, s, func(rec store.Record, o *attr.Members) error {
			x := sortable{kind: s.kind, id: rec.ID}
			if keyed {
				x.by(r, o)
			}
			if all = append(all, x); len(all) > d.set.MaxScan {
				return d.tooMany()
			}
			return nil
		})
		if err != nil {
			return Answer{}, err
		}
	}
	slices.SortFunc(all, func(a, b sortable) int {
		c := a.compare(b)
		if q.Descending {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
	a := Answer{Total: len(all)}
	from := min(p.skip, len(all))
	to := min(from+p.take, len(all))
	if to < len(all) && p.take > 0 {
		a.Next = position{Skip: to}.String()
	}
	for _, x := range all[from:to] {
		rs, err := d.store.Get(ctx, d.tenant, x.kind, x.id)
		if err != nil {
			return a, err
		}
		a.Records = append(a.Records, rs...)
	}
	return a, nil
}

// sortableBy tells whether the attribute has an order.
func (selection) sortableBy(r schema.Ref) bool {
	leaf := r.Leaf()
	if leaf.Type == schema.Complex {
		leaf = leaf.Find("value")
	}
	return leaf != nil && leaf.Type != schema.Binary && r.Attr.Name != "members" && r.Attr.Name != "groups"
}

// by takes the sort key from a resource: of several values the primary one, or
// else the first.
func (x *sortable) by(r schema.Ref, o *attr.Members) {
	v, ok := r.Get(o)
	if !ok {
		return
	}
	leaf := r.Leaf()
	if list := v.List(); v.Kind() == attr.Array {
		if len(list) == 0 {
			return
		}
		v = list[0]
		for _, e := range list {
			if p, ok := e.Object().Get("primary"); ok && p.Bool() {
				v = e
				break
			}
		}
	}
	if v.Kind() == attr.Object {
		sub := leaf
		if leaf.Type == schema.Complex {
			sub = leaf.Find("value")
		}
		if v, ok = v.Object().Get(sub.Name); !ok {
			return
		}
		leaf = sub
	}
	x.has = !v.IsNull()
	switch v.Kind() {
	case attr.Bool:
		x.text = strconv.FormatBool(v.Bool())
	case attr.Number:
		x.num, _ = strconv.ParseFloat(v.Text(), 64)
	default:
		x.text = v.Text()
		if leaf.Type == schema.DateTime {
			if t, err := schema.ParseDateTime(x.text); err == nil {
				x.text = t.UTC().Format("2006-01-02T15:04:05.000000000")
			}
		} else if !leaf.CaseExact {
			x.text = attr.Fold(x.text)
		}
	}
}

func (x sortable) compare(y sortable) int {
	if x.has != y.has {
		if x.has {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(x.num, y.num), strings.Compare(x.text, y.text))
}
