package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

const (
	// perResource is how many requests are kept back for each id to delete and each
	// name to look for.
	perResource = 2
	// cleanupTime bounds the deleting that follows an interrupt.
	cleanupTime = 5 * time.Minute
)

// Leftover is something of the run's that could not be deleted.
type Leftover struct {
	Endpoint string `json:"endpoint"` // Users or Groups
	ID       string `json:"id,omitzero"`
	Name     string `json:"name,omitzero"`
	Reason   string `json:"reason"`
}

// cleanFile deletes what a file made: what its answers named, and where these
// leave something open, what is found under its names.
func (p *player) cleanFile(ctx context.Context, g *game) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	p.deleteMade(ctx)
	for _, n := range g.unsettled() {
		p.sweep(ctx, n)
	}
}

// named is a name under which something may be.
type named struct{ endpoint, attribute, value string }

// unsettled returns the names that were sent and may have become something that
// no answer told of.
func (g *game) unsettled() []named {
	sent := func(v string) bool {
		return slices.ContainsFunc(g.wrote, func(r corpus.Request) bool {
			return slices.Contains(r.Used, v) || strings.Contains(strings.ToLower(r.Body), strings.ToLower(v))
		})
	}
	settled := func(v string) bool {
		return !g.lost && g.report.Outcome == Passed && slices.ContainsFunc(g.estate.made, func(r *resource) bool {
			return r.deleted && strings.EqualFold(r.name, v)
		})
	}
	var list []named
	for _, n := range namesOf(g.file, g.names) {
		if sent(n.value) && !settled(n.value) && (n.attribute != "externalId" || g.lost) {
			list = append(list, n)
		}
	}
	return list
}

// namesOf lists the names of what a file may make.
func namesOf(f *corpus.File, names *corpus.Names) []named {
	made := f.Made(names)
	var list []named
	for _, v := range made.Groups {
		list = append(list, named{"Groups", "displayName", v})
	}
	for _, v := range made.Users {
		list = append(list, named{"Users", "userName", v})
	}
	for _, v := range made.External {
		list = append(list, named{"Users", "externalId", v}, named{"Groups", "externalId", v})
	}
	return list
}

// deleteMade deletes all that answers named, groups first.
func (p *player) deleteMade(ctx context.Context) {
	for _, endpoint := range []string{"Groups", "Users"} {
		for _, r := range p.estate.made {
			if r.endpoint == endpoint && !r.deleted {
				p.delete(ctx, r)
			}
		}
	}
}

// delete deletes one resource of the doctor's own.
func (p *player) delete(ctx context.Context, r *resource) {
	r.deleted = true
	request := corpus.Request{Method: http.MethodDelete, Path: "/" + r.endpoint + "/" + url.PathEscape(r.id)}
	if err := p.estate.may(&request); err != nil {
		p.leave(r, err.Error())
		return
	}
	a, err := p.wire.do(ctx, &request)
	if err != nil || a.Status >= 500 {
		a, err = p.wire.do(ctx, &request)
	}
	switch {
	case err != nil:
		p.leave(r, "the server does not answer")
	case a.Status < 300 || a.Status == http.StatusNotFound || a.Status == http.StatusGone:
		if r.endpoint == "Users" {
			p.deletedUsers++
		}
	default:
		p.leave(r, fmt.Sprintf("the server answers DELETE with %d", a.Status))
	}
}

func (p *player) leave(r *resource, reason string) {
	p.left = append(p.left, Leftover{Endpoint: r.endpoint, ID: r.id, Name: r.name, Reason: reason})
}

// sweep looks for a name of the run and deletes what has it.
func (p *player) sweep(ctx context.Context, n named) {
	for turn := 1; ; turn++ {
		found, doubt := p.find(ctx, n)
		switch {
		case doubt != "":
			p.left = append(p.left, Leftover{Endpoint: n.endpoint, Name: n.value, Reason: doubt + ": whether it is there is not known"})
			return
		case len(found) == 0:
			return
		case turn == 3:
			for _, r := range found {
				p.left = append(p.left, Leftover{Endpoint: n.endpoint, ID: string(r.ID), Name: n.value, Reason: "it is there though DELETE was answered with success"})
			}
			return
		}
		for _, r := range found {
			delete(p.estate.foreign, string(r.ID))
			p.estate.take(n.endpoint, string(r.ID), r.name(n.endpoint))
		}
		before := len(p.left)
		if p.deleteMade(ctx); len(p.left) > before {
			return // said why
		}
	}
}

// find returns what has a name of the run, or why that cannot be told.
func (p *player) find(ctx context.Context, n named) (found []represented, doubt string) {
	query := "filter=" + url.QueryEscape(n.attribute+` eq "`+n.value+`"`)
	a, err := p.wire.get(ctx, "/"+n.endpoint, query)
	if err != nil {
		a, err = p.wire.get(ctx, "/"+n.endpoint, query)
	}
	switch {
	case err != nil:
		return nil, "the server does not answer"
	case a.Status == http.StatusNotFound || n.attribute == "externalId" && a.Status == http.StatusBadRequest:
		return nil, "" // nothing has it; or there is no such attribute
	case a.Status != http.StatusOK:
		return p.scan(ctx, n)
	}
	list, err := readList(a.Body)
	if err != nil {
		return nil, "the server's answer to the query for it is no list"
	}
	if found = n.among(list.Resources); found == nil && len(list.Resources) > 0 {
		return p.scan(ctx, n) // the server ignores filters
	}
	return found, ""
}

// scanned is how many pages are looked through where a server has no filters.
const scanned = 50

// scan is find where the server has no filters: it goes through the whole list.
func (p *player) scan(ctx context.Context, n named) (found []represented, doubt string) {
	for seen, pages := 0, 0; ; pages++ {
		a, err := p.wire.get(ctx, "/"+n.endpoint, fmt.Sprintf("startIndex=%d&count=100", seen+1))
		if err != nil || a.Status != http.StatusOK {
			return nil, "the server neither filters nor lists"
		}
		list, err := readList(a.Body)
		if err != nil {
			return nil, "the server neither filters nor lists"
		}
		found = append(found, n.among(list.Resources)...)
		if seen += len(list.Resources); len(list.Resources) == 0 || seen >= list.TotalResults {
			return found, ""
		}
		if seen >= scanned*100 || pages >= scanned {
			return found, "the server does not filter, and its list is too long to look through"
		}
	}
}

type listed struct {
	TotalResults int
	Resources    []represented
}

func readList(body []byte) (listed, error) {
	var l listed
	err := json.Unmarshal(body, &l)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && strings.EqualFold(wrong.Field, "totalResults") {
		err = nil                    // a number as a string; the resources are there all the same
		l.TotalResults = math.MaxInt // look until a page is empty
	}
	return l, err
}

// among returns the resources that have the name.
func (n named) among(list []represented) []represented {
	var found []represented
	for _, r := range list {
		name := r.name(n.endpoint)
		if n.attribute == "externalId" {
			name = string(r.ExternalID)
		}
		if r.ID != "" && strings.EqualFold(name, n.value) {
			found = append(found, r)
		}
	}
	return found
}

// Cleaned is what a clean-up did.
type Cleaned struct {
	Run       string     `json:"run"`
	URL       string     `json:"url"`
	Users     int        `json:"users"`  // deleted
	Groups    int        `json:"groups"` // deleted
	Requests  int        `json:"requests"`
	Archived  bool       `json:"archived"` // deleted users are in the server's archive
	Leftovers []Leftover `json:"leftovers"`
}

// Cleanup deletes what a run left, by the names that the corpus has for its id.
// Errors are as of [Run].
func Cleanup(ctx context.Context, o Options) (*Cleaned, error) {
	if o.RunID == "" {
		return nil, wrongUse("say which run is to be cleaned up: its id was printed at its start")
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	p := newPlayer(o)
	defer p.wire.close()
	if p.server, err = p.examine(ctx); err != nil {
		return nil, err
	}
	files, err := o.Corpus.Of(o.Clients...)
	if err != nil {
		return nil, err
	}
	c := &Cleaned{Run: o.RunID, URL: o.BaseURL}
	for _, f := range files {
		for _, n := range namesOf(f, corpus.NewNames(o.RunID, f.Name, o.BaseURL)) {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("interrupted: what is left of run %s is not known; clean it up again", o.RunID)
			}
			p.sweep(ctx, n)
			if p.wire.count() > o.MaxRequests {
				return nil, wrongUse("the bound of %d requests is reached: give a higher --max-requests", o.MaxRequests)
			}
		}
		fmt.Fprintf(o.Progress, "%s: looked for its names\n", f.Name)
	}
	for _, r := range p.estate.made {
		if r.endpoint == "Users" {
			c.Users++
		} else {
			c.Groups++
		}
	}
	for _, l := range p.left {
		switch {
		case l.ID == "":
		case l.Endpoint == "Users":
			c.Users--
		default:
			c.Groups--
		}
	}
	c.Requests, c.Leftovers, c.Archived = p.wire.count(), p.left, p.server.own && c.Users > 0
	return c, nil
}
