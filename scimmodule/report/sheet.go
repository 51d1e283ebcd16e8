package report

import (
	"slices"
	"strings"
	"time"
)

const (
	// maxUnknown is how many names that no schema knows are told apart, by tenant
	// and resource type.
	maxUnknown = 500
	other      = "other" // the others

	maxHours = 24
)

// sheet is what was counted of one tenant: by this process since it was last
// written down, or altogether.
type sheet struct {
	since      time.Time
	attributes map[name]*Attribute
	unknown    map[string]int // names that no schema knows, by resource type
	activity   Activity       // Hours are at most 24, in order
}

type name struct{ resourceType, path string }

func newSheet() *sheet {
	return &sheet{attributes: map[name]*Attribute{}, unknown: map[string]int{}}
}

// add counts a request.
func (s *sheet) add(at time.Time, e Entry) {
	at = at.UTC().Truncate(time.Millisecond)
	one := &sheet{since: at, activity: Activity{Requests: 1, LastRequest: at, Hours: []Hour{{Start: at.Truncate(time.Hour), Requests: 1}}}}
	if e.Changed {
		one.activity.Changes, one.activity.LastChange = 1, at
	}
	if failed(e.Status) {
		one.activity.Errors, one.activity.Hours[0].Errors = 1, 1
		one.activity.LastError = Failure{Time: at, Operation: e.Operation, ResourceType: e.ResourceType, Status: e.Status, ScimType: e.ScimType}
	}
	s.merge(one)
	for n, c := range e.Tally.Counts() {
		s.count(Attribute{ResourceType: n.ResourceType, Name: n.Path, Known: c.Known, Kept: int64(c.Kept), Dropped: int64(c.Dropped), First: at, Last: at})
	}
}

// failed tells failures from the answers with which clients find out what is
// there.
func failed(status int) bool { return status >= 400 && status != 404 && status != 412 }

// merge adds what another sheet has counted, which stays as it is.
func (s *sheet) merge(o *sheet) {
	s.since = earlier(s.since, o.since)
	// In an order of its own, so that of too many names always the same are told
	// apart.
	for _, a := range o.sorted() {
		s.count(a)
	}
	a, b := &s.activity, &o.activity
	a.Requests += b.Requests
	a.Changes += b.Changes
	a.Errors += b.Errors
	a.LastRequest = later(a.LastRequest, b.LastRequest)
	a.LastChange = later(a.LastChange, b.LastChange)
	if !b.LastError.Time.Before(a.LastError.Time) {
		a.LastError = b.LastError
	}
	for _, h := range b.Hours {
		s.hour(h)
	}
}

// count adds the counts of one attribute.
func (s *sheet) count(c Attribute) {
	c.Name = strings.ToValidUTF8(c.Name, "\uFFFD") // as JSON has it
	n := name{c.ResourceType, c.Name}
	a := s.attributes[n]
	if a == nil && !c.Known && c.Name != other {
		if s.unknown[c.ResourceType] >= maxUnknown {
			c.Name = other
			n.path = other
			a = s.attributes[n]
		} else {
			s.unknown[c.ResourceType]++
		}
	}
	if a == nil {
		n.path = strings.Clone(n.path) // a part of a request would keep it in memory
		c.Name = n.path
		s.attributes[n] = &c
		return
	}
	if c.Known && !a.Known {
		a.Known = true
		s.unknown[c.ResourceType] = max(0, s.unknown[c.ResourceType]-1)
	}
	a.Kept += c.Kept
	a.Dropped += c.Dropped
	a.First = earlier(a.First, c.First)
	a.Last = later(a.Last, c.Last)
}

// hour adds the counts of one hour. Beyond 24 the oldest is forgotten.
func (s *sheet) hour(h Hour) {
	hours := s.activity.Hours
	i, found := slices.BinarySearchFunc(hours, h, func(a, b Hour) int { return a.Start.Compare(b.Start) })
	if found {
		hours[i].Requests += h.Requests
		hours[i].Errors += h.Errors
		return
	}
	hours = slices.Insert(hours, i, h)
	s.activity.Hours = hours[max(0, len(hours)-maxHours):]
}

// sorted returns the attributes by resource type and name.
func (s *sheet) sorted() []Attribute {
	list := make([]Attribute, 0, len(s.attributes))
	for _, a := range s.attributes {
		list = append(list, *a)
	}
	slices.SortFunc(list, func(a, b Attribute) int {
		if c := strings.Compare(a.ResourceType, b.ResourceType); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// report is what the sheet tells at a time.
func (s *sheet) report(tenant string, now time.Time) Report {
	r := Report{Tenant: tenant, Since: s.since, Attributes: s.sorted(), Activity: s.activity}
	oldest := now.UTC().Truncate(time.Hour).Add(-(maxHours - 1) * time.Hour)
	r.Activity.Hours = slices.DeleteFunc(slices.Clone(s.activity.Hours), func(h Hour) bool { return h.Start.Before(oldest) })
	return r
}

// earlier returns the earlier of two times; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
