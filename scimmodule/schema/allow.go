package schema

import (
	"fmt"
	"strings"
)

// DefaultAllow is what the word "default" stands for in an allow list. The base
// URNs keep a user's displayName from coming in with a group's.
var DefaultAllow = []string{
	UserURN + ":userName",
	UserURN + ":externalId",
	UserURN + ":active",
	UserURN + ":name.givenName",
	UserURN + ":name.familyName",
	UserURN + `:emails[type eq "work"].value`,
	UserURN + `:addresses[type eq "work"].country`,
	UserURN + `:phoneNumbers[type eq "mobile"].value`,
	UserURN + ":preferredLanguage",
	UserURN + ":locale",
	EnterpriseUserURN + ":department",
	EnterpriseUserURN + ":division",
	EnterpriseUserURN + ":organization",
	GroupURN + ":displayName",
	GroupURN + ":externalId",
	GroupURN + ":members",
}

// essential is what a directory cannot do without.
var essential = []struct{ path, why string }{
	{UserURN + ":userName", "users are identified by it"},
	{UserURN + ":active", "without it a deactivated user would stay active"},
	{GroupURN + ":displayName", "groups are identified by it"},
}

// selection is what an allow list keeps of one attribute.
type selection struct {
	whole bool
	subs  map[string]bool // by canonical name
	rules []elementRule
}

// elementRule keeps some sub-attributes of the elements of a multi-valued
// attribute in which sub has the given value.
type elementRule struct {
	sub   string // canonical name of the sub-attribute that is compared
	value string // compared without case
	whole bool
	subs  map[string]bool
}

// keeps tells whether the rule keeps a sub-attribute of a matching element.
func (r *elementRule) keeps(sub string) bool {
	return r.whole || r.subs[sub] || r.sub != "" && (sub == r.sub || sub == "type" || sub == "primary")
}

// selections is what an allow list keeps: by schema URN and attribute name.
type selections map[string]map[string]*selection

func (s selections) of(urn, name string) *selection {
	if s[urn] == nil {
		s[urn] = map[string]*selection{}
	}
	if s[urn][name] == nil {
		s[urn][name] = &selection{subs: map[string]bool{}}
	}
	return s[urn][name]
}

// entry is one parsed word of an allow list.
type entry struct {
	urn            string // empty where the word has none
	attr, sub      string
	filter, equals string // the value filter [filter eq "equals"]
}

// selectAttributes reads an allow list. Its errors name the word.
func (c *Catalog) selectAttributes(allow []string) (selections, error) {
	s := selections{}
	for _, word := range allow {
		if err := c.selectWord(s, word); err != nil {
			return nil, fmt.Errorf("allow %s: %w", word, err)
		}
	}
	for _, e := range essential {
		i := strings.LastIndexByte(e.path, ':')
		if _, ok := s[e.path[:i]][e.path[i+1:]]; !ok {
			return nil, fmt.Errorf("the allow list has to keep %s: %s (the word \"default\" brings it)", e.path[i+1:], e.why)
		}
	}
	return s, nil
}

func (c *Catalog) selectWord(s selections, word string) error {
	switch word {
	case "default":
		for _, w := range DefaultAllow {
			if err := c.selectWord(s, w); err != nil {
				return err
			}
		}
		return nil
	case "*":
		for _, t := range c.schemas() {
			for _, a := range c.attributes(t) {
				if !a.hidden() {
					s.of(t.ID, a.Name).whole = true
				}
			}
		}
		return nil
	}
	if t := c.findSchema(word); t != nil {
		for _, a := range c.attributes(t) {
			if !a.hidden() {
				s.of(t.ID, a.Name).whole = true
			}
		}
		return nil
	}
	e, err := c.parseEntry(word)
	if err != nil {
		return err
	}
	found := false
	for _, t := range c.schemas() {
		if e.urn != "" && t.ID != e.urn {
			continue
		}
		if e.urn == "" && found && t != c.Group.Schema {
			break // a base attribute hides one of the same name in an extension
		}
		a := findAttribute(c.attributes(t), e.attr)
		if a == nil {
			continue
		}
		if err := e.apply(s.of(t.ID, a.Name), a); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return fmt.Errorf("no schema defines this attribute")
	}
	return nil
}

func (e entry) apply(s *selection, a *Attribute) error {
	if a.hidden() {
		return fmt.Errorf("an attribute that is never returned cannot be kept")
	}
	subs := map[string]bool{}
	if e.sub != "" {
		b := a.Find(e.sub)
		if b == nil {
			return fmt.Errorf("%s has no sub-attribute %s", a.Name, e.sub)
		}
		if b.hidden() {
			return fmt.Errorf("an attribute that is never returned cannot be kept")
		}
		subs[b.Name] = true
	}
	if e.filter == "" {
		if e.sub == "" {
			s.whole = true
		}
		for name := range subs {
			s.subs[name] = true
		}
		return nil
	}
	f := a.Find(e.filter)
	if !a.MultiValued || f == nil || f.hidden() {
		return fmt.Errorf("%s cannot be filtered by %s", a.Name, e.filter)
	}
	s.rules = append(s.rules, elementRule{sub: f.Name, value: e.equals, whole: e.sub == "", subs: subs})
	return nil
}

// parseEntry reads [URN:]attribute[[sub eq "value"]][.sub].
func (c *Catalog) parseEntry(word string) (entry, error) {
	var e entry
	rest := word
	for _, t := range c.schemas() {
		if n := len(t.ID); len(rest) > n+1 && strings.EqualFold(rest[:n], t.ID) && rest[n] == ':' {
			e.urn, rest = t.ID, rest[n+1:]
			break
		}
	}
	if e.urn == "" && strings.HasPrefix(strings.ToLower(rest), "urn:") {
		return e, fmt.Errorf("no schema has this URN; give extension schemas with the extension option")
	}
	if i := strings.IndexByte(rest, '['); i >= 0 {
		j := strings.LastIndexByte(rest, ']')
		if j < i {
			return e, fmt.Errorf("the [ is not closed")
		}
		words := strings.SplitN(strings.TrimSpace(rest[i+1:j]), " ", 3)
		if len(words) != 3 || !strings.EqualFold(words[1], "eq") || !attributeName.MatchString(words[0]) {
			return e, fmt.Errorf(`the filter has to be of the form [type eq "work"]`)
		}
		e.filter, e.equals = words[0], strings.Trim(strings.TrimSpace(words[2]), `"`)
		if e.equals == "" || strings.ContainsAny(e.equals, `"\`) {
			return e, fmt.Errorf(`the filter has to be of the form [type eq "work"]`)
		}
		after := rest[j+1:]
		if after != "" && !strings.HasPrefix(after, ".") {
			return e, fmt.Errorf("unexpected %q after the filter", after)
		}
		rest = rest[:i] + after
	}
	name, sub, dotted := strings.Cut(rest, ".")
	if !attributeName.MatchString(name) || dotted && !attributeName.MatchString(sub) {
		return e, fmt.Errorf("not an attribute path")
	}
	e.attr, e.sub = name, sub
	return e, nil
}

// schemas returns all schemas of resources, base schemas first.
func (c *Catalog) schemas() []*Schema {
	list := []*Schema{c.User.Schema, c.Group.Schema}
	for _, t := range []*ResourceType{c.User, c.Group} {
		for _, x := range t.Extensions {
			list = append(list, x.Schema)
		}
	}
	return list
}

func (c *Catalog) findSchema(urn string) *Schema {
	for _, t := range c.schemas() {
		if strings.EqualFold(t.ID, urn) {
			return t
		}
	}
	return nil
}

// attributes returns the attributes of a schema, and of a base schema also
// externalId (RFC 7643 §3.1).
func (c *Catalog) attributes(t *Schema) []*Attribute {
	if t == c.User.Schema || t == c.Group.Schema {
		return append([]*Attribute{externalID}, t.Attributes...)
	}
	return t.Attributes
}
