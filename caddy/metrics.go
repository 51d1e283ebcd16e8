package caddy

import (
	"errors"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// The collectors live as long as the process, so that counters survive a
// reload; each configuration registers them with its own registry. What they
// mean is in docs/observability.md.
var (
	requestsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "scim", Name: "requests_total",
		Help: "SCIM requests by operation, resource type and outcome (2xx, 3xx, 401, 404, 409, 412, 429, other 4xx, 503, other 5xx).",
	}, []string{"operation", "resource_type", "outcome"})

	requestDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "scim", Name: "request_duration_seconds",
		Help:    "Time to answer a SCIM request, by operation and resource type.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"operation", "resource_type"})

	storeDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "scim", Name: "store_duration_seconds",
		Help:    "Time of one call of the store, by driver, call and outcome (ok, refused, unavailable, uncertain, canceled, error).",
		Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, []string{"driver", "op", "outcome"})

	droppedAttributes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "scim", Name: "dropped_attributes_total",
		Help: "Attributes that clients sent and the allow list does not keep, by name; \"other\" for names that no RFC schema has.",
	}, []string{"attribute"})

	authentications = newCounters("authentications_total",
		"Requests by how their token was judged.", "outcome",
		"ok", "missing", "malformed", "unknown", "expired", "address", "throttled", "unavailable")

	limited = newCounters("limited_total",
		"Requests that met a limit, by the limit's name.", "limit",
		"rate", "authentication",
		"body", "depth", "string_bytes", "patch_operations", "bulk_operations", "members_per_request", "creations_per_request",
		"filter_bytes", "filter_depth", "filter_terms", "page", "default_page", "scan_budget",
		// These are fixed.
		"names", "resource_bytes", "member_comparisons", "commit")

	userEvents = newCounters("users_total",
		"Users by what became of them: created_from_members, archived, returned, restored, purged.", "event",
		"created_from_members", "archived", "returned", "restored", "purged")

	housekeepingRuns = newCounters("housekeeping_runs_total",
		"Rounds of background work that this node finished, by outcome.", "outcome",
		"ok", "failed")

	housekeepingDuration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "scim", Name: "housekeeping_duration_seconds",
		Help:    "Time of a round of background work.",
		Buckets: []float64{.01, .1, .5, 1, 5, 15, 60, 300, 900, 3600},
	})

	housekeepingLastSuccess = newGauge("housekeeping_last_success_timestamp_seconds",
		"When this node last finished a round of background work without an error, in Unix time; absent before the first.")

	tenantCount = newGauge("tenants", "Tenants by state.", "state")

	tokensExpiring = newGauge("tokens_expiring", "Tokens that expire within 30 days.")

	tokensExpired = newGauge("tokens_expired", "Tokens that have expired and are still listed.")

	tokenNextExpiry = newGauge("token_next_expiry_timestamp_seconds",
		"When the next token expires, in Unix time; absent where none does.")
)

// collectors are all that the package measures with.
var collectors = []prometheus.Collector{
	requestsTotal, requestDuration, storeDuration, droppedAttributes,
	authentications.vec, limited.vec, userEvents.vec,
	housekeepingRuns.vec, housekeepingDuration, housekeepingLastSuccess,
	tenantCount, tokensExpiring, tokensExpired, tokenNextExpiry,
	storesUp,
}

// What an alarm watches for is counted from zero, so that its first occurrence is
// an increase.
func init() {
	for _, operation := range []string{"create", "read", "replace", "patch", "delete", "query"} {
		for _, resourceType := range []string{"User", "Group"} {
			requestsTotal.WithLabelValues(operation, resourceType, "5xx")
		}
	}
	for _, operation := range []string{"query", "bulk", "discovery", "other"} {
		requestsTotal.WithLabelValues(operation, "", "5xx")
	}
}

// registerMetrics adds the collectors to a configuration's registry.
func registerMetrics(r *prometheus.Registry) error {
	if r == nil {
		return nil // a context made by hand, as tests do
	}
	for _, c := range collectors {
		if err := r.Register(c); err != nil && !errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			return err
		}
	}
	return nil
}

// newGauge returns a gauge that is absent until it is first set, even where it
// has no labels.
func newGauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "caddy", Subsystem: "scim", Name: name, Help: help}, labels)
}

// other is the label of what is not on a list.
const other = "other"

// counters are a counter for each value of one label. The values are a closed
// list, all there from the start: a rate sees the first event, and no word from
// elsewhere becomes a label.
type counters struct {
	vec *prometheus.CounterVec
	by  map[string]prometheus.Counter
}

func newCounters(name, help, label string, values ...string) counters {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "caddy", Subsystem: "scim", Name: name, Help: help}, []string{label})
	c := counters{vec: vec, by: make(map[string]prometheus.Counter, len(values)+1)}
	for _, v := range append(slices.Clone(values), other) {
		c.by[v] = vec.WithLabelValues(v)
	}
	return c
}

// of returns the counter of a value, or that of the others.
func (c counters) of(value string) prometheus.Counter {
	if k, ok := c.by[value]; ok {
		return k
	}
	return c.by[other]
}
