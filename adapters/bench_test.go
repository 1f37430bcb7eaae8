package adapters_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/echo5hook"
	"github.com/sonzaihook/sonzaihook/adapters/echohook"
	"github.com/sonzaihook/sonzaihook/adapters/ginhook"
	"github.com/sonzaihook/sonzaihook/adapters/httphook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// BenchmarkMount compares each adapter with the receiver under the framework's own
// wrapper. The two take turns, many short ones in one run, and the median of the
// turns' ratios is reported as "adapter/wrapper": 1.05 would be five percent more.
// There is no store, so that every delivery runs, and the rest costs least.
func BenchmarkMount(b *testing.B) {
	for _, framework := range []struct {
		name             string
		path, target     string
		adapter, wrapper func(path string, hooks *sonzaihook.Receiver) http.Handler
	}{
		{"echo", "/webhooks/sonzai", "/webhooks/sonzai", echoWith(echohook.Handler), echoWith(wrapEcho)},
		{"echo with event", "/webhooks/sonzai/:event", "/webhooks/sonzai/agent.message", echoWith(echohook.Handler), echoWith(wrapEcho)},
		{"echo5", "/webhooks/sonzai", "/webhooks/sonzai", echo5With(echo5hook.Handler), echo5With(wrapEcho5)},
		{"echo5 with event", "/webhooks/sonzai/:event", "/webhooks/sonzai/agent.message", echo5With(echo5hook.Handler), echo5With(wrapEcho5)},
		{"gin", "/webhooks/sonzai", "/webhooks/sonzai", ginWith(ginhook.Handler), ginWith(wrapGin)},
		{"gin with event", "/webhooks/sonzai/:event", "/webhooks/sonzai/agent.message", ginWith(ginhook.Handler), ginWith(wrapGin)},
		{"nethttp", "/webhooks/sonzai", "/webhooks/sonzai", muxWith(httphook.Handler), muxWith(wrapNothing)},
		{"nethttp with event", "/webhooks/sonzai/{event}", "/webhooks/sonzai/agent.message", muxWith(httphook.Handler), muxWith(wrapNothing)},
	} {
		b.Run(framework.name, func(b *testing.B) {
			hooks := benchReceiver(b)
			takeTurns(b, framework.target, framework.adapter(framework.path, hooks), framework.wrapper(framework.path, hooks))
		})
	}
}

func wrapEcho(r *sonzaihook.Receiver) echo.HandlerFunc { return echo.WrapHandler(r) }
func wrapEcho5(r *sonzaihook.Receiver) echo5.HandlerFunc {
	return echo5.WrapHandler(r)
}
func wrapGin(r *sonzaihook.Receiver) gin.HandlerFunc  { return gin.WrapH(r) }
func wrapNothing(r *sonzaihook.Receiver) http.Handler { return r }

func echoWith(handler func(*sonzaihook.Receiver) echo.HandlerFunc) func(string, *sonzaihook.Receiver) http.Handler {
	return func(path string, hooks *sonzaihook.Receiver) http.Handler {
		e := echo.New()
		e.POST(path, handler(hooks))
		return e
	}
}

func echo5With(handler func(*sonzaihook.Receiver) echo5.HandlerFunc) func(string, *sonzaihook.Receiver) http.Handler {
	return func(path string, hooks *sonzaihook.Receiver) http.Handler {
		e := echo5.New()
		e.POST(path, handler(hooks))
		return e
	}
}

func ginWith(handler func(*sonzaihook.Receiver) gin.HandlerFunc) func(string, *sonzaihook.Receiver) http.Handler {
	return func(path string, hooks *sonzaihook.Receiver) http.Handler {
		router := gin.New()
		router.POST(path, handler(hooks))
		return router
	}
}

func muxWith(handler func(*sonzaihook.Receiver) http.Handler) func(string, *sonzaihook.Receiver) http.Handler {
	return func(path string, hooks *sonzaihook.Receiver) http.Handler {
		routes := http.NewServeMux()
		routes.Handle("POST "+path, handler(hooks))
		return routes
	}
}

func benchReceiver(b *testing.B) *sonzaihook.Receiver {
	b.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret),
		sonzaihook.WithStore(nil), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
		sonzaihook.WithTolerance(24*time.Hour))
	require.NoError(b, err)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	return hooks
}

// turn is how many deliveries one side handles before the other is asked.
const turn = 50

func takeTurns(b *testing.B, target string, adapter, wrapper http.Handler) {
	body := messageOf(2 << 10)
	header := hooktest.NewRequest(b, body).Header
	take := func(handler http.Handler) time.Duration {
		start := time.Now()
		for range turn {
			answer := &recorder.Answer{}
			handler.ServeHTTP(answer, benchRequest(b, target, header, body))
			if answer.Status != http.StatusOK {
				b.Fatalf("answered %d", answer.Status)
			}
		}
		return time.Since(start)
	}
	var ratios []float64
	var total [2]time.Duration
	sides := []http.Handler{adapter, wrapper}
	for first := 0; b.Loop(); first = 1 - first { // who goes first has it warmer or colder
		took := [2]time.Duration{time.Hour, time.Hour}
		for i := range 4 {
			side := (first + i) % 2
			took[side] = min(took[side], take(sides[side]))
		}
		ratios = append(ratios, float64(took[0])/float64(took[1]))
		total[0] += took[0]
		total[1] += took[1]
	}
	slices.Sort(ratios)
	n := float64(len(ratios) * turn)
	b.ReportMetric(0, "ns/op") // of four turns; the figures are below
	b.ReportMetric(float64(total[0])/n, "adapter-ns")
	b.ReportMetric(float64(total[1])/n, "wrapper-ns")
	b.ReportMetric(ratios[len(ratios)/2], "adapter/wrapper")
}

func benchRequest(b *testing.B, target string, header http.Header, body []byte) *http.Request {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, target, bytes.NewReader(body))
	require.NoError(b, err)
	req.Header = header
	return req
}
