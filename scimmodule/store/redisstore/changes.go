package redisstore

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

//go:embed changes.lua
var changesSource string

var changesScript = redis.NewScript(changesSource)

var errEntry = errors.New("redisstore: an entry of the change log is not in the expected form")

// Changes implements store.Store, in one round trip.
func (s *Store) Changes(ctx context.Context, tenant string, after uint64, limit int) ([]store.Change, error) {
	ks, err := s.keyspace(tenant)
	if err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, errQuery
	}
	var out []store.Change
	err = s.read(ctx, func(ctx context.Context) error {
		out, err = s.changes(ctx, ks, after, limit)
		return err
	})
	return out, err
}

func (s *Store) changes(ctx context.Context, ks keyspace, after uint64, limit int) ([]store.Change, error) {
	answer, err := changesScript.Run(ctx, s.client, []string{ks.changes(), ks.logged(), ks.floor()},
		strconv.FormatUint(after, 10), limit).Slice()
	if err != nil {
		return nil, err
	}
	if len(answer) == 2 && answer[0] == "truncated" {
		text, _ := answer[1].(string)
		oldest, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, errEntry
		}
		return nil, &store.TruncatedError{Oldest: oldest}
	}
	if len(answer) != 3 || answer[0] != "ok" {
		return nil, errEntry
	}
	entries, _ := answer[1].([]any)
	records, _ := answer[2].([]any)
	if len(entries) != len(records) {
		return nil, errEntry
	}
	out := make([]store.Change, len(entries))
	for i := range entries {
		if out[i], err = parseChange(entries[i], records[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// parseChange reads an entry of the stream and the record that goes with it, if any.
func parseChange(entry, record any) (store.Change, error) {
	var c store.Change
	pair, _ := entry.([]any)
	if len(pair) != 2 {
		return c, errEntry
	}
	id, _ := pair[0].(string)
	seq, ok := strings.CutSuffix(id, "-0")
	fields, _ := pair[1].([]any)
	var err error
	if c.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil || !ok {
		return c, errEntry
	}
	var kind string
	for i := 0; i+1 < len(fields); i += 2 {
		name, _ := fields[i].(string)
		value, _ := fields[i+1].(string)
		if name == "kind" {
			kind = value
		}
		if err := setField(&c, name, value); err != nil {
			return c, fmt.Errorf("%w: entry %d", err, c.Seq)
		}
	}
	if text, ok := record.(string); ok {
		r, err := parseRecord(store.Kind(kind), c.ID, text)
		if err != nil {
			return c, err
		}
		c.Record = &r
	}
	return c, nil
}

func setField(c *store.Change, name, value string) (err error) {
	ok := true
	switch name {
	case "type":
		c.Type = store.EventType(value)
	case "id":
		c.ID = value
	case "version":
		c.Version, ok = store.ParseVersion(value)
	case "time":
		c.Time, err = time.Parse(timeForm, value)
		c.Time = c.Time.UTC()
	case "actor":
		c.Actor = value
	case "changed":
		err = json.Unmarshal([]byte(value), &c.Changed)
	case "added":
		c.Added, err = parseMembers(value)
	case "removed":
		c.Removed, err = parseMembers(value)
	}
	if err != nil || !ok {
		return errEntry
	}
	return nil
}

// parseMembers reads a list such as ["user:1","group:2"].
func parseMembers(text string) ([]store.Member, error) {
	var list []string
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	out := make([]store.Member, len(list))
	for i, m := range list {
		kind, id, ok := strings.Cut(m, ":")
		if !ok {
			return nil, errEntry
		}
		out[i] = store.Member{ID: id, Kind: store.Kind(kind)}
	}
	return out, nil
}

// redactPage is how many entries Redact looks at in one round trip.
const redactPage = 500

// Redact implements store.Store. Redis keeps the bytes of a deleted stream
// entry until its neighbours go, too; the record is kept apart for that reason,
// and is gone at once.
func (s *Store) Redact(ctx context.Context, tenant string, drop func(store.Change) bool) (int, error) {
	ks, err := s.keyspace(tenant)
	if err != nil {
		return 0, err
	}
	dropped := 0
	var after uint64
	for {
		page, err := s.Changes(ctx, tenant, after, redactPage)
		var truncated *store.TruncatedError
		if errors.As(err, &truncated) {
			after = truncated.Oldest
			continue
		}
		if err != nil {
			return dropped, err
		}
		var ids, seqs []string
		for _, c := range page {
			after = c.Seq
			if drop(c) {
				seq := strconv.FormatUint(c.Seq, 10)
				ids, seqs = append(ids, seq+"-0"), append(seqs, seq)
			}
		}
		n, err := s.deleteEntries(ctx, ks, ids, seqs)
		dropped += n
		if err != nil || len(page) < redactPage {
			return dropped, err
		}
	}
}

func (s *Store) deleteEntries(ctx context.Context, ks keyspace, ids, seqs []string) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	var deleted int64
	err := s.read(ctx, func(ctx context.Context) error {
		pipe := s.client.TxPipeline()
		gone := pipe.XDel(ctx, ks.changes(), ids...)
		pipe.HDel(ctx, ks.logged(), seqs...)
		_, err := pipe.Exec(ctx)
		deleted = gone.Val()
		return err
	})
	return int(deleted), err
}
