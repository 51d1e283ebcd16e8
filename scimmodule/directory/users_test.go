package directory

import (
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// Deactivation sticks: what PUT and PATCH say about active, and what is logged.
func TestActive(t *testing.T) {
	t.Parallel()
	const patch, put = "patch", "put"
	for _, c := range []struct {
		name, before, how, body string
		active                  string // afterwards: "true", "false" or "absent"
		event                   string // "" for no change
	}{
		{"a PUT without active keeps false", `{"userName":"a","active":false}`, put, `{"userName":"a"}`, "false", ""},
		{"a PUT without active, changing something else", `{"userName":"a","active":false}`, put, `{"userName":"a","locale":"de"}`, "false", "user.updated"},
		{"a PUT with null keeps false", `{"userName":"a","active":false}`, put, `{"userName":"a","active":null}`, "false", ""},
		{"a PUT without active keeps true", `{"userName":"a","active":true}`, put, `{"userName":"a"}`, "true", ""},
		{"a PUT without active keeps it absent", `{"userName":"a"}`, put, `{"userName":"a"}`, "absent", ""},
		{"a PUT with true", `{"userName":"a","active":false}`, put, `{"userName":"a","active":"True"}`, "true", "user.reactivated"},
		{"a PUT with false", `{"userName":"a"}`, put, `{"userName":"a","active":"False"}`, "false", "user.deactivated"},
		{"a PATCH to false", `{"userName":"a","active":true}`, patch, `[{"op":"Replace","path":"active","value":"False"}]`, "false", "user.deactivated"},
		{"a PATCH without path to false", `{"userName":"a"}`, patch, `[{"op":"Add","value":{"active":"false"}}]`, "false", "user.deactivated"},
		{"a PATCH to true", `{"userName":"a","active":false}`, patch, `[{"op":"replace","value":{"active":true}}]`, "true", "user.reactivated"},
		{"a PATCH that removes it from an active user", `{"userName":"a","active":true}`, patch, `[{"op":"remove","path":"active"}]`, "absent", "user.updated"},
		{"a PATCH that nulls it on an active user", `{"userName":"a","active":true}`, patch, `[{"op":"replace","path":"active","value":null}]`, "absent", "user.updated"},
		{"a PATCH that removes it from an inactive user", `{"userName":"a","active":false}`, patch, `[{"op":"remove","path":"active"}]`, "false", ""},
		{"a PATCH that nulls it on an inactive user", `{"userName":"a","active":false}`, patch, `[{"op":"replace","value":{"active":null}}]`, "false", ""},
		{"an empty string is as null", `{"userName":"a","active":false}`, patch, `[{"op":"replace","path":"active","value":""}]`, "false", ""},
		{"off and on in one request", `{"userName":"a","active":true}`, patch, `[{"op":"replace","path":"active","value":false},{"op":"replace","path":"active","value":true}]`, "true", ""},
		{"true on an active user", `{"userName":"a","active":true}`, patch, `[{"op":"replace","path":"active","value":true}]`, "true", ""},
		{"false on an inactive user", `{"userName":"a","active":false}`, patch, `[{"op":"replace","path":"active","value":false}]`, "false", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, with{})
			was := e.user(c.before)
			g := e.group(`{"displayName":"g","members":[{"value":"` + was.ID + `"}]}`)
			from := e.revision()
			var r store.Record
			if c.how == put {
				r = e.put(store.User, was.ID, c.body)
			} else {
				r = e.patch(store.User, was.ID, c.body)
			}
			l, err := e.d.read(t.Context(), store.User, was.ID)
			if err != nil {
				t.Fatal(err)
			}
			got := "absent"
			if v, ok := l.attrs.Get("active"); ok {
				got = string(v.Append(nil))
			}
			if got != c.active {
				t.Errorf("active is %s, want %s", got, c.active)
			}
			log := e.log(from)
			switch {
			case c.event == "" && (len(log) > 0 || r.Version != was.Version || l.Version != was.Version):
				t.Errorf("a change of nothing: version %d to %d, log %q", was.Version, r.Version, log)
			case c.event != "" && (len(log) != 1 || !strings.HasPrefix(log[0], c.event+" ") || r.Version <= was.Version || r.Version != l.Version):
				t.Errorf("version %d to %d, log %q, want %s", was.Version, r.Version, log, c.event)
			}
			// Group syncs change nothing of it, and memberships stay.
			if e.members(g.ID) != was.ID {
				t.Error("the membership is gone")
			}
			e.put(store.Group, g.ID, `{"displayName":"g","members":[{"value":"`+was.ID+`","type":"User"}]}`)
			after, _ := e.stored(store.User, was.ID)
			if string(after.Body) != string(l.Body) {
				t.Errorf("a group sync changed the user to %s", after.Body)
			}
		})
	}
}

// What changes nothing keeps the version and writes no log entry.
func TestNoChange(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"Ann","externalId":"1","name":{"givenName":"A"},"emails":[{"type":"work","value":"a@x","primary":true}]}`)
	g := e.group(`{"displayName":"Team","externalId":"g1","members":[{"value":"` + u.ID + `"}]}`)
	from := e.revision()
	version := g.Version
	for _, c := range []struct {
		name string
		do   func() (store.Record, error)
		was  uint64
	}{
		{"PUT of the same user", func() (store.Record, error) {
			return e.tryPut(store.User, u.ID, `{"emails":[{"primary":"True","value":"a@x","type":"work"}],"name":{"givenName":"A"},"userName":"Ann","externalId":"1","title":"dropped"}`)
		}, u.Version},
		{"PATCH without operations", func() (store.Record, error) { return e.tryPatch(store.User, u.ID, `[]`) }, u.Version},
		{"PATCH of the same value", func() (store.Record, error) {
			return e.tryPatch(store.User, u.ID, `[{"op":"replace","path":"userName","value":"Ann"},{"op":"add","path":"name.givenName","value":"A"}]`)
		}, u.Version},
		{"PATCH of what is not kept", func() (store.Record, error) {
			return e.tryPatch(store.User, u.ID, `[{"op":"replace","path":"title","value":"x"},{"op":"add","path":"emails[type eq \"home\"].value","value":"h"}]`)
		}, u.Version},
		{"PATCH that removes what is not there", func() (store.Record, error) {
			return e.tryPatch(store.User, u.ID, `[{"op":"remove","path":"locale"}]`)
		}, u.Version},
		{"PUT of the same group", func() (store.Record, error) {
			return e.tryPut(store.Group, g.ID, `{"displayName":"Team","externalId":"g1","members":[{"value":"`+u.ID+`","display":"x"}]}`)
		}, version},
		{"PUT of the group without members", func() (store.Record, error) {
			return e.tryPut(store.Group, g.ID, `{"displayName":"Team","externalId":"g1"}`)
		}, version},
		{"PATCH of a group without operations", func() (store.Record, error) { return e.tryPatch(store.Group, g.ID, `[]`) }, version},
		{"PATCH of a group with the same name", func() (store.Record, error) {
			return e.tryPatch(store.Group, g.ID, `[{"op":"replace","value":{"displayName":"Team"}}]`)
		}, version},
		{"replacing members by the same", func() (store.Record, error) {
			return e.tryPatch(store.Group, g.ID, `[{"op":"replace","path":"members","value":[{"value":"`+u.ID+`"}]}]`)
		}, version},
	} {
		r, err := c.do()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if r.Version != c.was {
			t.Errorf("%s: version %d becomes %d", c.name, c.was, r.Version)
		}
	}
	// Adding who is there and removing who is not, without reading the group.
	for _, ops := range []string{
		`[{"op":"add","path":"members","value":[{"value":"` + u.ID + `"}]}]`,
		`[{"op":"remove","path":"members","value":[{"value":"nobody"}]}]`,
		`[{"op":"remove","path":"members[value eq \"nobody\"]"}]`,
		`[{"op":"remove","path":"members","value":[]}]`,
		`[{"op":"add","path":"members","value":[]}]`,
	} {
		e.patch(store.Group, g.ID, ops)
	}
	e.wantLog(from)
	for k, r := range map[store.Kind]store.Record{store.User: u, store.Group: g} {
		if s, _ := e.stored(k, r.ID); s.Version != r.Version || !s.Modified.Equal(r.Modified) {
			t.Errorf("stored %s in version %d, was %d", k, s.Version, r.Version)
		}
	}
}

// The names of what changed, as the log has them.
func TestLoggedNames(t *testing.T) {
	t.Parallel()
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	e := newEnv(t, with{})
	u := e.user(`{"userName":"a","name":{"givenName":"g"}}`)
	from := e.revision()
	e.patch(store.User, u.ID, `[{"op":"replace","value":{"name.familyName":"f","locale":"de","`+ent+`:department":"d","title":"x"}}]`)
	e.put(store.User, u.ID, `{"userName":"b","name":{"givenName":"g","familyName":"f"}}`)
	e.delete(store.User, u.ID)
	again := e.user(`{"userName":"b","locale":"fr"}`)
	e.wantLog(from,
		"user.updated "+u.ID+": name locale "+ent+":department",
		"user.updated "+u.ID+": userName locale "+ent+":department",
		"user.archived "+u.ID,
		"user.restored "+again.ID+": name locale")
}

func TestRename(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	a, b := e.user(`{"userName":"ann"}`), e.user(`{"userName":"bob","active":false}`)
	from := e.revision()
	for _, how := range []func() (store.Record, error){
		func() (store.Record, error) { return e.tryPut(store.User, a.ID, `{"userName":"BOB"}`) },
		func() (store.Record, error) {
			return e.tryPatch(store.User, a.ID, `[{"op":"replace","path":"userName","value":"Bob"}]`)
		},
	} {
		_, err := how()
		wantFailure(t, err, "409 uniqueness")
		if err != nil && strings.Contains(err.Error(), b.ID) {
			t.Errorf("the error reveals somebody else: %v", err)
		}
	}
	e.wantLog(from)
	// Another case of one's own name is a change, and no clash.
	e.put(store.User, a.ID, `{"userName":"ANN"}`)
	// A freed name can be taken, and the taken one not again.
	e.patch(store.User, b.ID, `[{"op":"replace","path":"userName","value":"carol"}]`)
	e.patch(store.User, a.ID, `[{"op":"replace","path":"userName","value":"bob"}]`)
	if got := e.find(store.User, `userName eq "BOB"`); len(got) != 1 || got[0] != a.ID {
		t.Errorf("bob is %v", got)
	}
	if _, err := e.tryUser(`{"userName":"ann"}`); err != nil {
		t.Errorf("a freed name: %v", err)
	}
	// A name of the archive is free for a rename, too.
	e.delete(store.User, b.ID)
	e.patch(store.User, a.ID, `[{"op":"replace","path":"userName","value":"carol"}]`)
}

func TestUniqueExtensionAttributes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	body := func(name, ext string) string { return `{"userName":"` + name + `","` + extURN + `":` + ext + `}` }
	a := e.user(body("a", `{"badge":"X1","Serial":"s"}`))
	for _, c := range []struct{ name, ext, want string }{
		{"taken", `{"badge":"X1"}`, "409 uniqueness"},
		{"taken in another case", `{"badge":"x1"}`, "409 uniqueness"},
		{"taken, with case", `{"Serial":"s"}`, "409 uniqueness"},
		{"free in another case", `{"Serial":"S"}`, ""},
		{"free", `{"badge":"X2"}`, ""},
		{"one's value under another attribute", `{"badge":"s"}`, ""},
		{"none", `{"level":1}`, ""},
	} {
		r, err := e.tryUser(body("b", c.ext))
		wantFailure(t, err, c.want)
		if err == nil {
			e.delete(store.User, r.ID)
			if err := e.d.Purge(t.Context(), e.call(), r.ID); err != nil {
				t.Fatal(err)
			}
		} else if !strings.Contains(err.Error(), extURN+":") {
			t.Errorf("%s: %v does not name the attribute", c.name, err)
		}
	}
	b := e.user(body("b", `{"badge":"X2"}`))
	_, err := e.tryPatch(store.User, b.ID, `[{"op":"replace","path":"`+extURN+`:badge","value":"x1"}]`)
	wantFailure(t, err, "409 uniqueness")
	e.patch(store.User, a.ID, `[{"op":"remove","path":"`+extURN+`:badge"}]`)
	e.patch(store.User, b.ID, `[{"op":"replace","path":"`+extURN+`:badge","value":"x1"}]`)
	// An archived user claims nothing, and a restore claims again.
	e.delete(store.User, b.ID)
	e.patch(store.User, a.ID, `[{"op":"add","path":"`+extURN+`:badge","value":"x1"}]`)
	_, err = e.tryUser(body("b", `{"badge":"x1"}`))
	wantFailure(t, err, "409 uniqueness")
	if _, archived := e.stored(store.Archived, b.ID); !archived {
		t.Error("a refused restore took the user out of the archive")
	}
}

func TestImmutableExtensionAttribute(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{allow: []string{"*"}})
	u := e.user(`{"userName":"a"}`)
	e.patch(store.User, u.ID, `[{"op":"add","path":"`+extURN+`:hireId","value":"1"}]`)
	_, err := e.tryPatch(store.User, u.ID, `[{"op":"replace","path":"`+extURN+`:hireId","value":"2"}]`)
	wantFailure(t, err, "400 mutability")
	_, err = e.tryPut(store.User, u.ID, `{"userName":"a","`+extURN+`":{"hireId":"2"}}`)
	wantFailure(t, err, "400 mutability")
	e.put(store.User, u.ID, `{"userName":"b","`+extURN+`":{"hireId":"1"}}`)
}

// A user who lacks what was required later can still be deactivated.
func TestRequiredLater(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u := e.user(`{"userName":"a"}`)
	full := e.user(`{"userName":"b","locale":"de"}`)
	e.reconfigure(with{required: []string{"locale"}})
	e.patch(store.User, u.ID, `[{"op":"replace","path":"active","value":false}]`)
	_, err := e.tryPatch(store.User, u.ID, `[{"op":"remove","path":"userName"}]`)
	wantFailure(t, err, "400 invalidValue")
	_, err = e.tryPatch(store.User, full.ID, `[{"op":"remove","path":"locale"}]`)
	wantFailure(t, err, "400 invalidValue")
	_, err = e.tryPut(store.User, u.ID, `{"userName":"a"}`)
	wantFailure(t, err, "400 invalidValue")
}

func TestPreconditions(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	u, g := e.user(`{"userName":"a"}`), e.group(`{"displayName":"g"}`)
	from := e.revision()
	call := func(version uint64) Call {
		c := e.call()
		c.Match = func(v uint64) bool { return v == version }
		return c
	}
	ops := func(k store.Kind, id, ops string, c Call) error {
		list := e.operations(ops)
		var err error
		if k == store.User {
			_, err = e.d.PatchUser(t.Context(), c, id, list, limits)
		} else {
			_, err = e.d.PatchGroup(t.Context(), c, id, list, limits)
		}
		return err
	}
	stale := call(u.Version + 100)
	_, err := e.d.ReplaceUser(t.Context(), stale, u.ID, e.decode(store.User, `{"userName":"b"}`))
	wantFailure(t, err, "412")
	wantFailure(t, ops(store.User, u.ID, `[{"op":"replace","path":"userName","value":"b"}]`, stale), "412")
	wantFailure(t, ops(store.User, u.ID, `[]`, stale), "412")
	wantFailure(t, e.d.DeleteUser(t.Context(), stale, u.ID), "412")
	_, err = e.d.ReplaceGroup(t.Context(), stale, g.ID, e.decode(store.Group, `{"displayName":"h"}`))
	wantFailure(t, err, "412")
	wantFailure(t, ops(store.Group, g.ID, `[{"op":"add","path":"members","value":[{"value":"`+u.ID+`"}]}]`, stale), "412")
	wantFailure(t, e.d.DeleteGroup(t.Context(), stale, g.ID), "412")
	e.wantLog(from)
	wantFailure(t, ops(store.Group, g.ID, `[{"op":"add","path":"members","value":[{"value":"`+u.ID+`"}]}]`, call(g.Version)), "")
	// A change of members is a change of the group.
	wantFailure(t, ops(store.Group, g.ID, `[{"op":"add","path":"externalId","value":"x"}]`, call(g.Version)), "412")
	wantFailure(t, e.d.DeleteUser(t.Context(), call(u.Version), u.ID), "")
}
