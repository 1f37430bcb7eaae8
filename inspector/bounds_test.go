package inspector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/testdata"
)

func receiver(t testing.TB) *sonzaihook.Receiver {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	return hooks
}

func message(t testing.TB, n int) []byte {
	t.Helper()
	fixture, err := testdata.Files.ReadFile("agent.message.json")
	require.NoError(t, err)
	return bytes.Replace(fixture, []byte(`"pending"`), []byte(`"`+strings.Repeat("x", n)+`"`), 1)
}

func TestNoMoreIsKeptThanTheLimits(t *testing.T) {
	t.Parallel()
	const deliveries, most = 50, 256 << 10
	i := New(receiver(t), WithLimits(deliveries, most))
	h := i.Capture(i.hooks)
	for n := range 300 {
		hooktest.Deliver(t, h, message(t, n*100))
		hooktest.Deliver(t, h, message(t, n*100), hooktest.Tampered())
		c := i.shelf.count()
		require.LessOrEqual(t, c.n[handled]+c.n[refused], deliveries)
		require.LessOrEqual(t, c.bytes, most*3/4)
	}
	require.Positive(t, i.shelf.count().n[handled])
	require.Positive(t, i.shelf.count().n[refused])
	require.Zero(t, i.flying.Load(), "what was being received is given back")
	for _, r := range i.shelf.all() {
		require.LessOrEqual(t, cap(r.body), most/16)
	}
}

func TestAFloodOfForgedDeliveriesDisplacesNone(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	h := i.Capture(i.hooks)
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, message(t, 10)).Code)
	for range 2000 {
		hooktest.Deliver(t, h, message(t, 10), hooktest.Unsigned())
	}
	c := i.shelf.count()
	require.Equal(t, [kinds]int{1, 100}, c.n)
	require.NotNil(t, i.shelf.get(1))
	require.Equal(t, handled, i.shelf.get(1).kind())
}

func TestABodyThatIsTooLongIsKeptInPart(t *testing.T) {
	t.Parallel()
	i := New(receiver(t), WithLimits(10, 64<<10))
	h := i.Capture(i.hooks)
	long := message(t, 10<<10)
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, long).Code)
	r := i.shelf.get(1)
	require.False(t, r.whole)
	require.Equal(t, long[:4<<10], r.body)
	require.EqualValues(t, len(long), r.length)
	require.Contains(t, i.unplayable(r), "not all of them")
	hooktest.Deliver(t, h, long, hooktest.Tampered())
	require.Equal(t, "Not explained", i.explain(i.shelf.get(2)).Title)
}

func TestMemoryForBodiesThatAreBeingReceivedIsBounded(t *testing.T) {
	t.Parallel()
	i := New(receiver(t), WithLimits(10, 64<<10))
	var waiting sync.WaitGroup
	release, read := make(chan struct{}), make(chan struct{}, 50)
	h := i.Capture(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		read <- struct{}{}
		<-release
	}))
	for range 50 {
		waiting.Go(func() { hooktest.Deliver(t, h, message(t, 3000)) })
	}
	for range 50 {
		<-read
	}
	require.LessOrEqual(t, i.flying.Load(), int64(16<<10))
	require.Positive(t, i.flying.Load())
	close(release)
	waiting.Wait()
	require.Zero(t, i.flying.Load())
}

func TestWhatAHandlerLeavesUnreadIsKept(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	server := httptest.NewServer(i.Capture(i.hooks))
	defer server.Close()
	for n, size := range []int{10, 100 << 10} {
		body := message(t, size)
		req := hooktest.NewRequest(t, body, hooktest.Stale())
		out, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, req.Body)
		require.NoError(t, err)
		out.Header, out.ContentLength = req.Header, int64(len(body))
		answer, err := http.DefaultClient.Do(out)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
		require.Eventually(t, func() bool { return i.shelf.get(uint64(n+1)) != nil }, 10*time.Second, time.Millisecond)
		r := i.shelf.get(uint64(n + 1))
		require.True(t, r.whole)
		require.Equal(t, body, r.body)
		require.Equal(t, sonzaihook.ErrTimestampOutsideTolerance, r.out.reason)
	}
}

func TestAPanickingHandlerIsKeptAndPanics(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	h := i.Capture(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no") }))
	require.PanicsWithValue(t, "no", func() { hooktest.Deliver(t, h, message(t, 1)) })
	require.Equal(t, "no answer", i.shelf.get(1).code())
}

func TestAnOutcomeThatComesLateIsJoined(t *testing.T) {
	t.Parallel()
	hooks := receiver(t)
	release, done := make(chan struct{}), make(chan struct{})
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { <-release; return nil })
	i := New(hooks)
	hooks.Observe(func(context.Context, sonzaihook.Outcome) { close(done) })
	h := i.Capture(http.TimeoutHandler(hooks, time.Millisecond, "too slow"))
	require.Equal(t, http.StatusServiceUnavailable, hooktest.Deliver(t, h, message(t, 1)).Code)
	require.Nil(t, i.shelf.get(1).out)
	close(release)
	<-done
	r := i.shelf.get(1)
	require.Equal(t, sonzaihook.CodeProcessed, r.out.code)
	require.Equal(t, http.StatusServiceUnavailable, r.status, "what the platform was told")
}

func TestWhatACallbackDispatchesIsADeliveryByItself(t *testing.T) {
	t.Parallel()
	hooks := receiver(t)
	i := New(hooks)
	hooks.OnMessage(func(ctx context.Context, e *sonzaihook.MessageEvent) error {
		if e.Source == sonzaihook.SourceWebhook {
			hooks.Dispatch(ctx, &sonzaihook.Delivery{ID: "inner", Source: sonzaihook.SourceBroker, Body: e.Raw})
		}
		return nil
	})
	hooktest.Deliver(t, i.Capture(i.Capture(hooks)), message(t, 1))
	require.Len(t, i.shelf.all(), 2, "a handler that is captured twice is captured once")
	inner, outer := i.shelf.get(1), i.shelf.get(2)
	require.Equal(t, "inner", inner.out.id)
	require.Equal(t, dispatched, inner.origin)
	require.NotEqual(t, "inner", outer.out.id)
	require.True(t, outer.whole)
}

func TestAnAnswerReachesTheClientUnchanged(t *testing.T) {
	t.Parallel()
	i := New(receiver(t))
	bare := hooktest.Deliver(t, receiver(t), message(t, 5))
	captured := hooktest.Deliver(t, i.Capture(i.hooks), message(t, 5))
	require.Equal(t, bare.Code, captured.Code)
	require.Equal(t, bare.Header(), captured.Header())
	require.Equal(t, bare.Body.Bytes(), captured.Body.Bytes())
}

func TestImpossibleOptionsPanicWithErrInvalidOption(t *testing.T) {
	t.Parallel()
	hooks := receiver(t)
	for name, make := range map[string]func(){
		"nil option": func() { New(hooks, nil) },
		"tolerance":  func() { New(hooks, WithTolerance(0)) },
		"few":        func() { New(hooks, WithLimits(4, 1<<20)) },
		"small":      func() { New(hooks, WithLimits(10, 1000)) },
		"clock":      func() { New(hooks, WithClock(nil)) },
		"host":       func() { New(hooks, WithHosts("dev.example:80")) },
	} {
		func() {
			defer func() {
				err, _ := recover().(error)
				require.ErrorIs(t, err, sonzaihook.ErrInvalidOption, name)
			}()
			make()
		}()
	}
}

func TestMemoryIsUsedAgainAndNeverWhileItIsRead(t *testing.T) {
	t.Parallel()
	hooks := receiver(t)
	var raw [][]byte
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error { raw = append(raw, e.Raw); return nil })
	i := New(hooks, WithLimits(10, 1<<20))
	h := i.Capture(hooks)
	body := func(n int) []byte {
		return bytes.Replace(message(t, 500), []byte("evt_01JMSG"), fmt.Appendf(nil, "evt_%06d", n), 1)
	}
	done := i.shelf.read()
	hooktest.Deliver(t, h, body(0))
	first := i.shelf.get(1)
	i.dispatch(t.Context(), &sonzaihook.Delivery{ID: "again", Body: body(0), Source: sonzaihook.SourceReplay}, 1)
	for n := range 100 {
		hooktest.Deliver(t, h, body(n+1))
	}
	require.Equal(t, body(0), first.body, "a page that is being made keeps what it shows")
	done()
	for n := range 100 {
		hooktest.Deliver(t, h, body(n+101))
		require.Equal(t, body(n+101), i.shelf.get(i.shelf.count().last).body)
	}
	require.Equal(t, body(0), raw[1], "what callbacks were given is theirs")
	for n := range 200 {
		require.Equal(t, body(n+1), raw[n+2])
	}
}

func TestALateOutcomeTouchesNoOtherDelivery(t *testing.T) {
	t.Parallel()
	hooks := receiver(t)
	release, done := make(chan struct{}), make(chan struct{}, 100)
	var slow atomic.Bool
	slow.Store(true)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		if slow.Load() {
			<-release
			return errors.New("late")
		}
		return nil
	})
	i := New(hooks, WithLimits(10, 1<<20))
	hooks.Observe(func(context.Context, sonzaihook.Outcome) { done <- struct{}{} })
	h := i.Capture(http.TimeoutHandler(hooks, time.Millisecond, "too slow"))
	hooktest.Deliver(t, h, message(t, 1))
	slow.Store(false)
	h = i.Capture(hooks)
	for range 30 { // the first is gone, and its memory in use again
		hooktest.Deliver(t, h, message(t, 1), hooktest.Unsigned())
	}
	for n := range 20 {
		hooktest.Deliver(t, h, message(t, n+2))
	}
	close(release)
	for range 51 {
		<-done
	}
	for _, r := range i.shelf.all() {
		require.NotEqual(t, "late", r.out.message)
	}
}
