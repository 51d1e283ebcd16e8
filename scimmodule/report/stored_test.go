package report

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const whole = `{"v":1,"marks":[{"process":"A","flush":7}],"since":"2026-03-04T11:00:00Z","attributes":[{"resource_type":"User","name":"title","known":true,"kept":0,"dropped":2,"first":"2026-03-04T11:00:00Z","last":"2026-03-04T11:00:00Z"}],"activity":{"requests":3,"changes":1,"errors":1,"last_request":"2026-03-04T11:00:00Z","last_error":{"time":"2026-03-04T11:00:00Z","operation":"patch","status":409},"hours":[{"start":"2026-03-04T11:00:00Z","requests":3,"errors":1}]}}`

func TestDecode(t *testing.T) {
	t.Parallel()
	if s, err := decode([]byte(whole)); err != nil {
		t.Fatal(err)
	} else if body, err := s.encode(); err != nil || string(body) != whole {
		t.Errorf("%v, %s", err, body)
	}
	attribute := `{"resource_type":"User","name":"x"}`
	for _, c := range []struct{ name, body, want string }{
		{"nothing", ``, "not the JSON"},
		{"no JSON", `{"v":1`, "not the JSON"},
		{"another value", `[1]`, "not the JSON"},
		{"null", `null`, "version 0"},
		{"a later version", `{"v":2}`, "version 2"},
		{"an unknown member", `{"v":1,"secret":"x"}`, "not the JSON"},
		{"more than one value", `{"v":1}{}`, "follows"},
		{"garbage behind it", `{"v":1}x`, "follows"},
		{"the same name twice", `{"v":1,"attributes":[` + attribute + `,` + attribute + `]}`, "twice"},
		{"a negative count", `{"v":1,"activity":{"requests":-1}}`, "count"},
		{"a count near overflow", `{"v":1,"attributes":[{"kept":9000000000000000000}]}`, "count"},
		{"a time out of range", `{"v":1,"since":"9999-12-31T23:59:59-01:00"}`, "time"},
		{"a time before there was SCIM", `{"v":1,"since":"0000-12-31T23:59:59Z"}`, "time"},
		{"hours in disorder", `{"v":1,"activity":{"hours":[{"start":"2026-03-04T11:00:00Z"},{"start":"2026-03-04T10:00:00Z"}]}}`, "order"},
		{"no full hour", `{"v":1,"activity":{"hours":[{"start":"2026-03-04T11:00:01Z"}]}}`, "order"},
		{"too many hours", `{"v":1,"activity":{"hours":[` + strings.TrimSuffix(strings.Repeat(`{},`, 25), ",") + `]}}`, "25 hours"},
		{"too many marks", `{"v":1,"marks":[` + strings.TrimSuffix(strings.Repeat(`{},`, 17), ",") + `]}`, "17 marks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := decode([]byte(c.body))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want something about %q", err, c.want)
			}
		})
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	s := &stored{V: 1}
	for n := range 40 {
		s.set(mark{fmt.Sprint("p", n%20), uint64(n)})
	}
	if len(s.Marks) != maxMarks || !s.has(mark{"p19", 39}) || !s.has(mark{"p4", 24}) || s.has(mark{"p19", 19}) || s.has(mark{"p3", 23}) {
		t.Errorf("%v", s.Marks)
	}
}

// FuzzDecode feeds anything for a stored body: it is refused, or can be written
// on and read again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		whole, `{}`, `{"v":1}`, `null`, `{"v":1,"marks":[{}],"attributes":[{"name":"\ud800"},{"name":"other","known":true}]}`,
		`{"v":1,"attributes":[{"name":"a"}],"attributes":[{"kept":5},{"name":"a"}]}`,
		`{"v":1,"since":"2026-03-04T11:00:00+23:59","activity":{"hours":[{}]}}`, `{"v":1e0,"activity":{"requests":1152921504606846976}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decode(body)
		if err != nil {
			return
		}
		before := s.Activity.Requests
		add := newSheet()
		add.add(noon, Entry{Operation: "create", Status: 409, Changed: true, Tally: tally(t, `{"userName":"a","x":1}`)})
		s.merge(add)
		s.set(mark{"me", 1})
		text, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(text)
		if err != nil {
			if before >= 1<<60-1 || strings.Contains(err.Error(), "count") {
				return // counted to the end
			}
			t.Fatalf("%v: %s", err, text)
		}
		if !again.has(mark{"me", 1}) || again.Activity.Requests != before+1 {
			t.Errorf("lost what was added: %s", text)
		}
		if r := again.sheet().report("acme", noon.Add(time.Hour)); len(r.Attributes) < 2 {
			t.Errorf("lost the attributes: %s", text)
		}
	})
}
