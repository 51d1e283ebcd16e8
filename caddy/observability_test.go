package caddy

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
)

// These tests hold docs/observability to what the code registers.
const (
	pageFile      = "../docs/observability.md"
	alertsFile    = "../docs/observability/alerts.yml"
	dashboardFile = "../docs/observability/grafana-dashboard.json"
)

// definition is what a dashboard can know of a metric.
type definition struct {
	Type   string
	Labels []string
}

// definitions are those of the collectors, by name.
func definitions(t *testing.T) map[string]definition {
	t.Helper()
	parts := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	out := map[string]definition{}
	for _, c := range collectors {
		ch := make(chan *prometheus.Desc, 4)
		c.Describe(ch)
		m := parts.FindStringSubmatch((<-ch).String())
		if m == nil || len(ch) > 0 {
			t.Fatalf("a %T describes itself in a way that this test does not know", c)
		}
		var d definition
		switch c.(type) {
		case *prometheus.CounterVec:
			d.Type = "counter"
		case *prometheus.GaugeVec, *upCollector:
			d.Type = "gauge"
		case prometheus.Histogram, *prometheus.HistogramVec:
			d.Type = "histogram"
		default:
			t.Fatalf("a %T is no type of metric that the page has", c)
		}
		if m[2] != "" {
			d.Labels = strings.Split(m[2], ",")
		}
		slices.Sort(d.Labels)
		out[m[1]] = d
	}
	return out
}

// resolve returns the definition behind a name in a query, which for histograms
// has a suffix.
func resolve(all map[string]definition, name string) (definition, bool) {
	if d, ok := all[name]; ok {
		return d, d.Type != "histogram"
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, cut := strings.CutSuffix(name, suffix)
		if d, ok := all[base]; cut && ok && d.Type == "histogram" {
			if suffix == "_bucket" {
				d.Labels = append(slices.Clone(d.Labels), "le")
			}
			return d, true
		}
	}
	return definition{}, false
}

// closed are the values that a label can have, by label, or by metric and label
// where the word means different things.
func closed() map[string][]string {
	words := func(c counters) []string { return slices.Collect(maps.Keys(c.by)) }
	return map[string][]string{
		"operation":                         {"create", "read", "replace", "patch", "delete", "query", "bulk", "discovery", "other"},
		"resource_type":                     {"User", "Group", ""},
		"op":                                storeOps,
		"driver":                            {"bolt", "redis", "memory"},
		"state":                             {"active", "paused"},
		"limit":                             words(limited),
		"event":                             words(userEvents),
		"caddy_scim_requests_total outcome": {"2xx", "3xx", "401", "404", "409", "412", "429", "4xx", "503", "5xx"},
		"caddy_scim_store_duration_seconds outcome":  {"ok", "refused", "unavailable", "uncertain", "canceled", "error"},
		"caddy_scim_authentications_total outcome":   words(authentications),
		"caddy_scim_housekeeping_runs_total outcome": words(housekeepingRuns),
	}
}

func TestPageDocumentsEveryMetric(t *testing.T) {
	t.Parallel()
	page := mustRead(t, pageFile)
	documented := map[string]definition{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(caddy_scim_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\| [^|]{10,} \\|$").FindAllStringSubmatch(page, -1) {
		d := definition{Type: m[2]}
		for _, l := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(m[3], -1) {
			d.Labels = append(d.Labels, l[1])
		}
		slices.Sort(d.Labels)
		documented[m[1]] = d
	}
	if d := cmp.Diff(definitions(t), documented); d != "" {
		t.Errorf("what is registered and what %s says (-registered +documented):\n%s", pageFile, d)
	}
	for label, values := range closed() {
		for _, v := range values {
			if v != "" && !strings.Contains(page, "`"+v+"`") && !strings.Contains(page, `="`+v+`"`) {
				t.Errorf("the page does not name the value %q of %s", v, label)
			}
		}
	}
}

// No page names a metric that is not there.
func TestDocsNameNoOtherMetrics(t *testing.T) {
	t.Parallel()
	all := definitions(t)
	for _, file := range []string{pageFile, alertsFile, dashboardFile, "../docs/operations.md"} {
		names := regexp.MustCompile(`caddy_scim_[a-z_]+`).FindAllString(mustRead(t, file), -1)
		if len(names) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, name := range names {
			if _, ok := all[name]; ok {
				continue
			}
			if _, ok := resolve(all, name); !ok {
				t.Errorf("%s names %s, which nobody registers", file, name)
			}
		}
	}
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	d := yaml.NewDecoder(strings.NewReader(mustRead(t, alertsFile)))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	all, seen := definitions(t), map[string]bool{}
	duration := regexp.MustCompile(`^[1-9][0-9]*[mhd]$`)
	variable := regexp.MustCompile(`\$labels\.([a-z_]+)`)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Scim") {
				t.Errorf("the name %q is taken or not ours", r.Alert)
			}
			seen[r.Alert] = true
			for _, p := range checkQuery(all, r.Expr) {
				t.Errorf("%s: %s\n%s", r.Alert, p, r.Expr)
			}
			if !duration.MatchString(r.For) || !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
				t.Errorf("%s: for %q, severity %q", r.Alert, r.For, r.Labels["severity"])
			}
			if len(r.Annotations["summary"]) < 20 || len(r.Annotations["description"]) < 80 || len(r.Annotations) != 2 {
				t.Errorf("%s: does not say what is wrong and what to do: %v", r.Alert, r.Annotations)
			}
			for _, text := range r.Annotations {
				if strings.Count(text, "{{") != strings.Count(text, "}}") || !strings.HasSuffix(text, ".") {
					t.Errorf("%s: %s", r.Alert, text)
				}
				for _, v := range variable.FindAllStringSubmatch(text, -1) {
					if !regexp.MustCompile(`by \([^)]*\b` + v[1] + `\b`).MatchString(r.Expr) {
						t.Errorf("%s: the expression leaves no label %s", r.Alert, v[1])
					}
				}
			}
		}
	}
	for _, want := range []string{"ScimStoreAway", "ScimUnexpectedErrors", "ScimUncertainCommits", "ScimAuthenticationFailures",
		"ScimRateLimited", "ScimTokenExpires30Days", "ScimTokenExpires7Days", "ScimHousekeepingLate"} {
		if !seen[want] {
			t.Errorf("no alert %s", want)
		}
	}
}

// panel is what the tests look at of a Grafana panel.
type panel struct {
	ID          int
	Type, Title string
	Description string
	GridPos     struct{ H, W, X, Y int }
	Datasource  struct{ Type, UID string }
	Targets     []struct {
		RefID, Expr string
		Datasource  struct{ Type, UID string }
	}
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	var board struct {
		Title, UID    string
		SchemaVersion int
		ID            *int
		Panels        []panel
		Templating    struct {
			List []struct{ Name, Type string }
		}
	}
	if err := json.Unmarshal([]byte(mustRead(t, dashboardFile)), &board); err != nil {
		t.Fatal(err)
	}
	if board.Title == "" || board.UID == "" || board.SchemaVersion < 36 || board.ID != nil {
		t.Errorf("cannot be imported: %q %q, schema %d, id %v", board.Title, board.UID, board.SchemaVersion, board.ID)
	}
	variables := map[string]string{}
	for _, v := range board.Templating.List {
		variables[v.Name] = v.Type
	}
	if d := cmp.Diff(map[string]string{"datasource": "datasource", "job": "query", "instance": "query"}, variables); d != "" {
		t.Errorf("variables (-want +got):\n%s", d)
	}
	all, used, ids, cells := definitions(t), map[string]bool{}, map[int]bool{}, map[[2]int]string{}
	for _, p := range board.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: taken id or no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("%q is over %q, or over the edge", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" {
			checkPanel(t, all, used, p)
		}
	}
	for name := range all {
		if !used[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func checkPanel(t *testing.T, all map[string]definition, used map[string]bool, p panel) {
	t.Helper()
	if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" || p.Description == "" {
		t.Errorf("%q has no target, no variable data source or no description", p.Title)
	}
	for _, target := range p.Targets {
		for _, problem := range checkQuery(all, target.Expr) {
			t.Errorf("%q: %s\n%s", p.Title, problem, target.Expr)
		}
		if target.RefID == "" || target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `job=~"$job",instance=~"$instance"`) {
			t.Errorf("%q ignores a variable: %s", p.Title, target.Expr)
		}
		for _, m := range selector.FindAllStringSubmatch(target.Expr, -1) {
			for name := range all {
				if m[1] == name || strings.HasPrefix(m[1], name+"_") {
					used[name] = true
				}
			}
		}
	}
}
