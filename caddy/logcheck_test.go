package caddy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exampleFormat is the log format of Caddyfile.example.
func exampleFormat(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	_, format, ok := strings.Cut(string(text), "\tlog {\n")
	format, _, end := strings.Cut(format, "\n\t}\n")
	if !ok || !end {
		t.Fatal("Caddyfile.example has no log block")
	}
	return format
}

func TestAccessLogWarning(t *testing.T) {
	i := newInstance(t)
	out := "output file " + filepath.Join(i.dir, "access")
	for _, tc := range []struct {
		name, site string
		want       bool
	}{
		{"no access log", "scim", false},
		{"plain", "scim\nlog {\n" + out + "\n}", true},
		{"example", "scim\nlog {\n" + out + "\n" + exampleFormat(t) + "\n}", false},
		{"uri deleted", "scim\nlog {\n" + out + "\nformat filter {\nrequest>uri delete\n}\n}", false},
		{"request deleted", "scim\nlog {\n" + out + "\nformat filter {\nrequest delete\n}\n}", false},
		{"only the query", "scim\nlog {\n" + out + "\nformat filter {\nrequest>uri query {\ndelete filter\n}\n}\n}", true},
		{"other field", "scim\nlog {\n" + out + "\nformat filter {\nrequest>remote_ip delete\n}\n}", true},
		{"inside handle", "handle {\nscim\n}\nlog {\n" + out + "\n}", true},
		{"named route", "invoke x\nlog {\n" + out + "\n}\n}\n&(x) {\nscim", true},
		{"another site", "respond x\nlog {\n" + out + "\n}", false},
		{"another site beside", "scim\n}\nhttp://other.test {\nbind unix/" + i.dir + "/site\nlog {\n" + out + "\n}", false},
		{"one of two", "log {\n" + out + "\n" + exampleFormat(t) + "\n}\nscim\n}\nhttp://other.test {\nbind unix/" + i.dir + "/site\nscim\nlog {\n" + out + "2\n}", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			i.load("log {\noutput file "+log+"\n}\n"+scimBlock("store memory"), tc.site)
			written, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(written), "an access log shows"); got != tc.want {
				t.Errorf("warned: %v, want %v\n%s", got, tc.want, written)
			}
		})
	}
}

func TestExampleFormatRedacts(t *testing.T) {
	i := newInstance(t)
	log := filepath.Join(i.dir, "access")
	i.load(scimBlock("store memory"), "scim\nrespond plain\nlog {\noutput file "+log+"\n"+exampleFormat(t)+"\n}")
	for _, path := range []string{
		"/scim/v2/Users?filter=userName%20eq%20%22canary%22",
		"/scim/v2/Users?startIndex=1&filter=canary&count=2",
		"/scim/v2/Users?x=1&%66ilter=canary",
		"/scim/v2/Users?filter=a&canary",
		"/scim/v2?sortBy=canary",
		"/scim/v2/Users/canary",
		"/scim/v2//Users//canary?attributes=canary",
		"/scim/v2/groups/canary/canary",
		"/app?q=kept",
	} {
		i.do("GET", path, "")
	}
	i.createUser("canary")
	waitFor(t, "the access log", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Count(string(text), "handled request") == 10
	})
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "canary") || strings.Contains(line, secret) {
			t.Errorf("not redacted: %s", line)
		}
	}
	for _, want := range []string{"q=kept", `"scim_endpoint":"Users"`, `"scim_endpoint":"Groups"`, `"scim_endpoint":"root"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the access log has no %s", want)
		}
	}
}
