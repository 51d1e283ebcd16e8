package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Client is a provisioning client of one tenant. It may be used concurrently.
type Client struct {
	Tenant string
	Token  string
	Base   string // URL up to and without /Users
	// Location is what the tenant's locations begin with: Base as the server
	// publishes it.
	Location string
	HTTP     *http.Client
}

var plainHTTP = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (c *Caddy) client(t tenant) *Client {
	location := PublicURL
	switch c.Config.PublicURL {
	case "":
	case "none":
		location = c.Root()
	default:
		location = c.Config.PublicURL
	}
	return &Client{Tenant: t.name, Token: t.token, Base: c.Root() + c.BasePath(), Location: location + c.BasePath(), HTTP: plainHTTP}
}

// Send sends a request and returns what came back. The path is added to Base as
// it stands, query included: only raw spaces are encoded. A body that is a
// string or []byte is sent as it is, anything else as JSON. Headers are
// "Name: value"; without one of these the client sends its token and
// application/scim+json, and "Name:" alone leaves the header out.
func (c *Client) Send(method, path string, body any, headers ...string) (*Response, error) {
	var data []byte
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	case []byte:
		data = b
	default:
		var err error
		if data, err = json.Marshal(b); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequest(method, c.Base+strings.ReplaceAll(path, " ", "%20"), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if body == nil {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	} else {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		req.Header.Del(name)
		if value = strings.TrimSpace(value); value != "" {
			req.Header.Add(name, value)
		} else if strings.EqualFold(name, "User-Agent") {
			req.Header[name] = nil // or Go would fill in its own
		}
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	return newResponse(req, string(data), res)
}

// Do is Send for a test's own goroutine: it ends the test when no response
// came, and reports what no SCIM response may look like.
func (c *Client) Do(t testing.TB, method, path string, body any, headers ...string) *Response {
	t.Helper()
	r, err := c.Send(method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	for _, p := range r.Problems() {
		t.Errorf("%s\n%s", p, r)
	}
	return r
}

// Filter returns path with a filter as most clients encode it.
func Filter(path, filter string) string { return path + "?filter=" + url.QueryEscape(filter) }

// M is a JSON object.
type M = map[string]any

// A is a JSON array.
type A = []any

// The URNs that bodies are marked with.
const (
	UserURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	PatchURN      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	ListURN       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	ErrorURN      = "urn:ietf:params:scim:api:messages:2.0:Error"
	SearchURN     = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	BulkURN       = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
)

// Op is one operation of a PATCH; an empty path is left out.
func Op(op, path string, value any) M {
	o := M{"op": op}
	if path != "" {
		o["path"] = path
	}
	if value != nil {
		o["value"] = value
	}
	return o
}

// PatchBody is a PATCH request of the operations.
func PatchBody(ops ...M) M {
	if ops == nil {
		ops = []M{}
	}
	return M{"schemas": A{PatchURN}, "Operations": ops}
}

// Patch sends the operations to a resource.
func (c *Client) Patch(t testing.TB, path string, ops ...M) *Response {
	t.Helper()
	return c.Do(t, "PATCH", path, PatchBody(ops...))
}

// UserBody is a user with the given further attributes.
func UserBody(userName string, more ...M) M {
	u := M{"schemas": A{UserURN}, "userName": userName}
	for _, m := range more {
		maps.Copy(u, m)
	}
	return u
}

// GroupBody is a group with the given members, by id.
func GroupBody(displayName string, members ...string) M {
	g := M{"schemas": A{GroupURN}, "displayName": displayName}
	if len(members) > 0 {
		g["members"] = MemberList(members...)
	}
	return g
}

// MemberList is a value for members: an object for each id.
func MemberList(ids ...string) A {
	list := A{}
	for _, id := range ids {
		list = append(list, M{"value": id})
	}
	return list
}

// CreateUser creates an active user and returns its id.
func (c *Client) CreateUser(t testing.TB, userName string, more ...M) string {
	t.Helper()
	return c.Do(t, "POST", "/Users", UserBody(userName, append([]M{{"active": true}}, more...)...)).Want(t, 201).ID(t)
}

// CreateGroup creates a group with the members and returns its id.
func (c *Client) CreateGroup(t testing.TB, displayName string, members ...string) string {
	t.Helper()
	return c.Do(t, "POST", "/Groups", GroupBody(displayName, members...)).Want(t, 201).ID(t)
}

// Members returns the sorted ids of a group's members.
func (c *Client) Members(t testing.TB, group string) []string {
	t.Helper()
	list, ok := c.Do(t, "GET", "/Groups/"+group, nil).Want(t, 200).JSON["members"].([]any)
	if !ok {
		t.Fatalf("group %s comes without a members array", group)
	}
	ids := []string{}
	for _, m := range list {
		id, _ := m.(map[string]any)["value"].(string)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// WantMembers compares a group's members with the ids, in any order.
func (c *Client) WantMembers(t testing.TB, group string, ids ...string) {
	t.Helper()
	want := append([]string{}, ids...)
	slices.Sort(want)
	if got := c.Members(t, group); !slices.Equal(got, want) {
		t.Errorf("members of group %s: %v, want %v", group, got, want)
	}
}

// FindUser returns the one user that has the userName, or nil.
func (c *Client) FindUser(t testing.TB, userName string) M {
	t.Helper()
	list := c.Do(t, "GET", Filter("/Users", fmt.Sprintf("userName eq %q", userName)), nil).Want(t, 200).List(t)
	if len(list) == 0 {
		return nil
	}
	if len(list) > 1 {
		t.Fatalf("%d users have the userName %s", len(list), userName)
	}
	return list[0]
}

func newResponse(req *http.Request, sent string, res *http.Response) (*Response, error) {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the body of %s %s: %w", req.Method, req.URL, err)
	}
	r := &Response{Status: res.StatusCode, Header: res.Header, Body: body, method: req.Method, url: req.URL.RequestURI(), sent: sent}
	if err := json.Unmarshal(body, &r.JSON); err != nil {
		r.JSON = nil
	}
	return r, nil
}
