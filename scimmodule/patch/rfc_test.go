package patch

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-scim/caddy-scim/scimmodule/schema"
)

// TestRFCUser are the examples of RFC 7644 §3.5.2.1 to §3.5.2.3 on users, with
// the resource of §3.5.2.3 in mind where the RFC shows none.
func TestRFCUser(t *testing.T) {
	t.Parallel()
	check(t, views(t, "*").User, []change{
		{name: "3.5.2.1 add attributes without a path", before: `{"userName":"bjensen","emails":[{"value":"bjensen@example.com","type":"work","primary":true}],"nickName":"B"}`,
			ops:   `[{"op":"add","value":{"emails":[{"value":"babs@jensen.org","type":"home"}],"nickname":"Babs"}}]`,
			after: `{"userName":"bjensen","emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],"nickName":"Babs"}`},
		{name: "3.5.2.2 remove by a complex filter", before: `{"userName":"bjensen","emails":[{"value":"bjensen@example.com","type":"work"},{"value":"b@example.org","type":"work"},{"value":"h@example.com","type":"home"}]}`,
			ops:   `[{"op":"remove","path":"emails[type eq \"work\" and value ew \"example.com\"]"}]`,
			after: `{"userName":"bjensen","emails":[{"value":"b@example.org","type":"work"},{"value":"h@example.com","type":"home"}]}`},
		{name: "3.5.2.3 replace the work address", before: `{"userName":"bjensen","addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","country":"USA"},{"type":"home","streetAddress":"456 Hollywood Blvd","primary":true}]}`,
			ops:   `[{"op":"replace","path":"addresses[type eq \"work\"]","value":{"type":"work","streetAddress":"911 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"US","formatted":"911 Universal City Plaza\nHollywood, CA 91608 US","primary":true}}]`,
			after: `{"userName":"bjensen","addresses":[{"type":"work","streetAddress":"911 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"US","formatted":"911 Universal City Plaza\nHollywood, CA 91608 US","primary":true},{"type":"home","streetAddress":"456 Hollywood Blvd","primary":false}]}`},
		{name: "3.5.2.3 replace the street of the work address", before: `{"userName":"bjensen","addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","country":"USA"},{"type":"home","streetAddress":"456 Hollywood Blvd"}]}`,
			ops:   `[{"op":"replace","path":"addresses[type eq \"work\"].streetAddress","value":"1010 Broadway Ave"}]`,
			after: `{"userName":"bjensen","addresses":[{"type":"work","streetAddress":"1010 Broadway Ave","country":"USA"},{"type":"home","streetAddress":"456 Hollywood Blvd"}]}`},
		{name: "3.5.2.3 replace attributes without a path", before: `{"userName":"bjensen","title":"T","emails":[{"value":"old@example.com","type":"other"}]}`,
			ops:   `[{"op":"replace","value":{"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],"nickname":"Babs"}}]`,
			after: `{"userName":"bjensen","title":"T","emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],"nickName":"Babs"}`},
	})
	check(t, views(t).User, []change{
		{name: "3.5.2.3 replace the work address, default list", before: `{"userName":"bjensen","addresses":[{"type":"work","country":"USA"}]}`,
			ops:   `[{"op":"replace","path":"addresses[type eq \"work\"]","value":{"type":"work","streetAddress":"911 Universal City Plaza","country":"US"}}]`,
			after: `{"userName":"bjensen","addresses":[{"type":"work","country":"US"}]}`, drops: "addresses.streetAddress"},
		{name: "3.5.2.3 replace the street of the work address, default list", before: `{"userName":"bjensen","addresses":[{"type":"work","country":"USA"}]}`,
			ops: `[{"op":"replace","path":"addresses[type eq \"work\"].streetAddress","value":"1010 Broadway Ave"}]`, drops: "addresses.streetAddress"},
	})
}

// TestRFCGroup are the examples on groups.
func TestRFCGroup(t *testing.T) {
	t.Parallel()
	const (
		babs  = `{"display":"Babs Jensen","$ref":"https://example.com/v2/Users/2819c223-413861904646","value":"2819c223-7f76-453a-919d-413861904646"}`
		james = `{"display":"James Smith","$ref":"https://example.com/v2/Users/08e1d05d-473d93df9210","value":"08e1d05d-121c-4561-8b96-473d93df9210"}`
		gone  = `remove {"value":"2819c223-7f76-453a-919d-413861904646"}`
	)
	for _, c := range []struct{ name, ops, edits string }{
		{"3.5.2.1 add a member", `[{"op":"add","path":"members","value":[` + babs + `]}]`, "add " + babs},
		{"3.5.2.2 remove a member", `[{"op":"remove","path":"members[value eq \"2819c223-7f76-453a-919d-413861904646\"]"}]`, gone},
		{"3.5.2.2 remove all members", `[{"op":"remove","path":"members"}]`, "remove all"},
		{"3.5.2.2 remove and add a member", `[{"op":"remove","path":"members[value eq\"2819c223-7f76-453a-919d-413861904646\"]"},{"op":"add","path":"members","value":[` + james + `]}]`, gone + "\nadd " + james},
		{"3.5.2.2 remove all and add", `[{"op":"remove","path":"members"},{"op":"add","path":"members","value":[` + babs + `,` + james + `]}]`, "remove all\nadd " + babs + " " + james},
		{"3.5.2.3 replace all members", `[{"op":"replace","path":"members","value":[` + babs + `,` + james + `]}]`, "replace " + babs + " " + james},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range []*schema.View{views(t).Group, views(t, "*").Group} {
				o, r, err := run(t, v, `{"displayName":"Tour Guides"}`, c.ops, nil)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.edits, edits(r.Members)); diff != "" {
					t.Errorf("edits (-want +got):\n%s", diff)
				}
				if got := string(o.Append(nil)); got != `{"displayName":"Tour Guides"}` {
					t.Errorf("the group became %s", got)
				}
			}
		})
	}
}
