package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// maxMarks is how many processes a stored report remembers.
const maxMarks = 16

// stored is the body of a report's record.
type stored struct {
	V int `json:"v"` // 1
	// Marks tell which flush of a process came last, for the processes that wrote
	// last: so a process whose commit was uncertain learns whether it was applied.
	Marks      []mark      `json:"marks"`
	Since      time.Time   `json:"since,omitzero"`
	Attributes []Attribute `json:"attributes"`
	Activity   Activity    `json:"activity"`
}

type mark struct {
	Process string `json:"process"`
	Flush   uint64 `json:"flush"`
}

// has tells whether a process's flush was the last of it.
func (s *stored) has(m mark) bool { return slices.Contains(s.Marks, m) }

// set makes m the last flush of its process. The process that has not written
// for the longest is forgotten.
func (s *stored) set(m mark) {
	s.Marks = slices.DeleteFunc(s.Marks, func(o mark) bool { return o.Process == m.Process })
	s.Marks = append(s.Marks, m)
	s.Marks = s.Marks[max(0, len(s.Marks)-maxMarks):]
}

// merge adds a sheet.
func (s *stored) merge(o *sheet) {
	sum := s.sheet()
	sum.merge(o)
	s.Since, s.Attributes, s.Activity = sum.since, sum.sorted(), sum.activity
}

func (s *stored) sheet() *sheet {
	out := newSheet()
	out.since, out.activity = s.Since, s.Activity
	out.activity.Hours = slices.Clone(s.Activity.Hours)
	for _, a := range s.Attributes {
		if !a.Known && a.Name != other {
			out.unknown[a.ResourceType]++
		}
		out.attributes[name{a.ResourceType, a.Name}] = &a
	}
	return out
}

func (s *stored) encode() ([]byte, error) { return json.Marshal(s) }

// decode reads the body of a record. Its error tells that the body is damaged, or
// was written by a later version, and so must not be written over.
func decode(body []byte) (*stored, error) {
	s := &stored{}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, errors.New("not the JSON of a report") // the decoder's error may quote it
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the report")
	}
	if s.V != 1 {
		return nil, fmt.Errorf("version %d is not known", s.V)
	}
	return s, s.check()
}

// check makes sure of what the code relies on.
func (s *stored) check() error {
	if len(s.Marks) > maxMarks {
		return fmt.Errorf("%d marks", len(s.Marks))
	}
	a := &s.Activity
	times := []*time.Time{&s.Since, &a.LastRequest, &a.LastChange, &a.LastError.Time}
	counts := []int64{a.Requests, a.Changes, a.Errors}
	seen := map[name]bool{}
	for i := range s.Attributes {
		t := &s.Attributes[i]
		n := name{t.ResourceType, t.Name}
		if seen[n] {
			return errors.New("an attribute is there twice")
		}
		seen[n] = true
		times = append(times, &t.First, &t.Last)
		counts = append(counts, t.Kept, t.Dropped)
	}
	if len(a.Hours) > maxHours {
		return fmt.Errorf("%d hours", len(a.Hours))
	}
	for i := range a.Hours {
		h := &a.Hours[i]
		times = append(times, &h.Start)
		counts = append(counts, h.Requests, h.Errors)
	}
	for _, t := range times {
		if *t = t.UTC(); !t.IsZero() && (t.Year() < 1970 || t.Year() > 9000) {
			return errors.New("a time is out of range")
		}
	}
	for _, n := range counts {
		if n < 0 || n > 1<<60 {
			return errors.New("a count is out of range")
		}
	}
	for i, h := range a.Hours {
		if !h.Start.Equal(h.Start.Truncate(time.Hour)) || i > 0 && !h.Start.After(a.Hours[i-1].Start) {
			return errors.New("the hours are not in order")
		}
	}
	return nil
}

const (
	// maxImported is more attributes than a report can have come to.
	maxImported = 5000
	// maxImportedName is longer than the path of any attribute, in bytes.
	maxImportedName = 500
)

// Check refuses the body of a report, of an import, that this package cannot have
// written. Its error has nothing of the body.
func Check(body []byte) error {
	s, err := decode(body)
	if err != nil {
		return err
	}
	if len(s.Attributes) > maxImported {
		return errors.New("it has too many attributes")
	}
	for _, a := range s.Attributes {
		if len(a.Name) > maxImportedName || (a.ResourceType != "User" && a.ResourceType != "Group") {
			return errors.New("it has a name that no attribute can have")
		}
	}
	return nil
}
