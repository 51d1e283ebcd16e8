package store

import "context"

// Store keeps the records of all tenants. Its methods are safe for concurrent
// use; what is acknowledged by one is seen by every later call, on every node
// that shares the store. The tenant is a parameter of each call, and no call
// sees another tenant's data. Byte slices are copies: the caller owns them.
//
// Besides the errors that each method names, all return ErrUnavailable (wrapped)
// when the database cannot be reached or does not answer in time, and the
// context's error when that ends first.
type Store interface {
	// Get returns the records that exist, in the order asked for; ids that
	// name none are left out. Asking for no ids is no error.
	Get(ctx context.Context, tenant string, kind Kind, ids ...string) ([]Record, error)

	// Lookup resolves a unique key to the id that claimed it; ErrNotFound
	// where none did.
	Lookup(ctx context.Context, tenant string, kind Kind, key Key) (string, error)

	// Scan pages through the records of a kind, or through those under one
	// non-unique index key, by id in byte order.
	Scan(ctx context.Context, tenant string, q Query) (Page, error)

	// Edges pages through one side of the membership relation, by kind (users
	// first) and then id in byte order. A group or member that does not exist
	// has no edges.
	Edges(ctx context.Context, tenant string, q EdgeQuery) (EdgePage, error)

	// Changes returns up to limit (1 to 10,000) entries of the tenant's log
	// with a Seq above after, oldest first. *TruncatedError where entries
	// above after were trimmed.
	Changes(ctx context.Context, tenant string, after uint64, limit int) ([]Change, error)

	// Commit applies the batch whole or not at all. Errors: *ConflictError,
	// *UniqueError, *MissingError (a group or members that do not exist),
	// ErrTooLarge; ErrUnavailable where nothing was applied, ErrUncertain
	// where the database's answer was lost and the batch may have been applied.
	Commit(ctx context.Context, tenant string, b *Batch) (Result, error)

	// Redact removes the log entries for which drop is true, for good. It need not be
	// atomic; it may be called again after an error.
	Redact(ctx context.Context, tenant string, drop func(Change) bool) (int, error)

	// Drop erases everything that a tenant has: records, keys, edges, the change
	// log and the revision. Afterwards the tenant is as if it had never been: a
	// later commit starts at revision 1, so versions may come again. A tenant that
	// has nothing is no error; ErrSystem for the SystemTenant, whose records about
	// the tenant are the caller's to delete.
	//
	// It erases a bounded number of keys at a time, in no order that a reader can
	// rely on, and lets other calls go on between. After an error (the context's
	// too) or a crash a part is left, and Drop must be called again. The caller
	// sees to it that until Drop has returned nil no node serves the tenant, and
	// none commits to it: what is committed before the last step is erased as
	// well, what comes later stays, and while commits keep coming, Drop may not
	// end.
	//
	// Where progress is not nil it is told, from the caller's goroutine, how many
	// keys this call has erased so far, as the store counts them.
	Drop(ctx context.Context, tenant string, progress func(erased int)) error

	// Ready tells whether the store can serve now, by a cheap round trip.
	Ready(ctx context.Context) error

	// Close releases the database. Calls under way may fail.
	Close() error
}

// Warner is implemented by stores that can tell of settings under which data
// may be lost. The sentences are for the operator's log and health page.
type Warner interface {
	Warnings(ctx context.Context) ([]string, error)
}

// Query selects records. Offset and After exclude each other.
type Query struct {
	Kind Kind
	// Key restricts the scan to one key of a non-unique index.
	Key *Key
	// Offset skips that many records, from 0.
	Offset int
	// After starts behind this id ("" starts at the first).
	After string
	// Limit is how many records to return: 0 for the total alone, at most 10,000.
	Limit int
	// IDsOnly leaves everything but Kind and ID out of the records.
	IDsOnly bool
}

// Page is a part of a scan. A record that is deleted while the page is read
// may be missing from it: Next is what tells whether there is more.
type Page struct {
	Records []Record
	// Total counts all records that the query selects, without regard to
	// Offset, After and Limit.
	Total int
	// Next is the id to give as After for the following page; empty when this
	// was the last.
	Next string
}

// EdgeQuery selects edges: the members of Group, or the groups of Member.
// Exactly one of the two is set.
type EdgeQuery struct {
	Group  string
	Member string
	// Only restricts the answer to these ids (at most 20,000); Limit and After do not
	// count then.
	Only []string
	// After starts behind this edge (the zero value starts at the first).
	After Member
	// Limit is how many edges to return: 0 for the total alone, at most 10,000.
	Limit int
}

// EdgePage is a part of one side of the relation. For the groups of a member,
// the Kind of each is Group.
type EdgePage struct {
	Members []Member
	Total   int    // all edges at this side; with Only, those among the ids
	Next    Member // to give as After; zero when this was the last page
}

// LogLimit bounds a tenant's change log. Stores trim lazily: a log may exceed
// its limit by 10 % or 100 entries.
type LogLimit struct {
	Entries int   // at most so many; 0 for DefaultLogEntries
	MaxAge  int64 // in seconds, by the entry's time; 0 for no limit
}

// DefaultLogEntries is the length of a change log that is not configured.
const DefaultLogEntries = 10_000
