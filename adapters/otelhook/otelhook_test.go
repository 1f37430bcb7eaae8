package otelhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/otelhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestNewRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]otelhook.Option{
		"a nil option":          nil,
		"a nil tracer provider": otelhook.WithTracerProvider(nil),
		"a nil meter provider":  otelhook.WithMeterProvider(nil),
		"a nil propagator":      otelhook.WithPropagator(nil),
		"a nil clock":           otelhook.WithClock(nil),
	} {
		_, err := otelhook.New(option)
		require.ErrorIs(t, err, sonzaihook.ErrInvalidOption, name)
	}
	telemetry, err := otelhook.New()
	require.NoError(t, err, "the global providers are the default")
	require.Nil(t, telemetry.Store(nil))
	require.Nil(t, telemetry.HandOff(nil))
	_, err = telemetry.ObserveQueue("", nil)
	require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
}

func TestWithoutProvidersDeliveriesRunAsBefore(t *testing.T) {
	t.Parallel()
	telemetry, err := otelhook.New()
	require.NoError(t, err)
	hooks := newReceiver(t, append(telemetry.Options(), sonzaihook.WithStore(telemetry.Store(sonzaihook.NewMemoryStore(10))))...)
	telemetry.Attach(hooks)
	hooks.OnMoodChange(accept)
	answer := hooktest.Deliver(t, telemetry.PublicEndpoint(hooks), mood("evt_1"))
	require.Equal(t, http.StatusOK, answer.Code)
}

func TestMiddlewareSeesTheErrorOfTheCallbacksUnchanged(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	mine := errors.New("mine")
	var got error
	hooks := newReceiver(t, s.Options()...)
	hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			got = next(ctx, d)
			return got
		}
	})
	s.Attach(hooks)
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return mine })
	hooktest.Deliver(t, hooks, mood("evt_1"))
	require.Same(t, mine, got)
}

// Deliveries are counted once, whichever way a receiver got its observer.
func TestADeliveryIsCountedOnceHoweverTheReceiverIsObserved(t *testing.T) {
	t.Parallel()
	count := func(s *seen) float64 {
		return s.metrics()["sonzaihook.delivery.duration{code=processed,source=webhook,type=agent.mood_change}"]
	}
	options := func(s *seen) *sonzaihook.Receiver { return newReceiver(t, s.Options()...) }
	none := func(*seen) *sonzaihook.Receiver { return newReceiver(t) }
	for _, c := range []struct {
		name   string
		make   func(*seen) *sonzaihook.Receiver
		attach int
	}{
		{"with the options alone", options, 0},
		{"attached alone", none, 1},
		{"with the options and attached", options, 1},
		{"with the options and attached twice", options, 2},
		{"attached twice", none, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSeen(t)
			var all []*sonzaihook.Receiver
			for range 2 {
				hooks := c.make(s)
				for range c.attach {
					s.Attach(hooks)
				}
				hooks.OnMoodChange(accept)
				all = append(all, hooks)
			}
			for _, hooks := range all {
				for i := range 3 {
					require.Equal(t, http.StatusOK, hooktest.Deliver(t, hooks, mood(fmt.Sprint("evt_", i))).Code)
				}
			}
			require.EqualValues(t, 6, count(s))
		})
	}
	t.Run("one each way", func(t *testing.T) {
		t.Parallel()
		s := newSeen(t)
		withOptions, attached := options(s), none(s)
		s.Attach(attached)
		for _, hooks := range []*sonzaihook.Receiver{withOptions, attached} {
			hooks.OnMoodChange(accept)
			hooktest.Deliver(t, hooks, mood("evt_1"))
		}
		require.EqualValues(t, 2, count(s))
	})
}

// Nothing that identifies a person, and nothing that somebody else chooses, may be
// in a metric.
func TestMetricsHoldNoIdentityAndNoTextOfTheSender(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		return fmt.Errorf("cannot save %s", e.Raw)
	}, sonzaihook.WithStore(s.Store(sonzaihook.NewMemoryStore(100))))
	hooks.OnOther(func(context.Context, *sonzaihook.Event[json.RawMessage]) error { return nil })
	sonzaihook.On(hooks, "shop.order", func(context.Context, *sonzaihook.Event[struct{}]) error { return nil })

	s.served(hooks, mood("evt_secret"))
	s.served(hooks, mood("evt_secret"), hooktest.Tampered())
	for i := range 50 {
		s.served(hooks, fmt.Appendf(nil, `{"event_type":"made.up.%d","event_id":"evt_secret_%d","agent_id":"agent_luna"}`, i, i))
	}
	s.served(hooks, []byte(`{"event_type":"shop.order","event_id":"evt_secret_b","agent_id":"agent_luna","data":{}}`))
	hooks.Dispatch(t.Context(), &sonzaihook.Delivery{Source: "carrier pigeon 7", Project: "proj_demo", Body: mood("evt_secret_c")})

	points := s.metrics()
	require.EqualValues(t, 50, points["sonzaihook.delivery.duration{code=processed,source=webhook,type=other}"])
	require.EqualValues(t, 1, points["sonzaihook.delivery.duration{code=failed,source=other,type=agent.mood_change}"])
	for name := range points {
		for _, private := range []string{"evt_", "agent_luna", "user_42", "proj_demo", "made.up", "pigeon", "cannot save", hooktest.Secret} {
			require.NotContains(t, name, private)
		}
	}
	require.Len(t, s.named("process other"), 50)
	for _, span := range s.spans.Ended() {
		require.NotContains(t, span.Name(), "made.up")
		require.NotContains(t, span.Status().Description, "cannot save")
		for _, a := range span.Attributes() {
			require.NotContains(t, a.Value.String(), "cannot save")
			require.NotContains(t, a.Value.String(), "calm")
		}
		require.Empty(t, span.Events(), "an event would hold the error's text")
	}
}

func TestATypeThatGetsACallbackLaterKeepsItsNameFromThenOn(t *testing.T) {
	t.Parallel()
	s := newSeen(t, otelhook.WithTypes("listed.type"))
	hooks := s.receiver(accept)
	s.served(hooks, []byte(`{"event_type":"listed.type","event_id":"evt_0"}`))
	sonzaihook.On(hooks, "shop.order", func(context.Context, *sonzaihook.Event[struct{}]) error { return nil })
	s.served(hooks, []byte(`{"event_type":"shop.order","event_id":"evt_1","data":{}}`))
	points := s.metrics()
	require.EqualValues(t, 1, points["sonzaihook.delivery.duration{code=ignored,source=webhook,type=listed.type}"])
	require.EqualValues(t, 1, points["sonzaihook.delivery.duration{code=processed,source=webhook,type=shop.order}"])
	s.only("process shop.order")
}

func TestADecoratedStorePassesTheSuite(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooktest.RunStore(t, func(testing.TB) sonzaihook.Store { return s.Store(sonzaihook.NewMemoryStore(10_000)) })
}
