// Package transfer writes tenants to a file and reads them back: a backup, and
// the way from one database to another. It must not know HTTP, SCIM or the
// service's settings: the bodies of records are JSON that it only passes on.
//
// # The file
//
// An export is NDJSON: one JSON object a line, UTF-8, ended by a line feed.
//
//	{"export":{"format":1,"id":"…","time":"…"}}
//	{"tenant":{"name":"acme","revision":7,"record":{"kind":"tenant",…}}}
//	{"kind":"user","id":"…","created":"…","modified":"…","allow":"…","version":3,"body":{…}}
//	{"kind":"group",…}
//	{"members":{"group":"…","add":[{"id":"…","kind":"user"},…]}}
//	{"kind":"archived",…,"archived_at":"…",…}
//	{"kind":"tombstone",…}
//	{"kind":"report",…}
//	{"kind":"token",…}
//	{"tenant_end":{"name":"acme","counts":{…},"changed":true}}
//	{"end":{"lines":11}}
//
// Tenants come by name, the records of a tenant by kind in the order above and
// then by id, the members of a group behind it: users first, by id, up to 1,000
// a line. So the same content makes the same bytes, but for the header, versions
// and revisions; Canonical leaves these out. A tenant that only the
// configuration knows has no "record". A file without its last line was cut off.
//
// The change log is not exported, and an import leaves none: what follows it
// reads the directory anew. Neither are the marks of finished sweeps.
//
// An export is not a snapshot. Where a tenant was written to meanwhile, its end
// has "changed": the parts may then not fit together (a user who was archived
// between two pages occurs twice or not at all), and such a file may be refused
// on import. Pause the tenant for an export that is whole for certain.
//
// # The import
//
// An import is applied in chunks, each of them as often as need be: the position
// is kept in the store and moves when a chunk is in. A tenant's own record is
// written last, together with the position, so that a tenant is either not yet
// known or whole. While Importing says so, nobody else may write to the tenant.
package transfer
