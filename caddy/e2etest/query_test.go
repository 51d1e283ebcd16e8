package e2etest

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// people are the users that the filters of RFC 7644's figure 2 are tried on.
func people(t *testing.T, c *e2e.Client) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, p := range []M{
		{"userName": "bjensen", "title": "Guide", "userType": "Employee", "active": true, "name": M{"familyName": "O'Malley"}, "emails": A{M{"type": "work", "value": "b@example.com"}, M{"type": "home", "value": "b@home.org"}}},
		{"userName": "Jsmith", "userType": "Intern", "active": true, "name": M{"familyName": "Smith"}, "emails": A{M{"type": "work", "value": "j@example.org"}}, "ims": A{M{"type": "xmpp", "value": "j@foo.com"}}},
		{"userName": "kim", "title": "Boss", "active": false, "emails": A{M{"type": "home", "value": "k@example.com"}}, e2e.EnterpriseURN: M{"department": "D"}},
		{"userName": "li", "userType": "Contractor", "active": true, "photos": A{M{"value": "https://x/1"}}},
	} {
		p["schemas"] = A{}
		ids[p["userName"].(string)] = c.Do(t, "POST", "/Users", p).Want(t, 201).ID(t)
	}
	return ids
}

func TestFilters(t *testing.T) {
	rows := map[string]string{
		// Figure 2 of RFC 7644.
		`userName eq "bjensen"`:                       "bjensen",
		`userName Eq "BJENSEN"`:                       "bjensen",
		`Username eq "bjensen"`:                       "bjensen",
		`name.familyName co "O'Malley"`:               "bjensen",
		`userName sw "J"`:                             "Jsmith",
		e2e.UserURN + `:userName sw "J"`:              "Jsmith",
		`title pr`:                                    "bjensen kim",
		`meta.lastModified gt "2011-05-13T04:42:34Z"`: "bjensen Jsmith kim li",
		`meta.lastModified ge "2011-05-13T04:42:34Z"`: "bjensen Jsmith kim li",
		`meta.lastModified lt "2011-05-13T04:42:34Z"`: "",
		`meta.lastModified le "2011-05-13T04:42:34Z"`: "",
		`title pr and userType eq "Employee"`:         "bjensen",
		`title pr or userType eq "Intern"`:            "bjensen Jsmith kim",
		`schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`:                           "kim",
		`userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")`:             "bjensen",
		`userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")`:         "li",
		`userType eq "Employee" and (emails.type eq "work")`:                                                "bjensen",
		`userType eq "Employee" and emails[type eq "work" and value co "@example.com"]`:                     "bjensen",
		`emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]`: "bjensen Jsmith",
		// Operators, precedence, grouping, literals.
		`userName ew "n"`:   "bjensen",
		`userName gt "k"`:   "kim li",
		`userName le "kim"`: "bjensen Jsmith kim",
		`active eq true`:    "bjensen Jsmith li",
		`active eq "False"`: "kim",
		`active ne true`:    "kim",
		`not (title pr)`:    "Jsmith li",
		`title pr and userType pr or userName eq "li"`:   "bjensen li",
		`userName eq "li" or title pr and userType pr`:   "bjensen li",
		`(userName eq "li" or title pr) and userType pr`: "bjensen li",
		`title eq null`:                                "Jsmith li",
		`title ne null`:                                "bjensen kim",
		`emails[not (type eq "work")]`:                 "bjensen kim",
		`emails[type eq "home"].value eq "b@home.org"`: "bjensen",
		`emails[type eq "work"] eq "b@example.com"`:    "bjensen",
		`emails eq "b@example.com"`:                    "bjensen",
		`emails pr`:                                    "bjensen Jsmith kim",
		`photos pr`:                                    "li",
		`name pr`:                                      "bjensen Jsmith",
		`name.familyName pr and name.familyName eq "smith"`:            "Jsmith",
		e2e.EnterpriseURN + `:department eq "d"`:                       "kim",
		e2e.EnterpriseURN + `:department pr`:                           "kim",
		`meta.resourceType eq "User"`:                                  "bjensen Jsmith kim li",
		`userType in "x"`:                                              "400",
		`active gt true`:                                               "400",
		`emails[type eq "work"`:                                        "400",
		`userName eq "x" and`:                                          "400",
		`noSuchAttribute eq "x"`:                                       "400",
		`meta.created gt "2011-05-13T04:42:34Z" and userName eq "kim"`: "kim",
	}
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		ids := people(t, s.Client)
		for filter, want := range rows {
			r := s.Do(t, "GET", e2e.Filter("/Users", filter), nil)
			if want == "400" {
				if r.Status != 400 || r.JSON["scimType"] != "invalidFilter" {
					t.Errorf("%s: %d %v, want 400 invalidFilter", filter, r.Status, r.JSON["scimType"])
				}
				continue
			}
			var wantIDs []string
			for _, n := range strings.Fields(want) {
				wantIDs = append(wantIDs, ids[n])
			}
			if r.Status != 200 {
				t.Errorf("%s: status %d\n%s", filter, r.Status, r)
				continue
			}
			r.WantIDs(t, wantIDs...).WantField(t, len(wantIDs), "totalResults")
			post := s.Do(t, "POST", "/Users/.search", M{"schemas": A{e2e.SearchURN}, "filter": filter}).Want(t, 200)
			same(t, filter+" by POST", any(r.JSON), any(post.JSON))
			if t.Failed() {
				t.Fatalf("filter %s", filter)
			}
		}
		// With id and version, which the server decides.
		s.Do(t, "GET", find("id", ids["kim"]), nil).WantIDs(t, ids["kim"])
		version := s.Do(t, "GET", "/Users/"+ids["li"], nil).ETag()
		s.Do(t, "GET", find("meta.version", version), nil).WantIDs(t, ids["li"])
		s.Do(t, "GET", find("meta.location", s.Location+"/Users/"+ids["li"]), nil).WantIDs(t, ids["li"])
	})
}

func TestGroupFilters(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		a, b := s.CreateUser(t, "a"), s.CreateUser(t, "b")
		g1, g2, g3 := s.CreateGroup(t, "One", a), s.CreateGroup(t, "Two", a, b), s.CreateGroup(t, "Three")
		for filter, want := range map[string][]string{
			`displayName eq "one"`:                          {g1},
			`displayName co "T"`:                            {g2, g3},
			`members eq "` + a + `"`:                        {g1, g2},
			`members.value eq "` + b + `"`:                  {g2},
			`members[value eq "` + a + `"]`:                 {g1, g2},
			`members pr`:                                    {g1, g2},
			`not (members pr)`:                              {g3},
			`members eq "` + a + `" and displayName sw "O"`: {g1},
			`members eq "nobody"`:                           nil,
		} {
			s.Do(t, "GET", e2e.Filter("/Groups", filter), nil).WantIDs(t, want...)
		}
		s.Do(t, "GET", e2e.Filter("/Users", `groups eq "`+g2+`"`), nil).WantIDs(t, a, b)
	})
}

// RFC 7644 §3.4.2.3.
func TestSorting(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		ids := people(t, s.Client)
		sorted := func(query string, names ...string) {
			t.Helper()
			var want []string
			for _, n := range names {
				want = append(want, ids[n])
			}
			s.Do(t, "GET", "/Users?"+query, nil).Want(t, 200).WantOrder(t, want...)
		}
		sorted("sortBy=userName", "bjensen", "Jsmith", "kim", "li") // without case
		sorted("sortBy=userName&sortOrder=ascending", "bjensen", "Jsmith", "kim", "li")
		sorted("sortBy=USERNAME&sortOrder=descending", "li", "kim", "Jsmith", "bjensen")
		sorted("sortBy=title&count=2", "kim", "bjensen")                           // no data comes last
		sorted("sortBy=title&sortOrder=descending&startIndex=3", "bjensen", "kim") // and first where descending
		sorted("sortBy=name.familyName&count=2", "bjensen", "Jsmith")
		sorted("sortBy=emails.value&count=3", "bjensen", "Jsmith", "kim")
		sorted("sortBy=meta.created", "bjensen", "Jsmith", "kim", "li")
		sorted("sortBy=userName&sortOrder=descending&filter="+url.QueryEscape("title pr"), "kim", "bjensen")
		sorted("sortBy=userName&startIndex=2&count=2", "Jsmith", "kim")
		sorted("", "bjensen", "Jsmith", "kim", "li") // creation order
	})
}

// RFC 7644 §3.4.2.4: totals, bounds and order.
func TestIndexPaging(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		ids := slices.Sorted(slices.Values(createMany(t, s.Client, 230)))
		page := func(query string, start int, want []string) {
			t.Helper()
			r := s.Do(t, "GET", "/Users?"+query, nil).Want(t, 200).WantOrder(t, want...)
			r.WantField(t, 230, "totalResults").WantField(t, len(want), "itemsPerPage").WantField(t, start, "startIndex")
			if r.JSON["nextCursor"] != nil {
				t.Error("a cursor that nobody asked for")
			}
		}
		page("", 1, ids[:100])
		page("count=10", 1, ids[:10])
		page("startIndex=11&count=10", 11, ids[10:20])
		page("count=200", 1, ids[:200])
		page("count=500", 1, ids[:200]) // clamped
		page("startIndex=0&count=2", 1, ids[:2])
		page("startIndex=-7&count=2", 1, ids[:2])
		page("startIndex=229&count=10", 229, ids[228:])
		page("startIndex=231", 231, nil)
		page("startIndex=999999999&count=1", 999999999, nil)
		page("count=0", 1, nil)
		page("count=-3", 1, nil)
		page("startIndex=201&count=200&filter="+url.QueryEscape("userName pr"), 201, ids[200:])
		for _, bad := range []string{"count=many", "startIndex=one", "count=1.5"} {
			if r := s.Do(t, "GET", "/Users?"+bad, nil); r.Status != 400 {
				t.Errorf("%s: status %d, want 400", bad, r.Status)
			}
		}
		s.Do(t, "DELETE", "/Users/"+ids[0], nil).Want(t, 204)
		s.Do(t, "GET", "/Users?count=2", nil).WantOrder(t, ids[1:3]...).WantField(t, 229, "totalResults")
	})
}

var unreserved = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

// RFC 9865.
func TestCursorPaging(t *testing.T) {
	e2e.ForEachStore(t, everything, func(t *testing.T, s *e2e.Server) {
		created := createMany(t, s.Client, 25)
		ids := slices.Sorted(slices.Values(created)) // the order of lists
		walk := func(query string, between func(page int)) []string {
			t.Helper()
			var seen []string
			cursor := ""
			for page := 0; ; page++ {
				r := s.Do(t, "GET", "/Users?"+query+"&cursor="+cursor, nil).Want(t, 200)
				for _, m := range r.List(t) {
					seen = append(seen, m["id"].(string))
				}
				next, more := r.JSON["nextCursor"].(string)
				if !more {
					return seen
				}
				if !unreserved.MatchString(next) || page > 30 {
					t.Fatalf("page %d: nextCursor %q", page, next)
				}
				cursor = next
				if between != nil {
					between(page)
				}
			}
		}
		same(t, "pages of 10", ids, walk("count=10", nil))
		same(t, "pages of 25: no further page", ids, walk("count=25", nil))
		same(t, "the default page", ids, walk("sortOrder=ascending", nil))
		same(t, "filtered", slices.Sorted(slices.Values(created[10:20])), walk("count=3&filter="+url.QueryEscape(`userName co "user001"`), nil))
		reversed := slices.Clone(created)
		slices.Reverse(reversed)
		same(t, "sorted", reversed, walk("count=4&sortBy=userName&sortOrder=descending", nil))

		first := s.Do(t, "GET", "/Users?cursor&count=10", nil).Want(t, 200).WantField(t, 25, "totalResults").WantField(t, 10, "itemsPerPage").WantField(t, nil, "previousCursor")
		next := first.JSON["nextCursor"].(string)
		s.Do(t, "GET", "/Users?cursor=&count=201", nil).WantError(t, 400, "invalidCount")
		s.Do(t, "GET", "/Users?count=201&cursor="+next, nil).WantError(t, 400, "invalidCount")
		s.Do(t, "GET", "/Users?count=11&cursor="+next, nil).WantError(t, 400, "invalidCount") // "equal to the count value of the initial query"
		for _, bad := range []string{"nonsense", next + "x", next[1:], "AAAA", strings.Repeat("A", 3000)} {
			s.Do(t, "GET", "/Users?count=10&cursor="+bad, nil).WantError(t, 400, "invalidCursor")
		}
		post := s.Do(t, "POST", "/Users/.search", M{"schemas": A{e2e.SearchURN}, "cursor": "", "count": 10, "attributes": A{"userName"}}).Want(t, 200).WantOrder(t, ids[:10]...)
		s.Do(t, "POST", "/Users/.search", M{"schemas": A{e2e.SearchURN}, "cursor": post.JSON["nextCursor"], "count": 10, "attributes": A{"userName"}}).WantOrder(t, ids[10:20]...)

		// Neither a deletion nor a creation between pages makes one be missed or seen twice.
		n := 0
		seen := walk("count=5", func(page int) {
			s.Do(t, "DELETE", "/Users/"+ids[page], nil).Want(t, 204)
			s.CreateUser(t, fmt.Sprintf("late%d@x", n))
			n++
		})
		counts := map[string]int{}
		for _, id := range seen {
			counts[id]++
		}
		for i, id := range ids {
			if counts[id] != 1 {
				t.Errorf("user %d was seen %d times", i, counts[id])
			}
		}
	})
}
