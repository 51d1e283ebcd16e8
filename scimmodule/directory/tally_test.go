package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// counted lists a tally, sorted: "User name +kept -dropped".
func counted(t *schema.Tally) []string {
	var lines []string
	for n, c := range t.Counts() {
		line := n.ResourceType + " " + strings.ReplaceAll(n.Path, schema.EnterpriseUserURN, "ent")
		if c.Kept > 0 {
			line += fmt.Sprintf(" +%d", c.Kept)
		}
		if c.Dropped > 0 {
			line += fmt.Sprintf(" -%d", c.Dropped)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// Each way in counts what it keeps and what it drops.
func TestTallies(t *testing.T) {
	t.Parallel()
	const ent = schema.EnterpriseUserURN
	for _, c := range []struct {
		name string
		set  Settings
		do   func(e *env, user, group string) error
		want []string
	}{
		{"POST of a user", Settings{}, func(e *env, _, _ string) error {
			_, err := e.tryUser(`{"schemas":["x"],"id":"x","meta":{"version":"v"},"userName":"b","title":"t","shoeSize":44,"locale":null,"name":{"givenName":"g","formatted":"f"},
				"emails":[{"type":"work","value":"w@x","display":"d"},{"type":"home","value":"h@x"}],"` + ent + `":{"department":"d","costCenter":"c"}}`)
			return err
		}, []string{"User emails -1", "User emails.display -1", "User emails.type +1", "User emails.value +1", "User ent:costCenter -1", "User ent:department +1",
			"User name.formatted -1", "User name.givenName +1", "User shoeSize -1", "User title -1", "User userName +1"}},
		{"PUT of a user", Settings{}, func(e *env, user, _ string) error {
			_, err := e.tryPut(store.User, user, `{"userName":"b","displayName":"d"}`)
			return err
		}, []string{"User displayName -1", "User userName +1"}},
		{"PUT that changes nothing", Settings{}, func(e *env, user, _ string) error {
			_, err := e.tryPut(store.User, user, `{"userName":"a","locale":"de"}`)
			return err
		}, []string{"User locale +1", "User userName +1"}},
		{"PATCH of a user", Settings{}, func(e *env, user, _ string) error {
			_, err := e.tryPatch(store.User, user, `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"w"},{"op":"add","value":{"active":"True","title":"t"}},{"op":"remove","path":"locale"},{"op":"remove","path":"nickName"}]`)
			return err
		}, []string{"User active +1", "User emails.value +1", "User nickName -1", "User title -1"}},
		{"POST of a group", Settings{}, func(e *env, user, _ string) error {
			_, err := e.tryGroup(`{"displayName":"h","externalId":"e","description":"d","members":[{"value":"` + user + `","display":"x"},{"value":"new"},{"value":"` + user + `"},{"display":"y"}]}`)
			return err
		}, []string{"Group description -1", "Group displayName +1", "Group externalId +1", "Group members +2 -1", "Group members.display -2"}},
		{"PUT of a group with the members that it has", Settings{}, func(e *env, user, group string) error {
			_, err := e.tryPut(store.Group, group, `{"displayName":"g","members":[{"value":"`+user+`"}]}`)
			return err
		}, []string{"Group displayName +1", "Group members +1"}},
		{"PUT of a group without members", Settings{}, func(e *env, _, group string) error {
			_, err := e.tryPut(store.Group, group, `{"displayName":"g"}`)
			return err
		}, []string{"Group displayName +1"}},
		{"members added and removed", Settings{}, func(e *env, user, group string) error {
			_, err := e.tryPatch(store.Group, group, `[{"op":"add","path":"members","value":[{"value":"`+user+`"},{"value":"m1"},{"value":"m2"},{"value":"m1"}]},{"op":"remove","path":"members[value eq \"m2\"]"}]`)
			return err
		}, []string{"Group members +2"}},
		{"members replaced", Settings{}, func(e *env, user, group string) error {
			_, err := e.tryPatch(store.Group, group, `[{"op":"replace","path":"members","value":["`+user+`","m1"]},{"op":"replace","value":{"displayName":"h","members":["m2","m3"]}}]`)
			return err
		}, []string{"Group displayName +1", "Group members +2"}},
		{"one member by a value path", Settings{}, func(e *env, user, group string) error {
			_, err := e.tryPatch(store.Group, group, `[{"op":"add","path":"members[value eq \"`+user+`\"]","value":{"display":"d"}}]`)
			return err
		}, []string{"Group members +1", "Group members.display -1"}},
		{"unknown members who are ignored", Settings{Members: MembersIgnore}, func(e *env, user, group string) error {
			_, err := e.tryPatch(store.Group, group, `[{"op":"add","path":"members","value":["`+user+`","m1","m2",{"$ref":"https://elsewhere/Users/x"},{"$ref":"https://elsewhere/Users/y"}]}]`)
			return err
		}, []string{"Group members +1 -4"}},
		{"unknown members who are pending", Settings{Members: MembersPending}, func(e *env, _, group string) error {
			_, err := e.tryPatch(store.Group, group, `[{"op":"add","path":"members","value":["m1","m2"]}]`)
			return err
		}, []string{"Group members +2"}},
		{"operations that share a tally", Settings{}, func(e *env, user, group string) error {
			c := e.call()
			if _, err := e.d.CreateUser(e.t.Context(), c, e.decode(store.User, `{"userName":"b","displayName":"d"}`)); err != nil {
				return err
			}
			if _, err := e.d.PatchUser(e.t.Context(), c, "nobody", e.operations(`[{"op":"add","path":"locale","value":"de"}]`), limits); failure(err) != "404" {
				return fmt.Errorf("patched nobody: %w", err)
			}
			if _, err := e.d.PatchGroup(e.t.Context(), c, group, e.operations(`[{"op":"add","path":"members","value":["`+user+`"]}]`), limits); err != nil {
				return err
			}
			_, err := e.d.ReplaceGroup(e.t.Context(), c, group, e.decode(store.Group, `{"displayName":"h","members":["`+user+`"]}`))
			return err
		}, []string{"Group displayName +1", "Group members +2", "User displayName -1", "User userName +1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, conflicts := range []int{0, 3} {
				e := newEnv(t, with{set: c.set})
				u := e.user(`{"userName":"a","locale":"de"}`)
				g := e.group(`{"displayName":"g","members":["` + u.ID + `"]}`)
				left := conflicts
				e.store.before = func(int, *store.Batch) error {
					if left--; left >= 0 {
						return &store.ConflictError{Kind: store.User, ID: u.ID}
					}
					return nil
				}
				if err := c.do(e, u.ID, g.ID); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, counted(e.dropped)); diff != "" {
					t.Errorf("after %d conflicts (-want +got):\n%s", conflicts, diff)
				}
			}
		})
	}
}

// A use case that fails keeps nothing; that names were dropped is still told.
func TestFailuresKeepNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fails string
		do          func(e *env, user, group string) error
		want        []string
	}{
		{"a name that is taken", "409 uniqueness", func(e *env, _, _ string) error {
			_, err := e.tryUser(`{"userName":"A","title":"t"}`)
			return err
		}, []string{"User title -1"}},
		{"a required attribute is missing", "400 invalidValue", func(e *env, user, _ string) error {
			_, err := e.tryPut(store.User, user, `{"locale":"de","emails":[{"type":"home","value":"x"}]}`)
			return err
		}, []string{"User emails -1"}},
		{"the last of several operations", "400 invalidValue", func(e *env, user, _ string) error {
			_, err := e.tryPatch(store.User, user, `[{"op":"add","path":"title","value":"t"},{"op":"add","path":"locale","value":"de"},{"op":"replace","path":"active","value":"x"}]`)
			return err
		}, []string{"User title -1"}},
		{"members who do not exist", "400 invalidValue", func(e *env, user, group string) error {
			_, err := e.tryPatch(store.Group, group, `[{"op":"add","path":"members","value":["`+user+`","m1"]}]`)
			return err
		}, nil},
		{"a store that is away", "503", func(e *env, user, group string) error {
			e.store.before = func(int, *store.Batch) error { return store.ErrUnavailable }
			_, err := e.tryPut(store.Group, group, `{"displayName":"h","members":["`+user+`"],"x":1}`)
			return err
		}, []string{"Group x -1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, with{set: Settings{Members: MembersReject}})
			u := e.user(`{"userName":"a"}`)
			g := e.group(`{"displayName":"g"}`)
			wantFailure(t, c.do(e, u.ID, g.ID), c.fails)
			if diff := cmp.Diff(c.want, counted(e.dropped)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What the server adds to a resource is not the client's.
func TestDerivedIsNotCounted(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	u := e.user(`{"userName":"a","` + schema.EnterpriseUserURN + `":{"manager":{"value":"m"}}}`)
	if diff := cmp.Diff([]string{"User ent:manager.value +1", "User userName +1"}, counted(e.dropped)); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	e.patch(store.User, u.ID, `[{"op":"replace","path":"`+schema.EnterpriseUserURN+`:manager","value":{"value":"n"}}]`)
	if diff := cmp.Diff([]string{"User ent:manager.value +1"}, counted(e.dropped)); diff != "" {
		t.Errorf("patched (-want +got):\n%s", diff)
	}
}

// A member who is not there when a commit is decided, and there when it is
// decided anew, is kept.
func TestMemberWhoAppearsIsKept(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{set: Settings{Members: MembersIgnore}})
	u := e.user(`{"userName":"a"}`)
	g := e.group(`{"displayName":"g"}`)
	creating := e.other(tenant, with{})
	commits := 0
	e.store.before = func(int, *store.Batch) error {
		if commits++; commits != 2 {
			return nil
		}
		o := e.decode(store.Group, `{"displayName":"h","members":["m"]}`)
		if _, err := creating.CreateGroup(t.Context(), Call{Base: address}, o); err != nil {
			t.Error(err)
		}
		return &store.MissingError{IDs: []string{u.ID}}
	}
	e.patch(store.Group, g.ID, `[{"op":"add","path":"members","value":["m","`+u.ID+`"]}]`)
	if diff := cmp.Diff([]string{"Group members +2"}, counted(e.dropped)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
