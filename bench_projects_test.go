package sonzaihook_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/stretchr/testify/require"
)

// BenchmarkProjects compares receivers with 1, 100 and 10,000 projects: an accepted
// delivery of one of them, and a forged one, take turns in short rounds. Metric:
// x/one, how many times as long as with one project.
func BenchmarkProjects(b *testing.B) {
	for _, kind := range []string{"accepted", "forged"} {
		secret := "whsec_project0"
		if kind == "forged" {
			secret = "whsec_forged"
		}
		body := benchBody(0, 2<<10)
		header := http.Header{
			"Content-Type":             {"application/json"},
			sonzaihook.SignatureHeader: {sonzaihook.Sign(body, secret, time.Now())},
		}
		one := projectReceiver(b, 1)
		for _, n := range []int{1, 100, 10_000} {
			b.Run(fmt.Sprint(kind, " ", n), func(b *testing.B) {
				many := projectReceiver(b, n)
				var ours, alone time.Duration
				for b.Loop() {
					alone += timeReceives(one, header, body)
					ours += timeReceives(many, header, body)
				}
				b.ReportMetric(float64(ours)/float64(alone), "x/one")
			})
		}
	}
}

func projectReceiver(b *testing.B, n int) *sonzaihook.Receiver {
	b.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), sonzaihook.WithStore(nil), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(b, err)
	hooks.OnMemoryAdded(func(context.Context, *sonzaihook.MemoryAddedEvent) error { return nil })
	for i := range n {
		secrets := sonzaihook.Secrets{}
		for _, t := range sonzaihook.EventTypes() {
			secrets[t] = []string{"whsec_project" + strconv.Itoa(i)}
		}
		require.NoError(b, hooks.Project("p"+strconv.Itoa(i)).SetSecrets(secrets))
	}
	return hooks
}

func timeReceives(hooks *sonzaihook.Receiver, header http.Header, body []byte) time.Duration {
	start := time.Now()
	for range 200 {
		hooks.ReceiveProject(context.Background(), "p0", header, body)
	}
	return time.Since(start)
}
