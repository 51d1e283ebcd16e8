package command

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
	"github.com/caddy-scim/caddy-scim/scimmodule/report"
	"github.com/caddy-scim/caddy-scim/scimmodule/setup"
)

const userID = "06cnfxtdyw3q1hxn6dbrtn5vk4"

var (
	noTenant = answer{http.StatusNotFound, admin.ErrorAnswer{Error: "there is no such tenant: check the name"}}

	acme = admin.Tenant{Name: "acme", State: admin.StateActive, Configured: true, Created: ptr(at(-900)), Users: 1234, Groups: 56, Archived: 7, Tokens: 2,
		LastRequest: ptr(at(-0.1)), LastChange: ptr(at(-3)), Errors: 12}
	acmeDetail = admin.TenantDetail{Tenant: acme, TenantURL: "https://scim.example.com/scim/v2",
		Settings: []admin.Setting{
			{Name: "allow", Value: json.RawMessage(`["default","title","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"]`), From: admin.FromConfiguration, Overridden: json.RawMessage(`["default"]`)},
			{Name: "required", Value: json.RawMessage(`[]`), From: admin.FromBuiltIn},
			{Name: "members", Value: json.RawMessage(`"create"`), From: admin.FromRunTime},
			{Name: "match", Value: json.RawMessage(`["userName"]`), From: admin.FromBuiltIn},
			{Name: "duplicate_group_names", Value: json.RawMessage(`false`), From: admin.FromDefaults},
			{Name: "archive_retention", Value: json.RawMessage(`"forever"`), From: admin.FromBuiltIn},
			{Name: "rate", Value: json.RawMessage(`"100 200"`), From: admin.FromRunTime},
		},
		Activity: report.Activity{Requests: 99, Errors: 12, LastError: report.Failure{Time: at(-2), Operation: "create", ResourceType: "User", Status: 409, ScimType: "uniqueness"}},
		Notes:    []string{"allow: the configuration wins over what was set at run time"},
	}
	fresh = admin.TenantDetail{Tenant: admin.Tenant{Name: "globex", State: admin.StateActive}, Notes: []string{"no token: mint one, else nobody can provision"}}

	alice = admin.Resource{ID: userID, State: "live", MatchedBy: "userName", Version: `W/"3"`, Created: ptr(at(-500)), Modified: ptr(at(-1)),
		Attributes: json.RawMessage(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"userName":"alice@example.com","name":{"givenName":"Alice"},"active":true,"emails":[{"value":"alice@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Research and Development, and whatever else does not fit into a line"}}`),
		Groups:     []admin.GroupRef{{ID: "06cnfxtdyw3q1hxn6dbrtn5vk5", DisplayName: "Engineering"}, {ID: "06cnfxtdyw3q1hxn6dbrtn5vk6", DisplayName: "全社員"}}, TotalGroups: 120}
	gone = admin.Resource{ID: userID, State: "archived", MatchedBy: "id", ArchivedAt: ptr(at(-48)),
		Attributes: json.RawMessage(`{"userName":"bob\u001b[31m@example.com","active":true}`)}
	back  = admin.Resource{ID: userID, State: "live", Attributes: json.RawMessage(`{"userName":"bob@example.com","active":true}`)}
	sales = admin.Resource{ID: "06cnfxtdyw3q1hxn6dbrtn5vk7", State: "live", MatchedBy: "displayName", Created: ptr(at(-500)), Modified: ptr(at(-1)),
		Attributes: json.RawMessage(`{"displayName":"Sales"}`), Members: ptr(3)}
	membersPages = []answer{
		{body: admin.MemberPage{Members: []admin.Member{{ID: userID, Type: "User"}, {ID: "06cnfxtdyw3q1hxn6dbrtn5vk8", Type: "User"}}, Total: 3, Next: "n1"}},
		{body: admin.MemberPage{Members: []admin.Member{{ID: "06cnfxtdyw3q1hxn6dbrtn5vk9", Type: "Group"}}, Total: 3}},
	}
	card = setup.Card{Tenant: "acme", URL: "https://scim.example.com/scim/v2", Token: "You got it separately.",
		Kept:       []setup.Attribute{{ResourceType: "User", Name: "userName", Required: true}},
		EntraSteps: []string{"Open the application."}, Entra: []setup.Mapping{{Source: "userPrincipalName", Target: "userName", Kept: true, Action: setup.ActionKeep}},
		OktaSteps: []string{"Open the \x1b[2Japplication."}, Test: []string{"Provision somebody."}, Leaving: []string{"They are archived."}, Notes: []string{"That is all."}}
	theReport = admin.Report{Tenant: "acme", Since: at(-900), Attributes: []report.Attribute{
		{ResourceType: "Group", Name: "displayName", Known: true, Kept: 56, First: at(-900), Last: at(-3)},
		{ResourceType: "User", Name: "emails.value", Known: true, Kept: 1234, Dropped: 17, First: at(-900), Last: at(-3)},
		{ResourceType: "User", Name: "favourite\u202eColour", Dropped: 1234567, First: at(-900), Last: at(-3)},
		{ResourceType: "User", Name: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter", Known: true, Dropped: 1234, First: at(-900), Last: at(-3)},
	}, Activity: report.Activity{Requests: 12345, Changes: 2345, Errors: 12, LastRequest: at(-0.1), LastChange: at(-3),
		LastError: report.Failure{Time: at(-2), Operation: "create", ResourceType: "User", Status: 409, ScimType: "uniqueness"},
		Hours:     []report.Hour{{Start: at(-200), Requests: 5000, Errors: 5}, {Start: at(-3), Requests: 100, Errors: 2}, {Start: at(-1), Requests: 20}}}}
)

func one(v any) []answer { return []answer{{body: v}} }

// cases are runs of every command.
var cases = []struct {
	name     string
	args     string // split at |
	answers  map[string][]answer
	stdin    string
	terminal bool
	wide     bool // text and JSON that need not fit 80 columns
}{
	{name: "health", args: "health", answers: map[string][]answer{admin.PathReady: one(admin.Health{Status: "ready", Store: "redis", Warnings: []string{"maxmemory-policy is allkeys-lru: set it to noeviction"}})}},
	{name: "health-json", args: "health|--json", wide: true, answers: map[string][]answer{admin.PathReady: one(admin.Health{Status: "ready", Store: "bolt"})}},
	{name: "health-away", args: "health", wide: true, answers: map[string][]answer{admin.PathReady: {{http.StatusServiceUnavailable, admin.ErrorAnswer{Error: "the redis store is away, try again later"}}}}},
	{name: "health-no-module", args: "health", wide: true, answers: map[string][]answer{admin.PathReady: {{http.StatusNotFound, "404 page not found\n"}}}},
	{name: "health-odd", args: "health", wide: true, answers: map[string][]answer{admin.PathReady: {{http.StatusTeapot, "short\nand \x1b[1mstout"}}}},
	{name: "health-no-answer", args: "health", wide: true, answers: map[string][]answer{admin.PathReady: {{0, "<html>"}}}},

	{name: "tenant-list", args: "tenant|list", answers: map[string][]answer{admin.PathTenantList: {
		{body: admin.TenantPage{Tenants: []admin.Tenant{acme, {Name: "gone", State: admin.StateDeleting}}, Next: "gone"}},
		{body: admin.TenantPage{Tenants: []admin.Tenant{{Name: "the-longest-name-that-a-tenant-can-have-has-63-characters-in-all", State: admin.StatePaused, Users: 1234567, Groups: 12345, Tokens: 10, LastRequest: ptr(at(-9000))}}}},
	}}},
	{name: "tenant-list-json", args: "tenant|list|--json", wide: true, answers: map[string][]answer{admin.PathTenantList: {
		{body: admin.TenantPage{Tenants: []admin.Tenant{acme}, Next: "acme"}}, {body: admin.TenantPage{Tenants: []admin.Tenant{fresh.Tenant}}},
	}}},
	{name: "tenant-list-empty", args: "tenant|list", answers: map[string][]answer{admin.PathTenantList: one(admin.TenantPage{})}},
	{name: "tenant-list-endless", args: "tenant|list", wide: true, answers: map[string][]answer{admin.PathTenantList: one(admin.TenantPage{Next: "acme"})}},
	{name: "tenant-show", args: "tenant|show|acme", answers: map[string][]answer{admin.PathTenantShow: one(acmeDetail)}},
	{name: "tenant-show-json", args: "tenant|show|acme|--json", wide: true, answers: map[string][]answer{admin.PathTenantShow: {{0, `{"name":"acme","new_in_a_later_version":true,"label":"` + "\u009b\u202e" + `<&>"}`}}}},
	{name: "tenant-show-unknown", args: "tenant|show|amce", wide: true, answers: map[string][]answer{admin.PathTenantShow: {noTenant}}},
	{name: "tenant-show-no-name", args: "tenant|show", wide: true},
	{name: "tenant-show-surplus", args: "tenant|show|acme|globex", wide: true},
	{name: "tenant-setup", args: "tenant|show|acme|--setup", answers: map[string][]answer{admin.PathTenantSetup: one(card)}},
	{name: "tenant-setup-markdown", args: "tenant|show|acme|--setup|--format|markdown", wide: true, answers: map[string][]answer{admin.PathTenantSetup: one(card)}},
	{name: "tenant-setup-html", args: "tenant|show|acme|--setup|--format|html", wide: true, answers: map[string][]answer{admin.PathTenantSetup: one(card)}},
	{name: "tenant-setup-json", args: "tenant|show|acme|--setup|--json", wide: true, answers: map[string][]answer{admin.PathTenantSetup: one(card)}},
	{name: "tenant-setup-format", args: "tenant|show|acme|--setup|--format|pdf", wide: true},
	{name: "tenant-format-alone", args: "tenant|show|acme|--format|html", wide: true},
	{name: "tenant-create", args: "tenant|create|globex|--allow|default|--allow|title|--required|emails[type eq \"work\"].value|--members|reject|--match|userName externalId|--duplicate-group-names|on|--archive-retention|90d|--rate|100 200",
		answers: map[string][]answer{admin.PathTenantCreate: one(fresh)}},
	{name: "tenant-create-plain", args: "tenant|create|globex|--json", wide: true, answers: map[string][]answer{admin.PathTenantCreate: one(fresh)}},
	{name: "tenant-create-exists", args: "tenant|create|globex", wide: true, answers: map[string][]answer{admin.PathTenantCreate: {{http.StatusConflict, admin.ErrorAnswer{Error: "the tenant exists already"}}}}},
	{name: "tenant-create-rate", args: "tenant|create|globex|--rate|lots", wide: true},
	{name: "tenant-create-retention", args: "tenant|create|globex|--archive-retention|soon", wide: true},
	{name: "tenant-create-match", args: "tenant|create|globex|--match|email", wide: true},
	{name: "tenant-create-names", args: "tenant|create|globex|--duplicate-group-names|maybe", wide: true},
	{name: "tenant-set", args: "tenant|set|acme|--rate|off|--required||--unset|allow,archive-retention|--unset|members", answers: map[string][]answer{admin.PathTenantSet: one(acmeDetail)}},
	{name: "tenant-set-json", args: "tenant|set|acme|--duplicate-group-names|off|--archive-retention|forever|--json", wide: true, answers: map[string][]answer{admin.PathTenantSet: one(fresh)}},
	{name: "tenant-set-nothing", args: "tenant|set|acme", wide: true},
	{name: "tenant-set-both", args: "tenant|set|acme|--rate|off|--unset|rate", wide: true},
	{name: "tenant-set-unknown", args: "tenant|set|acme|--unset|colour", wide: true},
	{name: "tenant-set-empty", args: "tenant|set|acme|--members|", wide: true},
	{name: "tenant-pause", args: "tenant|pause|globex", answers: map[string][]answer{admin.PathTenantPause: one(fresh)}},
	{name: "tenant-pause-json", args: "tenant|pause|globex|--json", wide: true, answers: map[string][]answer{admin.PathTenantPause: one(fresh)}},
	{name: "tenant-resume", args: "tenant|resume|globex", answers: map[string][]answer{admin.PathTenantResume: one(fresh)}},
	{name: "tenant-resume-json", args: "tenant|resume|globex|--json", wide: true, answers: map[string][]answer{admin.PathTenantResume: one(fresh)}},
	{name: "tenant-delete", args: "tenant|delete|acme", stdin: "acme\n", terminal: true, wide: true, answers: map[string][]answer{admin.PathTenantShow: one(acmeDetail), admin.PathTenantDelete: {
		{body: admin.TenantDeleted{Tenant: "acme", Erased: 1200}}, {body: admin.TenantDeleted{Tenant: "acme", Erased: 2500, Done: true}},
	}}},
	{name: "tenant-delete-other", args: "tenant|delete|acme", stdin: "amce\n", terminal: true, wide: true, answers: map[string][]answer{admin.PathTenantShow: one(acmeDetail)}},
	{name: "tenant-delete-end-of-input", args: "tenant|delete|acme", terminal: true, wide: true, answers: map[string][]answer{admin.PathTenantShow: one(acmeDetail)}},
	{name: "tenant-delete-no-terminal", args: "tenant|delete|acme", stdin: "acme\n", wide: true, answers: map[string][]answer{admin.PathTenantShow: one(acmeDetail)}},
	{name: "tenant-delete-leavings", args: "tenant|delete|old", stdin: "old\n", terminal: true, wide: true,
		answers: map[string][]answer{admin.PathTenantShow: {noTenant}, admin.PathTenantDelete: one(admin.TenantDeleted{Tenant: "old", Erased: 1, Done: true})}},
	{name: "tenant-delete-yes", args: "tenant|delete|acme|--yes|--progress|--json", wide: true, answers: map[string][]answer{admin.PathTenantDelete: {
		{body: admin.TenantDeleted{Tenant: "acme", Erased: 1200}}, {body: admin.TenantDeleted{Tenant: "acme", Erased: 2500, Done: true}},
	}}},
	{name: "tenant-delete-no-wait", args: "tenant|delete|acme|-y|--no-wait", answers: map[string][]answer{admin.PathTenantDelete: one(admin.TenantDeleted{Tenant: "acme"})}},
	{name: "tenant-delete-unknown", args: "tenant|delete|amce|--yes", wide: true, answers: map[string][]answer{admin.PathTenantDelete: {noTenant}}},

	{name: "token-create", args: "token|create|--tenant|acme|--label|Entra", answers: map[string][]answer{admin.PathTokenCreate: one(admin.TokenCreated{
		Tenant: "acme", TenantURL: "https://scim.example.com/scim/v2", Token: "scim_secret", ID: "c1cc47a775947f11", Scope: "provision"})}},
	{name: "token-create-all", args: "token|create|-t|acme|--create|--expires|90d|--scope|read|--from|192.0.2.0/24|--from|2001:db8::1", wide: true, answers: map[string][]answer{admin.PathTokenCreate: one(admin.TokenCreated{
		Tenant: "acme", Token: "scim_secret", ID: "c1cc47a775947f11", Scope: "read", Expires: ptr(at(90 * 24)), Addresses: []string{"192.0.2.0/24", "2001:db8::1/128"}})}},
	{name: "token-create-json", args: "token|create|--tenant|acme|--json", wide: true, answers: map[string][]answer{admin.PathTokenCreate: one(admin.TokenCreated{
		Tenant: "acme", TenantURL: "https://scim.example.com/scim/v2", Token: "scim_secret", ID: "c1cc47a775947f11", Scope: "provision"})}},
	{name: "token-create-no-tenant", args: "token|create", wide: true},
	{name: "token-list", args: "token|list|--tenant|acme", answers: map[string][]answer{admin.PathTokenList: one(admin.TokenList{Tenant: "acme", Tokens: []admin.Token{
		{ID: "c1cc47a775947f11", Label: "Entra,\x1b[2J production, and much more that is too long for one line of a terminal", Scope: "provision", Created: ptr(at(-900)), LastUsed: ptr(at(-0.1))},
		{ID: "aaaa47a775947f11", Scope: "read", Created: ptr(at(-900)), Expires: ptr(at(48)), Addresses: []string{"192.0.2.0/24", "2001:db8::/32"}, Warning: "expires in 2 days"},
		{ID: "bbbb47a775947f11", Scope: "provision", Static: true},
	}})}},
	{name: "token-list-json", args: "token|list|--tenant|acme|--json", wide: true, answers: map[string][]answer{admin.PathTokenList: one(admin.TokenList{Tenant: "acme", Tokens: []admin.Token{{ID: "bbbb47a775947f11", Scope: "provision", Static: true}}})}},
	{name: "token-list-empty", args: "token|list|--tenant|acme", answers: map[string][]answer{admin.PathTokenList: one(admin.TokenList{Tenant: "acme"})}},
	{name: "token-revoke", args: "token|revoke|--tenant|acme|--id|c1cc47a775947f11", answers: map[string][]answer{admin.PathTokenRevoke: one(admin.TokenRevoke{Tenant: "acme", ID: "c1cc47a775947f11"})}},
	{name: "token-revoke-json", args: "token|revoke|--tenant|acme|--id|c1cc47a775947f11|--json", wide: true, answers: map[string][]answer{admin.PathTokenRevoke: one(admin.TokenRevoke{Tenant: "acme", ID: "c1cc47a775947f11"})}},
	{name: "token-revoke-no-id", args: "token|revoke|--tenant|acme", wide: true},

	{name: "user-show", args: "user|show|alice@example.com|--tenant|acme", answers: map[string][]answer{admin.PathUserShow: one(admin.LookupResult{Tenant: "acme", Resources: []admin.Resource{alice}})}},
	{name: "user-show-two", args: "user|show|bob|--tenant|acme", answers: map[string][]answer{admin.PathUserShow: one(admin.LookupResult{Tenant: "acme", Resources: []admin.Resource{
		gone, {ID: "06cnfxtdyw3q1hxn6dbrtn5vka", State: "erased", MatchedBy: "id"}, {ID: "4f3c", State: "live", Provisional: true, MatchedBy: "externalId", Attributes: json.RawMessage(`{}`)}}})}},
	{name: "user-show-json", args: "user|show|alice@example.com|--tenant|acme|--json", wide: true, answers: map[string][]answer{admin.PathUserShow: one(admin.LookupResult{Tenant: "acme", Resources: []admin.Resource{gone}})}},
	{name: "user-show-none", args: "user|show|eve@example.com|--tenant|acme", wide: true, answers: map[string][]answer{admin.PathUserShow: one(admin.LookupResult{Tenant: "acme"})}},
	{name: "user-show-none-json", args: "user|show|eve@example.com|--tenant|acme|--json", wide: true, answers: map[string][]answer{admin.PathUserShow: one(admin.LookupResult{Tenant: "acme", Resources: []admin.Resource{}})}},
	{name: "user-show-no-key", args: "user|show|--tenant|acme", wide: true},
	{name: "group-show", args: "group|show|Sales|--tenant|acme", answers: map[string][]answer{admin.PathGroupShow: one(admin.LookupResult{Tenant: "acme", Resources: []admin.Resource{sales}})}},
	{name: "group-show-json", args: "group|show|Sales|--tenant|acme|--json", wide: true, answers: map[string][]answer{admin.PathGroupShow: one(admin.LookupResult{Tenant: "acme", Resources: []admin.Resource{sales}})}},
	{name: "group-show-members", args: "group|show|Sales|--tenant|acme|--members", answers: map[string][]answer{admin.PathGroupShow: one(admin.LookupResult{Tenant: "acme", Resources: []admin.Resource{sales}}), admin.PathGroupMembers: membersPages}},
	{name: "group-show-members-json", args: "group|show|Sales|--tenant|acme|--members|--json", wide: true, answers: map[string][]answer{admin.PathGroupShow: one(admin.LookupResult{Tenant: "acme", Resources: []admin.Resource{sales}}), admin.PathGroupMembers: membersPages}},
	{name: "group-show-none", args: "group|show|Seles|--tenant|acme", wide: true, answers: map[string][]answer{admin.PathGroupShow: one(admin.LookupResult{Tenant: "acme"})}},

	{name: "archive-list", args: "archive|list|--tenant|acme", answers: map[string][]answer{admin.PathArchiveList: {
		{body: admin.ArchivePage{Tenant: "acme", Total: 2, Next: userID, Users: []admin.Resource{gone}}},
		{body: admin.ArchivePage{Tenant: "acme", Total: 2, Users: []admin.Resource{{ID: strings.Repeat("0123456789", 12), State: "archived", ArchivedAt: ptr(at(-1)), Attributes: json.RawMessage(`{"userName":"somebody.with.a.long.name@a-department.of-a-company.example.com"}`)}}}},
	}}},
	{name: "archive-list-json", args: "archive|list|--tenant|acme|--json", wide: true, answers: map[string][]answer{admin.PathArchiveList: {
		{body: admin.ArchivePage{Tenant: "acme", Total: 2, Next: userID, Users: []admin.Resource{gone}}},
		{body: admin.ArchivePage{Tenant: "acme", Total: 2, Users: []admin.Resource{{ID: "x", State: "archived"}}}},
	}}},
	{name: "archive-list-empty", args: "archive|list|--tenant|acme", answers: map[string][]answer{admin.PathArchiveList: one(admin.ArchivePage{Tenant: "acme"})}},
	{name: "archive-show", args: "archive|show|" + userID + "|--tenant|acme", answers: map[string][]answer{admin.PathArchiveShow: one(gone)}},
	{name: "archive-show-json", args: "archive|show|" + userID + "|--tenant|acme|--json", wide: true, answers: map[string][]answer{admin.PathArchiveShow: one(gone)}},
	{name: "archive-restore", args: "archive|restore|" + userID + "|--tenant|acme", wide: true, answers: map[string][]answer{admin.PathRestore: one(back)}},
	{name: "archive-restore-json", args: "archive|restore|" + userID + "|--tenant|acme|--json", wide: true, answers: map[string][]answer{admin.PathRestore: one(back)}},
	{name: "archive-restore-taken", args: "archive|restore|" + userID + "|--tenant|acme", wide: true, answers: map[string][]answer{admin.PathRestore: {{http.StatusConflict, admin.ErrorAnswer{Error: "somebody else has the userName"}}}}},
	{name: "archive-purge", args: "archive|purge|" + userID + "|--tenant|acme", stdin: userID + "\n", terminal: true, wide: true, answers: map[string][]answer{admin.PathArchiveShow: one(gone), admin.PathPurge: one(admin.ArchiveID{Tenant: "acme", ID: userID})}},
	{name: "archive-purge-refused", args: "archive|purge|" + userID + "|--tenant|acme", stdin: "yes\n", terminal: true, wide: true, answers: map[string][]answer{admin.PathArchiveShow: one(gone)}},
	{name: "archive-purge-json", args: "archive|purge|" + userID + "|--tenant|acme|--yes|--json", wide: true, answers: map[string][]answer{admin.PathPurge: one(admin.ArchiveID{Tenant: "acme", ID: userID})}},

	{name: "report", args: "report|--tenant|acme", answers: map[string][]answer{admin.PathReport: one(theReport)}},
	{name: "report-json", args: "report|--tenant|acme|--json", wide: true, answers: map[string][]answer{admin.PathReport: one(theReport)}},
	{name: "report-nothing", args: "report|--tenant|acme", answers: map[string][]answer{admin.PathReport: one(admin.Report{Tenant: "acme"})}},
	{name: "report-no-tenant", args: "report", wide: true},

	{name: "unknown-command", args: "tenent|list", wide: true},
	{name: "unknown-command-flags", args: "tenent|list|--address|x", wide: true},
	{name: "unknown-command-below", args: "tenant|drop|acme", wide: true},
	{name: "unknown-flag", args: "token|create|--tenat|acme", wide: true},
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			answers := map[string][]answer{}
			for path, list := range tc.answers {
				answers[path] = append([]answer(nil), list...)
			}
			f := newFakeAPI(t, answers)
			i := invocation{args: append([]string{"scim"}, strings.Split(tc.args, "|")...), stdin: tc.stdin, terminal: tc.terminal,
				elapse: func(c *clock) { c.Advance(2 * time.Second) }}
			if tc.answers != nil {
				i.args = append(i.args, "--address", f.address())
			}
			o := run(t, i)
			if !tc.wide {
				within80(t, o.out+o.errOut)
			}
			noControl(t, strings.ReplaceAll(o.out+o.errOut, "\r", ""))
			if strings.HasSuffix(tc.name, "-json") && !json.Valid([]byte(o.out)) {
				t.Errorf("this is not JSON: %s", o.out)
			}
			if o.code != 0 && !strings.Contains(o.errOut, "Error: ") {
				t.Errorf("exit code %d and no error, but %q", o.code, o.errOut)
			}
			golden(t, tc.name, transcript(f, i, o))
		})
	}
}
