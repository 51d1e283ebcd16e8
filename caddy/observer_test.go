package caddy

import (
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-scim/caddy-scim/scimmodule"
)

// gather returns our series: `name{label="value"}` with values, and histograms
// by their count.
func gather(t *testing.T) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := registerMetrics(r); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			out[strings.TrimPrefix(f.GetName(), "caddy_scim_")+"{"+strings.Join(labels, ",")+"}"] = v
		}
	}
	return out
}

// Not parallel, as all that compares the process's counters.
func TestObserverCounts(t *testing.T) {
	before := gather(t)
	o := observer{}
	o.Request(t.Context(), scimmodule.Exchange{Operation: "create", ResourceType: "User", Status: 201, Duration: time.Millisecond})
	o.Request(t.Context(), scimmodule.Exchange{Operation: "read", ResourceType: "User", Status: 418, Duration: time.Millisecond})
	o.Dropped("nickName", 3)
	o.Authenticated("unknown")
	o.Authenticated("Bearer of bad news")
	o.Limited("rate")
	o.Limited("filter_terms")
	o.Limited("ada@example.com")
	o.Users("created_from_members", 7)
	o.Users("renamed", 2)
	o.Housekeeping(false, time.Second)
	o.Housekeeping(true, time.Minute)
	after := gather(t)
	for series, want := range map[string]float64{
		"requests_total{operation=create,outcome=2xx,resource_type=User}": 1,
		"requests_total{operation=read,outcome=4xx,resource_type=User}":   1,
		"request_duration_seconds{operation=create,resource_type=User}":   1,
		"dropped_attributes_total{attribute=nickName}":                    3,
		"authentications_total{outcome=unknown}":                          1,
		"authentications_total{outcome=other}":                            1,
		"limited_total{limit=rate}":                                       1,
		"limited_total{limit=filter_terms}":                               1,
		"limited_total{limit=other}":                                      1,
		"users_total{event=created_from_members}":                         7,
		"users_total{event=other}":                                        2,
		"housekeeping_runs_total{outcome=failed}":                         1,
		"housekeeping_runs_total{outcome=ok}":                             1,
		"housekeeping_duration_seconds{}":                                 2,
	} {
		if got := after[series] - before[series]; got != want {
			t.Errorf("%s grew by %v, want %v", series, got, want)
		}
	}
	for series := range after {
		if strings.ContainsAny(series, "@ ") || strings.Contains(series, "renamed") {
			t.Errorf("a word from elsewhere became a label: %s", series)
		}
	}
	if got := after["housekeeping_last_success_timestamp_seconds{}"]; time.Since(time.Unix(int64(got), 0)) > time.Minute {
		t.Errorf("last success at %v", got)
	}
}

// A failed round leaves the time of the last good one alone. Not parallel.
func TestObserverFailedHousekeeping(t *testing.T) {
	housekeepingLastSuccess.WithLabelValues().Set(42)
	observer{}.Housekeeping(false, time.Second)
	if got := gather(t)["housekeeping_last_success_timestamp_seconds{}"]; got != 42 {
		t.Errorf("a failure counts as a success: %v", got)
	}
}

// Not parallel.
func TestObserverGauges(t *testing.T) {
	const next = "token_next_expiry_timestamp_seconds{}"
	o := observer{}
	o.Tenants(5, 2)
	o.Tokens(3, 1, time.Unix(1_900_000_000, 999))
	got := gather(t)
	for series, want := range map[string]float64{
		"tenants{state=active}": 3,
		"tenants{state=paused}": 2,
		"tokens_expiring{}":     3,
		"tokens_expired{}":      1,
		next:                    1_900_000_000,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v, want %v", series, v, want)
		}
	}
	o.Tokens(0, 0, time.Time{})
	got = gather(t)
	if v, ok := got[next]; ok {
		t.Errorf("no token expires, but the next one does so at %v", v)
	}
	if v, ok := got["tokens_expiring{}"]; !ok || v != 0 {
		t.Errorf("tokens_expiring is %v", v)
	}
}

// Every limit that can be configured has a label of its own.
func TestEveryLimitIsALabel(t *testing.T) {
	t.Parallel()
	l := reflect.TypeFor[Limits]()
	for f := range l.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, ok := limited.by[name]; !ok {
			t.Errorf("limit %q is counted as other", name)
		}
	}
}

// Each limit that the core names has a label of its own.
func TestEveryLimitMetIsALabel(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`\.At\("([a-z_]+)"\)|tooMany\("([a-z_]+)"|\bLimit: *"([a-z_]+)"`)
	seen := 0
	err := filepath.WalkDir("../scimmodule", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, m := range named.FindAllStringSubmatch(mustRead(t, path), -1) {
			seen++
			if name := m[1] + m[2] + m[3]; limited.by[name] == nil {
				t.Errorf("%s: limit %q is counted as other", path, name)
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Errorf("%d limits, %v", seen, err)
	}
}

// The words that the Observer's documentation lists are the labels.
func TestObserverListsTheLabels(t *testing.T) {
	t.Parallel()
	source := mustRead(t, "../scimmodule/tenancy/tenancy.go")
	for method, c := range map[string]counters{"Authenticated": authentications, "Users": userEvents} {
		_, text, ok := strings.Cut(source, "// "+method+" tells")
		text, _, _ = strings.Cut(text, "\t"+method+"(")
		words := regexp.MustCompile(`"([a-z_]+)"`).FindAllStringSubmatch(text, -1)
		if !ok || len(words) == 0 {
			t.Fatalf("%s is documented without words", method)
		}
		for _, w := range words {
			if c.by[w[1]] == nil {
				t.Errorf("%s(%q) is counted as other", method, w[1])
			}
		}
		if len(c.by) != len(words)+1 {
			t.Errorf("%s: %d labels for %d words and other", method, len(c.by), len(words))
		}
	}
}

// Counting is on every request's path. Not parallel: it counts allocations.
func TestCountersAllocateNothing(t *testing.T) {
	o := observer{}
	if n := testing.AllocsPerRun(100, func() { o.Authenticated("ok"); o.Limited("never heard of"); o.Users("purged", 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
