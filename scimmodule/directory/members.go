package directory

import (
	"context"
	"errors"
	"strings"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// named is a member as a request names it.
type named struct {
	store.Member
	typed    bool   // the request says whether it is a user or a group
	userName string // what the member's own information says of it, if anything
}

// readMember reads a member object. Without an id there is none to add.
func readMember(v attr.Value, base string) (named, bool) {
	o := v.Object()
	m := named{Member: store.Member{ID: o.Text("value"), Kind: store.User}}
	ref := o.Text("$ref")
	for endpoint, kind := range map[string]store.Kind{"/Users/": store.User, "/Groups/": store.Group} {
		i := strings.LastIndex(ref, endpoint)
		if i < 0 {
			continue
		}
		m.Kind, m.typed = kind, true
		if m.ID == "" && (ref[:i] == base || ref[:i] == "..") {
			m.ID = ref[i+len(endpoint):]
		}
	}
	switch t := o.Text("type"); {
	case strings.EqualFold(t, "Group"):
		m.Kind, m.typed = store.Group, true
	case strings.EqualFold(t, "User"):
		m.Kind, m.typed = store.User, true
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

// edit is what a request wants of a group's members, in the order of its
// operations.
type edit struct {
	// replace says that the members are to be those of add and no others.
	replace bool
	// names holds what the request said of the members to add, by id.
	names  map[string]named
	add    []string
	remove []string
}

// plan works out the outcome of the edits, which follow one another. Edits that
// depend on who is a member now read the members, and then the outcome holds for
// the version that they were read at; the others commute with what other
// requests do.
func (d *Directory) plan(ctx context.Context, c Call, group string, edits []patch.MemberEdit) (e edit, exact bool, err error) {
	exact = !commutes(edits)
	e.names = map[string]named{}
	before := map[string]store.Member{}
	if exact && group != "" {
		err := d.eachEdge(ctx, store.EdgeQuery{Group: group}, func(m store.Member) error {
			before[m.ID] = m
			return nil
		})
		if err != nil {
			return e, exact, err
		}
	}
	// wanted is the last word on each id that was spoken of.
	wanted, order := map[string]bool{}, []string{}
	say := func(id string, in bool) {
		if _, spoken := wanted[id]; !spoken {
			order = append(order, id)
		}
		wanted[id] = in
	}
	addAll := func(values []attr.Value) {
		for _, v := range values {
			if m, ok := readMember(v, c.Base); ok {
				e.names[m.ID] = m
				say(m.ID, true)
			}
		}
	}
	removeAll := func(match func(store.Member) bool) {
		for _, id := range order {
			if m := e.names[id]; wanted[id] && match(m.Member) {
				wanted[id] = false
			}
		}
		for id, m := range before {
			if match(m) {
				say(id, false)
			}
		}
	}
	everyone := func(store.Member) bool { return true }
	for _, m := range edits {
		switch m.Kind {
		case patch.AddMembers:
			addAll(m.Values)
		case patch.RemoveMembers:
			for _, v := range m.Values {
				if n, ok := readMember(v, c.Base); ok {
					say(n.ID, false)
				}
			}
		case patch.ReplaceMembers:
			removeAll(everyone)
			addAll(m.Values)
		case patch.RemoveAll:
			removeAll(everyone)
		case patch.RemoveMatching:
			removeAll(func(s store.Member) bool { return m.Filter.Match(memberValue(s, c.Base)) })
		}
	}
	for _, id := range order {
		_, is := before[id]
		switch {
		case wanted[id] && !is:
			e.add = append(e.add, id)
		case !wanted[id] && (is || !exact):
			e.remove = append(e.remove, id)
		}
	}
	return e, exact, nil
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

// identify decides what becomes of members whom the store did not find as what
// the request took them for: found exist, or are created by the batch, and
// pending are linked all the same.
func (d *Directory) identify(ctx context.Context, c Call, b *store.Batch, strangers []named) (found, pending []store.Member, err error) {
	if len(strangers) == 0 {
		return nil, nil, nil
	}
	known, err := d.classify(ctx, strangers)
	if err != nil {
		return nil, nil, err
	}
	var refused []string
	created := map[string]string{} // userName to id, within this request
	for _, m := range strangers {
		switch kind := known[m.ID]; {
		case kind == store.User || kind == store.Group:
			found = append(found, store.Member{ID: m.ID, Kind: kind})
		case d.set.Members == MembersReject:
			refused = append(refused, clipID(m.ID))
		case kind == "" && ValidID(m.ID) && d.set.Members == MembersPending:
			pending = append(pending, m.Member)
		case kind == "" && ValidID(m.ID) && d.set.Members == MembersCreate && m.Kind == store.User:
			id, err := d.provisional(ctx, b, m, created)
			if err != nil {
				return nil, nil, err
			}
			found = append(found, store.Member{ID: id, Kind: store.User})
		default:
			d.set.Views.Group.Drop(c.Dropped, "members")
		}
	}
	if len(refused) > 0 {
		more := ""
		if n := len(refused) - 20; n > 0 {
			refused, more = refused[:20], " and others"
		}
		return nil, nil, scimerr.BadRequest(scimerr.InvalidValue, "These members do not exist: %s%s. Provision the users first, then their membership.", strings.Join(refused, ", "), more)
	}
	n := creations(b)
	if c.Created != nil {
		n += *c.Created
	}
	if n > d.set.MaxCreations {
		return nil, nil, scimerr.New(413, scimerr.None, "The request names %d members who do not exist; at most %d are created at once. Send the members in several requests.", n, d.set.MaxCreations)
	}
	return found, pending, nil
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

// provisional adds to the batch a user who is only known as a member, under the
// member's value as id, and returns the id to link: that of a live user where
// the value is that user's userName.
func (d *Directory) provisional(ctx context.Context, b *store.Batch, m named, created map[string]string) (string, error) {
	holder := func(userName string) (string, error) {
		if id, ok := created[attr.Fold(userName)]; ok {
			return id, nil
		}
		id, err := d.store.Lookup(ctx, d.tenant, store.User, folded(byUserName, userName))
		if errors.Is(err, store.ErrNotFound) {
			return "", nil
		}
		return id, err
	}
	if id, err := holder(m.ID); id != "" || err != nil {
		return id, err
	}
	name := m.ID
	o := attr.NewObject(attr.Member{Name: "userName", Value: attr.Of(m.userName)})
	if m.userName != "" && checkNames(o) == nil {
		id, err := holder(m.userName)
		if err != nil {
			return "", err
		}
		if id == "" {
			name = m.userName
		}
	}
	o.Set("userName", attr.Of(name))
	o.Set("active", attr.OfBool(true))
	created[attr.Fold(name)] = m.ID
	r := d.record(store.User, m.ID, o)
	r.Provisional = true
	b.Put = append(b.Put, store.Put{Record: r})
	b.Require = append(b.Require, neverUsed(m.ID)...)
	b.Events = append(b.Events, store.Event{Type: store.UserCreated, Kind: store.User, ID: m.ID, Changed: []string{"userName", "active"}})
	return m.ID, d.reindex(ctx, b, store.User, m.ID, keySet{}, d.keysOf(store.User, o))
}
