package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options say what to simulate.
type Options struct {
	// BaseURL is the SCIM endpoint, without /Users; Token its bearer token.
	BaseURL, Token string
	// Users and Groups are the size of the company that is made up.
	Users, Groups int
	// CSV is a file of users instead; see the documentation for its columns.
	CSV io.Reader
	// Cycles is how many cycles run, the initial one included; at least 1.
	Cycles int
	// Seed makes two runs alike.
	Seed uint64
	// Rate is how many requests are sent a second at the most; 0 for no pace.
	// Entra ID asks for about 25.
	Rate int
	// Flag is aadOptscim062020: the newer dialect of PATCH.
	Flag bool
	// HTTP is the client; nil for one with a timeout of 30 seconds.
	HTTP *http.Client
	// Progress is told how far it is, a line at a time; nil for nobody.
	Progress func(line string)
	// Wait is the time between two cycles; Entra ID's is about 40 minutes.
	Wait time.Duration
}

// Report tells what was simulated.
type Report struct {
	Seed     uint64   `json:"seed"`
	Cycles   []Events `json:"cycles"` // what happened before each of them
	Users    int      `json:"users"`  // that are provisioned at the end, disabled ones included
	Groups   int      `json:"groups"`
	Requests int      `json:"requests"`
	// Differences are between the server and the simulated directory at the end;
	// empty where it is as it should be.
	Differences []string `json:"differences"`
}

// run is a simulation under way.
type run struct {
	*client
	company *company
	csv     bool
	say     func(string)
	cycle   int
	told    time.Time
}

// maxRate bounds the requests a second.
const maxRate = 10_000

// progressEvery is how often progress is told within a cycle.
const progressEvery = time.Second

func (r *run) progress(what string, n, of int) {
	if r.say == nil || n < of && time.Since(r.told) < progressEvery {
		return
	}
	r.told = time.Now()
	r.say(fmt.Sprintf("cycle %d: %s %d of %d, %d requests", r.cycle, what, n, of, r.sent))
}

// Run simulates. Errors: those of the options, of the network, and *StatusError
// where Entra ID would not go on; the report is as far as it came then.
func Run(ctx context.Context, o Options) (Report, error) {
	rep := Report{Seed: o.Seed, Differences: []string{}}
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return rep, errors.New("the URL has to be the Tenant URL of a SCIM endpoint, such as https://scim.example.com/scim/v2")
	}
	if o.Cycles < 1 || o.Users < 0 || o.Groups < 0 || o.Users > maxPeople || o.Rate < 0 || o.Rate > maxRate || o.CSV == nil && o.Users == 0 {
		return rep, errors.New("there has to be at least one cycle and one user, and the rate may be at most 10,000 a second")
	}
	c := newCompany(o.Seed)
	r := &run{
		client:  &client{base: strings.TrimRight(o.BaseURL, "/"), token: o.Token, flag: o.Flag, http: o.HTTP, tries: 10},
		company: c, csv: o.CSV != nil, say: o.Progress,
	}
	if r.http == nil {
		r.http = &http.Client{
			Timeout: 30 * time.Second,
			// The token goes to nobody but the server that was named.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if o.Rate > 0 {
		t := time.NewTicker(time.Second / time.Duration(o.Rate))
		defer t.Stop()
		r.tick = t.C
	}
	if o.CSV != nil {
		if err := c.readCSV(o.CSV); err != nil {
			return rep, err
		}
	} else {
		for range o.Users {
			c.hire()
		}
		for range o.Groups {
			c.found()
		}
	}
	defer func() { rep.Requests = r.sent }()
	for r.cycle = 1; r.cycle <= o.Cycles; r.cycle++ {
		e := Events{Joiners: len(c.people)}
		if r.cycle > 1 {
			if err := pause(ctx, o.Wait); err != nil {
				return rep, err
			}
			e = c.live(r.cycle)
		}
		rep.Cycles = append(rep.Cycles, e)
		if err := r.connect(ctx); err != nil {
			return rep, err
		}
		if err := r.push(ctx); err != nil {
			return rep, err
		}
	}
	for _, p := range c.people {
		if p.id != "" {
			rep.Users++
		}
	}
	rep.Groups = len(c.groups)
	differences, err := r.compare(ctx)
	rep.Differences = append(rep.Differences, differences...)
	rep.Requests = r.sent
	return rep, err
}

// connect is Entra ID's Test Connection, with which each cycle begins.
func (r *run) connect(ctx context.Context) error {
	for _, probe := range [][2]string{
		{"/Users", eq("userName", r.company.guid())},
		{"/Groups", "excludedAttributes=members&" + eq("displayName", r.company.guid())},
	} {
		if _, err := r.do(ctx, http.MethodGet, probe[0], probe[1], nil, http.StatusOK); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
