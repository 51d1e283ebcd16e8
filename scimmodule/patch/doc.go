// Package patch applies PATCH requests (RFC 7644 §3.5.2), in the dialects that
// real provisioning clients speak, to the value tree of a resource. It must not
// look at a store: a group's members never pass through the tree, and come out
// as edits for the directory to carry out.
package patch
