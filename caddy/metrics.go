package caddy

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// The collectors live as long as the process, so that counters survive a
// reload; each configuration registers them with its own registry.
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
)

// registerMetrics adds the collectors to a configuration's registry.
func registerMetrics(r *prometheus.Registry) error {
	if r == nil {
		return nil // a context made by hand, as tests do
	}
	for _, c := range []prometheus.Collector{requestsTotal, requestDuration, storeDuration, droppedAttributes} {
		if err := r.Register(c); err != nil && !errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			return err
		}
	}
	return nil
}

// observer counts what the service does.
type observer struct{}

var _ scimmodule.Observer = observer{}

// Request implements scimmodule.Observer.
func (observer) Request(operation, resourceType string, status int, d time.Duration) {
	requestsTotal.WithLabelValues(operation, resourceType, outcome(status)).Inc()
	requestDuration.WithLabelValues(operation, resourceType).Observe(d.Seconds())
}

// Dropped implements scimmodule.Observer.
func (observer) Dropped(attribute string, n int) {
	droppedAttributes.WithLabelValues(attribute).Add(float64(n))
}

// outcome is the status, or its class where nobody would set an alarm on it.
func outcome(status int) string {
	switch status {
	case 401, 404, 409, 412, 429, 503:
		return strconv.Itoa(status)
	}
	return strconv.Itoa(status/100) + "xx"
}

// storeOutcome classifies the error of a store's call.
func storeOutcome(err error) string {
	switch {
	case err == nil || errors.Is(err, store.ErrNotFound):
		return "ok"
	case errors.Is(err, store.ErrUncertain):
		return "uncertain"
	case errors.Is(err, store.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return "canceled"
	case errors.Is(err, store.ErrTooLarge) || isRefusal(err):
		return "refused"
	}
	return "error"
}

// isRefusal tells whether a precondition of a commit did not hold, or a reader
// of the change log fell behind.
func isRefusal(err error) bool {
	var (
		conflict  *store.ConflictError
		unique    *store.UniqueError
		missing   *store.MissingError
		truncated *store.TruncatedError
	)
	return errors.As(err, &conflict) || errors.As(err, &unique) || errors.As(err, &missing) || errors.As(err, &truncated)
}
