package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

// errForeign refuses to send what would change something of somebody else.
var errForeign = errors.New("refused to send this: it would change something that the doctor did not create")

// resource is something that the doctor made.
type resource struct {
	endpoint string // Users or Groups
	id       string
	name     string // userName or displayName, as far as known
	deleted  bool
}

// estate knows what is the doctor's own on the server.
type estate struct {
	run     string
	made    []*resource
	foreign map[string]bool // ids that were seen and are somebody else's
	guids   map[string]bool // ids of the doctor's own making
}

func newEstate(run string) *estate {
	return &estate{run: run, foreign: map[string]bool{}, guids: map[string]bool{}}
}

// ours reports whether a name is one of the run.
func (e *estate) ours(name string) bool {
	return strings.Contains(strings.ToLower(name), corpus.Prefix(e.run))
}

// owns reports whether a resource may be changed. Ids that hold the run's prefix, and its guids, can only belong to users that a server made of members.
func (e *estate) owns(endpoint, id string) bool {
	if e.foreign[id] {
		return false
	}
	if e.ours(id) || e.guids[id] {
		return true
	}
	return slices.ContainsFunc(e.made, func(r *resource) bool { return r.id == id && r.endpoint == endpoint })
}

// take notes a resource as the doctor's own and there, unless it was somebody
// else's.
func (e *estate) take(endpoint, id, name string) {
	if id == "" || e.foreign[id] {
		return
	}
	for _, r := range e.made {
		if r.endpoint == endpoint && r.id == id {
			r.deleted = false
			if name != "" {
				r.name = name
			}
			return
		}
	}
	e.made = append(e.made, &resource{endpoint: endpoint, id: id, name: name})
}

// may returns errForeign for a request that would change what is not the doctor's.
func (e *estate) may(r *corpus.Request) error {
	segments, err := split(r.Path)
	if err != nil {
		return err
	}
	if reads(r.Method, segments) {
		return nil
	}
	for _, v := range r.Used {
		if e.foreign[v] {
			return fmt.Errorf("%w: it names the resource %s", errForeign, v)
		}
	}
	if r.Method == http.MethodPost && len(segments) == 1 && strings.EqualFold(segments[0], "Bulk") {
		return e.mayBulk(r.Body)
	}
	return e.mayWrite(r.Method, segments)
}

func reads(method string, segments []string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	case http.MethodPost:
		return len(segments) > 0 && segments[len(segments)-1] == ".search"
	}
	return false
}

func (e *estate) mayWrite(method string, segments []string) error {
	endpoint := ""
	if len(segments) > 0 {
		endpoint = canonical(segments[0])
	}
	switch {
	case endpoint == "":
	case method == http.MethodPost && len(segments) == 1:
		return nil
	case len(segments) == 2 && e.owns(endpoint, segments[1]):
		return nil
	}
	return fmt.Errorf("%w: %s /%s", errForeign, method, strings.Join(segments, "/"))
}

// mayBulk looks at each operation (RFC 7644 §3.7). A path may name what an
// earlier operation of the request makes.
func (e *estate) mayBulk(body string) error {
	var bulk struct {
		Operations []struct{ Method, Path, BulkID string }
	}
	if err := json.Unmarshal([]byte(body), &bulk); err != nil {
		return nil // no server can do anything with it
	}
	for _, o := range bulk.Operations {
		segments, err := split(o.Path)
		if err != nil {
			return err
		}
		if len(segments) == 2 && strings.HasPrefix(segments[1], "bulkId:") {
			continue
		}
		if err := e.mayWrite(strings.ToUpper(o.Method), segments); err != nil {
			return err
		}
	}
	return nil
}

// split returns the segments of a path, without empty ones.
func split(path string) ([]string, error) {
	path, _, _ = strings.Cut(path, "?")
	var list []string
	for s := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(s)
		if err != nil || plain == "." || plain == ".." || strings.Contains(plain, "/") {
			return nil, fmt.Errorf("%w: the path %s is ambiguous", errForeign, path)
		}
		if plain != "" {
			list = append(list, plain)
		}
	}
	return list, nil
}

// canonical returns Users or Groups for a path's first segment, else nothing.
func canonical(segment string) string {
	for _, e := range []string{"Users", "Groups"} {
		if strings.EqualFold(e, segment) {
			return e
		}
	}
	return ""
}

// represented is as much of a resource as the doctor has to know.
type represented struct {
	ID          text
	UserName    text
	DisplayName text
	ExternalID  text
	Meta        meta
}

type meta struct{ ResourceType text }

// UnmarshalJSON takes nothing from what is no object.
func (m *meta) UnmarshalJSON(b []byte) error {
	type plain meta
	_ = json.Unmarshal(b, (*plain)(m)) // an odd meta teaches nothing
	return nil
}

// text is a string as servers write it: some write a number. Anything else is
// the empty string.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	var n json.Number
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9') && json.Unmarshal(b, &n) == nil:
		*t = text(n)
	default:
		*t = ""
	}
	return nil
}

func (r *represented) endpoint(of string) string {
	switch {
	case of != "":
		return of
	case strings.EqualFold(string(r.Meta.ResourceType), "Group"):
		return "Groups"
	case strings.EqualFold(string(r.Meta.ResourceType), "User") || r.UserName != "":
		return "Users"
	}
	return ""
}

func (r *represented) name(endpoint string) string {
	if endpoint == "Groups" {
		return string(r.DisplayName)
	}
	return string(r.UserName)
}

// learn takes from an answer whose its resources are. It reports false where a
// create was answered with somebody else: an id that was somebody else's before, or
// a name that is neither the run's nor was sent.
func (e *estate) learn(r *corpus.Request, a *corpus.Answer) bool {
	segments, err := split(r.Path)
	if err != nil {
		return true
	}
	endpoint := ""
	if len(segments) > 0 {
		endpoint = canonical(segments[0])
	}
	if len(segments) == 1 && strings.EqualFold(segments[0], "Bulk") {
		e.learnBulk(a)
		return true
	}
	var one represented
	var list struct{ Resources []represented }
	if endpoint != "" || len(segments) == 0 || segments[0] == ".search" {
		_ = json.Unmarshal(a.Body, &one) // what is no resource teaches nothing
		_ = json.Unmarshal(a.Body, &list)
	}
	created := r.Method == http.MethodPost && !reads(r.Method, segments) && a.Status == http.StatusCreated
	id := string(one.ID)
	if created && id == "" {
		id = located(endpoint, a.Header.Get("Location"))
	}
	if name := one.name(endpoint); created && id != "" && name != "" && !e.ours(name) && !e.ours(string(one.ExternalID)) && !strings.Contains(r.Body, name) {
		e.foreign[id] = true
	}
	if created && e.foreign[id] {
		return false
	}
	switch {
	case created:
		e.take(endpoint, id, one.name(endpoint))
	case r.Method == http.MethodDelete && a.Status < 300 && len(segments) == 2:
		e.gone(endpoint, segments[1])
	default:
		e.see(endpoint, &one)
	}
	for i := range list.Resources {
		e.see(endpoint, &list.Resources[i])
	}
	return true
}

// gone notes that a resource was deleted.
func (e *estate) gone(endpoint, id string) {
	for _, r := range e.made {
		if r.endpoint == endpoint && r.id == id {
			r.deleted = true
		}
	}
}

// see notes whose a resource is that came in an answer.
func (e *estate) see(endpoint string, r *represented) {
	endpoint, id := r.endpoint(endpoint), string(r.ID)
	switch {
	case id == "" || endpoint == "":
	case e.ours(r.name(endpoint)) || e.ours(string(r.ExternalID)):
		e.take(endpoint, id, r.name(endpoint))
	case !e.owns(endpoint, id):
		e.foreign[id] = true
	}
}

func (e *estate) learnBulk(a *corpus.Answer) {
	var bulk struct {
		Operations []struct {
			Method, Location string
			Status           any
		}
	}
	if json.Unmarshal(a.Body, &bulk) != nil {
		return
	}
	for _, o := range bulk.Operations {
		if strings.EqualFold(o.Method, http.MethodPost) && fmt.Sprint(o.Status) == "201" {
			for _, endpoint := range []string{"Users", "Groups"} {
				e.take(endpoint, located(endpoint, o.Location), "")
			}
		}
	}
}

// located returns the id in a resource's address; empty where that is not one of
// the endpoint.
func located(endpoint, location string) string {
	u, err := url.Parse(location)
	if err != nil || location == "" || endpoint == "" {
		return ""
	}
	parts := strings.Split(strings.TrimRight(u.Path, "/"), "/")
	if len(parts) < 2 || canonical(parts[len(parts)-2]) != endpoint {
		return ""
	}
	return parts[len(parts)-1]
}
