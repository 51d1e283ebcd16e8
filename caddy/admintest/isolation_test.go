package admintest

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
	"github.com/caddy-scim/caddy-scim/scimmodule/admin"
)

// known is what somebody knows of another tenant.
type known struct {
	User, Boss, Archived, Group, Deleted string // ids
	UserName, ExternalID, Email          string
	ArchivedName, ArchivedExternalID     string
	GroupName, ETag                      string
	Cursor, GroupCursor, SearchCursor    string // of lists
	Token                                string // id of a token
	Tag                                  string // what the names have in them
}

// words are all of them, under names of their own.
func (k known) words() map[string]string {
	var m map[string]string
	b, err := json.Marshal(k)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		panic(err)
	}
	return m
}

// victim fills a tenant and tells what there is to know of it.
func victim(t *testing.T, s *e2e.Server) (*e2e.Client, known) {
	t.Helper()
	c := tenant(t, s, "")
	tag := strings.ToLower(rand.Text()[:10])
	k := known{
		UserName: "vic-" + tag + "@example.com", ExternalID: "ext-" + tag, Email: "mail-" + tag + "@example.com",
		ArchivedName: "old-" + tag + "@example.com", ArchivedExternalID: "oldext-" + tag, GroupName: "crew-" + tag, Tag: tag,
	}
	k.Boss = c.CreateUser(t, "boss-"+tag+"@example.com")
	k.User = c.CreateUser(t, k.UserName, M{"externalId": k.ExternalID, "emails": A{M{"type": "work", "value": k.Email}},
		e2e.EnterpriseURN: M{"manager": M{"value": k.Boss}}, "title": "secret-" + tag})
	k.Archived = c.CreateUser(t, k.ArchivedName, M{"externalId": k.ArchivedExternalID})
	c.Do(t, "DELETE", "/Users/"+k.Archived, nil).Want(t, 204)
	k.Group = c.CreateGroup(t, k.GroupName, k.User, k.Boss)
	k.Deleted = c.CreateGroup(t, "former-"+tag)
	c.Do(t, "DELETE", "/Groups/"+k.Deleted, nil).Want(t, 204)
	c.CreateGroup(t, "second-"+tag)
	k.ETag = c.Do(t, "GET", "/Users/"+k.User, nil).Want(t, 200).ETag()
	for path, cursor := range map[string]*string{"/Users": &k.Cursor, "/Groups": &k.GroupCursor} {
		*cursor, _ = c.Do(t, "GET", path+"?cursor=&count=1", nil).Want(t, 200).JSON["nextCursor"].(string)
	}
	k.SearchCursor, _ = c.Do(t, "POST", "/.search", M{"schemas": A{e2e.SearchURN}, "cursor": "", "count": 1}).Want(t, 200).JSON["nextCursor"].(string)
	k.Token = do[admin.TokenList](t, s, admin.PathTokenList, M{"tenant": c.Tenant}).Tokens[0].ID
	for name, w := range k.words() {
		if w == "" {
			t.Fatalf("nothing is known of %s", name)
		}
	}
	return c, k
}

// unknown is a guess: all of it looks like the other, and there is none of it.
func unknown(k known) known {
	tag := strings.ToLower(rand.Text()[:10])
	ids := base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)
	// An id of the same moment, so that lists of them have the same order.
	id := func(real string) string {
		b, err := ids.DecodeString(real)
		if err != nil || len(b) != 16 {
			panic("an id of another form: " + real)
		}
		_, _ = rand.Read(b[8:])
		return ids.EncodeToString(b)
	}
	// A cursor of somebody else's making: the same with another digest.
	cursor := func(real string) string {
		b, err := base64.RawURLEncoding.DecodeString(real)
		if err != nil {
			panic(err)
		}
		_, _ = rand.Read(b[:12])
		return base64.RawURLEncoding.EncodeToString(b)
	}
	var tok [8]byte
	_, _ = rand.Read(tok[:])
	return known{
		User: id(k.User), Boss: id(k.Boss), Archived: id(k.Archived), Group: id(k.Group), Deleted: id(k.Deleted),
		UserName: "vic-" + tag + "@example.com", ExternalID: "ext-" + tag, Email: "mail-" + tag + "@example.com",
		ArchivedName: "old-" + tag + "@example.com", ArchivedExternalID: "oldext-" + tag, GroupName: "crew-" + tag,
		ETag: `W/"9999999999999999"`, Cursor: cursor(k.Cursor), GroupCursor: cursor(k.GroupCursor), SearchCursor: cursor(k.SearchCursor),
		Token: hex.EncodeToString(tok[:]), Tag: tag,
	}
}

// step is a request of the attacker.
type step struct {
	method, path string
	body         any
	headers      []string
}

// steps are requests with what is known, for every route and verb. own is a user
// of the attacker's, and crew a group.
func steps(k known, own, crew string) []step {
	var all []step
	add := func(method, path string, body any, headers ...string) {
		all = append(all, step{method, path, body, headers})
	}
	patchMembers := func(op string, ids ...string) M { return e2e.PatchBody(e2e.Op(op, "members", e2e.MemberList(ids...))) }
	manager := func(id string) M { return M{e2e.EnterpriseURN: M{"manager": M{"value": id}}} }
	search := func(filter string) M { return M{"schemas": A{e2e.SearchURN}, "filter": filter} }

	// What there is to read.
	for _, id := range []string{k.User, k.Archived, k.Group, k.Deleted} {
		for _, path := range []string{"/Users/" + id, "/Groups/" + id, "/Users/" + id + "/", "/Users/" + id + "?attributes=userName", "/Groups/" + id + "?excludedAttributes=members"} {
			add("GET", path, nil)
		}
		add("HEAD", "/Users/"+id, nil)
		add("GET", "/Users/"+id, nil, "If-None-Match: "+k.ETag)
		add("GET", "/Users/"+id, nil, "If-Match: "+k.ETag)
	}
	for _, f := range []string{
		"id eq %q", "id pr and id eq %q", "not (id ne %q)", "groups.value eq %q", e2e.EnterpriseURN + ":manager.value eq %q", "id ge %q and id le " + fmt.Sprintf("%q", k.User),
	} {
		for _, id := range []string{k.User, k.Group, k.Boss} {
			add("GET", e2e.Filter("/Users", fmt.Sprintf(f, id)), nil)
		}
	}
	for _, f := range []string{
		fmt.Sprintf("userName eq %q", k.UserName), fmt.Sprintf("userName sw %q", "vic-"+k.Tag), fmt.Sprintf("userName co %q", k.Tag),
		fmt.Sprintf("externalId eq %q", k.ExternalID), fmt.Sprintf("emails.value eq %q", k.Email), fmt.Sprintf("emails[type eq \"work\" and value eq %q]", k.Email),
		fmt.Sprintf("userName eq %q", k.ArchivedName), fmt.Sprintf("externalId eq %q", k.ArchivedExternalID), fmt.Sprintf("groups.display eq %q", k.GroupName),
	} {
		add("GET", e2e.Filter("/Users", f), nil)
		add("POST", "/Users/.search", search(f))
	}
	for _, f := range []string{fmt.Sprintf("displayName eq %q", k.GroupName), fmt.Sprintf("members.value eq %q", k.User), fmt.Sprintf("members[value eq %q]", k.User), fmt.Sprintf("id eq %q", k.Group)} {
		add("GET", e2e.Filter("/Groups", f), nil)
		add("POST", "/Groups/.search", search(f))
	}
	add("POST", "/.search", search(fmt.Sprintf("id eq %q or id eq %q", k.User, k.Group)))
	add("GET", e2e.Filter("/", fmt.Sprintf("id eq %q", k.Group)), nil)
	add("GET", "/?count=1&cursor="+k.SearchCursor, nil)
	add("GET", "/Users?count=1&cursor="+k.Cursor, nil)
	add("GET", "/Groups?count=1&cursor="+k.GroupCursor, nil)
	add("GET", "/Users?count=1&cursor="+k.GroupCursor, nil)
	add("POST", "/Users/.search", M{"schemas": A{e2e.SearchURN}, "count": 1, "cursor": k.Cursor})
	add("POST", "/.search", M{"schemas": A{e2e.SearchURN}, "count": 1, "cursor": k.SearchCursor})

	// What there is to change.
	for _, id := range []string{k.User, k.Archived} {
		add("PUT", "/Users/"+id, e2e.UserBody("mine@example.com"))
		add("PUT", "/Users/"+id, e2e.UserBody(k.UserName), "If-Match: "+k.ETag)
		add("PATCH", "/Users/"+id, e2e.PatchBody(e2e.Op("replace", "active", false)))
		add("PATCH", "/Users/"+id, e2e.PatchBody(e2e.Op("remove", "title", nil)), "If-Match: "+k.ETag)
		add("DELETE", "/Users/"+id, nil, "If-Match: "+k.ETag)
		add("DELETE", "/Users/"+id, nil)
	}
	for _, id := range []string{k.Group, k.Deleted} {
		add("PUT", "/Groups/"+id, e2e.GroupBody("mine", k.User))
		add("PATCH", "/Groups/"+id, patchMembers("remove", k.User))
		add("PATCH", "/Groups/"+id, patchMembers("add", own), "If-Match: "+k.ETag)
		add("PATCH", "/Groups/"+id, e2e.PatchBody(e2e.Op("remove", fmt.Sprintf("members[value eq %q]", k.User), nil)))
		add("DELETE", "/Groups/"+id, nil)
	}
	add("PATCH", "/Users/"+own, e2e.PatchBody(e2e.Op("replace", "title", "x")), "If-Match: "+k.ETag)
	add("PATCH", "/Groups/"+crew, e2e.PatchBody(e2e.Op("remove", fmt.Sprintf("members[value eq %q]", k.User), nil)))
	add("PATCH", "/Groups/"+crew, patchMembers("remove", k.User, k.Group))
	add("POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": A{
		M{"method": "DELETE", "path": "/Users/" + k.User}, M{"method": "DELETE", "path": "/Groups/" + k.Group, "version": k.ETag},
		M{"method": "PUT", "path": "/Users/" + k.User, "data": e2e.UserBody("mine@example.com")},
		M{"method": "PATCH", "path": "/Users/" + k.User, "version": k.ETag, "data": e2e.PatchBody(e2e.Op("replace", "title", "x"))},
		M{"method": "PATCH", "path": "/Groups/" + k.Group, "data": patchMembers("add", own)},
		M{"method": "POST", "path": "/Users", "bulkId": "u", "data": e2e.UserBody("bulk@example.com", manager(k.User))},
		M{"method": "POST", "path": "/Groups", "bulkId": "g", "data": e2e.GroupBody("bulk", "bulkId:u", "bulkId:"+k.User)},
	}})

	// Own things that refer to them, and have their names. In some modes users are
	// made of them.
	add("PATCH", "/Users/"+own, e2e.PatchBody(e2e.Op("add", e2e.EnterpriseURN+":manager", M{"value": k.Boss})))
	add("GET", "/Users/"+own, nil)
	add("POST", "/Users", e2e.UserBody("managed@example.com", manager(k.User)))
	add("POST", "/Groups", e2e.GroupBody("with them", own, k.User, k.Archived))
	add("PATCH", "/Groups/"+crew, patchMembers("add", k.Boss, k.User))
	add("PATCH", "/Groups/"+crew, e2e.PatchBody(e2e.Op("add", "members", A{M{"value": k.Group, "type": "Group"}, M{"value": k.Deleted, "$ref": "../Groups/" + k.Deleted}})))
	add("PATCH", "/Groups/"+crew, patchMembers("add", k.Group, k.Deleted))
	add("GET", "/Groups/"+crew, nil)
	add("PUT", "/Groups/"+crew, e2e.GroupBody("crew", own, k.UserName, k.ExternalID))
	add("GET", "/Groups/"+crew, nil)
	add("POST", "/Bulk", M{"schemas": A{e2e.BulkURN}, "Operations": A{
		M{"method": "POST", "path": "/Groups", "bulkId": "h", "data": e2e.GroupBody("bulk too", k.User, k.Group)},
		M{"method": "PATCH", "path": "/Groups/" + crew, "data": patchMembers("add", k.User)},
		M{"method": "PATCH", "path": "/Groups/bulkId:h", "data": patchMembers("remove", k.User)},
	}})
	for _, id := range []string{k.User, k.Boss, k.Archived} {
		add("GET", "/Users/"+id, nil)
		add("PATCH", "/Users/"+id, e2e.PatchBody(e2e.Op("replace", "title", "mine")))
		add("DELETE", "/Users/"+id, nil)
	}
	add("POST", "/Groups", e2e.GroupBody(k.GroupName))
	add("POST", "/Users", e2e.UserBody(k.UserName, M{"externalId": k.ExternalID, "emails": A{M{"type": "work", "value": k.Email}}}))
	add("POST", "/Users", e2e.UserBody(k.ArchivedName, M{"externalId": k.ArchivedExternalID}))
	add("GET", "/Users?count=200", nil)
	add("GET", "/Groups?count=200", nil)
	return all
}

// lookups are requests of an operator who takes the tenants for each other.
func lookups(k known, tenant string) []step {
	var all []step
	add := func(path string, body M) {
		body["tenant"] = tenant
		all = append(all, step{"POST", path, body, nil})
	}
	for _, key := range []string{k.User, k.Group, k.Archived, k.Deleted, k.UserName, k.ExternalID, k.GroupName, k.ArchivedName, k.ArchivedExternalID, k.Email} {
		add(admin.PathUserShow, M{"key": key})
		add(admin.PathGroupShow, M{"key": key})
	}
	for _, id := range []string{k.Group, k.Deleted, k.User} {
		add(admin.PathGroupMembers, M{"group": id})
		add(admin.PathGroupMembers, M{"group": id, "after": "User:" + k.User})
	}
	for _, id := range []string{k.Archived, k.User} {
		add(admin.PathArchiveShow, M{"id": id})
		add(admin.PathRestore, M{"id": id})
		add(admin.PathPurge, M{"id": id, "confirm": id})
	}
	add(admin.PathArchiveList, M{"after": k.Archived})
	add(admin.PathTokenRevoke, M{"id": k.Token})
	return all
}

var (
	anyID   = regexp.MustCompile(`\b[0-9a-hjkmnp-tv-z]{26}\b`)
	anyTime = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)
)

// attack has a fresh tenant send all requests with what it knows, and returns the
// answers with the words and ids that are its own replaced.
func attack(t *testing.T, s *e2e.Server, settings string, k known) []string {
	t.Helper()
	c := tenant(t, s, settings)
	own := c.CreateUser(t, "own@example.com")
	crew := c.CreateGroup(t, "crew", own)

	var replace []string
	known := k.words()
	delete(known, "Tag") // the last, as the others have it in them
	for name, w := range known {
		for _, form := range []string{w, strings.ReplaceAll(w, `"`, `\"`), strings.ReplaceAll(w, "@", "%40")} {
			replace = append(replace, form, "<"+name+">")
		}
	}
	words := strings.NewReplacer(append(replace, k.Tag, "<Tag>", own, "<own>", crew, "<crew>", c.Tenant, "<tenant>")...)
	met := map[string]string{}
	plain := func(text string) string {
		text = anyTime.ReplaceAllString(words.Replace(text), "<time>")
		return anyID.ReplaceAllStringFunc(text, func(id string) string {
			if met[id] == "" {
				met[id] = fmt.Sprintf("<id %d>", len(met)+1)
			}
			return met[id]
		})
	}
	var out []string
	note := func(x step, r *e2e.Response) {
		out = append(out, plain(fmt.Sprintf("%s %s %s\n%s", x.method, x.path, encode(t, x.body), whole(r))))
	}
	for _, x := range lookups(k, c.Tenant) {
		note(x, s.Caddy.Admin(t, x.method, x.path, encode(t, x.body)))
	}
	for _, x := range steps(k, own, crew) {
		note(x, c.Do(t, x.method, x.path, x.body, x.headers...))
	}
	return out
}

// TestUnknownElsewhere compares what a tenant can do with the ids, names, cursors
// and versions of another with what it can do with those of nobody.
func TestUnknownElsewhere(t *testing.T) {
	t.Parallel()
	e2e.ForEachStore(t, proxied, func(t *testing.T, s *e2e.Server) {
		c, k := victim(t, s)
		guess := unknown(k)
		before := dump(t, s, c)
		for _, mode := range []string{"create", "pending", "ignore", "reject"} {
			settings := fmt.Sprintf(`{"members":%q,"match":["userName","externalId"]}`, mode)
			got, want := attack(t, s, settings, k), attack(t, s, settings, guess)
			if len(got) < 150 {
				t.Fatalf("%d requests", len(got))
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("members %s: with what is another tenant's (+), and nobody's (-):\n%s", mode, cmp.Diff(want[i], got[i]))
				}
			}
		}
		same(t, "the tenant whose things were used", before, dump(t, s, c))
	})
}
