package directory

import (
	"context"
	"errors"
	"sync"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// lookupsAtOnce is how many userNames are looked up at the same time: a request
// may name thousands of members.
const lookupsAtOnce = 16

// holders finds the live users who have the userNames; names that are free are
// left out.
func (d *Directory) holders(ctx context.Context, names []string) (map[string]string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ids := make([]string, len(names))
	next := make(chan int)
	var all sync.WaitGroup
	for range min(lookupsAtOnce, len(names)) {
		all.Go(func() {
			for i := range next {
				id, err := d.store.Lookup(ctx, d.tenant, store.User, folded(byUserName, names[i]))
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					cancel(err)
				}
				ids[i] = id
			}
		})
	}
	for i := range names {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	all.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	held := map[string]string{}
	for i, name := range names {
		if ids[i] != "" {
			held[name] = ids[i]
		}
	}
	return held, nil
}
