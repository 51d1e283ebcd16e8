package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// The names of the indexes. They are part of the contract with applications that
// read the store.
const (
	byUserName    = "userName"
	byDisplayName = "displayName"
	byExternalID  = "externalId"
	byEmail       = "emails"
)

func folded(index, value string) store.Key { return exact(index, attr.Fold(value)) }

// exact makes a key of a value as it is; a very long one is replaced by a digest.
func exact(index, value string) store.Key {
	if len(value) > store.MaxKeyValue {
		sum := sha256.Sum256([]byte(value))
		value = "#" + hex.EncodeToString(sum[:])
	}
	return store.Key{Index: index, Value: value}
}

// uniqueKey is the key of an extension's unique attribute.
func uniqueKey(r schema.Ref, value string) store.Key {
	var name strings.Builder
	for _, c := range []byte(r.Name()) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.':
			name.WriteByte(c)
		case c == ':':
			name.WriteByte('.')
		default:
			fmt.Fprintf(&name, ".%02x", c)
		}
	}
	index := name.String()
	if r.Attr.CaseExact {
		return exact(index, value)
	}
	return folded(index, value)
}

// keySet is every key under which a resource is to be found.
type keySet struct {
	unique, other map[store.Key]bool
}

// keysOf returns every key that a stored resource may have.
func (d *Directory) keysOf(k store.Kind, o *attr.Members) keySet {
	s := d.ownKeys(k, o)
	if k != store.Archived && o != nil {
		d.orphans(s.unique, k, o)
	}
	return s
}

// ownKeys returns the keys of a resource by the configuration of today. Archived
// users claim nothing: their names are free.
func (d *Directory) ownKeys(k store.Kind, o *attr.Members) keySet {
	s := keySet{unique: map[store.Key]bool{}, other: map[store.Key]bool{}}
	if o == nil {
		return s
	}
	add := func(set map[store.Key]bool, key func(string, string) store.Key, index, value string) {
		if value != "" {
			set[key(index, value)] = true
		}
	}
	add(s.other, exact, byExternalID, o.Text("externalId"))
	switch k {
	case store.Group:
		add(s.other, folded, byDisplayName, o.Text("displayName"))
		add(s.unique, folded, byDisplayName, o.Text("displayName"))
	case store.Archived:
		add(s.other, folded, byUserName, o.Text("userName"))
		return s
	case store.User:
		add(s.unique, folded, byUserName, o.Text("userName"))
		emails, _ := o.Get("emails")
		for _, e := range emails.List() {
			add(s.other, folded, byEmail, e.Object().Text("value"))
		}
	}
	for _, r := range d.View(k).Unique() {
		if v, ok := r.Get(o); ok && v.Text() != "" {
			s.unique[uniqueKey(r, v.Text())] = true
		}
	}
	return s
}

// orphans adds the keys that the attributes of an extension may have claimed
// which the configuration no longer names.
func (d *Directory) orphans(keys map[store.Key]bool, k store.Kind, o *attr.Members) {
	for name, x := range o.All() {
		if !strings.Contains(name, ":") || x.Kind() != attr.Object || slices.ContainsFunc(d.View(k).Type.Extensions, func(e schema.Extension) bool { return e.Schema.ID == name }) {
			continue
		}
		for sub, v := range x.Object().All() {
			if v.Kind() == attr.String && v.Text() != "" {
				r := schema.Ref{Extension: name, Attr: &schema.Attribute{Name: sub}}
				keys[uniqueKey(r, v.Text())] = true
				r.Attr = &schema.Attribute{Name: sub, CaseExact: true}
				keys[uniqueKey(r, v.Text())] = true
			}
		}
	}
}

// reindex adds to the batch what leads from the keys that a record has to those
// that it is to have.
func (d *Directory) reindex(ctx context.Context, b *store.Batch, k store.Kind, id string, was, is keySet) error {
	for key := range is.unique {
		if !was.unique[key] && !d.mayRepeat(k, key) {
			b.Claim = append(b.Claim, store.Claim{Kind: k, Key: key, ID: id})
		}
	}
	for key := range was.unique {
		if is.unique[key] {
			continue
		}
		if key.Index != byUserName {
			// Whether it was claimed depends on the settings of that time.
			holder, err := d.store.Lookup(ctx, d.tenant, k, key)
			if errors.Is(err, store.ErrNotFound) || err == nil && holder != id {
				continue
			}
			if err != nil {
				return err
			}
		}
		b.Release = append(b.Release, store.Claim{Kind: k, Key: key, ID: id})
	}
	for key := range is.other {
		if !was.other[key] {
			b.Index = append(b.Index, store.Entry{Kind: k, Key: key, ID: id})
		}
	}
	for key := range was.other {
		if !is.other[key] {
			b.Unindex = append(b.Unindex, store.Entry{Kind: k, Key: key, ID: id})
		}
	}
	return nil
}

// mayRepeat tells whether the settings allow several resources under a key.
func (d *Directory) mayRepeat(k store.Kind, key store.Key) bool {
	return k == store.Group && key.Index == byDisplayName && d.set.DuplicateGroupNames
}

// taken turns a clash of keys into the client's error.
func taken(v *schema.View, attribute string) error {
	return scimerr.New(409, scimerr.Uniqueness, "Another %s already has this %s.", strings.ToLower(v.Type.Name), attribute)
}
