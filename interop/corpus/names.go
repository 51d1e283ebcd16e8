package corpus

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strings"
)

// Names is what `{{…}}` stands for in one file of one run:
//
//   - run: the run's id; base: the base URL
//   - guid, guid2, …: random to others, as the run's id is
//   - user1, group1, ext1, …: a userName (and e-mail address), a displayName and an
//     externalId that only this run and file have
//   - whatever a pattern bound before
//
// `{{upper NAME}}` is in upper case, `{{raw NAME}}` is not escaped in a query.
type Names struct {
	run, file, base string
	bound           map[string]string
}

// NewNames returns the names of a file in a run, whose id is 8 lower-case letters
// and digits.
func NewNames(run, file, base string) *Names {
	return &Names{run: run, file: file, base: base, bound: map[string]string{}}
}

// Domain is where the e-mail addresses of the names are: nowhere (RFC 6761 §6.4).
const Domain = "probe.invalid"

// Prefix begins every name of a run.
func Prefix(run string) string { return "doctor-" + run + "-" }

var numbered = regexp.MustCompile(`^(user|group|ext|guid)([1-9][0-9]*)$`)

// Value returns what a name stands for. It is false for one that is not bound.
func (n *Names) Value(name string) (string, bool) {
	switch name {
	case "run":
		return n.run, true
	case "base":
		return n.base, true
	case "guid":
		return n.guid(""), true
	}
	if v, ok := n.bound[name]; ok {
		return v, true
	}
	m := numbered.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	own := Prefix(n.run) + strings.ReplaceAll(n.file, "/", "-")
	switch m[1] {
	case "user":
		return own + "-" + m[2] + "@" + Domain, true
	case "group":
		return own + "-g" + m[2], true
	case "ext":
		return own + "-x" + m[2], true
	}
	return n.guid(m[2]), true
}

// guid is computed, so that a later clean-up knows it too.
func (n *Names) guid(number string) string {
	b := sha256.Sum256([]byte(n.run + "\x00" + n.file + "\x00" + number))
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// Bind makes a name stand for a value.
func (n *Names) Bind(name, value string) { n.bound[name] = value }

// Clone returns names that are bound apart.
func (n *Names) Clone() *Names {
	c := *n
	c.bound = maps.Clone(n.bound)
	return &c
}

// Merge takes over what others bound.
func (n *Names) Merge(others *Names) { maps.Copy(n.bound, others.bound) }

func predefined(name string) bool {
	switch name {
	case "run", "base", "guid":
		return true
	}
	return numbered.MatchString(name)
}

var nameForm = regexp.MustCompile(`\{\{(upper |raw )?([a-z][A-Za-z0-9_]*)\}\}`)

// expand replaces the names of a text; escape is applied to values unless they
// are raw.
func (n *Names) expand(text string, escape func(string) string) (string, error) {
	var err error
	out := nameForm.ReplaceAllStringFunc(text, func(match string) string {
		m := nameForm.FindStringSubmatch(match)
		v, ok := n.Value(m[2])
		if !ok && err == nil {
			err = fmt.Errorf("{{%s}} is not bound", m[2])
		}
		switch m[1] {
		case "upper ":
			v = strings.ToUpper(v)
		case "raw ":
			return v
		}
		return escape(v)
	})
	return out, err
}

// namesIn returns the names that a text refers to.
func namesIn(text string) []string {
	var names []string
	for _, m := range nameForm.FindAllStringSubmatch(text, -1) {
		names = append(names, m[2])
	}
	return names
}

func asIs(s string) string { return s }

// jsonEscape writes a value for the inside of a JSON string.
func jsonEscape(s string) string {
	b, _ := json.Marshal(s) // a string always can
	return string(b[1 : len(b)-1])
}

// Request is a request with its names replaced.
type Request struct {
	Method string
	Path   string // as on the wire, after the base URL
	Query  string // as on the wire, without the question mark
	Mark   bool   // whether there is a question mark
	Header []Field
	Body   string
	// Used has the values that the path, query and body were given by name.
	Used []string
}

// Request returns the step's request. The error names what is not bound, which
// can only be where an earlier step was not played.
func (s *Step) Request(n *Names) (Request, error) {
	r := Request{Method: s.Method}
	path, query, mark := strings.Cut(s.Target, "?")
	r.Mark = mark
	var err error
	if r.Path, err = n.expand(path, url.PathEscape); err != nil {
		return r, err
	}
	if r.Query, err = n.expand(query, url.QueryEscape); err != nil {
		return r, err
	}
	for _, f := range s.Header {
		v, err := n.expand(f.Value, asIs)
		if err != nil {
			return r, err
		}
		r.Header = append(r.Header, Field{f.Name, v})
	}
	if r.Body, err = n.expand(s.Body, jsonEscape); err != nil {
		return r, err
	}
	for _, name := range namesIn(s.Target + s.Body) {
		v, _ := n.Value(name)
		r.Used = append(r.Used, v)
	}
	return r, nil
}

// Made is what a file's requests may have made on a server, by name. Guids are
// among the users: some servers create unknown members.
type Made struct{ Users, Groups, External []string }

var stringForm = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// Made returns the names that the file's writing requests mention, and strings
// with such a name in them: what a clean-up has to look for.
func (f *File) Made(n *Names) Made {
	var made Made
	seen := map[string]bool{}
	fresh := func(v string) bool {
		v = strings.ToLower(v)
		defer func() { seen[v] = true }()
		return !seen[v]
	}
	for _, s := range f.Steps {
		if !s.Writes() {
			continue
		}
		for _, name := range namesIn(s.Target + s.Body) {
			m := numbered.FindStringSubmatch(name)
			if m == nil && name != "guid" {
				continue
			}
			v, _ := n.Value(name)
			switch {
			case !fresh(v):
			case m == nil || m[1] == "user" || m[1] == "guid":
				made.Users = append(made.Users, v)
			case m[1] == "group":
				made.Groups = append(made.Groups, v)
			default:
				made.External = append(made.External, v)
			}
		}
		preview := s.Preview(n)
		for _, quoted := range stringForm.FindAllString(preview.Body, -1) {
			var v string
			if json.Unmarshal([]byte(quoted), &v) != nil || strings.ContainsAny(v, `"{`) || !strings.Contains(v, Prefix(n.run)) || !fresh(v) {
				continue
			}
			if strings.Contains(v, "@") {
				made.Users = append(made.Users, v)
			} else {
				made.Groups = append(made.Groups, v)
			}
		}
	}
	return made
}

// Target is the path and query as on the wire.
func (r *Request) Target() string {
	if r.Mark {
		return r.Path + "?" + r.Query
	}
	return r.Path
}

// Preview is Request where not every name is bound: those are left as they stand.
func (s *Step) Preview(n *Names) Request {
	n = n.Clone()
	var later []string
	for _, name := range namesIn(s.Target + s.Body) {
		if _, ok := n.Value(name); !ok {
			n.Bind(name, "LATER"+name+"LATER")
			later = append(later, name)
		}
	}
	r, _ := s.Request(n) // headers may name what is not bound; they are not shown
	for _, name := range later {
		for _, text := range []*string{&r.Path, &r.Query, &r.Body} {
			*text = strings.ReplaceAll(*text, "LATER"+name+"LATER", "{{"+name+"}}")
		}
	}
	return r
}
