package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

//go:embed commit.lua
var commitSource string

var commitSHA = redis.NewScript(commitSource).Hash()

// Commit implements store.Store. A batch of more than 250,000 Redis keys or
// 64 MiB is store.ErrTooLarge.
func (s *Store) Commit(ctx context.Context, tenant string, b *store.Batch) (store.Result, error) {
	if err := ctx.Err(); err != nil {
		return store.Result{}, err
	}
	ks, err := s.keyspace(tenant)
	if err != nil {
		return store.Result{}, err
	}
	sc, err := encode(ks, b, s.opt.Log, s.opt.WaitReplicas > 0)
	if err != nil {
		return store.Result{}, err
	}
	if err := s.read(ctx, func(context.Context) error { return nil }); err != nil { // the layout
		return store.Result{}, err
	}
	limited, cancel := context.WithTimeout(ctx, s.opt.WriteTimeout+s.opt.WaitTimeout)
	defer cancel()
	x := &exchange{s: s, keys: sc.keys, batch: &payload{data: sc.payload}}
	answer, err := x.run(limited)
	if err != nil {
		return store.Result{}, x.failure(ctx, tenant, err)
	}
	res, err := result(b, sc, answer)
	if err == nil && x.replicas < s.opt.WaitReplicas {
		s.log.LogAttrs(ctx, slog.LevelWarn, "too few replicas have a commit",
			slog.String("tenant", tenant), slog.Int("replicas", x.replicas), slog.Int("want", s.opt.WaitReplicas))
		return store.Result{}, fmt.Errorf("redisstore: %w: %d of %d replicas have it", store.ErrUncertain, x.replicas, s.opt.WaitReplicas)
	}
	return res, err
}

// payload is the last argument of the script. That it is asked for its bytes
// is the sign that sending begins: an error before is sure to have changed
// nothing.
type payload struct {
	data []byte
	sent atomic.Bool
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (p *payload) MarshalBinary() ([]byte, error) {
	p.sent.Store(true)
	return p.data, nil
}

// exchange is one run of the commit script.
type exchange struct {
	s        *Store
	keys     []string
	batch    *payload
	replicas int // how many have the commit; only where it is asked for
}

// run sends the batch, and again only where it surely was not applied: to a
// server that lacks the script, and to the slot's new master.
func (x *exchange) run(ctx context.Context) ([]any, error) {
	for attempt := 1; ; attempt++ {
		node, cluster, err := x.s.master(ctx, x.keys[0])
		var answer []any
		if err == nil {
			answer, err = x.send(ctx, node, "evalsha", commitSHA)
			if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
				answer, err = x.send(ctx, node, "eval", commitSource)
			}
		}
		if err == nil || !moved(ctx, cluster, attempt, err) {
			return answer, err
		}
	}
}

// moved tells whether to ask again: after a moment in which the cluster's
// client, nil outside of a cluster, finds a slot's new master.
func moved(ctx context.Context, cluster *redis.ClusterClient, attempt int, err error) bool {
	if cluster == nil {
		return false
	}
	cluster.ReloadState(ctx) // in the background
	if attempt == 3 || !redis.HasErrorPrefix(err, "MOVED") {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(attempt) * 50 * time.Millisecond):
		return true
	}
}

// master returns the server that has a key. The cluster client would repeat a
// commit after a lost reply, so it is talked to directly.
func (s *Store) master(ctx context.Context, key string) (*redis.Client, *redis.ClusterClient, error) {
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		node, err := c.MasterForKey(ctx, key)
		return node, c, err
	case *redis.Client:
		return c, nil, nil
	default:
		return nil, nil, fmt.Errorf("redisstore: client of type %T", c)
	}
}

func (x *exchange) send(ctx context.Context, node *redis.Client, command, script string) ([]any, error) {
	x.batch.sent.Store(false)
	args := make([]any, 0, len(x.keys)+4)
	args = append(args, command, script, len(x.keys))
	for _, k := range x.keys {
		args = append(args, k)
	}
	cmd := redis.NewSliceCmd(ctx, append(args, x.batch)...)
	if x.s.opt.WaitReplicas == 0 {
		_ = node.Process(ctx, cmd) // cmd has the error
		return cmd.Result()
	}
	pipe := node.Pipeline() // WAIT counts for the connection that wrote
	_ = pipe.Process(ctx, cmd)
	wait := pipe.Do(ctx, "wait", x.s.opt.WaitReplicas, x.s.opt.WaitTimeout.Milliseconds())
	_, _ = pipe.Exec(ctx) // the commands have their errors
	x.replicas, _ = wait.Int()
	return cmd.Result()
}

// failure says what became of a batch whose answer is an error.
func (x *exchange) failure(ctx context.Context, tenant string, err error) error {
	var reply redis.Error
	switch {
	case refused(err):
		return fmt.Errorf("redisstore: %w: %s", store.ErrUnavailable, brief(err))
	case errors.As(err, &reply):
		return fmt.Errorf("redisstore: unexpected reply: %s", brief(err))
	case x.batch.sent.Load():
		x.s.log.LogAttrs(ctx, slog.LevelWarn, "the answer to a commit was lost",
			slog.String("tenant", tenant), slog.String("error", brief(err)))
		return fmt.Errorf("redisstore: %w: %s", store.ErrUncertain, brief(err))
	case ended(ctx) != nil:
		return ended(ctx)
	default:
		return fmt.Errorf("redisstore: %w: %s", store.ErrUnavailable, brief(err))
	}
}

var errAnswer = errors.New("redisstore: unexpected answer of the commit script")

// result takes the script's answer apart.
func result(b *store.Batch, sc *script, answer []any) (store.Result, error) {
	if len(answer) < 2 {
		return store.Result{}, errAnswer
	}
	number := func(i int) int { // counted from 0 where the script counts from 1
		n, _ := answer[i].(int64)
		return int(n) - 1
	}
	switch answer[0] {
	case "ok":
		return okResult(b, answer)
	case "conflict":
		if len(answer) != 3 {
			return store.Result{}, errAnswer
		}
		var r recordID
		switch n := number(2); answer[1] {
		case "absent":
			r = sc.absent[n]
		case "expect":
			r = sc.expect[n]
		case "edgeless":
			r = sc.edgeless[n]
		case "release":
			r = recordID{b.Release[n].Kind, b.Release[n].ID}
		}
		return store.Result{}, &store.ConflictError{Kind: r.kind, ID: r.id}
	case "unique":
		if len(answer) != 3 {
			return store.Result{}, errAnswer
		}
		c := b.Claim[number(1)]
		holder, _ := answer[2].(string)
		return store.Result{}, &store.UniqueError{Kind: c.Kind, Index: c.Key.Index, Holder: holder}
	case "nogroup":
		return store.Result{}, &store.MissingError{Kind: store.Group, IDs: []string{b.Members[number(1)].Group}}
	case "missing":
		missing := &store.MissingError{}
		for i := 1; i < len(answer); i++ {
			missing.IDs = append(missing.IDs, sc.members[number(i)])
		}
		return store.Result{}, missing
	}
	return store.Result{}, errAnswer
}

func okResult(b *store.Batch, answer []any) (store.Result, error) {
	text, _ := answer[1].(string)
	revision, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(answer) != 2+2*len(b.Members) {
		return store.Result{}, errAnswer
	}
	res := store.Result{Revision: revision, Added: map[string]int{}, Removed: map[string]int{}}
	for i, c := range b.Members {
		added, _ := answer[2+2*i].(int64)
		removed, _ := answer[3+2*i].(int64)
		if added+removed > 0 {
			res.Added[c.Group], res.Removed[c.Group] = int(added), int(removed)
		}
	}
	return res, nil
}
