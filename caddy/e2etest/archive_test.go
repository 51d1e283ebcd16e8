package e2etest

import (
	"crypto/rand"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// archive on delete: 204, then 404 everywhere, memberships dropped, names free.
func TestArchiveOnDelete(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "gone@x", M{"externalId": "e-gone", "title": "T"})
		stays := s.CreateUser(t, "stays@x")
		g := s.CreateGroup(t, "G", id, stays)
		s.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
		gone(t, s.Client, "/Users/"+id)
		for _, filter := range []string{eq("id", id), eq("userName", "gone@x"), eq("externalId", "e-gone"), `title pr`, eq("groups.value", g) + " and " + eq("id", id)} {
			s.Do(t, "GET", e2e.Filter("/Users", filter), nil).WantList(t, 0)
		}
		s.Do(t, "GET", "/Users", nil).WantIDs(t, stays)
		s.WantMembers(t, g, stays)
		s.Do(t, "GET", e2e.Filter("/Groups", `members eq "`+id+`"`), nil).WantList(t, 0)
		// The names are free for somebody else.
		s.Patch(t, "/Users/"+stays, e2e.Op("replace", "userName", "gone@x"), e2e.Op("replace", "externalId", "e-gone")).Want(t, 200)
	})
}

func TestGroupsAreDeleted(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		u := s.CreateUser(t, "u@x")
		g := s.CreateGroup(t, "G", u)
		outer := s.CreateGroup(t, "Outer", g)
		s.Do(t, "DELETE", "/Groups/"+g, nil).Want(t, 204)
		gone(t, s.Client, "/Groups/"+g)
		s.WantMembers(t, outer)
		s.Do(t, "GET", "/Users/"+u, nil).Want(t, 200).WantField(t, nil, "groups")
		if again := s.CreateGroup(t, "G"); again == g {
			t.Error("a new group has the id of a deleted one")
		}
	})
}

// A restored user has its old id, the new attributes, and none of its groups.
func TestRestore(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "back@x", M{"title": "old", "nickName": "old"})
		g := s.CreateGroup(t, "G", id)
		s.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
		r := s.Do(t, "POST", "/Users", e2e.UserBody("Back@X", M{"title": "new"})).Want(t, 201)
		r.WantGolden(t, `{"schemas":["`+e2e.UserURN+`"],"id":"{{user}}","userName":"Back@X","title":"new",
			"meta":{"resourceType":"User","created":"{{time}}","lastModified":"{{time}}","version":"{{version}}","location":"{{base}}/Users/{{user}}"}}`, "user", id, "base", s.Location)
		s.WantMembers(t, g)
		s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200).WantField(t, nil, "nickName")
		s.Do(t, "POST", "/Users", e2e.UserBody("back@x")).WantError(t, 409, "uniqueness")
		// Restored as inactive, when the request says so.
		s.Do(t, "DELETE", "/Users/"+id, nil).Want(t, 204)
		s.Do(t, "POST", "/Users", e2e.UserBody("back@x", M{"active": false})).Want(t, 201).WantField(t, id, "id").WantField(t, false, "active")
	})
}

func TestDeletedAndCreatedFiveTimes(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		first := ""
		for i := range 5 {
			r := s.Do(t, "POST", "/Users", e2e.UserBody("five@x", M{"externalId": "e5"})).Want(t, 201)
			if i == 0 {
				first = r.ID(t)
			}
			r.WantField(t, first, "id")
			s.Do(t, "GET", "/Users", nil).WantIDs(t, first)
			s.Do(t, "DELETE", "/Users/"+first, nil).Want(t, 204)
			s.Do(t, "DELETE", "/Users/"+first, nil).WantError(t, 404, "")
		}
	})
}

// scene builds the users that one step of "restore on create" is about.
type scene struct {
	*e2e.Client
	t *testing.T
}

// user makes a user with the externalId ("" for none) in a state: active,
// inactive or archived. It is created under an externalId that nobody has, or
// it would be taken for one of the others.
func (s scene) user(userName, externalID, state string) string {
	s.t.Helper()
	id := s.CreateUser(s.t, userName, M{"externalId": "of nobody else " + rand.Text()})
	var value any
	if externalID != "" {
		value = externalID
	}
	s.Patch(s.t, "/Users/"+id, M{"op": "replace", "path": "externalId", "value": value}).Want(s.t, 200)
	switch state {
	case "inactive":
		s.Patch(s.t, "/Users/"+id, e2e.Op("replace", "active", false)).Want(s.t, 200)
	case "archived":
		s.Do(s.t, "DELETE", "/Users/"+id, nil).Want(s.t, 204)
	}
	return id
}

// restoreRow is one meeting: the users that are there, the POST of userName n
// with an externalId, and whose id comes out: "" for a new one, "409" for a
// conflict.
type restoreRow struct {
	name       string
	users      func(s scene) map[string]string
	externalID string
	want       string
}

// The order of "restore on create", with either setting of match.
func TestRestoreOnCreateOrder(t *testing.T) {
	one := func(name, ext, state string) func(s scene) map[string]string {
		return func(s scene) map[string]string { return map[string]string{"x": s.user(name, ext, state)} }
	}
	type u struct{ key, name, ext, state string }
	several := func(us ...u) func(s scene) map[string]string {
		return func(s scene) map[string]string {
			ids := map[string]string{}
			for _, x := range us {
				ids[x.key] = s.user(x.name, x.ext, x.state)
			}
			return ids
		}
	}
	both := []restoreRow{ // whichever setting
		{"1: active user of the name", one("n", "", "active"), "", "409"},
		{"1: active user of the name and externalId", one("N", "e", "active"), "e", "409"},
		{"1 before 3 and 4", several(u{"x", "n", "", "active"}, u{"y", "other", "e", "inactive"}), "e", "409"},
		{"2: inactive user of the name", one("N", "", "inactive"), "", "x"},
		{"2: inactive, and the request has an externalId", one("n", "", "inactive"), "e", "x"},
		{"2: inactive, and only the user has an externalId", one("n", "e", "inactive"), "", "x"},
		{"2: inactive, same externalId", one("n", "e", "inactive"), "e", "x"},
		{"2: inactive, another externalId is another person", one("n", "e1", "inactive"), "e2", "409"},
		{"2: externalId is compared with case", one("n", "E", "inactive"), "e", "409"},
		{"2 before 3", several(u{"x", "n", "", "inactive"}, u{"y", "other", "e", "inactive"}), "e", "x"},
		{"2 before 4", several(u{"x", "n", "", "inactive"}, u{"y", "other", "e", "archived"}), "e", "x"},
		{"2 before 5", several(u{"y", "n", "e1", "archived"}, u{"x", "n", "e2", "inactive"}), "", "x"},
		{"5: archived user of the name", one("N", "", "archived"), "", "x"},
		{"5: archived, same externalId", one("n", "e", "archived"), "e", "x"},
		{"5: archived, only the user has an externalId", one("n", "e", "archived"), "", "x"},
		{"5: archived, only the request has one", one("n", "", "archived"), "e", "x"},
		{"5: archived with another externalId is another person", one("n", "e1", "archived"), "e2", ""},
		{"5: of several the latest", several(u{"y", "n", "e1", "archived"}, u{"x", "n", "e2", "archived"}), "", "x"},
		{"5: of several the one of the externalId", several(u{"x", "n", "e1", "archived"}, u{"y", "n", "e2", "archived"}), "e1", "x"},
		{"6: nobody", several(), "e", ""},
	}
	onName := append([]restoreRow{
		{"3 is off: inactive user of the externalId", one("other", "e", "inactive"), "e", ""},
		{"4 is off: archived user of the externalId", one("other", "e", "archived"), "e", ""},
		{"5 though another has the externalId", several(u{"x", "n", "", "archived"}, u{"y", "other", "e", "archived"}), "e", "x"},
	}, both...)
	onBoth := append([]restoreRow{
		{"3: inactive user of the externalId", one("other", "e", "inactive"), "e", "x"},
		{"3: with case", one("other", "E", "inactive"), "e", ""},
		{"3: not an active one", one("other", "e", "active"), "e", ""},
		{"3 before 5", several(u{"y", "n", "", "archived"}, u{"x", "other", "e", "inactive"}), "e", "x"},
		{"4: archived user of the externalId", one("other", "e", "archived"), "e", "x"},
		{"4 before 5", several(u{"y", "n", "", "archived"}, u{"x", "other", "e", "archived"}), "e", "x"},
		{"an externalId of two does not count: inactive", several(u{"y", "a", "e", "inactive"}, u{"z", "b", "e", "inactive"}), "e", ""},
		{"an externalId of two does not count: archived", several(u{"y", "a", "e", "archived"}, u{"z", "b", "e", "active"}), "e", ""},
		{"an externalId of two does not count, then 5", several(u{"y", "a", "e", "inactive"}, u{"z", "b", "e", "archived"}, u{"x", "n", "", "archived"}), "e", "x"},
	}, both...)
	for _, setting := range []struct {
		name string
		cfg  e2e.Config
		rows []restoreRow
	}{{"match userName", everything, onName}, {"match userName externalId", matchBoth, onBoth}} {
		t.Run(setting.name, func(t *testing.T) {
			e2e.ForEachStore(t, setting.cfg, func(t *testing.T, s *e2e.Server) {
				for _, row := range setting.rows {
					c := s.NewTenant(t)
					restore(t, c, row)
				}
			})
		})
	}
}

func restore(t *testing.T, c *e2e.Client, row restoreRow) {
	t.Helper()
	ids := row.users(scene{c, t})
	body := M{"schemas": A{e2e.UserURN}, "userName": "n", "title": "after"}
	if row.externalID != "" {
		body["externalId"] = row.externalID
	}
	r := c.Do(t, "POST", "/Users", body)
	if row.want == "409" {
		if r.Status != 409 || r.JSON["scimType"] != "uniqueness" {
			t.Errorf("%s: status %d, want 409 uniqueness\n%s", row.name, r.Status, r)
		}
		return
	}
	if r.Status != 201 {
		t.Errorf("%s: status %d, want 201\n%s", row.name, r.Status, r)
		return
	}
	got := ""
	for key, id := range ids {
		if id == r.JSON["id"] {
			got = key
		}
	}
	if got != row.want {
		t.Errorf("%s: the id is that of %q, want %q", row.name, got, row.want)
	}
	r.WantField(t, "n", "userName").WantField(t, "after", "title")
	wantActive(t, r)
	if row.externalID != "" {
		r.WantField(t, row.externalID, "externalId")
	} else {
		r.WantField(t, nil, "externalId") // all attributes are replaced
	}
	c.Do(t, "GET", find("userName", "n"), nil).WantIDs(t, r.ID(t))
}

// Reviving keeps the memberships, which an inactive user keeps.
func TestReviveKeepsMemberships(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		id := s.CreateUser(t, "n", M{"nickName": "old"})
		g := s.CreateGroup(t, "G", id)
		s.Patch(t, "/Users/"+id, e2e.Op("replace", "active", false)).Want(t, 200)
		s.Do(t, "POST", "/Users", e2e.UserBody("n", M{"title": "new"})).Want(t, 201).WantField(t, id, "id").
			WantField(t, nil, "nickName").WantField(t, s.Location+"/Users/"+id, "meta", "location")
		wantActive(t, s.Do(t, "GET", "/Users/"+id, nil).Want(t, 200))
		s.WantMembers(t, g, id)
		// With active:false it stays inactive.
		s.Patch(t, "/Users/"+id, e2e.Op("replace", "active", false)).Want(t, 200)
		s.Do(t, "POST", "/Users", e2e.UserBody("n", M{"active": false})).Want(t, 201).WantField(t, id, "id").WantField(t, false, "active")
		s.WantMembers(t, g, id)
	})
}
