package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

var pageAddress = regexp.MustCompile(`inspect at (http://127\.0\.0\.1:\d+/)`)

// inspectPage returns a page of the inspector of a command that runs.
func inspectPage(t *testing.T, base, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	return string(body)
}

func TestListenAndSimulateShowWhatPassesOnAPage(t *testing.T) {
	t.Parallel()
	sim := world{}.start(t, "simulate", "--addr", "127.0.0.1:0", "--every", "20ms", "--speed", "100", "--inspect=127.0.0.1:0")
	sim.says(t, &sim.errOut, "interrupt to end")
	base := regexp.MustCompile(`SONZAI_BASE_URL=(http://127\.0\.0\.1:\d+)`).FindStringSubmatch(sim.errOut.String())[1]
	sent := pageAddress.FindStringSubmatch(sim.errOut.String())[1]

	w := world{environ: []string{sonzaiapi.EnvAPIKey + "=sk_simulator", sonzaiapi.EnvBaseURL + "=" + base}}
	listening := w.start(t, "listen", "--addr", "127.0.0.1:0", "--inspect=127.0.0.1:0")
	listening.says(t, &listening.out, "agent.mood_change")
	taken := pageAddress.FindStringSubmatch(listening.errOut.String())[1]
	for _, page := range []string{sent, taken} {
		require.Eventually(t, func() bool { return strings.Contains(inspectPage(t, page, ""), "agent.mood_change") }, 10*time.Second, 20*time.Millisecond)
	}
	require.Contains(t, inspectPage(t, taken, "deliveries/1"), "signature")

	form := url.Values{"name": {"drop-answer"}, "on": {"true"}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, sent+"faults", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	listening.says(t, &listening.out, "duplicate")
	require.Equal(t, console.ExitYes, listening.end(t))
	require.Equal(t, console.ExitYes, sim.end(t))
}

func TestThePageIsServedOnALoopbackAddressAlone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0", "[::ffff:192.0.2.1]:0"} {
		run := world{}.do(t, "simulate", "--addr", "127.0.0.1:0", "--inspect="+address)
		require.Equal(t, console.ExitTrouble, run.code, address)
		require.Contains(t, run.errOut, "is not a loopback address", address)
	}
	for _, address := range []string{"4041", "localhost", ""} {
		_, err := loopback(t.Context(), address)
		require.ErrorContains(t, err, "want a host and a port", address)
	}
	for address, want := range map[string]string{
		":4041": "localhost:4041", "localhost:4041": "localhost:4041", "127.0.0.9:1": "127.0.0.9:1", "[::1]:1": "[::1]:1",
	} {
		got, err := loopback(t.Context(), address)
		require.NoError(t, err, address)
		require.Equal(t, want, got)
	}
}
