package simulate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

const (
	userURN  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN = "urn:ietf:params:scim:schemas:core:2.0:Group"
	patchURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// push runs a provisioning cycle: users, then references, then groups.
func (r *run) push(ctx context.Context) error {
	for i, p := range r.company.people {
		r.progress("users", i+1, len(r.company.people))
		if err := r.user(ctx, p); err != nil {
			return fmt.Errorf("person %d: %w", i+1, err)
		}
	}
	for i, p := range r.company.people {
		r.progress("managers", i+1, len(r.company.people))
		if err := r.manager(ctx, p); err != nil {
			return fmt.Errorf("person %d: %w", i+1, err)
		}
	}
	for i, g := range r.company.groups {
		r.progress("groups", i+1, len(r.company.groups))
		if err := r.group(ctx, g); err != nil {
			return fmt.Errorf("group %d: %w", i+1, err)
		}
	}
	return nil
}

func (r *run) user(ctx context.Context, p *person) error {
	switch {
	case p.purged && p.id == "":
		return nil
	case p.purged:
		_, err := r.do(ctx, http.MethodDelete, "/Users/"+p.id, "", nil, http.StatusNoContent, http.StatusNotFound)
		p.id, p.known = "", nil
		for _, g := range r.company.groups {
			delete(g.in, p) // the server drops them with the user
		}
		return err
	case !p.assigned && p.id == "":
		return nil // Entra ID never creates whom it would disable
	case p.id == "":
		return r.create(ctx, p)
	}
	want := p.attributes()
	want["active"] = "False"
	if p.assigned {
		want["active"] = "True"
	}
	if !p.assigned { // only the account is disabled; the rest stays as it was
		active := want["active"]
		want = maps.Clone(p.known)
		want["active"] = active
	}
	if manager, ok := p.known["manager"]; ok {
		want["manager"] = manager
	}
	if maps.Equal(want, p.known) {
		return nil
	}
	// An incremental cycle reads what is there before it changes it.
	if _, err := r.do(ctx, http.MethodGet, "/Users/"+p.id, "", nil, http.StatusOK); err != nil {
		return err
	}
	if _, err := r.do(ctx, http.MethodPatch, "/Users/"+p.id, "", r.changes(p.known, want), http.StatusOK, http.StatusNoContent); err != nil {
		return err
	}
	p.known = want
	return nil
}

// ErrTaken is the error of a name that somebody has whom this run has not made:
// they are left alone.
var ErrTaken = errors.New("a user or group of a name of the simulated company is there already, and not of this run: use a tenant of its own, or another seed")

// create looks for the person, and creates the account. Entra ID would adopt one
// that is there; whom a simulation has not made may be real.
func (r *run) create(ctx context.Context, p *person) error {
	found, err := r.find(ctx, "/Users", eq("userName", p.upn))
	if err != nil {
		return err
	}
	if found != nil {
		return ErrTaken
	}
	a, err := r.do(ctx, http.MethodPost, "/Users", "", p.body(), http.StatusCreated)
	if err != nil {
		return err
	}
	if p.id, _ = a.body["id"].(string); p.id == "" {
		return errors.New("the answer to POST /Users has no id")
	}
	p.known = p.attributes()
	p.known["active"] = "True"
	return nil
}

// body is a person as Entra ID creates one.
func (p *person) body() object {
	o := object{
		"schemas":    []string{userURN, enterprise},
		"externalId": p.objectID, "userName": p.upn, "active": true, "displayName": p.given + " " + p.family, "title": p.title,
		"name":      object{"givenName": p.given, "familyName": p.family},
		"emails":    []object{{"type": "work", "primary": true, "value": p.upn}},
		"addresses": []object{{"type": "work", "country": p.country}},
		"meta":      object{"resourceType": "User"},
		enterprise:  object{"department": p.dept},
	}
	if p.mobile != "" {
		o["phoneNumbers"] = []object{{"type": "mobile", "value": p.mobile}}
	}
	return o
}

// changes is the PATCH that leads from one state to another, in the dialect of
// the flag or in the older one.
func (r *run) changes(was, is map[string]string) object {
	var ops []object
	together := object{}
	for _, path := range slices.Sorted(maps.Keys(is)) {
		value := any(is[path])
		if was[path] == is[path] {
			continue
		}
		if path == "active" && r.flag {
			value = is[path] == "True"
		}
		switch {
		case !r.flag:
			ops = append(ops, object{"op": "Replace", "path": path, "value": value})
		case strings.Contains(path, "[") || path == "active":
			ops = append(ops, object{"op": "replace", "path": path, "value": value})
		default:
			together[path] = value
		}
	}
	if len(together) > 0 {
		ops = append(ops, object{"op": "replace", "value": together})
	}
	for _, path := range slices.Sorted(maps.Keys(was)) {
		if _, kept := is[path]; !kept {
			ops = append(ops, object{"op": r.op("Remove"), "path": path})
		}
	}
	return patch(ops...)
}

func patch(ops ...object) object { return object{"schemas": []string{patchURN}, "Operations": ops} }

// op is the name of an operation: the older dialect writes it with a capital.
func (r *run) op(name string) string {
	if r.flag {
		return strings.ToLower(name)
	}
	return name
}

func (r *run) manager(ctx context.Context, p *person) error {
	if p.id == "" || !p.assigned {
		return nil
	}
	want := ""
	if p.manager != nil {
		want = p.manager.id // empty while the manager has no account
	}
	if p.known["manager"] == want {
		return nil
	}
	// Entra ID first asks whether it is so already.
	if want != "" {
		query := "filter=id+eq+%22" + p.id + "%22+and+manager+eq+%22" + want + "%22&attributes=id"
		if _, err := r.do(ctx, http.MethodGet, "/Users", query, nil, http.StatusOK); err != nil {
			return err
		}
	}
	op := object{"op": r.op("Add"), "path": enterprise + ":manager", "value": want}
	if want == "" {
		op = object{"op": r.op("Remove"), "path": enterprise + ":manager"}
	}
	if _, err := r.do(ctx, http.MethodPatch, "/Users/"+p.id, "", patch(op), http.StatusOK, http.StatusNoContent); err != nil {
		return err
	}
	p.known["manager"] = want
	if want == "" {
		delete(p.known, "manager")
	}
	return nil
}

func (r *run) group(ctx context.Context, g *group) error {
	switch {
	case g.id == "":
		found, err := r.find(ctx, "/Groups", "excludedAttributes=members&"+eq("displayName", g.name))
		if err != nil {
			return err
		}
		if found != nil {
			return ErrTaken
		}
		body := object{
			"schemas":    []string{groupURN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"},
			"externalId": g.objectID, "displayName": g.name, "meta": object{"resourceType": "Group"},
		}
		a, err := r.do(ctx, http.MethodPost, "/Groups", "", body, http.StatusCreated)
		if err != nil {
			return err
		}
		if g.id, _ = a.body["id"].(string); g.id == "" {
			return errors.New("the answer to POST /Groups has no id")
		}
		g.known, g.in = g.name, map[*person]bool{}
	case g.known != g.name:
		if _, err := r.do(ctx, http.MethodGet, "/Groups/"+g.id, "excludedAttributes=members", nil, http.StatusOK); err != nil {
			return err
		}
		op := object{"op": r.op("Replace"), "path": "displayName", "value": g.name}
		if _, err := r.do(ctx, http.MethodPatch, "/Groups/"+g.id, "", patch(op), http.StatusOK, http.StatusNoContent); err != nil {
			return err
		}
		g.known = g.name
	}
	return r.members(ctx, g)
}

// maxMembers is how many members Entra ID names in one request, as far as is known.
const maxMembers = 100

func (r *run) members(ctx context.Context, g *group) error {
	var add, remove []*person
	for _, p := range r.company.people { // in an order that the seed gives
		switch {
		case g.members[p] && !g.in[p] && p.id != "":
			add = append(add, p)
		case !g.members[p] && g.in[p] && p.id != "":
			remove = append(remove, p)
		}
	}
	for some := range slices.Chunk(add, maxMembers) {
		op := object{"op": r.op("Add"), "path": "members", "value": values(some)}
		if _, err := r.do(ctx, http.MethodPatch, "/Groups/"+g.id, "", patch(op), http.StatusOK, http.StatusNoContent); err != nil {
			return err
		}
		for _, p := range some {
			g.in[p] = true
		}
	}
	for some := range slices.Chunk(remove, maxMembers) {
		var ops []object
		if r.flag {
			for _, p := range some {
				ops = append(ops, object{"op": "remove", "path": `members[value eq "` + p.id + `"]`})
			}
		} else {
			ops = append(ops, object{"op": "Remove", "path": "members", "value": values(some)})
		}
		if _, err := r.do(ctx, http.MethodPatch, "/Groups/"+g.id, "", patch(ops...), http.StatusOK, http.StatusNoContent); err != nil {
			return err
		}
		for _, p := range some {
			delete(g.in, p)
		}
	}
	return nil
}

func values(people []*person) []object {
	list := make([]object, len(people))
	for i, p := range people {
		list[i] = object{"value": p.id}
	}
	return list
}
