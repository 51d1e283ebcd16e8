package doctor

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-scim/caddy-scim/interop/corpus"
)

const testRun = "k3x9q2ab"

// What a create is answered with is the doctor's own only if it can be what was
// sent.
func TestWhoseACreateIs(t *testing.T) {
	t.Parallel()
	ours := corpus.Prefix(testRun) + "a-1@probe.invalid"
	for _, c := range []struct {
		name, body, location string
		good                 bool   // the run may go on
		owned                string // the id that may be changed now
		stranger             string // one that may not
	}{
		{"an id", `{"id":"7","userName":"` + ours + `"}`, "", true, "7", "8"},
		{"a number", `{"id":7,"userName":"` + ours + `"}`, "", true, "7", "8"},
		{"a number, among odd values", `{"id":7,"userName":"` + ours + `","externalId":5,"meta":"x"}`, "", true, "7", "8"},
		{"somebody else", `{"id":"17","userName":"ceo@corp.example"}`, "", false, "", "17"},
		{"somebody else, by number", `{"id":17,"userName":"ceo@corp.example"}`, "", false, "", "17"},
		{"an address", `{}`, "https://x.example/scim/v2/Users/7", true, "7", "8"},
		{"an address of something else", `{}`, "https://x.example/jobs/17", true, "", "17"},
		{"an address of a group", `{}`, "https://x.example/Groups/17", true, "", "17"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEstate(testRun)
			r := &corpus.Request{Method: http.MethodPost, Path: "/Users", Body: `{"userName":"` + ours + `"}`}
			a := &corpus.Answer{Status: http.StatusCreated, Header: http.Header{"Location": {c.location}}, Body: []byte(c.body)}
			if good := e.learn(r, a); good != c.good {
				t.Errorf("the run may go on: %t", good)
			}
			if c.owned != "" && !e.owns("Users", c.owned) {
				t.Errorf("%s is not the doctor's own", c.owned)
			}
			if e.owns("Users", c.stranger) {
				t.Errorf("%s is taken for the doctor's own", c.stranger)
			}
		})
	}
}

// A report shows nothing of people whom the doctor did not make, however a server
// writes them, and no token.
func TestReportsShowNobody(t *testing.T) {
	t.Parallel()
	e := newEstate(testRun)
	ours := corpus.Prefix(testRun) + "a-1@probe.invalid"
	e.take("Users", "7", ours)
	for _, c := range []struct {
		name   string
		status int
		body   string
	}{
		{"an id", 200, `{"Resources":[{"id":"17","userName":"s3cr3t"}]}`},
		{"a number", 200, `{"Resources":[{"id":17,"userName":"s3cr3t"}]}`},
		{"no id", 200, `{"Resources":[{"userName":"s3cr3t"},{"emails":[{"value":"s3cr3t"}]}]}`},
		{"a page", 200, `<html>s3cr3t</html>`},
		{"a list that was cut off", 200, `{"Resources":[{"id":"17","userName":"s3cr3t"`},
		{"one alone", 200, `{"id":17,"userName":"s3cr3t"}`},
	} {
		if text, hidden := e.withoutOthers(c.status, []byte(c.body)); !hidden || strings.Contains(text, "s3cr3t") {
			t.Errorf("%s: hidden %t, %s", c.name, hidden, text)
		}
	}
	for _, body := range []string{`{"id":7,"userName":"` + ours + `"}`, `{"userName":"` + ours + `"}`, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"no"}`} {
		if text, hidden := e.withoutOthers(200, []byte(body)); hidden || text != body {
			t.Errorf("%s is shown as %s", body, text)
		}
	}
	p := &player{options: Options{Token: "t0k3n"}}
	if text := p.secretless("Authorization: Bearer t0k3n"); strings.Contains(text, "t0k3n") {
		t.Error(text)
	}
}
