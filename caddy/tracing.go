package caddy

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddy-scim/caddy-scim/scimmodule"
)

// scope is the instrumentation scope of this module's spans.
const scope = "github.com/caddy-scim/caddy-scim"

// tracer returns what makes children of the context's span, from the provider
// that Caddy's `tracing` directive set up; nil where nothing is recorded, so that
// a request without the directive pays for nothing.
func tracer(ctx context.Context) trace.Tracer {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return nil
	}
	return parent.TracerProvider().Tracer(scope)
}

// beginRequest begins the span of a SCIM request; nil where nothing is recorded.
// describeRequest gives it its name when the request has been understood.
func beginRequest(ctx context.Context) (context.Context, trace.Span) {
	t := tracer(ctx)
	if t == nil {
		return ctx, nil
	}
	return t.Start(ctx, "scim")
}

// describeRequest writes onto the request's span what metrics know too: no path,
// no id and no word of the client.
func describeRequest(ctx context.Context, e scimmodule.Exchange) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	name := "scim " + e.Operation
	span.SetAttributes(attribute.String("scim.operation", e.Operation), attribute.Int("http.response.status_code", e.Status))
	if e.ResourceType != "" {
		name += " " + e.ResourceType
		span.SetAttributes(attribute.String("scim.resource_type", e.ResourceType))
	}
	span.SetName(name)
	if e.Status >= 500 {
		span.SetStatus(codes.Error, "")
	}
}

// beginCall begins the span of a call of the store; nil where nothing is
// recorded.
func beginCall(ctx context.Context, driver, op string) trace.Span {
	t := tracer(ctx)
	if t == nil {
		return nil
	}
	_, span := t.Start(ctx, "scim store "+op, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("scim.store.driver", driver), attribute.String("scim.store.op", op)))
	return span
}

// endCall ends the span of a call of the store. The error itself may name values,
// so its class stands for it.
func endCall(span trace.Span, outcome string) {
	span.SetAttributes(attribute.String("scim.store.outcome", outcome))
	switch outcome {
	case "unavailable", "uncertain", "error":
		span.SetStatus(codes.Error, outcome)
	}
	span.End()
}
