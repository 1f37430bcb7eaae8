package sonzaihook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

func TestCopyOfAHandledDeliveryIsNotRunAgain(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil).HandleAll(nil)
	for _, typ := range sonzaihook.EventTypes() {
		require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, fixed(t, typ))))
		require.Equal(t, "duplicate", code(t, hooktest.Deliver(t, h, fixed(t, typ), hooktest.Repeated())))
	}
	require.Equal(t, len(sonzaihook.EventTypes()), h.Runs.Len())
}

func TestIdentityIsTheFirstThatExists(t *testing.T) {
	t.Parallel()
	at := time.Now()
	for _, c := range []struct {
		name, body, want string
	}{
		{"event id", `{"type":"agent.wakeup","event_id":"e1","id":"e2","wakeup":{"wakeup_id":"w"}}`, "/event:e1"},
		{"id", `{"type":"agent.wakeup","id":"e2","wakeup":{"wakeup_id":"w"}}`, "/id:e2:"},
		{"id in the payload", `{"type":"agent.mood_change","data":{"id":"e3"}}`, "/id:e3:"},
		{"wakeup", `{"type":"agent.wakeup","wakeup":{"wakeup_id":"w"}}`, "/id:w:"},
		{"wakeup with its time", `{"type":"agent.wakeup","wakeup":{"wakeup_id":"w","scheduled_at":"2026-03-01T10:00:00+01:00"}}`, "/id:w@2026-03-01T09:00:00Z:"},
		{"wakeup beside it", `{"type":"on_wakeup_ready","data":{"wakeup_id":"w"}}`, "/id:w:"},
		{"message", `{"type":"agent.message","data":{"message_id":"m"}}`, "/id:m:"},
		{"breakthrough", `{"type":"agent.breakthrough","breakthrough_id":"b"}`, "/id:b:"},
		{"a placeholder for an event id", `{"type":"agent.breakthrough","event_id":"00000000-0000-0000-0000-000000000000","breakthrough_id":"b"}`, "/id:b:"},
		{"a long id", fmt.Sprintf(`{"type":"x","event_id":"%0300d"}`, 1), "sha256:"},
		{"digest", `{"type":"agent.mood_change","valence":1}`, "/signed:"},
		{"digest of a message without an id", `{"type":"agent.message"}`, "/signed:"},
	} {
		h := recorder.New(t, nil).HandleAll(nil)
		require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(c.body), hooktest.At(at))))
		require.Contains(t, h.Outcomes.Last(t).DeliveryID, c.want, c.name)
		require.LessOrEqual(t, len(h.Outcomes.Last(t).DeliveryID), 200, c.name)
		require.Equal(t, "duplicate", code(t, hooktest.Deliver(t, h, []byte(c.body), hooktest.At(at))), c.name)
		resigned := hooktest.Deliver(t, h, []byte(c.body), hooktest.At(at.Add(-2*time.Second)))
		if c.want == "/signed:" {
			require.Equal(t, "processed", code(t, resigned), "%s: the same bytes at another time are another event", c.name)
		} else {
			require.Equal(t, "duplicate", code(t, resigned), c.name)
		}
	}
}

func TestIdentityDoesNotDependOnWhoListens(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	sonzaihook.On(h.Receiver, sonzaihook.EventMessage, func(context.Context, *sonzaihook.Event[lead]) error { return nil })
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(`{"type":"agent.message","data":{"message_id":"m"}}`))))
	require.Contains(t, h.Outcomes.Last(t).DeliveryID, "/agent.message//id:m:")
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(`{"type":"agent.message","data":{"message_id":{},"lead_id":"l"}}`))))
	require.Contains(t, h.Outcomes.Last(t).DeliveryID, "/signed:")
}

func TestIdentityCanBeReplaced(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil, sonzaihook.WithIdentity(func(d *sonzaihook.Delivery) string {
		if d.Type == sonzaihook.EventMessage {
			return "one"
		}
		return ""
	})).HandleAll(nil)
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, message(t))))
	require.Equal(t, "one", h.Outcomes.Last(t).DeliveryID)
	require.Equal(t, "duplicate", code(t, hooktest.Deliver(t, h, fixedFlat(t, sonzaihook.EventMessage))))
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, fixed(t, sonzaihook.EventWakeup))))
	require.Equal(t, "proj_demo/agent.wakeup/agent_luna/event:evt_01JWAKE", h.Outcomes.Last(t).DeliveryID)
}

func TestNaturalIdentityIsSharedByPushAndPoll(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil, sonzaihook.WithIdentity(sonzaihook.NaturalIdentity)).HandleAll(nil)
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, message(t))))
	require.Equal(t, "agent.message:msg_7f3a", h.Outcomes.Last(t).DeliveryID)
	polled := &sonzaihook.Delivery{Type: sonzaihook.EventMessage, Source: sonzaihook.SourcePoll, Body: []byte(`{"message_id":"msg_7f3a","content":"hi"}`)}
	require.Equal(t, "duplicate", h.Dispatch(t.Context(), polled).Code)
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, fixed(t, sonzaihook.EventMoodChange))))
	require.Equal(t, "proj_demo/agent.mood_change/agent_luna/event:evt_01JMOOD", h.Outcomes.Last(t).DeliveryID)
}

func TestWithoutAStoreEveryCopyRuns(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil, sonzaihook.WithStore(nil)).HandleAll(nil)
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, message(t), hooktest.Repeated())))
	require.Equal(t, 2, h.Runs.Len())
}

func TestFailedDeliveryRunsAgainWhenThePlatformRetries(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		switch h.Runs.Add(recorder.Run{}) {
		case 1:
			return errUser
		case 2:
			panic("boom")
		}
		return nil
	})
	for _, want := range []string{"failed", "panicked", "processed", "duplicate"} {
		require.Equal(t, want, code(t, hooktest.Deliver(t, h, message(t))))
	}
}

func TestCopyThatArrivesWhileTheFirstRunsIsPutOff(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	running, finish := make(chan struct{}), make(chan error)
	h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		close(running)
		return <-finish
	})
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- hooktest.Deliver(t, h, message(t)) }()
	<-running
	copied := hooktest.Deliver(t, h, message(t))
	require.Equal(t, "in_flight", code(t, copied))
	require.Equal(t, "5", copied.Header().Get("Retry-After"))
	finish <- nil
	require.Equal(t, "processed", code(t, <-first))
	require.Equal(t, "duplicate", code(t, hooktest.Deliver(t, h, message(t))))
}

func TestClientThatGoesAwayDoesNotStopACallback(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	type key struct{}
	ctx, goAway := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	h.OnMessage(func(ctx context.Context, _ *sonzaihook.MessageEvent) error {
		goAway()
		require.NoError(t, ctx.Err())
		require.Equal(t, "value", ctx.Value(key{}))
		return nil
	})
	require.Equal(t, "processed", h.Receive(ctx, hooktest.NewRequest(t, message(t)).Header, message(t)).Code)
}

func TestCallbackThatHeedsItsDeadlineFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := recorder.New(t, nil)
		h.OnMessage(func(ctx context.Context, _ *sonzaihook.MessageEvent) error {
			deadline, limited := ctx.Deadline()
			require.True(t, limited)
			require.Equal(t, time.Now().Add(sonzaihook.DefaultHandlerTimeout), deadline)
			<-ctx.Done()
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			require.ErrorIs(t, context.Cause(ctx), sonzaihook.ErrHandlerTimeout)
			return ctx.Err()
		})
		start := time.Now()
		require.Equal(t, "failed", code(t, hooktest.Deliver(t, h, message(t))))
		require.Equal(t, sonzaihook.DefaultHandlerTimeout, time.Since(start))
		require.ErrorIs(t, h.Outcomes.Last(t).Err, context.DeadlineExceeded)
	})
}

func TestWithoutATimeoutACallbackHasNoDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := recorder.New(t, nil, sonzaihook.WithHandlerTimeout(0))
		h.OnMessage(func(ctx context.Context, _ *sonzaihook.MessageEvent) error {
			_, limited := ctx.Deadline()
			require.False(t, limited)
			time.Sleep(10 * time.Minute)
			return ctx.Err()
		})
		require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, message(t))))
	})
}

func TestContextEndsWithTheRun(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	var used, unused context.Context
	h.OnMessage(func(ctx context.Context, _ *sonzaihook.MessageEvent) error {
		used = ctx
		return ctx.Err()
	})
	h.OnWakeup(func(ctx context.Context, _ *sonzaihook.WakeupEvent) error {
		unused = ctx
		return nil
	})
	hooktest.Deliver(t, h, message(t))
	hooktest.Deliver(t, h, fixed(t, sonzaihook.EventWakeup))
	require.ErrorIs(t, used.Err(), context.Canceled)
	require.ErrorIs(t, unused.Err(), context.Canceled)
}

func TestShutdownLetsWhatRunsFinishAndPutsOffTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := recorder.New(t, nil)
		h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
			time.Sleep(5 * time.Second)
			h.Runs.Add(recorder.Run{})
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(func() { require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, message(t)))) })
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errUser)
		defer cancel()
		require.ErrorIs(t, h.Shutdown(ctx), errUser, "the context ends first")
		require.Equal(t, "shutting_down", code(t, hooktest.Deliver(t, h, fixedFlat(t, sonzaihook.EventMessage))))
		require.NoError(t, h.Shutdown(t.Context()))
		require.Equal(t, 1, h.Runs.Len())
		require.NoError(t, h.Shutdown(t.Context()), "again")
		wg.Wait()
	})
}

// A thousand deliveries at once, half of them copies, while the secret rotates.
func TestManyDeliveriesAtOnceWhileSecretsRotate(t *testing.T) {
	t.Parallel()
	const events = 500
	var runs [events]atomic.Int64
	var running [events]atomic.Int64
	h := recorder.New(t, sonzaihook.Secrets{sonzaihook.EventMessage: {"secret-0"}})
	h.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		var n int
		if _, err := fmt.Sscanf(e.ID, "evt_%d", &n); err != nil {
			return err
		}
		if running[n].Add(1) != 1 {
			t.Errorf("two copies of %s at a time", e.ID)
		}
		defer running[n].Add(-1)
		if runs[n].Add(1) == 1 && n%10 == 0 {
			return errors.New("try again")
		}
		return nil
	})
	var secret atomic.Value
	secret.Store("secret-0")
	stop, rotated := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(rotated)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			next := fmt.Sprintf("secret-%d", i)
			if err := h.Rotate(sonzaihook.EventMessage, next, time.Minute); err != nil {
				t.Error(err)
			}
			secret.Store(next)
		}
	}()
	server := httptest.NewServer(h)
	defer server.Close()
	var wg sync.WaitGroup
	for i := range 2 * events {
		wg.Go(func() { deliverUntilDone(t, server, fmt.Sprintf("evt_%d", i%events), &secret) })
	}
	wg.Wait()
	close(stop)
	<-rotated
	for n := range events {
		want := int64(1)
		if n%10 == 0 {
			want = 2
		}
		require.Equal(t, want, runs[n].Load(), "event %d", n)
	}
}

// deliverUntilDone does what the platform does: it tries again on 5xx.
func deliverUntilDone(t *testing.T, server *httptest.Server, id string, secret *atomic.Value) {
	body := fmt.Appendf(nil, `{"event_type":"agent.message","event_id":%q,"data":{"content":"hello"}}`, id)
	for {
		req := hooktest.NewRequest(t, body, hooktest.To(server.URL), hooktest.SignedWith(secret.Load().(string)))
		req.RequestURI = ""
		res, err := server.Client().Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = res.Body.Close()
		switch {
		case res.StatusCode == http.StatusOK:
			return
		case res.StatusCode < 500:
			t.Errorf("%s: %d", id, res.StatusCode)
			return
		}
		time.Sleep(time.Millisecond)
	}
}
