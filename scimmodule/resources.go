package scimmodule

import (
	"context"
	"net/http"

	"github.com/caddy-scim/caddy-scim/scimmodule/attr"
	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/patch"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// call is what a change brings along; match is the content of If-Match.
func (x *exchange) call(match string) directory.Call {
	return directory.Call{Actor: x.who.Token, Base: x.base, Tally: &x.tally, Created: &x.created, Match: precondition(match)}
}

// decode reads a resource under the view of its kind.
func (x *exchange) decode(k store.Kind, json []byte) (*attr.Members, error) {
	return attr.DecodeObject(json, x.dir.View(k).Guide(&x.tally), x.limits.json())
}

// The changes, as bulk operations run them too.

func (x *exchange) doCreate(ctx context.Context, k store.Kind, json []byte) (store.Record, error) {
	o, err := x.decode(k, json)
	if err != nil {
		return store.Record{}, err
	}
	if k == store.Group {
		return x.dir.CreateGroup(ctx, x.call(""), o)
	}
	r, err := x.dir.CreateUser(ctx, x.call(""), o)
	if err == nil && !r.Modified.Equal(r.Created) {
		x.observer.Users("returned", 1)
	}
	return r, err
}

func (x *exchange) doReplace(ctx context.Context, k store.Kind, id, match string, json []byte) (store.Record, error) {
	o, err := x.decode(k, json)
	if err != nil {
		return store.Record{}, err
	}
	if k == store.Group {
		return x.dir.ReplaceGroup(ctx, x.call(match), id, o)
	}
	return x.dir.ReplaceUser(ctx, x.call(match), id, o)
}

func (x *exchange) doPatch(ctx context.Context, k store.Kind, id, match string, json []byte) (store.Record, error) {
	ops, err := patch.Parse(json, x.limits.json(), x.limits.PatchOperations)
	if err != nil {
		return store.Record{}, err
	}
	if k == store.Group {
		return x.dir.PatchGroup(ctx, x.call(match), id, ops, x.limits.json())
	}
	return x.dir.PatchUser(ctx, x.call(match), id, ops, x.limits.json())
}

func (x *exchange) doDelete(ctx context.Context, k store.Kind, id, match string) error {
	if k == store.Group {
		return x.dir.DeleteGroup(ctx, x.call(match), id)
	}
	err := x.dir.DeleteUser(ctx, x.call(match), id)
	if err == nil {
		x.observer.Users("archived", 1)
	}
	return err
}

// The same as requests of their own.

func (x *exchange) create(k store.Kind) error {
	x.operation = "create"
	if err := x.mayWrite(); err != nil {
		return err
	}
	p, json, err := x.input(k)
	if err != nil {
		return err
	}
	r, err := x.doCreate(x.r.Context(), k, json)
	if err != nil {
		return err
	}
	x.changed = true
	x.w.Header().Set("Location", directory.Location(x.dir, r, x.base))
	return x.show(http.StatusCreated, r, p)
}

func (x *exchange) read(k store.Kind, id string) error {
	x.operation = "read"
	p, err := x.projection(k)
	if err != nil {
		return err
	}
	r, err := x.dir.Get(x.r.Context(), k, id)
	if err != nil {
		return err
	}
	if match := x.r.Header.Get("If-None-Match"); match != "" && matches(match, r.Version) {
		x.w.Header().Set("ETag", store.FormatVersion(r.Version))
		x.send(http.StatusNotModified, nil)
		return nil
	}
	if match := precondition(x.r.Header.Get("If-Match")); match != nil && !match(r.Version) {
		return directory.PreconditionFailed()
	}
	return x.show(http.StatusOK, r, p)
}

func (x *exchange) replace(k store.Kind, id string) error {
	x.operation = "replace"
	if err := x.mayWrite(); err != nil {
		return err
	}
	p, json, err := x.input(k)
	if err != nil {
		return err
	}
	r, err := x.doReplace(x.r.Context(), k, id, x.r.Header.Get("If-Match"), json)
	if err != nil {
		return err
	}
	x.changed = true
	return x.show(http.StatusOK, r, p)
}

// patch answers 200 with the user, and 204 for a group, whose members nobody
// wants to see after each change, unless attributes are asked for (RFC 7644
// §3.5.2).
func (x *exchange) patch(k store.Kind, id string) error {
	x.operation = "patch"
	if err := x.mayWrite(); err != nil {
		return err
	}
	p, json, err := x.input(k)
	if err != nil {
		return err
	}
	r, err := x.doPatch(x.r.Context(), k, id, x.r.Header.Get("If-Match"), json)
	if err != nil {
		return err
	}
	x.changed = true
	if k == store.Group {
		if !p.asked {
			if r.Version != 0 {
				x.w.Header().Set("ETag", store.FormatVersion(r.Version))
			}
			x.send(http.StatusNoContent, nil)
			return nil
		}
		if r, err = x.dir.Get(x.r.Context(), k, id); err != nil {
			return err
		}
	}
	return x.show(http.StatusOK, r, p)
}

func (x *exchange) remove(k store.Kind, id string) error {
	x.operation = "delete"
	if err := x.mayWrite(); err != nil {
		return err
	}
	if err := x.doDelete(x.r.Context(), k, id, x.r.Header.Get("If-Match")); err != nil {
		return err
	}
	x.changed = true
	x.send(http.StatusNoContent, nil)
	return nil
}

// input reads what the request wants to see, and its body.
func (x *exchange) input(k store.Kind) (projection, []byte, error) {
	p, err := x.projection(k)
	if err != nil {
		return p, nil, err
	}
	b, err := x.body()
	return p, b, err
}

// show answers with a resource.
func (x *exchange) show(status int, r store.Record, p projection) error {
	x.w.Header().Set("ETag", store.FormatVersion(r.Version))
	s := &stream{x: x, status: status}
	if err := x.appendResource(s, r, p); err != nil {
		return err
	}
	s.end()
	return nil
}
