package directory

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// named is a member as a request names it.
type named struct {
	store.Member
	userName string // what the member's own information says of it, if anything
}

// endpoints begin the last part of a reference.
var endpoints = map[store.Kind]string{store.User: "/Users/", store.Group: "/Groups/"}

// readMember reads a member object. Without an id there is none to add.
func readMember(v attr.Value, base string) (named, bool) {
	o := v.Object()
	m := named{Member: store.Member{ID: o.Text("value"), Kind: store.User}}
	ref := o.Text("$ref")
	for _, k := range []store.Kind{store.User, store.Group} {
		endpoint := endpoints[k]
		i := strings.LastIndex(ref, endpoint)
		if i < 0 {
			continue
		}
		m.Kind = k
		if m.ID == "" && (ref[:i] == base || ref[:i] == "..") {
			m.ID = ref[i+len(endpoint):]
		}
	}
	switch t := o.Text("type"); {
	case strings.EqualFold(t, "Group"):
		m.Kind = store.Group
	case strings.EqualFold(t, "User"):
		m.Kind = store.User
	}
	m.userName = ownName(o)
	return m, m.ID != ""
}

// ownName takes a userName from the user information in a member object: a
// userName, or an e-mail address in emails or display.
func ownName(o *attr.Members) string {
	if name := o.Text("userName"); name != "" {
		return name
	}
	emails, _ := o.Get("emails")
	for _, e := range emails.List() {
		address := e.Text()
		if e.Kind() == attr.Object {
			address = e.Object().Text("value")
		}
		if isAddress(address) {
			return address
		}
	}
	if display := o.Text("display"); isAddress(display) {
		return display
	}
	return ""
}

func isAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && !strings.ContainsAny(s, " \t\r\n<>\"")
}

// byOwnID puts ids in the place of userNames: where a member may be created from
// its value, a value that is no id and is a live user's userName means that user.
func (d *Directory) byOwnID(ctx context.Context, c Call, edits []patch.MemberEdit) ([]patch.MemberEdit, error) {
	if d.set.Members != MembersCreate {
		return edits, nil
	}
	foreign := map[string]bool{}
	var ids []string
	for _, m := range edits {
		for _, v := range m.Values {
			n, ok := readMember(v, c.Base)
			if !ok || ownForm(n.ID) || n.Kind == store.Group || foreign[n.ID] {
				continue
			}
			foreign[n.ID] = true
			if ValidID(n.ID) {
				ids = append(ids, n.ID)
			}
		}
	}
	if len(foreign) == 0 {
		return edits, nil
	}
	rs, err := d.store.Get(ctx, d.tenant, store.User, ids...)
	if err != nil {
		return nil, err
	}
	for _, r := range rs {
		delete(foreign, r.ID)
	}
	held, err := d.holders(ctx, slices.Collect(maps.Keys(foreign)))
	if err != nil || len(held) == 0 {
		return edits, err
	}
	out := slices.Clone(edits)
	for i, m := range out {
		out[i].Values = slices.Clone(m.Values)
		for j, v := range m.Values {
			n, ok := readMember(v, c.Base)
			if own := held[n.ID]; ok && own != "" && n.Kind == store.User {
				o := v.Object().Clone()
				o.Set("value", attr.Of(own))
				out[i].Values[j] = attr.OfObject(o)
			}
		}
	}
	return out, nil
}

// memberValue is a member as SCIM shows it.
func memberValue(m store.Member, base string) attr.Value {
	kind, endpoint := "User", "/Users/"
	if m.Kind == store.Group {
		kind, endpoint = "Group", "/Groups/"
	}
	return attr.OfObject(attr.NewObject(
		attr.Member{Name: "value", Value: attr.Of(m.ID)},
		attr.Member{Name: "$ref", Value: attr.Of(base + endpoint + m.ID)},
		attr.Member{Name: "type", Value: attr.Of(kind)},
	))
}

// apply adds the edit to the batch. It first takes the members to be what the
// request says they are; unknown lists those that a commit found missing, and
// only for these it is looked up what they are.
func (d *Directory) apply(ctx context.Context, c Call, b *store.Batch, group string, e edit, unknown map[string]bool) error {
	change := store.MemberChange{Group: group, Remove: e.remove}
	var strangers []named
	for _, id := range e.add {
		m := e.names[id]
		if unknown[id] || !ValidID(id) {
			strangers = append(strangers, m)
			continue
		}
		change.Add = append(change.Add, m.Member)
	}
	found, pending, err := d.identify(ctx, c, b, strangers)
	if err != nil {
		return err
	}
	spoken := map[string]bool{}
	for _, id := range change.Remove {
		spoken[id] = true
	}
	for _, m := range change.Add {
		spoken[m.ID] = true
		if len(pending) > 0 {
			// The change as a whole may then add members who do not exist.
			b.Require = append(b.Require, store.Require{Kind: m.Kind, ID: m.ID, Version: store.Any})
		}
	}
	for _, m := range append(found, pending...) {
		if !spoken[m.ID] {
			spoken[m.ID] = true
			change.Add = append(change.Add, m)
		}
	}
	for _, m := range pending {
		b.Require = append(b.Require, neverUsed(m.ID)...)
	}
	change.Pending = len(pending) > 0
	if len(change.Add)+len(change.Remove) > 0 {
		b.Members = append(b.Members, change)
	}
	return nil
}

// neverUsed demands that an id is not that of someone archived or purged, or of
// a group that is there or was deleted, whoever goes meanwhile.
func neverUsed(id string) []store.Require {
	return []store.Require{{Kind: store.Archived, ID: id}, {Kind: store.Tombstone, ID: id}, {Kind: store.Group, ID: id}}
}

// withMembers runs a commit that adds members, telling build which of them the
// store did not find.
func (d *Directory) withMembers(ctx context.Context, c Call, build func(unknown map[string]bool) (*store.Batch, error)) (store.Result, *store.Batch, error) {
	unknown := map[string]bool{}
	for {
		b, err := build(unknown)
		if err != nil {
			return store.Result{}, b, err
		}
		res, err := d.store.Commit(ctx, d.tenant, b)
		var m *store.MissingError
		if err == nil && c.Created != nil {
			*c.Created += creations(b)
		}
		if !errors.As(err, &m) || m.Kind == store.Group {
			return res, b, err
		}
		fresh := false
		for _, id := range m.IDs {
			fresh = fresh || !unknown[id]
			unknown[id] = true
		}
		if !fresh {
			// Identified a moment ago and gone again: decide anew.
			return res, b, err
		}
	}
}
