package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// refusals are the codes of replies with which a server refuses a command for
// its own state or ours, not for the command's sake: nothing was applied.
var refusals = []string{
	"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "READONLY", "MASTERDOWN", "OOM", "NOREPLICAS", "MISCONF",
	"BUSY", "NOAUTH", "WRONGPASS", "NOPERM", "EXECABORT", "NOSCRIPT",
}

// refused tells whether err is a reply with one of the codes in refusals.
func refused(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false
	}
	text := reply.Error()
	return slices.Contains(refusals, code(text)) || strings.HasPrefix(text, "ERR max number of clients reached") ||
		strings.HasPrefix(text, "ERR invalid password")
}

// code is the first word of an error reply.
func code(text string) string {
	first, _, _ := strings.Cut(text, " ")
	return first
}

// brief is an error without what Redis may repeat in it: names of keys and
// arguments, which hold personal values.
func brief(err error) string {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return err.Error()
	}
	text := reply.Error()
	if code(text) != "ERR" {
		return code(text)
	}
	if end := strings.IndexAny(text, "'\"`:,("); end >= 0 {
		text = strings.TrimSpace(text[:end])
	}
	return text[:min(len(text), 80)]
}

// ended is the context's error. A connection that has the context's deadline
// may be told of it a moment before the context.
func ended(ctx context.Context) error {
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// readError says what became of a call that wrote nothing.
func readError(ctx context.Context, err error) error {
	if err := ended(ctx); err != nil {
		return err
	}
	var reply redis.Error
	if errors.As(err, &reply) && !refused(err) {
		return fmt.Errorf("redisstore: unexpected reply: %s", brief(err))
	}
	return fmt.Errorf("redisstore: %w: %s", store.ErrUnavailable, brief(err))
}

// broken tells whether a connection broke that had been fine, as after a
// restart of the server: worth another try on a fresh one.
func broken(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "dial" || op.Timeout()) {
		return false
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// read runs f, all of it within the timeout for reads, and once more where the
// connection broke.
func (s *Store) read(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.opt.ReadTimeout)
	defer cancel()
	if !s.opened.Load() {
		if err := s.checkLayout(limited); err != nil {
			return outcome(ctx, err)
		}
	}
	return outcome(ctx, twice(limited, f))
}

func twice(ctx context.Context, f func(ctx context.Context) error) error {
	err := f(ctx)
	if err != nil && broken(err) && ctx.Err() == nil {
		err = f(ctx)
	}
	return err
}

// outcome leaves the errors alone that are ours already.
func outcome(ctx context.Context, err error) error {
	var truncated *store.TruncatedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound), errors.Is(err, ErrLayout), errors.Is(err, errEnvelope),
		errors.Is(err, errQuery), errors.As(err, &truncated):
		return err
	default:
		return readError(ctx, err)
	}
}
