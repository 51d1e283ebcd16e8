package observetest

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// collector is what traces are exported to, by OTLP over HTTP.
type collector struct {
	mu    sync.Mutex
	spans []span
}

// span is one exported span.
type span struct {
	trace, id, parent string
	name              string
	scope             string
	kind              otlp.Span_SpanKind
	status            *otlp.Status
	attributes        map[string]string
	text              string // all that was exported of it
}

// startCollector starts a collector, and points the exporters of servers that
// the test starts at it.
func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req coltrace.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &req)
		}
		if err != nil {
			t.Errorf("what arrived is no export: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.take(&req)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(s.Close)
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER":        "otlp",
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
		"OTEL_EXPORTER_OTLP_ENDPOINT": s.URL,
		"OTEL_BSP_SCHEDULE_DELAY":     "50",
	} {
		t.Setenv(name, value)
	}
	return c
}

func (c *collector) take(req *coltrace.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range req.GetResourceSpans() {
		for _, in := range r.GetScopeSpans() {
			for _, s := range in.GetSpans() {
				c.spans = append(c.spans, span{
					trace: hex.EncodeToString(s.GetTraceId()), id: hex.EncodeToString(s.GetSpanId()), parent: hex.EncodeToString(s.GetParentSpanId()),
					name: s.GetName(), scope: in.GetScope().GetName(), kind: s.GetKind(), status: s.GetStatus(),
					attributes: attributes(s.GetAttributes()), text: protojson.Format(s),
				})
			}
		}
	}
}

func attributes(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		switch v := kv.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[kv.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			out[kv.GetKey()] = strconv.FormatInt(v.IntValue, 10)
		default:
			out[kv.GetKey()] = protojson.Format(kv.GetValue())
		}
	}
	return out
}

// all returns what was exported so far.
func (c *collector) all() []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]span(nil), c.spans...)
}

// children are the spans below one, directly.
func (c *collector) children(parent span) []span {
	var list []span
	for _, s := range c.all() {
		if s.trace == parent.trace && s.parent == parent.id {
			list = append(list, s)
		}
	}
	return list
}

// named are the spans of a name.
func (c *collector) named(name string) []span {
	var list []span
	for _, s := range c.all() {
		if s.name == name {
			list = append(list, s)
		}
	}
	return list
}
