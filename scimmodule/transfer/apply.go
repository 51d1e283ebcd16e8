package transfer

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

const (
	// actor marks the entries that a store writes into the change log by itself.
	actor = "import"
	// byUserName is the one unique key that a directory has claimed at all times.
	byUserName = "userName"
)

// unit applies a record, then members.
func (r *run) unit(ctx context.Context, tenant string, u unit) error {
	problem, err := "", error(nil)
	switch {
	case u.record == nil:
	case u.record.Kind == store.Report, u.record.Kind == store.Token:
		problem, err = r.putSystem(ctx, tenant, u.record.record())
	default:
		problem, err = r.put(ctx, tenant, u.record.record())
	}
	if err == nil && problem == "" && len(u.members) > 0 {
		problem, err = r.link(ctx, tenant, u)
	}
	if err == nil && problem != "" {
		return &LineError{Line: u.line, Reason: problem}
	}
	return err
}

// putSystem writes a token or a report.
func (r *run) putSystem(ctx context.Context, tenant string, in store.Record) (problem string, err error) {
	if r.Check != nil {
		if err := r.Check(tenant, in); err != nil {
			return err.Error(), nil
		}
	}
	if in.Kind == store.Token {
		return r.putToken(ctx, tenant, in)
	}
	return "", r.putReport(ctx, in)
}

const clashes = "its id is that of another record; if the tenant was changed while it was exported, pause it and export it again"

// put writes a user, group, archived user or tombstone. An id is never used for
// two of them.
func (r *run) put(ctx context.Context, tenant string, in store.Record) (problem string, err error) {
	var unique, other []store.Key
	if isResource(in.Kind) {
		if in, unique, other, err = r.admit(in); err != nil {
			return "its body cannot be read", nil
		}
	}
	b := &store.Batch{Time: in.Modified, Actor: actor, Put: []store.Put{{Record: in}}}
	for _, k := range []store.Kind{store.User, store.Group, store.Archived, store.Tombstone} {
		if k != in.Kind {
			b.Require = append(b.Require, store.Require{Kind: k, ID: in.ID})
		}
	}
	for _, k := range unique {
		b.Claim = append(b.Claim, store.Claim{Kind: in.Kind, Key: k, ID: in.ID})
	}
	for _, k := range other {
		b.Index = append(b.Index, store.Entry{Kind: in.Kind, Key: k, ID: in.ID})
	}
	for {
		_, err := r.store.Commit(ctx, tenant, b)
		var taken *store.UniqueError
		var conflict *store.ConflictError
		switch {
		case errors.As(err, &taken) && taken.Index == byUserName:
			return "another user has its userName; if the tenant was changed while it was exported, pause it and export it again", nil
		case errors.As(err, &taken):
			// What is unique under today's settings may have repeated under
			// earlier ones: then one has claimed it, the others have not.
			b.Claim = slices.DeleteFunc(b.Claim, func(c store.Claim) bool { return c.Key.Index == taken.Index })
			continue
		case errors.As(err, &conflict):
			was, err := r.store.Get(ctx, tenant, in.Kind, in.ID)
			if err != nil {
				return "", err
			}
			if len(was) == 0 || !same(was[0], in) {
				return clashes, nil
			}
			return "", nil // it came in before the chunk broke off
		}
		return "", err
	}
}

// same compares all but versions.
func same(a, b store.Record) bool {
	return a.Created.Equal(b.Created) && a.Modified.Equal(b.Modified) && a.ArchivedAt.Equal(b.ArchivedAt) &&
		a.Allow == b.Allow && a.Provisional == b.Provisional && bytes.Equal(a.Body, b.Body)
}

// link adds members to a group, which is then as modified as it was exported:
// members who are not there are pending.
func (r *run) link(ctx context.Context, tenant string, u unit) (problem string, err error) {
	group := u.group()
	var modified store.Record
	if u.record != nil {
		modified = u.record.record()
	} else {
		rs, err := r.store.Get(ctx, tenant, store.Group, group)
		if err != nil {
			return "", err
		}
		if len(rs) == 0 {
			return "its group is not there", nil
		}
		modified = rs[0]
	}
	for _, m := range u.members {
		change := store.MemberChange{Group: group, Pending: true}
		for _, x := range m.Add {
			change.Add = append(change.Add, store.Member{ID: x.ID, Kind: x.Kind})
		}
		b := &store.Batch{Time: modified.Modified, Actor: actor, Members: []store.MemberChange{change}}
		if _, err := r.store.Commit(ctx, tenant, b); err != nil {
			return "", err
		}
	}
	return "", nil
}

// putToken writes a token. One that is there and was made at the same moment is
// the same: it may have been used meanwhile.
func (r *run) putToken(ctx context.Context, tenant string, in store.Record) (problem string, err error) {
	_, err = r.store.Commit(ctx, store.SystemTenant, &store.Batch{
		Time:  in.Modified,
		Put:   []store.Put{{Record: in}},
		Index: []store.Entry{{Kind: store.Token, Key: store.Key{Index: byTenant, Value: tenant}, ID: in.ID}},
	})
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) {
		return "", err
	}
	was, err := r.store.Get(ctx, store.SystemTenant, store.Token, in.ID)
	if err != nil {
		return "", err
	}
	if len(was) == 0 || !was[0].Created.Equal(in.Created) {
		return "another token has its id", nil
	}
	return "", nil
}

// putReport writes a tenant's report over what refused requests may have left.
func (r *run) putReport(ctx context.Context, in store.Record) error {
	for {
		was, err := r.store.Get(ctx, store.SystemTenant, store.Report, in.ID)
		if err != nil {
			return err
		}
		p := store.Put{Record: in}
		if len(was) > 0 {
			p.Expect = was[0].Version
		}
		_, err = r.store.Commit(ctx, store.SystemTenant, &store.Batch{Time: in.Modified, Put: []store.Put{p}})
		var conflict *store.ConflictError
		if !errors.As(err, &conflict) {
			return err
		}
	}
}
