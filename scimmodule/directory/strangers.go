package directory

import (
	"context"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// identify decides what becomes of members whom the store did not find as what
// the request took them for: found exist, or are created by the batch, and
// pending are linked all the same.
func (d *Directory) identify(ctx context.Context, c Call, b *store.Batch, strangers []named) (found, pending []store.Member, err error) {
	c.members.redecide()
	if len(strangers) == 0 {
		return nil, nil, nil
	}
	known, err := d.classify(ctx, strangers)
	if err != nil {
		return nil, nil, err
	}
	creatable := func(m named) bool {
		return known[m.ID] == "" && ValidID(m.ID) && d.set.Members == MembersCreate && m.Kind == store.User
	}
	var fresh []named
	for _, m := range strangers {
		if creatable(m) {
			fresh = append(fresh, m)
		}
	}
	if n := len(fresh) + c.creations(); n > d.set.MaxCreations {
		return nil, nil, scimerr.New(413, scimerr.None, "The request names %d members who do not exist; at most %d are created at once. Send the members in several requests.", n, d.set.MaxCreations).At("creations_per_request")
	}
	created, err := d.provisionals(ctx, b, fresh)
	if err != nil {
		return nil, nil, err
	}
	var refused []string
	for _, m := range strangers {
		switch kind := known[m.ID]; {
		case kind == store.User || kind == store.Group:
			found = append(found, store.Member{ID: m.ID, Kind: kind})
		case d.set.Members == MembersReject:
			refused = append(refused, clipID(m.ID))
		case kind == "" && ValidID(m.ID) && d.set.Members == MembersPending:
			pending = append(pending, m.Member)
		case creatable(m):
			found = append(found, store.Member{ID: created[m.ID], Kind: store.User})
		default:
			c.members.dropped[m.ID] = true
		}
	}
	if len(refused) > 0 {
		more := ""
		if n := len(refused) - 20; n > 0 {
			refused, more = refused[:20], " and others"
		}
		return nil, nil, scimerr.BadRequest(scimerr.InvalidValue, "These members do not exist: %s%s. Provision the users first, then their membership.", strings.Join(refused, ", "), more)
	}
	return found, pending, nil
}

// creations is what the request has created so far.
func (c Call) creations() int {
	if c.Created == nil {
		return 0
	}
	return *c.Created
}

// creations counts the provisional users in a batch.
func creations(b *store.Batch) int {
	n := 0
	for _, p := range b.Put {
		if p.Record.Provisional {
			n++
		}
	}
	return n
}

func clipID(id string) string {
	if len(id) > maxID {
		return strings.ToValidUTF8(id[:maxID], "") + "…"
	}
	return id
}

// classify tells what ids belong to: a live user, a group, an archived user or a
// tombstone. Ids that are none of these are left out.
func (d *Directory) classify(ctx context.Context, ms []named) (map[string]store.Kind, error) {
	kinds := map[string]store.Kind{}
	for _, k := range []store.Kind{store.User, store.Group, store.Archived, store.Tombstone} {
		var ids []string
		for _, m := range ms {
			if kinds[m.ID] == "" && ValidID(m.ID) {
				ids = append(ids, m.ID)
			}
		}
		if len(ids) == 0 {
			break
		}
		rs, err := d.store.Get(ctx, d.tenant, k, ids...)
		if err != nil {
			return nil, err
		}
		for _, r := range rs {
			kinds[r.ID] = k
		}
	}
	return kinds, nil
}

// provisionals adds to the batch the users who are only known as members, each
// under the member's value as id, and returns the ids to link: where the value is
// a live user's userName, that user's.
func (d *Directory) provisionals(ctx context.Context, b *store.Batch, ms []named) (map[string]string, error) {
	var names []string
	for _, m := range ms {
		names = append(names, m.ID)
		if m.userName != "" {
			names = append(names, m.userName)
		}
	}
	held, err := d.holders(ctx, names)
	if err != nil {
		return nil, err
	}
	taken := map[string]string{} // by folded userName
	for name, id := range held {
		taken[attr.Fold(name)] = id
	}
	ids := map[string]string{}
	for _, m := range ms {
		if id := taken[attr.Fold(m.ID)]; id != "" {
			ids[m.ID] = id
			continue
		}
		name := m.ID
		o := attr.NewObject(attr.Member{Name: "userName", Value: attr.Of(m.userName)})
		if m.userName != "" && taken[attr.Fold(m.userName)] == "" && checkNames(o) == nil && d.checkSize(o) == nil {
			name = m.userName
		}
		o.Set("userName", attr.Of(name))
		o.Set("active", attr.OfBool(true))
		taken[attr.Fold(name)], ids[m.ID] = m.ID, m.ID
		r := d.record(store.User, m.ID, o)
		r.Provisional = true
		b.Put = append(b.Put, store.Put{Record: r})
		b.Require = append(b.Require, neverUsed(m.ID)...)
		b.Events = append(b.Events, store.Event{Type: store.UserCreated, Kind: store.User, ID: m.ID, Changed: []string{"userName", "active"}})
		if err := d.reindex(ctx, b, store.User, m.ID, keySet{}, d.keysOf(store.User, o)); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
