package directory

import (
	"testing"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// The order of "restore on create", rule by rule, in both settings of match. A
// before is written as steps; the POST has to have the outcome.
func TestCreateOrder(t *testing.T) {
	t.Parallel()
	type step struct {
		do   string // "active", "inactive", "archived", "provisional": makes a user of that state
		name string // its label
		body string
	}
	for _, c := range []struct {
		name   string
		before []step
		post   string
		// want with match userName, and with match userName externalId: the
		// label of who returns, "new", or a failure.
		byName, byBoth string
		event          string // of the change log, where somebody returns (byBoth)
	}{
		{"1 a live and active user has the userName",
			[]step{{"active", "A", `{"userName":"Ann","externalId":"1"}`}}, `{"userName":"aNN","externalId":"1"}`, "409 uniqueness", "409 uniqueness", ""},
		{"1 absent means active",
			[]step{{"active", "A", `{"userName":"ann","title":"x"}`}}, `{"userName":"ann"}`, "409 uniqueness", "409 uniqueness", ""},
		{"1 comes before an archived one with the externalId",
			[]step{{"archived", "B", `{"userName":"bea","externalId":"1"}`}, {"active", "A", `{"userName":"ann"}`}}, `{"userName":"ann","externalId":"1"}`, "409 uniqueness", "409 uniqueness", ""},
		{"2 an inactive user has the userName",
			[]step{{"inactive", "A", `{"userName":"ann","externalId":"1"}`}}, `{"userName":"ANN","externalId":"1","active":true}`, "A", "A", "user.reactivated"},
		{"2 the POST has no externalId",
			[]step{{"inactive", "A", `{"userName":"ann","externalId":"1"}`}}, `{"userName":"ann"}`, "A", "A", "user.reactivated"},
		{"2 the user has no externalId",
			[]step{{"inactive", "A", `{"userName":"ann"}`}}, `{"userName":"ann","externalId":"1"}`, "A", "A", "user.reactivated"},
		{"2 another person",
			[]step{{"inactive", "A", `{"userName":"ann","externalId":"1"}`}}, `{"userName":"ann","externalId":"2"}`, "409 uniqueness", "409 uniqueness", ""},
		{"2 an externalId compares with case",
			[]step{{"inactive", "A", `{"userName":"ann","externalId":"x"}`}}, `{"userName":"ann","externalId":"X"}`, "409 uniqueness", "409 uniqueness", ""},
		{"2 another person, though an archived one has the externalId",
			[]step{{"archived", "B", `{"userName":"bea","externalId":"2"}`}, {"inactive", "A", `{"userName":"ann","externalId":"1"}`}}, `{"userName":"ann","externalId":"2"}`, "409 uniqueness", "409 uniqueness", ""},
		{"2 revived inactive stays inactive",
			[]step{{"inactive", "A", `{"userName":"ann"}`}}, `{"userName":"ann","active":false,"locale":"de"}`, "A", "A", "user.updated"},
		{"2 a provisional user has the userName",
			[]step{{"provisional", "ann@x", ""}}, `{"userName":"ANN@x","externalId":"7"}`, "ann@x", "ann@x", "user.updated"},
		{"2 comes before 3",
			[]step{{"inactive", "B", `{"userName":"bea","externalId":"1"}`}, {"inactive", "A", `{"userName":"ann"}`}}, `{"userName":"ann","externalId":"1"}`, "A", "A", "user.reactivated"},
		{"3 an inactive user has the externalId",
			[]step{{"inactive", "A", `{"userName":"old","externalId":"1"}`}}, `{"userName":"ann","externalId":"1"}`, "new", "A", "user.reactivated"},
		{"3 a provisional user was named by the externalId",
			[]step{{"provisional", "77", ""}}, `{"userName":"ann","externalId":"77"}`, "77", "77", "user.updated"},
		{"3 an active user with the externalId is another person",
			[]step{{"active", "A", `{"userName":"old","externalId":"1"}`}}, `{"userName":"ann","externalId":"1"}`, "new", "new", ""},
		{"3 two inactive users have the externalId",
			[]step{{"inactive", "A", `{"userName":"a","externalId":"1"}`}, {"inactive", "B", `{"userName":"b","externalId":"1"}`}}, `{"userName":"ann","externalId":"1"}`, "new", "new", ""},
		{"3 a live and an archived user have the externalId",
			[]step{{"archived", "A", `{"userName":"a","externalId":"1"}`}, {"inactive", "B", `{"userName":"b","externalId":"1"}`}}, `{"userName":"ann","externalId":"1"}`, "new", "new", ""},
		{"3 an active user of the externalId leaves it unusable, 5 still counts",
			[]step{{"archived", "A", `{"userName":"ann"}`}, {"active", "B", `{"userName":"b","externalId":"1"}`}}, `{"userName":"ann","externalId":"1"}`, "A", "A", "user.restored"},
		{"3 comes before 5",
			[]step{{"archived", "A", `{"userName":"ann"}`}, {"inactive", "B", `{"userName":"b","externalId":"1"}`}}, `{"userName":"ann","externalId":"1"}`, "A", "B", "user.reactivated"},
		{"4 an archived user has the externalId",
			[]step{{"archived", "A", `{"userName":"old","externalId":"1"}`}}, `{"userName":"ann","externalId":"1"}`, "new", "A", "user.restored"},
		{"4 two archived users have the externalId",
			[]step{{"archived", "A", `{"userName":"a","externalId":"1"}`}, {"archived", "B", `{"userName":"b","externalId":"1"}`}}, `{"userName":"ann","externalId":"1"}`, "new", "new", ""},
		{"4 comes before 5",
			[]step{{"archived", "A", `{"userName":"ann"}`}, {"archived", "B", `{"userName":"b","externalId":"1"}`}}, `{"userName":"ann","externalId":"1"}`, "A", "B", "user.restored"},
		{"5 an archived user had the userName",
			[]step{{"archived", "A", `{"userName":"Ann","externalId":"1"}`}}, `{"userName":"aNN","externalId":"1"}`, "A", "A", "user.restored"},
		{"5 the POST has no externalId",
			[]step{{"archived", "A", `{"userName":"ann","externalId":"1"}`}}, `{"userName":"ann"}`, "A", "A", "user.restored"},
		{"5 another person",
			[]step{{"archived", "A", `{"userName":"ann","externalId":"1"}`}}, `{"userName":"ann","externalId":"2"}`, "new", "new", ""},
		{"5 of several the latest",
			[]step{{"archived", "A", `{"userName":"ann","externalId":"1"}`}, {"archived", "B", `{"userName":"ann","externalId":"2"}`}}, `{"userName":"ann"}`, "B", "B", "user.restored"},
		{"5 of several the latest that is not another person",
			[]step{{"archived", "A", `{"userName":"ann","externalId":"1"}`}, {"archived", "B", `{"userName":"ann","externalId":"2"}`}, {"archived", "C", `{"userName":"ann","externalId":"3"}`}}, `{"userName":"ann","externalId":"2"}`, "B", "B", "user.restored"},
		{"6 nobody",
			[]step{{"active", "A", `{"userName":"bob","externalId":"2"}`}}, `{"userName":"ann","externalId":"1"}`, "new", "new", ""},
	} {
		for _, both := range []bool{false, true} {
			name, want := c.name+", match userName", c.byName
			if both {
				name, want = c.name+", match userName externalId", c.byBoth
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				// What was before was made without matching externalIds.
				e := newEnv(t, with{allow: []string{"default", "title"}})
				g := e.group(`{"displayName":"g"}`)
				label := map[string]string{}
				for _, s := range c.before {
					if s.do == "provisional" {
						e.patch(store.Group, g.ID, `[{"op":"add","path":"members","value":[{"value":"`+s.name+`"}]}]`)
						label[s.name] = s.name
						continue
					}
					r, err := e.tryUser(s.body)
					if err != nil {
						t.Fatalf("%s: %v", s.name, err)
					}
					for id, l := range label {
						if id == r.ID {
							t.Fatalf("%s is %s", s.name, l)
						}
					}
					label[r.ID] = s.name
					switch s.do {
					case "inactive":
						e.patch(store.User, r.ID, `[{"op":"replace","path":"active","value":false}]`)
					case "archived":
						e.delete(store.User, r.ID)
					}
				}
				e.reconfigure(with{allow: []string{"default", "title"}, set: Settings{MatchExternalID: both}})
				before := e.revision()
				r, err := e.tryUser(c.post)
				got := failure(err)
				if err == nil {
					got = label[r.ID]
					if got == "" {
						got = "new"
					}
				}
				if got != want {
					t.Fatalf("got %q (%v), want %q", got, err, want)
				}
				if err != nil {
					e.wantLog(before)
					return
				}
				// All attributes are the request's.
				e.wantBody(r, c.post)
				stored, _ := e.stored(store.User, r.ID)
				e.wantBody(stored, c.post)
				if stored.Provisional || stored.Version != r.Version || !stored.Created.Equal(r.Created) || !stored.Modified.Equal(r.Modified) {
					t.Errorf("returned %+v\nstored %+v", r, stored)
				}
				if _, archived := e.stored(store.Archived, r.ID); archived {
					t.Error("still in the archive")
				}
				event := c.event
				if want == "new" {
					event = "user.created"
				}
				if log := e.log(before); len(log) != 1 || len(log[0]) < len(event) || log[0][:len(event)] != event && want == c.byBoth {
					t.Errorf("log %q, want %s", log, event)
				}
			})
		}
	}
}

// The same person deleted and created five times keeps one id, and its groups
// do not come back.
func TestDeleteAndCreateAgain(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	first := e.user(`{"userName":"ann","externalId":"1"}`)
	g := e.group(`{"displayName":"g","members":[{"value":"` + first.ID + `"}]}`)
	for range 5 {
		e.delete(store.User, first.ID)
		if got := e.members(g.ID); got != "" {
			t.Fatalf("members %s after the delete", got)
		}
		_, err := e.d.Get(t.Context(), store.User, first.ID)
		wantFailure(t, err, "404")
		again := e.user(`{"userName":"ann","externalId":"1","active":true}`)
		if again.ID != first.ID || !again.Created.Equal(first.Created) || again.Version <= first.Version {
			t.Fatalf("created again as %s at %v in version %d", again.ID, again.Created, again.Version)
		}
		if got := e.members(g.ID); got != "" {
			t.Fatalf("members %s come back", got)
		}
	}
}

func TestCreateUserRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"no userName", `{"active":true}`, "400 invalidValue"},
		{"an empty userName", `{"userName":""}`, "400 invalidValue"},
		{"null for a required attribute", `{"userName":null}`, "400 invalidValue"},
		{"what the operator requires", `{"userName":"a","name":{"givenName":"g"}}`, "400 invalidValue"},
		{"a control character in the userName", `{"userName":"a\u0000b","name":{"familyName":"f"}}`, "400 invalidValue"},
		{"a line break in the externalId", `{"userName":"a","externalId":"x\ny","name":{"familyName":"f"}}`, "400 invalidValue"},
		{"a wrong type", `{"userName":"a","active":"maybe","name":{"familyName":"f"}}`, "400 invalidValue"},
		{"all is there", `{"userName":"a","active":"True","name":{"familyName":"f"}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, with{required: []string{"name.familyName"}})
			_, err := e.tryUser(c.body)
			wantFailure(t, err, c.want)
			if err != nil && e.store.commits > 0 {
				t.Error("something was written")
			}
		})
	}
}

func TestCreatedUser(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	r := e.user(`{"id":"mine","meta":{"version":"x"},"schemas":["urn:nobody"],"userName":"Ann","active":"False","title":"t","password":"p","emails":[{"type":"work","value":"w"},{"type":"home","value":"h"}],"` +
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User" + `":{"department":"d","costCenter":"c"}}`)
	e.wantBody(r, `{"userName":"Ann","active":false,"emails":[{"type":"work","value":"w"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"d"}}`)
	if r.ID == "mine" || !ValidID(r.ID) || len(r.ID) != 26 {
		t.Errorf("id %q", r.ID)
	}
	if r.Created.IsZero() || !r.Created.Equal(r.Modified) || r.Provisional || r.Allow != e.d.set.Views.Fingerprint {
		t.Errorf("record %+v", r)
	}
	want := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"`
	if got := string(r.Body); len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("body %s", got)
	}
	if got := droppedNames(e.dropped); got != "title password urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter emails" {
		t.Errorf("dropped %q", got)
	}
	e.wantLog(0, "user.created "+r.ID+": userName active emails urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department")
	cs, err := e.store.Changes(t.Context(), tenant, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if cs[0].Actor != "tok" || cs[0].Version != r.Version || string(cs[0].Record.Body) != string(r.Body) {
		t.Errorf("log entry %+v", cs[0])
	}
}

// Entra sends managers in every form; one is answered.
func TestManagerReference(t *testing.T) {
	t.Parallel()
	const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	for _, c := range []struct{ name, sent, want string }{
		{"a bare id", `"m1"`, `{"value":"m1","$ref":"../Users/m1"}`},
		{"an object", `{"value":"m1"}`, `{"value":"m1","$ref":"../Users/m1"}`},
		{"a list", `[{"value":"m1","$ref":null}]`, `{"value":"m1","$ref":"../Users/m1"}`},
		{"a client's address of it", `{"value":"m1","$ref":"https://x/Users/m1"}`, `{"value":"m1","$ref":"../Users/m1"}`},
		{"a reference to somebody else", `{"value":"m1","$ref":"https://x/Users/m2"}`, `{"value":"m1","$ref":"../Users/m1"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, with{allow: []string{"*"}})
			r := e.user(`{"userName":"a","` + ent + `":{"manager":` + c.sent + `}}`)
			e.wantBody(r, `{"userName":"a","`+ent+`":{"manager":`+c.want+`}}`)
			r = e.patch(store.User, r.ID, `[{"op":"replace","path":"`+ent+`:manager","value":"m9"}]`)
			e.wantBody(r, `{"userName":"a","`+ent+`":{"manager":{"value":"m9","$ref":"../Users/m9"}}}`)
			r = e.patch(store.User, r.ID, `[{"op":"replace","path":"`+ent+`:manager","value":""}]`)
			e.wantBody(r, `{"userName":"a"}`)
		})
	}
}

func TestTimestampsHaveMilliseconds(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{})
	e.d.now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("x", 3600)) }
	r := e.user(`{"userName":"a"}`)
	want := time.Date(2026, 1, 2, 2, 4, 5, 678_000_000, time.UTC)
	if !r.Created.Equal(want) || !r.Modified.Equal(want) {
		t.Errorf("created %v, modified %v", r.Created, r.Modified)
	}
}
