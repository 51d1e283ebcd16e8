package store

import "time"

// Kind is a family of records. Ids are unique within a tenant and a kind.
type Kind string

// The kinds of records.
const (
	User      Kind = "user"      // a live user
	Group     Kind = "group"     // a group
	Archived  Kind = "archived"  // a user after DELETE, kept until restored or purged
	Tombstone Kind = "tombstone" // the bare id of a purged user or a deleted group
	Token     Kind = "token"     // a bearer token's hash, in the SystemTenant
	Tenant    Kind = "tenant"    // a tenant made at run time, in the SystemTenant
	Sweep     Kind = "sweep"     // the mark of a finished sweep of a tenant, in the SystemTenant
	Report    Kind = "report"    // a tenant's attribute names and activity, in the SystemTenant
	Lease     Kind = "lease"     // which node does a job, and when it was last done, in the SystemTenant
	Import    Kind = "import"    // how far an import into a tenant came, in the SystemTenant
)

// SystemTenant is the reserved tenant under which tokens, the registry of
// tenants and what the service notes about tenants live. It cannot clash: tenant names start with a letter or digit.
const SystemTenant = "_system"

// Record is one stored resource: an envelope that the store understands and a
// body that it does not.
type Record struct {
	Kind Kind
	// ID starts with a letter or digit and has at most 128 bytes of
	// [A-Za-z0-9._~@+:-].
	ID string
	// Version is the tenant's revision at which the record last changed, and
	// for a group also its membership. It is never 0 for a stored record, only
	// grows, and is never used again, not even for a record that was deleted
	// and made anew; but Drop makes the tenant's versions begin again.
	Version uint64
	// Created and Modified have millisecond resolution, in UTC.
	Created, Modified time.Time
	// Allow is the fingerprint of the allow list under which Body was written:
	// at most 32 characters of [A-Za-z0-9_-], possibly empty.
	Allow string
	// Provisional marks a user who is only known as a group's member.
	Provisional bool
	// ArchivedAt is when the user was archived; zero for every other kind.
	ArchivedAt time.Time
	// Body is a JSON object without insignificant white space, and without a
	// member "meta"; or empty (tombstones). The caller may keep and change it.
	Body []byte
}

// Key is an entry of an index: the index's name and a normalised value of at
// most MaxKeyValue bytes, any bytes.
type Key struct {
	Index string // letters, digits and dots
	Value string
}

// MaxKeyValue is the longest value of a Key, in bytes. Callers shorten longer
// ones by a digest.
const MaxKeyValue = 512
