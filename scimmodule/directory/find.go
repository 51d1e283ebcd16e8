package directory

import (
	"context"
	"errors"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// MaxFound is how many matches Find returns at the most.
const MaxFound = 100

// State is where a user or group stands.
type State string

// The states. The record of what is erased, a purged user or a deleted group, is
// a tombstone: the bare id, and as Modified the time of the end. It does not tell
// which of the two it was.
const (
	StateLive     State = "live"
	StateArchived State = "archived"
	StateErased   State = "erased"
)

// Found is a match of Find.
type Found struct {
	Record store.Record // as the allow list of today shows it
	State  State
	By     string // what matched first: id, userName, displayName or externalId
}

// probe is one place to look in.
type probe struct {
	kind  store.Kind
	state State
	by    string
}

const byID = "id"

var probes = map[store.Kind][]probe{
	store.User: {
		{store.User, StateLive, byID},
		{store.User, StateLive, byUserName},
		{store.User, StateLive, byExternalID},
		{store.Archived, StateArchived, byID},
		{store.Archived, StateArchived, byUserName},
		{store.Archived, StateArchived, byExternalID},
		{store.Tombstone, StateErased, byID},
	},
	store.Group: {
		{store.Group, StateLive, byID},
		{store.Group, StateLive, byDisplayName},
		{store.Group, StateLive, byExternalID},
		{store.Tombstone, StateErased, byID},
	},
}

// Find looks for the users or groups that somebody may mean by a word: by id, by
// userName (of users) or displayName (of groups), both without case, and by
// externalId. It returns each match once, live ones first and erased ones last,
// at most MaxFound; nothing is found by what cannot be a name. The kind is User,
// which includes archived users, or Group.
func (d *Directory) Find(ctx context.Context, k store.Kind, key string) ([]Found, error) {
	if key == "" {
		return nil, nil
	}
	var out []Found
	seen := map[string]bool{} // an id stands for one user or group in all states
	for _, p := range probes[k] {
		rs, err := d.candidates(ctx, p, key)
		if err != nil {
			return nil, storeError(err)
		}
		for _, r := range rs {
			if seen[r.ID] {
				continue
			}
			r, ok, err := d.confirm(p, r, key)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if seen[r.ID] = true; len(out) < MaxFound {
				out = append(out, Found{Record: r, State: p.state, By: p.by})
			}
		}
	}
	return out, nil
}

// candidates reads what the index of a probe has under the key.
func (d *Directory) candidates(ctx context.Context, p probe, key string) ([]store.Record, error) {
	id := key
	switch {
	case p.by == byUserName && p.kind == store.User:
		var err error
		id, err = d.store.Lookup(ctx, d.tenant, p.kind, folded(byUserName, key))
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	case p.by != byID:
		k := p.key(key)
		page, err := d.store.Scan(ctx, d.tenant, store.Query{Kind: p.kind, Key: &k, Limit: MaxFound})
		return page.Records, err
	}
	if !ValidID(id) {
		return nil, nil
	}
	return d.store.Get(ctx, d.tenant, p.kind, id)
}

func (p probe) key(value string) store.Key {
	if p.by == byExternalID {
		return exact(p.by, value)
	}
	return folded(p.by, value)
}

// confirm narrows a record, and tells whether it matches still: it may have
// changed since the index was read, or the allow list may no longer keep what the
// index has.
func (d *Directory) confirm(p probe, r store.Record, key string) (store.Record, bool, error) {
	if p.kind == store.Tombstone {
		return r, true, nil
	}
	if p.by != byID {
		l, err := d.load(r)
		if err != nil {
			return r, false, err
		}
		if p.key(l.attrs.Text(p.by)) != p.key(key) {
			return r, false, nil
		}
	}
	r, err := d.refresh(r)
	return r, err == nil, err
}
