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

// scanPage is how many records a scan reads at once.
const scanPage = 200

// access is how the store finds the records that an equality allows.
type access struct {
	rank   int        // the lower, the fewer records
	id     string     // the one id
	key    *store.Key // an index
	unique bool       // key is unique
	exact  bool       // the index holds what the allow list of today keeps, and no more
	edges  *store.EdgeQuery
}

// index chooses the index that serves the filter best; ok is false where none
// does.
func (s selection) index(d *Directory) (best access, ok bool) {
	for _, e := range s.filter.Equals() {
		a, served := d.access(s.kind, e)
		if served && (!ok || a.rank < best.rank) {
			best, ok = a, true
		}
	}
	return best, ok
}

func (d *Directory) access(k store.Kind, e filter.Equality) (access, bool) {
	listed := func(rank int, key store.Key, exact bool) (access, bool) {
		return access{rank: rank, key: &key, exact: exact}, true
	}
	switch {
	case e.Value == "":
		return access{}, false
	case e.Name == "id":
		return access{id: e.Value}, true
	case e.Name == "userName" && k == store.User:
		key := folded(byUserName, e.Value)
		return access{rank: 1, key: &key, unique: true}, true
	case e.Name == "externalId":
		return listed(2, exact(byExternalID, e.Value), true)
	case e.Name == "displayName" && k == store.Group:
		return listed(2, folded(byDisplayName, e.Value), true)
	case e.Name == "emails.value" && k == store.User:
		// Until a sweep, the addresses of an earlier, wider list are there too.
		return listed(3, folded(byEmail, e.Value), false)
	case e.Name == "members.value" && k == store.Group:
		return access{rank: 4, edges: &store.EdgeQuery{Member: e.Value}}, true
	case e.Name == "groups.value" && k == store.User:
		return access{rank: 5, edges: &store.EdgeQuery{Group: e.Value}}, true
	}
	return access{}, false
}

// each visits the records that the selection matches, in the order of their ids,
// with the resource as the filter saw it. It looks at no more records than the
// tenant's budget.
func (d *Directory) each(ctx context.Context, s selection, visit func(store.Record, *attr.Members) error) error {
	examine := func(rs []store.Record) error {
		for _, r := range rs {
			o, err := d.resource(ctx, s, r)
			if err != nil {
				return err
			}
			if s.filter != nil && !s.filter.Match(o) {
				continue
			}
			if err := visit(r, o); err != nil {
				return err
			}
		}
		return nil
	}
	var a access
	ok := false
	if s.filter != nil {
		a, ok = s.index(d)
	}
	switch {
	case ok && a.edges != nil:
		return d.eachNeighbour(ctx, s, *a.edges, examine)
	case ok && (a.unique || a.key == nil):
		id := a.id
		if a.key != nil {
			var err error
			if id, err = d.store.Lookup(ctx, d.tenant, s.kind, *a.key); err != nil {
				if errors.Is(err, store.ErrNotFound) {
					return nil
				}
				return err
			}
		}
		if !ValidID(id) {
			return nil
		}
		rs, err := d.store.Get(ctx, d.tenant, s.kind, id)
		if err != nil {
			return err
		}
		return examine(rs)
	}
	q := store.Query{Kind: s.kind, Limit: scanPage}
	if ok {
		q.Key = a.key
	}
	for {
		p, err := d.store.Scan(ctx, d.tenant, q)
		if err != nil {
			return err
		}
		if p.Total > d.set.MaxScan {
			return d.tooMany()
		}
		if err := examine(p.Records); err != nil {
			return err
		}
		if q.After = p.Next; q.After == "" {
			return nil
		}
	}
}

// eachNeighbour examines the records at the other side of a membership.
func (d *Directory) eachNeighbour(ctx context.Context, s selection, q store.EdgeQuery, examine func([]store.Record) error) error {
	q.Limit = scanPage
	for {
		p, err := d.store.Edges(ctx, d.tenant, q)
		if err != nil {
			return err
		}
		if p.Total > d.set.MaxScan {
			return d.tooMany()
		}
		var ids []string
		for _, m := range p.Members {
			if m.Kind == s.kind {
				ids = append(ids, m.ID)
			}
		}
		rs, err := d.store.Get(ctx, d.tenant, s.kind, ids...)
		if err != nil {
			return err
		}
		if err := examine(rs); err != nil {
			return err
		}
		if q.After = p.Next; q.After == (store.Member{}) {
			return nil
		}
	}
}

func (d *Directory) tooMany() error {
	return scimerr.BadRequest(scimerr.TooMany,
		"This query would have to look at more than %d resources. Filter by equality (eq) on id, userName, externalId, emails.value or a group's displayName.", d.set.MaxScan).At("scan_budget")
}

// resource decodes a record into what filters and sorting see: with id and meta,
// and with members or groups where the filter asks for them.
func (d *Directory) resource(ctx context.Context, s selection, r store.Record) (*attr.Members, error) {
	l, err := d.load(r)
	if err != nil {
		return nil, err
	}
	o := l.attrs
	o.Set("id", attr.Of(r.ID))
	o.Set("meta", d.Meta(r, s.base))
	if s.filter == nil {
		return o, nil
	}
	if _, said := o.Get("active"); r.Kind == store.User && !said && s.filter.Uses("active") {
		o.Set("active", attr.OfBool(true)) // what its absence means
	}
	if s.filter.Uses("schemas") {
		o.Set("schemas", attr.OfStrings(schemasOf(d.View(r.Kind), o)...))
	}
	for _, side := range []struct {
		kind  store.Kind
		name  string
		query store.EdgeQuery
	}{
		{store.Group, "members", store.EdgeQuery{Group: r.ID}},
		{store.User, "groups", store.EdgeQuery{Member: r.ID}},
	} {
		if r.Kind != side.kind || !s.filter.Uses(side.name) || !d.View(r.Kind).Keeps(side.name) {
			continue
		}
		q := side.query
		if ids, ok := s.filter.Probe(side.name); ok {
			q.Only = slices.DeleteFunc(ids, func(id string) bool { return !ValidID(id) })
			if len(q.Only) == 0 {
				continue // nobody has such an id
			}
			if err := s.spend(d, 1); err != nil {
				return nil, err
			}
			p, err := d.store.Edges(ctx, d.tenant, q)
			if err != nil {
				return nil, err
			}
			o.Set(side.name, edgeValues(p.Members, s.base, side.kind))
			continue
		}
		var ms []store.Member
		if err := s.spend(d, 1); err != nil {
			return nil, err
		}
		err := d.eachEdge(ctx, q, func(m store.Member) error {
			ms = append(ms, m)
			return s.spend(d, 1)
		})
		if err != nil {
			return nil, err
		}
		o.Set(side.name, edgeValues(ms, s.base, side.kind))
	}
	return o, nil
}

// edgeValues are members of a group, or the groups of a user.
func edgeValues(ms []store.Member, base string, of store.Kind) attr.Value {
	list := make([]attr.Value, len(ms))
	for i, m := range ms {
		if of == store.User {
			list[i] = groupValue(m.ID, base)
			continue
		}
		list[i] = memberValue(m, base)
	}
	return attr.OfList(list...)
}

func groupValue(id, base string) attr.Value {
	return attr.OfObject(attr.NewObject(
		attr.Member{Name: "value", Value: attr.Of(id)},
		attr.Member{Name: "$ref", Value: attr.Of(base + "/Groups/" + id)},
		attr.Member{Name: "type", Value: attr.Of("direct")},
	))
}
