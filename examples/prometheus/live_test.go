package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/otelhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// calm are the panels that show 0 while nothing is wrong, where an empty panel would
// be taken for a broken one. What they show of trouble is not 0.
var calm = []string{"Deliveries", "Answered 5xx", "Answered 5xx by code", "Refusals by reason", "Store: calls that failed", "Verified by a secret that was rotated out"}

// first are the panels that show a delivery which is the first of its kind, where
// rate alone sees nothing: its series begin with it.
var first = []string{"Deliveries", "Deliveries by outcome", "Deliveries by type", "Time to the answer", "Time in callbacks", "Clock skew", "Store: 99 % of calls within"}

// Every query of every panel is asked of a Prometheus that scrapes the server, and
// each has to be answered with a number. Not parallel: the registry is global.
func TestEveryPanelShowsSomethingOfARealPrometheus(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed (Debian package prometheus)")
	}
	busy := newBusyServer(t)
	server := httptest.NewServer(busy.router)
	defer server.Close()
	api := startPrometheus(t, program, server.Listener.Addr().String())
	queries := map[string]string{} // to the title of the panel
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			queries[strings.NewReplacer("$__rate_interval_ms", "15000", "$__rate_interval", "15s", "$job", ".*").Replace(target.Expr)] = panel.Title
		}
	}
	require.GreaterOrEqual(t, len(queries), 16)

	answered := func(deliver func(), want func(title string, values []string) bool) {
		t.Helper()
		open := maps.Clone(queries)
		for end := time.Now().Add(90 * time.Second); len(open) > 0 && time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
			deliver()
			for expr, title := range open {
				if want(title, numbers(t, api+"/query?query="+url.QueryEscape(expr))) {
					delete(open, expr)
				}
			}
		}
		require.Empty(t, open, "these queries were not answered as they should be")
	}
	zero := func(values []string) bool { return len(values) == 1 && values[0] == "0" }
	answered(func() {}, func(title string, values []string) bool { // nothing has arrived yet
		return zero(values) == (slices.Contains(calm, title) && title != "Answered 5xx" || title == "Without a secret" || title == "In flight")
	})
	delivered := false
	answered(func() {
		if !delivered && len(numbers(t, api+"/query?query="+url.QueryEscape("sonzaihook_delivery_in_flight offset 15s"))) > 0 {
			busy.accepted()
			delivered = true
		}
	}, func(title string, values []string) bool {
		return !slices.Contains(first, title) || len(values) > 0 && !slices.Contains(values, "0")
	})
	answered(busy.accepted, func(title string, values []string) bool { // a share of something
		return !slices.Contains(calm, title) || title == "Deliveries" || zero(values)
	})
	answered(busy.all, func(title string, values []string) bool {
		return len(values) > 0 && (!slices.Contains(calm, title) || !slices.Contains(values, "0"))
	})
	requireVariables(t, api)
}

var labelValues = regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)

// requireVariables asks for the values of the dashboard's variables.
func requireVariables(t *testing.T, api string) {
	t.Helper()
	asked := 0
	for _, variable := range readDashboard(t).Templating.List {
		var query struct{ Query string }
		if json.Unmarshal(variable.Query, &query) != nil {
			continue // the data source, which is no query
		}
		parts := labelValues.FindStringSubmatch(query.Query)
		require.NotNil(t, parts, query.Query)
		var answer struct{ Data []string }
		ask(t, api+"/label/"+parts[2]+"/values?match[]="+parts[1], &answer)
		require.Equal(t, []string{"sonzai"}, answer.Data)
		asked++
	}
	require.Equal(t, 1, asked)
}

// busyServer is the server of this example, to which this delivers.
type busyServer struct {
	t         *testing.T
	router    http.Handler
	hooks     *sonzaihook.Receiver
	telemetry *otelhook.Telemetry
}

func newBusyServer(t *testing.T) *busyServer {
	t.Helper()
	registerer, gatherer := prometheus.DefaultRegisterer, prometheus.DefaultGatherer
	registry := prometheus.NewRegistry()
	prometheus.DefaultRegisterer, prometheus.DefaultGatherer = registry, registry
	t.Cleanup(func() { prometheus.DefaultRegisterer, prometheus.DefaultGatherer = registerer, gatherer })
	require.NoError(t, exportMetrics())
	hooks, telemetry, err := newHooks(hooktest.Secret)
	require.NoError(t, err)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return errors.New("the model is away") })
	_, err = telemetry.ObserveQueue("sonzai", func(context.Context) (int64, time.Duration, error) { return 1, time.Second, nil })
	require.NoError(t, err)
	return &busyServer{t, newRouter(hooks, telemetry), hooks, telemetry}
}

func (b *busyServer) send(want int, typ sonzaihook.EventType, body []byte, options ...hooktest.Option) {
	b.t.Helper()
	options = append(options, hooktest.To("/webhooks/sonzai/"+string(typ)))
	require.Equal(b.t, want, hooktest.Deliver(b.t, b.router, body, options...).Code)
}

// accepted delivers what nothing is wrong with.
func (b *busyServer) accepted() {
	b.send(http.StatusOK, sonzaihook.EventMoodChange, hooktest.Fixture(b.t, sonzaihook.EventMoodChange))
}

// all delivers once with each outcome.
func (b *busyServer) all() {
	next := "whsec_the_next_one_0123456789abcdef"
	require.NoError(b.t, b.hooks.Rotate(sonzaihook.AnyEvent, next, time.Hour)) // hooktest's secret retires
	mood := hooktest.Fixture(b.t, sonzaihook.EventMoodChange)
	b.send(http.StatusOK, sonzaihook.EventMoodChange, mood) // processed
	b.send(http.StatusOK, sonzaihook.EventMoodChange, mood) // duplicate
	b.send(http.StatusUnauthorized, sonzaihook.EventMoodChange, mood, hooktest.Tampered())
	b.send(http.StatusUnauthorized, sonzaihook.EventMoodChange, mood, hooktest.Stale())
	b.send(http.StatusUnauthorized, sonzaihook.EventMoodChange, mood, hooktest.Unsigned())
	b.send(http.StatusBadRequest, sonzaihook.EventMoodChange, []byte("[]"))
	b.send(http.StatusOK, sonzaihook.EventConsolidation, hooktest.Fixture(b.t, sonzaihook.EventConsolidation)) // ignored
	b.send(http.StatusInternalServerError, sonzaihook.EventMessage, hooktest.Fixture(b.t, sonzaihook.EventMessage))
	_, err := b.telemetry.Store(brokenStore{sonzaihook.NewMemoryStore(1)}).Claim(b.t.Context(), "key", "token", time.Minute)
	require.ErrorIs(b.t, err, errBroken)
	enqueue := b.telemetry.HandOff(func(context.Context, *sonzaihook.Delivery) error { return nil })
	require.NoError(b.t, enqueue(b.t.Context(), &sonzaihook.Delivery{Type: sonzaihook.EventMoodChange}))
}

var errBroken = errors.New("connection refused")

type brokenStore struct{ sonzaihook.Store }

func (brokenStore) Claim(context.Context, string, string, time.Duration) (sonzaihook.State, error) {
	return 0, errBroken
}

// startPrometheus returns the address of the API of a Prometheus that scrapes target
// each second.
func startPrometheus(t *testing.T, program, target string) string {
	t.Helper()
	dir := t.TempDir()
	config, err := os.ReadFile("prometheus.yml")
	require.NoError(t, err)
	own := strings.NewReplacer("localhost:8080", target, "scrape_interval: 15s", "scrape_interval: 1s\n    scrape_timeout: 1s").Replace(string(config))
	require.Contains(t, own, target)
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(own), 0o600))
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())

	log := new(strings.Builder)
	command := exec.CommandContext(t.Context(), program, "--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address)
	command.Stdout, command.Stderr = log, log
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		answer, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, time.Minute, 50*time.Millisecond)
	return "http://" + address + "/api/v1"
}

// numbers returns the values of the series that a query is answered with, where they
// are numbers.
func numbers(t *testing.T, query string) (values []string) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	ask(t, query, &answer)
	for _, series := range answer.Data.Result {
		if value := fmt.Sprint(series.Value[1]); value != "NaN" {
			values = append(values, value)
		}
	}
	return values
}

func ask(t *testing.T, address string, answer any) {
	t.Helper()
	got, err := http.Get(address)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }()
	require.Equal(t, http.StatusOK, got.StatusCode, address)
	require.NoError(t, json.NewDecoder(got.Body).Decode(answer))
}
