package report

import (
	"time"
)

// Report is what arrived at a tenant. Times are in UTC and have milliseconds.
type Report struct {
	Tenant string `json:"tenant"`
	// Since is when the first counted request arrived; zero where none has.
	Since time.Time `json:"since,omitzero"`
	// Attributes are in the order of resource type and name.
	Attributes []Attribute `json:"attributes"`
	Activity   Activity    `json:"activity"`
}

// Attribute tells how often clients sent an attribute.
type Attribute struct {
	ResourceType string `json:"resource_type"` // User or Group
	// Name is a path without filters, such as emails.value, with its URN where it
	// is an extension's. Of names that no schema knows the first 500 are told
	// apart, cut at 64 bytes; the rest is "other".
	Name string `json:"name"`
	// Known tells whether the RFC's schemas or a registered extension have the
	// attribute; other names are the client's own words.
	Known bool `json:"known"`
	// Kept counts the values that were taken over, Dropped those that were not.
	Kept    int64     `json:"kept"`
	Dropped int64     `json:"dropped"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// Activity tells whether a tenant's provisioning works.
type Activity struct {
	Requests int64 `json:"requests"`
	Changes  int64 `json:"changes"` // requests that changed something
	// Errors counts the failures: answers with a status from 400, but for 404 and
	// 412, with which clients find out what is there.
	Errors      int64     `json:"errors"`
	LastRequest time.Time `json:"last_request,omitzero"`
	LastChange  time.Time `json:"last_change,omitzero"`
	LastError   Failure   `json:"last_error,omitzero"`
	// Hours are the last 24 hours in which there were requests, the oldest first.
	// The newest is under way.
	Hours []Hour `json:"hours,omitzero"`
}

// Failure is a request that failed.
type Failure struct {
	Time         time.Time `json:"time"`
	Operation    string    `json:"operation"`
	ResourceType string    `json:"resource_type,omitzero"` // User, Group or empty
	Status       int       `json:"status"`                 // of HTTP, 400 to 599
	ScimType     string    `json:"scim_type,omitzero"`     // RFC 7644 §3.12
}

// Hour counts the requests of one hour.
type Hour struct {
	Start    time.Time `json:"start"` // a full hour in UTC
	Requests int64     `json:"requests"`
	Errors   int64     `json:"errors"`
}
