package caddy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-scim/caddy-scim/scimmodule/store"
)

func TestMetricsSurviveReload(t *testing.T) {
	i := newInstance(t)
	const site = "metrics /metrics\nscim"
	i.load(scimBlock("store memory"), site)
	first := i.scrape()
	i.createUser("ada")
	i.load(scimBlock("store memory\nallow default title"), site)
	i.createUser("grace")
	second := i.scrape()
	for name, want := range map[string]float64{
		`caddy_scim_requests_total{operation="create",outcome="2xx",resource_type="User"}`:   2,
		`caddy_scim_request_duration_seconds_count{operation="create",resource_type="User"}`: 2,
		`caddy_scim_store_duration_seconds_count{driver="memory",op="commit",outcome="ok"}`:  2,
	} {
		if got := second[name] - first[name]; got < want {
			t.Errorf("%s grew by %v, want %v", name, got, want)
		}
	}
	resp, _ := i.do("POST", "/scim/v2/Users", `{"userName":"dropped","nickName":"x","shoeSize":44}`)
	if resp.StatusCode != 201 {
		t.Fatal(resp.StatusCode)
	}
	third := i.scrape()
	for name := range third {
		if strings.Contains(name, "shoeSize") {
			t.Errorf("a name that a client made up is a label: %s", name)
		}
	}
	if third[`caddy_scim_dropped_attributes_total{attribute="nickName"}`] <= second[`caddy_scim_dropped_attributes_total{attribute="nickName"}`] {
		t.Error("a dropped attribute was not counted")
	}
}

// scrape returns our metrics.
func (i *instance) scrape() map[string]float64 {
	i.t.Helper()
	resp, text := i.do("GET", "/metrics", "")
	if resp.StatusCode != 200 {
		i.t.Fatalf("%d %s", resp.StatusCode, text)
	}
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || !strings.HasPrefix(name, "caddy_scim_") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			i.t.Fatal(err)
		}
		out[name+"}"] = v
	}
	return out
}

func TestRegisterMetricsTwice(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	for range 2 {
		if err := registerMetrics(r); err != nil {
			t.Error(err)
		}
	}
}

func TestStoreOutcome(t *testing.T) {
	t.Parallel()
	for want, errs := range map[string][]error{
		"ok":          {nil, store.ErrNotFound},
		"refused":     {&store.ConflictError{}, &store.UniqueError{}, &store.TruncatedError{}, store.ErrTooLarge},
		"unavailable": {fmt.Errorf("x: %w", store.ErrUnavailable)},
		"uncertain":   {fmt.Errorf("x: %w: %w", store.ErrUncertain, context.DeadlineExceeded)},
		"canceled":    {context.Canceled, context.DeadlineExceeded},
		"error":       {errors.New("x")},
	} {
		for _, err := range errs {
			if got := storeOutcome(err); got != want {
				t.Errorf("%v: %s, want %s", err, got, want)
			}
		}
	}
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{200: "2xx", 204: "2xx", 304: "3xx", 400: "4xx", 401: "401", 409: "409", 500: "5xx", 503: "503"} {
		if got := outcome(status); got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
}

func TestSecretIsNotShown(t *testing.T) {
	t.Parallel()
	s := Tenant{Name: "acme", Tokens: []Secret{"hunter2"}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, s); strings.Contains(got, "hunter2") {
			t.Errorf("%s shows %s", format, got)
		}
	}
	if got := s.Tokens[0].LogValue().String(); got != "REDACTED" {
		t.Errorf("logged as %s", got)
	}
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
