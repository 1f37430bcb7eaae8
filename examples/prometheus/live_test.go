package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// Every query of every panel is asked of a Prometheus that scrapes the server, and
// each has to be answered with a number. Not parallel: the registry is global.
func TestEveryPanelShowsSomethingOfARealPrometheus(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed (Debian package prometheus)")
	}
	router, deliver := busyServer(t)
	server := httptest.NewServer(router)
	defer server.Close()
	api := startPrometheus(t, program, server.Listener.Addr().String())

	open := map[string]string{} // queries that were not answered with a number yet, and the last answer
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			open[strings.NewReplacer("$__rate_interval", "30s", "$job", ".*").Replace(target.Expr)] = panel.Title
		}
	}
	require.GreaterOrEqual(t, len(open), 16)
	for end := time.Now().Add(90 * time.Second); len(open) > 0 && time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		deliver()
		for expr := range open {
			if numbers(t, api+"/query?query="+url.QueryEscape(expr)) > 0 {
				delete(open, expr)
			}
		}
	}
	require.Empty(t, open, "these queries found no number")
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

// busyServer returns the server of this example, and what delivers to it once with
// each outcome.
func busyServer(t *testing.T) (http.Handler, func()) {
	t.Helper()
	registerer, gatherer := prometheus.DefaultRegisterer, prometheus.DefaultGatherer
	registry := prometheus.NewRegistry()
	prometheus.DefaultRegisterer, prometheus.DefaultGatherer = registry, registry
	t.Cleanup(func() { prometheus.DefaultRegisterer, prometheus.DefaultGatherer = registerer, gatherer })
	require.NoError(t, exportMetrics())
	hooks, telemetry, err := newHooks(hooktest.Secret)
	require.NoError(t, err)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return errors.New("the model is away") })
	require.NoError(t, hooks.Rotate(sonzaihook.AnyEvent, "whsec_the_next_one_0123456789abcdef", time.Hour))
	_, err = telemetry.ObserveQueue("sonzai", func(context.Context) (int64, time.Duration, error) { return 1, time.Second, nil })
	require.NoError(t, err)
	broken := telemetry.Store(brokenStore{sonzaihook.NewMemoryStore(1)})
	enqueue := telemetry.HandOff(func(context.Context, *sonzaihook.Delivery) error { return nil })
	router := newRouter(hooks, telemetry)
	return router, func() {
		send := func(want int, typ sonzaihook.EventType, body []byte, options ...hooktest.Option) {
			options = append(options, hooktest.To("/webhooks/sonzai/"+string(typ)))
			require.Equal(t, want, hooktest.Deliver(t, router, body, options...).Code)
		}
		mood := hooktest.Fixture(t, sonzaihook.EventMoodChange)
		send(http.StatusOK, sonzaihook.EventMoodChange, mood) // processed
		send(http.StatusOK, sonzaihook.EventMoodChange, mood) // duplicate
		send(http.StatusUnauthorized, sonzaihook.EventMoodChange, mood, hooktest.Tampered())
		send(http.StatusUnauthorized, sonzaihook.EventMoodChange, mood, hooktest.Stale())
		send(http.StatusUnauthorized, sonzaihook.EventMoodChange, mood, hooktest.Unsigned())
		send(http.StatusBadRequest, sonzaihook.EventMoodChange, []byte("[]"))
		send(http.StatusOK, sonzaihook.EventConsolidation, hooktest.Fixture(t, sonzaihook.EventConsolidation)) // ignored
		send(http.StatusInternalServerError, sonzaihook.EventMessage, hooktest.Fixture(t, sonzaihook.EventMessage))
		_, err := broken.Claim(t.Context(), "key", "token", time.Minute)
		require.ErrorIs(t, err, errBroken)
		require.NoError(t, enqueue(t.Context(), &sonzaihook.Delivery{Type: sonzaihook.EventMoodChange}))
	}
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

// numbers returns how many series a query is answered with whose value is a number.
func numbers(t *testing.T, query string) (n int) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	ask(t, query, &answer)
	for _, series := range answer.Data.Result {
		if value := fmt.Sprint(series.Value[1]); value != "NaN" {
			n++
		}
	}
	return n
}

func ask(t *testing.T, address string, answer any) {
	t.Helper()
	got, err := http.Get(address)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }()
	require.Equal(t, http.StatusOK, got.StatusCode, address)
	require.NoError(t, json.NewDecoder(got.Body).Decode(answer))
}
