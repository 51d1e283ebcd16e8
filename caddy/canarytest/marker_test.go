package canarytest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// class says where a marker may be found.
type class uint8

const (
	// dropped may be nowhere: the value of something that is not kept, or of a
	// request that was refused.
	dropped class = iota
	// name is the name of an attribute that nobody knows. The log and the report
	// count these, and the answer to the same request may name it.
	name
	// echo is an id or bulkId of a request's own: the answer may repeat it, and
	// the store may be asked for it.
	echo
	// asked is the value of something that is kept in a filter, or in a request
	// that is refused: the store may be asked for it.
	asked
	// route is a part of a path that leads nowhere: it is no attribute.
	route
	// unseen is kept, and no answer has to show it.
	unseen
	// narrowed is kept until the allow list is narrowed, and then nowhere;
	// narrowedLater until it is narrowed once more, and purged until the archive
	// is cleared after that.
	narrowed
	narrowedLater
	purged
	// kept may be in the store and in answers that are no errors.
	kept
	// final is kept and still there at the end: it has to be found.
	final
)

// where is a kind of place.
type where uint8

const (
	inStore   where = iota // files of the store
	onWire                 // what a database was asked
	inLogs                 // logs and output of the processes
	inMetrics              // /metrics
	inAdmin                // the admin API and the commands
	inReport               // those of them that report what arrived
	inRecords              // those that show what is stored, or export it
	inSpans                // exported traces
	inAnswer               // a response: status line, headers and body
)

// place is something to search.
type place struct {
	in   where
	name string
	data []byte
}

// markers makes markers and finds them again. Each is the run's random prefix
// and a number, in lower case letters and digits, so that neither the folding of
// case nor any escaping hides it.
type markers struct {
	text, digits string // the prefixes
	all          []marker
	secrets      map[string]string // their labels
	narrowings   int               // how often less is kept than before
}

type marker struct {
	class class
	label string
}

func newMarkers() *markers {
	letters := make([]byte, 8)
	for i := range letters {
		letters[i] = "bcdfghjkmnpqrstvwxz"[rand.IntN(19)]
	}
	return &markers{text: "canary" + string(letters), digits: strconv.Itoa(71_000_000 + rand.IntN(1_000_000)), secrets: map[string]string{}}
}

func (m *markers) next(c class, label string) int {
	m.all = append(m.all, marker{c, label})
	return len(m.all) - 1
}

// new returns a marker of a class.
func (m *markers) new(c class, label string) string {
	return fmt.Sprintf("%s%04d", m.text, m.next(c, label))
}

// number returns a dropped marker that is a number in JSON.
func (m *markers) number(label string) json.Number {
	return json.Number(fmt.Sprintf("%s%04d", m.digits, m.next(dropped, label)))
}

// secret takes a token that may be nowhere.
func (m *markers) secret(label, value string) string {
	m.secrets[value] = label
	return value
}

// hits returns the markers in data, by number, each with where it begins; -1
// stands for a piece of one.
func (m *markers) hits(data []byte) map[int]int {
	found := map[int]int{}
	lower := bytes.ToLower(data)
	for _, prefix := range []string{m.text, m.digits} {
		for from := 0; ; {
			i := bytes.Index(lower[from:], []byte(prefix))
			if i < 0 {
				break
			}
			at := from + i
			from = at + len(prefix)
			n := -1
			if from+4 <= len(lower) {
				if v, err := strconv.Atoi(string(lower[from : from+4])); err == nil && v < len(m.all) {
					n = v
				}
			}
			found[n] = at
		}
	}
	return found
}

// disguised tells whether data has a marker in base64 or hexadecimal.
func (m *markers) disguised(data []byte) (string, bool) {
	for _, f := range encoded(m.text) {
		if bytes.Contains(data, []byte(f)) {
			return f, true
		}
	}
	return "", false
}

// encoded returns a text in hexadecimal, and in base64 wherever it begins.
func encoded(text string) []string {
	forms := []string{hex.EncodeToString([]byte(text))}
	for shift := range 3 {
		// What surrounds the text changes the first and last digits only.
		b := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("-", shift) + text))
		b = b[(shift*8+5)/6 : (shift+len(text))*8/6]
		forms = append(forms, b, strings.NewReplacer("+", "-", "/", "_").Replace(b))
	}
	return forms
}

// check reports every marker that is where it must not be.
func (m *markers) check(t *testing.T, p place) {
	t.Helper()
	whole := p.data
	if p.in == inStore || p.in == inReport || p.in == inRecords {
		var entries []byte
		p.data, entries = withoutReport(p)
		for n, at := range m.hits(entries) {
			if n >= 0 && m.all[n].class != name {
				t.Errorf("%s reports the marker of %s: %s", p.name, m.all[n].label, around(entries, at))
			}
		}
	}
	for n, at := range m.hits(p.data) {
		if n < 0 {
			t.Errorf("%s has a piece of a marker: %s", p.name, around(p.data, at))
			continue
		}
		if !m.allowed(p, n) {
			t.Errorf("%s has the marker of %s: %s", p.name, m.all[n].label, around(p.data, at))
		}
	}
	if form, yes := m.disguised(whole); yes {
		at := bytes.Index(whole, []byte(form))
		t.Errorf("%s has an encoded marker: %s", p.name, around(whole, at))
	}
	lower := bytes.ToLower(whole)
	for value, label := range m.secrets {
		// Most of a secret is too much, also in another case.
		most := value[:len(value)*3/4]
		at := bytes.Index(lower, []byte(strings.ToLower(most)))
		for _, form := range encoded(most) {
			at = max(at, bytes.Index(whole, []byte(form)))
		}
		if at >= 0 {
			t.Errorf("%s has the secret of %s: %s", p.name, label, around(whole, at))
		}
	}
}

// What a report's record and its table say of one attribute; of a record also
// where a page of a file ends, and where it begins.
var (
	entry     = regexp.MustCompile(strings.ReplaceAll(`\{ "resource_type": "(?:User|Group)", "name": "[^"\\]*", "known": (?:true|false), "kept": \d+, "dropped": \d+, "first": "[^"\\]*", "last": "[^"\\]*" \}`, " ", `\s*`))
	entryHead = regexp.MustCompile(`\A[^{}]{0,400}"last":"[^"{}]*"\}`)
	entryTail = regexp.MustCompile(`\{"resource_type":"[^{}]*\z`)
	entryRow  = regexp.MustCompile(`(?m)^(?:User|Group) +\S.*? +\d+ +\d+ +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d *$`)
)

// withoutReport parts what a place has from the entries of reports in it.
func withoutReport(p place) (rest, entries []byte) {
	take := func(e *regexp.Regexp, data []byte) []byte {
		return e.ReplaceAllFunc(data, func(found []byte) []byte {
			entries = append(append(entries, found...), '\n')
			return bytes.Repeat([]byte("-"), len(found)) // what follows stays where it is
		})
	}
	rest = take(entry, p.data)
	if p.in == inReport {
		rest = take(entryRow, rest)
	}
	if strings.HasSuffix(p.name, ".db") {
		// A page that was freed, and the next one used again, cut an entry off.
		const page = 4096
		for i := 0; i < len(rest); i += page {
			b := rest[i:min(i+page, len(rest))]
			copy(b, take(entryTail, take(entryHead, b)))
		}
	}
	return rest, entries
}

func (m *markers) allowed(p place, n int) bool {
	switch m.all[n].class {
	case name:
		return p.in == inLogs && m.onlyCounted(p.data, n)
	case echo, asked:
		return p.in == onWire
	case route:
		return p.in == inLogs
	case narrowed, narrowedLater, purged, unseen, kept, final:
		return m.live(n) && (p.in == inStore || p.in == onWire || p.in == inRecords)
	}
	return false
}

// live tells whether a marker of something that was kept still is.
func (m *markers) live(n int) bool {
	switch m.all[n].class {
	case narrowed:
		return m.narrowings < 1
	case narrowedLater:
		return m.narrowings < 2
	case purged:
		return m.narrowings < 3
	}
	return true
}

// checkAnswer reports what the answer to a request must not have.
func (m *markers) checkAnswer(t *testing.T, label string, request []byte, status int, dump []byte) {
	t.Helper()
	rest := place{inAnswer, "the answer to " + label, dump}
	sent := m.hits(request)
	for n, at := range m.hits(dump) {
		ok := false
		if n >= 0 {
			switch m.all[n].class {
			case name, echo, route:
				_, ok = sent[n]
			case narrowed, narrowedLater, purged, unseen, kept, final:
				ok = status < 300 && m.live(n)
			}
		}
		if !ok {
			what := "a piece of a marker"
			if n >= 0 {
				what = "the marker of " + m.all[n].label
			}
			t.Errorf("%s has %s: %s", rest.name, what, around(dump, at))
		}
	}
	// What is allowed in clear is not allowed in another form.
	rest.data = regexp.MustCompile("(?i)"+m.text+"|"+m.digits).ReplaceAll(dump, []byte("-"))
	m.check(t, rest)
}

// onlyCounted tells whether a marker is in a log only where the names of dropped
// attributes are listed.
func (m *markers) onlyCounted(log []byte, n int) bool {
	needle := fmt.Sprintf("%s%04d", m.text, n)
	for line := range bytes.Lines(log) {
		if !bytes.Contains(line, []byte(needle)) {
			continue
		}
		var entry map[string]any
		if json.Unmarshal(line, &entry) != nil || entry["logger"] != "scim" || entry["msg"] != "request" {
			return false
		}
		delete(entry, "dropped")
		if strings.Contains(fmt.Sprint(entry), needle) {
			return false
		}
	}
	return true
}

// missing lists the markers of the classes that are in none of the texts.
func (m *markers) missing(texts [][]byte, classes ...class) []string {
	found := map[int]bool{}
	for _, text := range texts {
		for n := range m.hits(text) {
			found[n] = true
		}
	}
	var list []string
	for n, c := range m.all {
		if slices.Contains(classes, c.class) && !found[n] {
			list = append(list, c.label)
		}
	}
	return list
}

// around shows a piece of data for a failure.
func around(data []byte, at int) string {
	return fmt.Sprintf("…%.300q…", data[max(0, at-120):min(len(data), at+160)])
}
