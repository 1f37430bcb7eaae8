package sonzaihook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

func TestCallbacksOfATypeRunInOrderUntilTheFirstError(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	var ran []string
	var first *sonzaihook.MessageEvent
	fail := errors.New("second fails")
	h.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		ran, first = append(ran, "first"), e
		return nil
	})
	sonzaihook.On(h.Receiver, "agent.message", func(_ context.Context, e *sonzaihook.Event[map[string]any]) error {
		ran = append(ran, "second "+fmt.Sprint(e.Data["message_id"]))
		err := fail
		fail = nil
		return err
	})
	h.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		require.Same(t, first, e, "callbacks of one delivery share the event")
		ran = append(ran, "third")
		return nil
	})
	require.Equal(t, http.StatusInternalServerError, hooktest.Deliver(t, h, message(t)).Code)
	require.Equal(t, []string{"first", "second msg_7f3a"}, ran)
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, message(t)).Code)
	require.Equal(t, []string{"first", "second msg_7f3a", "first", "second msg_7f3a", "third"}, ran)
}

func TestMiddlewareWrapsTheCallbacksFirstOutermost(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	var ran []string
	trace := func(name string) func(sonzaihook.Handler) sonzaihook.Handler {
		return func(next sonzaihook.Handler) sonzaihook.Handler {
			return func(ctx context.Context, d *sonzaihook.Delivery) error {
				ran = append(ran, name+" "+d.ID)
				defer func() { ran = append(ran, name+" after") }()
				return next(ctx, d)
			}
		}
	}
	h.Use(trace("outer"))
	h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		ran = append(ran, "callback")
		return nil
	})
	h.Use(trace("inner"))
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, message(t)).Code)
	require.Equal(t, []string{"outer " + messageID, "inner " + messageID, "callback", "inner after", "outer after"}, ran)

	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, fixed(t, sonzaihook.EventWakeup)).Code)
	require.Len(t, ran, 5, "it does not run where there is no callback")
}

func TestMiddlewareMayAnswerOrHandOnAnotherDelivery(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil).HandleAll(nil)
	h.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			switch d.Type {
			case sonzaihook.EventMessage:
				return sonzaihook.Ignore("not today")
			case sonzaihook.EventWakeup:
				return next(ctx, &sonzaihook.Delivery{Body: []byte(`{"type":"agent.mood_change"}`)})
			case sonzaihook.EventBreakthrough:
				return next(ctx, &sonzaihook.Delivery{Body: []byte(`{}`)})
			}
			return next(ctx, d)
		}
	})
	var mood *sonzaihook.MoodChangeEvent
	h.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		mood = e
		return nil
	})
	require.Equal(t, "ignored", code(t, hooktest.Deliver(t, h, message(t))))
	require.Zero(t, h.Runs.Len())
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, fixed(t, sonzaihook.EventWakeup))))
	require.Equal(t, sonzaihook.EventMoodChange, mood.Type)
	require.Equal(t, "failed", code(t, hooktest.Deliver(t, h, fixed(t, sonzaihook.EventBreakthrough))))
	require.ErrorIs(t, h.Outcomes.Last(t).Err, sonzaihook.ErrUndecodable)
}

func TestTypesAreThoseWithACallback(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	require.Empty(t, h.Types())
	h.OnOther(func(context.Context, *sonzaihook.Event[json.RawMessage]) error { return nil })
	h.OnWakeup(func(context.Context, *sonzaihook.WakeupEvent) error { return nil })
	sonzaihook.On(h.Receiver, "on_mood_updated", func(context.Context, *sonzaihook.Event[lead]) error { return nil })
	require.Equal(t, []sonzaihook.EventType{sonzaihook.EventMoodChange, sonzaihook.EventWakeup}, h.Types())
}

func TestRegisteringNonsensePanics(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	require.Panics(t, func() { h.OnMessage(nil) })
	require.Panics(t, func() { h.OnOther(nil) })
	require.Panics(t, func() { h.OnDeadLetter(nil) })
	require.Panics(t, func() { h.Use(nil) })
	require.Panics(t, func() {
		sonzaihook.On(h.Receiver, "", func(context.Context, *sonzaihook.Event[lead]) error { return nil })
	})
	require.Panics(t, func() {
		sonzaihook.On(h.Receiver, sonzaihook.AnyEvent, func(context.Context, *sonzaihook.Event[lead]) error { return nil })
	})
}

func TestDeadLetterGetsWhatIsAboutToBeLost(t *testing.T) {
	t.Parallel()
	notFound := errors.New("no such agent")
	for _, c := range []struct {
		name    string
		options []sonzaihook.Option
		body    string
		status  int
		err     error
	}{
		{"undecodable", nil, `{"type":"agent.message"`, 400, sonzaihook.ErrUndecodable},
		{"no type", nil, `{}`, 400, sonzaihook.ErrUndecodable},
		{"invalid", []sonzaihook.Option{sonzaihook.WithValidator(refuseAll{})}, `{"type":"agent.message"}`, 422, sonzaihook.ErrInvalid},
		{"rejected", nil, `{"type":"agent.message"}`, 422, notFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := recorder.New(t, nil, c.options...).HandleAll(sonzaihook.Permanent(fmt.Errorf("wrapped: %w", notFound)))
			var kept []string
			var keepErr error
			for _, name := range []string{"first", "second"} {
				h.OnDeadLetter(func(ctx context.Context, d *sonzaihook.Delivery, err error) error {
					_, limited := ctx.Deadline()
					require.True(t, limited)
					require.ErrorIs(t, err, c.err)
					require.Equal(t, c.body, string(d.Body))
					kept = append(kept, name)
					return keepErr
				})
			}
			require.Equal(t, c.status, hooktest.Deliver(t, h, []byte(c.body)).Code)
			require.Equal(t, []string{"first", "second"}, kept)

			keepErr = errUser
			require.Equal(t, "failed", code(t, hooktest.Deliver(t, h, []byte(c.body))), "not kept, so the platform tries again")
			require.Equal(t, []string{"first", "second", "first"}, kept)
			require.ErrorIs(t, h.Outcomes.Last(t).Err, errUser)

			keepErr = nil
			require.Equal(t, c.status, hooktest.Deliver(t, h, []byte(c.body)).Code, "a dead letter is not a handled delivery")
		})
	}
}

func TestDeadLetterThatPanicsOrEndsItsGoroutineIsNotKept(t *testing.T) {
	t.Parallel()
	for code500, fn := range map[string]func(){"panicked": func() { panic("full") }, "failed": runtime.Goexit} {
		h := recorder.New(t, nil)
		h.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error {
			fn()
			return nil
		})
		require.Equal(t, code500, code(t, hooktest.Deliver(t, h, []byte(`{}`))))
	}
}

func TestDeadLetterIsNotAskedForWhatIsNotAuthentic(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil).HandleAll(nil).KeepDeadLetters(nil)
	for _, option := range []hooktest.Option{hooktest.Tampered(), hooktest.Stale(), hooktest.Unsigned(), hooktest.SignedWith("other")} {
		require.Equal(t, http.StatusUnauthorized, hooktest.Deliver(t, h, message(t), option).Code)
	}
	require.Zero(t, h.DeadLetters.Len())
}

func TestVerdictsKeepTheErrorTheyWrap(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, sonzaihook.Permanent(errUser), errUser)
	require.EqualError(t, sonzaihook.Permanent(errUser), errUser.Error())
	require.Error(t, sonzaihook.Permanent(nil))
	require.ErrorIs(t, sonzaihook.RetryAfter(errUser, 0), errUser)
	require.Error(t, sonzaihook.RetryAfter(nil, time.Second))
	require.ErrorContains(t, sonzaihook.Ignore("why"), "why")

	h := recorder.New(t, nil).HandleAll(fmt.Errorf("wrapped: %w", sonzaihook.RetryAfter(errUser, -time.Hour)))
	answer := hooktest.Deliver(t, h, message(t))
	require.Equal(t, "retry_later", code(t, answer))
	require.Equal(t, "1", answer.Header().Get("Retry-After"))
}

func TestCallbackThatEndsItsGoroutineHasFailed(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		runtime.Goexit()
		return nil
	})
	require.Equal(t, "failed", code(t, hooktest.Deliver(t, h, message(t))))
	require.Equal(t, "failed", code(t, hooktest.Deliver(t, h, message(t))), "its claim was released")
}

func TestPanicsOfUserCodeAroundTheCallbacksAreAnswered(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]sonzaihook.Option{
		"validator": sonzaihook.WithValidator(panicky{}),
		"identity":  sonzaihook.WithIdentity(func(*sonzaihook.Delivery) string { panic("boom") }),
		"observer":  sonzaihook.WithObserver(func(context.Context, sonzaihook.Outcome) { panic("boom") }),
	} {
		h := recorder.New(t, nil, option).HandleAll(nil)
		want := "panicked"
		if name == "observer" {
			want = "processed"
		}
		require.Equal(t, want, code(t, hooktest.Deliver(t, h, message(t))), name)
		require.Contains(t, h.Log.String(), "boom", name)
	}
	h := recorder.New(t, nil)
	sonzaihook.On(h.Receiver, "x", func(context.Context, *sonzaihook.Event[panicky]) error { return nil })
	require.Equal(t, "panicked", code(t, hooktest.Deliver(t, h, []byte(`{"type":"x","data":{}}`))))
	sonzaihook.On(h.Receiver, "y", func(context.Context, *sonzaihook.Event[refusing]) error { return nil })
	require.Equal(t, "failed", code(t, hooktest.Deliver(t, h, []byte(`{"type":"y","data":{}}`))))
	require.ErrorIs(t, h.Outcomes.Last(t).Err, sonzaihook.ErrMisfit)
	require.NotContains(t, h.Log.String(), "quoting the body")
}

type panicky struct{}

func (panicky) Struct(any) error             { panic("boom") }
func (*panicky) UnmarshalJSON([]byte) error  { panic("boom") }
func (*refusing) UnmarshalJSON([]byte) error { return errors.New("quoting the body") }

type refusing struct{}

// seen is a validator that keeps what it was asked about.
type seen struct{ subjects []any }

func (s *seen) Struct(subject any) error {
	s.subjects = append(s.subjects, subject)
	return nil
}

func TestValidatorIsAskedAboutWhatCanBeValidated(t *testing.T) {
	t.Parallel()
	s := &seen{}
	h := recorder.New(t, nil, sonzaihook.WithValidator(s)).HandleAll(nil)
	sonzaihook.On(h.Receiver, "struct", func(context.Context, *sonzaihook.Event[lead]) error { return nil })
	sonzaihook.On(h.Receiver, "pointer", func(context.Context, *sonzaihook.Event[*lead]) error { return nil })
	sonzaihook.On(h.Receiver, "map", func(context.Context, *sonzaihook.Event[map[string]any]) error { return nil })
	for _, body := range []string{
		`{"type":"struct","lead_id":"1"}`, `{"type":"pointer","lead_id":"2"}`, `{"type":"map"}`, `{"type":"unknown"}`, `{"type":"agent.wakeup","wakeup_id":"w"}`,
	} {
		require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, []byte(body)).Code, body)
	}
	require.Equal(t, []any{&lead{LeadID: "1", Type: "struct"}, &lead{LeadID: "2", Type: "pointer"}, &sonzaihook.Wakeup{WakeupID: "w", Wakeup: sonzaihook.ScheduledWakeup{WakeupID: "w"}}}, s.subjects)

	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, message(t)).Code)
	subject, err := jsonv2.Marshal(s.subjects[3])
	require.NoError(t, err)
	require.Contains(t, string(subject), `"agent_id":"agent_luna","message_id":"msg_7f3a"`)
}

const (
	messageID = "proj_demo/agent.message/agent_luna/event:evt_01JMSG"
	polledID  = "/agent.message//id:m1:82d46e980d8b7d045b2a2bce8a02405118f6d5fb88d9bf15bb9589256967063e"
)

func TestVerifyAuthenticatesAndPutsTheBodyBack(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil).HandleAll(nil)
	req := hooktest.NewRequest(t, message(t))
	d, err := h.Verify(req)
	require.NoError(t, err)
	require.Equal(t, []any{messageID, sonzaihook.EventMessage, "agent.message", sonzaihook.SourceWebhook}, []any{d.ID, d.Type, d.Name, d.Source})
	require.WithinDuration(t, time.Now(), d.SignedAt, time.Minute)
	require.Equal(t, message(t), d.Body)
	again, err := io.ReadAll(req.Body)
	require.NoError(t, err)
	require.Equal(t, message(t), again)
	require.EqualValues(t, len(again), req.ContentLength)
	require.Zero(t, h.Runs.Len())

	for want, option := range map[error]hooktest.Option{
		sonzaihook.ErrSignatureMismatch:         hooktest.Tampered(),
		sonzaihook.ErrTimestampOutsideTolerance: hooktest.Stale(),
		sonzaihook.ErrMissingSignature:          hooktest.Unsigned(),
	} {
		_, err := h.Verify(hooktest.NewRequest(t, message(t), option))
		require.ErrorIs(t, err, want)
		require.Equal(t, http.StatusUnauthorized, sonzaihook.Refusal(err).Status)
		require.ErrorIs(t, h.Outcomes.Last(t).Err, want)
	}
	_, err = h.Verify(hooktest.NewRequest(t, []byte(`{}`)))
	require.ErrorIs(t, err, sonzaihook.ErrUndecodable)
	require.Equal(t, http.StatusBadRequest, sonzaihook.Refusal(err).Status)
	h.KeepDeadLetters(errUser)
	_, err = h.Verify(hooktest.NewRequest(t, []byte(`{}`)))
	require.Equal(t, http.StatusInternalServerError, sonzaihook.Refusal(err).Status)
}

func TestReceiveAnswersAsServeHTTPDoes(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil, sonzaihook.WithMaxBody(10_000)).HandleAll(nil)
	body := message(t)
	header := hooktest.NewRequest(t, body).Header
	out := h.Receive(t.Context(), header, body)
	require.Equal(t, []any{200, "processed", sonzaihook.EventMessage, messageID, sonzaihook.SourceWebhook}, []any{out.Status, out.Code, out.Type, out.DeliveryID, out.Source})
	require.JSONEq(t, `{"code":"processed"}`, string(out.Body()))

	out = h.Receive(t.Context(), header, append(body, ' '))
	require.Equal(t, http.StatusUnauthorized, out.Status)
	require.Equal(t, unauthorizedBody, string(out.Body())) //nolint:testifylint // byte for byte
	require.Equal(t, "body_too_large", h.Receive(t.Context(), header, make([]byte, 10_001)).Code)
	require.Equal(t, http.StatusUnauthorized, h.Receive(t.Context(), http.Header{}, body).Status)
	require.Nil(t, sonzaihook.Outcome{}.Body())
	require.JSONEq(t, `{"code":"queued"}`, string(sonzaihook.Outcome{Code: sonzaihook.CodeQueued}.Body()))
}

func TestNothingThatACallbackKeepsIsOverwritten(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	var events []*sonzaihook.MessageEvent
	h.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		events = append(events, e)
		return nil
	})
	buffer := make([]byte, 0, 1024)
	for i := range 50 {
		buffer = fmt.Appendf(buffer[:0], `{"type":"agent.message","id":"evt_%03d","data":{"content":"content %03d"}}`, i, i)
		out := h.Receive(t.Context(), hooktest.NewRequest(t, buffer).Header, buffer)
		require.Equal(t, 200, out.Status)
		require.Equal(t, 200, hooktest.Deliver(t, h, fmt.Appendf(nil, `{"type":"agent.message","id":"http_%03d","content":"content %03d"}`, i, i)).Code)
	}
	for i, e := range events {
		require.Contains(t, string(e.Raw), fmt.Sprintf("content %03d", i/2))
		require.Equal(t, fmt.Sprintf("content %03d", i/2), e.Data.Content)
	}
}

func TestDispatchRunsWhatItsCallerVouchesFor(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	var got []string
	h.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		got = append(got, fmt.Sprint(e.ID, " ", e.Source, " ", e.Name, " ", e.Data.Content))
		return nil
	})
	polled := &sonzaihook.Delivery{Type: "agent.message", Source: sonzaihook.SourcePoll, Body: []byte(`{"message_id":"m1","type":"check","content":"one"}`)}
	out := h.Dispatch(t.Context(), polled)
	require.Equal(t, "processed", out.Code)
	require.Equal(t, polledID, out.DeliveryID)
	require.Equal(t, sonzaihook.SourcePoll, out.Source)
	require.Empty(t, polled.ID, "the caller's delivery is not changed")
	require.Equal(t, "duplicate", h.Dispatch(t.Context(), polled).Code)

	pushed := hooktest.Deliver(t, h, []byte(`{"type":"agent.message","data":{"message_id":"m1","content":"one"}}`))
	require.Equal(t, "duplicate", code(t, pushed), "a push of the same message has the same identity")

	out = h.Dispatch(t.Context(), &sonzaihook.Delivery{ID: "mine", Source: sonzaihook.SourceReplay, Body: []byte(`{"type":"agent.message","id":"evt","content":"two"}`)})
	require.Equal(t, "mine", out.DeliveryID)
	require.Equal(t, "undecodable", h.Dispatch(t.Context(), &sonzaihook.Delivery{Body: []byte(`{}`)}).Code)
	require.Equal(t, "processed", h.Dispatch(t.Context(), &sonzaihook.Delivery{Type: sonzaihook.EventMessage, Body: []byte(`{"content":"three"}`)}).Code)
	require.Equal(t, polledID+" poll agent.message one", got[0])
	require.Equal(t, "evt replay agent.message two", got[1])
	require.Contains(t, got[2], "/signed:")
}

func TestReplayedEventWithoutAnIDIsNotTakenForOneThatWasPushedWithTheSameBytes(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil).HandleAll(nil)
	body, now := []byte(`{"event_type":"agent.mood_change"}`), time.Now()
	require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, body, hooktest.At(now))))
	replayed := &sonzaihook.Delivery{SignedAt: now, Source: sonzaihook.SourceReplay, Body: body}
	require.Equal(t, "processed", h.Dispatch(t.Context(), replayed).Code)
	require.Equal(t, "duplicate", h.Dispatch(t.Context(), replayed).Code)
}

func TestDefaultLoggerIsUsedAtItsLevel(t *testing.T) {
	t.Parallel()
	r, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, hooktest.NewRequest(t, message(t)))
	require.Equal(t, "ignored", code(t, answer))
}
