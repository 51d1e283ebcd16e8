// Package command is the command line of a running server, `caddy-scim scim …`:
// it asks the admin API and prints the answers for people and for scripts. It
// must not open a store, and must not know anything that the admin API does not
// tell.
//
// The doctor asks a SCIM server as its clients do, and not the admin API.
//
// Every command has --json, which prints the API's answer as it came, and ends
// with one of the exit codes that `scim --help` names. What a command prints for
// people fits 80 columns, and holds no control characters of somebody else's.
package command
