package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// dashboard is what a test needs of dashboard.json.
type dashboard struct {
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct{ Query json.RawMessage }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	require.NotEmpty(t, d.Panels)
	return d
}

// Not parallel: the providers are global.
func TestTheServerExportsEveryMetricOfTheDashboard(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans)))
	require.NoError(t, exportMetrics())
	hooks, telemetry, err := newHooks(hooktest.Secret)
	require.NoError(t, err)
	_, err = telemetry.ObserveQueue("sonzai", func(context.Context) (int64, time.Duration, error) { return 1, time.Second, nil })
	require.NoError(t, err)
	router := newRouter(hooks, telemetry)
	deliver := func(body []byte, options ...hooktest.Option) int {
		return hooktest.Deliver(t, router, body, append(options, hooktest.To("/webhooks/sonzai/agent.mood_change"))...).Code
	}
	mood := hooktest.Fixture(t, sonzaihook.EventMoodChange)
	require.Equal(t, http.StatusOK, deliver(mood))
	require.Equal(t, http.StatusUnauthorized, deliver(mood, hooktest.Tampered()))
	next := "whsec_the_next_one_0123456789abcdef"
	require.NoError(t, hooks.Rotate(sonzaihook.AnyEvent, next, time.Hour))
	require.Equal(t, http.StatusOK, deliver(hooktest.FlatFixture(t, sonzaihook.EventMoodChange)))
	enqueue := telemetry.HandOff(func(context.Context, *sonzaihook.Delivery) error { return nil })
	require.NoError(t, enqueue(t.Context(), &sonzaihook.Delivery{Type: sonzaihook.EventMoodChange}))

	for _, accept := range []string{"", "text/plain;version=1.0.0;escaping=allow-utf-8"} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		req.Header.Set("Accept", accept)
		answer := httptest.NewRecorder()
		router.ServeHTTP(answer, req)
		page, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		exported := map[string]bool{}
		for line := range strings.Lines(string(page)) {
			name, _, _ := strings.Cut(line, "{")
			exported[name] = true
		}
		used := 0
		for name := range metricsOf(readDashboard(t)) {
			require.True(t, exported[name], "%s is in the dashboard and not exported:\n%s", name, page)
			used++
		}
		require.GreaterOrEqual(t, used, 10)
	}

	// otelhttp's own span is the parent, in one trace.
	var server, process trace.ReadOnlySpan
	for _, span := range spans.Ended() {
		switch span.Name() {
		case "process agent.mood_change":
			process = span
		}
	}
	require.NotNil(t, process)
	for _, span := range spans.Ended() {
		if span.SpanContext().SpanID() == process.Parent().SpanID() {
			server = span
		}
	}
	require.NotNil(t, server)
	require.Equal(t, "server", server.SpanKind().String())
}

func TestASendersTraceContextIsALinkBehindOtelhttp(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans)))
	require.NoError(t, exportMetrics())
	hooks, telemetry, err := newHooks(hooktest.Secret)
	require.NoError(t, err)
	req := hooktest.NewRequest(t, hooktest.Fixture(t, sonzaihook.EventMoodChange), hooktest.To("/webhooks/sonzai/agent.mood_change"))
	req.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	newRouter(hooks, telemetry).ServeHTTP(httptest.NewRecorder(), req)
	var linked bool
	for _, span := range spans.Ended() {
		require.NotEqual(t, "0af7651916cd43dd8448eb211c80319c", span.SpanContext().TraceID().String(), span.Name())
		for _, link := range span.Links() {
			linked = linked || link.SpanContext.SpanID().String() == "b7ad6b7169203331"
		}
	}
	require.True(t, linked)
}

var metricName = regexp.MustCompile(`\b(?:sonzaihook|messaging)_[a-z_]+`)

// metricsOf returns the names of the metrics that a dashboard asks for.
func metricsOf(d dashboard) map[string]bool {
	names := map[string]bool{}
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				names[name] = true
			}
		}
	}
	for _, variable := range d.Templating.List {
		for _, name := range metricName.FindAllString(string(variable.Query), -1) {
			names[name] = true
		}
	}
	return names
}

func TestThePanelsOfTheDashboardDoNotOverlap(t *testing.T) {
	t.Parallel()
	cells, ids := map[[2]int]string{}, map[int]bool{}
	for _, panel := range readDashboard(t).Panels {
		require.Equal(t, panel.Type == "row", len(panel.Targets) == 0, panel.Title)
		require.False(t, ids[panel.ID], panel.Title)
		ids[panel.ID] = true
		at := panel.GridPos
		require.LessOrEqual(t, at.X+at.W, 24, panel.Title)
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				require.Empty(t, cells[[2]int{x, y}], panel.Title)
				cells[[2]int{x, y}] = panel.Title
			}
		}
	}
}

var (
	legendLabel = regexp.MustCompile(`{{(\w+)}}`)
	groupedBy   = regexp.MustCompile(`^(?:histogram_quantile\([\d.]+, )?(?:sum|max) by \(([\w, ]+)\)`)
)

// A label that a series does not have is empty in its legend.
func TestALegendNamesTheLabelsThatItsQueryGroupsBy(t *testing.T) {
	t.Parallel()
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			var grouped []string
			if by := groupedBy.FindStringSubmatch(target.Expr); by != nil {
				grouped = strings.Split(by[1], ", ")
			}
			var named []string
			for _, label := range legendLabel.FindAllStringSubmatch(target.LegendFormat, -1) {
				named = append(named, label[1])
			}
			grouped = slices.DeleteFunc(grouped, func(label string) bool { return label == "le" })
			require.ElementsMatch(t, grouped, named, "%s: %s", panel.Title, target.Expr)
		}
	}
}

var (
	codeConstant = regexp.MustCompile(`(?m)^\tCode\w+ += "(\w+)"`)
	codesAsked   = regexp.MustCompile(`code=~"([\w|]+)"`)
)

func TestTheDashboardCountsEveryCodeThatIsAnswered5xx(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join("..", "..", "outcome.go"))
	require.NoError(t, err)
	var want []string
	for _, constant := range codeConstant.FindAllStringSubmatch(string(source), -1) {
		var problem struct{ Status int }
		require.NoError(t, json.Unmarshal(sonzaihook.Outcome{Code: constant[1]}.Body(), &problem), constant[1])
		if problem.Status >= http.StatusInternalServerError {
			want = append(want, constant[1])
		}
	}
	require.Contains(t, want, sonzaihook.CodeFailed)
	asked := 0
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			for _, codes := range codesAsked.FindAllStringSubmatch(target.Expr, -1) {
				require.ElementsMatch(t, want, strings.Split(codes[1], "|"), panel.Title)
				asked++
			}
		}
	}
	require.Positive(t, asked)
}

// promtool reads the queries as Prometheus does, once Grafana's variables are
// replaced.
func TestPrometheusUnderstandsTheQueries(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian package prometheus)")
	}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	n := 0
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			expr := strings.NewReplacer("$__rate_interval_ms", "300000", "$__rate_interval", "5m", "$job", ".*").Replace(target.Expr)
			quoted, err := json.Marshal(expr)
			require.NoError(t, err)
			fmt.Fprintf(&rules, "  - record: query_%d\n    expr: %s\n", n, quoted)
			n++
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	require.NoError(t, os.WriteFile(file, []byte(rules.String()), 0o600))
	out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput()
	require.NoError(t, err, string(out))
}
