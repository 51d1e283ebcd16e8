package scimmodule

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// bulk sends operations and returns their results.
func (e *env) bulk(failOnErrors int, ops ...string) []map[string]any {
	e.t.Helper()
	limit := ""
	if failOnErrors > 0 {
		limit = fmt.Sprintf(`"failOnErrors":%d,`, failOnErrors)
	}
	o := e.send("POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],`+limit+`"Operations":[`+strings.Join(ops, ",")+`]}`).want(200)
	if s, ok := o["schemas"].([]any); !ok || len(s) != 1 || s[0] != "urn:ietf:params:scim:api:messages:2.0:BulkResponse" {
		e.t.Errorf("schemas %v", o["schemas"])
	}
	var out []map[string]any
	for _, r := range o["Operations"].([]any) {
		out = append(out, r.(map[string]any))
	}
	return out
}

// statuses is what came of the operations, "201 409uniqueness".
func statuses(t *testing.T, results []map[string]any) string {
	t.Helper()
	var out []string
	for _, r := range results {
		s, _ := r["status"].(string)
		if resp, ok := r["response"].(map[string]any); ok {
			if resp["status"] != s || resp["detail"] == "" || resp["schemas"] == nil {
				t.Errorf("response %v", resp)
			}
			if st, ok := resp["scimType"].(string); ok {
				s += st
			}
		} else if s >= "400" {
			t.Errorf("an error without a response: %v", r)
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func post(id, endpoint, data string) string {
	return `{"method":"POST","path":"` + endpoint + `","bulkId":"` + id + `","data":` + data + `}`
}

func TestBulk(t *testing.T) {
	t.Parallel()
	group := func(id string, members ...string) string {
		var list []string
		for _, m := range members {
			list = append(list, `{"value":"`+m+`"}`)
		}
		return post(id, "/Groups", `{"displayName":"`+id+`","members":[`+strings.Join(list, ",")+`]}`)
	}
	user := func(id string) string { return post(id, "/Users", `{"userName":"`+id+`"}`) }
	for _, c := range []struct {
		name string
		stop int
		ops  []string
		want string
	}{
		{"nothing", 0, nil, ""},
		{"one after the other", 0, []string{user("u"), group("g", "bulkId:u")}, "201 201"},
		{"a reference to what comes later", 0, []string{group("g", "bulkId:u"), user("u")}, "201 201"},
		{"a chain backwards", 0, []string{group("a", "bulkId:b"), group("b", "bulkId:c"), group("c", "bulkId:u"), user("u")}, "201 201 201 201"},
		{"in a path", 0, []string{`{"method":"PATCH","path":"/Users/bulkId:u","data":{"Operations":[{"op":"add","path":"locale","value":"de"}]}}`, user("u")}, "200 201"},
		{"in a filter of a path", 0, []string{user("u"), group("g", "bulkId:u"), `{"method":"PATCH","path":"/Groups/bulkId:g","data":{"Operations":[{"op":"remove","path":"members[value eq \"bulkId:u\"]"}]}}`}, "201 201 204"},
		{"a circle", 0, []string{group("a", "bulkId:b"), group("b", "bulkId:a")}, "409 409"},
		{"a circle of three, and one outside", 0, []string{group("a", "bulkId:b"), group("b", "bulkId:c"), group("c", "bulkId:a"), user("u")}, "409 409 409 201"},
		{"of itself", 0, []string{group("a", "bulkId:a")}, "409"},
		{"of nobody", 0, []string{group("a", "bulkId:x"), user("u")}, "400invalidValue 201"},
		{"of one that fails", 0, []string{group("a", "bulkId:u"), post("u", "/Users", `{}`)}, "400invalidValue 400invalidValue"},
		{"of one that is no POST", 0, []string{group("a", "bulkId:d"), `{"method":"DELETE","path":"/Users/x","bulkId":"d"}`}, "400invalidValue 404"},
		{"the same name twice", 0, []string{user("u"), post("v", "/Users", `{"userName":"U"}`)}, "201 409uniqueness"},
		{"stop after one", 1, []string{user("u"), post("v", "/Users", `{"userName":"u"}`), user("w")}, "201 409uniqueness"},
		{"stop after two", 2, []string{post("v", "/Users", `{}`), user("u"), post("w", "/Users", `{}`), user("x")}, "400invalidValue 201 400invalidValue"},
		{"go on without a limit", 0, []string{post("v", "/Users", `{}`), post("w", "/Users", `{}`), user("x")}, "400invalidValue 400invalidValue 201"},
		{"the method in any case", 0, []string{`{"method":"post","path":"Users","data":{"userName":"u"}}`}, "201"},
		{"an unknown method", 0, []string{`{"method":"GET","path":"/Users/x"}`, user("u")}, "400invalidSyntax 201"},
		{"no method", 0, []string{`{"path":"/Users"}`, user("u")}, "400invalidSyntax 201"},
		{"an unknown path", 0, []string{`{"method":"POST","path":"/Devices","data":{}}`, `{"method":"POST","path":"","data":{}}`, `{"method":"POST","path":"/Bulk","data":{}}`}, "400invalidPath 400invalidPath 400invalidPath"},
		{"a POST with an id", 0, []string{`{"method":"POST","path":"/Users/x","data":{"userName":"u"}}`}, "400invalidPath"},
		{"a DELETE without an id", 0, []string{`{"method":"DELETE","path":"/Users"}`}, "400invalidPath"},
		{"no data", 0, []string{`{"method":"POST","path":"/Users","bulkId":"u"}`, `{"method":"PATCH","path":"/Users/x"}`}, "400invalidSyntax 400invalidSyntax"},
		{"data of another kind", 0, []string{`{"method":"POST","path":"/Users","data":"x"}`, `{"method":"POST","path":"/Users","data":null}`, `{"method":"POST","path":"/Users","data":[]}`}, "400invalidSyntax 400invalidSyntax 400invalidSyntax"},
		{"nobody there", 0, []string{`{"method":"DELETE","path":"/Users/x"}`, `{"method":"PUT","path":"/Groups/x","data":{"displayName":"g"}}`}, "404 404"},
		{"another version", 0, []string{user("u"), `{"method":"DELETE","path":"/Users/bulkId:u","version":"W/\"0000000000000000\""}`}, "201 412"},
		{"any version", 0, []string{user("u"), `{"method":"DELETE","path":"/Users/bulkId:u","version":"*"}`}, "201 204"},
		{"PUT", 0, []string{user("u"), `{"method":"PUT","path":"/Users/bulkId:u","data":{"userName":"v"}}`}, "201 200"},
		{"a string that only begins as a reference does", 0, []string{post("u", "/Users", `{"userName":"bulkid:x","locale":"xbulkId:y"}`)}, "201"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			got := e.bulk(c.stop, c.ops...)
			if s := statuses(t, got); s != c.want {
				t.Errorf("%q, want %q", s, c.want)
			}
			for _, r := range got {
				location, _ := r["location"].(string)
				status, _ := r["status"].(string)
				if status < "300" && (!strings.HasPrefix(location, base+"/") || strings.Contains(location, "bulkId")) {
					t.Errorf("location %q of %s", location, status)
				}
				if (status == "201" || status == "200") && (r["version"] == nil || r["method"] == nil) {
					t.Errorf("result %v", r)
				}
				if status == "201" && !strings.Contains(c.want, "204") {
					e.send("GET", strings.TrimPrefix(location, base), "").want(200)
				}
			}
		})
	}
}

// What the references lead to is the real thing.
func TestBulkReferences(t *testing.T) {
	t.Parallel()
	e := newEnv(t, allow("*"))
	got := e.bulk(0,
		post("g", "/Groups", `{"displayName":"g","members":[{"value":"bulkId:u"},{"value":"bulkId:h","type":"Group"}]}`),
		post("u", "/Users", `{"userName":"u","`+ent+`":{"manager":{"value":"bulkId:m"}}}`),
		post("m", "/Users", `{"userName":"m"}`),
		post("h", "/Groups", `{"displayName":"h"}`))
	id := map[string]string{}
	for _, r := range got {
		location, _ := r["location"].(string)
		id[r["bulkId"].(string)] = location[strings.LastIndexByte(location, '/')+1:]
	}
	// In the order of the request.
	for i, want := range []string{"g", "u", "m", "h"} {
		if got[i]["bulkId"] != want {
			t.Errorf("result %d is %v", i, got[i]["bulkId"])
		}
	}
	g := e.send("GET", "/Groups/"+id["g"], "").want(200)
	if s := fmt.Sprint(g["members"]); !strings.Contains(s, id["u"]) || !strings.Contains(s, id["h"]) || strings.Contains(s, "bulkId") {
		t.Errorf("members %s", s)
	}
	u := e.send("GET", "/Users/"+id["u"], "").want(200)
	if m := u[ent].(map[string]any)["manager"].(map[string]any)["value"]; m != id["m"] {
		t.Errorf("manager %v", m)
	}
}

func TestBulkRefusals(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(o *Options) { o.Limits.BulkOperations = 3; o.Limits.CreationsPerRequest = 4 })
	one := `{"method":"POST","path":"/Users","bulkId":"a","data":{"userName":"a"}}`
	for _, c := range []struct {
		name, body string
		status     int
		scimType   string
	}{
		{"no list", `{}`, 400, "invalidSyntax"},
		{"a list of another kind", `{"Operations":{}}`, 400, "invalidSyntax"},
		{"an operation that is no object", `{"Operations":["x"]}`, 400, "invalidSyntax"},
		{"one bulkId twice", `{"Operations":[` + one + `,` + one + `]}`, 400, "invalidValue"},
		{"failOnErrors is a word", `{"failOnErrors":"x","Operations":[]}`, 400, "invalidValue"},
		{"failOnErrors is negative", `{"failOnErrors":-1,"Operations":[]}`, 400, "invalidValue"},
		{"too many operations", `{"Operations":[{},{},{},{}]}`, 413, ""},
		{"no JSON", `{"Operations":[`, 400, "invalidSyntax"},
		{"too deep", `{"Operations":[{"data":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}]}`, 400, "invalidSyntax"},
	} {
		a := e.send("POST", "/Bulk", c.body)
		if a.Code != c.status {
			t.Errorf("%s: %d %s", c.name, a.Code, a.Body)
			continue
		}
		a.wantError(c.status, c.scimType)
	}
	if n := e.send("GET", "/Users", "").want(200)["totalResults"]; n != 0.0 {
		t.Errorf("%v users were made by refused requests", n)
	}
	// All operations of a request share the users that may be made from members.
	got := e.bulk(0, post("a", "/Groups", `{"displayName":"a","members":["p1","p2","p3"]}`), post("b", "/Groups", `{"displayName":"b","members":["p4","p5"]}`), post("c", "/Groups", `{"displayName":"c","members":["p1","p6"]}`))
	if s := statuses(t, got); s != "201 413 201" {
		t.Errorf("%s", s)
	}
	if a := e.send("GET", "/Users/p4", ""); a.Code != http.StatusNotFound {
		t.Error("part of a refused operation was applied")
	}
}
