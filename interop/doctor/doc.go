// Package doctor plays the corpus of real clients' requests against a SCIM server
// and reports what these clients would make of it. It must not touch anything on
// the server that it did not create itself.
//
// A run has an id, which is in the name of everything that it makes. What a file
// made is deleted at the file's end, also where the run is interrupted; for a run
// that was killed, [Cleanup] finds it by these names. Requests under way are not
// broken off by an interrupt, so that what they make is known.
//
// Reports hold the doctor's own probes, not other people's data: of resources
// that it did not make no values are shown.
package doctor
