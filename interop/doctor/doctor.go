package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

// Options say what is asked of which server, and how hard.
type Options struct {
	BaseURL string // up to and without /Users
	Token   string // sent as a bearer token; empty for none
	Corpus  *corpus.Corpus
	Clients []string // whose files are played; all where it is empty
	// ReadOnly plays only files that change nothing on the server.
	ReadOnly bool
	// PlayOn has a run go on although what it makes cannot be deleted again, and
	// stays.
	PlayOn bool
	Rate   float64 // requests per second; 0 is 10
	// MaxRequests bounds the run, with a reserve for deleting what was made; 0 is
	// 4,000.
	MaxRequests int
	Timeout     time.Duration // for an answer; 0 is 10 s
	// RunID is 8 lower-case letters and digits; empty for a random one.
	RunID string
	// Allow is the allow list, "default" or "*", that the server is expected to
	// have; empty to see from its schemas.
	Allow    string
	Progress io.Writer         // a line for each file; nil for silence
	HTTP     http.RoundTripper // nil for a transport of its own
}

// Defaults of the options.
const (
	DefaultRate        = 10
	DefaultMaxRequests = 4000
	DefaultTimeout     = 10 * time.Second
)

// UsageError is an option that cannot be used.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

func wrongUse(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

var runForm = regexp.MustCompile(`^[a-z0-9]{8}$`)

// NewRunID returns a random id for a run.
func NewRunID() string { return strings.ToLower(rand.Text()[:8]) }

// complete checks the options and fills in the defaults.
func (o Options) complete() (Options, error) {
	u, err := url.Parse(o.BaseURL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return o, wrongUse("%q is not the URL of a SCIM server: it looks like https://scim.example.com/scim/v2", o.BaseURL)
	case u.User != nil:
		return o, wrongUse("the URL holds a user name or a password: give the token with --token-file or SCIM_TOKEN")
	case u.RawQuery != "" || u.Fragment != "":
		return o, wrongUse("give the URL up to the question mark: what clients add there is part of the probes")
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	if o.RunID == "" {
		o.RunID = NewRunID()
	}
	if !runForm.MatchString(o.RunID) {
		return o, wrongUse("%q is not the id of a run: that is 8 lower-case letters and digits", o.RunID)
	}
	if o.Allow != "" && o.Allow != "*" && o.Allow != "default" {
		return o, wrongUse("the allow list is \"default\" or \"*\", not %q", o.Allow)
	}
	if o.Rate < 0 || o.MaxRequests < 0 || o.Timeout < 0 {
		return o, wrongUse("rate, number of requests and timeout cannot be negative")
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return o, wrongUse("the token has a character that a header cannot hold, such as a space or a line's end")
	}
	o.Rate = cmp.Or(o.Rate, DefaultRate)
	o.MaxRequests = cmp.Or(o.MaxRequests, DefaultMaxRequests)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	if o.Corpus == nil {
		if o.Corpus, err = corpus.Embedded(); err != nil {
			return o, err
		}
	}
	if _, err := o.Corpus.Of(o.Clients...); err != nil {
		return o, wrongUse("%v", err)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o, nil
}

// Run plays the corpus. It ends early when ctx does, and deletes what it made in
// any case. Errors are a *[UsageError], or an *[UnreachableError] where the server
// could not be asked anything; what the server does wrong is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	files, err := o.Corpus.Of(o.Clients...)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	p := newPlayer(o)
	defer p.wire.close()
	if p.server, err = p.examine(ctx); err != nil {
		return nil, err
	}
	r := &Report{
		Run: o.RunID, URL: o.BaseURL, Started: begun.UTC().Truncate(time.Second),
		Own: p.server.own, Allow: p.server.allow, ReadOnly: o.ReadOnly,
	}
	fmt.Fprintf(o.Progress, "Run %s, %d situations. If it is killed: --cleanup %[1]s\n", o.RunID, len(files))
	var played []FileReport
	for _, f := range files {
		fr := p.file(ctx, f)
		fmt.Fprintf(o.Progress, "%-13s %s: %s\n", fr.Outcome, o.Corpus.ClientName(f.Client), f.Title)
		played = append(played, fr)
	}
	r.gather(o.Corpus, played)
	r.Interrupted = ctx.Err() != nil
	r.Stopped = p.stopped
	r.Requests = p.wire.count()
	r.Seconds = time.Since(begun).Round(time.Millisecond).Seconds()
	r.Leftovers = p.left
	r.Archived = p.server.own && p.deletedUsers > 0
	return r, nil
}

// Step is a request as it would be sent.
type Step struct {
	File   string `json:"file"`
	Title  string `json:"title"`
	Method string `json:"method"`
	Target string `json:"target"`
	Body   string `json:"body,omitzero"`
	Writes bool   `json:"writes"`
}

// Plan returns what Run would send, as far as that is known before: what answers
// name stands as {{name}}.
func Plan(o Options) ([]Step, error) {
	if o.BaseURL == "" {
		o.BaseURL = "https://scim.example.com/scim/v2"
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	files, err := o.Corpus.Of(o.Clients...)
	if err != nil {
		return nil, err
	}
	var plan []Step
	for _, f := range files {
		if o.ReadOnly && f.Writes() {
			continue
		}
		names := corpus.NewNames(o.RunID, f.Name, o.BaseURL)
		for _, s := range f.Steps {
			r := s.Preview(names)
			plan = append(plan, Step{f.Name, s.Title, r.Method, r.Target(), r.Body, s.Writes()})
		}
	}
	return plan, nil
}
