package registry

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ref[T any](v T) *T { return &v }

// full says something with each setting.
func full() Settings {
	return Settings{
		Allow: []string{"userName", "title"}, Required: []string{"title"}, Members: "reject", Match: []string{"userName", "externalId"},
		DuplicateGroupNames: ref(true), ArchiveRetention: ref(Duration(90 * day)), Rate: &Rate{Requests: 5, Burst: 7},
	}
}

func TestOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		s, base, want Settings
	}{
		{"nothing over nothing", Settings{}, Settings{}, Settings{}},
		{"nothing over all", Settings{}, full(), full()},
		{"all over nothing", full(), Settings{}, full()},
		{"all over the defaults", full(), Defaults(), full()},
		{"an empty list demands nothing", Settings{Required: []string{}}, full(), func() Settings {
			s := full()
			s.Required = []string{}
			return s
		}()},
		{"false, 0 and off say something", Settings{DuplicateGroupNames: new(bool), ArchiveRetention: new(Duration), Rate: &Rate{}}, full(), func() Settings {
			s := full()
			s.DuplicateGroupNames, s.ArchiveRetention, s.Rate = new(bool), new(Duration), &Rate{}
			return s
		}()},
		{"one of each layer", Settings{Members: "ignore"}, Settings{Members: "create", Allow: []string{"default"}}, Settings{Members: "ignore", Allow: []string{"default"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, c.s.Over(c.base)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Each name is known to Has, Get and Without, and to nothing beside.
func TestNames(t *testing.T) {
	t.Parallel()
	var members map[string]json.RawMessage
	if text, err := json.Marshal(full()); err != nil || json.Unmarshal(text, &members) != nil || len(members) != len(Names) {
		t.Fatalf("%d members of JSON for %d names (%v)", len(members), len(Names), err)
	}
	for _, name := range Names {
		if (Settings{}).Has(name) || (Settings{}).Get(name) != nil {
			t.Errorf("%s: the empty settings have it", name)
		}
		if !full().Has(name) || !Defaults().Has(name) {
			t.Errorf("%s: it is missing", name)
		}
		if got := full().Get(name); string(got) != string(members[name]) || got == nil {
			t.Errorf("%s: Get returns %s, want %s", name, got, members[name])
		}
		less, err := full().Without([]string{name})
		if err != nil || less.Has(name) {
			t.Errorf("%s: Without leaves it (%v)", name, err)
		}
		for _, other := range Names {
			if other != name && !less.Has(other) {
				t.Errorf("without %s, %s is gone as well", name, other)
			}
		}
	}
	for _, name := range []string{"", "Allow", "allow ", "name"} {
		if full().Has(name) || full().Get(name) != nil {
			t.Errorf("%q is had", name)
		}
		if _, err := full().Without([]string{"allow", name}); err == nil || !strings.Contains(err.Error(), "archive_retention") {
			t.Errorf("%q: error %v", name, err)
		}
	}
	none, err := full().Without(Names)
	if diff := cmp.Diff(Settings{}, none); diff != "" || err != nil {
		t.Errorf("without all (%v):\n%s", err, diff)
	}
}

func TestSettingsAsJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       Settings
	}{
		{"none", `{}`, Settings{}},
		{"an empty list", `{"required":[]}`, Settings{Required: []string{}}},
		{"all", `{"allow":["userName","title"],"required":["title"],"members":"reject","match":["userName","externalId"],"duplicate_group_names":true,"archive_retention":"90d","rate":"5 7"}`, full()},
		{"the defaults", `{"allow":["default"],"required":[],"members":"create","match":["userName"],"duplicate_group_names":false,"archive_retention":"forever","rate":"100"}`, Defaults()},
		{"no rate", `{"rate":"off"}`, Settings{Rate: &Rate{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got Settings
			if err := json.Unmarshal([]byte(c.text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if text, err := json.Marshal(c.want); err != nil || string(text) != c.text {
				t.Errorf("written %s (%v)", text, err)
			}
		})
	}
	for _, text := range []string{`{"rate":"0"}`, `{"rate":100}`, `{"archive_retention":"soon"}`, `{"archive_retention":90}`, `{"archive_retention":"-1h"}`, `{"required":"title"}`} {
		if err := json.Unmarshal([]byte(text), new(Settings)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

func TestCheckSettings(t *testing.T) {
	t.Parallel()
	words := func(n, length int) []string { return slices.Repeat([]string{strings.Repeat("a", length)}, n) }
	for _, c := range []struct {
		name string
		s    Settings
		want string // in the error; empty for none
	}{
		{"none", Settings{}, ""},
		{"all", full(), ""},
		{"the defaults", Defaults(), ""},
		{"as many words as there may be", Settings{Allow: words(maxWords, maxWordLength)}, ""},
		{"one more", Settings{Required: words(maxWords+1, 1)}, "more than 500 words"},
		{"an allow list of nothing", Settings{Allow: []string{}}, "at least one attribute"},
		{"an empty word", Settings{Allow: []string{"title", ""}}, "1 to 500 bytes"},
		{"a long word", Settings{Required: words(1, maxWordLength+1)}, "1 to 500 bytes"},
		{"a match that there is not", Settings{Match: []string{"externalId"}}, "match externalId"},
		{"a match in another order", Settings{Match: []string{"externalId", "userName"}}, "match externalId userName"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.s.check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
