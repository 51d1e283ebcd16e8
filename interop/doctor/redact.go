package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

const (
	notShown = "(not shown)"
	// shownBytes bounds what a report shows of a body.
	shownBytes = 4 << 10
)

// shownOdd bounds what a report shows of an error's body that is no JSON, such as
// the page of a proxy.
const shownOdd = 200

// withoutOthers returns a body as a report shows it: values of resources that the
// doctor did not create are replaced, and it reports whether there were any.
func (e *estate) withoutOthers(status int, body []byte) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if status < 400 {
			return fmt.Sprintf("(%d bytes that are no JSON, not shown)", len(body)), true
		}
		return shorten(string(body[:min(len(body), shownOdd)])), false
	}
	hidden := false
	v = e.mask(v, &hidden)
	if !hidden {
		return shorten(string(body)), false
	}
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	if err := j.Encode(v); err != nil {
		return notShown, true
	}
	return shorten(strings.TrimSpace(b.String())), true
}

func shorten(text string) string {
	text = strings.ToValidUTF8(text, "�")
	if len(text) > shownBytes {
		return strings.ToValidUTF8(text[:shownBytes], "") + "…"
	}
	return text
}

// mask replaces the values of foreign resources.
func (e *estate) mask(v any, hidden *bool) any {
	switch v := v.(type) {
	case map[string]any:
		if id, person := identity(v); person && !e.known(v, id) {
			*hidden = true
			return blank(v)
		}
		for k := range v {
			v[k] = e.mask(v[k], hidden)
		}
	case []any:
		for i := range v {
			v[i] = e.mask(v[i], hidden)
		}
	}
	return v
}

// identity returns the id of an object that may be somebody: it has an id, or
// attributes that people and groups have.
func identity(o map[string]any) (id string, ok bool) {
	switch v := o["id"].(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	for _, name := range []string{"userName", "emails", "displayName", "members"} {
		if _, there := o[name]; there {
			return "", true
		}
	}
	return "", false
}

// known reports whether an object with an id is the doctor's own, or none of a
// person: those of discovery have ids too.
func (e *estate) known(o map[string]any, id string) bool {
	if id != "" && (e.owns("Users", id) || e.owns("Groups", id)) {
		return true
	}
	if id == "" {
		for _, name := range []string{"userName", "displayName", "externalId"} {
			if text, _ := o[name].(string); e.ours(text) {
				return true
			}
		}
	}
	schemas, _ := o["schemas"].([]any)
	for _, s := range schemas {
		if text, _ := s.(string); strings.HasPrefix(text, "urn:ietf:params:scim:schemas:core:2.0:") && text != userURN && text != groupURN {
			return true
		}
	}
	_, schema := o["attributes"]
	return schema
}

// blank replaces all that an object holds.
func blank(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if k != "schemas" {
				v[k] = blank(v[k])
			}
		}
		return v
	case []any:
		if len(v) == 0 {
			return v
		}
		return []any{blank(v[0])}
	}
	return notShown
}
