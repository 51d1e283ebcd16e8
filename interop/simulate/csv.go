package simulate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxPeople bounds a directory.
const maxPeople = 1_000_000

// columns are those of a file of users; userName is needed, the others may be
// left out. groups has the names of groups with semicolons between.
var columns = []string{"userName", "givenName", "familyName", "department", "title", "mobile", "country", "groups"}

// readCSV adds the people of a file, whose first line names the columns. Errors
// name the line, and no values.
func (c *company) readCSV(r io.Reader) error {
	in := csv.NewReader(r)
	head, err := in.Read()
	if len(head) > 0 {
		head[0] = strings.TrimPrefix(head[0], "\ufeff") // as spreadsheets write it
	}
	if err != nil {
		return fmt.Errorf("the file of users has no first line with the names of columns: %w", err)
	}
	for _, name := range head {
		if !slices.Contains(columns, strings.TrimSpace(name)) {
			return fmt.Errorf("the file of users has a column that is not known: use %s", strings.Join(columns, ", "))
		}
	}
	if !slices.ContainsFunc(head, func(s string) bool { return strings.TrimSpace(s) == "userName" }) {
		return errors.New("the file of users has no column userName")
	}
	groups := map[string]*group{}
	for line := 2; ; line++ {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the file of users, line %d: %w", line, err)
		}
		of := map[string]string{}
		for i, name := range head {
			of[strings.TrimSpace(name)] = strings.TrimSpace(row[i])
		}
		if of["userName"] == "" {
			return fmt.Errorf("the file of users, line %d: no userName", line)
		}
		if c.taken(of["userName"]) || len(c.people) >= maxPeople {
			return fmt.Errorf("the file of users, line %d: a userName that was there before, or too many users", line)
		}
		p := c.hire()
		p.upn, p.given, p.family, p.dept, p.title, p.mobile, p.country, p.manager = of["userName"], of["givenName"], of["familyName"], of["department"], of["title"], of["mobile"], of["country"], nil
		for name := range strings.SplitSeq(of["groups"], ";") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if groups[name] == nil {
				groups[name] = &group{objectID: c.guid(), name: name, members: map[*person]bool{}}
				c.groups = append(c.groups, groups[name])
			}
			groups[name].members[p] = true
		}
	}
}
