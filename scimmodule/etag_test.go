package scimmodule

import (
	"net/http"
	"testing"
)

func TestEntityTags(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	a := e.send("POST", "/Users", `{"userName":"a"}`)
	o := a.want(201)
	id, _ := o["id"].(string)
	old := a.Header().Get("ETag")
	meta, _ := o["meta"].(map[string]any)
	if old == "" || meta["version"] != old || meta["location"] != base+"/Users/"+id || a.Header().Get("Location") != base+"/Users/"+id {
		t.Fatalf("headers %v, meta %v", a.Header(), meta)
	}
	a = e.send("PATCH", "/Users/"+id, `{"Operations":[{"op":"add","path":"locale","value":"de"}]}`)
	a.want(200)
	tag := a.Header().Get("ETag")
	if tag == old {
		t.Fatal("a change keeps the tag")
	}
	strong := tag[2:]
	bare := strong[1 : len(strong)-1]
	group := e.create("/Groups", `{"displayName":"g"}`)
	for _, c := range []struct {
		name, method, target, body string
		header                     header
		want                       int
	}{
		{"not changed", "GET", "/Users/" + id, "", header{"If-None-Match", tag}, 304},
		{"not changed, strong", "GET", "/Users/" + id, "", header{"If-None-Match", strong}, 304},
		{"not changed, without quotes", "GET", "/Users/" + id, "", header{"If-None-Match", bare}, 304},
		{"not changed, one of a list", "GET", "/Users/" + id, "", header{"If-None-Match", old + ` , ` + tag}, 304},
		{"not changed, any", "GET", "/Users/" + id, "", header{"If-None-Match", "*"}, 304},
		{"changed", "GET", "/Users/" + id, "", header{"If-None-Match", old}, 200},
		{"changed, nonsense", "GET", "/Users/" + id, "", header{"If-None-Match", `"x"`}, 200},
		{"nobody there", "GET", "/Users/nobody", "", header{"If-None-Match", "*"}, 404},
		{"read in another version", "GET", "/Users/" + id, "", header{"If-Match", old}, 412},
		{"PATCH of another version", "PATCH", "/Users/" + id, `{"Operations":[{"op":"add","path":"locale","value":"fr"}]}`, header{"If-Match", old}, 412},
		{"PUT of another version", "PUT", "/Users/" + id, `{"userName":"b"}`, header{"If-Match", old}, 412},
		{"DELETE of another version", "DELETE", "/Users/" + id, "", header{"If-Match", old}, 412},
		{"DELETE of a group in another version", "DELETE", "/Groups/" + group, "", header{"If-Match", old}, 412},
		{"PATCH of a group in another version", "PATCH", "/Groups/" + group, `{"Operations":[{"op":"add","path":"members","value":["` + id + `"]}]}`, header{"If-Match", old}, 412},
		{"PUT of this version", "PUT", "/Users/" + id, `{"userName":"a","locale":"de"}`, header{"If-Match", tag}, 200},
		{"PUT of any version", "PUT", "/Users/" + id, `{"userName":"a","locale":"de"}`, header{"If-Match", "*"}, 200},
		{"PUT of one of a list", "PUT", "/Users/" + id, `{"userName":"a","locale":"de"}`, header{"If-Match", old + "," + bare}, 200},
		{"PATCH of nobody", "PATCH", "/Users/nobody", `{"Operations":[]}`, header{"If-Match", "*"}, 404},
		{"PATCH of this version", "PATCH", "/Users/" + id, `{"Operations":[{"op":"add","path":"locale","value":"fr"}]}`, header{"If-Match", tag}, 200},
		{"and now it is another", "PATCH", "/Users/" + id, `{"Operations":[{"op":"add","path":"locale","value":"it"}]}`, header{"If-Match", tag}, 412},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := *e
			e.t = t
			a := e.send(c.method, c.target, c.body, c.header)
			switch c.want {
			case http.StatusNotModified:
				a.want(304)
				if a.Body.Len() > 0 || a.Header().Get("ETag") != tag {
					t.Errorf("%s with %v", a.Body, a.Header())
				}
			case 200:
				a.want(200)
			default:
				a.wantError(c.want, "")
			}
		})
	}
}

// What a PATCH of a group answers (RFC 7644 §3.5.2, and idp-clients' Entra).
func TestPatchAnswers(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.create("/Users", `{"userName":"a"}`)
	group := e.create("/Groups", `{"displayName":"g"}`)
	add := `{"Operations":[{"op":"Add","path":"members","value":[{"value":"` + id + `"}]}]}`
	a := e.send("PATCH", "/Groups/"+group, add)
	a.want(204)
	if a.Body.Len() > 0 || a.Header().Get("Content-Type") != "" {
		t.Errorf("204 with %q %v", a.Body, a.Header())
	}
	e.send("PATCH", "/Groups/"+group, `{"Operations":[{"op":"replace","path":"displayName","value":"h"}]}`).want(204)
	o := e.send("PATCH", "/Groups/"+group+"?attributes=displayName", add).want(200)
	if o["displayName"] != "h" || o["members"] != nil {
		t.Errorf("answered %v", o)
	}
	if o := e.send("PATCH", "/Users/"+id, `{"Operations":[]}`).want(200); o["userName"] != "a" {
		t.Errorf("answered %v", o)
	}
	if o := e.send("PUT", "/Groups/"+group, `{"displayName":"h"}`).want(200); len(o["members"].([]any)) != 1 {
		t.Errorf("answered %v", o)
	}
	a = e.send("DELETE", "/Groups/"+group, "")
	a.want(204)
	e.send("DELETE", "/Groups/"+group, "").wantError(404, "")
}
