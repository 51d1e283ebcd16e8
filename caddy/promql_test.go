package caddy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// targetLabels are those that Prometheus adds.
var targetLabels = []string{"job", "instance"}

var (
	selector = regexp.MustCompile(`\b(caddy_scim_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`^\s*([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*$`)
	grouping = regexp.MustCompile(`\b(?:by|on|without|ignoring)\s*\(([^)]*)\)`)
	word     = regexp.MustCompile(`^[A-Za-z0-9_]*$`)
)

// checkQuery reports what is wrong with a PromQL expression.
func checkQuery(all map[string]definition, expr string) []string {
	problems := balance(expr)
	found := selector.FindAllStringSubmatch(expr, -1)
	if len(found) == 0 {
		problems = append(problems, "no metric of ours")
	}
	labels := slices.Clone(targetLabels)
	for _, m := range found {
		d, ok := resolve(all, m[1])
		if !ok {
			problems = append(problems, m[1]+" cannot be queried")
			continue
		}
		own := append(slices.Clone(targetLabels), d.Labels...)
		labels = append(labels, own...)
		if m[2] == "" {
			continue
		}
		for part := range strings.SplitSeq(m[2], ",") {
			problems = append(problems, checkMatcher(m[1], own, part)...)
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(m[1], ",") {
			if l = strings.TrimSpace(l); !slices.Contains(labels, l) {
				problems = append(problems, "grouped by "+l+", which no metric in it has")
			}
		}
	}
	return problems
}

func checkMatcher(metric string, labels []string, text string) (problems []string) {
	m := matcher.FindStringSubmatch(text)
	if m == nil {
		return []string{"no matcher: " + text}
	}
	label := m[1]
	if !slices.Contains(labels, label) {
		return []string{metric + " has no label " + label}
	}
	if slices.Contains(targetLabels, label) {
		return nil
	}
	base := strings.TrimSuffix(strings.TrimSuffix(metric, "_bucket"), "_count")
	values, ok := closed()[base+" "+label]
	if !ok {
		values, ok = closed()[label]
	}
	if !ok {
		return []string{"nobody knows the values of " + label}
	}
	for v := range strings.SplitSeq(m[3], "|") {
		if word.MatchString(v) {
			if !slices.Contains(values, v) {
				problems = append(problems, fmt.Sprintf("%s of %s is never %q", label, metric, v))
			}
			continue
		}
		re, err := regexp.Compile("^(?:" + v + ")$")
		if err != nil || !slices.ContainsFunc(values, re.MatchString) {
			problems = append(problems, fmt.Sprintf("%s of %s never matches %q", label, metric, v))
		}
	}
	return problems
}

// balance reports brackets that do not match, and strings that do not end.
func balance(expr string) []string {
	var open []rune
	pairs := map[rune]rune{')': '(', ']': '[', '}': '{'}
	quoted := false
	for _, r := range expr {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case strings.ContainsRune("([{", r):
			open = append(open, r)
		case pairs[r] != 0:
			if len(open) == 0 || open[len(open)-1] != pairs[r] {
				return []string{"unbalanced " + string(r)}
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 || quoted {
		return []string{"unbalanced: something is not closed"}
	}
	return nil
}

// The check itself finds what it is for.
func TestCheckQuery(t *testing.T) {
	t.Parallel()
	all := definitions(t)
	for _, bad := range []string{
		`up`,
		`sum(caddy_scim_requests_total`,
		`sum(caddy_scim_requests_total})`,
		`caddy_scim_requests_total{outcome="5xx}`,
		`caddy_scim_requests{outcome="5xx"}`,
		`caddy_scim_requests_total_count`,
		`caddy_scim_request_duration_seconds`,
		`caddy_scim_requests_total{tenant="acme"}`,
		`caddy_scim_requests_total{outcome="500"}`,
		`caddy_scim_requests_total{outcome=~"503|6.*"}`,
		`caddy_scim_authentications_total{outcome=~"unknown|wrong"}`,
		`sum by (le) (caddy_scim_store_duration_seconds_count)`,
		`sum by (tenant) (caddy_scim_users_total)`,
	} {
		if len(checkQuery(all, bad)) == 0 {
			t.Errorf("nothing wrong with %s", bad)
		}
	}
	good := `histogram_quantile(0.9, sum by (le, op) (rate(caddy_scim_store_duration_seconds_bucket{op="commit",outcome!~"ok|un.*",job=~"$job"}[5m]))) > 1`
	if p := checkQuery(all, good); len(p) > 0 {
		t.Errorf("%s: %v", good, p)
	}
}
