package adapters_test

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	_ "modernc.org/sqlite"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/otelhook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// depthOf returns what is reported of a queue.
func depthOf(t *testing.T, reader *metric.ManualReader) (depth int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	for _, m := range all.ScopeMetrics[0].Metrics {
		if data, ok := m.Data.(metricdata.Gauge[int64]); ok && m.Name == "sonzaihook.queue.depth" {
			require.Len(t, data.DataPoints, 1)
			return data.DataPoints[0].Value
		}
	}
	require.Fail(t, "no depth")
	return 0
}

func TestATraceGoesThroughAQueueInADatabaseWhoseDepthIsReported(t *testing.T) {
	t.Parallel()
	spans, reader := tracetest.NewSpanRecorder(), metric.NewManualReader()
	telemetry, err := otelhook.New(
		otelhook.WithTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans))),
		otelhook.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))),
		otelhook.WithPropagator(propagation.TraceContext{}))
	require.NoError(t, err)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "hooks.db")+"?_pragma=journal_mode(WAL)")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	store, err := sqlhook.New(db, sqlhook.SQLite)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	queue := store.Queue("sonzai")
	_, err = telemetry.ObserveQueue("sonzai", func(ctx context.Context) (int64, time.Duration, error) {
		stats, err := queue.Stats(ctx)
		return int64(stats.Waiting + stats.Running), stats.Oldest, err
	})
	require.NoError(t, err)

	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), append(telemetry.Options(),
		sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
		sonzaihook.WithStore(telemetry.Store(store)), sonzaihook.WithHandOff(telemetry.HandOff(queue.Enqueue)))...)
	require.NoError(t, err)
	telemetry.Attach(hooks)
	ran := make(chan struct{})
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { close(ran); return nil })
	require.Equal(t, 202, hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventMoodChange)).Code)
	require.EqualValues(t, 1, depthOf(t, reader))

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- queue.Run(ctx, hooks) }()
	<-ran
	require.Eventually(t, func() bool { return depthOf(t, reader) == 0 }, 20*time.Second, 20*time.Millisecond)
	stop()
	require.NoError(t, <-ended)

	require.Len(t, spans.Ended(), 2, "one of the hand-off, and one of the callbacks")
	send, process := spans.Ended()[0], spans.Ended()[1]
	require.Equal(t, "send agent.mood_change", send.Name())
	require.Equal(t, "process agent.mood_change", process.Name())
	require.NotEqual(t, send.SpanContext().TraceID(), process.SpanContext().TraceID())
	require.Len(t, process.Links(), 1)
	require.Equal(t, send.SpanContext().SpanID(), process.Links()[0].SpanContext.SpanID())
}
