package directory

import (
	"errors"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Admit returns a user, a group or an archived user of an import as it may be
// kept: without what the allow list does not have, whatever the record says of
// the list that it was written under. It also tells under which keys it is kept,
// unique ones and others. The error is for a record that is damaged, or whose
// values are not of the types that the schemas have; it names no values.
func (d *Directory) Admit(r store.Record) (_ store.Record, unique, other []store.Key, err error) {
	raw, derr := attr.DecodeObject(r.Body, nil, storedLimits)
	if derr != nil || raw.Text("id") != r.ID {
		return r, nil, nil, errors.New("the body is damaged")
	}
	raw.Delete("schemas")
	raw.Delete("id")
	kept, v := raw.Clone(), d.View(viewKind(r.Kind))
	v.Prune(kept, nil)
	if v.ConformResource(kept) != nil || checkNames(kept) != nil || kept.Text(identifier(r.Kind)) == "" {
		return r, nil, nil, errors.New("the body is not one that can be kept")
	}
	if len(patch.Changed(raw, kept)) > 0 {
		n := d.record(r.Kind, r.ID, kept)
		r.Allow, r.Body = n.Allow, n.Body
	}
	s := d.ownKeys(r.Kind, kept)
	for key := range s.unique {
		if !d.mayRepeat(r.Kind, key) {
			unique = append(unique, key)
		}
	}
	for key := range s.other {
		other = append(other, key)
	}
	return r, unique, other, nil
}

// identifier is the attribute that a resource cannot be without.
func identifier(k store.Kind) string {
	if k == store.Group {
		return "displayName"
	}
	return "userName"
}
