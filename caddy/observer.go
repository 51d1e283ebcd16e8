package caddy

import (
	"context"
	"time"

	"github.com/caddy-scim/caddy-scim/scimmodule"
)

// observer counts what the service does, and names the spans of its requests.
type observer struct{}

var _ scimmodule.Observer = observer{}

// Request implements scimmodule.Observer.
func (observer) Request(ctx context.Context, e scimmodule.Exchange) {
	requestsTotal.WithLabelValues(e.Operation, e.ResourceType, outcome(e.Status)).Inc()
	requestDuration.WithLabelValues(e.Operation, e.ResourceType).Observe(e.Duration.Seconds())
	describeRequest(ctx, e)
}

// Dropped implements scimmodule.Observer.
func (observer) Dropped(attribute string, n int) {
	droppedAttributes.WithLabelValues(attribute).Add(float64(n))
}

// Authenticated implements scimmodule.Observer.
func (observer) Authenticated(outcome string) { authentications.of(outcome).Inc() }

// Limited implements scimmodule.Observer.
func (observer) Limited(limit string) { limited.of(limit).Inc() }

// Users implements scimmodule.Observer.
func (observer) Users(event string, n int) { userEvents.of(event).Add(float64(n)) }

// Housekeeping implements scimmodule.Observer.
func (observer) Housekeeping(ok bool, d time.Duration) {
	housekeepingDuration.Observe(d.Seconds())
	if !ok {
		housekeepingRuns.of("failed").Inc()
		return
	}
	housekeepingRuns.of("ok").Inc()
	housekeepingLastSuccess.WithLabelValues().SetToCurrentTime()
}

// Tenants implements scimmodule.Observer.
func (observer) Tenants(all, paused int) {
	tenantCount.WithLabelValues("active").Set(float64(all - paused))
	tenantCount.WithLabelValues("paused").Set(float64(paused))
}

// Tokens implements scimmodule.Observer.
func (observer) Tokens(expiring, expired int, next time.Time) {
	tokensExpiring.WithLabelValues().Set(float64(expiring))
	tokensExpired.WithLabelValues().Set(float64(expired))
	if next.IsZero() {
		tokenNextExpiry.DeleteLabelValues()
		return
	}
	tokenNextExpiry.WithLabelValues().Set(float64(next.Unix()))
}
