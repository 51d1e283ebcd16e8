package admin

import (
	"encoding/json"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/registry"
	"github.com/caddy-scim/caddy-scim/scimmodule/report"
)

// The paths. Those of health are GET; all others are POST with a JSON body, so
// that neither a page in a browser nor a forged GET can use them.
const (
	PathLive         = "/scim/health/live"
	PathReady        = "/scim/health/ready"
	PathTenantList   = "/scim/tenants/list"
	PathTenantShow   = "/scim/tenants/show"
	PathTenantCreate = "/scim/tenants/create"
	PathTenantSet    = "/scim/tenants/set"
	PathTenantPause  = "/scim/tenants/pause"
	PathTenantResume = "/scim/tenants/resume"
	PathTenantDelete = "/scim/tenants/delete"
	PathTenantSetup  = "/scim/tenants/setup"
	PathTokenCreate  = "/scim/tokens/create" //nolint:gosec // a path, no credential
	PathTokenList    = "/scim/tokens/list"   //nolint:gosec // a path, no credential
	PathTokenRevoke  = "/scim/tokens/revoke" //nolint:gosec // a path, no credential
	PathUserShow     = "/scim/users/show"
	PathGroupShow    = "/scim/groups/show"
	PathGroupMembers = "/scim/groups/members"
	PathArchiveList  = "/scim/archive/list"
	PathArchiveShow  = "/scim/archive/show"
	PathRestore      = "/scim/archive/restore"
	PathPurge        = "/scim/archive/purge"
	PathReport       = "/scim/report"
	PathExport       = "/scim/export"
	PathImportBegin  = "/scim/import/begin"
	PathImportChunk  = "/scim/import/chunk"
)

// ErrorAnswer is the body of every answer with a status from 400.
type ErrorAnswer struct {
	Error string `json:"error"` // a sentence that says what to do
}

// Health is the answer of the health paths.
type Health struct {
	Status   string   `json:"status"` // live or ready
	Store    string   `json:"store,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// TenantRequest names a tenant.
type TenantRequest struct {
	Tenant string `json:"tenant"`
}

// PageRequest asks for a part of a list.
type PageRequest struct {
	After string `json:"after,omitempty"` // the Next of the page before
	Limit int    `json:"limit,omitempty"` // 1 to 1,000; default 100
}

// TenantCreate makes a tenant.
type TenantCreate struct {
	Tenant   string            `json:"tenant"`
	Settings registry.Settings `json:"settings,omitzero"`
	// Adopt takes over what is stored of an earlier tenant of the name.
	Adopt bool `json:"adopt,omitempty"`
}

// TenantSet changes the settings of run time: those in Set are set, those named
// in Unset say nothing any more.
type TenantSet struct {
	Tenant string            `json:"tenant"`
	Set    registry.Settings `json:"set,omitzero"`
	Unset  []string          `json:"unset,omitempty"`
}

// TenantDelete deletes a tenant with everything of theirs.
type TenantDelete struct {
	Tenant  string `json:"tenant"`
	Confirm string `json:"confirm"` // the tenant's name again
	// NoWait has the answer come when the deletion has begun.
	NoWait bool `json:"no_wait,omitempty"`
}

// TenantDeleted tells how far a deletion is. It goes on without further
// requests; the same request again waits for it, some seconds at a time.
type TenantDeleted struct {
	Tenant string `json:"tenant"`
	Erased int    `json:"erased"` // keys of the store so far
	Done   bool   `json:"done"`
}

// The states of a tenant.
const (
	StateActive   = "active"
	StatePaused   = "paused"
	StateDeleting = "deleting"
	// StateUnfit is for settings that do not fit the configuration any more.
	StateUnfit = "unfit"
	// StateImporting is for a configured tenant into which an import is under way.
	StateImporting = "importing"
)

// Tenant is a tenant at a glance.
type Tenant struct {
	Name  string `json:"name"`
	State string `json:"state"` // one of the constants above
	// Configured tells that the configuration declares it.
	Configured bool       `json:"configured"`
	Created    *time.Time `json:"created,omitempty"` // of its record of run time
	Users      int        `json:"users"`
	Groups     int        `json:"groups"`
	Archived   int        `json:"archived"`
	Tokens     int        `json:"tokens"` // minted and static
	// LastRequest and LastChange are of its identity provider.
	LastRequest *time.Time `json:"last_request,omitempty"`
	LastChange  *time.Time `json:"last_change,omitempty"`
	// Errors is how many requests of the last 24 hours failed.
	Errors int64 `json:"errors"`
}

// TenantPage is a page of tenants by name.
type TenantPage struct {
	Tenants []Tenant `json:"tenants"`
	Next    string   `json:"next,omitempty"`
}

// TenantDetail is all about a tenant.
type TenantDetail struct {
	Tenant
	TenantURL string    `json:"tenant_url,omitempty"`
	Settings  []Setting `json:"settings"`
	Activity  any       `json:"activity,omitempty"`
	// Notes are sentences about what may surprise, such as a setting of run time
	// that the configuration overrides.
	Notes []string `json:"notes,omitempty"`
}

// The origins of a setting, from the strongest.
const (
	FromConfiguration = "configuration"          // the tenant's own block
	FromRunTime       = "run time"               // tenants/create and tenants/set
	FromDefaults      = "configuration defaults" // for tenants that do not say otherwise
	FromBuiltIn       = "built in"
)

// Setting is a setting in force, and where it comes from.
type Setting struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
	From  string          `json:"from"`
	// Overridden is what run time says in vain: the configuration wins.
	Overridden json.RawMessage `json:"overridden,omitempty"`
}

// TokenCreate mints a token.
type TokenCreate struct {
	Tenant string `json:"tenant"`
	Label  string `json:"label,omitempty"`
	// Expires is a duration from now (90d, 12h), a date or a time (RFC 3339);
	// empty for never.
	Expires   string   `json:"expires,omitempty"`
	Scope     string   `json:"scope,omitempty"`     // provision (default) or read
	Addresses []string `json:"addresses,omitempty"` // addresses and CIDR ranges that it may come from
	Create    bool     `json:"create,omitempty"`    // make the tenant where there is none
}

// TokenCreated is a token with its secret, which is never shown again.
type TokenCreated struct {
	Tenant    string     `json:"tenant"`
	TenantURL string     `json:"tenant_url,omitempty"`
	Token     string     `json:"token"`
	ID        string     `json:"id"`
	Label     string     `json:"label,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
	Scope     string     `json:"scope"`
	Addresses []string   `json:"addresses,omitempty"`
}

// Token is a token without its secret.
type Token struct {
	ID        string     `json:"id"`
	Label     string     `json:"label,omitempty"`
	Scope     string     `json:"scope"`
	Created   *time.Time `json:"created,omitempty"` // a static token has none
	Expires   *time.Time `json:"expires,omitempty"`
	LastUsed  *time.Time `json:"last_used,omitempty"` // to the minute
	Addresses []string   `json:"addresses,omitempty"`
	// Static tokens are in the configuration, and end there.
	Static bool `json:"static,omitempty"`
	// Warning tells of an expiry within 30 days, or in the past.
	Warning string `json:"warning,omitempty"`
}

// TokenList is a tenant's tokens.
type TokenList struct {
	Tenant string  `json:"tenant"`
	Tokens []Token `json:"tokens"`
}

// TokenRevoke ends a token; it is also the answer.
type TokenRevoke struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
}

// Lookup asks for users or groups by id, by userName or displayName, or by
// externalId, whichever Key is.
type Lookup struct {
	Tenant string `json:"tenant"`
	Key    string `json:"key"`
}

// Resource is a stored user or group.
type Resource struct {
	ID string `json:"id"`
	// State is live, archived, or erased: then only the id is left.
	State string `json:"state"`
	// MatchedBy is what the key was: id, userName, displayName or externalId.
	MatchedBy   string     `json:"matched_by,omitempty"`
	Provisional bool       `json:"provisional,omitempty"` // only known as a group's member
	Version     string     `json:"version,omitempty"`
	Created     *time.Time `json:"created,omitempty"`
	Modified    *time.Time `json:"modified,omitempty"`
	ArchivedAt  *time.Time `json:"archived_at,omitempty"`
	// Attributes is the resource as it is stored, without meta and members.
	Attributes json.RawMessage `json:"attributes,omitempty"`
	// Groups are those that it is a member of, at most 100; TotalGroups counts all.
	Groups      []GroupRef `json:"groups,omitempty"`
	TotalGroups int        `json:"total_groups,omitempty"`
	// Members counts a group's members.
	Members *int `json:"members,omitempty"`
}

// GroupRef names a group.
type GroupRef struct {
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
}

// LookupResult is what a Lookup found; empty where there is nothing.
type LookupResult struct {
	Tenant    string     `json:"tenant"`
	Resources []Resource `json:"resources"`
}

// MembersRequest asks for a page of a group's members.
type MembersRequest struct {
	Tenant string `json:"tenant"`
	Group  string `json:"group"` // its id
	PageRequest
}

// Member is a member of a group: a User or a Group.
type Member struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// MemberPage is a page of a group's members, users first, by id.
type MemberPage struct {
	Members []Member `json:"members"`
	Total   int      `json:"total"`
	Next    string   `json:"next,omitempty"`
}

// ArchiveRequest asks for a page of archived users.
type ArchiveRequest struct {
	Tenant string `json:"tenant"`
	PageRequest
}

// ArchivePage is a page of archived users by id.
type ArchivePage struct {
	Tenant string     `json:"tenant"`
	Users  []Resource `json:"users"`
	Total  int        `json:"total"`
	Next   string     `json:"next,omitempty"`
}

// ArchiveID names an archived user. The answer of show and restore is a
// Resource, that of purge an ArchiveID.
type ArchiveID struct {
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
}

// Purge erases an archived user for good.
type Purge struct {
	Tenant  string `json:"tenant"`
	ID      string `json:"id"`
	Confirm string `json:"confirm"` // the id again
}

// Report is the answer of PathReport: what arrived, what was kept and dropped.
type Report = report.Report

// ExportRequest asks for an export, which is answered as NDJSON.
type ExportRequest struct {
	Tenants []string `json:"tenants,omitempty"` // empty for all
}

// ImportBegin asks how far an import is; it begins it where it is not.
type ImportBegin struct {
	Header string `json:"header"` // the first line of the file
}

// ImportPosition tells which line the import waits for, from 0.
type ImportPosition struct {
	Next int  `json:"next"`
	Done bool `json:"done"`
}

// ImportChunk is the next lines of an import: at most 2,000 lines and 2 MiB. The
// answer is an ImportPosition. Where the import waits for another line than
// First, nothing is applied, and the answer tells which.
type ImportChunk struct {
	ID    string   `json:"id"` // of the export, from its first line
	First int      `json:"first"`
	Lines []string `json:"lines"`
}
