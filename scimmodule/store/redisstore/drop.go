package redisstore

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// dropChunk is how many keys Drop asks for in one SCAN, and deletes in one UNLINK.
const dropChunk = 1000

// literal escapes what is special in the pattern of SCAN.
var literal = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// Drop implements store.Store. It walks through all keys of the database, of
// whatever application, until a whole walk finds none of the tenant. In a
// cluster it walks on the master of the tenant's slot, and returns
// store.ErrUnavailable while that slot moves.
func (s *Store) Drop(ctx context.Context, tenant string, progress func(erased int)) error {
	if tenant == store.SystemTenant {
		return store.ErrSystem
	}
	ks, err := s.keyspace(tenant)
	if err != nil {
		return err
	}
	if err := s.read(ctx, func(context.Context) error { return nil }); err != nil { // the layout
		return err
	}
	e := eraser{s: s, ks: ks, progress: progress}
	for {
		found, err := e.walk(ctx)
		if err != nil {
			return outcome(ctx, err)
		}
		if !found {
			return nil
		}
	}
}

// eraser is one call of Drop.
type eraser struct {
	s        *Store
	ks       keyspace
	erased   int
	progress func(erased int)
}

// walk goes through the keys once, and again from the start where the
// connection broke or the slot has a new master.
func (e *eraser) walk(ctx context.Context) (found bool, err error) {
	for attempt := 1; ; attempt++ {
		node, cluster, err := e.s.master(ctx, e.ks.revision())
		if err == nil {
			err = twice(ctx, func(ctx context.Context) error {
				found, err = e.walkNode(ctx, node)
				return err
			})
		}
		if err == nil || !moved(ctx, cluster, attempt, err) {
			return found, err
		}
	}
}

// walkNode uses one connection: the cursor of SCAN means nothing to another
// server, which may take over the address in between.
func (e *eraser) walkNode(ctx context.Context, node *redis.Client) (found bool, err error) {
	conn := node.Conn()
	defer conn.Close()
	if err := e.stays(ctx, conn); err != nil {
		return false, err
	}
	var cursor uint64
	for {
		keys, next, err := e.scan(ctx, conn, cursor)
		if err != nil {
			return false, err
		}
		for chunk := range slices.Chunk(keys, dropChunk) {
			found = true
			if err := e.unlink(ctx, conn, chunk); err != nil {
				return false, err
			}
		}
		if cursor = next; cursor == 0 {
			return found, e.stays(ctx, conn)
		}
	}
}

// stays returns an error unless all keys of the tenant are on this server: in a
// cluster, asking for a key that is never there is answered MOVED by another
// server than the slot's master, and ASK while the slot moves away.
func (e *eraser) stays(ctx context.Context, conn *redis.Conn) error {
	return e.within(ctx, func(ctx context.Context) error { return conn.Exists(ctx, e.ks.start).Err() })
}

func (e *eraser) scan(ctx context.Context, conn *redis.Conn, cursor uint64) (keys []string, next uint64, err error) {
	err = e.within(ctx, func(ctx context.Context) error {
		keys, next, err = conn.Scan(ctx, cursor, literal.Replace(e.ks.start)+"*", dropChunk).Result()
		return err
	})
	// The pattern lets nothing else through; but what is deleted is not coming back.
	keys = slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, e.ks.start) })
	return keys, next, err
}

func (e *eraser) unlink(ctx context.Context, conn *redis.Conn, keys []string) error {
	return e.within(ctx, func(ctx context.Context) error {
		n, err := conn.Unlink(ctx, keys...).Result()
		e.erased += int(n)
		if n > 0 && e.progress != nil {
			e.progress(e.erased)
		}
		return err
	})
}

// within gives one exchange the time of a read.
func (e *eraser) within(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, e.s.opt.ReadTimeout)
	defer cancel()
	return f(limited)
}
