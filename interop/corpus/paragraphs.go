package corpus

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// entry is a line `key: value` with its indented continuation.
type entry struct {
	key, value string
	line       int
}

// entries reads lines of `key: value` up to a blank line or the end. It returns
// how many lines it took.
func entries(lines []string, first int) (list []entry, taken int, err error) {
	for i, l := range lines {
		switch {
		case strings.TrimSpace(l) == "":
			return list, i, nil
		case l[0] == ' ' || l[0] == '\t':
			if len(list) == 0 {
				return nil, 0, fmt.Errorf("%d: an indented line continues nothing", first+i)
			}
			last := &list[len(list)-1]
			last.value = strings.TrimSpace(last.value + " " + strings.TrimSpace(l))
		default:
			key, value, ok := strings.Cut(l, ":")
			if !ok {
				return nil, 0, fmt.Errorf("%d: %q is not `key: value`", first+i, l)
			}
			list = append(list, entry{strings.TrimSpace(key), strings.TrimSpace(value), first + i})
		}
	}
	return list, len(lines), nil
}

var idForm = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9-]*$`)

// loadFindings reads findings.txt and the files of the folder findings.
func (c *Corpus) loadFindings(fsys fs.FS) error {
	files, err := fs.Glob(fsys, "findings/*.txt")
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range append([]string{"findings.txt"}, files...) {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		problems = append(problems, c.parseFindings(name, string(text)))
	}
	return errors.Join(problems...)
}

// parseFindings reads a paragraph for each finding; # begins a comment.
func (c *Corpus) parseFindings(name, text string) error {
	var problems []error
	wrong := func(line int, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s:%d: %s", name, line, fmt.Sprintf(format, args...)))
	}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if strings.TrimSpace(lines[i]) == "" || strings.HasPrefix(lines[i], "#") {
			continue
		}
		list, taken, err := entries(lines[i:], i+1)
		if err != nil {
			return fmt.Errorf("%s:%w", name, err)
		}
		f := &Finding{Place: fmt.Sprintf("%s:%d", name, i+1), line: i + 1}
		i += taken
		for _, e := range list {
			switch e.key {
			case "id":
				f.ID = e.value
			case "severity":
				f.Severity = Severity(e.value)
			case "title":
				f.Title = e.value
			case "consequence":
				f.Consequence = e.value
			case "source":
				f.Source = e.value
			case "config":
				if f.Config = e.value; e.value == "none" {
					f.Config = ""
				}
			default:
				wrong(e.line, "unknown word %q: there are id, severity, title, consequence, source and config", e.key)
			}
			if e.value == "" {
				wrong(e.line, "%s is empty", e.key)
			}
		}
		switch {
		case !idForm.MatchString(f.ID):
			wrong(f.line, "id %q is not letters, digits and -, the first one lower-case", f.ID)
		case c.Findings[f.ID] != nil:
			wrong(f.line, "finding %q is at %s already", f.ID, c.Findings[f.ID].Place)
		case !slices.Contains([]Severity{Failed, Degraded, Unsupported}, f.Severity):
			wrong(f.line, "the severity of %q is %q: it is failed, degraded or unsupported", f.ID, f.Severity)
		case f.Title == "" || f.Consequence == "" || f.Source == "" || !slices.ContainsFunc(list, func(e entry) bool { return e.key == "config" }):
			wrong(f.line, "finding %q lacks title, consequence, source or config", f.ID)
		}
		c.Findings[f.ID] = f
	}
	return errors.Join(problems...)
}

// loadClients reads clients.txt: a line `folder: name` for each.
func (c *Corpus) loadClients(fsys fs.FS) error {
	text, err := fs.ReadFile(fsys, "clients.txt")
	if err != nil {
		return err
	}
	for i, l := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(l) == "" {
			continue
		}
		id, name, _ := strings.Cut(l, ":")
		if name = strings.TrimSpace(name); !idForm.MatchString(id) || name == "" {
			return fmt.Errorf("clients.txt:%d: %q is not `folder: name of the client`", i+1, l)
		}
		c.Clients = append(c.Clients, Client{id, name})
	}
	return nil
}
