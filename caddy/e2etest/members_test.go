package e2etest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// Mode create: a member nobody knows becomes a user.
func TestMembersCreate(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		known := s.CreateUser(t, "known@x")
		g := s.Do(t, "POST", "/Groups", M{"schemas": A{e2e.GroupURN}, "displayName": "G", "members": A{
			M{"value": known}, M{"value": "ext-1"}, M{"value": "ext-2", "display": "two@x"}, M{"value": "ext-3", "userName": "three@x"},
			M{"value": "ext-4", "emails": A{M{"value": "four@x", "primary": true}}}, M{"value": "ext-5", "type": "User", "$ref": nil},
		}}).Want(t, 201).ID(t)
		s.WantMembers(t, g, known, "ext-1", "ext-2", "ext-3", "ext-4", "ext-5")
		for id, userName := range map[string]string{"ext-1": "ext-1", "ext-2": "two@x", "ext-3": "three@x", "ext-4": "four@x", "ext-5": "ext-5"} {
			s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantGolden(t, `{"schemas":["`+e2e.UserURN+`"],"id":"{{user}}","userName":"{{name}}","active":true,
				"groups":[{"value":"{{group}}","$ref":"{{base}}/Groups/{{group}}","type":"direct"}],
				"meta":{"resourceType":"User","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Users/{{user}}"}}`,
				"user", id, "name", userName, "group", g, "base", s.Location)
			s.Do(t, "GET", find("userName", userName), nil).WantIDs(t, id)
		}
		// Each way to name a member creates.
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", e2e.MemberList("ext-6")), e2e.Op("add", "", M{"members": A{M{"value": "ext-7"}}})).Want(t, 204)
		s.Do(t, "PUT", "/Groups/"+g, M{"schemas": A{}, "displayName": "G", "members": e2e.MemberList("ext-8", known)}).Want(t, 200)
		s.Patch(t, "/Groups/"+g, e2e.Op("replace", "members", e2e.MemberList("ext-9", known))).Want(t, 204)
		for _, id := range []string{"ext-6", "ext-7", "ext-8", "ext-9"} {
			s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200)
		}
		s.WantMembers(t, g, "ext-9", known)
	})
}

// What must never become a user: groups, strange ids, the archived, and the ids
// of deleted groups. The other members of the request take effect.
func TestMembersNeverCreated(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		known := s.CreateUser(t, "known@x")
		archived := s.CreateUser(t, "archived@x")
		s.Do(t, "DELETE", "/Users/"+archived, nil).Want(t, 204)
		deleted := s.CreateGroup(t, "deleted")
		s.Do(t, "DELETE", "/Groups/"+deleted, nil).Want(t, 204)
		nested := s.CreateGroup(t, "nested")
		strange := []string{"string id 1", "-dash", ".dot", "bulkId:x", "a/b", "a?b", strings.Repeat("x", 129), "ünïcode", "a\nb"}

		list := A{M{"value": known}, M{"value": "a-group", "type": "Group"}, M{"value": "b-group", "$ref": "https://elsewhere/scim/v2/Groups/b-group"},
			M{"value": archived}, M{"value": deleted}, M{"value": nested}}
		for _, id := range strange {
			list = append(list, M{"value": id})
		}
		before := s.Do(t, "GET", "/Users", nil).Want(t, 200).JSON["totalResults"]
		g := s.CreateGroup(t, "G")
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", list)).Want(t, 204)
		s.WantMembers(t, g, known, nested)
		s.Do(t, "GET", "/Groups/"+g, nil).Want(t, 200)
		same(t, "the number of users", before, s.Do(t, "GET", "/Users", nil).Want(t, 200).JSON["totalResults"])
		for _, id := range []string{"a-group", "b-group", archived, deleted, nested} {
			s.Do(t, "GET", "/Users/"+id, nil).WantError(t, 404, "")
		}
		// A nested group is a member like a user.
		got, _ := s.Do(t, "GET", "/Groups/"+g, nil).Want(t, 200).JSON["members"].([]any)
		want := M{"value": nested, "$ref": s.Location + "/Groups/" + nested, "type": "Group"}
		if !slices.ContainsFunc(got, func(m any) bool { return fmt.Sprint(m) == fmt.Sprint(want) }) {
			t.Errorf("members %v lack %v", got, want)
		}
		// Restoring the archived user does not bring the membership.
		s.Do(t, "POST", "/Users", e2e.UserBody("archived@x")).Want(t, 201).WantField(t, archived, "id")
		s.WantMembers(t, g, known, nested)
	})
}

// The userName that a member brings may be taken.
func TestMembersNamingALiveUser(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		bob := s.CreateUser(t, "bob@x")
		g := s.CreateGroup(t, "G")
		// The value is a live user's userName: that user is meant.
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", e2e.MemberList("BOB@x"))).Want(t, 204)
		s.WantMembers(t, g, bob)
		s.Do(t, "GET", "/Users", nil).WantList(t, 1)
		s.Patch(t, "/Groups/"+g, e2e.Op("remove", "members", nil)).Want(t, 204)
		// Only the display is: the value itself is the userName.
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", A{M{"value": "other", "display": "bob@x"}})).Want(t, 204)
		s.WantMembers(t, g, "other")
		s.Do(t, "GET", "/Users/other", nil).Want(t, 200).WantField(t, "other", "userName")
	})
}

// A provisional user is adopted by a POST of its userName, and by one with the
// member's value as externalId; the id stays, and so do the memberships.
func TestProvisionalUserIsAdopted(t *testing.T) {
	for _, cfg := range []struct {
		name string
		e2e.Config
	}{{"match userName", everything}, {"match userName externalId", matchBoth}} {
		t.Run(cfg.name, func(t *testing.T) {
			e2e.ForEachStore(t, cfg.Config, func(t *testing.T, s *e2e.Server) {
				g := s.Do(t, "POST", "/Groups", M{"schemas": A{}, "displayName": "G", "members": A{
					M{"value": "p1", "display": "one@x"}, M{"value": "p2", "display": "two@x"}, M{"value": "p3"}, M{"value": "p4", "display": "four@x"}, M{"value": "p5", "display": "five@x"},
				}}).Want(t, 201).ID(t)
				adopt := func(id string, body M) {
					t.Helper()
					s.Do(t, "POST", "/Users", body).Want(t, 201).WantField(t, id, "id").WantField(t, body["userName"], "userName").
						WantField(t, s.Location+"/Users/"+id, "meta", "location").WantField(t, body["title"], "title")
					wantActive(t, s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200))
					s.Do(t, "POST", "/Users", body).WantError(t, 409, "uniqueness") // no longer provisional
				}
				adopt("p1", e2e.UserBody("ONE@x", M{"title": "by userName"}))
				adopt("p2", e2e.UserBody("two@x", M{"externalId": "00u2", "title": "by userName, with an externalId of its own"}))
				adopt("p3", e2e.UserBody("three@x", M{"externalId": "p3", "title": "by externalId"}))
				// PUT and PATCH by id end the state too: then the userName is taken.
				s.Do(t, "PUT", "/Users/p4", e2e.UserBody("four@x", M{"title": "put"})).Want(t, 200)
				s.Do(t, "POST", "/Users", e2e.UserBody("four@x")).WantError(t, 409, "uniqueness")
				s.Patch(t, "/Users/p5", e2e.Op("replace", "title", "patched")).Want(t, 200)
				s.Do(t, "POST", "/Users", e2e.UserBody("five@x")).WantError(t, 409, "uniqueness")
				s.WantMembers(t, g, "p1", "p2", "p3", "p4", "p5")
				s.Do(t, "GET", "/Users", nil).WantList(t, 5)
			})
		})
	}
}

// A provisional user may lack what the operator requires; nobody else may.
func TestProvisionalUserIsExemptFromRequired(t *testing.T) {
	e2e.ForEachStore(t, requiring, func(t *testing.T, s *e2e.Server) {
		g := s.CreateGroup(t, "G", "p1")
		s.WantMembers(t, g, "p1")
		s.Do(t, "GET", "/Users/p1", nil).Want(t, 200).WantField(t, "p1", "userName")
		s.Do(t, "POST", "/Users", e2e.UserBody("p1")).WantError(t, 400, "invalidValue")
		s.Do(t, "POST", "/Users", e2e.UserBody("p1", requiredValues)).Want(t, 201).WantField(t, "p1", "id")
	})
}

func TestTooManyMembersToCreate(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		ids := make([]string, 5001)
		for i := range ids {
			ids[i] = fmt.Sprintf("new-%d", i)
		}
		s.Do(t, "POST", "/Groups", e2e.GroupBody("huge", ids...)).WantError(t, 413, "", "5000")
		s.Do(t, "GET", "/Users?count=0", nil).WantList(t, 0)
		s.Do(t, "GET", "/Groups?count=0", nil).WantList(t, 0)
	})
}

// Mode pending: the id is kept and shown, and nobody is created.
func TestMembersPending(t *testing.T) {
	e2e.ForEachStore(t, members("pending"), func(t *testing.T, s *e2e.Server) {
		known := s.CreateUser(t, "known@x")
		g := s.CreateGroup(t, "G", known, "later")
		s.WantMembers(t, g, known, "later")
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", e2e.MemberList("later", "even-later"))).Want(t, 204)
		s.WantMembers(t, g, known, "later", "even-later")
		for _, id := range []string{"later", "even-later"} {
			s.Do(t, "GET", "/Users/"+id, nil).WantError(t, 404, "")
		}
		s.Do(t, "GET", "/Users", nil).WantIDs(t, known)
		s.Patch(t, "/Groups/"+g, e2e.Op("remove", `members[value eq "later"]`, nil)).Want(t, 204)
		s.WantMembers(t, g, known, "even-later")
		// The archived are dropped, not pending.
		s.Do(t, "DELETE", "/Users/"+known, nil).Want(t, 204)
		s.WantMembers(t, g, "even-later")
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", e2e.MemberList(known))).Want(t, 204)
		s.WantMembers(t, g, "even-later")
	})
}

// Mode ignore: accepted and dropped.
func TestMembersIgnore(t *testing.T) {
	e2e.ForEachStore(t, members("ignore"), func(t *testing.T, s *e2e.Server) {
		known := s.CreateUser(t, "known@x")
		g := s.CreateGroup(t, "G", known, "nobody")
		s.WantMembers(t, g, known)
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", e2e.MemberList("nobody", "no-one"))).Want(t, 204)
		s.WantMembers(t, g, known)
		s.Do(t, "PUT", "/Groups/"+g, M{"schemas": A{}, "displayName": "G", "members": e2e.MemberList("nobody")}).Want(t, 200).WantField(t, A{}, "members")
		s.Do(t, "GET", "/Users", nil).WantIDs(t, known)
	})
}

// Mode reject: 400 that lists the ids, and nothing of the request happens.
func TestMembersReject(t *testing.T) {
	e2e.ForEachStore(t, members("reject"), func(t *testing.T, s *e2e.Server) {
		known, other := s.CreateUser(t, "known@x"), s.CreateUser(t, "other@x")
		s.Do(t, "POST", "/Groups", e2e.GroupBody("G", known, "nobody", "no-one")).WantError(t, 400, "invalidValue", "nobody", "no-one")
		s.Do(t, "GET", "/Groups", nil).WantList(t, 0)
		g := s.CreateGroup(t, "G", known)
		s.Patch(t, "/Groups/"+g, e2e.Op("replace", "displayName", "H"), e2e.Op("add", "members", e2e.MemberList(other, "nobody"))).WantError(t, 400, "invalidValue", "nobody")
		s.Do(t, "GET", "/Groups/"+g, nil).Want(t, 200).WantField(t, "G", "displayName")
		s.WantMembers(t, g, known)
		s.Do(t, "PUT", "/Groups/"+g, M{"schemas": A{}, "displayName": "G", "members": e2e.MemberList("nobody")}).WantError(t, 400, "invalidValue", "nobody")
		s.Do(t, "DELETE", "/Users/"+other, nil).Want(t, 204)
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", e2e.MemberList(other))).WantError(t, 400, "invalidValue", other)
		s.Patch(t, "/Groups/"+g, e2e.Op("remove", "members", e2e.MemberList("nobody"))).Want(t, 204) // removal of a stranger is a success
		s.WantMembers(t, g, known)
		s.Do(t, "GET", "/Users/nobody", nil).WantError(t, 404, "")
	})
}

// A pending id is linked when a user with that id appears.
func TestPendingMemberIsLinked(t *testing.T) {
	eachStoreAlone(t, members("pending"), func(t *testing.T, s *e2e.Server) {
		first := s.CreateGroup(t, "First", "later")
		s.Do(t, "GET", "/Users/later", nil).WantError(t, 404, "")
		s.Caddy.WriteConfig(t, everything) // mode create
		s.Caddy.Restart(t)
		s.WantMembers(t, first, "later")
		second := s.CreateGroup(t, "Second", "later")
		r := s.Do(t, "GET", "/Users/later", nil).Want(t, 200)
		groups := map[any]bool{}
		list, _ := r.JSON["groups"].([]any)
		for _, g := range list {
			groups[e2e.Field(g, "value")] = true
		}
		same(t, "the user's groups", map[any]bool{first: true, second: true}, groups)
		s.Do(t, "GET", "/Groups/"+first, nil).Want(t, 200).WantField(t, A{M{"value": "later", "$ref": s.Location + "/Users/later", "type": "User"}}, "members")
		s.Do(t, "DELETE", "/Users/later", nil).Want(t, 204)
		s.WantMembers(t, first)
		s.WantMembers(t, second)
	})
}

// A member whose value is a live user's userName is that user, in every request.
func TestMemberNamedByUserName(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		u := s.CreateUser(t, "bob@x")
		g := s.CreateGroup(t, "G", "bob@x")
		s.WantMembers(t, g, u)
		s.Do(t, "PUT", "/Groups/"+g, M{"displayName": "G", "members": A{M{"value": "BOB@x"}}}).Want(t, 200)
		s.WantMembers(t, g, u)
		s.Patch(t, "/Groups/"+g, e2e.Op("remove", `members[value eq "bob@x"]`, nil)).Want(t, 204)
		s.WantMembers(t, g)
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", A{M{"value": "bob@x"}, M{"value": u}})).Want(t, 204)
		s.WantMembers(t, g, u)
		s.Patch(t, "/Groups/"+g, e2e.Op("remove", "members", A{M{"value": "bob@x"}})).Want(t, 204)
		s.WantMembers(t, g)
	})
}

// Lists of members that name nobody change nothing, and a value that can be no
// id is nobody's, on every store.
func TestMembersThatNameNobody(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		u := s.CreateUser(t, "u@x")
		g := s.CreateGroup(t, "G", u)
		for _, list := range []any{A{M{"display": "Ann"}}, A{M{}}, "", A{nil}, A{""}, M{}, A{M{"$ref": "https://other.example/Users/x"}}} {
			s.Do(t, "PUT", "/Groups/"+g, M{"displayName": "G", "members": list}).WantError(t, 400, "invalidValue")
			s.WantMembers(t, g, u)
		}
		for _, value := range []string{"ann smith", "a/b", "_x", "ü", strings.Repeat("x", 200)} {
			s.Patch(t, "/Groups/"+g, e2e.Op("remove", "members", A{M{"value": value}})).Want(t, 204)
			s.Patch(t, "/Groups/"+g, e2e.Op("remove", `members[value eq "`+value+`"]`, nil)).Want(t, 204)
			s.WantMembers(t, g, u)
		}
		s.Do(t, "PUT", "/Groups/"+g, M{"displayName": "G", "members": nil}).Want(t, 200)
		s.WantMembers(t, g, u)
	})
}

// A group that is its own member can be deleted.
func TestGroupInItself(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		g := s.CreateGroup(t, "G")
		s.Patch(t, "/Groups/"+g, e2e.Op("add", "members", A{M{"value": g, "type": "Group"}})).Want(t, 204)
		s.WantMembers(t, g, g)
		s.Do(t, "DELETE", "/Groups/"+g, nil).Want(t, 204)
		gone(t, s.Client, "/Groups/"+g)
	})
}
