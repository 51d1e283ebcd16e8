package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Tenant is what run time says of a tenant. One of the configuration has a
// record only if run time says something of it too.
type Tenant struct {
	Name              string
	Created, Modified time.Time
	Settings          Settings
	// Paused has its requests answered with 503.
	Paused bool
	// Deleted is when its deletion began; zero while it lives.
	Deleted time.Time
	// Erased tells that everything of a deleted tenant is gone. The record stays
	// for a while, so that what a straggler wrote meanwhile is erased as well.
	Erased bool
	// Damaged is why the record cannot be read; nothing else is known then. Only
	// Tenants returns such.
	Damaged error

	version uint64
}

// Live tells that the tenant is not deleted, nor being deleted.
func (t Tenant) Live() bool { return t.version != 0 && t.Deleted.IsZero() && t.Damaged == nil }

// Same tells whether nobody has changed the record between the two.
func (t Tenant) Same(o Tenant) bool { return t.Name == o.Name && t.version == o.version }

// tenantBody is the stored form of a tenant.
type tenantBody struct {
	Settings Settings  `json:"settings,omitzero"`
	Paused   bool      `json:"paused,omitempty"`
	Deleted  time.Time `json:"deleted,omitzero"`
	Erased   bool      `json:"erased,omitempty"`
}

func readTenant(r store.Record) (Tenant, error) {
	var b tenantBody
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return Tenant{}, fmt.Errorf("stored tenant %s is %w: %w", r.ID, ErrDamaged, err)
	}
	return Tenant{Name: r.ID, Created: r.Created, Modified: r.Modified, Settings: b.Settings, Paused: b.Paused, Deleted: b.Deleted, Erased: b.Erased, version: r.Version}, nil
}

// SettingsOf reads the settings out of a tenant's stored body; nil has none.
func SettingsOf(body []byte) (Settings, error) {
	if body == nil {
		return Settings{}, nil
	}
	t, err := readTenant(store.Record{Body: body})
	return t.Settings, err
}

// CheckTenant refuses a tenant's record, of an import, that no live tenant can
// have. What the settings mean is checked where the schemas are known.
func CheckTenant(r store.Record) error {
	t, err := readTenant(r)
	switch {
	case err != nil:
		return errors.New("its body is damaged")
	case !t.Deleted.IsZero() || t.Erased:
		return errors.New("it is that of a deleted tenant")
	}
	return t.Settings.check()
}

// IsErased tells of a tenant's stored body whether everything of the tenant is
// gone, so that another of the name may take its place.
func IsErased(body []byte) bool {
	t, err := readTenant(store.Record{Body: body})
	return err == nil && t.Erased
}

// Tenant returns the record of a name. Where there is none, it is a Tenant that
// is not Live and was not deleted.
func (r *Registry) Tenant(ctx context.Context, name string) (Tenant, error) {
	rs, err := r.store.Get(ctx, store.SystemTenant, store.Tenant, name)
	if err != nil || len(rs) == 0 {
		return Tenant{Name: name}, err
	}
	return readTenant(rs[0])
}

// Tenants returns up to limit (1 to 1,000) records behind the name, those of
// deleted tenants too, and the name to go on from; it is empty at the end.
func (r *Registry) Tenants(ctx context.Context, after string, limit int) (list []Tenant, next string, err error) {
	p, err := r.store.Scan(ctx, store.SystemTenant, store.Query{Kind: store.Tenant, After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	for _, rec := range p.Records {
		t, err := readTenant(rec)
		if err != nil { // one must not hide the others
			t = Tenant{Name: rec.ID, Damaged: err}
		}
		list = append(list, t)
	}
	return list, p.Next, nil
}

// Update changes a tenant's record by f, which sees an empty one where there is
// none, and is called again where another node was faster. An error of f ends
// it, and nothing is written. The result is the record as it was written.
func (r *Registry) Update(ctx context.Context, name string, f func(*Tenant) error) (Tenant, error) {
	for {
		t, err := r.Tenant(ctx, name)
		if err != nil {
			return t, err
		}
		if err := f(&t); err != nil {
			return t, err
		}
		if err := t.Settings.check(); err != nil {
			return t, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		body, err := json.Marshal(tenantBody{t.Settings, t.Paused, t.Deleted, t.Erased})
		if err != nil {
			return t, err
		}
		at := now()
		rec := store.Record{Kind: store.Tenant, ID: name, Created: t.Created, Body: body}
		res, err := r.store.Commit(ctx, store.SystemTenant, &store.Batch{Time: at, Put: []store.Put{{Record: rec, Expect: t.version}}})
		if isConflict(err) {
			continue
		}
		if err != nil {
			return t, err
		}
		if t.Created.IsZero() {
			t.Created = at
		}
		t.Modified, t.version = at, res.Revision
		return t, nil
	}
}

// Forget removes what is kept about a tenant beside its record and its tokens.
func (r *Registry) Forget(ctx context.Context, name string) error {
	for _, kind := range []store.Kind{store.Report, store.Sweep} {
		rs, err := r.store.Get(ctx, store.SystemTenant, kind, name)
		if err != nil {
			return err
		}
		if len(rs) == 0 {
			continue
		}
		_, err = r.store.Commit(ctx, store.SystemTenant, &store.Batch{Time: now(), Delete: []store.Delete{{Kind: kind, ID: name, Expect: store.Any}}})
		if err != nil && !isConflict(err) {
			return err
		}
	}
	return nil
}

// Remove removes a tenant's record. One that changed meanwhile stays.
func (r *Registry) Remove(ctx context.Context, t Tenant) error {
	_, err := r.store.Commit(ctx, store.SystemTenant, &store.Batch{Time: now(), Delete: []store.Delete{{Kind: store.Tenant, ID: t.Name, Expect: t.version}}})
	if isConflict(err) {
		return nil
	}
	return err
}
