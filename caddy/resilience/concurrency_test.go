package resilience

import (
	"fmt"
	"slices"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// Of 64 creates of one userName, in whatever case, one wins: where nobody has
// it, where an archived user is to be restored, and where an inactive one is to
// be revived.
func TestParallelCreates(t *testing.T) {
	forEachCluster(t, everything, func(t *testing.T, c *cluster) {
		archived := c.CreateUser(t, "archived@example.com", M{"title": "before"})
		c.Do(t, "DELETE", "/Users/"+archived, nil).Want(t, 204)
		inactive := c.CreateUser(t, "inactive@example.com", M{"title": "before"})
		c.Patch(t, "/Users/"+inactive, e2e.Op("replace", "active", false)).Want(t, 200)
		provisional := "00provisional"
		group := c.CreateGroup(t, "G", provisional)

		for _, test := range []struct{ userName, id string }{
			{"new@example.com", ""}, {"another@example.com", ""}, {"archived@example.com", archived},
			{"inactive@example.com", inactive}, {provisional, provisional},
		} {
			t.Run(test.userName, func(t *testing.T) {
				answers := atOnce(64, func(i int) (*e2e.Response, error) {
					return c.client(i).Send("POST", "/Users", e2e.UserBody(upper(test.userName, i/2), M{"active": true, "title": fmt.Sprint("request ", i)}))
				})
				var winner []int
				for i, a := range answers {
					switch {
					case a.err != nil:
						t.Errorf("request %d: %v", i, a.err)
					case a.Status == 201:
						winner = append(winner, i)
					default:
						a.WantError(t, 409, "uniqueness", "userName")
					}
				}
				if len(winner) != 1 {
					t.Fatalf("%d of 64 creates answer 201, want one (%v)", len(winner), count(answers))
				}
				won := answers[winner[0]]
				if test.id != "" && won.ID(t) != test.id {
					t.Errorf("id %s, want that of the user who returns, %s", won.ID(t), test.id)
				}
				// Both processes see the winner's user, and only that.
				for _, client := range c.clients {
					list := client.Do(t, "GET", find(test.userName), nil).WantList(t, 1)
					same(t, "the user found", won.ID(t), list[0]["id"])
					same(t, "its title", fmt.Sprint("request ", winner[0]), list[0]["title"])
				}
			})
		}
		c.WantMembers(t, group, provisional)
		c.Do(t, "GET", "/Users?count=0", nil).WantList(t, 5)
	})
}

// Of 64 creates of groups of one displayName one wins, too.
func TestParallelGroupCreates(t *testing.T) {
	forEachCluster(t, e2e.Config{}, func(t *testing.T, c *cluster) {
		answers := atOnce(64, func(i int) (*e2e.Response, error) {
			return c.client(i).Send("POST", "/Groups", e2e.GroupBody(upper("staff", i/2), fmt.Sprintf("member%d", i)))
		})
		same(t, "answers by status", map[int]int{201: 1, 409: 63}, count(answers))
		// The others' members were not created either.
		c.Do(t, "GET", "/Users?count=0", nil).WantList(t, 1)
		c.Do(t, "GET", "/Groups?count=0", nil).WantList(t, 1)
	})
}

// 64 adds and removes at once on one group, in the ways in which clients send
// them, between changes of its name: each takes effect.
func TestParallelMembers(t *testing.T) {
	forEachCluster(t, everything, func(t *testing.T, c *cluster) {
		old, fresh := names("old", 32), names("new", 32)
		stays := c.CreateUser(t, "stays@example.com")
		fresh[0] = stays // not all of them have to be created by the way
		group := c.CreateGroup(t, "G", old...)
		const renames = 8
		answers := atOnce(64+renames, func(i int) (*e2e.Response, error) {
			if i >= 64 {
				op := e2e.Op("replace", "displayName", fmt.Sprint("G", i))
				return c.client(i).Send("PATCH", "/Groups/"+group, e2e.PatchBody(op))
			}
			id, op := fresh[i/2], M{}
			switch {
			case i%4 == 0:
				op = e2e.Op("add", "members", e2e.MemberList(id))
			case i%4 == 2:
				op = e2e.Op("Add", "", M{"members": e2e.MemberList(id)})
			case i%4 == 1:
				op = e2e.Op("remove", removal(old[i/2]), nil)
			case i%4 == 3:
				op = e2e.Op("Remove", "members", e2e.MemberList(old[i/2]))
			}
			// Adds and removes alternate; so that each kind reaches both
			// processes, the turn is every four.
			return c.client(i/4).Send("PATCH", "/Groups/"+group, e2e.PatchBody(op))
		})
		wantEach(t, answers, 204)
		for _, client := range c.clients {
			client.WantMembers(t, group, fresh...)
		}
		for _, id := range []string{fresh[0], fresh[31]} {
			same(t, "the groups of "+id, any(group), c.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).Field("groups", 0, "value"))
		}
		if r := c.Do(t, "GET", "/Users/"+old[7], nil).Want(t, 200); r.JSON["groups"] != nil {
			t.Errorf("a removed member still has a group\n%s", r)
		}
		// The same members added and removed by many at once end up there once,
		// and not at all.
		answers = atOnce(64, func(i int) (*e2e.Response, error) {
			op := e2e.Op("add", "members", e2e.MemberList(old[:2]...))
			if i%2 == 1 {
				op = e2e.Op("remove", "members", e2e.MemberList(fresh[1:3]...))
			}
			return c.client(i/2).Send("PATCH", "/Groups/"+group, e2e.PatchBody(op))
		})
		wantEach(t, answers, 204)
		c.WantMembers(t, group, slices.Concat(old[:2], fresh[:1], fresh[3:])...)
	})
}

// PATCHes of one user that change different attributes all apply.
func TestParallelPatches(t *testing.T) {
	type change struct {
		path string
		at   []any
	}
	changes := []change{
		{"title", A{"title"}}, {"nickName", A{"nickName"}}, {"displayName", A{"displayName"}}, {"userType", A{"userType"}},
		{"locale", A{"locale"}}, {"preferredLanguage", A{"preferredLanguage"}}, {"timezone", A{"timezone"}}, {"externalId", A{"externalId"}},
		{"name.givenName", A{"name", "givenName"}}, {"name.familyName", A{"name", "familyName"}}, {"name.middleName", A{"name", "middleName"}},
		{"name.honorificPrefix", A{"name", "honorificPrefix"}}, {`emails[type eq "work"].value`, A{"emails", 0, "value"}},
		{`phoneNumbers[type eq "mobile"].value`, A{"phoneNumbers", 0, "value"}}, {`addresses[type eq "work"].locality`, A{"addresses", 0, "locality"}},
		{`ims[type eq "xmpp"].value`, A{"ims", 0, "value"}}, {"userName", A{"userName"}},
		{e2e.EnterpriseURN + ":department", A{e2e.EnterpriseURN, "department"}}, {e2e.EnterpriseURN + ":division", A{e2e.EnterpriseURN, "division"}},
		{e2e.EnterpriseURN + ":costCenter", A{e2e.EnterpriseURN, "costCenter"}}, {e2e.EnterpriseURN + ":organization", A{e2e.EnterpriseURN, "organization"}},
		{e2e.EnterpriseURN + ":employeeNumber", A{e2e.EnterpriseURN, "employeeNumber"}},
	}
	forEachCluster(t, everything, func(t *testing.T, c *cluster) {
		user := "/Users/" + c.CreateUser(t, "start@example.com")
		for round := range 3 {
			value := func(i int) string { return fmt.Sprintf("r%dv%d", round, i) }
			answers := atOnce(len(changes), func(i int) (*e2e.Response, error) {
				return c.client(i).Send("PATCH", user, e2e.PatchBody(e2e.Op("replace", changes[i].path, value(i))))
			})
			wantEach(t, answers, 200)
			versions := map[string]bool{}
			for i, a := range answers {
				if a.err == nil {
					same(t, "the answer's "+changes[i].path, any(value(i)), a.Field(changes[i].at...))
					versions[a.ETag()] = true
				}
			}
			if len(versions) != len(changes) {
				t.Errorf("%d versions of %d changes", len(versions), len(changes))
			}
			for _, client := range c.clients {
				r := client.Do(t, "GET", user, nil).Want(t, 200)
				for i, ch := range changes {
					r.WantField(t, value(i), ch.at...)
				}
			}
		}
	})
}

// Of many writers that all name the same version, one succeeds.
func TestParallelIfMatch(t *testing.T) {
	forEachCluster(t, everything, func(t *testing.T, c *cluster) {
		user := "/Users/" + c.CreateUser(t, "ada@example.com")
		etag := c.Do(t, "GET", user, nil).Want(t, 200).ETag()
		answers := atOnce(32, func(i int) (*e2e.Response, error) {
			return c.client(i).Send("PATCH", user, e2e.PatchBody(e2e.Op("replace", "title", fmt.Sprint("title ", i))), "If-Match: "+etag)
		})
		same(t, "answers by status", map[int]int{200: 1, 412: 31}, count(answers))
		for i, a := range answers {
			if a.err == nil && a.Status == 200 {
				c.Do(t, "GET", user, nil).Want(t, 200).WantField(t, fmt.Sprint("title ", i), "title")
			}
		}
	})
}
