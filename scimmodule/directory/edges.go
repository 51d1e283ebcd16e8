package directory

import (
	"context"
	"iter"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// edgePage is how many edges are read at once: a group's members are streamed.
const edgePage = 2000

// eachEdge visits one side of the relation, all of it.
func (d *Directory) eachEdge(ctx context.Context, q store.EdgeQuery, visit func(store.Member) error) error {
	q.Limit = edgePage
	for {
		p, err := d.store.Edges(ctx, d.tenant, q)
		if err != nil {
			return err
		}
		for _, m := range p.Members {
			if err := visit(m); err != nil {
				return err
			}
		}
		if q.After = p.Next; q.After == (store.Member{}) {
			return nil
		}
	}
}

// Members iterates over a group's members, users first, reading some at a time.
// After an error the iteration ends.
func (d *Directory) Members(ctx context.Context, group string) iter.Seq2[store.Member, error] {
	return d.edges(ctx, store.EdgeQuery{Group: group})
}

// Groups iterates over the groups that a user is a direct member of.
func (d *Directory) Groups(ctx context.Context, user string) iter.Seq2[store.Member, error] {
	return d.edges(ctx, store.EdgeQuery{Member: user})
}

func (d *Directory) edges(ctx context.Context, q store.EdgeQuery) iter.Seq2[store.Member, error] {
	return func(yield func(store.Member, error) bool) {
		stopped := false
		err := d.eachEdge(ctx, q, func(m store.Member) error {
			if !yield(m, nil) {
				stopped = true
				return context.Canceled
			}
			return nil
		})
		if err != nil && !stopped {
			yield(store.Member{}, storeError(err))
		}
	}
}
