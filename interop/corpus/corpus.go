package corpus

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed *.txt */*.txt
var embedded embed.FS

// Corpus is a set of files with the findings that they can come to.
type Corpus struct {
	Files    []*File             // by name
	Findings map[string]*Finding // by id
	Clients  []Client            // in the order of clients.txt
}

// Client is who sends the requests of files.
type Client struct {
	ID   string // the folder's name
	Name string // what its vendor calls it
}

// Severity says what a finding means for the client.
type Severity string

// The severities. With Failed the client does not work; with Degraded it works
// with a loss; Unsupported is a part of SCIM that the client can do without.
const (
	Failed      Severity = "failed"
	Degraded    Severity = "degraded"
	Unsupported Severity = "unsupported"
)

// Finding is one fault that a server can have.
type Finding struct {
	ID          string
	Severity    Severity
	Title       string // what the server does wrong
	Consequence string // what the client then does
	Source      string // where that is known from
	Config      string // what changes it on a caddy-scim server; empty for nothing
	Place       string // file and line

	line int
}

// File is a situation of a client: requests in order, each with what must come
// back.
type File struct {
	Name   string // "entra/test-connection"
	Client string
	Title  string
	Source string
	About  string
	Needs  []string
	Steps  []*Step
}

// Step is a request and what must come back.
type Step struct {
	Line       int
	Title      string
	Concurrent bool          // sent together with its neighbours that are too
	AnyCase    bool          // attribute names of the answer match in any case
	Within     time.Duration // how long the answer may take; 0 for no bound
	Method     string
	Target     string // path and query as on the wire, with names
	Header     []Field
	Body       string
	Expect     []*Expectation
}

// Field is a header. In requests an empty value leaves the header out.
type Field struct{ Name, Value string }

// Expectation is what must come back under an allow list.
type Expectation struct {
	Line   int
	Allow  string // "*", "default", or empty for both
	Status []int
	Header []Field
	Body   *Pattern // nil where the body does not matter
	Else   []Else
}

// Else says which finding it is that a step went otherwise.
type Else struct {
	Line      int
	Condition *Condition // nil: whatever came
	Finding   string
}

// Writes reports whether the file changes something on the server.
func (f *File) Writes() bool { return slices.ContainsFunc(f.Steps, (*Step).Writes) }

// Writes reports whether the step is other than a query (RFC 7644 §3.4).
func (s *Step) Writes() bool {
	p, _, _ := strings.Cut(s.Target, "?")
	return s.Method != "GET" && s.Method != "HEAD" && (s.Method != "POST" || path.Base(p) != ".search")
}

// Under returns what is expected under an allow list, "*" or "default".
func (s *Step) Under(allow string) *Expectation {
	for _, e := range s.Expect {
		if e.Allow == "" || e.Allow == allow {
			return e
		}
	}
	return nil
}

// Embedded returns the files that come with this package. They are not to be
// changed.
func Embedded() (*Corpus, error) { return once() }

var once = sync.OnceValues(func() (*Corpus, error) { return Load(embedded) })

// Load reads a corpus: findings.txt (and the files of the folder findings),
// clients.txt and the files in the clients' folders. The
// error has everything that is wrong, with file and line.
func Load(fsys fs.FS) (*Corpus, error) {
	c := &Corpus{Findings: map[string]*Finding{}}
	var problems []error
	problems = append(problems, c.loadFindings(fsys), c.loadClients(fsys))
	names, err := fs.Glob(fsys, "*/*.txt")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if path.Dir(name) == "findings" {
			continue
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		f, err := Parse(strings.TrimSuffix(name, ".txt"), string(text))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		c.Files = append(c.Files, f)
	}
	problems = append(problems, c.check())
	return c, errors.Join(problems...)
}

// Of returns the files of clients, all for none. It is an error to name a client
// that has no file.
func (c *Corpus) Of(clients ...string) ([]*File, error) {
	if len(clients) == 0 {
		return c.Files, nil
	}
	var files []*File
	for _, id := range clients {
		if !slices.ContainsFunc(c.Files, func(f *File) bool { return f.Client == id }) {
			return nil, fmt.Errorf("there is no client %q: there are %s", id, strings.Join(c.clientIDs(), ", "))
		}
	}
	for _, f := range c.Files {
		if slices.Contains(clients, f.Client) {
			files = append(files, f)
		}
	}
	return files, nil
}

func (c *Corpus) clientIDs() []string {
	var ids []string
	for _, cl := range c.Clients {
		ids = append(ids, cl.ID)
	}
	return ids
}

// ClientName returns what a client is called.
func (c *Corpus) ClientName(id string) string {
	for _, cl := range c.Clients {
		if cl.ID == id {
			return cl.Name
		}
	}
	return id
}

// check finds what only shows across files.
func (c *Corpus) check() error {
	var problems []error
	used := map[string]bool{}
	for _, f := range c.Files {
		if !slices.Contains(c.clientIDs(), f.Client) {
			problems = append(problems, fmt.Errorf("%s.txt:1: client %q is not in clients.txt: add a line %q there", f.Name, f.Client, f.Client+": its name"))
		}
		for _, s := range f.Steps {
			for _, e := range s.Expect {
				for _, o := range e.Else {
					used[o.Finding] = true
					if c.Findings[o.Finding] == nil {
						problems = append(problems, fmt.Errorf("%s.txt:%d: finding %q is not in findings.txt", f.Name, o.Line, o.Finding))
					}
				}
			}
		}
	}
	for _, f := range c.Findings {
		if !used[f.ID] && !slices.Contains(BuiltIn, f.ID) {
			problems = append(problems, fmt.Errorf("%s: no file comes to finding %q", f.Place, f.ID))
		}
	}
	for _, id := range BuiltIn {
		if c.Findings[id] == nil {
			problems = append(problems, fmt.Errorf("findings.txt: finding %q is missing, which any step can come to", id))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	problems = slices.CompactFunc(problems, func(a, b error) bool { return a.Error() == b.Error() }) // steps that repeat
	return errors.Join(problems...)
}

// Findings that a step can come to without saying so.
const (
	NoAnswer         = "no-answer"          // nothing came in time, or the connection broke
	AttributeNotKept = "attribute-not-kept" // only attributes differ that /Schemas does not publish
	ForeignResource  = "foreign-resource"   // what a create was answered with is somebody else's
)

// BuiltIn has the ids of findings that no file names.
var BuiltIn = []string{NoAnswer, AttributeNotKept, ForeignResource}
