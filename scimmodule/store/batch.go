package store

import "time"

// Batch is one atomic commit. All preconditions are checked against the state
// before the batch; if one fails, nothing is written. Within a batch a (kind,
// id) occurs at most once in Put and Delete together, a key at most once in Claim
// and in Release, a (key, id) at most once in Index and Unindex, and a group at
// most once in Members.
type Batch struct {
	// Time is the moment of the change; it becomes Modified of everything the
	// batch changes. Millisecond resolution, required.
	Time time.Time
	// Actor is who caused the change, for the change log: a token's id.
	Actor string

	Require []Require // preconditions on records that are not written
	Put     []Put
	Delete  []Delete
	Claim   []Claim // unique keys taken
	Release []Claim // unique keys given up
	Index   []Entry // non-unique entries added
	Unindex []Entry // non-unique entries removed
	Members []MemberChange
	Events  []Event
}

// Any stands, as the Version of a Require or an Expect, for every version: the
// record must exist. 0 stands for a record that must not exist.
const Any = ^uint64(0)

// Require demands a record's version, or its absence, without writing it.
type Require struct {
	Kind    Kind
	ID      string
	Version uint64
}

// Put writes a record. Record.Version and Record.Modified are set by the store;
// Record.Created is kept, or set to the batch's time where it is zero.
type Put struct {
	Record Record
	// Expect is the version that the stored record must have: 0 for none.
	Expect uint64
}

// Delete removes a record. After the batch's own Members have been applied, no
// edge may be left at it in either direction, else the batch is a conflict.
type Delete struct {
	Kind   Kind
	ID     string
	Expect uint64 // the version it must have; Any, but not 0
}

// Claim is a unique key and its holder. A claim succeeds where the key is free,
// held by the same id, or released in the same batch; a release where it is
// held by the id (a conflict otherwise).
type Claim struct {
	Kind Kind
	Key  Key
	ID   string
}

// Entry is an entry of a non-unique index. Adding one that is there and
// removing one that is not are no-ops.
type Entry struct {
	Kind Kind
	Key  Key
	ID   string
}

// Member is one end of a membership edge: a User or a Group.
type Member struct {
	ID   string
	Kind Kind // User or Group
}

// MemberChange adds members to a group and removes members from it, without
// regard to the group's version, so that changes of several writers commute.
// The group must exist or be put by the same batch. Adding a member who is there and
// removing one who is not are no-ops; if nothing is left of a change, it neither
// bumps the group's version nor is logged.
type MemberChange struct {
	Group string
	// Add lists members; an id occurs in Add and Remove together at most once.
	// A member must exist (as a live user or a group) or be put by the same
	// batch, unless its id is in a change with Pending set.
	Add []Member
	// Remove lists ids, whatever their kind.
	Remove []string
	// Pending allows edges to members that do not exist (yet).
	Pending bool
}

// EventType names what happened in a change log entry.
type EventType string

// The types of events. GroupMembersChanged is written by the store itself.
const (
	UserCreated         EventType = "user.created"
	UserUpdated         EventType = "user.updated"
	UserDeactivated     EventType = "user.deactivated"
	UserReactivated     EventType = "user.reactivated"
	UserArchived        EventType = "user.archived"
	UserRestored        EventType = "user.restored"
	UserPurged          EventType = "user.purged"
	GroupCreated        EventType = "group.created"
	GroupUpdated        EventType = "group.updated"
	GroupDeleted        EventType = "group.deleted"
	GroupMembersChanged EventType = "group.members_changed"
)

// Event is a change log entry to append, in the order given; the entries for
// Members follow. Its body is the record that the batch puts under Kind and ID,
// if it puts one.
type Event struct {
	Type    EventType
	Kind    Kind
	ID      string
	Changed []string // names of the attributes that changed, without values
}

// MaxLoggedMembers is how many ids (added and removed together) one
// GroupMembersChanged entry lists at the most; a larger change makes several.
const MaxLoggedMembers = 1000

// Change is an entry of a tenant's change log.
type Change struct {
	Seq     uint64 // strictly growing within a tenant; may have gaps
	Type    EventType
	ID      string
	Version uint64 // the record's version after the change
	Time    time.Time
	Actor   string
	Changed []string
	Added   []Member // GroupMembersChanged only
	Removed []Member // GroupMembersChanged only
	Record  *Record  // as it was put; nil where the batch put none
}

// Result tells what a commit did.
type Result struct {
	// Revision is the Version of everything that the batch changed, and the
	// Seq of its last log entry. If the batch changed nothing (only no-op
	// members and index entries), it is the tenant's current revision.
	Revision uint64
	// Added and Removed count the edges that really changed, per group.
	Added, Removed map[string]int
}
