// Package report keeps, for each tenant, which attributes arrived, which of them
// were kept and which dropped, and whether provisioning works. It must never be
// given a value of a client: it knows names, counts and times.
package report
