package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/directory"
	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/report"
	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
	"github.com/caddy-scim/caddy-scim/scimmodule/transfer"
)

// Standing is what is in force for a tenant: its directory with the settings of
// the moment.
type Standing struct {
	Directory *directory.Directory
	// Settings are those in force; each of them says something.
	Settings registry.Settings
	Paused   bool

	record  registry.Tenant // what run time says
	until   time.Time
	refused error // why there is no such tenant now; nil where there is
}

// Errors of tenants that cannot be served now.
var (
	// ErrImporting is for one into which an import is under way.
	ErrImporting = errors.New("an import is under way into")
	// ErrUnfit is for one whose settings of run time do not fit the configuration
	// any more, such as an allow list with an extension that is gone.
	ErrUnfit = errors.New("settings do not fit the configuration any more")
)

// Of returns a tenant's standing. Errors: registry.ErrUnknownTenant where
// neither the configuration nor run time knows the tenant, such as one that the
// configuration no longer declares; registry.ErrDeleting, ErrImporting, ErrUnfit;
// and the store's.
func (t *Tenancy) Of(ctx context.Context, name string) (*Standing, error) {
	t.mu.RLock()
	known, changes := t.standings[name], t.changes
	t.mu.RUnlock()
	if known != nil && time.Now().Before(known.until) {
		return known, known.refused
	}
	until := time.Now().Add(freshFor)
	rec, err := t.registry.Tenant(ctx, name)
	if err != nil {
		return nil, err
	}
	now, err := t.assess(rec, known)
	if err != nil {
		return nil, err
	}
	if now.refused == nil && rec.Created.IsZero() {
		// One that is made at run time gets its record at the end of its import.
		importing, err := transfer.Importing(ctx, t.store, name)
		if err != nil {
			return nil, err
		}
		if importing {
			return nil, fmt.Errorf("%w %s", ErrImporting, name)
		}
	}
	now.until = until
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.changes != changes: // somebody changed a tenant meanwhile: read it anew next time
	case now.refused != nil:
		delete(t.standings, name) // names that nobody has are not remembered
	default:
		t.standings[name] = now
	}
	return now, now.refused
}

// assess makes a standing of what the registry says. The directory of the one
// that is known is kept where nothing has changed.
func (t *Tenancy) assess(rec registry.Tenant, known *Standing) (*Standing, error) {
	if known != nil && known.record.Same(rec) {
		again := *known
		again.record = rec
		return &again, nil
	}
	decl, declared := t.declared[rec.Name]
	s := &Standing{record: rec}
	switch {
	case !rec.Deleted.IsZero() && !rec.Erased:
		s.refused = fmt.Errorf("%w: wait until everything of %s is erased", registry.ErrDeleting, rec.Name)
		return s, nil
	case !rec.Live() && !declared:
		s.refused = fmt.Errorf("%w %s: declare it in the configuration, or create it", registry.ErrUnknownTenant, rec.Name)
		return s, nil
	}
	s.Paused = decl.paused || rec.Paused
	s.Settings = t.layers(rec, decl)
	set, err := t.compile(s.Settings)
	if err != nil {
		s.refused = fmt.Errorf("tenant %s: %w: %w", rec.Name, ErrUnfit, err)
		return s, nil
	}
	s.Directory = directory.New(t.store, rec.Name, set)
	return s, nil
}

// layers puts the settings of a tenant together.
func (t *Tenancy) layers(rec registry.Tenant, decl declaration) registry.Settings {
	s := decl.settings
	if rec.Live() {
		s = s.Over(rec.Settings)
	}
	return s.Over(t.defaults).Over(registry.Defaults())
}

// forget has a tenant's standing read anew.
func (t *Tenancy) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changes++
	delete(t.standings, name)
}

// Import applies the next lines of an export; see [transfer.Importer.Chunk].
func (t *Tenancy) Import(ctx context.Context, export string, first int, lines [][]byte) (transfer.Position, error) {
	p, err := t.importer.Chunk(ctx, export, first, lines)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changes++
	clear(t.standings) // a tenant may have begun to be imported, or have come to be with its tokens
	clear(t.verdicts.unknown)
	return p, err
}

// maxViews bounds the memory for allow lists that are in force nowhere any more.
const maxViews = 1000

// compile checks settings, each of which says something, and makes them a
// directory's. Tenants with equal lists share one view.
func (t *Tenancy) compile(s registry.Settings) (directory.Settings, error) {
	byExternalID, err := s.MatchExternalID()
	if err != nil {
		return directory.Settings{}, err
	}
	mode := directory.MemberMode(s.Members)
	switch mode {
	case directory.MembersCreate, directory.MembersPending, directory.MembersIgnore, directory.MembersReject:
	default:
		return directory.Settings{}, fmt.Errorf("members %.50s: has to be create, pending, ignore or reject", s.Members)
	}
	if *s.ArchiveRetention < 0 {
		return directory.Settings{}, fmt.Errorf("archive_retention must not be negative")
	}
	if r := s.Rate; r.Requests < 0 || r.Burst < 0 {
		return directory.Settings{}, fmt.Errorf("rate must not be negative")
	}
	views, err := t.narrow(schema.Narrowing{Allow: s.Allow, Required: s.Required, DuplicateGroupNames: *s.DuplicateGroupNames})
	if err != nil {
		return directory.Settings{}, err
	}
	return directory.Settings{
		Views:               views,
		Members:             mode,
		MatchExternalID:     byExternalID,
		DuplicateGroupNames: *s.DuplicateGroupNames,
		ArchiveRetention:    time.Duration(*s.ArchiveRetention),
		MaxCreations:        t.bounds.Creations,
		MaxScan:             t.bounds.Scan,
		MaxPage:             t.bounds.Page,
		DefaultPage:         t.bounds.DefaultPage,
	}, nil
}

func (t *Tenancy) narrow(n schema.Narrowing) (*schema.Views, error) {
	key, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	t.mu.RLock()
	v := t.views[string(key)]
	t.mu.RUnlock()
	if v != nil {
		return v, nil
	}
	if v, err = t.catalog.Narrow(n); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.views) >= maxViews {
		clear(t.views)
	}
	t.views[string(key)] = v
	return v, nil
}

// admission prepares to admit a tenant's records by the settings that an import
// brings.
func (t *Tenancy) admission(name string, settings []byte) (transfer.Admit, error) {
	run, err := registry.SettingsOf(settings)
	if err != nil {
		return nil, err
	}
	set, err := t.compile(t.declared[name].settings.Over(run).Over(t.defaults).Over(registry.Defaults()))
	if err != nil {
		return nil, err
	}
	return directory.New(t.store, name, set).Admit, nil
}

// checkImported refuses a record of the system tenant that is not one which the
// tenant can have.
func checkImported(name string, r store.Record) error {
	switch r.Kind {
	case store.Token:
		return registry.CheckToken(name, r)
	case store.Tenant:
		return registry.CheckTenant(r)
	case store.Report:
		return report.Check(r.Body)
	}
	return nil
}
