// Package boltstore keeps a directory in one bbolt file, for a service that
// runs on one machine. It must not know SCIM's rules, nor share its file with
// another process: the file is locked while it is open.
//
// Every acknowledged commit is synced to the disk. Commits that arrive while
// one is being synced share the next sync; a lone one does not wait.
//
// # Layout
//
// The bucket "caddy-scim" holds the format's number under "format". Each tenant
// has a bucket "t:<tenant>", so that all of its data can be found, and in it,
// made when first needed:
//
//	state          revision, end of the trimmed log, length of the log and
//	               records per kind, 8 bytes each; kinds that came later may
//	               be missing at the end, and count none
//	head:<kind>    id -> envelope
//	body:<kind>    id -> body, where it is not empty
//	unique         kind, index, value -> id
//	index          kind, index, value -> count; and followed by id -> nothing
//	members        group -> count; and followed by kind, id -> nothing
//	groups         member -> count; and followed by group -> kind of the member
//	log            sequence number, big-endian -> entry
//
// Kinds are one byte. Within a key every part but the last is preceded by its
// length, one byte (two for an index value, which may hold any bytes), so that
// no key can be read in two ways and the entries of one prefix lie together.
// A kind that is added goes to the end of the list, which leaves the format as it
// is: older files need no change. An older version refuses a tenant that was
// written to with more kinds than it knows.
//
// Envelopes lie apart from bodies so that paging by rank, and the new version
// that a group gets when its members change, do not touch the bodies.
//
// # Limits
//
// What is deleted, redacted or dropped is out of reach at once, but its bytes
// stay in free pages of the file until they are used again. The file never
// shrinks by itself. A batch has at most 64 MiB.
package boltstore
