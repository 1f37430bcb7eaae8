package main

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

const (
	claimed = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent  = "00-" + claimed + "-00f067aa0ba902b7-01"
)

// deliver sends the server one delivery whose sender claims a trace.
func deliver(t *testing.T) {
	t.Helper()
	handler, _, err := newHandler(hooktest.Secret)
	require.NoError(t, err)
	request := hooktest.NewRequest(t, hooktest.Fixture(t, sonzaihook.EventMoodChange), hooktest.To("/webhooks/sonzai/agent.mood_change"))
	request.Header.Set("Traceparent", parent)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	require.Equal(t, http.StatusOK, answer.Code)
}

// Not parallel, as the tests after it: the environment and the provider are global.
func TestACollectorGetsTheTraceOfADelivery(t *testing.T) {
	requests := make(chan *collector.ExportTraceServiceRequest, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := new(collector.ExportTraceServiceRequest)
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		requests <- request
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_SERVICE_NAME", "moods")
	stop, err := startTracing(t.Context())
	require.NoError(t, err)
	deliver(t)
	require.NoError(t, stop(t.Context()))

	require.Len(t, requests, 1)
	sent := (<-requests).ResourceSpans
	require.Len(t, sent, 1)
	var service string
	for _, a := range sent[0].Resource.Attributes {
		if a.Key == "service.name" {
			service = a.Value.GetStringValue()
		}
	}
	require.Equal(t, "moods", service)
	spans := map[string]*wire.Span{}
	for _, scope := range sent[0].ScopeSpans {
		for _, span := range scope.Spans {
			spans[span.Name] = span
		}
	}
	require.Len(t, spans, 2)
	process := spans["process agent.mood_change"]
	require.NotNil(t, process)
	delete(spans, process.Name)
	for _, served := range spans {
		require.Equal(t, served.SpanId, process.ParentSpanId)
		require.Equal(t, served.TraceId, process.TraceId)
		require.Empty(t, served.ParentSpanId, "the server's span begins the trace")
	}
	require.NotEqual(t, claimed, hex.EncodeToString(process.TraceId))
	require.Len(t, process.Links, 1)
	require.Equal(t, claimed, hex.EncodeToString(process.Links[0].TraceId))
}

func TestWithoutACollectorSpansArePrinted(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	path := filepath.Join(t.TempDir(), "stderr")
	file, err := os.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	stderr := os.Stderr
	t.Cleanup(func() { os.Stderr = stderr })
	os.Stderr = file
	stop, err := startTracing(t.Context())
	require.NoError(t, err)
	deliver(t)
	require.NoError(t, stop(t.Context()))

	text, err := os.Open(path)
	require.NoError(t, err)
	defer text.Close()
	var names []string
	for decoder := json.NewDecoder(text); decoder.More(); {
		var span struct{ Name string }
		require.NoError(t, decoder.Decode(&span))
		names = append(names, span.Name)
	}
	require.Len(t, names, 2)
	require.Equal(t, "process agent.mood_change", names[0], "the run ends before the request")
}

func TestThePageAboutTelemetryShowsThisProvider(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "telemetry.md"))
	require.NoError(t, err)
	file, err := os.ReadFile("tracing.go")
	require.NoError(t, err)
	require.Contains(t, string(page), "```go tracing.go\n"+string(file)+"```\n")
}
