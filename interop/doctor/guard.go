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
	ID          string
	UserName    string
	DisplayName string
	ExternalID  string
	Meta        struct{ ResourceType string }
}

func (r *represented) endpoint(of string) string {
	switch {
	case of != "":
		return of
	case strings.EqualFold(r.Meta.ResourceType, "Group"):
		return "Groups"
	case strings.EqualFold(r.Meta.ResourceType, "User") || r.UserName != "":
		return "Users"
	}
	return ""
}

func (r *represented) name(endpoint string) string {
	if endpoint == "Groups" {
		return r.DisplayName
	}
	return r.UserName
}

// learn takes from an answer whose its resources are. It reports false where a
// create was answered with an id that was somebody else's before.
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
	if created && one.ID == "" {
		one.ID = lastSegment(a.Header.Get("Location"))
	}
	if created && e.foreign[one.ID] {
		return false
	}
	switch {
	case created:
		e.take(endpoint, one.ID, one.name(endpoint))
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
	endpoint = r.endpoint(endpoint)
	switch {
	case r.ID == "" || endpoint == "":
	case e.ours(r.name(endpoint)) || e.ours(r.ExternalID):
		e.take(endpoint, r.ID, r.name(endpoint))
	case !e.owns(endpoint, r.ID):
		e.foreign[r.ID] = true
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
			parts := strings.Split(strings.TrimRight(o.Location, "/"), "/")
			if len(parts) >= 2 {
				e.take(canonical(parts[len(parts)-2]), lastSegment(o.Location), "")
			}
		}
	}
}

func lastSegment(location string) string {
	u, err := url.Parse(location)
	if err != nil || location == "" {
		return ""
	}
	path := strings.TrimRight(u.Path, "/")
	return path[strings.LastIndex(path, "/")+1:]
}
