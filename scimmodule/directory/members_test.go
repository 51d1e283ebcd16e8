package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// What becomes of one member that a request names, in each mode and on each way
// in. Labels stand for ids: @live, @inactive, @archived, @purged, @group (another
// group), @dead (a deleted group), @self (the group itself).
func TestMembersWhomNobodyKnows(t *testing.T) {
	t.Parallel()
	const reject = "400 invalidValue"
	for _, c := range []struct {
		name   string
		member string // a member object or a bare id
		// what the group has afterwards, or a failure, by mode
		create, pending, ignore, reject string
		drops                           bool // whether mode create counts a dropped member
	}{
		{"a live user", `{"value":"@live"}`, "@live", "@live", "@live", "@live", false},
		{"a live user as a bare id", `"@live"`, "@live", "@live", "@live", "@live", false},
		{"a live user with what clients add", `{"value":"@live","$ref":null,"display":"x","type":null,"displayName":"y"}`, "@live", "@live", "@live", "@live", false},
		{"a live user, called a group", `{"value":"@live","type":"Group"}`, "@live", "@live", "@live", "@live", false},
		{"a live user by reference alone", `{"$ref":"` + address + `/Users/@live"}`, "@live", "@live", "@live", "@live", false},
		{"an inactive user", `{"value":"@inactive"}`, "@inactive", "@inactive", "@inactive", "@inactive", false},
		{"a group", `{"value":"@group","type":"Group"}`, "#@group", "#@group", "#@group", "#@group", false},
		{"a group without a type", `{"value":"@group"}`, "#@group", "#@group", "#@group", "#@group", false},
		{"a group, called a user", `{"value":"@group","type":"User"}`, "#@group", "#@group", "#@group", "#@group", false},
		{"a group by reference", `{"value":"@group","$ref":"` + address + `/Groups/@group"}`, "#@group", "#@group", "#@group", "#@group", false},
		{"nobody", `{"value":"nobody"}`, "nobody", "nobody", "", reject, false},
		{"nobody, called a group", `{"value":"nobody","type":"group"}`, "", "#nobody", "", reject, true},
		{"nobody, with a reference to a group", `{"value":"nobody","$ref":"https://elsewhere/Groups/nobody"}`, "", "#nobody", "", reject, true},
		{"an archived user", `{"value":"@archived"}`, "", "", "", reject, true},
		{"a purged user", `{"value":"@purged"}`, "", "", "", reject, true},
		{"a deleted group", `{"value":"@dead"}`, "", "", "", reject, true},
		{"an id that cannot be one", `{"value":"has space"}`, "", "", "", reject, true},
		{"an id that begins with a dot", `{"value":".search"}`, "", "", "", reject, true},
		{"an id that is a reference of bulk", `{"value":"xbulkIdx"}`, "", "", "", reject, true},
		{"an id that is too long", `{"value":"` + strings.Repeat("x", 129) + `"}`, "", "", "", reject, true},
		{"a reference to elsewhere alone names nobody", `{"$ref":"https://elsewhere/Users/nobody"}`, "", "", "", "", false},
	} {
		for _, mode := range []MemberMode{MembersCreate, MembersPending, MembersIgnore, MembersReject} {
			want := map[MemberMode]string{MembersCreate: c.create, MembersPending: c.pending, MembersIgnore: c.ignore, MembersReject: c.reject}[mode]
			for _, way := range []string{"POST", "PUT", "PATCH add", "PATCH replace", "PATCH with a name"} {
				t.Run(fmt.Sprint(c.name, ", ", mode, ", ", way), func(t *testing.T) {
					t.Parallel()
					e := newEnv(t, with{set: Settings{Members: mode}})
					ids := cast(e)
					bystander := e.user(`{"userName":"bystander"}`)
					g := e.group(`{"displayName":"g","members":[{"value":"` + bystander.ID + `"}]}`)
					ids["self"] = g.ID
					member := ids.fill(c.member)
					list := `[` + member + `,{"value":"` + bystander.ID + `"}]`
					var err error
					id := g.ID
					switch way {
					case "POST":
						var r store.Record
						r, err = e.tryGroup(`{"displayName":"h","members":` + list + `}`)
						id = r.ID
					case "PUT":
						_, err = e.tryPut(store.Group, g.ID, `{"displayName":"g","members":`+list+`}`)
					case "PATCH add":
						_, err = e.tryPatch(store.Group, g.ID, `[{"op":"Add","path":"members","value":`+list+`}]`)
					case "PATCH replace":
						_, err = e.tryPatch(store.Group, g.ID, `[{"op":"replace","path":"members","value":`+list+`}]`)
					case "PATCH with a name":
						_, err = e.tryPatch(store.Group, g.ID, `[{"op":"add","value":{"displayName":"h","members":`+list+`}}]`)
					}
					if strings.HasPrefix(want, "400") {
						wantFailure(t, err, want)
						if got := e.members(g.ID); got != bystander.ID {
							t.Errorf("members %s after a refusal", got)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if c.drops && mode == MembersCreate && droppedNames(e.dropped) != "members" {
						t.Errorf("dropped %q", droppedNames(e.dropped))
					}
					got := strings.Fields(e.members(id))
					wanted := append(strings.Fields(ids.fill(want)), bystander.ID)
					slices.Sort(got)
					slices.Sort(wanted)
					if !slices.Equal(got, wanted) {
						t.Errorf("members %v, want %v", got, wanted)
					}
					// Nobody came back, and nobody was made who must not be.
					for _, gone := range []string{"archived", "purged", "dead"} {
						if _, ok := e.stored(store.User, ids[gone]); ok {
							t.Errorf("@%s is a user", gone)
						}
					}
					r, made := e.stored(store.User, "nobody")
					if made != (mode == MembersCreate && want == "nobody") || made && !r.Provisional {
						t.Errorf("nobody is a user: %t, %+v", made, r)
					}
				})
			}
		}
	}
}

// labels maps the names of the cast to their ids.
type labels map[string]string

func (l labels) fill(s string) string {
	for name, id := range l {
		s = strings.ReplaceAll(s, "@"+name, id)
	}
	return s
}

func cast(e *env) labels {
	e.t.Helper()
	l := labels{
		"live":     e.user(`{"userName":"live"}`).ID,
		"inactive": e.user(`{"userName":"inactive","active":false}`).ID,
		"archived": e.user(`{"userName":"archived"}`).ID,
		"purged":   e.user(`{"userName":"purged"}`).ID,
		"group":    e.group(`{"displayName":"other"}`).ID,
		"dead":     e.group(`{"displayName":"dead"}`).ID,
	}
	e.delete(store.User, l["archived"])
	e.delete(store.User, l["purged"])
	if err := e.d.Purge(e.t.Context(), e.call(), l["purged"]); err != nil {
		e.t.Fatal(err)
	}
	e.delete(store.Group, l["dead"])
	return l
}

// Where the userName of a provisional user is taken from.
func TestProvisionalNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, members, want, users string }{
		{"from nothing", `[{"value":"p1"}]`, "p1", `p1=p1`},
		{"from userName", `[{"value":"p1","userName":"ann"}]`, "p1", `p1=ann`},
		{"from an e-mail address", `[{"value":"p1","emails":[{"value":"no address"},{"value":"a@x.org"}]}]`, "p1", `p1=a@x.org`},
		{"from a plain e-mail address", `[{"value":"p1","emails":["a@x.org"]}]`, "p1", `p1=a@x.org`},
		{"from display, if it is an address", `[{"value":"p1","display":"a@x.org"}]`, "p1", `p1=a@x.org`},
		{"not from any other display", `[{"value":"p1","display":"Ann Example"}]`, "p1", `p1=p1`},
		{"userName before emails before display", `[{"value":"p1","display":"d@x","emails":[{"value":"e@x"}],"userName":"u"},{"value":"p2","display":"d@x","emails":[{"value":"e@x"}]}]`, "p1 p2", `p1=u p2=e@x`},
		{"not one with a control character", `[{"value":"p1","userName":"a\u0001b"}]`, "p1", `p1=p1`},
		{"one that a live user has, in another case", `[{"value":"p1","userName":"LIVE"}]`, "p1", `p1=p1`},
		{"the value is a live user's userName", `[{"value":"LIVE@x"}]`, "@live@x", ``},
		{"the value is an inactive user's userName", `[{"value":"off"}]`, "@off", ``},
		{"the value is a userName that could be no id", `[{"value":"has space"}]`, "@has space", ``},
		{"a live user's userName twice", `[{"value":"live@x"},{"value":"LIVE@x"}]`, "@live@x", ``},
		{"the user and its userName", `[{"value":"live@x"},{"value":"@live@x"}]`, "@live@x", ``},
		{"two members with one userName", `[{"value":"p1","userName":"u"},{"value":"p2","userName":"U"}]`, "p1 p2", `p1=u p2=p2`},
		{"a member whose id is the userName of one before", `[{"value":"p1","userName":"u"},{"value":"u"}]`, "p1", `p1=u`},
		{"ids that differ in case alone", `[{"value":"p1"},{"value":"P1"}]`, "p1", `p1=p1`},
		{"one member twice", `[{"value":"p1"},{"value":"p1","userName":"u"}]`, "p1", `p1=u`},
		{"an archived user's name is free", `[{"value":"p1","userName":"archived@x"}]`, "p1", `p1=archived@x`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, with{})
			ids := labels{}
			for _, name := range []string{"live@x", "off", "has space", "live"} {
				ids[name] = e.user(`{"userName":"` + name + `","active":` + fmt.Sprint(name != "off") + `}`).ID
			}
			e.delete(store.User, e.user(`{"userName":"archived@x"}`).ID)
			// Longer labels first, so that @live does not eat @live@x.
			members, want := c.members, c.want
			for _, name := range []string{"live@x", "has space", "off", "live"} {
				members = strings.ReplaceAll(members, `"@`+name+`"`, `"`+ids[name]+`"`)
				want = strings.ReplaceAll(want, "@"+name, ids[name])
			}
			before := e.revision()
			g := e.group(`{"displayName":"g","members":` + members + `}`)
			got := strings.Fields(e.members(g.ID))
			wanted := strings.Fields(want)
			slices.Sort(got)
			slices.Sort(wanted)
			if !slices.Equal(got, wanted) {
				t.Errorf("members %v, want %v", got, wanted)
			}
			var made []string
			for _, line := range e.log(before) {
				if id, ok := strings.CutPrefix(line, "user.created "); ok {
					id, _, _ = strings.Cut(id, ":")
					l, err := e.d.read(t.Context(), store.User, id)
					if err != nil {
						t.Fatal(err)
					}
					if !l.Provisional || !isActive(l.attrs) {
						t.Errorf("%s is provisional %t, active %t", id, l.Provisional, isActive(l.attrs))
					}
					made = append(made, id+"="+l.attrs.Text("userName"))
				}
			}
			slices.Sort(made)
			if got := strings.Join(made, " "); got != c.users {
				t.Errorf("made %q, want %q", got, c.users)
			}
		})
	}
}

// A member who is named by its userName is linked; the same request again leaves
// it so ("no membership is ever wiped by accident").
func TestMembersByUserNameStay(t *testing.T) {
	t.Parallel()
	for _, way := range []string{
		`PUT {"displayName":"g","members":[{"value":"ann@x"},{"value":"bob@x"}]}`,
		`[{"op":"replace","path":"members","value":[{"value":"ann@x"},{"value":"bob@x"}]}]`,
		`[{"op":"replace","value":{"members":["bob@x","ann@x"]}}]`,
		`[{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"ann@x"},{"value":"bob@x"}]}]`,
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, with{})
			ann, bob := e.user(`{"userName":"ann@x"}`), e.user(`{"userName":"bob@x"}`)
			g := e.group(`{"displayName":"g","members":[{"value":"` + ann.ID + `"}]}`)
			for range 3 {
				if body, put := strings.CutPrefix(way, "PUT "); put {
					e.put(store.Group, g.ID, body)
				} else {
					e.patch(store.Group, g.ID, way)
				}
				got := strings.Fields(e.members(g.ID))
				if len(got) != 2 || !slices.Contains(got, ann.ID) || !slices.Contains(got, bob.ID) {
					t.Fatalf("members %v, want %s and %s", got, ann.ID, bob.ID)
				}
			}
		})
	}
}

// A provisional user's life: what ends the state, and what does not.
func TestProvisionalLife(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(e *env) error
		ends bool
	}{
		{"a PUT of the same", func(e *env) error {
			_, err := e.tryPut(store.User, "p1", `{"userName":"p1","active":true,"locale":"x"}`)
			return err
		}, true},
		{"a PATCH", func(e *env) error {
			_, err := e.tryPatch(store.User, "p1", `[{"op":"add","path":"externalId","value":"1"}]`)
			return err
		}, true},
		{"a PATCH that changes nothing", func(e *env) error { _, err := e.tryPatch(store.User, "p1", `[]`); return err }, true},
		{"the POST of its userName", func(e *env) error { _, err := e.tryUser(`{"userName":"P1","locale":"x"}`); return err }, true},
		{"the POST of its id as externalId", func(e *env) error {
			_, err := e.tryUser(`{"userName":"ann","externalId":"p1","locale":"x"}`)
			return err
		}, true},
		{"a PUT that fails", func(e *env) error {
			if _, err := e.tryPut(store.User, "p1", `{"userName":"p1"}`); err == nil {
				return fmt.Errorf("a PUT without what is required passes")
			}
			return nil
		}, false},
		{"another group names it", func(e *env) error {
			_, err := e.tryGroup(`{"displayName":"h","members":["p1"]}`)
			return err
		}, false},
		{"its membership ends", func(e *env) error {
			g := e.find(store.Group, `members.value eq "p1"`)
			_, err := e.tryPatch(store.Group, g[0], `[{"op":"remove","path":"members","value":[{"value":"p1"}]}]`)
			return err
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// Provisional users need not have what others must.
			e := newEnv(t, with{required: []string{"locale"}})
			g := e.group(`{"displayName":"g","members":[{"value":"p1","externalId":"x"}]}`)
			was, _ := e.stored(store.User, "p1")
			e.wantBody(was, `{"userName":"p1","active":true}`)
			if err := c.do(e); err != nil {
				t.Fatal(err)
			}
			r, ok := e.stored(store.User, "p1")
			if !ok || r.Provisional == c.ends {
				t.Fatalf("there %t, provisional %t", ok, r.Provisional)
			}
			if !r.Created.Equal(was.Created) {
				t.Error("created anew")
			}
			if c.ends && e.members(g.ID) != "p1" {
				t.Errorf("members %s", e.members(g.ID))
			}
		})
	}
	t.Run("it is found, deactivated and archived as any other", func(t *testing.T) {
		t.Parallel()
		e := newEnv(t, with{})
		e.group(`{"displayName":"g","members":["p1"]}`)
		if got := e.find(store.User, `userName eq "P1" and active eq true`); !slices.Equal(got, []string{"p1"}) {
			t.Errorf("found %v", got)
		}
		e.delete(store.User, "p1")
		if r, ok := e.stored(store.Archived, "p1"); !ok || r.ArchivedAt.IsZero() {
			t.Error("not in the archive")
		}
		// A group never revives it; its own POST does.
		e.put(store.Group, e.find(store.Group, `displayName eq "g"`)[0], `{"displayName":"g","members":["p1"]}`)
		if _, ok := e.stored(store.User, "p1"); ok {
			t.Error("a group revived an archived user")
		}
		if r := e.user(`{"userName":"p1"}`); r.ID != "p1" || r.Provisional {
			t.Errorf("restored as %s, provisional %t", r.ID, r.Provisional)
		}
	})
}

// At most so many users are made by one request, which a bulk request shares.
func TestCreationsAreBounded(t *testing.T) {
	t.Parallel()
	list := func(from, n int) string {
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf(`"p%d"`, from+i))
		}
		return "[" + strings.Join(ids, ",") + "]"
	}
	e := newEnv(t, with{set: Settings{MaxCreations: 10}})
	_, err := e.tryGroup(`{"displayName":"a","members":` + list(0, 11) + `}`)
	wantFailure(t, err, "413")
	if e.store.commits > 1 || len(e.find(store.User, `userName pr`)) > 0 {
		t.Error("something of it was applied")
	}
	e.group(`{"displayName":"a","members":` + list(0, 10) + `}`)
	// Those who are there do not count.
	g := e.group(`{"displayName":"b","members":` + list(0, 20) + `}`)
	if n := len(strings.Fields(e.members(g.ID))); n != 20 {
		t.Errorf("%d members", n)
	}

	created := 0
	share := func(ops string) error {
		c := e.call()
		c.Created = &created
		_, err := e.d.PatchGroup(t.Context(), c, g.ID, e.operations(ops), limits)
		return err
	}
	wantFailure(t, share(`[{"op":"add","path":"members","value":`+list(100, 6)+`}]`), "")
	wantFailure(t, share(`[{"op":"add","path":"members","value":`+list(200, 5)+`}]`), "413")
	wantFailure(t, share(`[{"op":"add","path":"members","value":`+list(300, 4)+`}]`), "")
	if created != 10 {
		t.Errorf("%d created", created)
	}
	wantFailure(t, share(`[{"op":"add","path":"members","value":`+list(300, 4)+`}]`), "")
	wantFailure(t, share(`[{"op":"add","path":"members","value":`+list(400, 1)+`}]`), "413")
}

func TestRejectNamesTheIDs(t *testing.T) {
	t.Parallel()
	e := newEnv(t, with{set: Settings{Members: MembersReject}})
	u := e.user(`{"userName":"a"}`)
	_, err := e.tryGroup(`{"displayName":"g","members":["x1","` + u.ID + `","x2"]}`)
	wantFailure(t, err, "400 invalidValue")
	if err == nil || !strings.Contains(err.Error(), "x1, x2") || strings.Contains(err.Error(), u.ID) {
		t.Errorf("%v does not name x1 and x2 alone", err)
	}
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf(`"y%d"`, i))
	}
	_, err = e.tryGroup(`{"displayName":"g","members":[` + strings.Join(many, ",") + `]}`)
	if err == nil || strings.Contains(err.Error(), "y20") || !strings.Contains(err.Error(), "and others") {
		t.Errorf("%v", err)
	}
}

func TestRemoveUnknownMembers(t *testing.T) {
	t.Parallel()
	for _, mode := range []MemberMode{MembersCreate, MembersPending, MembersIgnore, MembersReject} {
		e := newEnv(t, with{set: Settings{Members: mode}})
		u := e.user(`{"userName":"a"}`)
		g := e.group(`{"displayName":"g","members":["` + u.ID + `"]}`)
		e.patch(store.Group, g.ID, `[{"op":"remove","path":"members","value":[{"value":"nobody"},{"value":"not an id"}]}]`)
		if got := e.members(g.ID); got != u.ID {
			t.Errorf("%s: members %s", mode, got)
		}
	}
}

// Dropped members are counted once, however often the request is decided anew.
func TestDroppedMembersAreCountedOnce(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"fast", "exact"} {
		e := newEnv(t, with{set: Settings{Members: MembersIgnore}})
		g := e.group(`{"displayName":"g"}`)
		failed := 0
		e.store.before = func(int, *store.Batch) error {
			if failed++; failed <= 2 || failed == 4 {
				return &store.ConflictError{Kind: store.Group, ID: g.ID}
			}
			return nil
		}
		ops := `[{"op":"add","path":"members","value":["x1","x2"]}]`
		if way == "exact" {
			ops = `[{"op":"add","path":"members","value":["x1","x2"]},{"op":"replace","path":"externalId","value":"e"}]`
		}
		e.patch(store.Group, g.ID, ops)
		if got := droppedNames(e.dropped); got != "members*2" {
			t.Errorf("%s: dropped %q", way, got)
		}
	}
}
