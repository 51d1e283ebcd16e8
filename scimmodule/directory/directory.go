package directory

import (
	"context"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/scimerr"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// MemberMode is what becomes of a group's member whom nobody knows.
type MemberMode string

// The modes. A member who was archived or purged, or is a deleted group, is
// never made anew: dropped in every mode but MembersReject.
const (
	MembersCreate  MemberMode = "create"  // a provisional user is created
	MembersPending MemberMode = "pending" // the id is kept until such a user appears
	MembersIgnore  MemberMode = "ignore"  // the member is dropped and counted
	MembersReject  MemberMode = "reject"  // the request is refused
)

// Settings are a tenant's rules. The zero value of a field but Views is its
// default.
type Settings struct {
	Views   *schema.Views
	Members MemberMode // default MembersCreate
	// MatchExternalID lets a create revive or restore the one user who holds
	// the externalId, besides the one of that userName.
	MatchExternalID bool
	// DuplicateGroupNames allows several groups of one displayName.
	DuplicateGroupNames bool
	// ArchiveRetention is how long an archived user is kept; 0 keeps for ever.
	ArchiveRetention time.Duration
	// MaxCreations bounds the provisional users made by one request.
	MaxCreations int // default 5,000
	// MaxScan bounds the records that a query without an index may look at.
	MaxScan int // default 50,000
	// MaxResource bounds the bytes of one stored resource without its members.
	MaxResource int // default 256 KiB
	// MaxPage and DefaultPage bound the resources of one answer.
	MaxPage, DefaultPage int // default 200 and 100
}

func (s Settings) withDefaults() Settings {
	if s.Members == "" {
		s.Members = MembersCreate
	}
	for _, f := range []struct {
		n        *int
		fallback int
	}{{&s.MaxCreations, 5000}, {&s.MaxScan, 50_000}, {&s.MaxResource, 256 << 10}, {&s.MaxPage, 200}, {&s.DefaultPage, 100}} {
		if *f.n == 0 {
			*f.n = f.fallback
		}
	}
	s.DefaultPage = min(s.DefaultPage, s.MaxPage)
	return s
}

// Directory is one tenant's users and groups. It is safe for concurrent use, by
// several processes over one store too.
type Directory struct {
	store  store.Store
	tenant string
	set    Settings
	locks  *locks
	now    func() time.Time
}

// New returns the directory of a tenant. It does no I/O.
func New(s store.Store, tenant string, set Settings) *Directory {
	return &Directory{store: s, tenant: tenant, set: set.withDefaults(), locks: newLocks(), now: time.Now}
}

// Tenant returns the tenant's name.
func (d *Directory) Tenant() string { return d.tenant }

// Settings returns the tenant's rules, with the defaults filled in.
func (d *Directory) Settings() Settings { return d.set }

// View returns the narrowed schema of users or of groups.
func (d *Directory) View(k store.Kind) *schema.View {
	if k == store.Group {
		return d.set.Views.Group
	}
	return d.set.Views.User
}

// Call is what a request brings besides its operands.
type Call struct {
	// Actor is the id of the token, for the change log.
	Actor string
	// Base is the public address of the SCIM endpoint: a member's $ref is only
	// trusted under it.
	Base string
	// Tally collects the names of what is kept and what is not, once the use case
	// has ended; nil forgets them.
	Tally *schema.Tally
	// Created counts the users that were created from members; a bulk request
	// shares one counter among its operations. Nil counts each call alone.
	Created *int
	// members is what becomes of the members whom the call names.
	members *memberCount
	// Match is the precondition on the version of what is changed (If-Match);
	// nil where there is none.
	Match func(version uint64) bool
}

func (c Call) check(r store.Record) error {
	if c.Match == nil || c.Match(r.Version) {
		return nil
	}
	return PreconditionFailed()
}

// PreconditionFailed is the error of a version that If-Match does not name (RFC
// 7644 §3.14).
func PreconditionFailed() error {
	return scimerr.New(412, scimerr.None, "The resource has changed: its version is not one that If-Match names. Read it again.")
}

// Get returns a user or group as the allow list of today shows it. The error is
// a 404 where there is none.
func (d *Directory) Get(ctx context.Context, k store.Kind, id string) (store.Record, error) {
	r, err := d.get(ctx, k, id)
	if err != nil {
		return r, err
	}
	return d.refresh(r)
}

func (d *Directory) get(ctx context.Context, k store.Kind, id string) (store.Record, error) {
	if !ValidID(id) {
		return store.Record{}, notFound(k, id)
	}
	rs, err := d.store.Get(ctx, d.tenant, k, id)
	if err != nil {
		return store.Record{}, storeError(err)
	}
	if len(rs) == 0 {
		return store.Record{}, notFound(k, id)
	}
	return rs[0], nil
}

func notFound(k store.Kind, id string) error {
	what := "user"
	if k == store.Group {
		what = "group"
	}
	if len(id) > maxID {
		id = "that was given"
	}
	return scimerr.New(404, scimerr.None, "There is no %s with the id %s.", what, id)
}

// timestamp is the moment of a change, in the store's resolution.
func (d *Directory) timestamp() time.Time { return d.now().UTC().Truncate(time.Millisecond) }
