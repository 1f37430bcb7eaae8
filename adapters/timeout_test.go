package adapters_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4/middleware"
	middleware5 "github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

const soon = 20 * time.Millisecond

// slowMounts are mounts behind middleware whose time runs out while a callback
// runs. Some answer in the receiver's place, some only end the request's context.
// None of them stops the callback.
var slowMounts = []struct {
	mount
	answers bool // in the receiver's place
}{
	{mount{name: "nethttp TimeoutHandler", serve: onServeMux(func(next http.Handler) http.Handler {
		return http.TimeoutHandler(next, soon, "too slow")
	})}, true},
	{mount{name: "echo Timeout", serve: onEcho(echoTimeout(soon))}, true},
	{mount{name: "echo Timeout and Gzip", serve: onEcho(echoTimeout(soon), middleware.Gzip())}, true},
	{mount{name: "chi Timeout", serve: onChi(chimiddleware.Timeout(soon))}, false},
	{mount{name: "echo ContextTimeout", serve: onEcho(middleware.ContextTimeout(soon))}, false},
	{mount{name: "echo5 ContextTimeout", serve: onEcho5(middleware5.ContextTimeout(soon))}, false},
}

func TestACallbackOutlivesTheTimeOfMiddleware(t *testing.T) {
	t.Parallel()
	for _, m := range slowMounts {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, &m.mount, &sameCase{callback: lingerIn})
			first := make(chan answer, 1)
			go func() { first <- w.send(w.delivery()) }()
			seen := <-w.arrived
			<-w.running
			if m.answers {
				got := <-first
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				require.Empty(t, got.header.Get("Retry-After"))
			} else {
				time.Sleep(2 * soon)
			}
			close(w.finish)
			if !m.answers {
				require.Equal(t, http.StatusOK, (<-first).status)
			}
			<-seen.left
			copied := w.sendUntilSettled(w.delivery())
			require.Equal(t, string(sonzaihook.Outcome{Code: sonzaihook.CodeDuplicate}.Body()), copied.body)
			require.Equal(t, 1, w.hooks.Runs.Len())
		})
	}
}

// Echo uses an echo.Context again as soon as Timeout has answered, while the
// handler that was too slow still holds it. Its answer must not reach the request
// that has the context next.
func TestALateAnswerReachesNoOtherRequest(t *testing.T) {
	t.Parallel()
	// Long enough for a busy machine: where the time is up before the handler has
	// begun, it begins with a context that is used again, and echo mixes two requests.
	const limit = 10 * soon
	m := mount{serve: onEcho(echoTimeout(limit))}
	release := make(chan struct{})
	w := newWorld(t, &m, &sameCase{
		silent:  true,
		options: []sonzaihook.Option{sonzaihook.WithStore(nil)},
		arrange: func(w *world) {
			w.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
				<-release
				return errCallback
			})
		},
	})
	slow, quick := w.delivery(), w.delivery()
	slow.body = hooktest.Fixture(t, sonzaihook.EventMoodChange)
	ignored := string(sonzaihook.Outcome{Code: sonzaihook.CodeIgnored}.Body())
	for range 3 {
		require.Equal(t, http.StatusServiceUnavailable, w.send(slow).status)
		var senders sync.WaitGroup
		deadline := time.Now().Add(limit)
		for range 4 {
			senders.Go(func() {
				for time.Now().Before(deadline) {
					got := w.send(quick)
					late := got.status == http.StatusServiceUnavailable // the machine is busy
					// Timeout may put its old writer into a response that is used again,
					// and then an answer is lost, which is less than one that is another's.
					lost := got.status == http.StatusOK && got.body == ""
					if !late && !lost && (got.status != http.StatusOK || got.body != ignored) {
						t.Errorf("a quick delivery got %d %q", got.status, got.body)
					}
				}
			})
		}
		time.Sleep(limit / 2)
		release <- struct{}{}
		senders.Wait()
	}
	require.Empty(t, w.serverLog.String())
}
