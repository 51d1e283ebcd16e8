package caddy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddy-scim/caddy-scim/scimmodule"
	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

// recorded returns a context within a span, and what reads the spans that ended.
func recorded(t testing.TB, sampler sdktrace.Sampler) (context.Context, func() []sdktrace.ReadOnlySpan) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithSampler(sampler))
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	ctx, parent := p.Tracer("test").Start(t.Context(), "parent")
	t.Cleanup(func() { parent.End() })
	return ctx, spans.Ended
}

// attributes are a span's, as text.
func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	out := map[string]string{}
	for _, kv := range s.Attributes() {
		out[string(kv.Key)] = kv.Value.String()
	}
	return out
}

func TestRequestSpan(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		exchange   scimmodule.Exchange
		span       string
		attributes map[string]string
		status     codes.Code
	}{
		{"create", scimmodule.Exchange{Operation: "create", ResourceType: "User", Status: 201}, "scim create User",
			map[string]string{"scim.operation": "create", "scim.resource_type": "User", "http.response.status_code": "201"}, codes.Unset},
		{"no type", scimmodule.Exchange{Operation: "discovery", Status: 404}, "scim discovery",
			map[string]string{"scim.operation": "discovery", "http.response.status_code": "404"}, codes.Unset},
		{"failure", scimmodule.Exchange{Operation: "patch", ResourceType: "Group", Status: 503}, "scim patch Group",
			map[string]string{"scim.operation": "patch", "scim.resource_type": "Group", "http.response.status_code": "503"}, codes.Error},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			parent, ended := recorded(t, sdktrace.AlwaysSample())
			ctx, span := beginRequest(parent)
			if span == nil {
				t.Fatal("no span within one that is recorded")
			}
			observer{}.Request(ctx, tt.exchange)
			span.End()
			s := ended()[0]
			if s.Name() != tt.span || s.Parent().SpanID() != trace.SpanFromContext(parent).SpanContext().SpanID() {
				t.Errorf("span %q of %s", s.Name(), s.Parent().SpanID())
			}
			if d := cmp.Diff(tt.attributes, attributes(s)); d != "" {
				t.Errorf("attributes (-want +got):\n%s", d)
			}
			if got := s.Status(); got.Code != tt.status || got.Description != "" {
				t.Errorf("status %v", got)
			}
		})
	}
}

func TestStoreSpan(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err     error
		outcome string
		status  sdktrace.Status
	}{
		{nil, "ok", sdktrace.Status{}},
		{store.ErrNotFound, "ok", sdktrace.Status{}},
		{&store.ConflictError{ID: "ada@example.com"}, "refused", sdktrace.Status{}},
		{fmt.Errorf("ada@example.com: %w", store.ErrUnavailable), "unavailable", sdktrace.Status{Code: codes.Error, Description: "unavailable"}},
		{fmt.Errorf("ada@example.com: %w", store.ErrUncertain), "uncertain", sdktrace.Status{Code: codes.Error, Description: "uncertain"}},
		{errors.New("ada@example.com"), "error", sdktrace.Status{Code: codes.Error, Description: "error"}},
	} {
		t.Run(tt.outcome, func(t *testing.T) {
			t.Parallel()
			parent, ended := recorded(t, sdktrace.AlwaysSample())
			m := newMeasured(mustTake(t, "x"))
			_, err := call(parent, m, "commit", func(store.Store) (int, error) { return 0, tt.err })
			if !errors.Is(err, tt.err) {
				t.Fatal(err)
			}
			spans := ended()
			if len(spans) != 1 || spans[0].Name() != "scim store commit" || spans[0].SpanKind() != trace.SpanKindClient {
				t.Fatalf("spans %v", spans)
			}
			s := spans[0]
			want := map[string]string{"scim.store.driver": "memory", "scim.store.op": "commit", "scim.store.outcome": tt.outcome}
			if d := cmp.Diff(want, attributes(s)); d != "" {
				t.Errorf("attributes (-want +got):\n%s", d)
			}
			if s.Status() != tt.status || len(s.Events()) > 0 {
				t.Errorf("status %v, events %v", s.Status(), s.Events())
			}
		})
	}
}

// A panic's value may hold what a client sent.
func TestSpanOfAPanic(t *testing.T) {
	t.Parallel()
	ctx, ended := recorded(t, sdktrace.AlwaysSample())
	a := new(App) // without a service, serving panics
	a.handle = mustTake(t, "x")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		r := httptest.NewRequest(http.MethodGet, "/scim/v2/Users", nil)
		a.serve(httptest.NewRecorder(), r.WithContext(ctx), "/Users")
	}()
	spans := ended()
	if len(spans) != 1 || len(spans[0].Events()) > 0 {
		t.Errorf("want one span without events: %v", spans)
	}
}

// unrecorded are contexts in which nothing is traced.
func unrecorded(t testing.TB) map[string]context.Context {
	unsampled, _ := recorded(t, sdktrace.NeverSample())
	remote := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
	}))
	return map[string]context.Context{"no directive": t.Context(), "not sampled": unsampled, "remote only": remote}
}

// Not parallel: it counts allocations.
func TestNoTracingCostsNothing(t *testing.T) {
	op := strings.Clone("commit")
	for name, ctx := range unrecorded(t) {
		allocs := testing.AllocsPerRun(100, func() {
			c, request := beginRequest(ctx)
			describeRequest(c, scimmodule.Exchange{Operation: op, ResourceType: "User", Status: 201})
			if span := beginCall(c, "bolt", op); span != nil || request != nil || c != ctx {
				t.Error("a span where none is recorded")
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func BenchmarkStoreCall(b *testing.B) {
	h, err := newPool().take(Source{Driver: "memory", Identity: "x", Open: func(context.Context) (store.Store, error) { return nil, nil }})
	if err != nil {
		b.Fatal(err)
	}
	m := newMeasured(h)
	contexts := unrecorded(b)
	contexts["recorded"], _ = recorded(b, sdktrace.AlwaysSample())
	for name, ctx := range contexts {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(ctx, m, "get", func(store.Store) (int, error) { return 0, nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
