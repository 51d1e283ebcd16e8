package tenancy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

// Entry is a tenant in the list.
type Entry struct {
	Name       string
	Configured bool      // the configuration declares it
	Created    time.Time // of its record of run time; zero where it has none
	Paused     bool
	Deleting   bool
}

func (t *Tenancy) entry(rec registry.Tenant) (e Entry, ok bool) {
	d, declared := t.declared[rec.Name]
	e = Entry{Name: rec.Name, Configured: declared, Paused: d.paused, Deleting: !rec.Deleted.IsZero() && !rec.Erased}
	if rec.Live() {
		e.Created, e.Paused = rec.Created, rec.Paused || d.paused
	}
	return e, declared || rec.Live() || e.Deleting || rec.Damaged != nil
}

// Entry returns a tenant of the configuration or of run time. Errors:
// registry.ErrUnknownTenant and the store's.
func (t *Tenancy) Entry(ctx context.Context, name string) (Entry, error) {
	rec, err := t.registry.Tenant(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	e, ok := t.entry(rec)
	if !ok {
		return e, fmt.Errorf("%w %s", registry.ErrUnknownTenant, name)
	}
	return e, nil
}

// Entries lists the tenants of the configuration and of run time, by name: about
// limit (1 to 1,000) behind the name after, and the name to go on from, which is
// empty at the end.
func (t *Tenancy) Entries(ctx context.Context, after string, limit int) (list []Entry, next string, err error) {
	made, next, err := t.registry.Tenants(ctx, after, limit)
	if err != nil {
		return nil, "", err
	}
	met := map[string]bool{}
	for _, rec := range made {
		met[rec.Name] = true
		if e, ok := t.entry(rec); ok {
			list = append(list, e)
		}
	}
	for name := range t.declared {
		if name > after && (next == "" || name <= next) && !met[name] {
			e, _ := t.entry(registry.Tenant{Name: name})
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, next, nil
}

// Create makes a tenant. Where something is left of an earlier one of the name,
// such as one that the configuration declared, it is made only with adopt, and has
// that then. Errors: registry.ErrExists, also for one of the configuration;
// registry.ErrDeleting, registry.ErrInvalid and the store's.
func (t *Tenancy) Create(ctx context.Context, name string, s registry.Settings, adopt bool) error {
	if err := registry.CheckName(name); err != nil {
		return err
	}
	if _, ok := t.declared[name]; ok {
		return fmt.Errorf("%w: the configuration declares %s", registry.ErrExists, name)
	}
	if err := t.checkSettings(name, s); err != nil {
		return err
	}
	if importing, err := transfer.Importing(ctx, t.store, name); err != nil || importing {
		return cmp.Or(err, fmt.Errorf("%w: an import into %s is under way", registry.ErrExists, name))
	}
	rec, err := t.registry.Tenant(ctx, name)
	if err != nil {
		return err
	}
	switch {
	case rec.Live():
		return fmt.Errorf("%w: there is a tenant %s", registry.ErrExists, name)
	case rec.Erased:
		err = t.createAnew(ctx, rec, s)
	case !rec.Deleted.IsZero():
		return fmt.Errorf("%w: wait until everything of %s is erased", registry.ErrDeleting, name)
	default:
		if !adopt {
			left, err := t.leavings(ctx, name)
			if err != nil {
				return err
			}
			if left {
				return fmt.Errorf("%w: users, groups or tokens of an earlier tenant %s are stored: delete it first, or take them over with \"scim tenant create %s --adopt\"", registry.ErrExists, name, name)
			}
		}
		err = t.enlist(ctx, rec, s)
	}
	if err == nil {
		t.changed(ctx, "tenant created", name)
	}
	return err
}

// createAnew makes a tenant under the name of one that was erased, after what
// stragglers wrote of that one is erased too.
func (t *Tenancy) createAnew(ctx context.Context, rec registry.Tenant, s registry.Settings) error {
	ran, err := t.alone(ctx, rec.Name, func(ctx context.Context) error {
		now, err := t.dropErased(ctx, rec)
		if errors.Is(err, errDone) {
			return meanwhile(rec.Name)
		}
		if err != nil {
			return err
		}
		return t.enlist(ctx, now, s)
	})
	switch {
	case err != nil:
		return err
	case !ran:
		return errElsewhere
	}
	return t.forgetLease(ctx, rec.Name)
}

// enlist writes the record of a new tenant, unless somebody has changed it since rec.
func (t *Tenancy) enlist(ctx context.Context, rec registry.Tenant, s registry.Settings) error {
	_, err := t.registry.Update(ctx, rec.Name, func(now *registry.Tenant) error {
		if !now.Same(rec) {
			return meanwhile(rec.Name)
		}
		now.Created, now.Settings, now.Paused, now.Deleted, now.Erased = time.Time{}, s, false, time.Time{}, false
		return nil
	})
	return err
}

func meanwhile(name string) error {
	return fmt.Errorf("%w: %s was made or deleted at the same moment: look at it, and try again", registry.ErrExists, name)
}

// Set changes a tenant's settings of run time: those that set has are set, those
// named in unset say nothing any more. Errors: registry.ErrUnknownTenant,
// registry.ErrInvalid, registry.ErrDeleting and the store's.
func (t *Tenancy) Set(ctx context.Context, name string, set registry.Settings, unset []string) error {
	return t.update(ctx, "settings changed", name, func(rec *registry.Tenant) error {
		next, err := set.Over(rec.Settings).Without(unset)
		if err != nil {
			return fmt.Errorf("%w: %w", registry.ErrInvalid, err)
		}
		rec.Settings = next
		return t.checkSettings(name, next)
	})
}

// Pause has a tenant's requests answered with 503 and Retry-After, on this node
// at once. The errors are those of Set.
func (t *Tenancy) Pause(ctx context.Context, name string) error {
	return t.update(ctx, "tenant paused", name, func(rec *registry.Tenant) error {
		rec.Paused = true
		return nil
	})
}

// Resume ends a pause. One of the configuration ends there: registry.ErrInvalid.
func (t *Tenancy) Resume(ctx context.Context, name string) error {
	return t.update(ctx, "tenant resumed", name, func(rec *registry.Tenant) error {
		if t.declared[name].paused {
			return fmt.Errorf("%w: the configuration pauses %s, and it wins: remove \"paused\" there and reload", registry.ErrInvalid, name)
		}
		rec.Paused = false
		return nil
	})
}

// update changes the record of a tenant that there is.
func (t *Tenancy) update(ctx context.Context, what, name string, f func(*registry.Tenant) error) error {
	if importing, err := transfer.Importing(ctx, t.store, name); err != nil || importing {
		return cmp.Or(err, fmt.Errorf("%w %s: wait for its end", ErrImporting, name))
	}
	_, err := t.registry.Update(ctx, name, func(rec *registry.Tenant) error {
		_, declared := t.declared[name]
		switch {
		case !rec.Deleted.IsZero() && !rec.Erased:
			return fmt.Errorf("%w: wait until everything of %s is erased", registry.ErrDeleting, name)
		case !rec.Live() && !declared:
			return fmt.Errorf("%w %s", registry.ErrUnknownTenant, name)
		case rec.Erased: // and declared since
			rec.Created, rec.Settings, rec.Paused, rec.Deleted, rec.Erased = time.Time{}, registry.Settings{}, false, time.Time{}, false
		}
		return f(rec)
	})
	if err == nil {
		t.changed(ctx, what, name)
	}
	return err
}

// checkSettings refuses settings that could not be in force.
func (t *Tenancy) checkSettings(name string, s registry.Settings) error {
	d := t.declared[name]
	for _, set := range []registry.Settings{s.Over(t.defaults), d.settings.Over(s).Over(t.defaults)} {
		if _, err := t.compile(set.Over(registry.Defaults())); err != nil {
			return fmt.Errorf("%w: %w", registry.ErrInvalid, err)
		}
	}
	return nil
}

// changed has a change of this process in force here at once.
func (t *Tenancy) changed(ctx context.Context, what, name string) {
	t.forget(name)
	t.log.LogAttrs(ctx, slog.LevelInfo, what, slog.String("tenant", name))
	t.look(name)
}

// Audit logs what an operator has done beyond the tenant's settings and tokens.
func (t *Tenancy) Audit(ctx context.Context, what, name string) {
	t.log.LogAttrs(ctx, slog.LevelInfo, what, slog.String("tenant", name))
}

// look has a tenant looked after soon: its allow list may be narrower now.
func (t *Tenancy) look(name string) {
	select {
	case t.wake <- name:
	default: // enough to do; the hourly round looks at all
	}
}

// Origin is which layer a setting comes from.
type Origin int

// The layers, from the strongest.
const (
	Configuration Origin = iota // the tenant's own block
	RunTime                     // Create and Set
	Fallback                    // the configuration's settings for all tenants
	BuiltIn
)

// Setting is a setting in force.
type Setting struct {
	Name  string
	Value json.RawMessage
	From  Origin
	// Overridden is what run time says in vain; nil where it does not.
	Overridden json.RawMessage
}

// Explain tells the settings in force, and where each comes from. The errors are
// those of Of, but a tenant that is being deleted is explained too.
func (t *Tenancy) Explain(ctx context.Context, name string) ([]Setting, error) {
	rec, err := t.registry.Tenant(ctx, name)
	if err != nil {
		return nil, err
	}
	if _, ok := t.entry(rec); !ok {
		return nil, fmt.Errorf("%w %s", registry.ErrUnknownTenant, name)
	}
	run := rec.Settings
	if !rec.Live() {
		run = registry.Settings{}
	}
	layers := []registry.Settings{t.declared[name].settings, run, t.defaults, registry.Defaults()}
	var list []Setting
	for _, n := range registry.Names {
		from := slices.IndexFunc(layers, func(s registry.Settings) bool { return s.Has(n) })
		set := Setting{Name: n, Value: layers[from].Get(n), From: Origin(from)}
		if said := run.Get(n); Origin(from) == Configuration && said != nil && !bytes.Equal(said, set.Value) {
			set.Overridden = said
		}
		list = append(list, set)
	}
	return list, nil
}
