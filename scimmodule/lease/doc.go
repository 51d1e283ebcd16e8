// Package lease runs a job on one node at a time, of all that share a store. It
// must not be relied on for more than that in the ordinary case: where clocks
// differ or a node is stopped in its tracks two nodes may run a job at once, so a
// job must be harmless when it is run twice.
package lease
