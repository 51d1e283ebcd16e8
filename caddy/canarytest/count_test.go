package canarytest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-scim/caddy-scim/caddy/internal/e2e"
)

// counts is what a report has to say of a tenant: worked out from the requests
// as they were sent, by the rules that operators are told, with tables of its
// own. What becomes of a group's members depends on who exists, so the corpus
// says it: see canary.members.
type counts map[attribute]*count

// attribute is a resource type and a name.
type attribute struct{ of, name string }

// count is what is known of an attribute.
type count struct {
	Known         bool
	Kept, Dropped int64
}

// add counts a name as often as is said.
func (c counts) add(of, name string, known bool, kept, dropped int64) {
	if !known && len(name) > 64 {
		name = name[:64]
	}
	a := attribute{of, name}
	if c[a] == nil {
		c[a] = &count{Known: known}
	}
	c[a].Kept += kept
	c[a].Dropped += dropped
}

// plus adds what another tenant's, or node's, share is.
func (c counts) plus(o counts) {
	for a, n := range o {
		c.add(a.of, a.name, n.Known, n.Kept, n.Dropped)
	}
}

// drop counts a path that is not kept, by the name that it is reported by.
func (c counts) drop(of, path string) {
	name, known := reported(of, path)
	c.add(of, name, known, 0, 1)
}

func (c counts) keep(of, path string) {
	name, known := reported(of, path)
	c.add(of, name, known, 1, 0)
}

// request counts a request by what became of it.
func (c counts) request(req *http.Request, body []byte, status int, answer []byte) {
	if slices.Contains([]int{401, 403, 405, 413, 415, 429}, status) || status >= 500 {
		return // not read
	}
	_, path, _ := strings.Cut(req.URL.Path, "/scim/v2")
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return
		}
		if body, err = io.ReadAll(z); err != nil {
			return
		}
	}
	if strings.Trim(path, "/") == "Bulk" {
		c.bulk(body, status, answer)
		return
	}
	c.operation(req.Method, path, body, status)
}

// bulk counts each operation by its own status.
func (c counts) bulk(body []byte, status int, answer []byte) {
	if status != 200 {
		return // nothing was begun
	}
	var sent struct {
		Operations []struct {
			Method, Path string
			Data         json.RawMessage
		}
	}
	var got struct{ Operations []struct{ Status string } }
	if err := json.Unmarshal(body, &sent); err != nil {
		panic(err)
	}
	if err := json.Unmarshal(answer, &got); err != nil || len(got.Operations) != len(sent.Operations) {
		panic(fmt.Sprintf("%d answers to %d operations: %v", len(got.Operations), len(sent.Operations), err))
	}
	for i, o := range sent.Operations {
		n, err := strconv.Atoi(got.Operations[i].Status)
		if err != nil {
			panic(err)
		}
		c.operation(o.Method, o.Path, o.Data, n)
	}
}

func (c counts) operation(method, path string, body []byte, status int) {
	segments := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	of := ""
	if len(segments) > 0 {
		of = map[string]string{"users": "User", "groups": "Group"}[strings.ToLower(segments[0])]
	}
	switch {
	case of == "":
	case method == "POST" && len(segments) == 1, method == "PUT" && len(segments) == 2:
		c.resource(of, body, status < 300)
	case method == "PATCH" && len(segments) == 2 && (status < 300 || status == 409):
		// No PATCH of the corpus that is refused otherwise comes to a name that is
		// not kept before it is refused.
		c.patch(of, body, status < 300)
	}
}

// member is a member of a JSON object, whose order matters where it breaks off.
type member struct {
	name  string
	value any
}

// object is what was read of a JSON object; broken tells that it breaks off, or
// is none that may be sent: nothing behind that counts.
type object []member

// readJSON reads as much of a value as is JSON. A name that comes twice ends it.
func readJSON(d *json.Decoder) (v any, ok bool) {
	t, err := d.Token()
	if err != nil {
		return nil, false
	}
	switch t {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			name, err := d.Token()
			if err != nil || slices.ContainsFunc(o, func(m member) bool { return m.name == name }) {
				return o, false
			}
			v, ok := readJSON(d)
			o = append(o, member{name.(string), v})
			if !ok {
				return o, false
			}
		}
		_, err := d.Token()
		return o, err == nil
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, ok := readJSON(d)
			list = append(list, v)
			if !ok {
				return list, false
			}
		}
		_, err := d.Token()
		return list, err == nil
	}
	return t, true
}

// elements are the values of an attribute that may have several.
func elements(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// keptBelow counts the sub-attributes of an object that are kept.
func (c counts) keptBelow(of, path string, o object) {
	for _, m := range o {
		if kept, _ := isKept(of, path+"."+m.name); kept {
			c.keep(of, path+"."+m.name)
		}
	}
}

// below counts the sub-attributes that are not kept, of a value or of each of
// several.
func (c counts) below(of, path string, v any) {
	for _, e := range elements(v) {
		o, _ := e.(object)
		for _, m := range o {
			if kept, _ := isKept(of, path+"."+m.name); !kept {
				c.drop(of, path+"."+m.name)
			}
		}
	}
}

// resource counts the body of a POST or PUT.
func (c counts) resource(of string, body []byte, taken bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	v, whole := readJSON(d)
	if whole {
		_, err := d.Token()
		whole = err == io.EOF
	}
	o, _ := v.(object)
	for i, m := range o {
		kept, several := isKept(of, m.name)
		sub, ok := m.value.(object)
		if kept && slices.ContainsFunc(o[:i], func(n member) bool { return strings.EqualFold(n.name, m.name) }) {
			break // the same in another case
		}
		switch {
		case common(m.name), of == "User" && strings.EqualFold(m.name, "groups"):
			// Only the server writes it.
		case !kept:
			c.drop(of, m.name)
		case m.name == e2e.EnterpriseURN:
			for _, x := range sub {
				if kept, _ := isKept(of, m.name+":"+x.name); !kept {
					c.drop(of, m.name+":"+x.name)
				} else if taken {
					c.keep(of, m.name+":"+x.name)
				}
			}
		case several:
			c.below(of, m.name, m.value)
			if whole && m.name != "members" {
				c.each(of, m.name, m.value, taken)
			}
		case m.name == "name" && ok:
			c.below(of, m.name, m.value)
			if taken {
				c.keptBelow(of, m.name, sub)
			}
		case taken:
			c.keep(of, m.name)
		}
	}
}

// each counts the elements that the list has no place for, and what is kept of
// the others.
func (c counts) each(of, name string, v any, taken bool) {
	want := keptElements[name]
	for _, e := range elements(v) {
		o, _ := e.(object)
		if !slices.ContainsFunc(o, func(m member) bool { return m.name == "type" && m.value == want[0] }) {
			c.drop(of, name)
			continue
		}
		if taken {
			c.keptBelow(of, name, o)
		}
	}
}

// patch counts the operations of a PATCH that came into effect, or would have.
func (c counts) patch(of string, body []byte, taken bool) {
	v, ok := readJSON(json.NewDecoder(bytes.NewReader(body)))
	if !ok {
		panic("a PATCH that was carried out is no JSON")
	}
	for _, list := range fields(v, "operations") {
		for _, op := range elements(list) {
			first := func(name string) any { return append(fields(op, name), nil)[0] }
			remove := strings.EqualFold(fmt.Sprint(first("op")), "remove")
			if path, _ := first("path").(string); path != "" {
				c.set(of, path, first("value"), remove, taken)
				continue
			}
			o, _ := first("value").(object)
			for _, m := range o {
				c.set(of, m.name, m.value, remove, taken)
			}
		}
	}
}

func fields(v any, name string) (list []any) {
	o, _ := v.(object)
	for _, m := range o {
		if strings.EqualFold(m.name, name) {
			list = append(list, m.value)
		}
	}
	return list
}

var comparison = regexp.MustCompile(`([\w.$:-]+) (?:eq|sw|co) `)

// compared lists what a filter compares and the default list does not keep.
func compared(of, path, filter string) (list []string) {
	for _, m := range comparison.FindAllStringSubmatch(filter, -1) {
		if kept, _ := isKept(of, path+"."+m[1]); !kept {
			list = append(list, m[1])
		}
	}
	return list
}

// set counts a path of a PATCH with its value.
func (c counts) set(of, path string, v any, remove, taken bool) {
	name, _ := reported(of, path)
	kept, several := isKept(of, path)
	head, sub, _ := strings.Cut(name, ".")
	filter := ""
	if i, j := strings.IndexByte(path, '['), strings.LastIndexByte(path, ']'); i >= 0 {
		filter = path[i+1 : j]
	}
	o, _ := v.(object)
	want := keptElements[head]
	switch {
	case common(name):
	case !kept:
		c.drop(of, path)
	case name == e2e.EnterpriseURN:
		for _, m := range o {
			c.set(of, name+":"+m.name, m.value, remove, taken)
		}
	case len(compared(of, head, filter)) > 0:
		for _, sub := range compared(of, head, filter) {
			c.drop(of, head+"."+sub)
		}
	case name == "members":
		c.below(of, head, v)
	case remove && several && filter == "" && v != nil:
		c.below(of, head, v)
	case remove:
	case several && filter == "":
		c.below(of, head, v)
		c.each(of, head, v, taken)
	case filter != "" && filter != fmt.Sprintf("type eq %q", want[0]):
		c.drop(of, head) // an element that the list has no place for
	case filter != "" && sub == "", name == "name":
		c.below(of, name, v)
		if taken {
			c.keptBelow(of, name, o)
		}
	case taken:
		c.keep(of, name)
	}
}
